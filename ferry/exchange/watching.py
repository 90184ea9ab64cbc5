"""A report that does not get to the level above, told to the officer on duty: once, and once when all goes up again.

Limits: a process that does not run tells nobody; that it runs somebody else must watch.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from alerts.settings import AlertRules
from ferry.alarm_tables import FerryAlarm
from ferry.alarms import SETTLED, moment, tell_duty
from ferry.exchange.status import Above, above
from kernel import rows
from kernel.db import Database

log = logging.getLogger(__name__)

#: As the officer on duty reads it, by the state of the report; without one nothing could be made.
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "": "无法生成报送数据",
        "waiting": "无法送达",
        "under_way": "发出后无答复",
        "refused": "被上级退回",
    }
)
#: No zone is called so.
_ABOVE, _STUCK = "^", "REPORTS_STUCK"


async def look(database: Database, rules: AlertRules, *, now: datetime) -> None:
    """Notes that reports are stuck, or go again, and queues what is to be told of it, in one transaction."""
    found = await above(database, now=now)
    async with database.transaction():
        known = await rows.one(FerryAlarm, peer=_ABOVE, concern=_STUCK)
        if found.stuck:
            await _stuck(database, rules, found, known, now)
        elif known is not None:
            await _well(database, rules, known, now)


# ------------------------------------------------------------------------------------------------------------ below


async def _stuck(database: Database, rules: AlertRules, found: Above, known: FerryAlarm | None, now: datetime) -> None:
    if known is not None:
        if known.gone_at is not None:
            await rows.change(FerryAlarm, {"id": known.id}, gone_at=None)
        return
    columns = ("peer", "concern", "lane", "since", "told_at")
    since = found.since or now
    new = await database.insert(
        "ferry_alarm", columns, [(_ABOVE, _STUCK, "", since, now)], tail="ON CONFLICT DO NOTHING RETURNING id"
    )
    if new:
        log.error("exchange: report %s is stuck: %s", found.batch or "—", found.error or found.state or "not made")
        words = {"time": moment(since), "abn": WORDS[found.state]}
        await tell_duty(database, rules, "T46", words, "reports", now)


async def _well(database: Database, rules: AlertRules, known: FerryAlarm, now: datetime) -> None:
    if known.gone_at is None:
        await rows.change(FerryAlarm, {"id": known.id}, gone_at=now)
    elif now - known.gone_at >= SETTLED and await FerryAlarm.filter(id=known.id).delete():
        log.warning("exchange: reports go up again")
        await tell_duty(database, rules, "T47", {"time": moment(now)}, "reports", now)
