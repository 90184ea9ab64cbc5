"""The gateway: from the durable queue to carriers and back, in batches, with no database connection held meanwhile.

Per carrier there is one lane (sms/lane.py). One feeder claims batches for all of them: whoever has room is served in
turn, by weights that fall with errors and slowness (sms/weights.py); nobody waits for a share while there is a queue
and room. What a carrier refused for its own reasons goes to another next, while another is up. On SIGTERM call
`drain`: nothing more is claimed, the window is finished and recorded, the binds are ended. After SIGKILL the leases
tell (alerts/outgoing.py). While the database is away nothing is claimed, the binds stay up, and what became of texts
is kept until it can be written.
Limits: a lane keeps what was given to it, so texts for a carrier that was told to be slower wait there with it.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from tortoise.exceptions import OperationalError

from alerts.expiry import Expiry
from alerts.outgoing import Channel, claim, claims, recover, renew, take_over
from alerts.settings import AlertRules
from alerts.settling import tend
from alerts.unreported import USUAL_GRACE, Unreported
from alerts.wordings import Wordings
from kernel.chance import Secrets
from kernel.clock import Clock
from kernel.db import GONE, Database
from sms import steering
from sms.alarms import Alarms, trouble_of
from sms.carriers import Carrier
from sms.lane import PACE, Inbox, Lane, Pace
from sms.leases import Leases
from sms.orders import Wanted
from sms.patience import cause_of
from sms.receipts import same_message_ids
from sms.urgent_wait import UrgentWait
from sms.weights import Turns, quota, speed

log = logging.getLogger(__name__)

#: More in one statement gain nothing and delay the first.
_MOST_AT_ONCE = 500
_ROUNDS_TO_RENEW = 3


class Gateway:
    """`alone`: no other process speaks to these carriers (always so on SQLite), so orphans are taken over at once.

    `kinds`: what the settings call each carrier's protocol, for its row. `no_codes`: carriers that get no text whose
    code acts. Without `rules` nobody is told of alarms.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        secrets: Secrets,
        *,
        carriers: Sequence[Carrier],
        inbox: Inbox,
        alone: bool = False,
        pace: Pace = PACE,
        rules: AlertRules | None = None,
        kinds: Mapping[str, str] | None = None,
        no_codes: Collection[str] = (),
    ) -> None:
        self._database, self._clock, self._pace, self._alone = database, clock, pace, alone
        #: `name`: which of several gateways wrote a carrier's row.
        self._inbox, self._kinds, self._name = inbox, kinds or {}, secrets.token()
        self._no_codes = frozenset(no_codes)
        # Between a claim and the note of it nobody may look for orphans: a fake clock can jump past a lease.
        self._claiming = asyncio.Lock()
        self._room, self._is_fed, self._drained = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._is_draining, self._is_queued, self._asked_all_at_s = False, False, 0.0
        self._wordings, self._expiry = Wordings(), Expiry()
        self._unreported = Unreported(rules.receipt_grace if rules else USUAL_GRACE)
        self._lanes = {
            carrier.name: Lane(
                database,
                clock,
                secrets,
                carrier,
                inbox,
                pace=pace,
                has_room=self._room.set,
                others=partial(self._others, carrier.name),
                wordings=self._wordings,
            )
            for carrier in carriers
        }
        self._turns, self._leases = Turns(), Leases(_ROUNDS_TO_RENEW * pace.tend_s)
        self._alarms, self._urgent_wait = Alarms(database, rules), UrgentWait(database, rules)

    async def run(self) -> None:
        """Until `drain`. What the database refuses is tried again; anything else ends it, and it may be run again."""
        await steering.introduce(
            self._database,
            [(name, self._kinds.get(name, ""), lane.configured) for name, lane in self._lanes.items()],
        )
        await self._steer()
        if self._alone:
            for lane in self._lanes.values():
                held = {message.claim for message in lane.held.values()}
                await recover(self._database, now=self._clock.now(), channel=Channel.SMS, held=held, alone_on=lane.name)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_texts())
            group.create_task(self._tend_regularly())
            group.create_task(self._steer_regularly())
            group.create_task(self._feed())
            for lane in self._lanes.values():
                for job in lane.jobs():
                    group.create_task(job)

    def wake(self) -> None:
        """Something was queued."""
        self._is_queued = True
        self._room.set()

    @property
    def lanes(self) -> Sequence[Lane]:
        """For the metrics."""
        return tuple(self._lanes.values())

    async def drain(self) -> None:
        """Finishes what is under way, records it, ends the binds; `run` returns."""
        self._is_draining = True
        self.wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.drain_s):
                await self._is_fed.wait()
        await asyncio.gather(*(lane.drain() for lane in self._lanes.values()))
        self._inbox.stop()
        self._drained.set()

    # ---- the queue

    async def _feed(self) -> None:
        while not self._is_draining:
            self._room.clear()
            await self._hand_out()
            await self._rest(self._pace.poll_s, self._room)
        self._is_fed.set()

    async def _hand_out(self) -> None:
        """Claims until every lane is full or the queue has nothing more.

        What is left for one lane only (it began there, or the others refused it) is looked for once in a while, and
        not each time: a text that comes while several are asked in turn would go to the last, whoever's turn it is.
        """
        asked: set[str] = set()
        is_full = True
        now_s = asyncio.get_running_loop().time()
        asks_all = now_s - self._asked_all_at_s >= self._pace.poll_s
        if asks_all:
            self._asked_all_at_s = now_s
        is_news, self._is_queued = self._is_queued or asks_all, False
        while not self._is_draining:
            ready = {n: lane.weight for n, lane in self._lanes.items() if lane.is_ready and n not in asked}
            if not ready:
                break
            is_full = False
            name = self._turns.first(ready)
            limit = min(quota(name, {each: self._lanes[each].room for each in ready}, ready), _MOST_AT_ONCE)
            claimed = await self._claim(self._lanes[name], limit)
            self._turns.took(name, claimed, ready)
            if claimed < limit:
                if not asks_all:
                    break
                asked.add(name)
        told = [lane for lane in self._lanes.values() if not lane.needs_left]
        if is_full and is_news:
            await self._hand_out_urgent(self._lanes.values())
        elif len(told) < len(self._lanes):
            # The codes that the others leave to them must not wait until one of them is half empty.
            await self._hand_out_urgent(told)

    async def _hand_out_urgent(self, lanes: Iterable[Lane]) -> None:
        """What is urgent and found no room goes all the same, ahead of what a lane holds."""
        rooms = {lane.name: room for lane in lanes if (room := lane.urgent_room) > 0}
        # First who takes codes, then who can be told: the others leave the codes, and would seem to have taken all.
        first = sorted(rooms, key=lambda name: (name in self._no_codes, self._lanes[name].needs_left, -rooms[name]))
        for name in first:
            if await self._claim(self._lanes[name], rooms[name], urgent_only=True) < rooms[name]:
                return

    async def _claim(self, lane: Lane, limit: int, *, urgent_only: bool = False) -> int:
        async with self._claiming:
            if not lane.is_wanted:
                return 0  # somebody paused it since it was chosen
            try:
                claimed = await claim(
                    self._database,
                    now=self._clock.now(),
                    limit=limit,
                    channel=Channel.SMS,
                    carrier=lane.name,
                    may_repeat=not self._others(lane.name),
                    urgent_only=urgent_only,
                    needs_left=lane.needs_left,
                    leaves_codes=bool(lane.needs_left) and self._others_take_back(),
                    takes_codes=lane.name not in self._no_codes,
                )
            except OperationalError as refused:
                # Asked again after a poll. To give up would cut the carrier off in the middle of its answers.
                log.warning("lane %s: nothing could be claimed: %s", lane.name, cause_of(refused))
                return 0
            # What is claimed is given in any case; without its wording a text goes as the text it is.
            with suppress(OperationalError):
                await self._wordings.learn(self._database, {(m.template, m.template_version) for m in claimed})
            lane.give(claimed)
        return len(claimed)

    def _others(self, name: str) -> int:
        """How many other carriers take texts now."""
        return sum(lane.is_taking for each, lane in self._lanes.items() if each != name)

    def _others_take_back(self) -> bool:
        """Whether a code can go by a carrier that is told when it is worth nothing any more."""
        return any(not lane.needs_left and lane.urgent_room for lane in self._lanes.values())

    # ---- housekeeping

    async def tend(self) -> None:
        """One round of housekeeping, as `run` makes them all the time."""
        now = self._clock.now()
        async with self._claiming:
            held = {message.claim for lane in self._lanes.values() for message in lane.held.values()}
            await renew(self._database, held, now=now)
            claimed = await claims(self._database, channel=Channel.SMS)
            steady_s = asyncio.get_running_loop().time()
            orphans = self._leases.orphans(claimed, held=held, now=now, steady_s=steady_s)
            if taken := await take_over(self._database, orphans, now=now):
                log.warning("%s texts of a gateway that is gone are taken over", taken)
            await tend(self._database, now=now, spellings=same_message_ids, expiry=self._expiry)
        await self._unreported.end(self._database, now=now)
        await self._look_at_carriers(now)
        self.wake()

    async def _tend_regularly(self) -> None:
        while not self._drained.is_set():
            try:
                await self.tend()
            except OperationalError as refused:
                # The next round comes well within a lease.
                log.warning("housekeeping of the queue failed: %s", cause_of(refused))
            await self._rest(self._pace.tend_s, self._drained)

    async def _take_texts(self) -> None:
        while True:
            try:
                await self._inbox.run()
            except (OperationalError, *GONE) as gone:
                log.warning("inbox: %s; it goes on in a while", type(gone).__name__)
                await self._rest(self._pace.tend_s, self._drained)
            else:
                return

    async def _rest(self, seconds: float, until: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await until.wait()

    # ---- carriers

    async def _look_at_carriers(self, now: datetime) -> None:
        """Weighs every carrier anew, writes down how each is, and tells whoever must know."""
        async with self._claiming:
            pass  # what a claim under way brings goes before a row says that nothing does
        conditions = {name: lane.condition() for name, lane in self._lanes.items()}
        answers = {name: each.answer_s for name, each in conditions.items() if each.answer_s is not None}
        speeds: dict[str, float] = {}
        for name, lane in self._lanes.items():
            lane.observe(conditions[name], now)
            speeds[name] = speed(answers.get(name), [took for each, took in answers.items() if each != name])
            lane.weight = lane.configured * lane.health.level * speeds[name]
        standings = [
            steering.Standing(
                name=name,
                weight=lane.weight if lane.is_taking else 0.0,
                condition=conditions[name],
                down_since=lane.down_since,
            )
            for name, lane in self._lanes.items()
        ]
        known = await steering.tell(self._database, standings, by=self._name, now=now)
        for name, row in known.items():
            lane = self._lanes[name]
            trouble = trouble_of(
                is_down=lane.down_since is not None,
                level=lane.health.level,
                speed=speeds[name],
                stuck_since=lane.stuck_since,
                now=now,
            )
            another_is_up = self._others(name) > 0
            await self._alarms.look(name, trouble, alarmed_at=row.alarmed_at, another_is_up=another_is_up, now=now)
        await self._urgent_wait.look(is_any_up=any(lane.is_taking for lane in self._lanes.values()), now=now)

    async def _steer(self) -> None:
        wishes = await steering.wishes(self._database)
        obeyed = [lane.obey(wishes.get(name, Wanted.RUNNING)) for name, lane in self._lanes.items()]
        if any(obeyed):
            await self._look_at_carriers(self._clock.now())  # whoever wished it waits for the row to say so

    async def _steer_regularly(self) -> None:
        while not self._drained.is_set():
            await self._rest(self._pace.steer_s, self._drained)
            with suppress(OperationalError):  # of which the rounds of housekeeping tell the log
                await self._steer()
