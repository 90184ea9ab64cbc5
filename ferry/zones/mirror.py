"""The mirror, inside: what has changed since it was last told is told again, whole, one state per subject.

Every event marks its subject; how many events there were since is all the same. `tell` hands over the states of what
is marked, first what changed and then what a snapshot asks for, no more than the lane takes. A state that says nothing
new is not told. Secret items and cases, and what belongs to them, are never told; what becomes secret later is told
once more, empty, which deletes it outside: an item with its cases, cards, licences, packages and questions, within a
minute.

Revisions grow, and never stay behind the clock: after this zone was restored from a backup its states still count as
newer than those it told before. With nothing left to tell, the other side is told so: that is the age it may show.
Acts under way at that instant are told a moment later.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ferry.lanes import Lane
from ferry.outgoing import hand_over
from ferry.records import Direction, Envelope
from ferry.refusals import RecordRefused
from ferry.station import Route
from ferry.zones.mirror_reading import all_subjects, read_states, secret_items, subjects_of_item
from ferry.zones.mirrored import ALL, KIND_OF, WHOLE
from ferry.zones.shapes import State, split
from kernel.chance import Secrets
from kernel.db import Database, Row, SqlValue, chunks, instant, instant_of
from kernel.events import Event, Recorded
from kernel.outbox import Consumer
from kernel.refusals import Refusal
from kernel.work import Work

log = logging.getLogger(__name__)

NAME = "mirror"
#: How often the other side is told that it knows everything, and how often is looked for what no event says.
AGE_EVERY = timedelta(seconds=30)
SWEEP_EVERY = timedelta(minutes=1)
#: States told in one go, and records that may wait in the lane before a snapshot waits for them; with twice as many
#: everything waits, and is told later as it is then.
AT_ONCE = 50
ROOM = 2000
#: Marked by a snapshot, told when all of it has been: what the other side may keep at all.
CENSUS = "census:all"
_PER_CENSUS = 150
#: Begins the types of states that an outcome waits for, if they are small: they go by its lane.
SHOWN = "shown."
#: Begins the digest of a state that no record may hold.
UNTOLD = "untold: "


class NotMirrored(Refusal):
    code = "FERRY_NOT_MIRRORED"
    zh = "{peer}不是本端的外网，不向其发送现状。"
    en = "{peer} is no outer zone of this one."


class Age(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that happened before `as_of` has been told."""

    as_of: datetime
    peer: Annotated[str, Meta(max_length=16)]


