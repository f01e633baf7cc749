"""The queue of cursors, against a sorted list."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioclock import Once
from aioclock._engine.cursor import Cursor
from aioclock._engine.due_queue import MOST_VOID, DueQueue
from aioclock._engine.present import Moment

NOW = Moment(0.0, 0.0)
ANY_TIME = float("inf")


def cursors(*dues: float) -> list[Cursor]:
    made = []
    for due in dues:
        cursor = Cursor(Once(), ())
        cursor.due = due
        made.append(cursor)
    return made


def filled(*waiting: Cursor) -> DueQueue:
    queue = DueQueue()
    for cursor in waiting:
        assert cursor.due is not None
        queue.add(cursor, cursor.due)
    return queue


def drained(queue: DueQueue, *, left: int = 10_000, until: float = ANY_TIME) -> list[Cursor]:
    fired: list[Cursor] = []

    def fire(cursor: Cursor, now: Moment) -> None:
        fired.append(cursor)
        cursor.due = None

    queue.fire(until, NOW, left, fire)
    return fired


@settings(deadline=None)
@given(st.lists(st.integers(0, 9)), st.integers(0, 20), st.integers(-1, 10))
def test_cursors_fire_in_the_order_of_their_instants_and_then_of_their_arrival(
    dues: list[int], left: int, until: int
) -> None:
    waiting = cursors(*dues)
    expected = sorted((cursor for cursor in waiting if (cursor.due or 0) <= until), key=lambda cursor: cursor.due or 0)
    assert drained(filled(*waiting), left=left, until=until) == expected[:left]


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("due"), st.integers(0, 9), st.integers(0, 30)),
        st.tuples(st.just("never"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("tidy"), st.just(0), st.just(0)),
        st.tuples(st.just("fire"), st.integers(0, 40), st.integers(0, 5)),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(OPERATIONS, st.lists(st.one_of(st.none(), st.integers(1, 10)), max_size=60))
def test_every_cursor_fires_once_for_its_latest_instant_whatever_is_noted_amid_bursts(
    operations: list[tuple[str, int, int]], moves: list[int | None]
) -> None:
    fleet, queue = cursors(*[0] * 10), DueQueue()
    arrivals: dict[Cursor, tuple[float, int]] = {}  # the model: what is noted for each, and in which order
    pending, count = iter(moves), 0

    def note(cursor: Cursor, due: float | None) -> None:
        nonlocal count
        count += 1
        cursor.due = due
        arrivals.pop(cursor, None)
        if due is not None:
            arrivals[cursor] = (due, count)

    def fire(cursor: Cursor, now: Moment) -> None:
        due, _ = arrivals[cursor]
        assert due == min(arrivals.values())[0]
        fired.append(cursor)
        move = next(pending, None)
        note(cursor, None if move is None else due + move)

    for name, first, second in operations:
        if name == "due":
            note(fleet[first], float(second))
            queue.add(fleet[first], float(second))
        elif name == "never":
            note(fleet[first], None)
        elif name == "tidy":
            queue.tidy_up()
        else:
            fired: list[Cursor] = []
            left = queue.fire(first, NOW, second, fire)
            assert left == second - len(fired)
            assert left == 0 or all(due > first for due, _ in arrivals.values())


def test_what_was_noted_before_is_void() -> None:
    [cursor] = cursors(5)
    queue = filled(cursor)
    cursor.due = 7
    queue.add(cursor, 7)
    assert drained(queue, until=6) == []
    assert drained(queue) == [cursor]
    assert queue.first is None


def test_a_cursor_noted_twice_for_one_instant_fires_once() -> None:
    [cursor] = cursors(5)
    queue = filled(cursor, cursor)
    assert drained(queue) == [cursor]


def test_an_earlier_instant_noted_amid_a_burst_comes_next_and_the_burst_then_goes_on() -> None:
    first, second, third, early = cursors(5, 5, 5, 3)
    queue = filled(first, second, third)
    assert drained(queue, left=1) == [first]
    queue.add(early, 3)
    assert queue.first == 3
    assert drained(queue) == [early, second, third]
    assert queue.first is None


def test_a_cursor_noted_for_the_instant_that_is_firing_has_its_turn_in_it() -> None:
    first, second = cursors(5, 5)
    queue, fired = filled(first), []

    def fire(cursor: Cursor, now: Moment) -> None:
        fired.append(cursor)
        cursor.due = None
        if cursor is first:
            queue.add(second, 5)

    assert queue.fire(5, NOW, 10, fire) == 8
    assert fired == [first, second]


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_what_is_left_of_a_burst_is_told(left: int) -> None:
    fire: Callable[[Cursor, Any], None] = lambda cursor, now: setattr(cursor, "due", None)  # noqa: E731 - two words
    assert filled(*cursors(1, 2)).fire(2, NOW, left, fire) == max(0, left - 2)


def test_cursors_that_were_taken_back_are_dropped_before_their_instant() -> None:
    queue, kept = DueQueue(), cursors(1)[0]
    queue.add(kept, 1)
    tidied = 0
    for _ in range(10 * MOST_VOID):
        [cursor] = cursors(10**9)
        queue.add(cursor, 10**9)
        cursor.due = None
        if queue.take_back():
            queue.tidy_up()
            tidied += 1
            assert list(queue._cursors.values()) == [[kept]]
    assert tidied == 10
    assert drained(queue) == [kept]
