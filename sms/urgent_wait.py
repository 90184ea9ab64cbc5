"""Urgent texts that wait although a carrier is up: the officer on duty is told, at most once an hour while it lasts.

A carrier that is down, failing or stuck has its own alarm (sms/alarms.py). This one is about the queue that all share:
every carrier may seem well and still no warning leaves, because each is too slow, or for a fault of our own. It goes by
text, before all else, and by mail where there is mail. Asked of the queue's index: two rows.
What waited through an outage has waited long when the line is back, and leaves within seconds. So only the time
counts in which a carrier could have taken it, as far as this process has seen.
Limits: several gateways tell it once together, by the hour; the rest of a long text that waits for the carrier where it
began counts, too.
"""

import logging
from datetime import datetime, timedelta

from alerts.outgoing import Channel, Letter, enqueue
from alerts.settings import AlertRules
from alerts.states import URGENT, State
from alerts.templates import TEMPLATES
from alerts.texts import render
from alerts.wordings import worded
from kernel.db import Database, instant
from sms.alarms import moment

log = logging.getLogger(__name__)

#: While it lasts it is said again after this; news of that age help nobody either.
AGAIN = timedelta(hours=1)


class UrgentWait:
    """Without `rules` nobody can be told; the log is."""

    def __init__(self, database: Database, rules: AlertRules | None) -> None:
        self._database, self._rules = database, rules
        self._within = (rules or _USUAL).urgent_within
        self._told_at: datetime | None = None
        self._looked_at: datetime | None = None
        self._was_up = False
        #: How long the oldest could have gone: with a carrier up, all looks added up.
        self._in_vain = timedelta()

    async def look(self, *, is_any_up: bool, now: datetime) -> bool:
        """Whether it had to be told now, by us."""
        passed = max(timedelta(), now - (self._looked_at or now)) if self._was_up else timedelta()
        self._looked_at, self._was_up = now, is_any_up
        if not is_any_up or (self._told_at is not None and self._told_at <= now < self._told_at + AGAIN):
            return False
        since = await oldest_urgent(self._database)
        # Never longer than the oldest waits.
        self._in_vain = min(self._in_vain + passed, now - since) if since else timedelta()
        if since is None or self._in_vain <= self._within:
            return False
        log.error("urgent texts have waited %s seconds although a carrier is up", int((now - since).total_seconds()))
        is_told = await self._tell(since, now)
        # Not before: what the database refused to write is told at the next look.
        self._told_at, self._in_vain = now, timedelta()
        return is_told

    async def _tell(self, since: datetime, now: datetime) -> bool:
        rules = self._rules
        if rules is None:
            return False
        ways = ((Channel.SMS, rules.duty_phone, True), (Channel.MAIL, rules.duty_email, rules.mail))
        addresses = [(channel, address) for channel, address, is_open in ways if address and is_open]
        if not addresses:
            return False
        hours = [int(at.timestamp() // AGAIN.total_seconds()) for at in (now, now - AGAIN)]
        keys = [f"{_KEY}:{hour}:{channel}" for hour in hours for channel, _ in addresses]
        places = ", ".join(f"${place}" for place in range(2, 2 + len(keys)))
        said = await worded(self._database, TEMPLATES["T43"])
        text = render(said, signature=rules.signature, variables={"time": moment(since)})
        async with self._database.transaction():
            if await self._database.rows(
                f"SELECT id FROM message WHERE created_at > $1 AND dedupe_key IN ({places})", now - AGAIN, *keys
            ):
                return False  # another gateway was faster
            letters = [
                Letter(
                    dedupe_key=key,
                    channel=channel,
                    text=text,
                    to=address,
                    send_after=now,
                    expires_at=now + AGAIN,
                )
                for key, (channel, address) in zip(keys, addresses, strict=False)
            ]
            return await enqueue(self._database, letters, now=now) > 0


async def oldest_urgent(database: Database) -> datetime | None:
    """Since when the oldest urgent text could have gone, that has not."""
    rows = await database.rows(
        " UNION ALL ".join(
            "SELECT send_after FROM (SELECT send_after FROM outstanding"
            f" WHERE state = '{State.QUEUED}' AND channel = 'sms' AND priority = {priority}"
            f" ORDER BY send_after, id LIMIT 1) AS of_{priority}"
            for priority in URGENT
        )
    )
    return min((found for row in rows if (found := instant(row["send_after"])) is not None), default=None)


#: Begins the keys of the letters.
_KEY = "urgent-waits"
_USUAL = AlertRules(signature="", service_phone="")
