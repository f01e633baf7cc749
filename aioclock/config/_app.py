"""From a file to an app."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from aioclock.config._callables import find, importable_from
from aioclock.config._file import read
from aioclock.config._group import FileGroup
from aioclock.config._place import Place
from aioclock.config._policies import POLICIES, read_policies
from aioclock.config._tasks import CONTENTS, Names, fill
from aioclock.config._variables import fill_in
from aioclock.exceptions import ConfigurationError, TaskDeclarationError
from aioclock.group import Group

__all__ = ["FOR_EDITORS", "SETTINGS", "load"]

A = TypeVar("A")

SETTINGS = ("shutdown_timeout", "handle_signals", "history", "lifespan")
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
        app, tasks = _read(top, Path(path).resolve().parent, make)
    except RecursionError:
        raise ConfigurationError(f"{path}: the file is nested too deeply") from None
    document.require_sound()
    assert app is not None
    include(app, tasks)
    return app


def _read(top: Place, folder: Path, make: Callable[..., A]) -> tuple[A | None, Group]:
    tasks = FileGroup(top.document.name)
    places = top.mapping("the file") if top.document.sound or top.value is not None else None
    if places is None:
        return None, tasks
    top.refuse_unknown((*CONTENTS, *SETTINGS, *POLICIES, FOR_EDITORS))
    app = _made(make, {name: places[name] for name in SETTINGS if name in places}, dict(read_policies(dict(places))))
    fill(tasks, places, Names(folder))
    return app, tasks


def _made(make: Callable[..., A], settings: dict[str, Place], policies: dict[str, Any]) -> A:
    """Return the app, without the arguments that its class refuses; each refusal is noted."""
    values = {name: place.scalar for name, place in settings.items()}
    if "lifespan" in settings:
        values["lifespan"] = find(settings["lifespan"], "a lifespan")
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
