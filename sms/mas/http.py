"""A carrier that is a cloud MAS: texts as POSTs of JSON; receipts and texts from people are pushed, or fetched.

One POST per message, several at once, so that each message has a msgGroup of its own. The MAS divides long texts by
itself and answers, and reports, once: the msgGroup becomes the id of every part, and its report settles them all.
A text whose template is registered at the MAS goes as that template and its values, any other as it is, if it may.
There is no bind: the MAS counts as up from a connection that stood (a knock) until trouble; after trouble it rests,
twice as long each time, and then one message alone tries the ground. While it is unreachable or does not answer
nothing waits here: what is certainly unsent goes back to the queue and may go another way.
Limits: a connection the MAS closes at the moment we use it counts as an unknown outcome; reports that the MAS pushes
while this process is down and does not push again are lost unless they are fetched as well.
"""

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from urllib.parse import urljoin, urlsplit

import httpx
from msgspec import Struct

from kernel.clock import Clock
from sms.carriers import UNTOLD, Arrival, Condition, Ears, MobileText, OnSent, Sent
from sms.link import BACKOFF, Backoff
from sms.mas import messages as mas
from sms.mas.post import Message, unsent
from sms.mas.pull import Puller, Shelf
from sms.mas.templates import Templates
from sms.pacing import Rate
from sms.statuses import DEFAULT_POLICY, Fault, Meaning, Policy, RetryIn, decide
from sms.tally import tally

log = logging.getLogger(__name__)


class Patience(Struct, frozen=True, kw_only=True):
    """Waits, in seconds."""

    connect_s: float = 5.0
    #: A MAS that answers later is taken to be overloaded; the text may have gone.
    answer_s: float = 20.0
    #: Longer than a slow transaction, shorter than what pushes usually wait for an answer.
    record_s: float = 10.0


PATIENCE = Patience()
#: An answer is a hundred octets; more is from somebody else.
_MAX_ANSWER_OCTETS = 16_384


