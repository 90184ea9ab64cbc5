"""听证: the right is told, asked for, the hearing announced and held; the decision follows its record.

Source: Administrative Licensing Law, art. 46 to 48: before a decision that touches important interests of others the
authority tells the applicant of the right; who asks within five days is heard within twenty; day and place are told
seven days before; nobody who examined the case presides. Art. 45: the time of the hearing is not counted, from the day
it was asked for, as the notice of the special procedure tells it.

Limits: one hearing per case; whether the applicant's five days are working days is the region's choice (`DaysUnit`).
"""

import logging
from datetime import date
from functools import partial

from casework.acts import CaseView, Status
from casework.clock import stoppages
from casework.clock.acts import (
    AnnounceHearing,
    AskHearing,
    HearingState,
    HoldHearing,
    TellHearingRight,
    TurnHearingLights,
)
from casework.clock.clocks import running
from casework.clock.events import (
    HearingAnnounced,
    HearingAsked,
    HearingHeld,
    HearingLightTurned,
    HearingRightTold,
)
from casework.clock.ledger import StopGround
from casework.clock.refusals import (
    HearingAlreadyAsked,
    HearingAlreadyTold,
    HearingAskedTooLate,
    HearingNotAsked,
    HearingNotTold,
    HearingNotYet,
    HearingOnRestDay,
    HearingPending,
    HearingTooLate,
    HearingTooSoon,
    PresiderExamined,
    PresiderUnknown,
)
from casework.clock.tables import Hearing
from casework.clock.time_limits import (
    HOLD_HEARING_WITHIN,
    announce_hearing_by,
    ask_hearing_by,
    earliest_hearing,
    hold_hearing_by,
    red_at,
    yellow_at,
)
from casework.clock.working_days import Calendar, day_of
from casework.files import find, swap, unit_in_charge, view
from casework.intake.query_passwords import objection
from casework.papers.documents import DocumentKind, issue
from casework.refusals import ReasonMissing
from casework.rules import CaseworkRules
from casework.tables import Case, Step
from kernel.actor import ActorKind
from kernel.acts import Done
from kernel.refusals import ChangedMeanwhile, Invalid, Refusal
from kernel.tables import Officer
from kernel.work import Work

log = logging.getLogger(__name__)


async def tell_hearing_right(work: Work, act: TellHearingRight) -> CaseView:
    """听证权利告知书. The clock runs on: only a hearing that is asked for stops it."""
    case, _ = await running(act.case)
    if not act.subject.strip():
        raise ReasonMissing()
    _fit("听证事项", act.subject, most=500)
    if await Hearing.exists(case_id=case.id):
        raise HearingAlreadyTold(case=case.number)
    today, unit = day_of(work.now), work.given(CaseworkRules).hearing_days_unit
    ask_by = ask_hearing_by(today, work.given(Calendar), unit)
    notice = await issue(
        work,
        case,
        DocumentKind.HEARING_RIGHT,
        lines=(
            ("听证事项", act.subject),
            ("申请期限", f"自被告知之日起五日内，即{ask_by.isoformat()}前；逾期不申请的，视为放弃"),
            ("费用", "申请人、利害关系人不承担听证费用"),
        ),
        unit=await unit_in_charge(case),
    )
    await Hearing.create(case_id=case.id, state=HearingState.TOLD, subject=act.subject, told_on=today, ask_by=ask_by)
    await swap(case, act.revision)
    work.record(HearingRightTold(case=case.number, unit=case.unit_code, document=notice.number, ask_by=ask_by))
    return await view(case)


