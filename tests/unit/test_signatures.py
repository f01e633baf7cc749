"""What help() and hypothesis see of a trigger that nobody has used yet."""

import subprocess
import sys

SCRIPT = """
import inspect
from aioclock import At, Cron, Every, Once, OrTrigger

for trigger, field in ((At, "hour"), (Cron, "cron"), (Every, "seconds"), (Once, "type_"), (OrTrigger, "triggers")):
    assert field in inspect.signature(trigger).parameters, trigger
assert Every(seconds=1).total_seconds == 1
"""


def test_the_signature_of_an_unused_trigger_tells_its_fields() -> None:
    # A process of its own, for here all triggers have been used.
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
