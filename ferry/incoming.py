"""From a transport to the transaction: copy, check, open, judge; apply, hold, or put aside.

A file is copied before it is looked at, because others may write where it lies. What is torn waits, it may still be
growing; what is refused goes into quarantine; what comes too early is held, up to a limit; what is good and next is
applied, and only then removed. Statuses are outside every order.
"""

import asyncio
import contextlib
import hashlib
import logging
import re
import secrets
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from ferry import applying, epochs, history, pieces, quarantine
from ferry.applying import Arrival, Known, Verdict
from ferry.epochs import EPOCH, EpochBegun
from ferry.lanes import Lane, rank
from ferry.opening import Checked, Unsealed, check, unseal
from ferry.outgoing import total
from ferry.parcel import Header, Label
from ferry.refusals import (
    ParcelEquivocal,
    ParcelForeign,
    ParcelMalformed,
    ParcelRefused,
    ParcelRetired,
    ParcelTorn,
    RecordRefused,
)
from ferry.station import STATUS, Station, throw_away, unlink
from ferry.status import Diverged, Status, heed
from ferry.tables import FerryCursor, FerryGap, FerryHeld, FerryInbox, FerryPeer
from ferry.tidying import unlink_unless_held
from ferry.transports import Transport
from kernel import rows

log = logging.getLogger(__name__)

#: After so many files that cannot be read or removed, the transport itself is in trouble: the next turn goes on.
_FAULTS_IN_A_TURN = 3
#: Only to look at urgent files first; what a file is, its header says.
_HINT = re.compile(r"\.([a-z]+)\.(\d+)\.")


class Opened(Struct, frozen=True, kw_only=True):
    lane: str
    label: Label
    checked: Checked
    unsealed: Unsealed
    staged: Path


