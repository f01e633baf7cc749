"""What happens to a tick that comes while a run of the same task is going."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from aioclock.exceptions import TaskDeclarationError
from aioclock.policies._checks import require_choice, require_count

__all__ = ["Overlap", "OverlapPolicy"]

OverlapPolicy: TypeAlias = Literal["skip", "allow", "queue", "cancel"]

DEFAULT_LIMIT = 100
"""High enough for any bunch of late runs, low enough that a task which never catches up doesn't fill the memory."""

_POLICIES: tuple[str, ...] = get_args(OverlapPolicy)
_LIMITED = ("allow", "queue")


@dataclass(frozen=True, slots=True)
class Overlap:
    """What happens to a tick that comes while a run of the same task is going.

    * `"skip"`: the tick is skipped, with the reason `overlap`.
    * `"allow"`: its run starts beside those that are going, as long as fewer than *limit* are; else it is skipped.
    * `"queue"`: it waits for its turn, as long as fewer than *limit* ticks wait; else it is skipped.
    * `"cancel"`: the old run is cancelled, and the new one starts when it has ended. A tick that waits for that is
      replaced by a newer one.

    ```python
    from aioclock.policies import Overlap

    assert Overlap("queue", limit=5).most_waiting == 5
    ```

    Args:
        limit: For `"allow"` the number of runs at once, for `"queue"` that of waiting ticks; left out, 100.

    Raises:
        TaskDeclarationError: the policy is unknown, *limit* is less than 1, or the policy has no use for it.
    """

    policy: OverlapPolicy = "skip"
    limit: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        require_choice("overlap", self.policy, _POLICIES)
        if self.policy in _LIMITED:
            limit = DEFAULT_LIMIT if self.limit is None else require_count("limit", self.limit)
            object.__setattr__(self, "limit", limit)
        elif self.limit is not None:
            raise TaskDeclarationError(
                f"limit must be left out for overlap {self.policy!r}, got {self.limit!r}; "
                "only 'allow' and 'queue' have one"
            )

    @property
    def most_going(self) -> int:
        """How many runs of the task may be going at once."""
        return self.limit if self.policy == "allow" and self.limit is not None else 1

    @property
    def most_waiting(self) -> int:
        """How many ticks may wait for a run to end."""
        if self.policy == "queue" and self.limit is not None:
            return self.limit
        return 1 if self.policy == "cancel" else 0
