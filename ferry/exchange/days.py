"""A batch per working day, in by eight in the morning of the next: a system that is silent is noticed.

Source: data are exchanged at least daily (每日交换). A day without a case has an empty batch; no batch is a gap.
"""

from datetime import date, datetime, time, timedelta

from casework.clock.working_days import Calendar, end_of_day
from ferry.exchange.acts import WatchDays
from ferry.exchange.tables import ExchangeBatch, ExchangeGap, ExchangeSender
from kernel.acts import Done
from kernel.work import Work
from supervision.events import ReportMissing

#: Of the next working day, local time.
BY = time(8)


def due_at(day: date, calendar: Calendar) -> datetime:
    """Until when the batch of `day` may come."""
    return end_of_day(calendar.next_working_day(day), BY)


async def watch_days(work: Work, act: WatchDays) -> Done:
    """Each system whose hour has come is looked at once for that day, and is due for its next working day."""
    calendar = work.given(Calendar)
    senders = await ExchangeSender.filter(watch_due_at__lte=work.now).order_by("watch_due_at").limit(act.limit)
    for sender in senders:
        day = sender.watched_day
        if not await _came(sender.source_system, day):
            await ExchangeGap.get_or_create({"noticed_at": work.now}, source_system=sender.source_system, day=day)
            unit = sender.unit_code or sender.org
            work.record(ReportMissing(report=sender.source_system, unit=unit, day=day))
        sender.watched_day = calendar.next_working_day(day)
        sender.watch_due_at = due_at(sender.watched_day, calendar)
        await sender.save(update_fields=["watched_day", "watch_due_at"])
    return Done(count=len(senders))


async def heal(work: Work, source_system: str, day: date) -> None:
    """A complete batch has come for `day`: it tells of the days before as well."""
    gaps = ExchangeGap.filter(source_system=source_system, day__lte=day, day__gt=day - timedelta(days=366))
    await gaps.filter(healed_at=None).update(healed_at=work.now)


async def _came(source_system: str, day: date) -> bool:
    return await ExchangeBatch.filter(source_system=source_system, day__gte=day).exclude(complete_at=None).exists()
