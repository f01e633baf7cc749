"""`aioclock next`: the order of ticks, what is said of them, and the command as a user runs it."""

import json
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioclock import AioClock, At, Cron, Every, Forever, Once, OnShutDown, OnStartUp, OrTrigger
from aioclock.cli._errors import CommandError
from aioclock.cli._moments import moment_of, shown_moment, shown_span
from aioclock.cli._remarks import remarks_on
from aioclock.cli._rows import rows_in_lines
from aioclock.cli._timeline import Timeline, timeline
from aioclock.triggers import BaseTrigger
from commands import aioclock, terminal

BERLIN = "Europe/Berlin"
SPRING = datetime(2026, 3, 28, 12, tzinfo=UTC)
"""Thirteen hours before the clocks of Berlin go ahead."""


def app_of(**triggers: BaseTrigger) -> AioClock:
    app = AioClock()
    for name, trigger in triggers.items():

        @app.task(trigger=trigger, name=name)
        async def job() -> None: ...

    return app


def ask(app: AioClock, start: datetime = SPRING, **options: Any) -> Timeline:
    return timeline(app, app.tasks.values(), start=start, **{"count": 10, **options})


def shown(app: AioClock, start: datetime = SPRING, **options: Any) -> list[tuple[str, str]]:
    return [(row.task.key, f"{row.at:%d %H:%M}") for row in ask(app, start, **options).rows if row.fires]


# The timeline


def test_the_ticks_of_all_tasks_stand_in_one_order() -> None:
    app = app_of(slow=Every(hours=5), quick=Every(hours=2))
    assert shown(app, count=4) == [
        ("quick", "28 14:00"),
        ("quick", "28 16:00"),
        ("slow", "28 17:00"),
        ("quick", "28 18:00"),
    ]


def test_ticks_at_one_instant_stand_in_the_order_of_the_tasks() -> None:
    app = app_of(b=Every(hours=1), a=Every(hours=1))
    assert [key for key, _ in shown(app, count=4)] == ["b", "a", "b", "a"]


def test_the_last_instant_of_the_span_belongs_to_it() -> None:
    app = app_of(hourly=Every(hours=1))
    assert len(shown(app, until=SPRING + timedelta(hours=3))) == 3
    assert len(shown(app, until=SPRING + timedelta(hours=3, seconds=-1))) == 2


def test_a_schedule_is_asked_as_one_however_many_ticks_there_are() -> None:
    # A limit counts from the start, and a grid begins there, in each portion anew.
    app = app_of(limited=Every(minutes=7, max_loop_count=30), endless=Every(minutes=13))
    ticks = [tick for key, tick in shown(app, count=200) if key == "limited"]
    assert ticks == [f"{SPRING + n * timedelta(minutes=7):%d %H:%M}" for n in range(1, 31)]


periods = st.lists(st.integers(1, 50), min_size=1, max_size=6)


@settings(max_examples=50, deadline=None)
@given(periods, st.integers(1, 60))
def test_the_timeline_is_what_sorting_all_ticks_would_give(minutes: list[int], count: int) -> None:
    app = app_of(**{f"{place}": Every(minutes=n) for place, n in enumerate(minutes)})
    all_ticks = [
        (SPRING + step * timedelta(minutes=n), place) for place, n in enumerate(minutes) for step in range(1, count + 1)
    ]
    rows = ask(app, count=count).rows
    assert [(row.at, int(row.task.key)) for row in rows] == sorted(all_ticks)[:count]


def marks(found: Timeline) -> list[tuple[str, bool, list[str]]]:
    return [(f"{row.at:%d %H:%M}", row.fires, [mark.effect for mark in row.marks]) for row in found.rows if row.marks]


def test_dropped_ticks_have_a_row_that_does_not_count() -> None:
    found = ask(app_of(job=Cron(cron="*/30 2 * * *", tz=BERLIN)), count=2)
    assert [(row.fires, f"{row.at:%d %H:%M}") for row in found.rows] == [
        (False, "29 01:00"),
        (True, "30 00:00"),
        (True, "30 00:30"),
    ]
    assert found.ticks == 2
    assert marks(found) == [("29 01:00", False, ["dropped"])]


