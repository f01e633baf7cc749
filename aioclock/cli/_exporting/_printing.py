"""Units on stdout, in files or in JSON."""

from collections.abc import Callable
from pathlib import Path

import typer

from aioclock.cli._exporting._export import ExporterMaker, Request, export_units, written
from aioclock.cli._exporting._units import Unit
from aioclock.cli._output import print_json

__all__ = ["Printing", "export_and_print"]


class Printing:
    """Where units go: to a folder, to JSON or to stdout, with a heading before each of several files."""

    def __init__(
        self,
        folder: Path | None,
        force: bool,
        as_json: bool,
        heading: str,
        *,
        order: Callable[[Unit], bool] = lambda unit: False,
    ) -> None:
        self.folder, self.force, self.as_json, self.heading, self.order = folder, force, as_json, heading, order

    def print(self, units: list[Unit]) -> None:
        units = sorted(units, key=self.order)
        paths = [] if self.folder is None else written(units, self.folder, overwrite=self.force)
        if self.as_json:
            print_json(
                [
                    {"task": unit.task, "file": file.name, "content": file.content}
                    for unit in units
                    for file in unit.files
                ]
            )
        elif self.folder is not None:
            typer.echo("\n".join(map(str, paths)))
        else:
            files = [file for unit in units for file in unit.files]
            headings = [self.heading.format(file.name) if len(files) > 1 else "" for file in files]
            parts = (heading + file.content for heading, file in zip(headings, files, strict=True))
            typer.echo("\n".join(parts), nl=False)


def export_and_print(request: Request, exporter: ExporterMaker, printing: Printing) -> None:
    """Print the units of all tasks that *request* is about, or nothing."""
    units, notes = export_units(request, exporter)
    for note in notes:
        typer.echo(f"aioclock: note: {note}", err=True)
    printing.print(units)
