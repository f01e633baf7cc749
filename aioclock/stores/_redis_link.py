"""Calls of scripts on a Redis server."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any, NamedTuple

from aioclock.exceptions import StoreError, StoreUnavailableError
from aioclock.stores._redis_errors import is_read_only, store_errors
from aioclock.stores._redis_forms import Argument, plain
from aioclock.stores._redis_package import NEVER_DECODE, Client, Redis, exceptions
from aioclock.stores._redis_url import Location

__all__ = ["Link"]


class _Script(NamedTuple):
    text: str
    sha: str
    """By which the server knows it."""


@cache
def _script(name: str) -> _Script:
    folder = files("aioclock.stores") / "_redis_lua"
    text = "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("common", "runs_common", name))
    return _Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


class Link:
    """A client of a server, and the prefix of the keys there."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._client: Client | None = None

    @property
    def is_open(self) -> bool:
        return self._client is not None

    def open(self) -> None:
        if self._client is None:
            self._client = self._location.connect()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._location.client is None:
            with store_errors(self._location.name):
                await client.aclose()

    async def call(self, script: str, arguments: Sequence[Argument] = ()) -> Any:
        """Return what *script* answers: texts as bytes, whatever the client makes of them elsewhere."""
        text, sha = _script(script)
        call = (1, plain(self._location.prefix), *arguments)
        with store_errors(self._location.name):
            try:
                return await self._ask("EVALSHA", sha, *call)
            except exceptions.NoScriptError:
                # New to this server, or lost when it was started again.
                return await self._ask("EVAL", text, *call)

    async def config(self, name: str) -> str | None:
        """Return a setting of the server; None if it does not tell."""
        try:
            with store_errors(self._location.name):
                told = await self._ask("CONFIG GET", name)
        except StoreUnavailableError:
            raise
        except StoreError:  # servers that others manage forbid it
            return None
        return str(told[name])

    async def _ask(self, *command: Any) -> Any:
        if self._client is None:
            raise StoreError(f"{self._location.name}: the store is not open")
        try:
            return await self._client.execute_command(*command, **{NEVER_DECODE: True})
        except exceptions.ResponseError as error:
            if is_read_only(error) and isinstance(self._client, Redis):
                # The server is a replica since a moment ago. Its name may lead to the new master by now, but who stays
                # connected would never know.
                await self._client.connection_pool.disconnect(inuse_connections=False)
            raise
