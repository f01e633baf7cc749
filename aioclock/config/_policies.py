"""Policies in a configuration file: the keyword arguments of `task`, checked by the policies themselves."""

import builtins
from dataclasses import MISSING, fields
from typing import Any, cast

from aioclock.config._callables import find
from aioclock.config._place import Place
from aioclock.exceptions import TaskDeclarationError
from aioclock.policies import STORE_POLICIES, CatchUp, Jitter, Overlap, Policies, PolicyArgs, Retry
from aioclock.utils import did_you_mean

__all__ = ["OBJECTS", "POLICIES", "read_policies"]

POLICIES = tuple(PolicyArgs.__annotations__)
"""Their names, which are keys in tasks, in groups and at the top of the file."""

OBJECTS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "overlap": (Overlap, {"policy": "allow"}),
    "retry": (Retry, {}),
    "jitter": (Jitter, {"seconds": 0}),
    "catch_up": (CatchUp, {"policy": "all"}),
}
"""The classes that a mapping stands for, and arguments with which each other one can be tried by itself."""


def read_policies(given: dict[str, Place], *, has_store: bool) -> PolicyArgs:
    """Return those policies of *given*, places by key, that are right; mistakes are noted."""
    values = {}
    for name in POLICIES:
        if name not in given or (value := _policy(name, given[name])) is None:
            continue
        if name in STORE_POLICIES and not has_store:
            message = f"{name} means nothing without a store; name one at the top: store: sqlite:///clock.db"
            given[name].refuse(message, shows_value=False)
        else:
            values[name] = value
    return cast(PolicyArgs, values)


def _policy(name: str, place: Place) -> Any:
    value = place.scalar
    if isinstance(value, dict) and name in OBJECTS:
        value = _object(place, *OBJECTS[name])
    elif name == "retry" and value is not None:
        place.refuse(f"retry must be a mapping such as {{attempts: 3}}, got {value!r}")
        return None
    try:
        Policies.of("", cast(PolicyArgs, {name: value}))
    except TaskDeclarationError as error:
        message = str(error).removeprefix(": ")
    else:
        return value
    place.refuse(message)
    return None


def _object(place: Place, kind: type[Any], neutral: dict[str, Any]) -> Any:
    """Return the object that the mapping at *place* describes, or None if something is wrong with it."""
    values: dict[str, Any] = {}
    known = {field.name for field in fields(kind)}
    right = True
    place.refuse_unknown(sorted(known))
    for name in sorted(known & place.value.keys()):
        item = place.of(name)
        values[name] = _error_classes(item) if name == "on" else item.scalar
        right = values[name] is not _WRONG and _works(item, kind, {**neutral, name: values[name]}) and right
    for field in fields(kind):
        if field.default is MISSING and field.name not in values:
            place.refuse(f"{field.name} is missing", shows_value=False)
            right = False
    return kind(**values) if right and _works(place, kind, values) else None


def _works(place: Place, kind: type[Any], values: dict[str, Any]) -> bool:
    try:
        kind(**values)
    except TaskDeclarationError as error:
        message = str(error)
    else:
        return True
    place.refuse(message)
    return False


_WRONG = object()
_OTHERS = "; name any other like 'pkg.mod:Error'"


def _error_classes(place: Place) -> Any:
    """Return the classes that `on` names: a text or a list of texts."""
    items = place.elements("on") if isinstance(place.value, list) else [place]
    classes = [_error_class(item) for item in items]
    return _WRONG if _WRONG in classes else tuple(classes)


def _error_class(place: Place) -> Any:
    name = place.text("an error class")
    if name is None:
        return _WRONG
    if ":" in name:
        found = find(place, "an error class")
    else:
        found = getattr(builtins, name, None)
        if found is None:
            errors = [
                key for key, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)
            ]
            place.refuse(f"there is no built-in error {name!r}{did_you_mean(name, errors) or _OTHERS}")
    return _WRONG if found is None else found
