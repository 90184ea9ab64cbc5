"""The office of the outer zone: does what needs nothing from inside, sends everything else there, and waits a while.

An act that was sent is a row with the actor's key, in the transaction in which its record is handed over: whoever
repeats it gets what came of it, and nothing is sent twice. A view stays here for an hour after it was told; later the
same key brings it from inside again, which keeps it for a month, as every office does. A refusal is told once, and the
next repetition is a new attempt, as with any office; the inner zone knows the key too, so that what must not be tried
twice (a code, a signature) is remembered there. Acts without a key are the same while they are unanswered, and until
somebody was told; after a minute nobody waits for them any more. Nobody is told what cannot be seen here yet: an
outcome waits a minute at most for the states of what its act changed.

Limits: texts are cleaned as they cross (NFC, no invisible characters); an act of more than 48 000 octets stays outside.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

import msgspec
from tortoise.exceptions import IntegrityError, NotExistOrMultiple, OperationalError

from alerts.states import as_json, listed
from casework.intake.uploads import keep_for_good
from certs.acts import FinishLogin, SessionView
from certs.tables import LoginChallenge
from ferry.outgoing import hand_over, hand_over_file
from ferry.records import Envelope
from ferry.refusals import RecordRefused
from ferry.station import Route
from ferry.zones import turns
from ferry.zones.acting import DO, FILE, MAX_OCTETS, ActAsked, Answer, Brought, Signed, cleaned, in_ascii
from ferry.zones.bell import Bells
from ferry.zones.files import Judged, named_in
from ferry.zones.logins import NoteLogin
from ferry.zones.refusals import ActTooLong, Pending, TooManyActs
from ferry.zones.tables import RelayedAct
from kernel import rows
from kernel.actor import ANYBODY, Actor, ActorKind
from kernel.acts import Act, Proof, SignedBytes, View
from kernel.chance import Secrets
from kernel.office import Office, Rule
from kernel.outbox import Outbox
from kernel.refusals import Busy, KeyReused, NotInThisZone, Refusal
from kernel.work import Desk

V = TypeVar("V", bound=View)
T = TypeVar("T")

#: An act without a key that nobody was told the outcome of: so long a repetition is the same act.
KEYLESS = timedelta(seconds=60)
#: And so long it is worth performing at all: whoever asked has gone.
WORTH = timedelta(minutes=10)
#: So long an outcome is kept back for the states in which it can be seen.
SHOWN_WITHIN = timedelta(minutes=1)
#: Between looks, where another process may have taken the outcome in.
_LOOK_S = 1.0
#: As the office does it.
_ATTEMPTS, _BACKOFF_S = 4, 0.01
#: Starts the key of acts that have none.
_NO_KEY = "-:"
#: Query passwords in memory, the newest: a door shows one as soon as it is carried.
MOST_CARRIED = 10_000


class CarriedSecrets(Secrets):
    """The outer zone's own codes; but of query passwords it knows only those that came back with what was filed."""

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self._carried: dict[str, str] = {}

    def carry(self, number: str, password: str) -> None:
        self._carried[number] = password
        if len(self._carried) > MOST_CARRIED:
            del self._carried[next(iter(self._carried))]

    def derived_code(self, purpose: str, value: str, digits: int) -> str:
        carried = self._carried.get(value) if purpose == "query" else None
        return carried or super().derived_code(purpose, value, digits)


@dataclass(frozen=True, kw_only=True)
class Relay:
    """The way inside. `local`: acts performed here; `filing`: acts that go by the lane of cases even without files."""

    route: Route
    local: Collection[type[Act[Any]]]
    filing: Collection[type[Act[Any]]]
    answer_s: float
    bells: Bells = field(default_factory=Bells)
    #: Looks into each file that an act brings: who brings one that may not cross is told at once.
    judged: Judged | None = None


