"""A gap device that does everything devices were seen to do to files: in memory, seeded, one direction.

It polls a folder, copies what it finds, deletes it, and delivers when it likes. On the way it may lose a file, deliver
it twice, late, in another order, under another name, cut short, growing, or with one bit changed. `Faults()` is a
device that works. What it swallowed it can play back later, as an attacker would.
"""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Probabilities, per file and sweep."""

    loses: float = 0.0
    repeats: float = 0.0
    delays: float = 0.0  # not in this sweep
    renames: float = 0.0
    truncates: float = 0.0
    shows_partial: float = 0.0  # the whole file follows in the next sweep
    flips_a_bit: float = 0.0
    replays: float = 0.0  # delivers some older file once more
    vanishes: float = 0.0  # a delivered file is deleted before anybody took it


class Gap:
    """`entrance` is the sender's transport, `exit` the receiver's; `sweep` carries."""

    def __init__(self, chance: random.Random, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.entrance, self.exit = _Side({}), _Side({})
        self.counts: dict[str, int] = {}
        #: Everything that ever went in, whole.
        self.swallowed: list[tuple[str, bytes]] = []
        self._chance = chance
        self._late: list[tuple[str, bytes]] = []

    def sweep(self) -> None:
        """One round: delivers what is late, then takes what lies at the entrance."""
        late, self._late = self._late, []
        self.exit.files.update(late)
        names = list(self.entrance.files)
        self._chance.shuffle(names)
        for name in names:
            if not self._happens("delays"):
                self._carry(name, self.entrance.files.pop(name))
        if self.swallowed and self._happens("replays"):
            name, octets = self._chance.choice(self.swallowed)
            self.exit.files[f"again-{name}"] = octets
        for name in list(self.exit.files):
            if self._happens("vanishes"):
                del self.exit.files[name]

    def _carry(self, name: str, octets: bytes) -> None:
        self.swallowed.append((name, octets))
        if self._happens("loses"):
            return
        if self._happens("renames"):
            name = f"{self._chance.getrandbits(32):08X}.DAT"
        if self._happens("repeats"):
            self._late.append((f"copy-{name}", octets))
        if self._happens("flips_a_bit"):
            at = self._chance.randrange(len(octets))
            octets = octets[:at] + bytes([octets[at] ^ 1 << self._chance.randrange(8)]) + octets[at + 1 :]
        if self._happens("truncates"):
            octets = octets[: self._chance.randrange(len(octets))]
        if self._happens("shows_partial"):
            self._late.append((name, octets))
            octets = octets[: self._chance.randrange(len(octets))]
        self.exit.files[name] = octets

    def _happens(self, fault: str) -> bool:
        probability: float = getattr(self.faults, fault)
        if self._chance.random() >= probability:
            return False
        self.counts[fault] = self.counts.get(fault, 0) + 1
        return True


@dataclass
class _Side:
    """One folder of the device."""

    files: dict[str, bytes]

    async def put(self, name: str, path: Path) -> None:
        self.files[name] = await asyncio.to_thread(path.read_bytes)
        await asyncio.to_thread(path.unlink)

    async def names(self) -> list[str]:
        return list(self.files)

    async def get(self, name: str, path: Path) -> None:
        if name not in self.files:
            raise FileNotFoundError(name)
        await asyncio.to_thread(path.write_bytes, self.files[name])

    async def remove(self, name: str) -> None:
        self.files.pop(name, None)
