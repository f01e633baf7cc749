"""`aioclock check`: what is wrong with an app, told without serving it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aioclock.cli._errors import FAILED, CommandError
from aioclock.cli._options import App, Factory, Json
from aioclock.cli._output import print_json, stdout

if TYPE_CHECKING:
    from aioclock.cli._checks import Problem

__all__ = ["check"]

COLOURS = {"error": "bold red", "warning": "yellow"}


def check(
    app: App = None,
    strict: Annotated[
        bool | None, typer.Option("--strict/--no-strict", help="Exit with 1 on warnings, too.", show_default=False)
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore", metavar="CODE", help="Leave out problems of that code; may be repeated, or several with commas."
        ),
    ] = None,
    many: Annotated[
        int, typer.Option("--many", metavar="TASKS", min=2, help="How many tasks at one instant are too many.")
    ] = 25,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="ISO", help="The moment from which schedules are looked at; left out: now."),
    ] = None,
    factory: Factory = None,
    as_json: Json = False,
) -> None:
    """Validate an app without serving it, for CI.

    Imports the app and tells what would keep it from serving (errors, AC1..) and what rarely is meant (warnings,
    AC2..): tasks that are never or hardly ever due, clock changes, crowds, policies that don't fit the schedule.
    Nothing of it runs. Exit code 0: no problems, or warnings only; 1: errors, with --strict warnings too.
    """
    from aioclock.cli._settings import settings

    left_out = _codes(ignore or ())
    problems, tasks = _look(app, begin, many=many, factory=factory)
    kept = [problem for problem in problems if problem.code not in left_out]
    errors = sum(problem.severity == "error" for problem in kept)
    warnings = len(kept) - errors
    if as_json:
        facts = [_facts(problem) for problem in kept]
        print_json({"problems": facts, "errors": errors, "warnings": warnings, "tasks": tasks})
    else:
        _print(kept, tasks)
    if errors or (warnings and (settings().strict if strict is None else strict)):
        raise typer.Exit(FAILED)


def _codes(given: Iterable[str]) -> set[str]:
    from aioclock.cli._checks import CODES

    codes = {code.strip().upper() for codes in given for code in codes.split(",")}
    for code in sorted(codes - CODES.keys()):
        raise CommandError(f"there is no code {code!r} to ignore; the codes are {', '.join(CODES)}")
    return codes


def _look(target: str | None, begin: str | None, *, many: int, factory: bool | None) -> "tuple[list[Problem], int]":
    """Return what is wrong with the app, and how many tasks it has."""
    from aioclock.cli._checks import of_import, problems_of
    from aioclock.cli._moments import moment_of
    from aioclock.cli._target import load_app
    from aioclock.clock import current_clock

    moment = current_clock().now() if begin is None else moment_of(begin, "--from")
    try:
        app = load_app(target, factory=factory)
    except CommandError as error:
        if not (problems := of_import(error.__cause__)):
            raise
        return problems, 0
    return problems_of(app, moment, many=many), len(app.tasks)


def _print(problems: "list[Problem]", tasks: int) -> None:
    from rich.text import Text

    console = stdout()
    for problem in problems:
        subject = "" if problem.task is None else f" {problem.task}"
        place = "" if problem.place is None else f" ({problem.place})"
        line = Text.assemble(
            (problem.severity, COLOURS[problem.severity]), " ", (problem.code, "bold"), (subject, "cyan"),
            f": {problem.message}", (place, "dim"),
        )  # fmt: skip
        console.print(line, soft_wrap=True)
    errors = sum(problem.severity == "error" for problem in problems)
    found = [
        _counted(number, word) for number, word in ((errors, "error"), (len(problems) - errors, "warning")) if number
    ]
    console.print(f"{' and '.join(found) or 'no problems'} in {_counted(tasks, 'task')}")


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _facts(problem: "Problem") -> dict[str, Any]:
    place = problem.place
    return {
        "severity": problem.severity,
        "code": problem.code,
        "task": problem.task,
        "message": problem.message,
        "file": None if place is None else place.shown_file,
        "line": None if place is None else place.line,
    }
