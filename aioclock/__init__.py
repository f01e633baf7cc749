"""aioclock: schedule async (and sync) Python inside your own process, with every tick accounted for."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fast_depends import Depends

    from aioclock.app import AioClock
    from aioclock.group import Group
    from aioclock.policies import CatchUp, Jitter, Overlap, Retry
    from aioclock.provider import CurrentRun
    from aioclock.runs import Outcome, Run, current_run
    from aioclock.triggers import At, Cron, Every, Forever, Once, OnShutDown, OnStartUp, OrTrigger

__version__ = "0.7.0"

__all__ = [
    "AioClock",
    "At",
    "CatchUp",
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

if not TYPE_CHECKING:  # for a checker, a `__getattr__` would make every name right
    _HOMES = {
        "fast_depends": ("Depends",),
        "aioclock.app": ("AioClock",),
        "aioclock.group": ("Group",),
        "aioclock.policies": ("CatchUp", "Jitter", "Overlap", "Retry"),
        "aioclock.provider": ("CurrentRun",),
        "aioclock.runs": ("Outcome", "Run", "current_run"),
        "aioclock.triggers": ("At", "Cron", "Every", "Forever", "Once", "OnShutDown", "OnStartUp", "OrTrigger"),
    }
    _HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
    _MODULES = frozenset(
        {"api", "app", "clock", "commands", "custom_types", "declarations", "events", "exceptions", "executors"}
        | {
            "group",
            "inquiries",
            "logger",
            "policies",
            "provider",
            "runs",
            "stores",
            "task",
            "testing",
            "triggers",
            "utils",
        }
    )

    def __getattr__(name):
        # With the first use and not at import: the command shows its help, and a worker starts, without pydantic.
        if name in _HOME_OF:
            value = getattr(import_module(_HOME_OF[name]), name)
        elif name in _MODULES:
            value = import_module(f"aioclock.{name}")
        else:
            raise AttributeError(f"module 'aioclock' has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*__all__, *_MODULES})