class RelayOffice(Office):
    def __init__(self, desk: Desk, *, outbox: Outbox, rules: tuple[Rule, ...], relay: Relay) -> None:
        super().__init__(desk, outbox=outbox, rules=rules)
        self._relay = relay

    async def perform(self, act: Act[V], actor: Actor, *, key: str | None, proof: Proof | None = None) -> V | Refusal:
        """Performs `act` here or inside. PENDING: it is on its way; the same act with the same key asks again."""
        if type(act) in self._relay.local:
            return await self._performed_here(act, actor, key, proof)
        if actor.kind is ActorKind.SYSTEM or not isinstance(proof, SignedBytes | None):
            return NotInThisZone(act=_tag(act))
        sent = await _patiently(partial(self._sent, act, actor, key, proof))
        return sent if isinstance(sent, Refusal) else await self._outcome(sent, type(act))

    async def knows(self, actor: Actor, key: str) -> bool:
        """Of what was answered longer ago only the inner zone knows: there it is a repetition all the same."""
        sent = await rows.one(RelayedAct, actor=f"{actor.kind}:{actor.id}", key=key)
        is_sent = sent is not None and not _is_over(sent, self._desk.clock.now())
        return is_sent or await super().knows(actor, key)

    # ------------------------------------------------------------------------------------------------------- here

    async def _performed_here(self, act: Act[V], actor: Actor, key: str | None, proof: Proof | None) -> V | Refusal:
        if not isinstance(act, FinishLogin):
            return await super().perform(act, actor, key=key, proof=proof)
        outcome = await _patiently(partial(self._logged_in, act, actor, key, proof))
        self._relay.bells.leaving.ring()
        return cast("V | Refusal", outcome)

    async def _logged_in(
        self, act: FinishLogin, actor: Actor, key: str | None, proof: Proof | None
    ) -> SessionView | Refusal:
        async with self._desk.database.transaction():
            outcome = await super().perform(act, actor, key=key, proof=proof)
            if isinstance(outcome, SessionView):
                await self._tell_login(act, outcome)
        return outcome

    async def _tell_login(self, act: FinishLogin, session: SessionView) -> None:
        challenge = await rows.one(LoginChallenge, nonce=act.nonce)
        assert challenge is not None
        note = NoteLogin(
            certificate=session.certificate,
            challenge=bytes(challenge.payload),
            signature=act.signature,
            format=act.format,
        )
        await self._hand_over(f"login:{act.nonce}"[:64], note, ANYBODY, "", None, worth=timedelta(days=1))

    # ----------------------------------------------------------------------------------------------------- inside

    async def _sent(self, act: Act[V], actor: Actor, key: str | None, proof: SignedBytes | None) -> RelayedAct:
        """The row of this act: the one it had, or a new one that leaves with the transaction. Raises a Refusal."""
        act = msgspec.convert(cleaned(msgspec.to_builtins(act)), type(act))
        digest = hashlib.sha256(msgspec.json.encode(act)).hexdigest()
        who, now = f"{actor.kind}:{actor.id}", self._desk.clock.now()
        name = key if key is not None else f"{_NO_KEY}{digest}"
        if self._relay.judged is not None and await rows.one(RelayedAct, actor=who, key=name) is None:
            for file in await _files(in_ascii(msgspec.json.encode(act))):
                await self._relay.judged(file.sha256)
        async with self._desk.database.transaction():
            known = await rows.one(RelayedAct, actor=who, key=name)
            if known is not None:
                if known.act_sha256 != digest:
                    raise KeyReused()
                if not _is_over(known, now):
                    return known
                await RelayedAct.filter(id=known.id).delete()
            await self._refuse_flood(actor)
            rid = f"act:{secrets.token_hex(16)}"
            worth = WORTH if key is None else None
            await self._hand_over(rid, act, actor, key or "", proof, worth=worth)
            sent = await RelayedAct.create(
                rid=rid, actor=who, key=name, tag=_tag(act), act_sha256=digest, at=now, outcome=""
            )
        self._relay.bells.leaving.ring()
        return sent

    async def _refuse_flood(self, actor: Actor) -> None:
        """Raises TOO_MANY_ACTS, BUSY. How often one address may ask at all the doors say."""
        is_known = actor.kind is not ActorKind.ANONYMOUS
        most = turns.MOST_OF_ONE_OUTSIDE if is_known else turns.MOST_OF_ANYBODY_OUTSIDE
        [row] = await self._desk.database.rows(
            f"SELECT ({turns.waiting_outside()}) AS waiting, (SELECT COUNT(*) FROM (SELECT 1 FROM relayed_act"
            f" WHERE actor = $1 AND answered_at IS NULL LIMIT {most}) AS w) AS theirs",
            f"{actor.kind}:{actor.id}",
        )
        if row["theirs"] == most:
            raise TooManyActs()
        if row["waiting"] == turns.MOST_OUTSIDE:
            raise Busy()

    async def _hand_over(
        self, rid: str, act: Act[Any], actor: Actor, key: str, proof: SignedBytes | None, *, worth: timedelta | None
    ) -> None:
        relay, database, now = self._relay, self._desk.database, self._desk.clock.now()
        json = in_ascii(msgspec.json.encode(act))
        files = await _files(json)
        asked = ActAsked(
            tag=_tag(act),
            act=json,
            kind=actor.kind,
            actor=actor.id,
            phone=(actor.phone or "") if actor.kind is ActorKind.APPLICANT else "",
            roles=tuple(sorted(actor.roles)),
            assurance=actor.assurance,
            key=key,
            proof=Signed.of(proof) if proof else None,
            files=files,
        )
        envelope = Envelope(
            rid=rid,
            type=FILE if files or type(act) in relay.filing else DO,
            key=actor.id,
            at=now,
            body=asked,
            expires=now + worth if worth else None,
        )
        try:
            await hand_over(database, relay.route, [envelope], now=now)
        except RecordRefused:
            raise ActTooLong(limit=MAX_OCTETS) from None
        for file in files:
            await hand_over_file(database, relay.route, sha256=file.sha256, size=file.size, now=now)
        # Not to be collected while they are on their way.
        await keep_for_good(file.sha256 for file in files)

    async def _outcome(self, sent: RelayedAct, kind: type[Act[V]]) -> V | Refusal:
        """What came of it, as soon as it is here; PENDING after a while."""
        loop, bell = asyncio.get_running_loop(), self._relay.bells.arrived
        until = loop.time() + self._relay.answer_s
        while True:
            heard = bell.rung
            given = await _patiently(partial(self._if_there, sent.rid, kind))
            if given is not None and not isinstance(given, Busy):
                return given
            left = until - loop.time()
            if left <= 0:
                return Pending()
            await bell.wait(heard, min(left, _LOOK_S))

    async def _if_there(self, rid: str, kind: type[Act[V]]) -> V | Refusal | None:
        row = await rows.one(RelayedAct, rid=rid)
        if row is None or not row.outcome or not await self._is_shown(row):
            return None
        return await self._given(row, kind)

    async def _is_shown(self, row: RelayedAct) -> bool:
        """Whether what came of it can be seen here: states come by another lane, and one of them may never come."""
        shown = msgspec.json.decode(row.outcome, type=Answer).shown
        waited = self._desk.clock.now() - (row.answered_at or row.at)
        if not shown or not timedelta(0) <= waited < SHOWN_WITHIN:
            return True
        database = self._desk.database
        found = await database.rows(
            f"SELECT COUNT(*) AS n FROM ferry_mirror_heard h"
            f" JOIN {listed(database, 1, subject='text', revision='bigint')}"
            " ON h.subject = r.subject AND h.revision >= r.revision",
            as_json({"subject": each.subject, "revision": each.revision} for each in shown),
        )
        return int(str(found[0]["n"])) >= len(shown)

    async def _given(self, row: RelayedAct, kind: type[Act[V]]) -> V | Refusal:
        answer = msgspec.json.decode(row.outcome, type=Answer)
        if row.given_at is None:
            async with self._desk.database.transaction():
                await rows.change(RelayedAct, {"rid": row.rid, "given_at": None}, given_at=self._desk.clock.now())
        if (refusal := answer.refusal) is not None:
            return refusal
        view = cast("V", self._views[kind].decode(answer.view))
        if answer.password and isinstance(self._desk.secrets, CarriedSecrets):
            self._desk.secrets.carry(str(msgspec.to_builtins(view)["number"]), answer.password)
        return view


