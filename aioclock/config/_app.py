"""From a file to an app."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aioclock.config._callables import find, importable_from
from aioclock.config._file import read
from aioclock.config._group import FileGroup
from aioclock.config._place import Place
from aioclock.config._policies import POLICIES, read_policies
from aioclock.config._tasks import CONTENTS, Names, fill
from aioclock.config._variables import fill_in
from aioclock.exceptions import ConfigurationError, StoreError, TaskDeclarationError
from aioclock.group import Group

if TYPE_CHECKING:
    from aioclock.stores import Store

__all__ = ["FOR_EDITORS", "SETTINGS", "load"]

A = TypeVar("A")

SETTINGS = ("shutdown_timeout", "handle_signals", "history", "lifespan", "store", "lease")
"""The arguments of an app, besides the policies, that a file may give."""

FOR_EDITORS = "$schema"


def load(path: "str | os.PathLike[str]", make: Callable[..., A], include: Callable[[A, Group], None]) -> A:
    """Return the app that the file at *path* describes.

    Args:
        make: The app's class.
        include: How a group gets into the app.

    Raises:
        ConfigurationError: something is wrong with the file; all that is.
    """
    try:
        document = read(path)
        fill_in(document, os.environ)
        importable_from(Path(path).parent, Path.cwd())
        top = Place(document)
        if document.value is None:
            top.refuse("the file is empty; it needs tasks or groups")
        names = Names(Path(path).resolve().parent)
        app, tasks = _read(top, names, make)
        document.require_sound()
        assert app is not None
        _include(include, app, tasks, top, names)
    except RecursionError:
        raise ConfigurationError(f"{path}: the file is nested too deeply") from None
    document.require_sound()
    return app


def _read(top: Place, names: Names, make: Callable[..., A]) -> tuple[A | None, Group]:
    tasks = FileGroup(top.document.name)
    places = top.mapping("the file") if top.document.sound or top.value is not None else None
    if places is None:
        return None, tasks
    top.refuse_unknown((*CONTENTS, *SETTINGS, *POLICIES, FOR_EDITORS))
    names = replace(names, has_store="store" in places and places["store"].value is not None)
    policies = read_policies(dict(places), has_store=names.has_store)
    app = _made(make, {name: places[name] for name in SETTINGS if name in places}, dict(policies))
    fill(tasks, places, names)
    return app, tasks


def _include(include: Callable[[A, Group], None], app: A, tasks: Group, top: Place, names: Names) -> None:
    """Put *tasks* into *app*; what only shows there, such as a trigger that processes can't share, is noted."""
    try:
        include(app, tasks)
    except TaskDeclarationError as error:
        message = str(error)
        line = next((line for name, line in names.taken.items() if message.startswith(f"task {name!r}: ")), 1)
        top.document.refuse((), message, line=line)


def _made(make: Callable[..., A], settings: dict[str, Place], policies: dict[str, Any]) -> A:
    """Return the app, without the arguments that its class refuses; each refusal is noted."""
    values = {name: place.scalar for name, place in settings.items()}
    if "lifespan" in settings:
        values["lifespan"] = find(settings["lifespan"], "a lifespan")
    if values.get("store") is not None:
        values["store"] = _store(settings["store"])
    while True:
        try:
            app = make(**values, **policies)
        except TaskDeclarationError as error:
            message = str(error)
        else:
            return app
        guilty = message.partition(" ")[0]  # an app's complaints begin with the argument's name
        if guilty not in values:
            raise TaskDeclarationError(message)
        settings[guilty].refuse(message)
        del values[guilty]


def _store(place: Place) -> "Store":
    """Return the store that is named at *place*; one that can't be is noted, and another stands in for it."""
    from aioclock.stores import MemoryStore, store_at  # most files name none

    address = place.text("store")
    if address is not None:
        try:
            return store_at(address)
        except (StoreError, ImportError) as error:
            message = str(error)
        place.refuse(message)
    return MemoryStore()
