"""What a run has from the store, and for how long."""

__all__ = ["MARGIN", "Grant", "LeaseTerm"]

MARGIN = 0.1
"""Which part of a lease is not relied upon: clocks do not go alike."""


class LeaseTerm:
    """How long what the store grants belongs to a process that gives no sign of life.

    Args:
        renewed_s: How many seconds after a renewal the next one follows.
    """

    __slots__ = ("micros", "renewed_s", "seconds")

    def __init__(self, seconds: float, *, renewed_s: float) -> None:
        self.seconds = seconds
        self.micros = round(seconds * 1_000_000)
        self.renewed_s = renewed_s

    def trusted_until_s(self, asked_at: float) -> float:
        """Return until when a lease holds for sure that was asked for at *asked_at*, both on the steady clock."""
        return asked_at + self.seconds * (1 - MARGIN)


class Grant:
    """The right to be the run that answers a tick."""

    __slots__ = ("claim_id", "ended", "ending", "fence", "in_doubt", "owner", "trusted_until_s")

    def __init__(self, claim_id: str, fence: int, owner: str, trusted_until_s: float) -> None:
        self.claim_id = claim_id
        self.fence = fence
        self.owner = owner
        self.trusted_until_s = trusted_until_s
        """Until when the lease holds for sure, on the steady clock; counted from before it was asked for."""
        self.ending = False
        """Whether the store is being told the end of the run, or has been."""
        self.ended = False
        """Whether the store knows the end of the run."""
        self.in_doubt = False
        """Whether a transaction that would have told it that broke off, nobody knows where."""