def test_a_gap_after_the_last_row_is_out_of_sight() -> None:
    app = app_of(job=Cron(cron="*/30 2,23 * * *", tz=BERLIN))
    assert all(row.fires for row in ask(app, count=2).rows)
    assert [row.fires for row in ask(app, count=3).rows] == [True, True, False, True]


def test_a_gap_before_the_end_of_the_span_is_seen_after_the_last_tick() -> None:
    app = app_of(job=Cron(cron="*/30 2 29 3 *", tz=BERLIN))
    assert [row.fires for row in ask(app, until=SPRING + timedelta(days=2)).rows] == [False]
    assert ask(app, until=SPRING + timedelta(hours=12)).rows == []


def test_what_never_fires_because_of_a_gap_shows_the_gap() -> None:
    app = app_of(job=Cron(cron="*/30 2 29 3 * 0 2026", tz=BERLIN))
    found = ask(app)
    assert [row.fires for row in found.rows] == [False]
    assert [remark.kind for remark in remarks_on(found, app.tasks.values(), {})] == ["exhausted"]


def test_an_exhausted_or_trigger_drops_nothing() -> None:
    children = [Cron(cron="*/30 2 * * *", tz=BERLIN), Every(hours=1)]
    used_up, going = (app_of(job=OrTrigger(triggers=children, max_loop_count=most)) for most in (3, 20))
    assert marks(ask(used_up, count=40)) == []
    assert marks(ask(going, count=40)) == [("29 01:00", False, ["dropped"])]


def test_moved_and_doubled_ticks_are_marked() -> None:
    app = app_of(
        fixed=At(hour=2, minute=30, tz=BERLIN), wildcard=Cron(cron="30 * * * *", tz=BERLIN), other=Every(hours=1)
    )
    assert ("29 01:00", True, ["moved"]) in marks(ask(app, count=40))
    autumn = datetime(2026, 10, 24, 23, tzinfo=UTC)
    assert marks(ask(app, autumn, count=8)) == [
        ("25 00:30", True, ["once"]),
        ("25 00:30", True, ["doubled"]),
        ("25 01:30", True, ["doubled"]),
    ]


@pytest.mark.parametrize("start", ["0002-01-01T00:00+14:00", "9998-12-31T23:59-12:00"])
def test_the_ends_of_time_can_be_asked_about(start: str) -> None:
    both = OrTrigger(triggers=[Every(hours=1), At(hour=1, tz="America/New_York"), Cron(cron="* * * * *", tz=BERLIN)])
    app = app_of(both=both, rare=Cron(cron="0 0 29 2 *", tz=BERLIN), over=Cron(cron="0 0 1 1 * 0 1999", tz=BERLIN))
    found = ask(app, moment_of(start, "--from"))
    assert found.ticks == 10
    assert len(list(rows_in_lines(found.rows, found.start))) > 10
    assert ask(app_of(over=Cron(cron="0 0 1 1 * 0 1999", tz=BERLIN)), datetime(2000, 1, 1, tzinfo=UTC)).rows == []


# What the rows can't tell


class Bell(BaseTrigger[Literal["BELL"]]):
    type_: Literal["BELL"] = "BELL"

    async def trigger_next(self) -> None: ...


class Broken(BaseTrigger[Literal["BROKEN"]]):
    type_: Literal["BROKEN"] = "BROKEN"

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        raise RuntimeError("no bell")


class Stuck(BaseTrigger[Literal["STUCK"]]):
    type_: Literal["STUCK"] = "STUCK"

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        return anchor + timedelta(hours=1)


