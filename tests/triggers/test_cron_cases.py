"""Cron expressions around clock changes, month ends and leap days: five ticks in a row for each case."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from aioclock.triggers import Cron

CASES = json.loads((Path(__file__).parent.parent / "data" / "cron.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['class']}-{case['tz']}-{case['expr']}-{case['now']}")
def test_five_ticks_in_a_row(case: dict[str, Any]) -> None:
    trigger = Cron(cron=case["expr"], tz=case["tz"])
    moment = anchor = datetime.fromisoformat(case["now"])
    ticks = []
    for _ in case["next"]:
        moment = trigger.next_after(moment, anchor)
        assert moment is not None
        ticks.append(moment)
    assert ticks == [datetime.fromisoformat(text) for text in case["next"]]
