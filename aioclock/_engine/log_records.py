"""Log records that tell which run they come from."""

import logging
from typing import Any

from aioclock.runs import run_source

__all__ = ["mark_log_records"]


def mark_log_records() -> None:
    """From now on, give each log record that is made during a run the attributes `aioclock_task` and `aioclock_run`.

    Plain names such as `task` would forbid them to everybody: logging refuses an `extra` that a record has already.
    """
    make = logging.getLogRecordFactory()
    if isinstance(make, _MarkingFactory):
        return
    logging.setLogRecordFactory(_MarkingFactory(make))


class _MarkingFactory:
    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*args, **kwargs)
        source = run_source.get()
        if source is not None:
            run = source.snapshot()
            record.aioclock_task = run.task_key
            record.aioclock_run = run.key
        return record
