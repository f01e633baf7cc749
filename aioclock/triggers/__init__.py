"""When a task is due: the built-in triggers and the base classes for your own."""

from aioclock.triggers._base import BaseTrigger, LoopController
from aioclock.triggers._calendar import At
from aioclock.triggers._combine import OrTrigger, TriggerT
from aioclock.triggers._cron import Cron
from aioclock.triggers._interval import Every
from aioclock.triggers._lifecycle import Forever, Once, OnShutDown, OnStartUp

__all__ = [
    "At",
    "BaseTrigger",
    "Cron",
    "Every",
    "Forever",
    "LoopController",
    "OnShutDown",
    "OnStartUp",
    "Once",
    "OrTrigger",
    "TriggerT",
]
