"""Cutting a stream into frames that begin with their own length in four octets, as those of SMPP and CMPP do. Pure."""

from collections.abc import Iterator
from struct import Struct

_LENGTH = Struct(">L")


class FramingError(Exception):
    """The stream has lost its frame; nothing behind this point can be read. The answer is to hang up."""

    def __init__(self, length: int) -> None:
        super().__init__(f"a frame of {length} octets is impossible")
        self.length = length


class Framer:
    """Holds at most one unfinished frame. `least` is the header alone, `most` what any frame may have."""

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that `data` completes. Iterate to the end. Raises FramingError behind the last good frame."""
        # Nearly always nothing is left over, and the frames are cut from `data` itself.
        self._rest = self._rest + data if self._rest else data
        return self._frames()

    def _frames(self) -> Iterator[bytes]:
        octets, start, end = self._rest, 0, len(self._rest)
        try:
            while end - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(octets, start)
                if not self._least <= length <= self._most:
                    raise FramingError(length)
                if end - start < length:
                    return
                start += length
                yield octets[start - length : start]
        finally:
            self._rest = octets[start:]
