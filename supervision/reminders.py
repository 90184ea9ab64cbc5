"""Cards that nobody answered: a reminder with a fresh code, then the escalation: those above are asked too.

The wait counts office hours of working days, so a card proposed when its light turned at midnight is not overdue
before anybody came to work.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from casework.clock.working_days import Calendar, day_of, start_of_day
from kernel.acts import Done
from kernel.tables import Officer
from kernel.work import Work
from supervision.acts import CardState, RemindUnconfirmed
from supervision.events import CardReminded
from supervision.people import supervision_leaders, those_above
from supervision.reply_codes import Asked, Purpose, draw, live_codes
from supervision.rules import SupervisionRules
from supervision.tables import Card

#: Office hours, local time after midnight.
_OPENS, _CLOSES = timedelta(hours=9), timedelta(hours=17)


def remind_at(since: datetime, wait: timedelta, calendar: Calendar) -> datetime:
    """The instant when `wait` of office hours have passed after `since`."""
    day = day_of(since)
    if not calendar.is_working_day(day):
        day = calendar.next_working_day(day)
    while True:
        begin, end = max(since, start_of_day(day) + _OPENS), start_of_day(day) + _CLOSES
        if begin + wait <= end:
            return begin + wait
        wait -= max(end - begin, timedelta())
        day = calendar.next_working_day(day)


async def remind_unconfirmed(work: Work, act: RemindUnconfirmed) -> Done:
    """Reminds the leaders once, then asks those above too; whoever has no live code gets a new one."""
    rules, calendar = work.given(SupervisionRules), work.given(Calendar)
    cards = Card.filter(remind_at__lte=work.now, state=CardState.PROPOSED).order_by("remind_at").limit(act.limit)
    waiting = await cards.select_for_update(skip_locked=True)
    if not waiting:
        return Done(count=0)
    leaders, above = await supervision_leaders(work), await those_above(work)
    for card in waiting:
        escalated = card.reminders > 0
        again = None if escalated else remind_at(work.now, rules.remind_after, calendar)
        escalated_at = work.now if escalated else None
        await Card.filter(id=card.id).update(reminders=card.reminders + 1, remind_at=again, escalated_at=escalated_at)
        asked = await _ask_again(work, card, [*leaders, *above] if escalated else leaders)
        work.record(
            CardReminded(
                card=card.id, case=card.case_number, unit=card.unit_code, escalated=escalated, officers=tuple(asked)
            )
        )
    return Done(count=len(waiting))


async def _ask_again(work: Work, card: Card, officers: Sequence[Officer]) -> list[str]:
    """Asks each of `officers` who may decide, once; returns their ids."""
    entitled = {officer.id: officer for officer in officers if card.proposed_by != f"officer:{officer.id}"}
    asked = {code.officer for code in await live_codes(work, card.id, Purpose.CONFIRM)}
    await draw(
        work,
        [
            Asked(card=card.id, purpose=Purpose.CONFIRM, officer=officer.id, phone=officer.phone)
            for officer in entitled.values()
            if officer.id not in asked
        ],
    )
    return list(entitled)
