"""Times of day around clock changes and week ends: the next tick for each case."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from aioclock.triggers import At

CASES = json.loads((Path(__file__).parent.parent / "data" / "at.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['class']}-{case['tz']}-{case['at']}-{case['now']}")
def test_next_tick(case: dict[str, Any]) -> None:
    fields = {name: case[name] for name in ("at", "hour", "minute", "second", "tz")}
    now = datetime.fromisoformat(case["now"])
    assert At(**fields).next_after(now, now) == datetime.fromisoformat(case["expected_next"])