class MasHttpCarrier:
    """`connections` messages are under way at once; `jitter` draws from [0, 1). `pull_every_s` 0: no fetching."""

    def __init__(
        self,
        name: str,
        url: str,
        account: mas.Account,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        connections: int = 8,
        parts_per_s: float | None = None,
        templates: Templates | None = None,
        pull_every_s: float = 0.0,
        patience: Patience = PATIENCE,
        backoff: Backoff = BACKOFF,
        policy: Policy = DEFAULT_POLICY,
        weight: int = 10,
        needs_left: timedelta = UNTOLD,
    ) -> None:
        self.name, self.weight, self.needs_left = name, weight, needs_left
        #: One while in doubt: the others could have had what is claimed and given back.
        self.ahead = self._most = 4 * connections
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.last_error = ""
        self._last_error_at: datetime | None = None
        self._is_error_past = False
        self._answer_s: float | None = None
        self._clock, self._templates = clock, templates or Templates()
        self._url, self._account, self._connections = url, account, connections
        self._tls = ssl.create_default_context() if url.startswith("https:") else None
        self._parts_per_s, self._rate = parts_per_s, Rate(parts_per_s)
        self._patience, self._backoff, self._policy = patience, backoff, policy
        self._jitter = jitter
        self._ears: Ears | None = None
        self._tickets = 0
        self._waiting: list[tuple[tuple[int, int], Message]] = []  # a heap, by ticket
        self._under_way: set[asyncio.Task[None]] = set()
        #: Places of those under way that were throttled before.
        self._again: set[tuple[int, int]] = set()
        self._taking: set[asyncio.Future[int]] = set()
        self._knocking: asyncio.Task[None] | None = None
        self._pullers = self._shelves(pull_every_s) if pull_every_s else ()
        self._pulling: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self._is_reachable = self._is_draining = False
        #: Troubles in a row, and until when to rest after the last, on the event loop's clock.
        self._streak, self._rest_until = 0, 0.0

    @property
    def is_up(self) -> bool:
        return self._is_reachable and not self._is_draining and _now() >= self._rest_until

    def condition(self) -> Condition:
        return Condition(
            state="draining" if self._is_draining else "up" if self.is_up else "down",
            in_flight=len(self._under_way),
            window=self._connections,
            waiting=len(self._waiting),
            parts_per_s=self._parts_per_s,
            paused_for_s=max(0.0, self._rest_until - _now()),
            answer_s=self._answer_s,
            last_error=self.last_error,
            last_error_at=self._last_error_at,
            is_error_past=self._is_error_past,
            counts=dict(self.counts),
            refusals=dict(self.refusals),
        )

    def send(self, text: MobileText, on_sent: OnSent) -> None:
        if self._is_draining or not self._is_reachable:
            unsent(on_sent, "draining" if self._is_draining else "not connected")
            return
        content = mas.without_signature(text.words)
        by_template = self._templates.submission(text, content)
        if by_template is not None:
            url = urljoin(self._url, "tmpsubmit")
            body = mas.template_submission(self._account, text.phone, *by_template, text.extension)
        elif self._templates.only:
            # Not the MAS's word but what it would be: nobody can register the template by trying again sooner.
            tally(self.refusals, "no template")
            why = "worded otherwise" if self._templates.knows(text) else "not mapped"
            on_sent(Sent((), Fault.TECHNICAL, f"template {text.template or '-'} {why}"))
            return
        else:
            url, body = self._url, mas.submission(self._account, text.phone, content, text.extension)
        self._tickets += 1
        self._put(Message(text, on_sent, self._tickets, url, body))
        self._news.set()

    def _put(self, message: Message) -> None:
        heappush(self._waiting, (message.ticket, message))

    async def run(self, ears: Ears) -> None:
        """Until `drain`, whatever the network does; may be called again after it."""
        self._ears = ears
        most = self._connections + len(self._pullers)
        limits = httpx.Limits(max_connections=most, max_keepalive_connections=most)
        verify = self._tls if self._tls is not None else False  # by HTTP there is nothing to verify
        timeout = httpx.Timeout(self._patience.answer_s, connect=self._patience.connect_s)
        try:
            async with (
                httpx.AsyncClient(verify=verify, limits=limits, timeout=timeout, trust_env=False) as client,
                asyncio.TaskGroup() as posts,
            ):
                self._pulling = [posts.create_task(puller.run(client)) for puller in self._pullers]
                while not self._is_draining or self._under_way:
                    self._news.clear()
                    wait_s = self._pump(client, posts, _now())
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait_s):
                            await self._news.wait()
        finally:
            self._is_reachable, self._is_draining, self._ears = False, False, None
            self._give_back("the carrier was stopped")

    async def drain(self, timeout_s: float) -> None:
        """What has not left goes back to the queue; what is under way has `timeout_s` to be answered."""
        self._is_draining = True
        self._give_back("draining")
        self._news.set()
        if self._knocking is not None:
            self._knocking.cancel()
        for puller in self._pullers:
            puller.stop()
        if under_way := [*self._under_way, *self._pulling]:
            _, unanswered = await asyncio.wait(under_way, timeout=timeout_s)
            for task in unanswered:
                task.cancel()
            await asyncio.gather(*unanswered, return_exceptions=True)

    # ---- what the MAS pushes, or keeps for us

    async def reported(self, said: Sequence[tuple[mas.Report, bytes]]) -> bool:
        """Whether all receipts are recorded; if not, the MAS must say them again."""
        if self._ears is None:
            return False
        # Receipts of one transaction share a future.
        taking = {self._ears.heard(receipt) for report, _ in said for receipt in mas.heard(report)}
        return all(await asyncio.gather(*map(self._recorded, taking)))

    async def texted(self, said: Sequence[tuple[mas.Text, bytes]]) -> bool:
        """Whether all texts are recorded; their octets are evidence."""
        for text, octets in said:
            if self._ears is None:
                return False
            arrival = Arrival(self.name, mas.part(text, octets), mas.identity(text), is_dated=bool(text.send_time))
            if not await self._recorded(self._ears.arrived(arrival)):
                return False
        return True

    def _shelves(self, every_s: float) -> tuple[Puller[mas.Report], Puller[mas.Text]]:
        def puller(shelf: Shelf[mas.S]) -> Puller[mas.S]:
            return Puller(
                self.name,
                self._url,
                self._account,
                shelf,
                every_s=every_s,
                backoff=self._backoff,
                jitter=self._jitter,
                counts=self.counts,
            )

        return (
            puller(Shelf("report", mas.Report, self.reported)),
            puller(Shelf("deliver", mas.Text, self.texted)),
        )

    async def _recorded(self, taking: Awaitable[int]) -> bool:
        # Not awaited itself: receipts share one future, which nobody may cancel for the others, and which is cancelled
        # when the database fails.
        future = asyncio.ensure_future(taking)
        self._taking.add(future)
        future.add_done_callback(self._taking.discard)
        await asyncio.wait([future], timeout=self._patience.record_s)
        if not future.done() or future.cancelled():
            return False
        if error := future.exception():
            log.error("carrier %s: a push was not recorded: %s", self.name, type(error).__name__)
            return False
        return future.result() == 0

    # ---- out

    def _pump(self, client: httpx.AsyncClient, posts: asyncio.TaskGroup, now: float) -> float | None:
        """Sends what may go. Returns the seconds after which to look again, if nothing happens before."""
        if self._is_draining:
            return None
        if now < self._rest_until:
            return self._rest_until - now
        if not self._is_reachable:
            if self._knocking is None:
                self._knocking = posts.create_task(self._knock())
                self._knocking.add_done_callback(self._knocked)
            return None
        while self._waiting and len(self._under_way) < self._connections:
            if self._streak and self._under_way:
                return None
            message = self._waiting[0][1]
            if self._again and not message.attempts and min(self._again) < message.ticket:
                return None  # what was throttled goes first, or it might be throttled once more
            if message.text.expires_at <= self._clock.now() + self.needs_left:
                heappop(self._waiting)
                unsent(message.on_sent, "expired while it waited")
                continue
            wait_s = self._rate.take(message.parts, now)
            if wait_s:
                return wait_s
            heappop(self._waiting)
            message.sent_at = now
            if message.attempts:
                self._again.add(message.ticket)
            post = posts.create_task(self._post(client, message))
            self._under_way.add(post)
            post.add_done_callback(partial(self._posted, message))
        return None

    def _posted(self, message: Message, post: asyncio.Task[None]) -> None:
        self._under_way.discard(post)
        self._again.discard(message.ticket)
        if post.cancelled():
            message.settle(Fault.UNKNOWN, "no answer: stopped waiting")
        self._news.set()

    async def _knock(self) -> None:
        """Whether somebody listens; whether it is a MAS, the first message tells."""
        target = urlsplit(self._url)
        began = _now()
        try:
            async with asyncio.timeout(self._patience.connect_s):
                _, writer = await asyncio.open_connection(
                    target.hostname, target.port or (443 if self._tls else 80), ssl=self._tls
                )
            writer.transport.abort()
            self._is_reachable = True
        except OSError as error:  # TimeoutError and ssl.SSLError are among them
            self._trouble(began, f"cannot connect: {type(error).__name__}")

    def _knocked(self, knocking: asyncio.Task[None]) -> None:
        self._knocking = None
        self._news.set()

    async def _post(self, client: httpx.AsyncClient, message: Message) -> None:
        try:
            async with asyncio.timeout(self._patience.answer_s):
                meaning, msg_group = await self._ask(client, message)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            self._is_reachable = False
            unsent(message.on_sent, f"cannot connect: {type(error).__name__}")
            self._trouble(message.sent_at, f"cannot connect: {type(error).__name__}")
        except (httpx.RequestError, TimeoutError) as error:
            message.settle(Fault.UNKNOWN, f"no answer: {type(error).__name__}")
            self._trouble(message.sent_at, f"no answer: {type(error).__name__}")
        else:
            self._answered(message, meaning, msg_group)

    async def _ask(self, client: httpx.AsyncClient, message: Message) -> tuple[Meaning, str]:
        headers = {"Content-Type": "text/plain", "Accept-Encoding": "identity"}
        async with client.stream("POST", message.url, content=message.body, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                return mas.of_http(response.status_code), ""
            said = bytearray()
            async for chunk in response.aiter_raw():
                said += chunk
                if len(said) > _MAX_ANSWER_OCTETS:
                    break
        answer = mas.read(bytes(said), mas.Answer)
        if answer is None:
            return mas.UNREADABLE, ""
        return mas.of_response(answer.rspcod), answer.id

    def _answered(self, message: Message, meaning: Meaning, msg_group: str) -> None:
        took = _now() - message.sent_at
        self._answer_s = took if self._answer_s is None else self._answer_s + (took - self._answer_s) / 12
        if meaning.fault is None:
            self.counts["taken"] += 1
        else:
            tally(self.refusals, meaning.name)
        if meaning.name in mas.OF_THE_ACCOUNT:
            # As if the bind had been refused: nothing is lost while somebody corrects the account.
            unsent(message.on_sent, meaning.name)
            self._trouble(message.sent_at, meaning.name)
        elif meaning.fault is Fault.THROTTLED:
            self._throttled(message, meaning.name)
        elif meaning.fault is Fault.UNKNOWN:
            message.settle(Fault.UNKNOWN, meaning.name)
            self._trouble(message.sent_at, meaning.name)
        else:
            if message.sent_at >= self._rest_until:
                self._streak, self.ahead, self._is_error_past = 0, self._most, bool(self.last_error)
            if meaning.fault is None:
                sms_id = mas.id_of(msg_group, message.text.phone)
                message.on_sent(Sent(tuple((seq, sms_id) for seq in message.seqs)))
            else:
                message.settle(meaning.fault, meaning.name)

    # ---- trouble

    def _throttled(self, message: Message, name: str) -> None:
        """Everything waits here, in its order, until the MAS takes more; only this message has lost a try."""
        self.counts["throttled"] += 1
        self._rest(message.sent_at, name, self._throttle_pause)
        message.attempts += 1
        if self._is_draining:
            unsent(message.on_sent, name)
        elif isinstance(decide(Fault.THROTTLED, message.attempts, self._policy), RetryIn):
            self._put(message)
        else:
            message.settle(Fault.THROTTLED, name)

    def _throttle_pause(self, streak: int) -> float:
        pause = decide(Fault.THROTTLED, streak, self._policy)
        return pause.seconds if isinstance(pause, RetryIn) else self._policy[Fault.THROTTLED].cap_s

    def _trouble(self, since: float, why: str) -> None:
        self._rest(since, why, lambda streak: self._backoff.wait(streak - 1, self._jitter()))
        self._give_back(why)

    def _rest(self, since: float, why: str, pause: Callable[[int], float]) -> None:
        self.counts["troubles"] += 1
        self.last_error, self._last_error_at, self._is_error_past = why, self._clock.now(), False
        if since >= self._rest_until:
            # Begun after the last rest. What was under way before it is still the same trouble.
            log.warning("carrier %s: %s", self.name, why)
            self._streak, self.ahead = self._streak + 1, 1
            self._rest_until = _now() + pause(self._streak)

    def _give_back(self, why: str) -> None:
        waiting, self._waiting = self._waiting, []
        for _, message in sorted(waiting, key=lambda ticketed: ticketed[0]):
            unsent(message.on_sent, why)


def _now() -> float:
    return asyncio.get_running_loop().time()
