"""Files that are no parcels of the other zone, put into the folder from which a zone takes: all must be refused.

They are built from what crossed before, as somebody at the device would: nobody there has a key of either zone.
"""

import os
import random
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

from ferry.parcel import FRAME_OCTETS, MAGIC, MAX_HEADER_OCTETS, U32
from tests.chaos.ferry_zones import Zone, Zones

Made = Callable[[bytes, bytes, random.Random], bytes]


def _noise(mine: bytes, theirs: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(2000)


def _sent_back(mine: bytes, theirs: bytes, chance: random.Random) -> bytes:
    """What this zone sealed for the other one."""
    return theirs


def _bit_changed(mine: bytes, theirs: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(8, len(mine))
    return mine[:at] + bytes([mine[at] ^ 1 << chance.randrange(8)]) + mine[at + 1 :]


def _another_number(mine: bytes, theirs: bytes, chance: random.Random) -> bytes:
    """A header that says it is a later parcel, over the old frames and the old signature."""
    return mine.replace(b'"seq":', b'"seq":9', 1).replace(mine[4:8], _longer(mine[4:8], 1), 1)


def _with_a_tail(mine: bytes, theirs: bytes, chance: random.Random) -> bytes:
    return mine + b"\0"


def _endless_header(mine: bytes, theirs: bytes, chance: random.Random) -> bytes:
    return MAGIC + U32.pack(MAX_HEADER_OCTETS + 1) + b"{" * 100


def _giant_frame(mine: bytes, theirs: bytes, chance: random.Random) -> bytes:
    """The header of a true parcel, then a frame that says it is four gigabytes."""
    return mine[: 8 + U32.unpack(mine[4:8])[0]] + U32.pack(0xFFFFFFFF) + os.urandom(FRAME_OCTETS)


def _bomb(mine: bytes, theirs: bytes, chance: random.Random) -> bytes:
    """Zeros without end, in frames of the right length, where the ciphertext should be."""
    frame = U32.pack(FRAME_OCTETS) + bytes(FRAME_OCTETS)
    return mine[: 8 + U32.unpack(mine[4:8])[0]] + 8 * frame + U32.pack(0) + struct.pack(">H", 64) + bytes(64)


def _longer(octets: bytes, by: int) -> bytes:
    return U32.pack(U32.unpack(octets)[0] + by)


STRANGERS: Mapping[str, Made] = MappingProxyType(
    {
        "noise": _noise,
        "sent-back": _sent_back,
        "bit-changed": _bit_changed,
        "another-number": _another_number,
        "with-a-tail": _with_a_tail,
        "endless-header": _endless_header,
        "giant-frame": _giant_frame,
        "bomb": _bomb,
    }
)
#: Begins the name of each, by which the quarantine shows that it was met.
_PREFIX = "stranger."


def plant(zone: Zone, zones: Zones, chance: random.Random) -> None:
    """One of each into the zone's folder, as soon as something has crossed both ways."""
    into, back = zones.device.there.swallowed, zones.device.back.swallowed
    if zone is zones.outer:
        into, back = back, into
    if not into or not back:
        return
    for name, made in STRANGERS.items():
        octets = made(chance.choice(into)[1], chance.choice(back)[1], chance)
        unfinished = zone.into / f".stranger-{name}"
        unfinished.write_bytes(octets)
        unfinished.replace(zone.into / f"{_PREFIX}{name}.{chance.getrandbits(32):08x}.fry")


async def unrefused(zones: Zones) -> list[str]:
    """Strangers that are not in the quarantine of the zone, each kind at least once; and those that still lie there."""
    found = []
    for zone in zones.both:
        rows = await zone.database.rows("SELECT file FROM ferry_quarantine")
        met = {str(row["file"]).split(".")[1] for row in rows if str(row["file"]).startswith(_PREFIX)}
        found += [f"not refused: {name}, {zone.own}" for name in STRANGERS.keys() - met]
        found += [f"left lying: {path.name}, {zone.own}" for path in zone.into.glob(f"{_PREFIX}*")]
    return found
