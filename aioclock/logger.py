"""The library's logger: the standard-library logger named `aioclock`, silent until the user configures logging."""

import logging

__all__ = ["logger"]

logger = logging.getLogger("aioclock")
