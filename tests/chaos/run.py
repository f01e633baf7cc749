"""Let everything go wrong that can, on every store that is here, and print a table of what came of it.

usage: python run.py [--seconds=N] [--seed=N] [--keep] [WORD ...]

Each scenario goes on for N seconds (15) on each store. With words: only those whose name and store have all of them.
--keep leaves journals and logs where they are, also of what went well.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "support"))  # as pytest does

from places import KINDS, Place, place_at, why_not  # noqa: E402 - needs the line above
from play import Played, play  # noqa: E402
from scenarios import SCENARIOS, Scenario  # noqa: E402

COLUMNS = (
    "scenario", "store", "ticks", "covered", "lost", "claimed twice", "started twice", "accepted twice", "reruns",
    "runs lost", "effects", "wrong effects", "seconds", "verdict",
)  # fmt: skip


def row(played: Played) -> list[str]:
    """Return the line of the table."""
    found = played.findings
    numbers = (
        found.expected, found.covered, found.lost, found.claimed_twice, found.started_twice, found.accepted_twice,
        found.reruns, found.ended_as_lost, found.effects, found.wrong_effects,
    )  # fmt: skip
    verdict = "kept" if played.kept else "BROKEN"
    return [played.scenario, played.place, *map(str, numbers), f"{played.seconds:.0f}", verdict]


def render(lines: list[list[str]]) -> str:
    """Return *lines* as a Markdown table whose columns are aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([text[0], rule, *text[1:]])


def played(
    kind: str, scenarios: list[Scenario], folder: Path, arguments: argparse.Namespace
) -> Iterator[tuple[Scenario, Played | None]]:
    with place_at(kind, folder) as place:
        for number, scenario in enumerate(scenario for scenario in scenarios if scenario.fits(place)):
            place.clear()
            own = folder / f"{number}-{scenario.name.replace(' ', '-')}"
            own.mkdir()
            yield scenario, play_safely(scenario, place, own, arguments)


def play_safely(scenario: Scenario, place: Place, folder: Path, arguments: argparse.Namespace) -> Played | None:
    try:
        done = play(scenario, place, folder, seconds=arguments.seconds, seed=arguments.seed)
    except Exception as error:  # the others should be played all the same
        print(f"{scenario.name} on {place.kind}: {type(error).__name__}: {error}; see {folder}", file=sys.stderr)
        return None
    if not done.kept:
        print(f"{scenario.name} on {place.kind}; see {folder}:", *done.findings.faults, sep="\n  ", file=sys.stderr)
    return done


def main(arguments: argparse.Namespace) -> int:
    folder = Path(tempfile.mkdtemp(prefix="aioclock-chaos-"))
    lines, broken = [list(COLUMNS)], False
    for kind in KINDS:
        wanted = [s for s in SCENARIOS if all(word in f"{s.name} {kind}" for word in arguments.words)]
        if (reason := why_not(kind)) is not None:
            print(f"{kind} is left out: {reason}", file=sys.stderr)
            continue
        (folder / kind).mkdir()
        for scenario, done in played(kind, wanted, folder / kind, arguments) if wanted else ():
            line = row(done) if done else [scenario.name, kind, *["–"] * (len(COLUMNS) - 3), "BROKEN"]
            print(*line, sep="  ", file=sys.stderr, flush=True)
            lines.append(line)
            broken = broken or line[-1] == "BROKEN"
    print(render(lines))
    if not broken and not arguments.keep:
        shutil.rmtree(folder)
    else:
        print(f"\njournals and logs are in {folder}")
    return int(broken)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("words", nargs="*", metavar="WORD")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(parse(sys.argv[1:])))
