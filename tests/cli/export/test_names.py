"""Names of units: safe everywhere, different for different tasks, and the same at every export."""

import re
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from aioclock.cli._exporting._units import names_of

SAFE = re.compile(r"aioclock-[a-z0-9]([a-z0-9-]*[a-z0-9])?")
"""Fits a DNS label, a unit of systemd, a file of /etc/cron.d, a label of launchd and a task of Windows."""


@given(st.lists(st.text(min_size=1), unique=True))
def test_names_are_safe_and_unique(keys: list[str]) -> None:
    names = names_of(keys)
    assert list(names) == keys
    assert len(set(names.values())) == len(keys)
    assert all(SAFE.fullmatch(name) and len(name) <= 52 for name in names.values())


@given(st.lists(st.text("aA-_. :", min_size=1, max_size=6), unique=True, max_size=12))
def test_keys_that_differ_in_signs_or_case_only_have_different_names(keys: list[str]) -> None:
    assert len(set(names_of(keys).values())) == len(keys)


@given(st.lists(st.text(min_size=1), unique=True, min_size=1), st.randoms())
def test_the_order_of_tasks_does_not_matter(keys: list[str], random: Random) -> None:
    shuffled = list(keys)
    random.shuffle(shuffled)
    assert names_of(shuffled) == {key: names_of(keys)[key] for key in shuffled}


def test_readable_where_it_can_be() -> None:
    assert names_of(["shop.mails:send_newsletter", "etl.orders"]) == {
        "shop.mails:send_newsletter": "aioclock-shop-mails-send-newsletter",
        "etl.orders": "aioclock-etl-orders",
    }
    assert names_of(["a:b", "a.b", "a"]) == {
        "a:b": "aioclock-a-b-78d6dbab",
        "a.b": "aioclock-a-b-31d1e1bc",
        "a": "aioclock-a",
    }
    assert len(set(names_of(["a:b", "a.b", "a-b-78d6dbab"]).values())) == 3
    assert names_of(["日本"])["日本"].startswith("aioclock-task-")


def test_a_long_name_fits_a_cron_job() -> None:
    keys = ["module:" + "very_" * 20 + end for end in ("a", "b")]
    names = names_of(keys)
    assert all(len(name) <= 52 for name in names.values())
    assert len(set(names.values())) == 2
