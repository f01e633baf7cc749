"""When in a day runs begin, as a picture of 24 lines."""

from collections.abc import Iterator, Sequence

from rich.text import Text

__all__ = ["heat_map"]

SHADES = (" ", "░", "▒", "▓", "█")
PLAIN_SHADES = (" ", ".", ":", "+", "#")
"""For a terminal or a file that knows no Unicode."""

COLOURS = ("", "blue", "cyan", "yellow", "bold red")


def heat_map(heat: Sequence[Sequence[int]], *, unicode: bool) -> Iterator[Text]:
    """Yield the lines of a picture of *heat*: a line for each hour, a cell for each part of it, the sum at the end."""
    shades = SHADES if unicode else PLAIN_SHADES
    most = max(map(max, heat))
    minutes = 60 // len(heat[0])
    yield Text("    " + " ".join(f"{part * minutes:02}" for part in range(len(heat[0]))) + "  runs", style="dim")
    for hour, parts in enumerate(heat):
        line = Text(f"{hour:02}  ")
        for count in parts:
            level = _level(count, most)
            line.append(shades[level] * 2, style=COLOURS[level]).append(" ")
        yield line.append(f" {sum(parts):,}")
    yield Text.assemble("    ", *_legend(most, minutes, shades))


def _level(count: int, most: int) -> int:
    return -(-4 * count // most) if count else 0


def _legend(most: int, minutes: int, shades: Sequence[str]) -> Iterator[str | tuple[str, str]]:
    if not most:
        yield "nothing runs"
        return
    for level in range(1, 5):
        highest = most * level // 4
        if highest > most * (level - 1) // 4:
            yield shades[level] * 2, COLOURS[level]
            yield f" up to {highest:,}  "
    yield f"runs in {minutes} minutes, all days together"
