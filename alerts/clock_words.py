"""In which words legal time is spoken of to applicants: longer stoppages, hearings, moved dates, renewals by law."""

from datetime import date

from alerts.dispatch import Recipient
from alerts.words import Matter, Words
from casework.clock.events import (
    DueDateMoved,
    HearingAnnounced,
    HearingAsked,
    HearingRightTold,
    RenewalDeemed,
    StoppageToldLonger,
)
from casework.clock.ledger import GROUND_NAMES, StopGround
from casework.clock.time_limits import HOLD_HEARING_WITHIN
from kernel.events import Event


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


async def renewed_by_law(matter: Matter[RenewalDeemed], to: Recipient) -> Words | None:
    return {
        "no": matter.case.number,
        "lno": matter.event.licence,
        "date": _day(matter.event.valid_until),
        "tel": matter.rules.service_phone,
    }


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


def _day(day: date) -> str:
    return f"{day.month}月{day.day}日"