class Census(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All subjects behind `after` and up to `until` (empty: without end) that were ever told, as of a revision."""

    revision: Annotated[int, Meta(ge=1, le=1 << 62)]
    after: Annotated[str, Meta(max_length=100)]
    until: Annotated[str, Meta(max_length=100)]
    subjects: Annotated[tuple[Annotated[str, Meta(max_length=100)], ...], Meta(max_length=500)]


def mirrors(routes: Iterable[Route]) -> list[Route]:
    """The ways to outer zones."""
    return [route for route in routes if route.sends is Direction.OUTWARD]


def consumer(peers: Sequence[str], wants: Iterable[type[Event]]) -> Consumer:
    """Marks what an event is about; wanted are those events whose subject is mirrored."""

    async def handle_all(work: Work, events: Sequence[Recorded]) -> None:
        await mark(work.database, peers, filter(None, (subject_of(each.event) for each in events)), now=work.now)

    wanted = tuple(each for each in wants if KIND_OF[each.about] is not None)
    return Consumer(name=NAME, wants=wanted, handle_all=handle_all)


def subject_of(event: Event) -> str | None:
    return mirrored_of(f"{event.about}:{getattr(event, event.about)}")


def mirrored_of(subject: str) -> str | None:
    """The subject of the state that shows what events about `subject` (as in the log) changed."""
    about, _, key = subject.partition(":")
    kind = KIND_OF.get(about)
    return kind and f"{kind}:{ALL if kind in WHOLE else key}"


async def mark(
    database: Database, peers: Sequence[str], subjects: Iterable[str], *, now: datetime, is_forced: bool = False
) -> None:
    """Has the states of `subjects` told; the rest of a lane's time if they are forced.

    Whoever locks rows of several subjects does it here or in `tell_now`, once in a transaction and in order of their
    names, so that nobody waits for whoever waits for him.
    """
    given: list[tuple[SqlValue, ...]] = [
        (peer, subject, 0, "", now, is_forced) for subject in sorted(set(subjects)) for peer in sorted(peers)
    ]
    forced = ", is_forced = TRUE" if is_forced else ""
    await database.insert(
        "ferry_mirror_subject",
        ("peer", "subject", "revision", "digest", "dirty_since", "is_forced"),
        given,
        tail="ON CONFLICT (peer, subject) DO UPDATE SET"
        f" dirty_since = COALESCE(ferry_mirror_subject.dirty_since, excluded.dirty_since){forced}",
    )


async def snapshot(database: Database, peer: str, *, now: datetime) -> int:
    """Has every state told, whatever the peer may know; how many. In the caller's transaction.

    Told as room allows, and taken up again where it was after a crash; what changes meanwhile goes first.
    """
    subjects = [subject async for subject in all_subjects(database)]
    known = await database.rows("SELECT subject FROM ferry_mirror_subject WHERE peer = $1 AND revision > 0", peer)
    # What was told once and is no more is told as well: as gone.
    every = {*subjects, *(str(row["subject"]) for row in known)}
    await mark(database, [peer], {*every, CENSUS}, now=now, is_forced=True)
    # An earlier snapshot may not have ended; the census is as of this one.
    await database.execute(
        "UPDATE ferry_mirror_subject SET dirty_since = $3 WHERE peer = $1 AND subject = $2", peer, CENSUS, now
    )
    return len(every)


class Mirror:
    """Tells one peer. One per process: it remembers when it last looked."""

    def __init__(self, database: Database, route: Route, secrets: Secrets) -> None:
        self._database, self._route, self._secrets = database, route, secrets
        self._swept_at: datetime | None = None
        #: Secret items whose cases and so on were told, empty.
        self._hidden = set[str]()
        self._aged_at: datetime | None = None

    async def tell(self, now: datetime) -> int:
        """Hands over what is to be told, and how old that makes what the peer shows; how many states."""
        if self._is_resting(now) and not await self._is_dirty():
            return 0
        if self._swept_at is None or not timedelta(0) <= now - self._swept_at < SWEEP_EVERY:
            await self._look(now)
        async with self._database.transaction():
            done = await self._tell_states(now)
        async with self._database.transaction():
            await self._tell_age(now)
        self._aged_at = now
        return done

    async def tell_now(self, subjects: Iterable[str], *, now: datetime) -> dict[str, int]:
        """Hands over what is not told yet of these, in the caller's transaction; by which revision each is told.

        What no state tells (it is secret, or too large) is left out.
        """
        # One statement finds them, makes those that are missing, and locks them, in the order of `mark`.
        found = await self._database.insert(
            "ferry_mirror_subject",
            ("peer", "subject", "revision", "digest", "is_forced"),
            [(self._route.peer, subject, 0, "", False) for subject in sorted(set(subjects))],
            tail="ON CONFLICT (peer, subject) DO UPDATE SET revision = ferry_mirror_subject.revision RETURNING *",
        )
        found.sort(key=lambda row: str(row["subject"]))
        told = await self._hand_over(found, now, prefix=SHOWN)
        return {
            subject: revision
            for subject, (revision, digest) in told.items()
            if revision and not digest.startswith(UNTOLD)
        }

    def _is_resting(self, now: datetime) -> bool:
        return (
            self._swept_at is not None
            and timedelta(0) <= now - self._swept_at < SWEEP_EVERY
            and self._aged_at is not None
            and timedelta(0) <= now - self._aged_at < AGE_EVERY
        )

    async def _is_dirty(self) -> bool:
        found = await self._database.rows(
            "SELECT 1 FROM ferry_mirror_subject WHERE peer = $1 AND dirty_since IS NOT NULL LIMIT 1", self._route.peer
        )
        return bool(found)

    async def _look(self, now: datetime) -> None:
        """Marks what changes without events; everything when this peer was never told anything."""
        known = await self._database.rows("SELECT 1 FROM ferry_mirror_age WHERE peer = $1", self._route.peer)
        begun = await self._database.rows(
            "SELECT 1 FROM ferry_mirror_subject WHERE peer = $1 AND (is_forced = TRUE OR revision > 0) LIMIT 1",
            self._route.peer,
        )
        if not known and not begun:
            async with self._database.transaction():
                await snapshot(self._database, self._route.peer, now=now)
        subjects = [f"{kind}:{ALL}" for kind in WHOLE]
        newly_secret = await secret_items(self._database) - self._hidden
        for item in newly_secret:
            subjects += await subjects_of_item(self._database, item)
        async with self._database.transaction():
            await mark(self._database, [self._route.peer], subjects, now=now)
        # Not before it is committed: what a deadlock's victim had marked is marked again at the next turn.
        self._hidden |= newly_secret
        self._swept_at = now

    async def _tell_states(self, now: datetime) -> int:
        waiting = await self._database.rows(
            "SELECT COUNT(*) AS n FROM (SELECT 1 FROM ferry_place WHERE peer = $1 AND lane = $2 AND parcel IS NULL"
            f" LIMIT {2 * ROOM}) AS waiting",
            self._route.peer,
            Lane.CASE,
        )
        if (count := int(str(waiting[0]["n"]))) >= 2 * ROOM:
            return 0
        only = " AND is_forced = FALSE" if count >= ROOM else ""
        lock = " FOR UPDATE SKIP LOCKED" if self._database.dialect == "postgres" else ""
        # Locked before the state is read: whoever marks it later waits, and marks it for the next time.
        found = await self._database.rows(
            "SELECT id, subject, revision, digest, dirty_since, is_forced FROM ferry_mirror_subject"
            f" WHERE peer = $1 AND dirty_since IS NOT NULL AND subject <> $2{only} ORDER BY is_forced, dirty_since, id"
            f" LIMIT {AT_ONCE}{lock}",
            self._route.peer,
            CENSUS,
        )
        if not found and not only:
            return await self._tell_census(now)
        await self._hand_over(found, now)
        return len(found)

    async def _hand_over(
        self, found: Sequence[Row], now: datetime, *, prefix: str = "state."
    ) -> dict[str, tuple[int, str]]:
        """The states of these rows, which are locked; the revision and the digest that each has now."""
        states = await self._states(str(row["subject"]) for row in found)
        envelopes: list[Envelope] = []
        done: list[tuple[SqlValue, ...]] = []
        told: dict[str, tuple[int, str]] = {}
        for row in found:
            subject, revision, digest = str(row["subject"]), int(str(row["revision"])), str(row["digest"])
            known = None if row["is_forced"] else digest
            made = self._records(subject, states[subject], revision, known, now=now)
            if made is not None:
                revision, digest, records = made
                if len(records) == 1:
                    records = [msgspec.structs.replace(records[0], type=records[0].type.replace("state.", prefix))]
                envelopes += records
            done.append((revision, digest, int(str(row["id"]))))
            told[subject] = revision, digest
        await hand_over(self._database, self._route, envelopes, now=now)
        await self._database.execute_many(
            "UPDATE ferry_mirror_subject SET revision = $1, digest = $2, dirty_since = NULL, is_forced = FALSE"
            " WHERE id = $3",
            done,
        )
        return told

    async def _tell_census(self, now: datetime) -> int:
        """After a snapshot: what the other side has heard of and this side has not is from before some disaster."""
        peer = self._route.peer
        marked = " WHERE peer = $1 AND subject = $2 AND dirty_since IS NOT NULL"
        asked = await self._database.rows(f"SELECT dirty_since FROM ferry_mirror_subject{marked}", peer, CENSUS)
        due = f"UPDATE ferry_mirror_subject SET dirty_since = NULL, is_forced = FALSE{marked}"
        if not asked or not await self._database.execute(due, peer, CENSUS):
            return 0
        # As of the beginning of the snapshot: what another process tells at this moment is newer, and stays.
        revision = stamp_of(instant_of(asked[0]["dirty_since"]))
        known = await self._database.rows(
            "SELECT subject FROM ferry_mirror_subject WHERE peer = $1 AND revision > 0", peer
        )
        pages = chunks(sorted(str(row["subject"]) for row in known), _PER_CENSUS) or [[]]
        edges = ["", *(page[-1] for page in pages[:-1]), ""]
        envelopes = [
            Envelope(
                rid=f"census:{stamp_of(now)}:{number}",
                type="state.census",
                key="census",
                at=now,
                body=Census(revision=revision, after=after, until=until, subjects=tuple(page)),
            )
            for number, (page, after, until) in enumerate(zip(pages, edges[:-1], edges[1:], strict=True))
        ]
        await hand_over(self._database, self._route, envelopes, now=now)
        return 1

    async def _states(self, subjects: Iterable[str]) -> dict[str, State]:
        keys: dict[str, list[str]] = {}
        for subject in subjects:
            kind, _, key = subject.partition(":")
            keys.setdefault(kind, []).append(key)
        return {
            f"{kind}:{key}": state
            for kind, found in keys.items()
            for key, state in (await read_states(kind, found, self._secrets)).items()
        }

    def _records(
        self, subject: str, state: State, revision: int, known: str | None, *, now: datetime
    ) -> tuple[int, str, list[Envelope]] | None:
        """The number, the digest and the records of a state; None when there is nothing to tell."""
        kind, _, key = subject.partition(":")
        if not any(state.values()) and not revision:
            return None
        digest = hashlib.sha256(msgspec.json.encode(state)).hexdigest()
        if digest == known:
            return None
        revision = max(revision + 1, stamp_of(now))
        short = hashlib.sha256(subject.encode()).hexdigest()[:24]
        try:
            envelopes = [
                Envelope(rid=f"s:{short}:{revision}:{part.part}", type=f"state.{kind}", key=key[:80], at=now, body=part)
                for part in split(kind, subject, revision, state)
            ]
            for envelope in envelopes:
                self._route.types.line(envelope, self._route.sends)
        except (RecordRefused, ValueError) as fault:
            why = fault.code if isinstance(fault, RecordRefused) else "too large"
            log.error("mirror: a state of kind %s cannot cross: %s", kind, why)
            return revision, f"{UNTOLD}{why}"[:64], []
        return revision, digest, envelopes

    async def _tell_age(self, now: datetime) -> None:
        """An event that failed for good (`parked`) keeps the age where it was: its subject was not told."""
        peer = self._route.peer
        [row] = await self._database.rows(
            "SELECT (SELECT MIN(dirty_since) FROM ferry_mirror_subject WHERE peer = $1) AS dirty,"
            " (SELECT MIN(e.at) FROM outbox o JOIN event e ON e.id = o.event_id WHERE o.consumer = $2)"
            " AS unheard, (SELECT as_of FROM ferry_mirror_age WHERE peer = $1) AS last",
            peer,
            NAME,
        )
        as_of = min([now, *(at for at in (instant(row["dirty"]), instant(row["unheard"])) if at is not None)])
        last = instant(row["last"])
        if (last is None and as_of < now) or (last is not None and as_of - last < AGE_EVERY):
            return
        await note_age(self._database, peer, as_of, now=now)
        body = Age(as_of=as_of, peer=peer)
        envelope = Envelope(rid=f"age:{stamp_of(as_of)}", type="state.age", key="age", at=now, body=body)
        await hand_over(self._database, self._route, [envelope], now=now)


def stamp_of(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


async def note_age(database: Database, peer: str, as_of: datetime, *, now: datetime) -> None:
    await database.execute(
        "INSERT INTO ferry_mirror_age (peer, as_of, at) VALUES ($1, $2, $3) ON CONFLICT (peer) DO UPDATE"
        " SET as_of = excluded.as_of, at = excluded.at WHERE ferry_mirror_age.as_of < excluded.as_of",
        peer,
        as_of,
        now,
    )
