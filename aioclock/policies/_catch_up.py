"""What happens to ticks that passed while nothing could run."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from aioclock.exceptions import TaskDeclarationError
from aioclock.policies._checks import require_choice, require_count

__all__ = ["CatchUp", "CatchUpPolicy"]

CatchUpPolicy: TypeAlias = Literal["latest", "none", "all"]

DEFAULT_LIMIT = 100
"""Enough for a weekend of hourly ticks; a month of minutes would keep a task busy for long."""

_POLICIES: tuple[str, ...] = get_args(CatchUpPolicy)


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What happens to ticks that passed while no process of the app served, or while its store was out of reach.

    * `"latest"`: one run, of the latest of them; `run.missed` tells how many more it stands for.
    * `"none"`: no run; the latest is on record as skipped, with the reason `missed`.
    * `"all"`: one run for each, in order, but of more than *limit* only for the latest so many.

    A schedule that is new or was edited never catches up.

    ```python
    from aioclock.policies import CatchUp

    assert CatchUp("all").limit == 100
    ```

    Args:
        limit: For `"all"` the number of runs at most; left out, 100.

    Raises:
        TaskDeclarationError: the policy is unknown, *limit* is less than 1, or the policy has no use for it.
    """

    policy: CatchUpPolicy = "latest"
    limit: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        require_choice("catch_up", self.policy, _POLICIES)
        if self.policy == "all":
            limit = DEFAULT_LIMIT if self.limit is None else require_count("limit", self.limit)
            object.__setattr__(self, "limit", limit)
        elif self.limit is not None:
            raise TaskDeclarationError(
                f"limit must be left out for catch_up {self.policy!r}, got {self.limit!r}; only 'all' has one"
            )
