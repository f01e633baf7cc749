"""Finding the app that a command is about."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from itertools import dropwhile
from pathlib import Path
from types import ModuleType
from typing import Any

from aioclock.app import AioClock
from aioclock.cli._errors import CommandError
from aioclock.cli._options import CONFIG_FILES
from aioclock.cli._settings import folder_of_app, settings
from aioclock.exceptions import BaseAioClockException
from aioclock.utils import did_you_mean

__all__ = ["app_and_key", "load_app"]

OUR_FOLDER = str(Path(__file__).parent.parent)
PYTHONS_IMPORTER = str(importlib.__file__)


def load_app(target: str | None, *, factory: bool | None = None, prints: bool = False) -> AioClock:
    """Return the app that *target* names.

    Args:
        target: `module:app`, `path/to/file.py:app` (without a name after the colon: `app`) or a configuration file;
            None: the setting `app`.
        factory: Whether the name is that of a function that returns the app; None: as the settings say.
        prints: Whether stdout is the app's as well; else what importing it prints goes to stderr.

    Raises:
        CommandError: there is no such app, or importing it fails.
    """
    named = target or settings().app
    if named is None:
        raise CommandError("which app? name it like module:app or path/to/file.py:app, or set AIOCLOCK_APP")
    with nullcontext() if prints else redirect_stdout(sys.stderr), _arguments_of_its_own():
        return _load(
            named, Path() if target else folder_of_app(), factory=settings().factory if factory is None else factory
        )


@contextmanager
def _arguments_of_its_own() -> Iterator[None]:
    """Hide the command's arguments from an app that reads the process's when it is imported."""
    before, sys.argv = sys.argv, sys.argv[:1]
    try:
        yield
    finally:
        sys.argv = before


def _load(target: str, folder: Path, *, factory: bool) -> AioClock:
    if target.lower().endswith(CONFIG_FILES):
        return _from_config(folder / target)
    place, _, name = _split(target)
    if place.lower().endswith(CONFIG_FILES):
        raise CommandError(f"a configuration file is an app by itself: {place!r}, without {name!r}")
    module = _import_file(folder / place) if place.endswith(".py") else _import_module(place, folder)
    return _app_of(_attribute(module, name or "app", target), target, factory=factory)


def app_and_key(app: str | None, key: str | None) -> tuple[str | None, str]:
    """Return which app and which task the arguments `[APP] KEY` name: one alone is the key.

    Raises:
        CommandError: neither is given, or one alone and no setting says which app.
    """
    if key is not None:
        return app, key
    if app is None:
        raise CommandError("which task? name the app and the task's key, as in module:app KEY")
    if settings().app is None:
        raise CommandError(f"{app!r} alone does not say both app and task: name module:app KEY, or set AIOCLOCK_APP")
    return None, app


def _split(target: str) -> tuple[str, str, str]:
    place, colon, name = target.rpartition(":")
    # Without a colon, and not the one of a Windows drive.
    if not colon or name.startswith(("\\", "/")):
        return target, "", ""
    if not place or not name:
        raise CommandError(f"an app is named like module:app or path/to/file.py:app, got {target!r}")
    return place, colon, name


def _from_config(path: Path) -> AioClock:
    _import_from(Path.cwd())
    try:
        return AioClock.from_config(path)
    except BaseAioClockException as error:
        cause = error.__cause__  # what a module that the file names has raised
        raise CommandError(str(error), details=None if cause is None else _users_part(cause)) from error


def _import_from(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _import_module(name: str, folder: Path) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise CommandError(
            f"{name!r} is no module and no file that ends in .py, {', '.join(CONFIG_FILES[:-1])} or {CONFIG_FILES[-1]}"
        )
    _import_from(folder.resolve())
    return _imported(name, name)


def _import_file(path: Path) -> ModuleType:
    """Import a file under the name that other modules import it by, so that keys of tasks agree."""
    if not path.is_file():
        raise CommandError(f"there is no file {str(path)!r}{_near(path)}")
    path = path.resolve()
    folder, names = path.parent, [path.stem]
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    if names[-1] == "__init__":
        names.pop()
    _import_from(folder)
    module = _imported(".".join(names), str(path))
    if (found := getattr(module, "__file__", None)) is None or Path(found).resolve() != path:
        raise CommandError(
            f"{str(path)!r} can't be imported: its name {'.'.join(names)!r} is that of {found or 'another module'}; "
            "rename the file"
        )
    return module


def _near(path: Path) -> str:
    names = [other.name for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
    return did_you_mean(path.name, names) if names else ""


def _imported(name: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise CommandError(f"there is no module {error.name!r} here or among the installed packages") from error
        raise CommandError(f"importing {place!r} failed: {error}", details=_users_part(error)) from error
    except (Exception, SystemExit) as error:
        raise CommandError(
            f"importing {place!r} failed: {type(error).__name__}: {error}", details=_users_part(error)
        ) from error


def _users_part(error: BaseException) -> str | None:
    """Return the traceback of *error* from where the user's code begins; None if it has no part in it."""
    frames = list(dropwhile(_is_ours, traceback.extract_tb(error.__traceback__)))
    if not frames and not isinstance(error, SyntaxError):
        return None
    shown = [frame for frame in frames if not frame.filename.startswith("<frozen importlib")]
    lines = traceback.format_list(shown) + traceback.format_exception_only(error)
    return "Traceback (most recent call last):\n" + "".join(lines)


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(("<frozen importlib", OUR_FOLDER, PYTHONS_IMPORTER))


def _attribute(module: ModuleType, name: str, target: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            apps = [key for key, value in vars(module).items() if isinstance(value, AioClock)]
            known = f"; the apps in it: {', '.join(apps)}" if apps else did_you_mean(part, vars(found))
            raise CommandError(f"{target!r}: {module.__name__!r} has no {name!r}{known}")
        found = getattr(found, part)
    return found


def _app_of(found: Any, target: str, *, factory: bool) -> AioClock:
    if factory:
        if not callable(found) or isinstance(found, AioClock):
            raise CommandError(f"{target!r} is no function that returns an app; leave --factory out")
        try:
            found = found()
        except (Exception, SystemExit) as error:
            raise CommandError(
                f"the factory {target!r} failed: {type(error).__name__}: {error}", details=_users_part(error)
            ) from error
    if not isinstance(found, AioClock):
        way_out = "" if factory or not callable(found) or isinstance(found, type) else "; if it returns one: --factory"
        raise CommandError(
            f"{target!r} is no AioClock app but {type(found).__module__}.{type(found).__name__}{way_out}"
        )
    return found
