"""The library's logger: the standard-library logger named `aioclock`.

Errors of tasks and skipped ticks go here. Without any configuration of logging, Python prints warnings and errors to
stderr.
"""

import logging

__all__ = ["logger"]

logger = logging.getLogger("aioclock")
