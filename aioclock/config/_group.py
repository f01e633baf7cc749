"""Groups of a configuration file."""

from typing import Any

from aioclock.group import Group

__all__ = ["FileGroup"]


class FileGroup(Group):
    """A group that a file names, as a variable names one in code.

    Attributes:
        name: The group's, None if it has none; of the group that holds all others, that of the file.
    """

    def __init__(self, name: str | None, **policies: Any) -> None:
        super().__init__(**policies)
        self.name = name
