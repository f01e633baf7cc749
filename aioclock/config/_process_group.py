"""A process and what it started, as one: how they get a group of their own and how they are ended."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["OF_ITS_OWN", "group_lives", "kill", "terminate"]

if sys.platform == "win32":
    OF_ITS_OWN: dict[str, Any] = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    """What makes a new process the leader of a group: arguments of `subprocess.Popen`."""

    def terminate(process: "subprocess.Popen[bytes]") -> None:
        with suppress(OSError):
            process.send_signal(signal.CTRL_BREAK_EVENT)

    def kill(process: "subprocess.Popen[bytes]") -> None:
        # By the tree of parents: Windows has no other way to find what a process started.
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )

    def group_lives(process: "subprocess.Popen[bytes]") -> bool:
        return process.poll() is None

else:
    # A session and not just a group, for a Ctrl+C on the terminal is for us to handle.
    OF_ITS_OWN: dict[str, Any] = {"start_new_session": True}
    """What makes a new process the leader of a group: arguments of `subprocess.Popen`."""

    def terminate(process: "subprocess.Popen[bytes]") -> None:
        """Ask the process and what it started to end."""
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGTERM)

    def kill(process: "subprocess.Popen[bytes]") -> None:
        """Kill the process and what it started, also if it has ended by itself."""
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)

    def group_lives(process: "subprocess.Popen[bytes]") -> bool:
        """Tell whether the process or something that it started goes on."""
        with suppress(OSError):
            os.killpg(process.pid, 0)
            return _has_living_member(process.pid)
        return False

    def _has_living_member(group: int) -> bool:
        # What is dead counts as a member until its adoptive parent has looked, which in a container may take long.
        if not Path("/proc/self/stat").is_file():
            return True
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError, ValueError):
                # proc(5): pid (comm) state ppid pgrp ...
                state, _, member_of = entry.read_text("utf-8", "replace").rpartition(")")[2].split()[:3]
                if int(member_of) == group and state not in "ZX":
                    return True
        return False
