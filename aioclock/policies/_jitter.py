"""Runs that start a little later than their ticks, so that not everything happens at once."""

import random
from dataclasses import dataclass, field
from hashlib import blake2b

from aioclock.policies._checks import require_flag, require_number

__all__ = ["Jitter"]


@dataclass(frozen=True, slots=True)
class Jitter:
    """A delay between a tick and the start of its run, up to so many seconds.

    ```python
    from aioclock.policies import Jitter

    assert 0 <= Jitter(30).delay_s("reports") <= 30
    assert Jitter(30, stable=True).delay_s("reports") == Jitter(30, stable=True).delay_s("reports")
    ```

    Args:
        seconds: The longest delay.
        stable: False draws each delay anew, from Python's `random` module. True gives a task the same delay at every
            tick and in every process, unless the next tick leaves less time: it follows from the task's key, so
            different tasks stay apart.

    Raises:
        TaskDeclarationError: *seconds* is negative or no finite number, or *stable* is no bool.
    """

    seconds: float
    stable: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "seconds", require_number("jitter", self.seconds, least=0, unit="seconds"))
        require_flag("stable", self.stable)

    def delay_s(self, task_key: str, most_s: float | None = None, *, tick: int | None = None) -> float:
        """Return how much later than its tick a run of the task starts, in seconds; at most *most_s*, if given.

        Args:
            tick: In microseconds since the epoch; if it is given, all processes draw the same delay for it.
        """
        width_s = self.seconds if most_s is None else max(0.0, min(self.seconds, most_s))
        if self.stable:
            return width_s * _fraction(task_key)
        return width_s * (random.random() if tick is None else _fraction(f"{task_key}@{tick}"))


def _fraction(text: str) -> float:
    """Return a number in [0, 1) that is the same for the same *text* in every process, as hash() is not."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) * 2.0**-53  # as random.random() does it: all the bits a float can hold
