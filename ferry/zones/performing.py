"""Inside: performs the acts that came from outside, and sends back what came of each.

What a record says of its author is compared with this zone's own tables: an officer is one that is in service here,
with the roles that are entered here, shortly after a login whose signature was verified here; an applicant is the
phone that the outer zone proved by a code; nobody is ever the system. What needs a signature needs the phone's,
over bytes that this zone prepared. Whoever holds the outer zone can therefore pass for applicants, and for
officers who are logged in, as far as a session goes; no decision can be made or changed there.

Performed under the phone's own key (the record's number, where it has none), so that performing twice is performing
once; the outcome is marked and handed over in one transaction, with the states of what the act changed. Tries are
counted before they are made: an act that kills the process does so a few times only, and is then given up under its
key, so that nobody performs it later.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec
from tortoise.exceptions import OperationalError

from alerts.states import as_int
from casework.intake.acts import KeepUpload
from casework.intake.query_passwords import query_password
from casework.intake.refusals import LinkInvalid
from casework.intake.uploads import keep_for_good
from certs.authority import Authority
from certs.tokens import officer_actor
from ferry import pieces
from ferry.orders import Routes
from ferry.outgoing import hand_over
from ferry.records import Envelope
from ferry.refusals import RecordRefused
from ferry.zones.acting import DONE, MAX_OCTETS, MOST_SHOWN, ActAsked, ActDone, Shown, cleaned, in_ascii
from ferry.zones.files import named_in
from ferry.zones.logins import logged_in
from ferry.zones.mirror import Mirror, mirrored_of
from ferry.zones.refusals import ActFailed, ActorMayNotCross, ActUnknown, NotLoggedIn, OutcomeTooLong, TooManyActs
from ferry.zones.refused import NoteForeignAct
from ferry.zones.tables import ArrivedAct
from kernel import rows
from kernel.actor import ANYBODY, THE_CLOCK, Actor, ActorKind, Assurance, Role
from kernel.acts import Act, View
from kernel.chance import Secrets
from kernel.clock import Clock
from kernel.db import Database, instant_of
from kernel.office import Office
from kernel.refusals import Busy, Invalid, Refusal
from kernel.tables import Officer

log = logging.getLogger(__name__)

#: After each try that came to nothing the next waits so long; then the act is given up.
TRY_AGAIN = (timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5))
_AT_ONCE, _REFUSED_AT_ONCE = 50, 500
_ATTEMPTS = 3


def _anywhere(point: str) -> None:
    pass


class Performer:
    """`crossing`: by tag, what may be asked from outside. `filing`: of what comes of these a query password is told.

    `mirrors`: by peer, who tells what an act changed. `shows`: what else can be seen outside because of a view: its
    subject as in the log of events.
    `reach` is passed at the named points between the steps; a test dies there.
    """

    def __init__(
        self,
        office: Office,
        database: Database,
        clock: Clock,
        secrets: Secrets,
        authority: Authority,
        routes: Routes,
        *,
        crossing: Mapping[str, type[Act[Any]]],
        filing: Collection[type[Act[Any]]],
        mirrors: Mapping[str, Mirror] = MappingProxyType({}),
        shows: Mapping[type[Act[Any]], Callable[[Any], str]] = MappingProxyType({}),
        reach: Callable[[str], None] = _anywhere,
    ) -> None:
        self._office, self._database, self._clock = office, database, clock
        self._secrets, self._authority, self._routes = secrets, authority, routes
        self._crossing, self._filing, self._reach = crossing, filing, reach
        self._mirrors, self._shows = mirrors, shows

    async def turn(self) -> int:
        """Performs what is due, each actor in turn; how many acts."""
        refused = await self._refuse_surplus()
        due = await self._database.rows(
            "SELECT id FROM arrived_act WHERE outcome = '' AND surplus = FALSE AND due_at <= $1"
            f" ORDER BY turn, id LIMIT {_AT_ONCE}",
            self._clock.now(),
        )
        for row in due:
            if (arrived := await self._claimed(row["id"])) is not None:
                self._reach("after claim")
                await self._perform(arrived)
        return len(due) + refused

    # ------------------------------------------------------------------------------------------------------- below

    async def _refuse_surplus(self) -> int:
        """Answers what came beyond the quotas, and forgets it; how much it was."""
        found = await self._database.rows(
            f"SELECT id, rid, peer, at FROM arrived_act WHERE outcome = '' AND surplus = TRUE LIMIT {_REFUSED_AT_ONCE}"
        )
        if not found:
            return 0
        now = self._clock.now()
        for peer in {str(row["peer"]) for row in found}:
            async with self._database.transaction():
                theirs = [row for row in found if row["peer"] == peer]
                gone = await self._database.rows(
                    f"DELETE FROM arrived_act WHERE id IN ({', '.join(str(as_int(row['id'])) for row in theirs)})"
                    " AND outcome = '' RETURNING rid, at"
                )
                done = [(str(row["rid"]), instant_of(row["at"])) for row in gone]
                envelopes = [_envelope(rid, at, _refused(rid, TooManyActs()), now) for rid, at in done]
                await hand_over(self._database, self._routes.to(peer), envelopes, now=now)
        log.warning("%s acts from outside were refused: too many wait", len(found))
        return len(found)

    async def _claimed(self, id: object) -> ArrivedAct | None:
        """The act, if it is still to do and nobody else is at it."""
        row = await rows.one(ArrivedAct, id=id)
        if row is None or row.outcome:
            return None
        wait = TRY_AGAIN[min(row.tries, len(TRY_AGAIN) - 1)]
        if row.tries == 0:
            [newest] = await self._database.rows("SELECT COALESCE(MAX(id), 0) AS id FROM event")
            row.log_before = int(str(newest["id"]))
        async with self._database.transaction():
            where = {"id": row.id, "outcome": "", "tries": row.tries}
            due_at = self._clock.now() + wait
            mine = await rows.change(
                ArrivedAct, where, tries=row.tries + 1, due_at=due_at, log_before=row.log_before
            )  # fmt: skip
        return row if mine else None

    async def _perform(self, arrived: ArrivedAct) -> None:
        asked = msgspec.json.decode(arrived.asked, type=ActAsked)
        if arrived.tries >= len(TRY_AGAIN):
            await self._give_up(arrived, asked)
            return
        try:
            act, actor = self._act(asked), await self._believed(arrived, asked)
        except Refusal as refusal:
            if arrived.tries == 0 and isinstance(refusal, NotLoggedIn):
                return  # the login may still be on its way, by another lane: once more, later
            await self._noted(arrived, asked, refusal)
            await self._answer(arrived, asked, refusal)
            return
        for file in asked.files:
            # The octets come by the bulk lane, before or after.
            note = KeepUpload(sha256=file.sha256, size=file.size, media_type=file.media_type)
            if isinstance(await self._office.perform(note, ANYBODY, key=None), Busy):
                return
        # A file crosses once. Were it collected because this act is refused, no later one could bring it again.
        async with self._database.transaction():
            await keep_for_good(file.sha256 for file in asked.files)
            coming = [(file.sha256, file.size) for file in asked.files]
            await pieces.expect(self._database, arrived.peer, coming, now=self._clock.now())
        if await self._lacks_files(arrived, asked):
            await self._answer(arrived, asked, LinkInvalid(), act)
            return
        proof = asked.proof.proof if asked.proof else None
        outcome = await self._office.perform(act, actor, key=_key(arrived, asked), proof=proof)
        self._reach("after act")
        if not isinstance(outcome, Busy):
            await self._answer(arrived, asked, outcome, act)

    async def _lacks_files(self, arrived: ArrivedAct, asked: ActAsked) -> bool:
        """Whether the act names files that neither zone has: one that was restored sends it without them.

        So it is asked for them before anything is answered, also when the act was performed before: nobody else can
        bring them. Files that were never known here are refused by the act itself.
        """
        brought = {file.sha256 for file in asked.files}
        named = [upload.sha256 for upload in await named_in(asked.act)]
        return await pieces.are_missing(self._database, arrived.peer, set(named) - brought)

    async def _give_up(self, arrived: ArrivedAct, asked: ActAsked) -> None:
        """Perhaps only the answer failed: what was done is told; what was not is not done any more."""
        log.error("act %s from outside failed %s times", asked.tag, arrived.tries)
        failed: Refusal = ActFailed(tries=arrived.tries)
        try:
            act = self._act(asked)
        except Refusal:
            await self._answer(arrived, asked, failed)
            return
        # Under this name it was performed, whatever else was believed then.
        actor = ANYBODY if asked.kind is ActorKind.ANONYMOUS else Actor(kind=asked.kind, id=asked.actor)
        outcome = await self._office.give_up(act, actor, key=_key(arrived, asked), refusal=failed)
        if not isinstance(outcome, Busy):
            await self._answer(arrived, asked, outcome, act)

    def _act(self, asked: ActAsked) -> Act[Any]:
        """Raises ACT_UNKNOWN, INVALID."""
        kind = self._crossing.get(asked.tag)
        if kind is None:
            raise ActUnknown(act=asked.tag)
        try:
            act: Act[Any] = msgspec.json.decode(asked.act, type=kind)
            if asked.proof is not None:
                _ = asked.proof.proof
        except msgspec.ValidationError as wrong:
            # A field that is not known here: the outer zone is newer.
            raise ActUnknown(act=asked.tag) if "unknown field" in str(wrong) else _unfit(asked) from None
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise _unfit(asked) from None
        plain = msgspec.to_builtins(act)
        if cleaned(plain) != plain:
            raise _unfit(asked)
        return act

    async def _believed(self, arrived: ArrivedAct, asked: ActAsked) -> Actor:
        """Raises ACTOR_MAY_NOT_CROSS."""
        match asked.kind:
            case ActorKind.ANONYMOUS:
                return ANYBODY
            case ActorKind.APPLICANT if asked.phone:
                return Actor(
                    kind=ActorKind.APPLICANT,
                    id=asked.actor,
                    roles=frozenset({Role.APPLICANT}),
                    phone=asked.phone,
                    assurance=Assurance.SESSION,
                )
            case ActorKind.OFFICER:
                return await self._officer(arrived, asked)
            case _:
                raise ActorMayNotCross(why=asked.kind.value)

    async def _officer(self, arrived: ArrivedAct, asked: ActAsked) -> Actor:
        officer = await rows.one(Officer, id=asked.actor)
        if officer is None or not officer.active:
            raise ActorMayNotCross(why="不在职")
        if not set(asked.roles) <= set(officer.roles):
            raise ActorMayNotCross(why="角色不符")
        if not await logged_in(self._authority, officer.id, arrived.asked_at):
            raise NotLoggedIn()
        return officer_actor(officer)

    async def _noted(self, arrived: ArrivedAct, asked: ActAsked, refusal: Refusal) -> None:
        note = NoteForeignAct(
            ferry=arrived.peer,
            record=arrived.rid,
            asked=asked.tag,
            actor=f"{asked.kind}:{asked.actor}",
            code=refusal.code,
            why=str(refusal.details.get("why", ""))[:80],
        )
        await self._office.perform(note, THE_CLOCK, key=f"ferry:{arrived.rid}")

    async def _answer(
        self, arrived: ArrivedAct, asked: ActAsked, outcome: View | Refusal, act: Act[Any] | None = None
    ) -> None:
        """Marks the act done and hands its outcome over, once, with what can be seen of it outside."""
        if isinstance(outcome, Refusal):
            code, done = outcome.code, _refused(arrived.rid, outcome)
        else:
            code, done = "DONE", self._viewed(arrived, outcome, is_filing=type(act) in self._filing)
        for attempt in range(_ATTEMPTS):
            try:
                await self._settle(arrived, asked, code, done, outcome, act)
                return
            except OperationalError:
                # Whoever marks the same states was faster: of a deadlock's two sides one begins again.
                if attempt == _ATTEMPTS - 1:
                    raise

    async def _settle(
        self,
        arrived: ArrivedAct,
        asked: ActAsked,
        code: str,
        done: ActDone,
        outcome: View | Refusal,
        act: Act[Any] | None,
    ) -> None:
        now, route = self._clock.now(), self._routes.to(arrived.peer)
        async with self._database.transaction():
            # What was asked may hold passwords, and names people; of what was not believed it is evidence.
            asked_still = arrived.asked if act is None else ""
            is_ours = await rows.change(
                ArrivedAct, {"id": arrived.id, "outcome": ""}, outcome=code, done_at=now, asked=asked_still
            )  # fmt: skip
            if not is_ours:
                return
            if act is not None:
                done = msgspec.structs.replace(done, shown=await self._shown(arrived, asked, act, outcome, now))
            try:
                await hand_over(self._database, route, [_envelope(arrived.rid, arrived.at, done, now)], now=now)
            except RecordRefused:
                too_long = _refused(arrived.rid, OutcomeTooLong())
                await hand_over(self._database, route, [_envelope(arrived.rid, arrived.at, too_long, now)], now=now)
            self._reach("before answer commit")

    async def _shown(
        self, arrived: ArrivedAct, asked: ActAsked, act: Act[Any], outcome: View | Refusal, now: datetime
    ) -> tuple[Shown, ...]:
        """Tells the states of what the act changed; by which revisions they are told."""
        mirror = self._mirrors.get(arrived.peer)
        if mirror is None or arrived.log_before is None:
            return ()
        actor = ANYBODY.id if asked.kind is ActorKind.ANONYMOUS else asked.actor
        caused = await self._database.rows(
            f"SELECT DISTINCT subject FROM event WHERE id > $1 AND actor = $2 LIMIT {MOST_SHOWN - 1}",
            arrived.log_before,
            f"{asked.kind}:{actor}",
        )
        subjects = [str(row["subject"]) for row in caused]
        if type(act) in self._shows and not isinstance(outcome, Refusal):
            subjects.append(self._shows[type(act)](outcome))
        told = await mirror.tell_now(filter(None, map(mirrored_of, subjects)), now=now) if subjects else {}
        return tuple(Shown(subject=subject, revision=revision) for subject, revision in told.items())

    def _viewed(self, arrived: ArrivedAct, view: View, *, is_filing: bool) -> ActDone:
        json = msgspec.json.encode(view)
        password = ""
        if is_filing:
            password = query_password(self._secrets, str(msgspec.to_builtins(view)["number"]))
        return ActDone(rid=arrived.rid, view=in_ascii(json)[: MAX_OCTETS + 1], password=password)


def _key(arrived: ArrivedAct, asked: ActAsked) -> str:
    return f"ferry:{asked.key or arrived.rid}"


def _envelope(asked: str, arrived_at: datetime, done: ActDone, now: datetime) -> Envelope:
    # The instant of arrival: an inner zone restored from a backup tells its outcome under another number.
    rid = f"done:{asked.rpartition(':')[2][:40]}:{int(arrived_at.timestamp())}"
    return Envelope(rid=rid, type=DONE, key=asked, at=now, body=done)


def _refused(asked: str, refusal: Refusal) -> ActDone:
    details = in_ascii(msgspec.json.encode(dict(refusal.details)))
    return ActDone(rid=asked, refused=refusal.code, details=details if len(details) <= 8000 else "{}")


def _unfit(asked: ActAsked) -> Invalid:
    return Invalid(field=asked.tag, why="内容不符合规定")