async def ask_hearing(work: Work, act: AskHearing) -> CaseView | Refusal:
    """听证申请 within the five days; from now on the clock stands still for the twenty days of the authority."""
    if work.actor.kind is not ActorKind.OFFICER:
        number = (await find(act.case)).number
        if (refusal := await objection(work, number, act.password)) is not None:
            return refusal
    case, ledger = await running(act.case)
    _fit("利害关系人", act.on_behalf_of, most=60)
    hearing = await Hearing.get_or_none(case_id=case.id)
    if hearing is None:
        raise HearingNotTold(case=case.number)
    if hearing.state != HearingState.TOLD:
        raise HearingAlreadyAsked(case=case.number)
    calendar, today = work.given(Calendar), day_of(work.now)
    if today > hearing.ask_by:
        raise HearingAskedTooLate(ask_by=hearing.ask_by.isoformat())
    hold_by = hold_hearing_by(today, calendar)
    announce_by = announce_hearing_by(hold_by, calendar)
    notice, due = await stoppages.begin(
        work,
        case,
        ledger,
        StopGround.HEARING,
        hold_by,
        reason=f"应申请组织听证：{hearing.subject}",
        told_days=HOLD_HEARING_WITHIN,
        revision=case.revision,
    )
    await _turn(
        hearing,
        HearingState.TOLD,
        state=HearingState.ASKED,
        asked_on=today,
        asked_by=act.on_behalf_of,
        announce_by=announce_by,
        hold_by=hold_by,
        **_lights(announce_by, calendar),
    )
    work.record(
        HearingAsked(case=case.number, unit=case.unit_code, document=notice.number, hold_by=hold_by, committed_due=due)
    )
    return await view(case)


async def announce_hearing(work: Work, act: AnnounceHearing) -> CaseView:
    """听证通知书, seven days before. May be announced anew, with seven days again, as long as it is not held."""
    case, _ = await running(act.case)
    hearing = await _awaited(case)
    calendar, today = work.given(Calendar), day_of(work.now)
    assert hearing.hold_by is not None
    if act.hearing_on < (earliest := earliest_hearing(today, calendar)):
        raise HearingTooSoon(earliest=earliest.isoformat())
    if act.hearing_on > hearing.hold_by:
        raise HearingTooLate(hold_by=hearing.hold_by.isoformat())
    if not calendar.is_working_day(act.hearing_on):
        raise HearingOnRestDay(day=act.hearing_on.isoformat())
    if not act.place.strip():
        raise Invalid(field="听证地点", why="不能为空")
    _fit("听证地点", act.place, most=100)
    presider = await Officer.get_or_none(id=act.presider, active=True)
    if presider is None:
        raise PresiderUnknown(presider=act.presider)
    if await Step.exists(case_id=case.id, officer=presider.id):
        raise PresiderExamined(case=case.number)
    notice = await issue(
        work,
        case,
        DocumentKind.HEARING_NOTICE,
        lines=(
            ("听证事项", hearing.subject),
            ("时间", act.hearing_on.isoformat()),
            ("地点", act.place),
            ("主持人", presider.name),
            ("回避", "申请人、利害关系人认为主持人与该许可事项有直接利害关系的，有权申请回避"),
        ),
        unit=await unit_in_charge(case),
    )
    await _turn(
        hearing,
        hearing.state,
        state=HearingState.ANNOUNCED,
        announced_on=today,
        hearing_on=act.hearing_on,
        place=act.place,
        presider=presider.id,
        **_lights(hearing.hold_by, calendar),
    )
    await swap(case, act.revision)
    work.record(
        HearingAnnounced(
            case=case.number,
            unit=case.unit_code,
            document=notice.number,
            hearing_on=act.hearing_on,
            place=act.place,
            presider=presider.id,
        )
    )
    return await view(case)


async def hold_hearing(work: Work, act: HoldHearing) -> CaseView:
    """听证笔录: the hearing was held, and the clock runs again from tomorrow."""
    case, ledger = await running(act.case)
    hearing = await _awaited(case)
    today = day_of(work.now)
    if not act.record.strip():
        raise Invalid(field="听证笔录", why="不能为空")
    if hearing.hearing_on is None or today < hearing.hearing_on:
        raise HearingNotYet(case=case.number)
    record = await issue(
        work,
        case,
        DocumentKind.HEARING_RECORD,
        lines=(("听证事项", hearing.subject), ("时间", hearing.hearing_on.isoformat()), ("笔录", act.record)),
        unit=await unit_in_charge(case),
    )
    await _turn(hearing, HearingState.ANNOUNCED, state=HearingState.HELD, held_on=today, next_light_at=None)
    _, due = await stoppages.end(work, case, ledger, revision=act.revision, ground=StopGround.HEARING)
    work.record(
        HearingHeld(
            case=case.number, unit=case.unit_code, document=record.number, officer=work.actor.id, committed_due=due
        )
    )
    return await view(case)


