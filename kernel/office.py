"""The only way in. Every door hands the office an act; the office answers with a view or a refusal.

`perform` asks in this order: is this key a retry, is the proof good, may this actor, then the use-case; rows, events
and outbox entries are committed together or not at all.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast, get_type_hints

import msgspec
from tortoise.exceptions import IntegrityError, NotExistOrMultiple, OperationalError, ValidationError

from kernel.actor import Actor, Assurance
from kernel.acts import Act, Proof, View
from kernel.log import ChainContended
from kernel.notary import Assured
from kernel.outbox import Outbox
from kernel.permissions import Permission
from kernel.refusals import AssuranceTooLow, Busy, Detail, Invalid, KeyReused, NotPermitted, Refusal
from kernel.rows import one
from kernel.tables import PerformedAct
from kernel.work import Desk, Work

V = TypeVar("V", bound=View)

#: Deadlocks and serialisation conflicts are the database's way to say "again"; more often than this is a jam.
_ATTEMPTS = 4
_BACKOFF_S = 0.01

log = logging.getLogger(__name__)


class Rule(msgspec.Struct, frozen=True):
    """One row of the table of acts: the act, its use-case, who may, and how sure the office must be."""

    act: type[Act[Any]]
    use_case: Callable[[Work, Any], Awaitable[View | Refusal]]
    may: Permission
    assurance: Assurance


class Office:
    def __init__(self, desk: Desk, *, outbox: Outbox, rules: Sequence[Rule]) -> None:
        self._desk = desk
        self._outbox = outbox
        self._rules = {rule.act: rule for rule in rules}
        if len(self._rules) != len(rules):
            raise TypeError("an act stands twice in the table of acts")
        self._views = {rule.act: msgspec.json.Decoder(_view_of(rule)) for rule in rules}

    async def perform(self, act: Act[V], actor: Actor, *, key: str | None, proof: Proof | None = None) -> V | Refusal:
        """Performs `act` once for this `key` and returns its view, or the refusal that names why not.

        The same key with the same act answers what it answered before; with another act it is refused. A refusal
        that the use-case raised is not remembered: the same key may be tried again. Without a key nothing is
        remembered: for acts that are their own retry, such as the clock's.
        """
        rule = self._rules[type(act)]
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._desk.database.transaction():
                    outcome = await self._perform_once(rule, act, actor, key, proof)
                return cast("V | Refusal", outcome)
            except Refusal as refusal:
                return refusal
            except ValidationError as unfit:
                # A value that no column holds (a number of a thousand digits) names nothing that exists.
                return Invalid(field="—", why=str(unfit)[:80])
            except NotExistOrMultiple:
                raise  # tortoise calls a missing row an operational error; here it is a defect and must be heard
            except (IntegrityError, OperationalError, ChainContended) as conflict:
                # A unique key was taken, or the database chose us as a deadlock's victim: look again from the start.
                if attempt == _ATTEMPTS:
                    log.error("act %s gave up: %s", type(act).__name__, type(conflict).__name__)
                    if isinstance(conflict, IntegrityError):
                        raise
            await asyncio.sleep(_BACKOFF_S * attempt)
        return Busy()

    async def knows(self, actor: Actor, key: str) -> bool:
        """Whether an act with this key is a repetition, and answered as such."""
        return await one(PerformedAct, actor=_who(actor), key=key) is not None

    async def give_up(self, act: Act[V], actor: Actor, *, key: str, refusal: Refusal) -> V | Refusal:
        """What was answered under `key`; if nothing was, `refusal` from now on, and whoever is still at it fails."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._desk.database.transaction():
                    if (remembered := await self._recall(act, actor, key)) is not None:
                        return cast("V | Refusal", remembered)
                    await self._remember(act, actor, key, refusal, self._desk.clock.now())
                return refusal
            except KeyReused as reused:
                return reused
            except IntegrityError:
                if attempt == _ATTEMPTS:
                    raise
            await asyncio.sleep(_BACKOFF_S * attempt)
        return Busy()

    async def _perform_once(
        self, rule: Rule, act: Act[V], actor: Actor, key: str | None, proof: Proof | None
    ) -> View | Refusal:
        if key is not None and (remembered := await self._recall(act, actor, key)) is not None:
            return remembered
        now = self._desk.clock.now()
        work = Work(self._desk, now=now, actor=actor, assured=Assured(level=actor.assurance))
        if proof is not None:
            work.assured = await self._desk.notary.assure(work, cast("Act[View]", act), proof)
        await _admit(work, rule, cast("Act[View]", act))
        outcome = await rule.use_case(work, act)
        await self._outbox.write(work.events, at=now, actor=f"{actor.kind}:{actor.id}")
        if key is not None:
            await self._remember(act, actor, key, outcome, now)
        return outcome

    async def _recall(self, act: Act[V], actor: Actor, key: str) -> View | Refusal | None:
        row = await one(PerformedAct, actor=_who(actor), key=key)
        if row is None:
            return None
        if row.act_sha256 != _digest(act):
            raise KeyReused()
        kept = msgspec.json.decode(row.outcome)
        if "refused" in kept:
            details: dict[str, Detail] = kept["details"]
            return Refusal.revived(kept["refused"], details)
        return cast(View, self._views[type(act)].decode(row.outcome))

    async def _remember(self, act: Act[V], actor: Actor, key: str, outcome: View | Refusal, now: datetime) -> None:
        kept: object = outcome
        if isinstance(outcome, Refusal):
            kept = {"refused": outcome.code, "details": dict(outcome.details)}
        await PerformedAct.create(
            actor=_who(actor),
            key=key,
            tag=str(type(act).__struct_config__.tag),
            act_sha256=_digest(act),
            outcome=msgspec.json.encode(kept).decode(),
            at=now,
        )


async def _admit(work: Work, rule: Rule, act: Act[View]) -> None:
    tag = str(rule.act.__struct_config__.tag)
    if not await rule.may(work, act):
        raise NotPermitted(act=tag, needs=rule.may.name)
    if work.assured.level < rule.assurance:
        raise AssuranceTooLow(act=tag, needs=rule.assurance.name, has=work.assured.level.name)


def _view_of(rule: Rule) -> Any:
    """The view type a use-case returns, read from its annotation, without the refusals."""
    returned = get_type_hints(rule.use_case)["return"]
    options = getattr(returned, "__args__", (returned,))
    views = [option for option in options if isinstance(option, type) and issubclass(option, View)]
    if len(views) != 1:
        raise TypeError(f"the use-case of {rule.act.__name__} must return one kind of view, not {returned}")
    return views[0]


def _who(actor: Actor) -> str:
    return f"{actor.kind}:{actor.id}"


def _digest(act: Act[V]) -> str:
    return hashlib.sha256(msgspec.json.encode(act)).hexdigest()
