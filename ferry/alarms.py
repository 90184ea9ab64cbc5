"""What is wrong with a ferry, told to the officer on duty: once when it has lasted, and once when all is well again.

By text and by mail, as far as the settings have them; a text of the inner zone goes by the ferry itself, so that mail
is the way while nothing crosses. What was told is a row, however many processes look and however often one starts.
Limits: a process that does not run tells nobody; that it runs somebody else must watch.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from alerts.outgoing import Channel, Letter, enqueue
from alerts.settings import AlertRules
from alerts.templates import TEMPLATES
from alerts.texts import render
from alerts.wordings import worded
from casework.clock.working_days import CHINA
from ferry.alarm_tables import FerryAlarm
from ferry.overview import Concern, Overview
from kernel import rows
from kernel.db import Database

log = logging.getLogger(__name__)

#: Away for so long is over: what comes and goes is there all the time.
SETTLED = timedelta(seconds=60)
#: News of an hour ago help nobody.
_VALID_FOR = timedelta(hours=1)

#: As the officer on duty reads it.
WORDS: Mapping[Concern, str] = MappingProxyType(
    {
        Concern.SILENT: "对端无心跳",
        Concern.CLOCKS_DIFFER: "两端时钟相差过大",
        Concern.FOLDER_GONE: "摆渡目录不见",
        Concern.LANE_FULL: "待确认量达上限七成",
        Concern.LANE_UNWRITTEN: "有包无法写出",
        Concern.LANE_STUCK: "通道停滞",
        Concern.LANE_FROZEN: "通道冻结",
        Concern.STASH_FULL: "暂存量达上限七成",
        Concern.GAPS: "有包缺失",
        Concern.QUARANTINE: "有包被隔离",
        Concern.POISON: "有记录未能应用",
        Concern.FILE_CORRUPT: "有附件损坏",
        Concern.FILE_LOST: "有附件丢失",
        Concern.FILE_LATE: "有附件超过一天未到",
        Concern.LEDGERS_DIFFER: "日账对账不符",
        Concern.FILES_UNCHECKED: "有附件未能查验",
        Concern.KEYS_ENDING: "密钥有效期已过七成",
        Concern.ACTS_WAIT: "外网操作积压达上限七成",
        Concern.DISK_LOW: "磁盘空间不足",
    }
)


async def look(database: Database, rules: AlertRules, found: Overview, *, now: datetime) -> None:
    """Notes what began and what ended, and queues what is to be told of it, in one transaction."""
    async with database.transaction():
        present = {(alarm.concern.value, alarm.lane or "") for alarm in found.alarms}
        known = {(row.concern, row.lane): row for row in await rows.many(FerryAlarm, peer=found.peer)}
        begun = [(found.peer, concern, lane, now) for concern, lane in sorted(present - known.keys())]
        await database.insert("ferry_alarm", ("peer", "concern", "lane", "since"), begun, tail="ON CONFLICT DO NOTHING")
        for what, row in known.items():
            if what in present:
                await _lasts(database, rules, row, now)
            elif row.told_at is None:
                await FerryAlarm.filter(id=row.id).delete()
            elif row.gone_at is None:
                await rows.change(FerryAlarm, {"id": row.id}, gone_at=now)
        told = [row for row in known.values() if row.told_at is not None]
        if told and not present and all(row.gone_at and now - row.gone_at >= SETTLED for row in told):
            gone = await FerryAlarm.filter(peer=found.peer, told_at__isnull=False).delete()
            if gone:
                log.warning("ferry: all is well again with %s", found.peer)
                await tell_duty(database, rules, "T42", {"chan": found.peer, "time": moment(now)}, found.peer, now)


async def tell_duty(
    database: Database, rules: AlertRules, template: str, words: Mapping[str, str], about: str, now: datetime
) -> None:
    """Queues a text and a mail to the officer on duty, as far as there are any, in the caller's transaction."""
    reachable = ((Channel.SMS, rules.duty_phone, True), (Channel.MAIL, rules.duty_email, rules.mail))
    addresses = [(channel, address) for channel, address, is_open in reachable if address and is_open]
    if not addresses:
        return
    said = await worded(database, TEMPLATES[template])
    text = render(said, signature=rules.signature, variables=words)
    letters = [
        Letter(
            dedupe_key=f"{template}:{about}:{now.isoformat()}:{channel}"[:120],
            channel=channel,
            text=text,
            to=address,
            send_after=now,
            expires_at=now + _VALID_FOR,
        )
        for channel, address in addresses
    ]
    await enqueue(database, letters, now=now)


def moment(instant: datetime) -> str:
    local = instant.astimezone(CHINA)
    return f"{local.month}月{local.day}日{local:%H:%M}"


# ------------------------------------------------------------------------------------------------------------ below


async def _lasts(database: Database, rules: AlertRules, row: FerryAlarm, now: datetime) -> None:
    if row.gone_at is not None:
        await rows.change(FerryAlarm, {"id": row.id}, gone_at=None)
    if row.told_at is not None or now - row.since < rules.alarm_after:
        return
    if not await rows.change(FerryAlarm, {"id": row.id, "told_at": None}, told_at=now):
        return
    log.error("ferry: %s %s towards %s", row.concern, row.lane, row.peer)
    words = {"chan": row.peer, "time": moment(row.since), "abn": WORDS[Concern(row.concern)]}
    await tell_duty(database, rules, "T41", words, f"{row.peer}:{row.concern}:{row.lane}", now)
