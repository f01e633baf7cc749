"""How commands end."""

__all__ = ["FAILED", "INTERRUPTED", "MISUSED", "CommandError"]

FAILED = 1
"""Exit code: what was asked for failed."""

MISUSED = 2
"""Exit code: what was asked for could not be understood or found, so nothing was begun."""

INTERRUPTED = 130
"""Exit code after Ctrl+C, as shells have it."""


class CommandError(Exception):
    """Ends the command with a message on stderr.

    Args:
        message: What is wrong, with the value and the way out: lower case, no full stop.
        code: The exit code.
        details: Printed before the message, such as the traceback of the user's own code.
    """

    def __init__(self, message: str, *, code: int = MISUSED, details: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.details = details
