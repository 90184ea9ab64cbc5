"""Who asks, and the one way to do what they ask."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import strawberry
from limits import RateLimitItem
from limits.aio.strategies import FixedWindowRateLimiter

from casework.intake.refusals import LinkInvalid
from kernel.actor import Actor, ActorKind
from kernel.acts import Act, Proof, View
from kernel.refusals import Invalid
from kernel.refusals import Refusal as KernelRefusal
from mobile_api.refusals import LoginNeeded, Refusal, TooManyRequests, refused
from mobile_api.services import Services

V = TypeVar("V", bound=View)
Payload = TypeVar("Payload")

_SHORTEST_KEY, _LONGEST_KEY = 8, 64


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The counters of one process."""

    limiter: FixedWindowRateLimiter
    per_address: RateLimitItem
    per_officer: RateLimitItem
    anonymous_acts: RateLimitItem
    per_ticket: RateLimitItem

    async def hit(self, item: RateLimitItem, *who: str) -> KernelRefusal | None:
        if await self.limiter.hit(item, *who):
            return None
        return TooManyRequests(seconds=item.get_expiry())


@dataclass(frozen=True, kw_only=True)
class Context:
    services: Services
    rates: Rates
    actor: Actor
    address: str

    def officer(self) -> Actor:
        """The caller, if they have a session. Raises LOGIN_NEEDED."""
        if self.actor.kind is not ActorKind.OFFICER:
            raise LoginNeeded()
        return self.actor

    def applicant(self) -> Actor:
        """The caller, if they are logged in as an applicant. Raises LOGIN_NEEDED."""
        if self.actor.kind is not ActorKind.APPLICANT:
            raise LoginNeeded()
        return self.actor

    def page(self, first: int) -> int:
        """How many rows a page has. Raises INVALID."""
        most = self.services.limits.page
        if not 1 <= first <= most:
            raise Invalid(field="first", why=f"应在1至{most}之间")
        return first


Info = strawberry.Info[Context, None]


async def perform(
    info: Info,
    act: Act[V],
    shown: Callable[[V], Payload],
    *,
    key: str | None = None,
    proof: Proof | None = None,
    is_late: bool = False,
) -> Payload | Refusal:
    """Performs `act` for the caller. Without `key` (reads, challenges) nothing is remembered.

    `is_late`: it came in a word of ours that has expired since. It is still answered again, and not performed any more.
    """
    context = info.context
    if context.actor.kind is ActorKind.ANONYMOUS:
        refusal = await context.rates.hit(context.rates.anonymous_acts, "act", context.address)
        if refusal is not None:
            return refused(refusal)
    if key is not None and not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        return refused(Invalid(field="idempotencyKey", why=f"长度应为{_SHORTEST_KEY}至{_LONGEST_KEY}个字符"))
    # The prefix keeps phones away from the keys of the other doors.
    name = None if key is None else f"app:{key}"
    office = context.services.office
    if is_late and not (name and await office.knows(context.actor, name)):
        return refused(LinkInvalid())
    outcome = await office.perform(act, context.actor, key=name, proof=proof)
    return refused(outcome) if isinstance(outcome, KernelRefusal) else shown(outcome)
