"""Zones with keys of their own: a CA each, a keyring each, pinned to one another."""

import hashlib
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import Authority
from certs.keyring import Keyring
from certs.settings import CertSettings
from certs.tables import CertificateState, IssuedCertificate
from ferry.epochs import EPOCH_RECORD
from ferry.identity import ZoneKeys, introduction_of, make_keys, newest_keys
from ferry.introductions import peer_file, read_peer_file
from ferry.key_tables import FerryOwnKeys
from ferry.lanes import Lane
from ferry.records import Registry
from ferry.station import Route
from ferry.trust import announce, key_records, pin, tell_revocations
from tests.ferry.pair import Pair, Side, kind


def authority(folder: Path, now, name: str = "衡江 RA") -> Authority:
    return Authority.open(Keyring(folder, b"a passphrase for tests"), CertSettings(organisation=name), now=now)


class KeyedSide:
    """What a side knows by its keys."""

    def __init__(self, side: Side, folder: Path) -> None:
        self.side = side
        self.authority = authority(folder / side.own, side.clock.now(), side.own)
        types = Registry([EPOCH_RECORD, *key_records(side.peer), kind("case.state", Lane.CASE)])
        plain = side.route
        self.route = Route(own=plain.own, peer=plain.peer, sends=plain.sends, takes=plain.takes, types=types)
        self.keys = ZoneKeys(self.authority.keyring, side.database, side.clock, own=side.own, peer=side.peer)
        side.changes |= {"route": self.route, "keys": self.keys}

    async def make(self, *, own_ca: bool = True):
        with self.side.here():
            async with self.side.database.transaction():
                made = await make_keys(self.authority, self.side.own, own_ca=own_ca, now=self.side.clock.now())
                await announce(self.side.database, self.route, self.side.own, now=self.side.clock.now())
                return made

    async def newest(self) -> FerryOwnKeys:
        with self.side.here():
            newest = await newest_keys(self.side.own, "ready")
        assert newest is not None
        return newest

    async def file(self) -> bytes:
        newest = await self.newest()
        return peer_file(introduction_of(newest), bytes(newest.root))

    async def pin(self, content: bytes):
        with self.side.here():
            async with self.side.database.transaction():
                return await pin(
                    read_peer_file(content), own=self.side.own, peer=self.side.peer, by="甲", now=self.side.clock.now()
                )

    async def revoke(self, number: int) -> None:
        """As the RA does it."""
        with self.side.here():
            async with self.side.database.transaction():
                row = await IssuedCertificate.filter(profile="ferry_signing").order_by("id").offset(number - 1).first()
                assert row is not None
                row.state, row.revoked_at, row.reason = CertificateState.REVOKED, self.side.clock.now(), "superseded"
                await row.save()

    async def tell(self) -> bool:
        with self.side.here():
            async with self.side.database.transaction():
                return await tell_revocations(self.side.database, self.route, self.authority, now=self.side.clock.now())

    @property
    def root(self) -> bytes:
        return self.authority.root.public_bytes(Encoding.DER)

    @property
    def root_sha256(self) -> bytes:
        return hashlib.sha256(self.root).digest()

    async def refresh(self) -> None:
        with self.side.here():
            await self.keys.refresh()


class KeyedPair:
    def __init__(self, pair: Pair, folder: Path) -> None:
        self.pair = pair
        self.outer, self.inner = (KeyedSide(side, folder) for side in pair.sides)

    @property
    def sides(self):
        return self.outer, self.inner

    async def meet(self) -> None:
        """Both make keys, and each gets the other's file."""
        for side in self.sides:
            await side.make()
        outer, inner = [await side.file() for side in self.sides]
        await self.outer.pin(inner)
        await self.inner.pin(outer)
        for side in self.sides:
            await side.refresh()
            await side.side.start()

    async def step(self, seconds: float = 5) -> None:
        for side in self.sides:
            await side.refresh()
        await self.pair.step(seconds)

    async def settle(self, steps: int = 100) -> None:
        for _ in range(steps):
            await self.step()
            if await self.pair.is_quiet():
                return
        raise AssertionError("the two sides did not come to rest")

    async def later(self, **time) -> None:
        self.pair.clock.advance(timedelta(**time))
