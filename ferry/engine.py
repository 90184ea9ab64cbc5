"""The ferry of one process towards one peer: takes in, applies, seals, offers again, tells how far it is.

`turn` does what is due at an instant and returns: tests and the demo turn it by hand, `run` turns it by the clock.
Nothing is kept in memory that a crash could lose; two processes may turn at once. The order within a turn: first what
came, because it acknowledges; then what was numbered and never written; then what is missed; then what is new.
"""

import asyncio
import logging
import os
import secrets
import shutil
from collections.abc import Awaitable
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct
from tortoise.exceptions import OperationalError

from ferry import epochs, history, inspecting, lost, offering, outgoing, pieces, quarantine, tidying
from ferry.incoming import Dock
from ferry.lanes import Lane, Turns, rank
from ferry.parcel import Label, json_lines
from ferry.refusals import FerryForgotten
from ferry.sealing import seal
from ferry.station import SCHEMA, STATUS, Station, throw_away
from ferry.status import compose, encoded
from ferry.tables import FerryChannel, FerryParcel, FerryPeer
from ferry.transports.folder import copy
from kernel import rows

log = logging.getLogger(__name__)

#: How long `run` rests when a turn found nothing to do: an urgent record waits this long and 200 ms at most.
REST_S = 0.2
_REST_AFTER_FAULT_S = 2.0
#: How long a lane rests that could not be written: to seal a parcel only to find the disk full costs as much as any.
_REST_OF_LANE = timedelta(seconds=2)


class Turn(Struct, frozen=True, kw_only=True):
    """What a turn did: files `taken` in (applied, held or put aside), and of those held before, `applied`."""

    taken: int = 0
    applied: int = 0
    whole: int = 0
    sealed: int = 0
    again: int = 0
    told: bool = False

    @property
    def was_idle(self) -> bool:
        return not (self.taken or self.applied or self.whole or self.sealed or self.again)