async def ensure_none_pending(work: Work, case: Case) -> None:
    """Nobody decides while the applicant may still ask, or before the hearing was held. Raises HEARING_PENDING."""
    hearing = await Hearing.get_or_none(case_id=case.id)
    if hearing is None or hearing.state == HearingState.HELD:
        return
    if hearing.state != HearingState.TOLD or day_of(work.now) <= hearing.ask_by:
        raise HearingPending(case=case.number)


async def turn_hearing_lights(work: Work, act: TurnHearingLights) -> Done:
    """Announces, once each, the yellow and red lights of hearings that are to be announced or held."""
    due = await Hearing.filter(next_light_at__lte=work.now).order_by("next_light_at", "id").limit(act.limit)
    turned = 0
    for hearing in due:
        fault = await work.apart(partial(_announce_lights, work, hearing))
        if fault is None:
            turned += 1
        else:
            log.error("the lights of hearing %s could not turn: %s", hearing.id, type(fault).__name__)
    return Done(count=turned)


async def reproject(work: Work, case: Case) -> None:
    """A changed calendar moves the days of a hearing that is not held yet; what the applicant was told of stays."""
    calendar, unit = work.given(Calendar), work.given(CaseworkRules).hearing_days_unit
    hearing = await Hearing.get_or_none(case_id=case.id)
    if hearing is None or hearing.state == HearingState.HELD:
        return
    if hearing.asked_on is None:
        # What a notice said cannot be taken back: only later counts.
        ask_by = max(hearing.ask_by, ask_hearing_by(hearing.told_on, calendar, unit))
        await Hearing.filter(id=hearing.id).update(ask_by=ask_by)
        return
    hold_by = hold_hearing_by(hearing.asked_on, calendar)
    announce_by = announce_hearing_by(hold_by, calendar)
    if hold_by != hearing.hold_by or announce_by != hearing.announce_by:
        due = hold_by if hearing.state == HearingState.ANNOUNCED else announce_by
        await Hearing.filter(id=hearing.id).update(hold_by=hold_by, announce_by=announce_by, **_lights(due, calendar))


async def _awaited(case: Case) -> Hearing:
    """The hearing that was asked for and is not held. Raises HEARING_NOT_ASKED."""
    hearing = await Hearing.get_or_none(case_id=case.id)
    if hearing is None or hearing.state not in (HearingState.ASKED, HearingState.ANNOUNCED):
        raise HearingNotAsked(case=case.number)
    return hearing


async def _turn(hearing: Hearing, expected: str, **changes: object) -> None:
    """Changes a hearing that is still in the state it was read in."""
    if await Hearing.filter(id=hearing.id, state=expected).update(**changes) != 1:
        raise ChangedMeanwhile(subject=f"hearing:{hearing.id}")


def _lights(due: date, calendar: Calendar) -> dict[str, object]:
    yellow = yellow_at(due, calendar)
    return {"yellow_at": yellow, "red_at": red_at(due), "next_light_at": yellow}


async def _announce_lights(work: Work, hearing: Hearing) -> None:
    case = await Case.get(id=hearing.case_id)
    late = hearing.red_at is not None and hearing.red_at <= work.now
    following = None if late else hearing.red_at
    turned = Hearing.filter(id=hearing.id, next_light_at=hearing.next_light_at)
    if await turned.update(next_light_at=following) != 1 or case.status != Status.IN_APPROVAL:
        return
    due_on = hearing.hold_by if hearing.state == HearingState.ANNOUNCED else hearing.announce_by
    at = hearing.red_at if late else hearing.yellow_at
    if due_on is not None and at is not None:
        work.record(
            HearingLightTurned(
                case=case.number, unit=case.unit_code, colour="red" if late else "yellow", at=at, due_on=due_on
            )
        )


def _fit(field: str, text: str, *, most: int) -> None:
    if len(text) > most:
        raise Invalid(field=field, why=f"不超过{most}字")
