"""What every part of the ferry is given: who the other side is, its keys, the way there, and the limits."""

import asyncio
import contextlib
import shutil
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Meta, Struct

from casework.intake.uploads import FileStore
from ferry.inspecting import Inspector
from ferry.lanes import RULES, Lane, LaneRule
from ferry.parcel import Header
from ferry.records import Direction, Registry
from ferry.refusals import ParcelForeign
from ferry.sealing import Addressed, SealingKeys
from ferry.suites import DEFAULT, Suite
from ferry.transports import Transport
from kernel.clock import Clock
from kernel.db import Database

#: Short, because it stands in the name of every file.
Zone = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9]{0,15}\Z")]

#: The lane-like name of statuses, which are outside every order.
STATUS = "status"
#: Of records and statuses in a parcel's manifest.
SCHEMA = 1


class Route(Struct, frozen=True, kw_only=True):
    """One zone and one peer, and what may cross between them."""

    own: Zone
    peer: Zone
    sends: Direction
    takes: Direction
    types: Registry

    def outgoing(self, lane: str) -> str:
        return f"{self.own}-{self.peer}.{lane}"

    def incoming(self, lane: str) -> str:
        return f"{self.peer}-{self.own}.{lane}"


class Keys(Protocol):
    """Keys are asked for at every use, so that they may roll."""

    def addressed(self) -> Addressed: ...

    def sealing(self) -> SealingKeys: ...

    def sender(self, header: Header) -> ec.EllipticCurvePublicKey:
        """Raises a ParcelRefused when this certificate may not seal for this channel."""

    def own(self, header: Header) -> ec.EllipticCurvePrivateKey:
        """The key the parcel is wrapped for. Raises a ParcelRefused."""


@dataclass(frozen=True, kw_only=True)
class PinnedKeys:
    """Keys known beforehand: `senders` by SHA-256 of their certificate, `unwrapping` by that of our public key."""

    address: Addressed
    seals: SealingKeys = field(repr=False)
    senders: Mapping[str, ec.EllipticCurvePublicKey]
    unwrapping: Mapping[str, ec.EllipticCurvePrivateKey] = field(repr=False)

    def addressed(self) -> Addressed:
        return self.address

    def sealing(self) -> SealingKeys:
        return self.seals

    def sender(self, header: Header) -> ec.EllipticCurvePublicKey:
        key = self.senders.get(header.sender_certificate)
        if key is None:
            raise ParcelForeign(why="unknown certificate")
        return key

    def own(self, header: Header) -> ec.EllipticCurvePrivateKey:
        key = self.unwrapping.get(header.receiver_key)
        if key is None:
            raise ParcelForeign(why="wrapped for a key that is not ours")
        return key


class Pace(Struct, frozen=True, kw_only=True):
    """When what is done again. A round trip over a gap device takes seconds to minutes, over a stick a day."""

    status_after: timedelta = timedelta(seconds=30)  # something changed
    heartbeat: timedelta = timedelta(minutes=5)
    first_again: timedelta = timedelta(seconds=30)  # or three round trips, then twice that, and so on
    longest_again: timedelta = timedelta(hours=1)
    #: After which a file that ends early is no longer being written.
    torn_after: timedelta = timedelta(minutes=10)
    #: One-way: when each parcel leaves, counted from the first time.
    repeats: tuple[timedelta, ...] = (
        timedelta(0), timedelta(minutes=5), timedelta(hours=1), timedelta(hours=24),
    )  # fmt: skip
    #: One-way: how long a missing parcel holds up the lane. Longer than the last repetition.
    patience: timedelta = timedelta(hours=25)
    history: timedelta = timedelta(hours=1)
    #: One-way: the last so many content identities are told one by one, older ones by a root per block.
    window: int = 10_000
    block: int = 1000
    #: At least twice the interval of backups: a restored peer is served again from here.
    keep: timedelta = timedelta(days=35)
    #: Files looked at, and parcels sealed, in one turn.
    takes: int = 200
    seals: int = 50
    skew_alarm: timedelta = timedelta(minutes=5)


async def _nothing(database: Database, now: datetime, sha256: str) -> None:
    pass


def _anywhere(point: str) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Station:
    """One zone's end. `out` None: nothing can be sent; `into` None: nothing comes back. Either makes it one-way."""

    database: Database
    route: Route
    keys: Keys
    clock: Clock
    #: The ferry's own: files under way, held, in quarantine.
    folder: Path
    #: Where whole files are kept.
    files: FileStore
    #: Whether what was sent stays there; else it goes when nobody can ask for it again.
    keeps_sent_files: bool = True
    out: Transport | None
    into: Transport | None
    pace: Pace = field(default_factory=Pace)
    rules: Mapping[Lane, LaneRule] = field(default_factory=lambda: RULES)
    #: Told in a transaction that a file of the other side is whole.
    on_file: Callable[[Database, datetime, str], Awaitable[None]] = _nothing
    #: Looks into every file before it is sealed, and before it is kept; None: nobody does.
    inspector: Inspector | None = None
    #: With which parcels are sealed; any that is installed is opened.
    suite: Suite = DEFAULT
    free_octets: Callable[[], int] | None = None
    #: Passed at the named points between the steps; a test dies there.
    reach: Callable[[str], None] = _anywhere

    @property
    def is_one_way(self) -> bool:
        return self.out is None or self.into is None

    @property
    def peer(self) -> str:
        return self.route.peer

    def place(self, kind: str) -> Path:
        """One of the ferry's own folders."""
        path = self.folder / kind
        path.mkdir(parents=True, exist_ok=True)
        return path


async def still_there(transport: Transport, names: Collection[str]) -> set[str]:
    return set(names) & set(await transport.names()) if names else set()


def throw_away(path: Path) -> None:
    """Removes one of the ferry's own files or folders. What a broken disk keeps is swept up at the next start."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


async def unlink(path: Path) -> None:
    await asyncio.to_thread(throw_away, path)
