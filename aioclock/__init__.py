"""aioclock: schedule async (and sync) Python inside your own process, with every tick accounted for."""

from fast_depends import Depends

from aioclock.app import AioClock
from aioclock.group import Group
from aioclock.policies import Jitter, Overlap, Retry
from aioclock.provider import CurrentRun
from aioclock.runs import Outcome, Run, current_run
from aioclock.triggers import At, Cron, Every, Forever, Once, OnShutDown, OnStartUp, OrTrigger

__version__ = "0.5.0"

__all__ = [
    "AioClock",
    "At",
    "Cron",
    "CurrentRun",
    "Depends",
    "Every",
    "Forever",
    "Group",
    "Jitter",
    "OnShutDown",
    "OnStartUp",
    "Once",
    "OrTrigger",
    "Outcome",
    "Overlap",
    "Retry",
    "Run",
    "__version__",
    "current_run",
]
