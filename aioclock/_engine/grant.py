"""What a run has from the store."""

__all__ = ["Grant"]


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