@pytest.mark.filterwarnings("ignore:.*lifespan:DeprecationWarning")
def test_tasks_whose_ticks_nobody_knows_are_named_with_the_reason() -> None:
    app = app_of(
        fine=Every(hours=1),
        once=Once(),
        forever=Forever(),
        delayed=Every(hours=1, mode="fixed_delay"),
        bell=Bell(),
        part=OrTrigger(triggers=[Every(hours=1), Bell()]),
        up=OnStartUp(),
        down=OnShutDown(),
        over=Cron(cron="0 9 * * * 0 2020", tz="UTC"),
        broken=Broken(),
        stuck=Stuck(),
    )
    found = ask(app, count=30)
    assert {
        (remark.task, remark.kind, remark.reason) for remark in remarks_on(found, app.tasks.values(), {"fine": "later"})
    } == {
        ("fine", "paused", "paused, its ticks are skipped: later"),
        ("forever", "unknown", "each tick but the first follows the end of a run"),
        ("delayed", "unknown", "each tick but the first follows the end of a run"),
        ("bell", "unknown", "its trigger waits by itself, for what nobody can know"),
        ("part", "unknown", "a part of its trigger: its trigger waits by itself, for what nobody can know"),
        ("up", "unknown", "comes when the app starts"),
        ("down", "unknown", "comes when the app stops"),
        ("over", "exhausted", "no tick after 2026-03-28T12:00:00+00:00"),
        ("broken", "failed", "its trigger failed: RuntimeError: no bell"),
        (
            "stuck",
            "failed",
            "its trigger failed: ValueError: next_after(2026-03-28T13:00:00+00:00) must be strictly later, "
            "got 2026-03-28T13:00:00+00:00",
        ),
    }
    first = {row.task.key: row.at for row in reversed(found.rows)}
    assert first["once"] == first["forever"] == SPRING
    assert first["delayed"] == first["part"] == first["stuck"] == SPRING + timedelta(hours=1)
    assert not first.keys() & {"bell", "up", "down", "over", "broken"}


def test_tasks_that_are_due_later_are_counted() -> None:
    app = app_of(soon=Every(minutes=1), yearly=Cron(cron="0 0 1 1 *", tz="UTC"), daily=Every(days=1))
    found = ask(app)
    assert [task.key for task, _ in found.later] == ["soon", "daily", "yearly"]
    assert found.cut
    assert not ask(app_of(three=Every(hours=1, max_loop_count=3))).cut


# Moments


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-29T02:30+01:00", "2026-03-29T01:30:00+00:00"),
        ("2026-03-29 02:30Z", "2026-03-29T02:30:00+00:00"),
        ("20260329T023000Z", "2026-03-29T02:30:00+00:00"),
    ],
)
def test_a_moment_is_read_with_its_offset(text: str, moment: str) -> None:
    assert moment_of(text, "--from").isoformat() == moment


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tomorrow", "--from 'tomorrow' is no ISO 8601 time; write it like 2026-03-29T02:30+01:00"),
        ("2026-02-30T00:00Z", "is no ISO 8601 time"),
        ("2026-03-29T02:30", "add an offset, as in 2026-03-29T02:30+01:00, or Z for UTC"),
        ("2026-03-29", "add an offset, as in 2026-03-29T00:00+01:00, or Z for UTC"),
        ("0001-01-01T00:00+14:00", "too far away; the years 2 to 9998 are known"),
        ("9999-12-31T23:59Z", "too far away"),
    ],
)
def test_a_moment_that_can_not_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(CommandError, match=message.replace("+", r"\+")) as caught:
        moment_of(text, "--from")
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "0.25s"),
        (59, "59s"),
        (60, "1m"),
        (61.9, "1m 1s"),
        (3_600, "1h"),
        (3_605, "1h"),
        (93_600, "1d 2h"),
        (86_400 * 400, "400d"),
    ],
)
def test_a_span_is_told_in_two_units(seconds: float, text: str) -> None:
    assert shown_span(seconds) == text


def test_a_moment_is_shown_as_the_clock_shows_it() -> None:
    moment = datetime(2026, 10, 25, 1, 30, 5, 250_000, tzinfo=UTC)
    assert shown_moment(moment, None) == "Sun 2026-10-25 01:30:05.25 +00:00"
    assert shown_moment(moment.replace(microsecond=0), None, seconds=False) == "Sun 2026-10-25 01:30 +00:00"


def test_seconds_are_shown_where_they_matter() -> None:
    def first_line(trigger: BaseTrigger) -> str:
        lines = list(rows_in_lines(ask(app_of(job=trigger), count=1).rows, SPRING))
        return lines[1].text.split("  ")[0]

    assert first_line(Every(minutes=1)) == "Sat 2026-03-28 12:01 +00:00"
    assert first_line(Every(seconds=1)) == "Sat 2026-03-28 12:00:01 +00:00"
    assert first_line(Every(seconds=0.5)) == "Sat 2026-03-28 12:00:00.5 +00:00"


# The command

