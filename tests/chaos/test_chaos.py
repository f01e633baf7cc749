"""Several processes share a store and things go wrong: no tick is lost, and none is answered twice.

Real processes, real servers and real time: what a kill, a process that stands still, a terminated connection or a full
disk leaves behind is decided by the operating system and by the servers, which no virtual time imitates. `make chaos`
lets everything go wrong on all stores, and for longer.
"""

import sys
from pathlib import Path

import pytest

from places import place_at, why_not
from play import play
from scenarios import scenario

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to stop a process with"),
    pytest.mark.timeout(180),  # each takes ten seconds; a machine that has much else to do may take its time
]

SECONDS = 4.0


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("sqlite", "kill -9, all named alike"),
        ("sqlite", "deployed every few seconds"),
        ("sqlite", "file locked"),
        ("sqlite", "disk full"),
        ("postgresql", "connections cut"),
        ("postgresql", "event loop blocked"),
        ("mariadb", "server killed"),
        ("redis", "stopped longer than the lease"),
        ("redis", "clocks of processes wrong"),
        ("redis", "history pruned"),
    ],
)
def test_the_promise_is_kept(kind: str, name: str, tmp_path: Path) -> None:
    if (reason := why_not(kind)) is not None:
        pytest.skip(reason)
    with place_at(kind, tmp_path) as place:
        played = play(scenario(name), place, tmp_path, seconds=SECONDS, seed=1)
    assert played.findings.faults == [], played.log
    assert played.findings.expected == played.findings.covered > 0
