"""Octets that are nearly right: a seed with a few things done to it. What is left where atheris cannot be installed."""

import random
from collections.abc import Iterator, Sequence

#: What parsers trip over: nothing, everything, signs, and lengths that promise much.
_INTERESTING = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x10")


def mutations(seeds: Sequence[bytes], chance: random.Random, *, longest: int) -> Iterator[bytes]:
    """For ever."""
    while True:
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(1, 6)):
            _change(data, seeds, chance)
        yield bytes(data[:longest])


def _change(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    match chance.randrange(6):
        case 0 if at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        case 1 if at < len(data):
            data[at] = chance.randrange(256)
        case 2:
            del data[at : at + chance.randrange(1, 9)]
        case 3:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        case 4:
            new = chance.choice(_INTERESTING)
            data[at : at + len(new)] = new
        case _:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            data[at:] = other[start:]