SHOP = """
from aioclock import AioClock, At, Cron, Every, Forever

app = AioClock()

@app.task(trigger=At(hour=2, minute=30, tz="Europe/Berlin"), name="back up")
async def back_up() -> None: ...

@app.task(trigger=Cron(cron="*/30 2 * * *", tz="Europe/Berlin"))
async def watch() -> None: ...

@app.task(trigger=Every(hours=12))
async def poll() -> None: ...

@app.task(trigger=Forever())
async def consume() -> None: ...

def make() -> AioClock:
    return app
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    return tmp_path


def test_rows_for_people(shop: Path) -> None:
    done = aioclock("next", "shop:app", "--from", "2026-03-28T13:00+01:00", "--count", "5", folder=shop)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "local                        UTC               in      zone           task\n"
        "Sat 2026-03-28 12:00 +00:00  2026-03-28 12:00  0s      UTC            shop:consume\n"
        "Sun 2026-03-29 00:00 +00:00  2026-03-29 00:00  12h     UTC            shop:poll\n"
        "Sun 2026-03-29 02:00         -                 never   Europe/Berlin  shop:watch\n"
        "    dropped: 02:00 and 02:30 do not exist, the clock goes from 02:00 to 03:00\n"
        "Sun 2026-03-29 03:00 +02:00  2026-03-29 01:00  13h     Europe/Berlin  back up\n"
        "    moved: 02:30 does not exist, the clock goes from 02:00 to 03:00\n"
        "Sun 2026-03-29 12:00 +00:00  2026-03-29 12:00  1d      UTC            shop:poll\n"
        "Mon 2026-03-30 02:00 +02:00  2026-03-30 00:00  1d 12h  Europe/Berlin  shop:watch\n"
        "\n"
        "shop:consume: each tick but the first follows the end of a run\n"
    )


def test_json_for_programs(shop: Path) -> None:
    arguments = ("--task", "watch", "--task", "back_up", "--from", "2026-03-28T12:00Z", "--count", "1", "--json")
    done = aioclock("next", "shop:app", *arguments, folder=shop)
    assert done.returncode == 0
    change = {
        "changes_at": "2026-03-29T01:00:00+00:00",
        "clock_from": "2026-03-29T02:00:00",
        "clock_to": "2026-03-29T03:00:00",
        "second_time": False,
    }
    at = {
        "at": "2026-03-29T01:00:00+00:00",
        "local": "2026-03-29T03:00:00+02:00",
        "zone": "Europe/Berlin",
        "in_s": 46_800.0,
    }
    assert json.loads(done.stdout) == {
        "from": "2026-03-28T12:00:00+00:00",
        "until": None,
        "ticks": [
            {
                "task": "shop:watch",
                **at,
                "fires": False,
                "clock_changes": [
                    {
                        "effect": "dropped",
                        "reason": "dropped: 02:00 and 02:30 do not exist, the clock goes from 02:00 to 03:00",
                        **change,
                        "first": "2026-03-29T02:00:00",
                        "last": "2026-03-29T02:30:00",
                        "count": 2,
                    }
                ],
            },
            {
                "task": "back up",
                **at,
                "fires": True,
                "clock_changes": [
                    {
                        "effect": "moved",
                        "reason": "moved: 02:30 does not exist, the clock goes from 02:00 to 03:00",
                        **change,
                        "first": "2026-03-29T02:30:00",
                        "last": "2026-03-29T02:30:00",
                        "count": 1,
                    }
                ],
            },
        ],
        "cut": True,
        "later": [
            {"task": "shop:watch", "at": "2026-03-30T00:00:00+00:00"},
            {"task": "back up", "at": "2026-03-30T00:30:00+00:00"},
        ],
        "remarks": [],
    }


def test_the_app_may_come_from_the_environment_and_the_present_is_the_start(shop: Path) -> None:
    done = aioclock(
        "next", "--json", "--task", "poll", folder=shop, env={"AIOCLOCK_APP": "shop:make", "AIOCLOCK_FACTORY": "1"}
    )
    found = json.loads(done.stdout)
    assert abs(datetime.fromisoformat(found["from"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert len(found["ticks"]) == 10


def test_until_shows_all_that_comes_before_up_to_a_bound_that_is_told(shop: Path) -> None:
    start = ("next", "shop:app", "--task", "poll", "--from", "2026-01-01T00:00Z")
    done = aioclock(*start, "--until", "2026-01-31T00:00Z", folder=shop)
    assert done.stdout.count("shop:poll") == 60
    assert "cut" not in done.stdout
    done = aioclock(*start, "--until", "2046-01-01T00:00Z", folder=shop)
    assert done.stdout.count("shop:poll") == 10_000
    assert done.stdout.endswith("\n\ncut after 10,000 ticks; there are more until 2046-01-01T00:00:00+00:00\n")


def test_tasks_that_have_no_row_are_counted(shop: Path) -> None:
    done = aioclock("next", "shop:app", "--from", "2026-06-01T00:10Z", "--count", "1", folder=shop)
    assert done.stdout.splitlines()[3] == "3 tasks are due later, first back up: Mon 2026-06-01 00:30:00 +00:00"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "soon"), "--from 'soon' is no ISO 8601 time"),
        (("--until", "2026-03-28"), "--until '2026-03-28' does not say where on earth"),
        (
            ("--from", "2026-03-28T00:00Z", "--until", "2026-03-27T00:00Z"),
            "--until must be later than --from (2026-03-28T00:00:00+00:00), got 2026-03-27T00:00:00+00:00",
        ),
        (("--task", "bak_up"), "no task of the app answers to 'bak_up'; did you mean 'back_up', 'back up'?"),
        (("--count", "0"), "--count"),
        (("--count", "many"), "--count"),
        (("--count", "10001"), "10000"),
    ],
)
def test_bad_options_end_with_code_2(shop: Path, arguments: tuple[str, ...], message: str) -> None:
    done = aioclock("next", "shop:app", *arguments, folder=shop)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_trigger_that_fails_is_told_beside_the_others_and_fails_the_command(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from typing import Literal\n"
        "from aioclock import AioClock, Every\n"
        "from aioclock.triggers import BaseTrigger\n"
        "class Broken(BaseTrigger[Literal['BROKEN']]):\n"
        "    type_: Literal['BROKEN'] = 'BROKEN'\n"
        "    def next_after(self, moment, anchor): raise RuntimeError('no bell')\n"
        "app = AioClock()\n"
        "async def job(): ...\n"
        "app.task(trigger=Broken(), name='broken')(job)\n"
        "app.task(trigger=Every(hours=1), name='fine')(job)\n",
        encoding="utf-8",
    )
    done = aioclock("next", "shop:app", "--count", "3", folder=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("fine") == 3
    assert "broken: its trigger failed: RuntimeError: no bell" in done.stdout


def test_an_app_without_tasks_has_no_ticks(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("from aioclock import AioClock\napp = AioClock()\n", encoding="utf-8")
    done = aioclock("next", "shop:app", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no ticks\n")


def test_a_terminal_shows_marks_in_colour(shop: Path) -> None:
    code, screen = terminal("next", "shop:app", "--from", "2026-03-28T12:00Z", "--count", "3", folder=shop, columns=80)
    assert code == 0
    line = next(place for place, text in enumerate(screen.display) if "moved:" in text)
    assert screen.display[line].rstrip() == "    moved: 02:30 does not exist, the clock goes from 02:00 to 03:00"
    assert screen.buffer[line][4].fg == "brown"  # what pyte calls yellow
    assert screen.buffer[0][0].bold


def test_a_thousand_tasks_take_less_than_two_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # what is measured is the command alone
    (tmp_path / "big.py").write_text(
        "from aioclock import AioClock, At, Cron, Every\n"
        "app = AioClock()\n"
        "async def job(): ...\n"
        "zones = ['Europe/Berlin', 'America/New_York', 'UTC', 'Australia/Lord_Howe', 'Asia/Tokyo']\n"
        "for n in range(1000):\n"
        "    zone = zones[n % 5]\n"
        "    trigger = (\n"
        "        Cron(cron=f'{n % 60} {n % 24} * * *', tz=zone),\n"
        "        Cron(cron=f'*/{n % 20 + 5} * * * *', tz=zone),\n"
        "        At(hour=n % 24, minute=n % 60, tz=zone),\n"
        "        Every(minutes=n % 50 + 1),\n"
        "    )[n // 5 % 4]\n"
        "    app.task(trigger=trigger, name=f'task {n}')(job)\n",
        encoding="utf-8",
    )
    # CPU time is what the command costs, whatever else the machine does; all of it, start-up and printing included.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = aioclock("next", "big:app", "--from", "2026-03-28T12:00Z", "--count", "10000", folder=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  task ") >= 10_000
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
