"""Policies: under which terms a task runs, whatever its trigger.

```python
from aioclock.policies import Jitter, Overlap, Policies, Retry

nightly = Policies.of("task 'nightly'", {"overlap": "queue", "retry": Retry(attempts=5), "jitter": 30})

assert nightly.overlap == Overlap("queue")
assert nightly.jitter == Jitter(30)
```
"""

from aioclock.policies._catch_up import CatchUp, CatchUpPolicy
from aioclock.policies._jitter import Jitter
from aioclock.policies._overlap import Overlap, OverlapPolicy
from aioclock.policies._policies import (
    NO_POLICIES,
    STORE_POLICIES,
    Executor,
    OnLost,
    Policies,
    PolicyArgs,
    Scope,
)
from aioclock.policies._retry import Retry

__all__ = [
    "NO_POLICIES",
    "STORE_POLICIES",
    "CatchUp",
    "CatchUpPolicy",
    "Executor",
    "Jitter",
    "OnLost",
    "Overlap",
    "OverlapPolicy",
    "Policies",
    "PolicyArgs",
    "Retry",
    "Scope",
]