# ------------------------------------------------------------------------------------------------------------ below


async def _patiently(step: Callable[[], Awaitable[T]]) -> T | Refusal:
    """Also the same key at the same time, where theirs counts. BUSY when the database goes on refusing."""
    for attempt in range(_ATTEMPTS):
        try:
            return await step()
        except Refusal as refusal:
            return refusal
        except NotExistOrMultiple:
            raise  # a defect, whatever tortoise calls it
        except (IntegrityError, OperationalError):
            await asyncio.sleep(_BACKOFF_S * attempt)
    return Busy()


def _is_over(known: RelayedAct, now: datetime) -> bool:
    """Whether a repetition is another act."""
    if not known.outcome:
        return known.key.startswith(_NO_KEY) and now - known.at >= WORTH
    if known.key.startswith(_NO_KEY):
        return known.given_at is not None or now - (known.answered_at or now) >= KEYLESS
    return known.given_at is not None and bool(msgspec.json.decode(known.outcome, type=Answer).refused)


async def _files(act: str) -> tuple[Brought, ...]:
    return tuple(
        Brought(sha256=each.sha256, size=each.size, media_type=each.media_type) for each in await named_in(act)
    )


def _tag(act: Act[Any]) -> str:
    return str(type(act).__struct_config__.tag)
