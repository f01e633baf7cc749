#!/bin/sh
# Installs those of the Debian packages named as arguments that are not there yet.
#
# The tests that need one are skipped without it, so whatever is in the way here is told in one line and is no failure.

export DEBIAN_FRONTEND=noninteractive
POLICY=/usr/sbin/policy-rc.d

end() {
    echo "Debian packages for tests: $1"
    exit 0
}

install_missing() {
    # shellcheck disable=SC2086 # several words
    apt-get -qq -o DPkg::Lock::Timeout=60 -o Acquire::http::Timeout=20 install -y --no-install-recommends $missing 2>&1
}

[ $# -gt 0 ] || exit 0

missing=
for package in "$@"; do
    state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)
    [ "$state" = installed ] || missing="$missing $package"
done

[ -n "$missing" ] || end "$*: installed"
command -v apt-get >/dev/null || end "no apt-get to install$missing"
[ "$(id -u)" = 0 ] || end "only root can install$missing"

# Tests start the servers that they need, on ports of their own. A policy that somebody has made stays.
if [ ! -e "$POLICY" ]; then
    trap 'rm -f "$POLICY"' EXIT
    trap 'exit 0' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$POLICY" && chmod 755 "$POLICY"
fi

# Fresh images come without lists of packages, and old lists name files that are gone.
output=$(install_missing) || {
    apt-get -qq -o Acquire::http::Timeout=20 update >/dev/null 2>&1
    output=$(install_missing)
} || end "could not install$missing: $(printf '%s\n' "$output" | sed -n 's/^E: //p' | head -n 1)"
end "installed$missing"
