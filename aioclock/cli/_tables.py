"""Tables for people."""

from collections.abc import Mapping, Sequence

from aioclock.cli._output import stdout

__all__ = ["print_table"]


def print_table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, always: int, styles: Mapping[str, str] | None = None
) -> None:
    """Print *rows* below *titles*; columns without anything in them are left out, but for the first *always*.

    Args:
        styles: How a terminal shows cells that hold just that text.
    """
    from rich.table import Table
    from rich.text import Text

    shown = [place for place in range(len(titles)) if place < always or any(cells[place] for cells in rows)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place in shown:
        table.add_column(titles[place], overflow="fold")
    for cells in rows:
        table.add_row(*(Text(cells[place], style=(styles or {}).get(cells[place], "")) for place in shown))
    stdout().print(table)
