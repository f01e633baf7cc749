"""The parts of `aioclock simulate`."""

from aioclock.cli._simulations._drive import drive
from aioclock.cli._simulations._estimate import estimate
from aioclock.cli._simulations._hollow import Hollow, hollow
from aioclock.cli._simulations._report import Report
from aioclock.cli._simulations._tally import Tally

__all__ = ["Hollow", "Report", "Tally", "drive", "estimate", "hollow"]
