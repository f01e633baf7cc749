"""Reading what `state export` has written; what is wrong is told with its line."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from aioclock.cli._stores._document import EXHAUSTED_WORD, VERSION, VERSION_KEY
from aioclock.cli._stores._words import micros_of
from aioclock.config._file import SUFFIXES, read
from aioclock.config._place import Place
from aioclock.exceptions import ConfigurationError
from aioclock.stores import TaskState
from aioclock.stores._words import EXHAUSTED
from aioclock.triggers import TriggerT

__all__ = ["read_tasks"]

KEYS = (VERSION_KEY, "exported_at", "store", "tasks")
NEEDED = ("key", "anchor", "cursor")

MOST = 2**63 - 1
"""The largest number that every store can hold."""


def read_tasks(path: str) -> list[TaskState]:
    """Return the tasks that the file at *path* is about.

    Raises:
        ConfigurationError: something is wrong with the file; all that is.
    """
    if not path.lower().endswith(SUFFIXES):
        raise ConfigurationError(f"{path}: what `aioclock state export` writes ends in .yaml or .json")
    try:
        document = read(path)
        tasks = list(_tasks(Place(document)))
    except RecursionError:
        raise ConfigurationError(f"{path}: the file is nested too deeply") from None
    document.require_sound()
    return tasks


def _tasks(top: Place) -> Iterator[TaskState]:
    places = top.mapping("the file")
    if places is None or not _is_known_version(top, places):
        return
    top.refuse_unknown(KEYS)
    if "tasks" not in places:
        top.refuse("tasks is missing")
        return
    lines: dict[str, int] = {}
    for place in places["tasks"].elements("tasks"):
        task = _task(place)
        if task is not None and task.key in lines:
            place.of("key").refuse(f"the task in line {lines[task.key]} has this key already")
        elif task is not None:
            lines[task.key] = place.of("key").line
            yield task


def _is_known_version(top: Place, places: Mapping[str, Place]) -> bool:
    """Tell whether this is a document that can be read; if not, nothing else need be said of it."""
    if VERSION_KEY not in places:
        top.refuse(f"{VERSION_KEY} is missing; this is not what `aioclock state export` writes")
        return False
    version = places[VERSION_KEY].value
    if version != VERSION or isinstance(version, bool):
        places[VERSION_KEY].refuse(
            f"the version must be {VERSION}, got {version!r}; a newer aioclock may have written it"
        )
        return False
    return True


def _task(place: Place) -> TaskState | None:
    places = place.mapping("a task")
    if places is None:
        return None
    place.refuse_unknown(tuple(_READERS))
    missing = [name for name in NEEDED if name not in places]
    for name in missing:
        place.refuse(f"{name} is missing")
    values = {name: _READERS[name](places[name], name) for name in _READERS if name in places}
    wrong = missing or any(value is _WRONG for value in values.values())
    return None if wrong else TaskState(**values)


_WRONG: Any = object()


def _text(place: Place, name: str) -> Any:
    text = place.text(name)
    return _WRONG if text is None else text


def _key(place: Place, name: str) -> Any:
    text = place.text(name)
    if text == "":
        place.refuse("key must not be empty")
    return text or _WRONG


def _number(place: Place, name: str) -> Any:
    value = place.value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST:
        return value
    place.refuse(f"{name} must be a whole number, 0 or more, got {value!r}")
    return _WRONG


def _switch(place: Place, name: str) -> Any:
    if isinstance(place.value, bool):
        return place.value
    place.refuse(f"{name} must be true or false, got {place.value!r}")
    return _WRONG


def _time(place: Place, name: str) -> Any:
    text = place.text(name)
    if text is None:
        return _WRONG
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        place.refuse(
            f"{name} must be an ISO 8601 time with an offset, as in 2026-03-29T02:30:00.000000+00:00, got {text!r}"
        )
        return _WRONG
    return micros_of(moment)


def _cursor(place: Place, name: str) -> Any:
    return EXHAUSTED if place.value == EXHAUSTED_WORD else _time(place, name)


def _override(place: Place, name: str) -> Any:
    from pydantic import TypeAdapter, ValidationError

    text = place.text(name)
    if text is None:
        return _WRONG
    try:
        TypeAdapter(TriggerT).validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place.refuse(f"{name} must be a trigger as JSON: {fault['msg'].lower()}")
        return _WRONG
    return text


def _or_null(reader: Callable[[Place, str], Any]) -> Callable[[Place, str], Any]:
    return lambda place, name: None if place.value is None else reader(place, name)


_READERS: dict[str, Callable[[Place, str], Any]] = {
    "key": _key,
    "anchor": _time,
    "cursor": _cursor,
    "fence": _number,
    "generation": _number,
    "fired": _number,
    "paused": _switch,
    "note": _or_null(_text),
    "override": _or_null(_override),
    "fingerprint": _text,
    "last_success": _or_null(_time),
    "failures": _number,
}
