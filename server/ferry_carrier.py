"""A carrier that is the outer zone: texts are handed over as records, and taken where there are real carriers.

`send` hands over in batches; a text is sent when the outer zone says that a carrier of its own has all parts, or that
none will. Until then it stays claimed here. The number of its record follows from the message and its words, so that
a text whose process died is handed over again under the same number, which the lane and the outer zone take once: the
answer to the first is the answer to the second, which the outer zone gives again. Only a text that was certainly
refused is handed over under another; or one that the outer zone, restored from a backup, has forgotten: what became of
it nobody knows, so the gateway decides, as with any carrier that was cut off.
Retries, failover and parts are the business of the queue over there; what it gave up is not tried again here.
Limits: a pause of texts over there shows here as texts under way. One batch is one transaction, so a busy database
delays all of it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from operator import attrgetter
from unicodedata import normalize

from msgspec import Struct
from tortoise.exceptions import OperationalError

from alerts.settling import Heard
from alerts.states import State, as_int
from alerts.templates import BY_ID
from alerts.texts import MessageClass, parts_needed
from ferry.lanes import Lane
from ferry.outgoing import hand_over
from ferry.records import Envelope
from ferry.refusals import RecordRefused
from ferry.station import Route
from ferry.zones import texts_inside
from ferry.zones.bell import Bell
from ferry.zones.texts import ENDED, FORGOTTEN, REFUSED, SEND, TextSend
from ferry.zones.texts_inside import AGAIN, LOST, MOST
from kernel.chance import Secrets
from kernel.clock import Clock
from kernel.db import Database, Row, instant
from sms.carriers import Condition, Ears, MobileText, OnSent, Sent
from sms.patience import cause_of
from sms.statuses import Fault

log = logging.getLogger(__name__)


class Patience(Struct, frozen=True, kw_only=True):
    """Waits. `silent`: a peer that has said nothing for so long is down, so several of its heartbeats."""

    silent: timedelta = timedelta(minutes=15)
    #: Between two looks at what was reported, unless woken.
    look_s: float = 0.5
    #: For word of a text that has expired.
    word_s: float = 900.0
    #: At the end, for answers to what is under way. They may take hours, and are found in the book afterwards.
    leave_s: float = 1.0


PATIENCE = Patience()
_FORGET_EVERY = timedelta(hours=1)


class _Text(Struct, frozen=True):
    text: MobileText
    on_sent: OnSent

    @property
    def place(self) -> int:
        return self.text.priority


class _Numbered(Struct, frozen=True, kw_only=True):
    given: _Text
    rid: str
    tries: int
    is_new: bool = True


def _nobody() -> None:
    pass


def _anywhere(point: str) -> None:
    pass


class TextFerry:
    """`ahead` texts may be on their way there and back. Nothing is lost with them in a crash, only asked again.

    `takes_codes`: whether texts go out there whose code acts. `handed` is called when records wait to be carried.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        clock: Clock,
        secrets: Secrets,
        route: Route,
        *,
        weight: int = 10,
        ahead: int = 1000,
        takes_codes: bool = False,
        patience: Patience = PATIENCE,
        handed: Callable[[], None] = _nobody,
        reach: Callable[[str], None] = _anywhere,
    ) -> None:
        self.name, self.weight, self.ahead, self.takes_codes = name, weight, ahead, takes_codes
        self.needs_left = timedelta()  # the end of a text's life crosses with it
        self._database, self._clock, self._secrets, self._route = database, clock, secrets, route
        self._patience, self._bell, self._handed, self._reach = patience, Bell(), handed, reach
        self._waiting: list[_Text] = []
        self._in_hand: list[_Text] = []  # being written down
        self._under_way: dict[str, _Text] = {}  # by record
        self._late_since_s: dict[str, float] = {}
        self._counts: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._last_error = ""
        self._heard_at: datetime | None = None
        self._is_paused = self._is_draining = self._is_leaving = False
        self._is_idle, self._is_over = asyncio.Event(), asyncio.Event()
        self._is_over.set()
        self._forgot_at: datetime | None = None

    # ---- what the gateway asks

    @property
    def is_up(self) -> bool:
        return self._state() == "up"

    def _state(self) -> str:
        if self._is_draining:
            return "draining"
        if self._is_over.is_set() or self._heard_at is None:
            return "down"
        if self._is_paused:
            return "paused"
        return "up" if self._clock.now() - self._heard_at <= self._patience.silent else "down"

    def condition(self) -> Condition:
        silent = (self._clock.now() - self._heard_at).total_seconds() if self._heard_at else None
        return Condition(
            state=self._state(),
            in_flight=len(self._under_way),
            window=self.ahead,
            waiting=len(self._waiting),
            silent_for_s=silent,
            last_error=self._last_error,
            counts=dict(self._counts),
            refusals=dict(self._refusals),
        )

    def send(self, text: MobileText, on_sent: OnSent) -> None:
        if self._is_draining or self._is_over.is_set():
            _unsent(on_sent, "draining" if self._is_draining else "not running")
            return
        self._waiting.append(_Text(text, on_sent))
        self._bell.ring()

    def wake(self) -> None:
        """Something came from the outer zone."""
        self._bell.ring()

    async def run(self, ears: Ears) -> None:
        self._is_over.clear()
        try:
            while not self._is_leaving:
                heard, busy = self._bell.rung, False
                try:
                    busy = await self._round(ears)
                except OperationalError as refused:
                    log.warning("carrier %s: the database is busy: %s", self.name, cause_of(refused))
                if not self._under_way and not self._waiting:
                    self._is_idle.set()
                if not busy and not self._is_leaving:
                    await self._bell.wait(heard, self._patience.look_s)
        finally:
            self._end()

    async def drain(self, timeout_s: float) -> None:
        self._is_draining = True
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            _unsent(each.on_sent, "draining")
        if not self._is_over.is_set():
            self._is_idle.clear()
            self._bell.ring()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(timeout_s, self._patience.leave_s)):
                    await self._is_idle.wait()
            self._is_leaving = True
            self._bell.ring()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._is_over.wait()
        self._is_draining = self._is_leaving = False

    def _end(self) -> None:
        """What is under way is found in the book when it is sent again."""
        under_way, self._under_way = [*self._in_hand, *self._under_way.values()], {}
        waiting, self._waiting, self._in_hand = self._waiting, [], []
        for each in under_way:
            each.on_sent(Sent((), Fault.UNKNOWN, "under way"))
        for each in waiting:
            _unsent(each.on_sent, "the carrier was stopped")
        self._is_over.set()

    # ---- one round

    async def _round(self, ears: Ears) -> bool:
        """Whether there may be more to do at once."""
        now = self._clock.now()
        await self._look_at_the_way()
        handed = await self._hand_over(now)
        told = await self._tell(ears)
        self._give_up(now)
        if self._forgot_at is None or not timedelta(0) <= now - self._forgot_at < _FORGET_EVERY:
            await texts_inside.forget(self._database, self._route.peer, now=now)
            self._forgot_at = now
        return max(handed, told) >= MOST

    async def _look_at_the_way(self) -> None:
        rows = await self._database.rows(
            "SELECT heard_at, (SELECT wanted FROM ferry_channel c WHERE c.peer = p.peer AND c.lane = $2) AS wanted"
            " FROM ferry_peer p WHERE p.peer = $1",
            self._route.peer,
            Lane.URGENT,
        )
        for row in rows:
            self._heard_at, self._is_paused = instant(row["heard_at"]), row["wanted"] not in (None, "running")

    async def _hand_over(self, now: datetime) -> int:
        self._waiting.sort(key=attrgetter("place"))
        batch = self._fresh(self._waiting[:MOST], now)
        if not batch:
            return 0
        # While they are being written nobody may say that they were not sent.
        chosen = {id(each) for each in batch}
        self._waiting = [each for each in self._waiting if id(each) not in chosen]
        self._in_hand, peer = batch, self._route.peer
        try:
            async with self._database.transaction():
                known = await texts_inside.known(self._database, peer, [each.text.reference for each in batch])
                numbered = [self._numbered(each, known.get(each.text.reference)) for each in batch]
                new = [each for each in numbered if each.is_new]
                entries = [texts_inside.Entry(each.given.text.reference, each.tries, each.rid) for each in new]
                await texts_inside.enter(self._database, peer, entries, now=now)
                records = [self._envelope(each.given.text, each.rid, now) for each in new]
                await hand_over(self._database, self._route, records, now=now)
                self._reach("before hand over")
            self._handed()
            self._reach("after hand over")
        except OperationalError:
            self._waiting, self._in_hand = [*batch, *self._waiting], []
            raise
        self._in_hand = []
        self._counts["handed"] += len(new)
        self._under_way |= {each.rid: each.given for each in numbered}
        return len(batch)

    def _fresh(self, batch: Sequence[_Text], now: datetime) -> list[_Text]:
        """Those that may go. The others are answered."""
        fresh = []
        for each in batch:
            if each.text.expires_at <= now:
                self._waiting.remove(each)
                _unsent(each.on_sent, "expired while it waited")
                continue
            template = BY_ID.get(each.text.template)
            if template is not None and template.confirms and not self.takes_codes:
                self._waiting.remove(each)
                each.on_sent(Sent((), Fault.TECHNICAL, "CODE_STAYS_INSIDE"))
                continue
            try:
                self._route.types.line(self._envelope(each.text, "text", now), self._route.sends)
            except RecordRefused as refusal:
                self._waiting.remove(each)
                self._refusals[refusal.code] += 1
                each.on_sent(Sent((), Fault.TECHNICAL, refusal.code))
                continue
            fresh.append(each)
        return fresh

    def _numbered(self, given: _Text, row: Row | None) -> _Numbered:
        """The number of its record: the last try's, unless that came to nothing for certain.

        It holds the words too: after a restore the number of a message is given again.
        """
        text = given.text
        said = self._secrets.digest("text.send", f"{text.phone}\n{text.words}")[:16]
        tries = as_int(row["tries"]) if row is not None else 1
        rid = f"text.{text.reference}.{tries}.{said}"
        if row is None or row["rid"] != rid:
            return _Numbered(given=given, rid=rid, tries=tries)
        if row["state"] in AGAIN and not row["taken"]:
            return _Numbered(given=given, rid=f"text.{text.reference}.{tries + 1}.{said}", tries=tries + 1)
        return _Numbered(given=given, rid=rid, tries=tries, is_new=False)

    def _envelope(self, text: MobileText, rid: str, now: datetime) -> Envelope:
        template = BY_ID.get(text.template)
        return Envelope(
            rid=rid,
            type=SEND,
            key=rid,
            at=now,
            expires=text.expires_at,
            body=TextSend(
                phone=text.phone,
                words=normalize("NFC", text.words),
                priority=text.priority,
                message_class=template.message_class if template else MessageClass.NOTICE,
                confirms=template.confirms if template else False,
                extension=text.extension,
                template=text.template,
            ),
        )

    # ---- what came back

    async def _tell(self, ears: Ears) -> int:
        """Tells the gateway what is new in the book; how much it was."""
        rows = await texts_inside.news(self._database, self._route.peer, self._under_way)
        recording = [self._told(ears, row) for row in rows]
        for heard in {id(each): each for each in recording if each is not None}.values():
            # Receipts of one batch share a future; it is cancelled when the database fails.
            await asyncio.wait([asyncio.ensure_future(heard)])
        told = [row for row, heard in zip(rows, recording, strict=True) if heard is None or _is_recorded(heard)]
        if told:
            self._reach("before told")
            await texts_inside.were_told(self._database, told)
            self._reach("after told")
        return len(told)

    def _told(self, ears: Ears, row: Row) -> "asyncio.Future[int] | None":
        """Answers whoever waits for this text. What must be recorded before it may be forgotten, if anything."""
        rid, state, error = str(row["rid"]), str(row["state"]), str(row["error"])
        if error:
            self._last_error = f"{row['via']} {error}".strip()
        if row["taken"]:
            if (each := self._under_way.pop(rid, None)) is not None:
                self._counts["taken"] += 1
                numbers = range(1, parts_needed(each.text.words) + 1)
                each.on_sent(Sent(tuple((number, rid) for number in numbers if number not in each.text.skip)))
            if state not in ENDED:
                return None  # what nobody knows over there ends here by itself, and may still be corrected
            self._counts[state] += 1
            outcome = State.FAILED if state == State.DEAD else State(state)
            return asyncio.ensure_future(ears.heard(Heard(rid, outcome, str(row["to_phone"] or ""), error)))
        if state not in LOST:
            # It waits over there, or nobody knows yet whether a carrier took it.
            self._counts["delayed"] += 1
            return None
        if (each := self._under_way.pop(rid, None)) is not None:
            self._counts[state] += 1
            if state == FORGOTTEN:
                each.on_sent(Sent((), Fault.UNKNOWN, "forgotten outside"))
            elif state == State.EXPIRED:
                _unsent(each.on_sent, "expired on its way")
            else:
                self._refusals[error or state] += 1
                fault = Fault.TECHNICAL if state == REFUSED else Fault.PERMANENT
                each.on_sent(Sent((), fault, error or state))
        return None

    def _give_up(self, now: datetime) -> None:
        """What is worth nothing any more, and nobody says a word of, is held no longer."""
        steady_s = asyncio.get_running_loop().time()
        late = {rid for rid, each in self._under_way.items() if each.text.expires_at <= now}
        # By the steady clock: after a jump of the other one there must be time for the answers that lie ready.
        self._late_since_s = {rid: self._late_since_s.get(rid, steady_s) for rid in late}
        for rid, since_s in self._late_since_s.items():
            if steady_s - since_s >= self._patience.word_s:
                self._counts["unanswered"] += 1
                self._under_way.pop(rid).on_sent(Sent((), Fault.UNKNOWN, "no word from the outer zone"))


def _is_recorded(heard: "asyncio.Future[int]") -> bool:
    return heard.done() and not heard.cancelled() and heard.exception() is None and heard.result() == 0


def _unsent(on_sent: OnSent, why: str) -> None:
    on_sent(Sent((), Fault.TEMPORARY, why, is_unsent=True))
