"""The office of the outer zone: does what needs nothing from inside, sends everything else there, and waits a while.

An act that was sent is a row with the actor's key, in the transaction in which its record is handed over: whoever
repeats it gets what came of it, and nothing is sent twice. A view is kept for a month, as every office keeps it. A
refusal is told once, and the next repetition is a new attempt, as with any office; the inner zone knows the key too,
so that what must not be tried twice (a code, a signature) is remembered there. Acts without a key are the same while
they are unanswered, and until somebody was told; after a minute nobody waits for them any more.

Limits: texts are cleaned as they cross (NFC, no invisible characters); an act of more than 48 000 octets stays outside.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

import msgspec
from tortoise.exceptions import IntegrityError, OperationalError

from casework.intake.tables import Upload
from casework.intake.uploads import keep_for_good
from certs.acts import FinishLogin, SessionView
from certs.tables import LoginChallenge
from ferry.outgoing import hand_over, hand_over_file
from ferry.records import Envelope
from ferry.refusals import RecordRefused
from ferry.station import Route
from ferry.zones.acting import DO, FILE, MAX_OCTETS, ActAsked, Answer, Brought, Signed, cleaned, in_ascii
from ferry.zones.bell import Bells
from ferry.zones.logins import NoteLogin
from ferry.zones.refusals import ActTooLong, Pending
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

#: An act without a key that nobody was told the outcome of: so long a repetition is the same act.
KEYLESS = timedelta(seconds=60)
#: And so long it is worth performing at all: whoever asked has gone.
WORTH = timedelta(minutes=10)
#: Between looks, where another process may have taken the outcome in.
_LOOK_S = 1.0
#: As the office does it.
_ATTEMPTS, _BACKOFF_S = 4, 0.01
#: Starts the key of acts that have none.
_NO_KEY = "-:"
#: Acts that wait for an outcome: with more the ferry has stood still for long, or somebody is filling the disk.
MOST_WAITING = 50_000
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
        for attempt in range(_ATTEMPTS):
            try:
                sent = await self._sent(act, actor, key, proof)
            except Refusal as refusal:
                return refusal
            except (IntegrityError, OperationalError):
                # The same key at the same time, where theirs counts; or the database wants us to try again.
                await asyncio.sleep(_BACKOFF_S * attempt)
                continue
            return await self._outcome(sent, type(act))
        return Busy()

    # ------------------------------------------------------------------------------------------------------- here

    async def _performed_here(self, act: Act[V], actor: Actor, key: str | None, proof: Proof | None) -> V | Refusal:
        if not isinstance(act, FinishLogin):
            return await super().perform(act, actor, key=key, proof=proof)
        async with self._desk.database.transaction():
            outcome = await super().perform(act, actor, key=key, proof=proof)
            if isinstance(outcome, SessionView):
                await self._tell_login(act, outcome)
        self._relay.bells.leaving.ring()
        return cast("V | Refusal", outcome)

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
        async with self._desk.database.transaction():
            known = await rows.one(RelayedAct, actor=who, key=name)
            if known is not None:
                if known.act_sha256 != digest:
                    raise KeyReused()
                if not _is_over(known, now):
                    return known
                await RelayedAct.filter(id=known.id).delete()
            await self._refuse_flood()
            rid = f"act:{secrets.token_hex(16)}"
            worth = WORTH if key is None else None
            await self._hand_over(rid, act, actor, key or "", proof, worth=worth)
            sent = await RelayedAct.create(
                rid=rid, actor=who, key=name, tag=_tag(act), act_sha256=digest, at=now, outcome=""
            )
        self._relay.bells.leaving.ring()
        return sent

    async def _refuse_flood(self) -> None:
        """Raises BUSY."""
        (row,) = await self._desk.database.rows(
            "SELECT COUNT(*) AS n FROM (SELECT 1 FROM relayed_act WHERE answered_at IS NULL"
            f" LIMIT {MOST_WAITING}) AS waiting"
        )
        if row["n"] == MOST_WAITING:
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
            row = await rows.one(RelayedAct, rid=sent.rid)
            if row is not None and row.outcome:
                return await self._given(row, kind)
            left = until - loop.time()
            if left <= 0:
                return Pending()
            await bell.wait(heard, min(left, _LOOK_S))

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


def _is_over(known: RelayedAct, now: datetime) -> bool:
    """Whether a repetition is another act."""
    if not known.outcome:
        return known.key.startswith(_NO_KEY) and now - known.at >= WORTH
    if known.key.startswith(_NO_KEY):
        return known.given_at is not None or now - (known.answered_at or now) >= KEYLESS
    return known.given_at is not None and bool(msgspec.json.decode(known.outcome, type=Answer).refused)


async def _files(act: str) -> tuple[Brought, ...]:
    """The uploads that an act refers to, by the digests that stand in it."""
    named = sorted(set(re.findall(r'"([0-9a-f]{64})"', act)))
    found = await Upload.filter(sha256__in=named) if named else []
    return tuple(Brought(sha256=each.sha256, size=each.size, media_type=each.media_type) for each in found)


def _tag(act: Act[Any]) -> str:
    return str(type(act).__struct_config__.tag)
