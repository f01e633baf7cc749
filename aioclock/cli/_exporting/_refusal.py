"""Why a task can't be exported."""

__all__ = ["Refusal"]


class Refusal(Exception):
    """The target can't say exactly what the task says; the message tells why, and what would work."""
