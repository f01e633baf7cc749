"""Where a store in Redis is: a URL, or the user's own client."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from aioclock.exceptions import StoreError
from aioclock.stores._redis_package import Client, NoBackoff, Redis, Retry, exceptions
from aioclock.utils import did_you_mean

__all__ = ["DEFAULT_PREFIX", "Location", "location_at", "location_of"]

DEFAULT_PREFIX = "{aioclock}"
_EXAMPLE = "redis://user:password@host:6379/0"
_OPTIONS = {
    "client_name",
    "health_check_interval",
    "max_connections",
    "protocol",
    "socket_connect_timeout",
    "socket_keepalive",
    "socket_timeout",
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_cert_reqs",
    "ssl_certfile",
    "ssl_check_hostname",
    "ssl_keyfile",
}
# A server that does not answer is no better than one that is gone.
_TIMEOUTS: dict[str, Any] = {"socket_timeout": 5.0, "socket_connect_timeout": 5.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a store is."""

    name: str
    """For people, without secrets."""
    prefix: str
    """Of all keys, with a hash tag."""
    url: str = field(default="", repr=False)
    client: Client | None = field(default=None, repr=False)
    """The user's own."""

    def connect(self) -> Client:
        """Return a client, which connects when it is first used.

        Raises:
            StoreError: an option of the URL has a value that redis-py refuses.
        """
        if self.client is not None:
            return self.client
        # One attempt more, at once, if a connection broke. Not after a time-out: who waits has waited long enough.
        broken = exceptions.ConnectionError
        retry = Retry(NoBackoff(), 1, supported_errors=(broken,))
        try:
            client: Client = Redis.from_url(self.url, **_TIMEOUTS, retry=retry, retry_on_error=[broken])
        except (TypeError, ValueError) as error:
            raise StoreError(f"{self.name}: {error}") from error
        return client


def location_at(url: str, prefix: str | None) -> Location:
    """Return the location that *url* tells."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "prefix" in options:
        if prefix is not None:
            raise StoreError("the prefix is told twice, in the URL and as an argument")
        prefix = options.pop("prefix")
    prefix = _checked_prefix(prefix)
    name = _name(parts, prefix)
    for option in options:
        if option not in _OPTIONS:
            known = sorted({*_OPTIONS, "prefix"})
            raise StoreError(
                f"{name}: unknown option {option!r}{did_you_mean(option, known)}; there are {', '.join(known)}"
            )
    return Location(name=name, prefix=prefix, url=parts._replace(query=urlencode(options)).geturl())


def _name(parts: SplitResult, prefix: str) -> str:
    if parts.scheme not in ("redis", "rediss"):
        # Not the rest: it may hold a password.
        raise StoreError(
            f"a store in Redis is at redis:// or rediss:// (TLS), not {parts.scheme}://; for Sentinel or a cluster, "
            "give RedisStore a client of redis.asyncio"
        )
    path = parts.path.strip("/")
    try:
        port = parts.port or 6379
        database = int(path or "0")
    except ValueError as error:
        raise StoreError(f"a URL of Redis looks like {_EXAMPLE}: port and database are numbers") from error
    return _named(parts.scheme, parts.hostname or "localhost", port, database, prefix)


def _named(scheme: str, host: str, port: object, database: object, prefix: str) -> str:
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{port}/{database}{_suffix(prefix)}"


def _suffix(prefix: str) -> str:
    return "" if prefix == DEFAULT_PREFIX else f"?prefix={prefix}"


def location_of(client: Client, prefix: str | None) -> Location:
    """Return the location that *client* leads to."""
    prefix = _checked_prefix(prefix)
    pool = getattr(client, "connection_pool", None)
    if pool is None:
        return Location(name=f"redis cluster{_suffix(prefix)}", prefix=prefix, client=client)
    place: dict[str, Any] = pool.connection_kwargs
    host = place.get("path") or place.get("host", "localhost")
    name = _named("redis", host, place.get("port", 6379), place.get("db", 0), prefix)
    return Location(name=name, prefix=prefix, client=client)


def _checked_prefix(prefix: str | None) -> str:
    """Return *prefix* with a hash tag, which keeps all keys in one slot of a cluster."""
    if prefix is None:
        return DEFAULT_PREFIX
    if re.search(r"^[^{]*\{[^}]+\}", prefix):
        return prefix
    if prefix and not set(prefix) & set("{}"):
        return f"{{{prefix}}}"
    raise StoreError(f"{prefix!r} is no prefix of keys; one looks like aioclock, {{aioclock}} or {{shop}}:clock")
