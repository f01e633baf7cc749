"""Functions that a configuration file names: `pkg.mod:function`."""

import importlib
import pkgutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aioclock.config._place import Place
from aioclock.utils import did_you_mean

__all__ = ["find", "importable_from"]


def importable_from(*folders: Path) -> None:
    """Make the modules in *folders* importable, those of the first one before all others."""
    for folder in reversed([str(folder.resolve()) for folder in folders]):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def find(place: Place, what: str) -> Any:
    """Return what the text at *place*, `pkg.mod:name`, names; None, and a complaint, if there is no such thing.

    Args:
        what: What it should be, for messages.
    """
    text = place.text(what)
    if text is None:
        return None
    module_name, colon, name = text.partition(":")
    if not (colon and _is_dotted(module_name) and _is_dotted(name)):
        place.refuse(f"{what} is named like 'pkg.mod:name', got {text!r}")
        return None
    module = _module(place, module_name)
    return None if module is None else _attribute(place, module, name)


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _module(place: Place, name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            place.refuse(f"there is no module {missing!r}{_near(missing)}")
            return None
        _failed(place, name, error)
    except (Exception, SystemExit) as error:
        _failed(place, name, error)
    return None


def _failed(place: Place, name: str, error: BaseException) -> None:
    place.refuse(f"importing {name!r} failed: {type(error).__name__}: {error}")
    if isinstance(error, Exception) and place.document.cause is None and not place.hidden:
        place.document.cause = error


def _near(name: str) -> str:
    """Return a hint at modules with names like that of the missing one, beside where it should be."""
    package, _, last = name.rpartition(".")
    folders = getattr(sys.modules.get(package), "__path__", None) if package else sys.path
    names = [module.name for module in pkgutil.iter_modules(folders or [])]
    return did_you_mean(last, names)


def _attribute(place: Place, module: Any, name: str) -> Any:
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            place.refuse(f"{module.__name__!r} has no {name!r}{did_you_mean(part, _public(found))}")
            return None
        found = getattr(found, part)
    return found


def _public(owner: Any) -> Iterable[str]:
    return [name for name in dir(owner) if not name.startswith("_")]
