"""Declarations that are refused while the app is imported."""

import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import fast_depends
import pydantic
from pydantic import ValidationError

from aioclock import exceptions
from aioclock.cli._checks._problem import Problem
from aioclock.cli._facts import Place
from aioclock.exceptions import BaseAioClockException, ConfigurationError
from aioclock.triggers import BaseTrigger

__all__ = ["of_import"]

NOT_THE_USERS = (str(Path(exceptions.__file__).parent), pydantic.__path__[0], fast_depends.__path__[0])


def of_import(error: BaseException | None) -> list[Problem]:
    """Return the problems that *error*, which ended the import of an app, tells of; none if it is the user's own."""
    if isinstance(error, ConfigurationError):
        problems = [_of_file(text) for text in error.problems]
        # Without a line it is the file itself that can't be found or read.
        return problems if any(problem.place for problem in problems) else []
    if isinstance(error, BaseAioClockException):
        return [Problem("AC101", None, str(error), _origin(error))]
    if isinstance(error, ValidationError) and error.title in {kind.__name__ for kind in _kinds(BaseTrigger)}:
        return [Problem("AC101", None, _in_one_line(error), _origin(error))]
    return []


def _of_file(text: str) -> Problem:
    """Return the problem in a configuration file that *text* tells of: `aioclock.yaml:12: no such task`."""
    found = re.fullmatch(r"(.+?):(\d+): (.+)", text, re.DOTALL)
    if found is None:
        return Problem("AC101", None, text)
    return Problem("AC101", None, found[3].replace("\n", " "), Place(Path(found[1]).resolve(), int(found[2])))


def _kinds(kind: type[BaseTrigger]) -> Iterator[type[BaseTrigger]]:
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)


def _in_one_line(error: ValidationError) -> str:
    faults = []
    for fault in error.errors(include_url=False):
        where = ".".join(str(part) for part in fault["loc"])
        said = fault["msg"].removeprefix("Value error, ").replace("\n", " ")
        faults.append(f"{where}: {said}, got {fault['input']!r}" if where else said)
    return f"{error.title}: {'; '.join(faults)}"


def _origin(error: BaseException) -> Place | None:
    """Return the line of the user's code that led to *error*."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((*NOT_THE_USERS, "<")):
            return Place(Path(frame.filename).resolve(), frame.lineno or 0)
    return None
