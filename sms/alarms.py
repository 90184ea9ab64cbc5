"""A carrier in trouble: the officer on duty is told, once, by another way than that carrier; and when it is well again.

Another way is a text that any other carrier takes, and mail where there is mail. The text names the carrier that shall
not have it (Letter.not_by), so it neither waits in that carrier's lane nor goes through it while another is up. While
there is no way at all the log has it at ERROR, and the carrier's row shows it; the officer is told as soon as there
is one. `alarmed_at` in the row makes it once, however many gateways notice and however often one is started anew.
Limits: a gateway that does not run raises no alarm; that the process runs somebody else must watch.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from alerts.outgoing import Channel, Letter, enqueue
from alerts.settings import AlertRules
from alerts.templates import TEMPLATES
from alerts.texts import render
from alerts.wordings import worded
from casework.clock.working_days import CHINA
from kernel.db import Database

log = logging.getLogger(__name__)

#: Healthy for so long is well: a link that comes and goes is in trouble all the time.
SETTLED = timedelta(seconds=30)
#: The same for an alarm that another gateway raised, which may have left since.
ADOPTED = timedelta(minutes=15)
#: So much of its weight errors may cost a carrier. One failure in five leaves a third.
FAILING_BELOW = 0.5
#: Texts in a carrier's hands come to something within minutes, or it is stuck.
STUCK_AFTER = timedelta(minutes=5)
#: Where nobody can be told but the log.
_USUALLY_AFTER = timedelta(minutes=1)
#: News of an hour ago help nobody.
_VALID_FOR = timedelta(hours=1)


class Trouble(StrEnum):
    """What is wrong, as the officer on duty reads it."""

    DOWN = "连接中断"
    FAILING = "错误率过高"
    SLOW = "响应过慢"
    STUCK = "短信积压"


class Call(StrEnum):
    ALARM = "alarm"
    ALL_CLEAR = "all_clear"


def trouble_of(
    *, is_down: bool, level: float, speed: float, stuck_since: datetime | None, now: datetime
) -> Trouble | None:
    """The worst that is wrong with a carrier. `level` and `speed` as weights.py gives them."""
    if is_down:
        return Trouble.DOWN
    if level < FAILING_BELOW:
        return Trouble.FAILING
    if stuck_since is not None and now - stuck_since >= STUCK_AFTER:
        return Trouble.STUCK
    return Trouble.SLOW if speed < FAILING_BELOW else None


class Watch:
    """Whether somebody must be told about one carrier. Between an alarm and the all-clear nothing is said."""

    def __init__(self, after: timedelta) -> None:
        self._after = after
        self.since: datetime | None = None
        self._well_since: datetime | None = None
        #: Ours to end; also what an earlier run of ours may have raised.
        self._is_ours = True

    def look(self, trouble: Trouble | None, *, alarmed_at: datetime | None, now: datetime) -> Call | None:
        """What is to be told now, until `alarmed_at` says that it was. Clocks that were put back begin anew."""
        if alarmed_at is None:
            self._is_ours = False
        if trouble is None:
            self._well_since = min(self._well_since or now, now)
            if now - self._well_since < (SETTLED if self._is_ours or alarmed_at is None else ADOPTED):
                return None
            self.since = None
            return Call.ALL_CLEAR if alarmed_at is not None else None
        self._well_since = None
        self.since = min(self.since or now, now)
        return Call.ALARM if alarmed_at is None and now - self.since >= self._after else None

    def raised(self) -> None:
        """The alarm was ours."""
        self._is_ours = True


class Alarms:
    """The watches over all carriers of one gateway. Without `rules` nobody can be told; the log is."""

    def __init__(self, database: Database, rules: AlertRules | None) -> None:
        self._database, self._rules = database, rules
        self._watches: dict[str, Watch] = {}
        #: Of whose trouble nobody could be told yet.
        self._untold: set[str] = set()

    async def look(
        self,
        carrier: str,
        trouble: Trouble | None,
        *,
        alarmed_at: datetime | None,
        another_is_up: bool,
        now: datetime,
    ) -> None:
        """Queues what is to be told about `carrier` now. `alarmed_at`: since when an alarm stands, by its row."""
        watch = self._watches.get(carrier)
        if watch is None:
            watch = self._watches[carrier] = Watch(self._rules.alarm_after if self._rules else _USUALLY_AFTER)
        call = watch.look(trouble, alarmed_at=alarmed_at, now=now)
        if trouble is None:
            self._untold.discard(carrier)
        if call is Call.ALL_CLEAR:
            words = {"chan": carrier, "time": moment(now)}
            if await self._told("T40", words, self._addresses(by_text=True), None, now):
                log.warning("carrier %s is well again", carrier)
        elif call is Call.ALARM and trouble is not None and watch.since is not None:
            addresses = self._addresses(by_text=another_is_up)
            words = {"chan": carrier, "time": moment(watch.since), "abn": trouble.value}
            if not addresses:
                if carrier not in self._untold:
                    log.error("carrier %s: %s, and nobody can be told", carrier, trouble.name)
                    self._untold.add(carrier)
            elif await self._told("T39", words, addresses, now, now):
                log.error("carrier %s: %s; the officer on duty is told", carrier, trouble.name)
                watch.raised()

    def _addresses(self, *, by_text: bool) -> list[tuple[Channel, str]]:
        """How the officer on duty can be reached now."""
        rules = self._rules
        if rules is None:
            return []
        reachable = ((Channel.SMS, rules.duty_phone, by_text), (Channel.MAIL, rules.duty_email, rules.mail))
        return [(channel, address) for channel, address, is_open in reachable if address and is_open]

    async def _told(
        self,
        template: str,
        words: Mapping[str, str],
        addresses: Sequence[tuple[Channel, str]],
        alarmed_at: datetime | None,
        now: datetime,
    ) -> bool:
        """Whether it was for us to tell: another gateway may just have told it."""
        carrier, rules = words["chan"], self._rules
        async with self._database.transaction():
            if not await self._database.rows(
                "UPDATE carrier SET alarmed_at = $2 WHERE name = $1"
                f" AND alarmed_at IS {'NOT ' if alarmed_at is None else ''}NULL RETURNING name",
                carrier,
                alarmed_at,
            ):
                return False
            if rules is not None and addresses:
                said = await worded(self._database, TEMPLATES[template])
                text = render(said, signature=rules.signature, variables=words)
                letters = [
                    Letter(
                        dedupe_key=f"{template}:{carrier}:{now.isoformat()}:{channel}",
                        channel=channel,
                        text=text,
                        to=address,
                        send_after=now,
                        expires_at=now + _VALID_FOR,
                        not_by=carrier if alarmed_at is not None else "",
                    )
                    for channel, address in addresses
                ]
                await enqueue(self._database, letters, now=now)
        return True


def moment(instant: datetime) -> str:
    local = instant.astimezone(CHINA)
    return f"{local.month}月{local.day}日{local:%H:%M}"