class Engine:
    def __init__(self, station: Station) -> None:
        self._station = station
        self._dock = Dock(station)
        self._turns = Turns(station.rules)
        self._closed_at: dict[Lane, datetime] = {}
        self._failed_at: dict[str, datetime] = {}
        self._told_at: datetime | None = None
        self._history_at: datetime | None = None
        self._tidied_at: datetime | None = None

    async def start(self, *, now: datetime) -> None:
        """Makes what the peer needs, and throws away what a dead process left half written."""
        await epochs.open_peer(self._station, now=now)
        await tidying.sweep(self._station)

    async def turn(self, now: datetime) -> Turn:
        """One round. A transport or disk that fails stops a step, which the next round tries again, and no other.

        Raises OperationalError.
        """
        taken = await _unless_a_disk_fails(self._dock.take_in(now=now))
        applied = await _unless_a_disk_fails(self._dock.apply_held(now=now))
        if self._station.is_one_way and await history.pass_gaps(self._station, now=now):
            applied += await _unless_a_disk_fails(self._dock.apply_held(now=now))
        whole = await _unless_a_disk_fails(pieces.assemble(self._station, now=now))
        if self._dock.diverged is not None:
            log.error("ferry: %s", self._dock.diverged.why)
            await epochs.begin(
                self._station,
                now=now,
                everything=self._dock.diverged.everything,
                has_forgotten=self._dock.diverged.has_forgotten,
            )
            self._dock.diverged = None
        sealed, again, told = 0, 0, False
        if self._station.out is not None:
            await inspecting.judge_waiting(self._station, now=now)
            again = await self._offered_again(now)
            sealed = await self._sealed(now)
            told = await self._told(now)
        if _is_time(self._tidied_at, tidying.EVERY, now):
            self._tidied_at = now
            await lost.look_again(self._station, now=now)
            await tidying.tidy(self._station, now=now)
        return Turn(taken=taken, applied=applied, whole=whole, sealed=sealed, again=again, told=told)

    async def run(self, stop: asyncio.Event) -> None:
        """Turns until `stop` is set. A database that is gone is waited for."""
        clock = self._station.clock
        await self.start(now=clock.now())
        while not stop.is_set():
            rest = REST_S
            try:
                if not (await self.turn(clock.now())).was_idle:
                    rest = 0.0
            except (OperationalError, OSError) as fault:
                log.error("ferry: %s", type(fault).__name__)
                rest = _REST_AFTER_FAULT_S
            try:
                await asyncio.wait_for(stop.wait(), rest)
            except TimeoutError:
                continue

    # ------------------------------------------------------------------------------------------ what a person asks

    async def new_epoch(self, *, now: datetime) -> str:
        """After this side was restored from a backup. Noticed without being told, too, when the peer knows more."""
        return await epochs.begin(self._station, now=now)

    async def resend(self, lane: Lane, first: int, last: int, *, now: datetime) -> int:
        """Has parcels of the present epoch offered again; how many."""
        async with self._station.database.transaction():
            return await offering.ask_again(self._station, lane, first, last, now=now, force=True)

    async def pause(self, lane: Lane, *, is_paused: bool) -> None:
        """Stops or restarts the sealing of a lane; what was offered stays offered."""
        async with self._station.database.transaction():
            wanted = "paused" if is_paused else "running"
            await rows.change(FerryChannel, {"peer": self._station.peer, "lane": lane}, wanted=wanted)

    async def write_status(self, path: Path, *, now: datetime) -> None:
        """Writes a status to a file that a person carries: one-way, the signed list of gaps. Raises OSError."""
        sealed = self._station.place("sealing") / f".tmp-{secrets.token_hex(8)}"
        try:
            await self._status_file(sealed, now, with_history=False)
            await asyncio.to_thread(copy, sealed, path)
        finally:
            throw_away(sealed)

    async def take_file(self, path: Path, *, now: datetime) -> None:
        """Takes in a file that a person brought; `path` stays.

        Raises a ParcelRefused, and then nothing was done, or OSError.
        """
        brought = self._station.place("incoming") / secrets.token_hex(8)
        try:
            await asyncio.to_thread(shutil.copyfile, path, brought)
            await self._dock.accept(brought, path.name, now=now)
        finally:
            throw_away(brought)

    async def retry(self, item_id: int, *, why: str, now: datetime) -> None:
        """Takes a file in quarantine in again. Raises NotFound, or the ParcelRefused that put it there."""
        item = await quarantine.kept(self._station, item_id)
        await self.take_file(quarantine.octets_of(self._station, item), now=now)
        await quarantine.close(self._station, item_id, state="retried", why=why, now=now)

    # ------------------------------------------------------------------------------------------------------- below

    async def _offered_again(self, now: datetime) -> int:
        """What was numbered and never written, then what is missed."""
        halted = await self._halted(now)
        waiting = await offering.unsealed(self._station)
        try:
            waiting += await offering.due_again(self._station, now=now)
        except OSError as fault:
            log.warning("ferry: the transport cannot be looked at: %s", type(fault).__name__)
        waiting.sort(key=lambda parcel: (rank(parcel.lane), parcel.seq))
        done = 0
        for parcel in waiting:
            if parcel.lane in halted:
                continue
            if await self._offered(parcel, now=now):
                done += 1
            else:
                halted.add(parcel.lane)
        return done

    async def _sealed(self, now: datetime) -> int:
        """Closes and writes parcels, lane by lane in turn; looks at the urgent lanes again after each.

        While one is compressed, sealed and synced by a thread, the database numbers the next.
        """
        station, sealed = self._station, 0
        halted = await self._halted(now)

        async def write(parcel: FerryParcel, content: outgoing.Content) -> None:
            nonlocal sealed
            # Numbered and not written: the next turn tries that one first.
            if parcel.lane in halted or not await self._offered(parcel, content, now=now):
                halted.add(parcel.lane)
            else:
                sealed += 1

        writing: asyncio.Task[None] | None = None
        try:
            for _ in range(station.pace.seals):
                backlogs = await outgoing.backlogs(station)
                lane = self._turns.next(outgoing.ready(backlogs, station, halted, self._closed_at, now=now))
                if lane is None:
                    break
                assigned = await outgoing.assign(station, lane, now=now)
                self._closed_at[lane] = now
                if writing is not None:
                    await writing
                if assigned is None:
                    halted.add(lane)
                else:
                    writing = asyncio.create_task(write(*assigned))
        finally:
            if writing is not None:
                await writing
        return sealed

    async def _offered(self, parcel: FerryParcel, held: outgoing.Content | None = None, *, now: datetime) -> bool:
        try:
            await offering.offer(self._station, parcel, held, now=now)
        except FerryForgotten as forgotten:
            log.error("ferry: %s", forgotten.text_en)
            async with self._station.database.transaction():
                where = {"peer": self._station.peer, "lane": parcel.lane}
                await rows.change(FerryChannel, where, wanted="stuck")
            return False
        except OSError as fault:
            log.warning("ferry: parcel %s of %s cannot be written: %s", parcel.seq, parcel.lane, type(fault).__name__)
            self._failed_at[parcel.lane] = now
            return False
        self._failed_at.pop(parcel.lane, None)
        self._dock.has_news = self._dock.has_news or self._station.is_one_way
        return True

    async def _halted(self, now: datetime) -> set[str]:
        """Lanes that a person stopped, and those that could not be written just now."""
        channels = await rows.many(FerryChannel, peer=self._station.peer)
        stopped = {channel.lane for channel in channels if channel.wanted != "running"}
        return stopped | {lane for lane, at in self._failed_at.items() if not _is_time(at, _REST_OF_LANE, now)}

    async def _told(self, now: datetime) -> bool:
        """Sends a status when there is something to tell, or as a heartbeat."""
        pace, station = self._station.pace, self._station
        if not _is_time(self._told_at, pace.status_after if self._dock.has_news else pace.heartbeat, now):
            return False
        if not _is_time(self._failed_at.get(STATUS), _REST_OF_LANE, now):
            return False
        assert station.out is not None
        is_due = _is_time(self._history_at, pace.history, now)
        name, path = "", self._station.folder / "sealing" / f".tmp-{secrets.token_hex(8)}"
        try:
            station.place("sealing")
            name = await self._status_file(path, now, with_history=station.is_one_way and is_due)
            station.reach("after status tmp")
            peer = await rows.one(FerryPeer, peer=station.peer)
            assert peer is not None
            await station.out.put(name, path)
            station.reach("after status put")
        except OSError as fault:
            log.warning("ferry: no status can be written: %s", type(fault).__name__)
            self._failed_at[STATUS] = now
            return False
        finally:
            throw_away(path)
        if peer.status_file:
            try:
                await station.out.remove(peer.status_file)
            except OSError as fault:  # a device that lets us put and not remove: one file more, and no matter
                log.warning("ferry: the last status cannot be taken back: %s", type(fault).__name__)
        async with station.database.transaction():
            await rows.change(FerryPeer, {"peer": station.peer}, status_file=name)
        self._told_at, self._dock.has_news = now, False
        if is_due:
            self._history_at = now
        return True

    async def _status_file(self, path: Path, now: datetime, *, with_history: bool) -> str:
        """Numbers, seals and syncs a status; returns the name it travels under."""
        station = self._station
        status = await compose(station, now=now)
        lines = [encoded(status), *(await history.told(station) if with_history else [])]
        records = json_lines(lines)
        channel = station.route.outgoing(STATUS)
        label = Label(channel=channel, epoch=status.epoch, seq=status.no)
        await asyncio.to_thread(_write, station, path, label, records)
        return f"{channel}.{status.no}.{secrets.token_hex(4)}.fry"


async def _unless_a_disk_fails(step: Awaitable[int]) -> int:
    try:
        return await step
    except OSError as fault:
        log.warning("ferry: a step waits for its disk or transport: %s", type(fault).__name__)
        return 0


def _is_time(last: datetime | None, wait: timedelta, now: datetime) -> bool:
    """Whether it is so long ago, or in the future: then the clock was set back."""
    return last is None or not timedelta(0) <= now - last < wait


def _write(station: Station, path: Path, label: Label, records: bytes) -> None:
    with path.open("wb") as target:
        seal(
            target,
            label,
            records,
            schema=SCHEMA,
            addressed=station.keys.addressed(),
            keys=station.keys.sealing(),
            clock=station.clock,
            suite=station.suite,
        )
        os.fsync(target.fileno())
