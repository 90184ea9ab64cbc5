"""How long texts from people are kept: evidence for good, a query with its password for days, the rest for months.

A text that was sealed (certs/evidence.py) stays in its rows as it was delivered, so that they can be compared with what
was sealed. Of all others number, words, octets and frames are struck out when their time is over; when they came, by
which carrier, what they asked and what came of it stays. Periods and their source: alerts/retention.py.
"""

from datetime import datetime

from alerts.retention import Keep, made_before, reach, reached, sealed_among
from alerts.settings import AlertRules
from kernel.acts import Act, Done
from kernel.work import Work
from sms.tables import InboundMessage, InboundPdu

#: Verbs whose texts hold a password (CX, number, password), and the period of each. Whatever stands not here: OFFICE.
PERIODS = {"CX": Keep.CODE}


class StrikeOutInbound(Act[Done], frozen=True, tag="sms.strike_out"):
    """The clock's: looks at up to `limit` texts of each period, the oldest first."""

    limit: int = 1000


async def strike_out_inbound(work: Work, act: StrikeOutInbound) -> Done:
    """`count`: texts that were struck out."""
    count, rules = 0, work.given(AlertRules)
    for period in (Keep.CODE, Keep.OFFICE):
        count += await _look(period, made_before(rules, period, work.now), act.limit, work.now)
    return Done(count=count)


async def _look(period: Keep, before: datetime, limit: int, now: datetime) -> int:
    name = f"inbound.{period}"
    rows = await InboundMessage.filter(id__gt=await reached(name)).order_by("id").limit(limit)
    ended = []
    for row in rows:
        if row.received_at >= before:
            break
        ended.append(row)
    if not ended:
        return 0
    ours = [row.id for row in ended if row.masked_at is None and PERIODS.get(row.command, Keep.OFFICE) is period]
    sealed = await sealed_among(ours)
    chosen = [id for id in ours if id not in sealed]
    await InboundPdu.filter(message_id__in=chosen).update(sender="", octets=b"", frame=b"", digest="")
    await InboundMessage.filter(id__in=chosen).update(sender="", text="", masked_at=now)
    await reach(name, ended[-1].id)
    return len(chosen)
