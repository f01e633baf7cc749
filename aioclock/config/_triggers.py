"""Triggers in a configuration file: the fields of the trigger models, checked by the models."""

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from pydantic import ValidationError

from aioclock.config._document import Path
from aioclock.config._place import Place
from aioclock.custom_types import Triggers
from aioclock.triggers import BaseTrigger, Once, TriggerT
from aioclock.utils import did_you_mean

__all__ = ["NOT_IN_FILES", "read_trigger", "trigger_kinds"]

NOT_IN_FILES = frozenset({"expected_trigger_time"})
"""Fields that are filled in by aioclock itself."""

_SHOW_NOTHING = frozenset({"extra_forbidden", "missing"})


@cache
def trigger_kinds() -> dict[str, type[BaseTrigger]]:
    """Return the built-in triggers by the value of their `type_`."""
    kinds: tuple[type[BaseTrigger], ...] = get_args(get_args(TriggerT)[0])
    return {kind.model_fields["type_"].default.value: kind for kind in kinds}


def read_trigger(place: Place) -> BaseTrigger | None:
    """Return the trigger that *place* describes, or None if something is wrong with it, which is noted."""
    fields = place.mapping("a trigger")
    if fields is None:
        return None
    kind = _kind(place, fields)
    if kind is None:
        return None
    values = {name: field.scalar for name, field in fields.items() if name not in NOT_IN_FILES}
    for name in fields.keys() & NOT_IN_FILES:
        fields[name].refuse("unknown key; aioclock fills it in by itself", shows_value=False)
    if isinstance(values.get("triggers"), list) and "triggers" in kind.model_fields:
        # Read here, so that mistakes get their own lines. The stand-in is never used: a mistake has been noted.
        values["triggers"] = [read_trigger(child) or Once() for child in fields["triggers"].elements("triggers")]
    return _validated(place, kind, {**values, "type_": Triggers(values["type_"])})


def _kind(place: Place, fields: "Any") -> type[BaseTrigger] | None:
    kinds = trigger_kinds()
    if "type_" not in fields:
        if "type" in fields:
            fields["type"].refuse("unknown key; did you mean 'type_'?", shows_value=False)
        else:
            place.refuse(f"type_ is missing; it is one of {', '.join(kinds)}", shows_value=False)
        return None
    name = fields["type_"].value
    if isinstance(name, str) and name in kinds:
        return kinds[name]
    near = did_you_mean(name, kinds) if isinstance(name, str) else ""
    fields["type_"].refuse(f"a trigger's type_ is one of {', '.join(kinds)}, got {name!r}{near}")
    return None


def _validated(place: Place, kind: type[BaseTrigger], values: dict[str, Any]) -> BaseTrigger | None:
    try:
        # Strict: a file has real numbers and bools, and "5" or true where a number belongs is a mistake.
        return kind.model_validate(values, strict=True)
    except ValidationError as error:
        faults = list(_faults(error, values))
    for path, type_, message in faults:
        _refuse(place, path, type_, message, known=kind.model_fields.keys() - NOT_IN_FILES)
    return None


def _faults(error: ValidationError, values: dict[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """Yield the last complaint about each place: of those about the sides of a union it is the widest."""
    last = {fault["loc"][: _depth(fault["loc"], values)]: fault for fault in error.errors(include_url=False)}
    for path, fault in last.items():
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "missing":
            yield path[:-1], "missing", f"{path[-1]} is missing"
        elif fault["type"] == "value_error":
            yield path, "value_error", message
        else:
            yield path, fault["type"], f"{message[:1].lower()}{message[1:]}, got {fault['input']!r}"


def _depth(loc: Path, values: dict[str, Any]) -> int:
    """Return how many steps of *loc* lead through *values*; what follows are names of pydantic's own."""
    inside = len(loc) > 1 and isinstance(loc[1], int) and isinstance(values.get(str(loc[0])), list)
    return 2 if inside else 1


def _refuse(place: Place, path: Path, type_: str, message: str, *, known: Any) -> None:
    for step in path:
        place = place.of(step)
    if type_ == "extra_forbidden":
        message = (
            f"unknown key{did_you_mean(str(path[-1]), known) or '; the keys here are ' + ', '.join(sorted(known))}"
        )
    place.refuse(message + _time_hint(path, place.value), shows_value=type_ not in _SHOW_NOTHING)


def _time_hint(path: Path, value: Any) -> str:
    """Return the way out for those who write a time of day where a number or a day belongs."""
    if not (path and isinstance(value, str) and value.replace(":", "").isdigit() and ":" in value):
        return ""
    return "; a time of day is written with the keys hour, minute and second"
