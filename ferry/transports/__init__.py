"""Ways across. Each carries files under plain names, one direction at a time, and may do to them what it likes.

Nothing is believed of a transport but that a file that arrives whole sometimes arrives. Names are ASCII, at most 64
characters, without meaning: a gap device may change them.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Protocol


class Transport(Protocol):
    """Raises OSError when it cannot do what is asked; the engine tries again at its next turn."""

    async def put(self, name: str, path: Path) -> None:
        """Sends the file at `path` under `name`, durably when it returns; the file is the transport's from then on."""

    async def names(self) -> Collection[str]:
        """What lies there: at the receiver what has come, at the sender what was not taken yet."""

    async def get(self, name: str, path: Path) -> None:
        """Copies the file to `path`. Raises FileNotFoundError when it has gone."""

    async def remove(self, name: str) -> None:
        """Removes the file, if it is there."""
