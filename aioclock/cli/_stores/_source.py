"""The store that a command is about, and the way to work in it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aioclock._engine import key_of
from aioclock.app import AioClock
from aioclock.cli._errors import FAILED, CommandError
from aioclock.cli._settings import settings
from aioclock.cli._target import app_and_key, load_app
from aioclock.exceptions import StoreError, TaskIdNotFound
from aioclock.stores import MemoryStore, Store, store_at
from aioclock.utils import did_you_mean

__all__ = ["Source", "app_and_rest", "source_of", "worked_in"]

T = TypeVar("T")

PATIENCE_S = 10.0
"""How long a store may take to answer at all."""


@dataclass(frozen=True, slots=True)
class Source:
    """A store, and the app that it is the store of; None if the store was named itself."""

    store: Store
    app: AioClock | None

    def key(self, ref: str, known: Collection[str]) -> str:
        """Return the key of the task that *ref* means; *known* are those that the store knows.

        Raises:
            CommandError: it means none of them.
        """
        if ref in known:
            return ref
        if self.app is None:
            raise CommandError(f"the store {self.store.name} knows no task {ref!r}{did_you_mean(ref, known)}")
        try:
            key = key_of(ref, self.app.tasks)
        except TaskIdNotFound as error:
            raise CommandError(str(error)) from error
        if key not in known:
            raise CommandError(f"the store {self.store.name} does not know {key!r} yet; it will once the app serves")
        return key

    async def keys(self, store: Store, refs: Iterable[str]) -> list[str] | None:
        """Return the keys of the tasks that *refs* mean, each once; None, which is all tasks, if there are none."""
        refs = list(refs)
        if not refs:
            return None
        known = {state.key for state in await store.tasks()}
        return list(dict.fromkeys(self.key(ref, known) for ref in refs))


def app_and_rest(
    app: str | None, rest: str | None, address: str | None, *, what: str | None = None
) -> tuple[str | None, str]:
    """Return the app and the argument after it: with a store that is named itself, one alone is the latter.

    Args:
        what: The message if neither is given; None: that a task is missing.

    Raises:
        CommandError: there are too few, or too many.
    """
    if rest is None and app is not None and (address is not None or settings().store is not None):
        return None, app
    if app is None and what is not None:
        raise CommandError(what)
    return app_and_key(app, rest)


def source_of(app: str | None, address: str | None, *, factory: bool | None) -> Source:
    """Return the store at *address*, or that of *app*; what is named by neither is a setting.

    Raises:
        CommandError: there is no such store.
    """
    if app is not None and address is not None:
        raise CommandError(f"both an app and a store are named, {app!r} and --store; one of them is enough")
    if app is None and (address := address or settings().store) is not None:
        try:
            return Source(_reachable(store_at(address)), None)
        except (StoreError, ImportError) as error:
            raise CommandError(str(error)) from error
    if app is None and settings().app is None:
        raise CommandError(
            "which store? name the app that has it, like module:app, or the store itself: --store sqlite:///clock.db"
        )
    clock = load_app(app, factory=factory)
    if clock._membership is None:
        raise CommandError(
            "the app has no store, so nothing outlasts its process; give it one: "
            "AioClock(store='sqlite:///clock.db'), or name one: --store URL"
        )
    return Source(_reachable(clock._membership.store), clock)


def _reachable(store: Store) -> Store:
    if isinstance(store, MemoryStore):
        raise CommandError(
            f"the store {store.name} is in the memory of the process that serves; no command can look there"
        )
    return store


def worked_in(source: Source, work: Callable[[Store], Awaitable[T]], *, opens: bool = True, creates: bool = False) -> T:
    """Return what *work* returns in the store.

    Args:
        opens: Whether the store is opened for it.
        creates: Whether it may be one that does not exist yet.

    Raises:
        CommandError: the store can't be reached, or can't work.
    """
    store = source.store
    file = getattr(store, "path", None)
    # SQLite would make it, and nobody would notice that a look was taken from the wrong folder.
    if not creates and isinstance(file, Path) and not file.exists():
        raise CommandError(
            f"the store {store.name}: there is no file {str(file.absolute())!r}; nothing has served with it"
        )
    try:
        return asyncio.run(_within(store, work, opens=opens))
    except (StoreError, OSError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise CommandError(text, code=FAILED) from error


async def _within(store: Store, work: Callable[[Store], Awaitable[T]], *, opens: bool) -> T:
    if not opens:
        return await work(store)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await store.open()
    except TimeoutError as error:
        raise StoreError(str(error) or f"the store {store.name} has not answered within {PATIENCE_S:g} s") from error
    try:
        return await work(store)
    finally:
        await store.close()
