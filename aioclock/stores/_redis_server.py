"""Whether a Redis server can keep what is given to it."""

from collections.abc import Iterator
from typing import NamedTuple

from aioclock.exceptions import StoreError
from aioclock.logger import logger
from aioclock.stores._redis_link import Link

__all__ = ["Server", "look_at", "refuse_or_warn"]

LOST_IF_STOPPED = "the server keeps nothing on disk (no append-only file, no snapshots): all is lost when it stops"


class Server(NamedTuple):
    """What a server says of itself; of each thing None, if it does not say."""

    facts: dict[str, str]
    saves: str | None
    """The setting of snapshots."""
    schema: int | None
    """The version of what is kept there; None if nothing is."""

    def faults(self) -> Iterator[str]:
        """Yield why the server can't be used."""
        version = self.facts.get("redis_version", "6").split(".")[0]
        if int(version) < 6:
            yield f"Redis {self.facts['redis_version']} is too old; 6.0 or newer is needed"
        if self.facts.get("role") == "slave":
            master = f"{self.facts.get('master_host')}:{self.facts.get('master_port')}"
            yield f"the server is a replica, which takes no writes; its master is {master}"
        policy = self.facts.get("maxmemory_policy", "noeviction")
        if self.facts.get("maxmemory", "0") != "0" and policy != "noeviction":
            yield (
                f"the server drops keys when its memory is full (maxmemory-policy {policy}), so no promise could be "
                "kept; set maxmemory-policy to noeviction, or use another server"
            )

    def remarks(self) -> Iterator[str]:
        """Yield what else is wrong with it."""
        if self.keeps() is False:
            yield LOST_IF_STOPPED

    def keeps(self) -> bool | None:
        """Tell whether anything is there after a restart; None if nobody knows."""
        if self.facts.get("aof_enabled") == "1" or self.saves:
            return True
        return None if self.saves is None else False


async def look_at(link: Link) -> Server:
    """Return what the server says of itself."""
    schema, *sections = await link.call("server")
    lines = b"\n".join(section or b"" for section in sections).decode().splitlines()
    facts = {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}
    return Server(facts, await link.config("save"), None if schema is None else int(schema))


def refuse_or_warn(server: Server, name: str) -> None:
    """Let nobody rely on a server that can't keep its promises.

    Raises:
        StoreError: it can't.
    """
    for fault in server.faults():
        raise StoreError(f"{name}: {fault}")
    keeps = server.keeps()
    if keeps is None:
        logger.info("the store can't tell whether the server keeps anything on disk", extra={"store": name})
    elif not keeps:
        logger.warning("%s: %s", name, LOST_IF_STOPPED, extra={"store": name})
