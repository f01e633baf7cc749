"""From an app to the units of a target: all of them, or an error that says of each task why not."""

import shlex
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath

from aioclock.app import AioClock
from aioclock.cli._errors import FAILED, CommandError
from aioclock.cli._exporting._plan import has_schedule, plan_of
from aioclock.cli._exporting._refusal import Refusal
from aioclock.cli._exporting._units import Exporter, Invocation, Unit, names_of
from aioclock.cli._facts import tasks_of
from aioclock.cli._settings import settings
from aioclock.cli._target import load_app
from aioclock.task import Task

__all__ = ["ExporterMaker", "Request", "export_units", "written"]

ExporterMaker = Callable[[Invocation, datetime], Exporter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What all targets are asked.

    Args:
        tasks: Which tasks; none for all that have a schedule.
        command: What to run instead of this environment's `aioclock`, as one types it.
        folder: The working directory; None for the current one.
        contained: Whether it will run in a container, where nothing of this machine's paths is known.
    """

    target: str
    app: str | None
    factory: bool | None
    tasks: Sequence[str]
    command: str | None
    folder: str | None
    contained: bool = False


def export_units(request: Request, exporter: ExporterMaker) -> tuple[list[Unit], list[str]]:
    """Return a unit for each task, and notes on what is not in them.

    Raises:
        CommandError: a task can't be exported exactly, or there is none.
    """
    app = load_app(request.app, factory=request.factory)
    tasks, notes = _chosen(app, request)
    now = datetime.now(UTC)
    maker, names = exporter(_invocation(request), now), names_of(app.tasks)
    units, refusals = [], {}
    for task in tasks:
        try:
            units.append(maker.unit(plan_of(task, now), names[task.key]))
        except Refusal as refusal:
            refusals[task.key] = str(refusal)
    if refusals:
        raise _refused(request, refusals, len(tasks))
    return units, [*notes, *(f"{unit.task}: {note}" for unit in units for note in unit.notes)]


def _chosen(app: AioClock, request: Request) -> tuple[list[Task], list[str]]:
    tasks = tasks_of(app, request.tasks)
    if request.tasks:
        return tasks, []
    scheduled = [task for task in tasks if has_schedule(task)]
    if not scheduled:
        raise CommandError("the app has no task with a schedule", code=FAILED)
    notes = [f"{task.key}: left out, it belongs to the life of the app" for task in tasks if not has_schedule(task)]
    return scheduled, notes


def _refused(request: Request, refusals: dict[str, str], count: int) -> CommandError:
    if count == 1:
        [(key, reason)] = refusals.items()
        return CommandError(f"task {key!r} can't be exported to {request.target} exactly: {reason}", code=FAILED)
    return CommandError(
        f"{len(refusals)} of {count} tasks can't be exported to {request.target} exactly, so nothing was; "
        "choose others with --task KEY",
        code=FAILED,
        details="\n".join(f"{key}: {reason}" for key, reason in refusals.items()),
    )


def _invocation(request: Request) -> Invocation:
    app = request.app or settings().app
    assert app is not None  # or there would be no app
    return Invocation(
        command=_command(request),
        app=app,
        factory=settings().factory if request.factory is None else request.factory,
        folder=_folder(request),
    )


def _command(request: Request) -> tuple[str, ...]:
    if request.command is None:
        return ("aioclock",) if request.contained else (_console_script(),)
    if Path(request.command).is_file():  # a path with spaces needs no quotes
        return (request.command,)
    try:
        # A Windows path has backslashes, which are no escapes there.
        words = shlex.split(request.command, posix="\\" not in request.command)
    except ValueError as error:
        raise CommandError(f"--command {request.command!r} can't be taken apart: {error}") from error
    if not words:
        raise CommandError("--command is empty; say what runs instead of aioclock, or leave it out")
    return tuple(word.strip('"') for word in words) if "\\" in request.command else tuple(words)


def _console_script() -> str:
    folder = Path(sysconfig.get_path("scripts"))
    found = next((path for path in (folder / "aioclock", folder / "aioclock.exe") if path.is_file()), None)
    if found is None:
        raise CommandError(f"there is no console script aioclock in {str(folder)!r}; say what is run: --command")
    return str(found)


def _folder(request: Request) -> str | None:
    if request.folder is None:
        return None if request.contained else str(Path.cwd())
    absolute = PurePosixPath(request.folder).is_absolute() or PureWindowsPath(request.folder).is_absolute()
    return request.folder if absolute else str(Path(request.folder).absolute())


def written(units: Sequence[Unit], folder: Path, *, overwrite: bool) -> list[Path]:
    """Write the files of *units* into *folder*, and return where they are.

    Raises:
        CommandError: a file is there already and *overwrite* is false, or it can't be written.
    """
    files = {folder / file.name: file.content for unit in units for file in unit.files}
    there = [str(path) for path in files if path.exists()]
    if there and not overwrite:
        raise CommandError(f"there already: {', '.join(there)}; --force overwrites", code=FAILED)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            path.write_text(content, encoding="utf-8", newline="\n")
    except OSError as error:
        raise CommandError(f"can't write to {str(folder)!r}: {error}", code=FAILED) from error
    return list(files)
