"""aioclock: schedule async (and sync) Python inside your own process, with every tick accounted for."""

from fast_depends import Depends

from aioclock.app import AioClock
from aioclock.group import Group
from aioclock.triggers import At, Cron, Every, Forever, Once, OnShutDown, OnStartUp, OrTrigger

__version__ = "0.4.0"

__all__ = [
    "AioClock",
    "At",
    "Cron",
    "Depends",
    "Every",
    "Forever",
    "Group",
    "OnShutDown",
    "OnStartUp",
    "Once",
    "OrTrigger",
    "__version__",
]