class Dock:
    """Where files come in. Remembers, for the life of the process, which are torn or could not be read, or removed."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._torn: dict[str, tuple[int, datetime]] = {}
        self._failed: dict[str, datetime] = {}
        #: What a status or an applied parcel made worth telling the other side.
        self.has_news = False
        self.diverged: Diverged | None = None

    async def take_in(self, *, now: datetime) -> int:
        """Looks at up to `takes` files, the urgent first; how many are done with. Raises OSError."""
        into = self._station.into
        if into is None:
            return 0
        names = sorted(await into.names(), key=_order)
        self._torn = {name: torn for name, torn in self._torn.items() if name in names}
        rest = self._station.pace.first_again
        self._failed = {
            name: at for name, at in self._failed.items() if name in names and timedelta(0) <= now - at < rest
        }
        done = faults = 0
        for name in [name for name in names if name not in self._failed][: self._station.pace.takes + len(self._torn)]:
            try:
                done += await self._take(into, name, now)
            except OSError as fault:
                log.warning("ferry: a file cannot be taken in: %s", type(fault).__name__)
                self._failed[name] = now
                faults += 1
                if faults == _FAULTS_IN_A_TURN:
                    break
        return done

    async def accept(self, copy: Path, name: str, *, now: datetime) -> None:
        """Takes in one file that a person brought; `copy` is ours. Raises a ParcelRefused, and puts nothing aside."""
        opened = await self._opened(copy)
        try:
            await self._proceed(opened, copy, name, now)
        finally:
            shutil.rmtree(opened.staged, ignore_errors=True)

    async def apply_held(self, *, now: datetime) -> int:
        """Applies what was held and is next by now; how many parcels."""
        station, applied = self._station, 0
        for lane in station.rules:
            while (held := await self._next_held(lane)) is not None:
                path = station.place("held") / held.file
                try:
                    opened = await self._opened(path)
                except (ParcelRefused, OSError) as fault:
                    if isinstance(fault, OSError) and await asyncio.to_thread(_is_readable, path):
                        raise  # no room to open it
                    # It was sound when it came: a disk failed, or a key was taken away. It will be sent again.
                    log.error("ferry: a held parcel cannot be opened: %s", type(fault).__name__)
                    await self._drop_held(held)
                    break
                try:
                    await self._proceed(opened, path, held.file, now)
                except ParcelRefused as refusal:
                    await quarantine.keep(station, path, held.file, refusal, now=now)
                    await self._drop_held(held)
                finally:
                    shutil.rmtree(opened.staged, ignore_errors=True)
                cursor = await rows.one(FerryCursor, peer=station.peer, lane=lane)
                if cursor is None or cursor.frozen_why or cursor.applied < held.seq:
                    break
                await unlink(path)
                applied += 1
        return applied

    async def discard_left_behind(self, *, now: datetime) -> None:
        """Parcels held for an epoch that has ended go into quarantine: their records come anew, or are lost with it."""
        for held in await epochs.left_behind(self._station):
            path = self._station.place("held") / held.file
            with contextlib.suppress(FileNotFoundError):
                await quarantine.keep(self._station, path, held.file, ParcelRetired(), now=now)
            await self._drop_held(held)

    # --------------------------------------------------------------------------------------------------- one file

    async def _take(self, into: Transport, name: str, now: datetime) -> bool:
        station = self._station
        copy = station.place("incoming") / secrets.token_hex(8)
        try:
            try:
                await into.get(name, copy)
            except FileNotFoundError:
                return False
            try:
                opened = await self._opened(copy)
                try:
                    await self._proceed(opened, copy, name, now)
                finally:
                    shutil.rmtree(opened.staged, ignore_errors=True)
            except ParcelTorn as refusal:
                if not self._is_given_up(name, copy.stat().st_size, now):
                    return False
                await quarantine.keep(station, copy, name, refusal, now=now)
            except ParcelRefused as refusal:
                await quarantine.keep(station, copy, name, refusal, now=now)
        finally:
            throw_away(copy)
        station.reach("before remove")
        await into.remove(name)
        station.reach("after remove")
        return True

    def _is_given_up(self, name: str, octets: int, now: datetime) -> bool:
        """Whether a file that ends early has not grown for so long that nobody is writing it any more."""
        before, since = self._torn.get(name, (-1, now))
        if octets != before or now < since:
            self._torn[name] = octets, now
            return False
        return now - since >= self._station.pace.torn_after

    async def _opened(self, copy: Path) -> Opened:
        """Checked and decrypted; nothing of it is believed before the channel fits. Raises a ParcelRefused."""
        staged = self._station.place("incoming") / f"{secrets.token_hex(8)}.pieces"
        opened = None
        try:
            opened = await asyncio.to_thread(_open, self._station, copy, staged)
        finally:
            if opened is None:
                shutil.rmtree(staged, ignore_errors=True)
        return opened

    async def _proceed(self, opened: Opened, copy: Path, name: str, now: datetime) -> None:
        if opened.lane == STATUS:
            await self._heed(opened, now)
            return
        await self._adopt(opened, now)
        station, label = self._station, opened.label
        cursor = await rows.one(FerryCursor, peer=station.peer, lane=opened.lane)
        if cursor is None or cursor.epoch != label.epoch:
            if await epochs.is_ended(station.database, station.peer, label.epoch):
                await self._put_aside_ended(opened)
            else:
                await self._hold(opened, copy, name, now)
            return
        applied = await _known(cursor, label.seq)
        match applying.judge(cursor, label, opened.unsealed.manifest.content_id, applied):
            case Verdict.NEXT | Verdict.LATE:
                await self._apply(opened, copy, name, now)
            case Verdict.AHEAD | Verdict.FROZEN:
                await self._hold(opened, copy, name, now)
            case Verdict.DUPLICATE:
                await self._note_duplicate(opened, name, now)
            case Verdict.EQUIVOCAL:
                await quarantine.freeze(station, opened.lane, "two contents under one number")
                self.has_news = True
                raise ParcelEquivocal()

    async def _apply(self, opened: Opened, copy: Path, name: str, now: datetime) -> None:
        station = self._station
        await asyncio.to_thread(pieces.settle, station, opened.staged, opened.unsealed.manifest.pieces)
        station.reach("after pieces")
        stop = await applying.apply(station, _arrival(opened, name), now=now)
        self.has_news = True
        if stop:
            await quarantine.freeze(station, opened.lane, stop[:40])
            await self._hold(opened, copy, name, now)

    async def _hold(self, opened: Opened, copy: Path, name: str, now: datetime) -> None:
        """Keeps a parcel until its turn; what finds no room is dropped here, and offered again by the sender."""
        station, label, held_as = self._station, opened.label, f"{opened.checked.sha256}.fry"
        self.has_news = True
        if copy.name == held_as:
            return
        held = await rows.one(FerryHeld, peer=station.peer, lane=opened.lane, epoch=label.epoch, seq=label.seq)
        if held is not None:
            if held.content_id != opened.unsealed.manifest.content_id:
                await quarantine.freeze(station, opened.lane, "two contents under one number")
                raise ParcelEquivocal()
            return
        rule = station.rules[Lane(opened.lane)]
        found = await station.database.rows(
            "SELECT COUNT(*) AS parcels, COALESCE(SUM(octets), 0) AS octets FROM ferry_held"
            " WHERE peer = $1 AND lane = $2",
            station.peer,
            opened.lane,
        )
        if total(found[0]["parcels"]) >= rule.stash_parcels or total(found[0]["octets"]) >= rule.stash_octets:
            log.warning("ferry: no more room to hold parcels of lane %s", opened.lane)
            return
        # The file before its row: a file without a row is swept up, a row without a file would be a lie.
        await asyncio.to_thread(copy.replace, station.place("held") / held_as)
        station.reach("after hold file")
        columns = ("peer", "lane", "epoch", "seq", "prev", "content_id", "file", "octets", "at")
        row = (station.peer, opened.lane, label.epoch, label.seq, label.prev, opened.unsealed.manifest.content_id,
               held_as, opened.checked.octets, now)  # fmt: skip
        async with station.database.transaction():
            new = await station.database.insert(
                "ferry_held", columns, [row], tail="ON CONFLICT DO NOTHING RETURNING id"
            )
        if not new:
            await unlink_unless_held(station, held_as)
        station.reach("after hold")

    async def _note_duplicate(self, opened: Opened, name: str, now: datetime) -> None:
        """Sealed anew: our acknowledgement was late. The same octets: somebody repeated them, or we died before."""
        self.has_news = True
        await pieces.take_again(self._station, opened.staged, opened.unsealed.manifest.pieces, now=now)
        applied = await self._applied_before(opened)
        if applied is not None and applied.sha256 == opened.checked.sha256 and applied.file != name[:80]:
            await quarantine.note_replay(self._station, opened.checked.sha256, opened.checked.octets, name, now=now)

    async def _put_aside_ended(self, opened: Opened) -> None:
        applied = await self._applied_before(opened)
        if applied is None or applied.sha256 == opened.checked.sha256:
            raise ParcelRetired()

    async def _applied_before(self, opened: Opened) -> FerryInbox | None:
        label = opened.label
        return await rows.one(FerryInbox, peer=self._station.peer, lane=opened.lane, epoch=label.epoch, seq=label.seq)

    # ------------------------------------------------------------------------------------------- epochs, statuses

    async def _adopt(self, opened: Opened, now: datetime) -> None:
        """The first parcel of the control lane announces its epoch."""
        if opened.lane != Lane.CTL or opened.label.seq != 1:
            return
        try:
            first = self._station.route.types.read(opened.unsealed.records[0], self._station.route.takes)
        except (RecordRefused, IndexError):
            return
        if first.type == EPOCH and isinstance(first.body, EpochBegun) and first.body.new == opened.label.epoch:
            await self._follow(first.body.new, first.body.old, now)

    async def _follow(self, new: str, old: str, now: datetime) -> None:
        async with self._station.database.transaction():
            await epochs.adopt(self._station, new, old, now=now)
        await self.discard_left_behind(now=now)

    async def _heed(self, opened: Opened, now: datetime) -> None:
        try:
            status = msgspec.json.decode(opened.unsealed.records[0], type=Status)
        except (msgspec.MsgspecError, UnicodeDecodeError, IndexError):
            raise ParcelMalformed(why="status") from None
        if (status.epoch, status.no) != (opened.label.epoch, opened.label.seq):
            raise ParcelMalformed(why="status of another number")
        peer = await rows.one(FerryPeer, peer=self._station.peer)
        assert peer is not None
        if peer.their_epoch != status.epoch:
            await self._follow(status.epoch, status.former, now)
        self.diverged = await heed(self._station, status, now=now) or self.diverged
        await history.compare(self._station, opened.unsealed.records[1:], now=now)

    # ------------------------------------------------------------------------------------------------------- held

    async def _next_held(self, lane: str) -> FerryHeld | None:
        cursor = await rows.one(FerryCursor, peer=self._station.peer, lane=lane)
        if cursor is None or cursor.frozen_why:
            return None
        where = {"peer": self._station.peer, "lane": lane, "epoch": cursor.epoch}
        return await rows.one(FerryHeld, **where, seq=cursor.applied + 1)

    async def _drop_held(self, held: FerryHeld) -> None:
        async with self._station.database.transaction():
            await self._station.database.execute("DELETE FROM ferry_held WHERE id = $1", held.id)
        await unlink_unless_held(self._station, held.file)


# ------------------------------------------------------------------------------------------------------------ below


def _is_readable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
    except OSError:
        return False
    return True


def _open(station: Station, copy: Path, staged: Path) -> Opened:
    staged.mkdir()
    with copy.open("rb") as source:
        checked = check(source, _sender(station))
        header = checked.header
        own, sender = station.keys.own(header), station.keys.sender(header)
        unsealed = unseal(source, checked, own, sender, _keeper(staged))
    lane = header.label.channel.rpartition(".")[2]
    return Opened(lane=lane, label=header.label, checked=checked, unsealed=unsealed, staged=staged)


def _sender(station: Station) -> Callable[[Header], ec.EllipticCurvePublicKey]:
    """Who may have sealed it: the peer, for us, in a channel that exists. Asked before the signature is."""

    def key(header: Header) -> ec.EllipticCurvePublicKey:
        route = station.route
        channels = {route.incoming(lane) for lane in (*Lane, STATUS)}
        if (header.sender, header.receiver) != (route.peer, route.own) or header.label.channel not in channels:
            raise ParcelForeign(why="another channel")
        return station.keys.sender(header)

    return key


def _keeper(staged: Path) -> Callable[[str, int, bytes], None]:
    def keep(sha256: str, offset: int, content: bytes) -> None:
        (staged / f"{sha256}@{offset}").write_bytes(content)

    return keep


def _order(name: str) -> tuple[int, int, str]:
    hint = _HINT.search(name)
    if hint is None:
        return rank(""), 0, name
    # Statuses are small and set parcels free.
    return -1 if hint[1] == STATUS else rank(hint[1]), int(hint[2]), name


def _arrival(opened: Opened, name: str) -> Arrival:
    unsealed = opened.unsealed
    return Arrival(
        lane=opened.lane,
        label=opened.label,
        content_id=unsealed.manifest.content_id,
        records=unsealed.records,
        pieces=unsealed.manifest.pieces,
        manifest=unsealed.signed_manifest,
        file=name,
        sha256=opened.checked.sha256,
    )


async def _known(cursor: FerryCursor, seq: int) -> Known:
    where = {"peer": cursor.peer, "lane": cursor.lane, "epoch": cursor.epoch}
    if seq > cursor.applied:
        return Known()
    here = await rows.one(FerryInbox, **where, seq=seq)
    if here is not None:
        return Known(applied=here.content_id)
    gap = await rows.one(FerryGap, **where, seq=seq, filled_at=None)
    before = await rows.one(FerryInbox, **where, seq=seq - 1)
    after = await rows.one(FerryInbox, **where, seq=seq + 1)
    return Known(before=before.content_id if before else "", after=after.prev if after else "", is_gap=gap is not None)
