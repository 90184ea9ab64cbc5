"""Legal time on the phone: stoppages, extensions with the head's signature, hearings."""

from datetime import date, datetime

import strawberry

from casework.acts import ExtendClock, ResumeClock, StopClock
from casework.clock.acts import (
    AnnounceHearing,
    AskHearing,
    HoldHearing,
    PrepareExtension,
    TellHearingRight,
    TellLonger,
)
from mobile_api.case_state import CaseResult, state_of
from mobile_api.context import Info, perform
from mobile_api.enums import HearingState, Light, StopGround
from mobile_api.signing import SignedInput, SigningResult, signing_payload


@strawberry.type(description="听证. Days are local; null until they are known.")
class Hearing:
    state: HearingState
    subject: str
    told_on: date
    ask_by: date = strawberry.field(description="The applicant may ask until the end of this day.")
    asked_on: date | None
    asked_by: str = strawberry.field(description="An interested third party; empty: the applicant.")
    announce_by: date | None
    hold_by: date | None
    announced_on: date | None
    hearing_on: date | None
    place: str
    presider_name: str | None
    held_on: date | None
    light: Light = strawberry.field(description="Of what the authority must do next: announce it, then hold it.")


@strawberry.type(description="延续: not decided before `validUntil` ends, the licence is renewed by law (art. 50).")
class Renewal:
    licence_number: str
    valid_until: date
    deemed_at: datetime | None = strawberry.field(description="Renewed by law at this instant.")


async def _stop_clock(
    info: Info,
    idempotency_key: str,
    case: strawberry.ID,
    revision: int,
    ground: StopGround,
    told_days: int,
    reason: str,
) -> CaseResult:
    act = StopClock(case=case, revision=revision, ground=ground, told_days=told_days, reason=reason)
    return await perform(info, act, state_of, key=idempotency_key)


async def _tell_longer(
    info: Info, idempotency_key: str, case: strawberry.ID, revision: int, told_days: int, reason: str
) -> CaseResult:
    act = TellLonger(case=case, revision=revision, told_days=told_days, reason=reason)
    return await perform(info, act, state_of, key=idempotency_key)


async def _resume_clock(info: Info, idempotency_key: str, case: strawberry.ID, revision: int) -> CaseResult:
    return await perform(info, ResumeClock(case=case, revision=revision), state_of, key=idempotency_key)


async def _prepare_extension(info: Info, case: strawberry.ID, revision: int, days: int, reason: str) -> SigningResult:
    act = PrepareExtension(case=case, revision=revision, days=days, reason=reason)
    return await perform(info, act, signing_payload)


async def _extend_clock(
    info: Info,
    idempotency_key: str,
    case: strawberry.ID,
    revision: int,
    days: int,
    reason: str,
    signed: SignedInput,
) -> CaseResult:
    act = ExtendClock(case=case, revision=revision, days=days, reason=reason)
    return await perform(info, act, state_of, key=idempotency_key, proof=signed.to_proof())


async def _tell_hearing_right(
    info: Info, idempotency_key: str, case: strawberry.ID, revision: int, subject: str
) -> CaseResult:
    act = TellHearingRight(case=case, revision=revision, subject=subject)
    return await perform(info, act, state_of, key=idempotency_key)


async def _ask_hearing(
    info: Info, idempotency_key: str, case: strawberry.ID, password: str = "", on_behalf_of: str = ""
) -> CaseResult:
    act = AskHearing(case=case, password=password, on_behalf_of=on_behalf_of)
    return await perform(info, act, state_of, key=idempotency_key)


async def _announce_hearing(
    info: Info,
    idempotency_key: str,
    case: strawberry.ID,
    revision: int,
    hearing_on: date,
    place: str,
    presider: strawberry.ID,
) -> CaseResult:
    act = AnnounceHearing(case=case, revision=revision, hearing_on=hearing_on, place=place, presider=presider)
    return await perform(info, act, state_of, key=idempotency_key)


async def _hold_hearing(
    info: Info, idempotency_key: str, case: strawberry.ID, revision: int, record: str
) -> CaseResult:
    act = HoldHearing(case=case, revision=revision, record=record)
    return await perform(info, act, state_of, key=idempotency_key)


@strawberry.type
class ClockMutations:
    stop_clock: CaseResult = strawberry.field(
        resolver=_stop_clock, description="特殊程序 (art. 45): excludes the days the written notice tells, no more."
    )
    tell_longer: CaseResult = strawberry.field(
        resolver=_tell_longer, description="A further notice for the open procedure; late days before it stay counted."
    )
    resume_clock: CaseResult = strawberry.field(resolver=_resume_clock)
    prepare_extension: SigningResult = strawberry.field(
        resolver=_prepare_extension, description="The exact bytes to sign for `extendClock` with the same values."
    )
    extend_clock: CaseResult = strawberry.field(
        resolver=_extend_clock,
        description="Once: 10 working days by the authority's head, 15 of joint handling by the government's.",
    )
    tell_hearing_right: CaseResult = strawberry.field(resolver=_tell_hearing_right)
    ask_hearing: CaseResult = strawberry.field(
        resolver=_ask_hearing,
        description="The applicant with the query password, or an officer who holds the request on paper.",
    )
    announce_hearing: CaseResult = strawberry.field(
        resolver=_announce_hearing, description="Seven working days before; `presider` did not examine the case."
    )
    hold_hearing: CaseResult = strawberry.field(resolver=_hold_hearing)
