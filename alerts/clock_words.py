"""In which words legal time is spoken of: overruns, hearings, late steps, moved dates, renewals by law."""

from datetime import date

from alerts.dispatch import Recipient
from alerts.people import holders, holders_of_turn
from alerts.words import Matter, Words
from casework.clock.events import (
    DueDateMoved,
    HearingAnnounced,
    HearingAsked,
    HearingLightTurned,
    HearingRightTold,
    RenewalDeemed,
    StoppageOverran,
    StoppageToldLonger,
)
from casework.clock.ledger import GROUND_NAMES, StopGround
from casework.clock.time_limits import HOLD_HEARING_WITHIN
from kernel.actor import Role
from kernel.events import Event
from supervision.events import StepOverdue

#: Working days to answer for an irregularity; no law gives a number, and it is the work of minutes.
_TO_ANSWER_DAYS = 1


async def told_longer(matter: Matter[StoppageToldLonger], to: Recipient) -> Words | None:
    event = matter.event
    return _special(matter, GROUND_NAMES[StopGround(event.ground)], event.told_days, event.committed_due)


async def hearing_asked(matter: Matter[HearingAsked], to: Recipient) -> Words | None:
    hearing = GROUND_NAMES[StopGround.HEARING]
    return _special(matter, hearing, HOLD_HEARING_WITHIN, matter.event.committed_due)


async def hearing_right(matter: Matter[HearingRightTold], to: Recipient) -> Words | None:
    return {"no": matter.case.number, "date": _day(matter.event.ask_by), "tel": matter.rules.service_phone}


async def hearing_announced(matter: Matter[HearingAnnounced], to: Recipient) -> Words | None:
    return {
        "no": matter.case.number,
        "date": _day(matter.event.hearing_on),
        "place": matter.event.place,
        "tel": matter.rules.service_phone,
    }


async def hearing_light(matter: Matter[HearingLightTurned], to: Recipient) -> Words | None:
    late = matter.event.colour == "red"
    return await _abnormal(matter, "听证逾期未通知或举行" if late else "听证通知或举行期限将届满")


async def overran(matter: Matter[StoppageOverran], to: Recipient) -> Words | None:
    return await _abnormal(matter, f"{GROUND_NAMES[StopGround(matter.event.ground)]}超出告知时间，已恢复计时")


async def step_overdue(matter: Matter[StepOverdue], to: Recipient) -> Words | None:
    event = matter.event
    turn = await holders_of_turn(event.unit, event.role, event.assignee)
    return await _abnormal(matter, "环节超时", officer=turn[0].name if turn else "")


async def renewed_by_law(matter: Matter[RenewalDeemed], to: Recipient) -> Words | None:
    return {
        "no": matter.case.number,
        "lno": matter.event.licence,
        "date": _day(matter.event.valid_until),
        "tel": matter.rules.service_phone,
    }


async def renewal_silence(matter: Matter[RenewalDeemed], to: Recipient) -> Words | None:
    return await _abnormal(matter, "逾期未决定，视为准予延续")


async def due_moved(matter: Matter[DueDateMoved], to: Recipient) -> Words | None:
    event, rules = matter.event, matter.rules
    if not (rules.tell_later if event.due > event.before else rules.tell_earlier):
        return None
    return {
        "no": matter.case.number,
        "due": _day(event.before),
        "date": _day(event.due),
        "tel": rules.service_phone,
    }


def _special(matter: Matter[Event], procedure: str, days: int, due: date) -> Words:
    return {"no": matter.case.number, "proc": procedure, "days": str(days), "date": _day(due)}


async def _abnormal(matter: Matter[Event], what: str, *, officer: str = "") -> Words:
    handlers = await holders(matter.case.unit_code, Role.HANDLER)
    return {
        "no": matter.case.number,
        "item": matter.case.item_name,
        "abn": what,
        "officer": officer or (handlers[0].name if handlers else "承办人"),
        "limit": _day(matter.calendar.nth_working_day_after(matter.today, _TO_ANSWER_DAYS)),
    }


def _day(day: date) -> str:
    return f"{day.month}月{day.day}日"
