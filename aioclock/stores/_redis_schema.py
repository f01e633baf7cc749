"""The version of what is kept in Redis."""

from aioclock.exceptions import StoreError
from aioclock.stores._redis_link import Link

__all__ = ["SCHEMA", "bring_up_to_date", "refuse_newer_version", "refuse_other_version"]

SCHEMA = 1
"""Counted up when what the scripts write changes so that older ones, or newer ones, would go wrong."""


def refuse_other_version(found: int | None, name: str) -> None:
    """Let only those work with what is kept who know its version.

    Raises:
        StoreError: it is of another version.
    """
    refuse_newer_version(found, name)
    if found is not None and found < SCHEMA:
        raise StoreError(
            f"{name}: made by an older aioclock (version {found} of the schema, this one needs {SCHEMA}); "
            "`aioclock store upgrade` brings it up to date"
        )


def refuse_newer_version(found: int | None, name: str) -> None:
    """Let nobody touch what a newer version has made.

    Raises:
        StoreError: a newer version has made it.
    """
    if found is not None and found > SCHEMA:
        raise StoreError(f"{name}: made by a newer aioclock (version {found} of the schema, this one knows {SCHEMA})")


async def bring_up_to_date(link: Link, found: int | None) -> list[int]:
    """Write down the present version; return the versions that were gone through."""
    # There is no older version yet. A step from one to the next is a script of its own, named schema_N.lua.
    if found == SCHEMA:
        return []
    await link.call("schema", [SCHEMA])
    return [SCHEMA]
