"""A carrier that is a cloud MAS: texts as POSTs of JSON, receipts and texts from people as pushes (mas_push.py).

One POST per message, several at once, so that each message has a msgGroup of its own. The MAS divides long texts by
itself and answers, and reports, once: the msgGroup becomes the id of every part, and its report settles them all.
There is no bind: the MAS counts as up from a connection that stood (a knock) until trouble; after trouble it rests,
twice as long each time, and then one message alone tries the ground. While it is unreachable or does not answer
nothing waits here: what is certainly unsent goes back to the queue and may go another way.
Limits: a connection the MAS closes at the moment we use it counts as an unknown outcome; reports that the MAS pushes
while this process is down and does not push again are lost, for nothing is fetched.
"""

import asyncio
import logging
import ssl
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from alerts.texts import parts_needed
from sms.carriers import Arrival, Condition, Ears, MobileText, OnSent, Sent
from sms.link import BACKOFF, Backoff
from sms.mas import messages as mas
from sms.pacing import Rate
from sms.statuses import DEFAULT_POLICY, Fault, Meaning, Policy, RetryIn, decide

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


class _Message:
    """A text in our hands. `seqs` are the numbers of its parts that were not taken before."""

    __slots__ = ("attempts", "content", "on_sent", "parts", "phone", "sent_at", "seqs")

    def __init__(self, phone: str, words: str, skip: frozenset[int], on_sent: OnSent) -> None:
        self.phone, self.content, self.on_sent = phone, mas.without_signature(words), on_sent
        self.parts = parts_needed(words)
        self.seqs = [number for number in range(1, self.parts + 1) if number not in skip]
        self.attempts, self.sent_at = 0, 0.0


class MasHttpCarrier:
    """`connections` messages are under way at once. `jitter` draws from [0, 1)."""

    def __init__(
        self,
        name: str,
        url: str,
        account: mas.Account,
        *,
        jitter: Callable[[], float],
        connections: int = 8,
        parts_per_s: float | None = None,
        patience: Patience = PATIENCE,
        backoff: Backoff = BACKOFF,
        policy: Policy = DEFAULT_POLICY,
        weight: int = 10,
    ) -> None:
        self.name, self.weight = name, weight
        #: One while in doubt: what is claimed and given back has lost an attempt.
        self.ahead = self._most = 4 * connections
        self.counts: Counter[str] = Counter()
        self.last_error = ""
        self._url, self._account, self._connections = url, account, connections
        self._tls = ssl.create_default_context() if url.startswith("https:") else None
        self._rate, self._patience, self._backoff, self._policy = Rate(parts_per_s), patience, backoff, policy
        self._jitter = jitter
        self._ears: Ears | None = None
        self._waiting: deque[_Message] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._taking: set[asyncio.Future[int]] = set()
        self._knocking: asyncio.Task[None] | None = None
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
            paused_for_s=max(0.0, self._rest_until - _now()),
            last_error=self.last_error,
            counts=dict(self.counts),
        )

    def send(self, text: MobileText, on_sent: OnSent) -> None:
        message = _Message(text.phone, text.words, text.skip, on_sent)
        if self._is_draining or not self._is_reachable:
            self._unsent(message, "draining" if self._is_draining else "not connected")
            return
        self._waiting.append(message)
        self._news.set()

    async def run(self, ears: Ears) -> None:
        """Until `drain`, whatever the network does."""
        self._ears = ears
        limits = httpx.Limits(max_connections=self._connections, max_keepalive_connections=self._connections)
        verify = self._tls if self._tls is not None else False  # by HTTP there is nothing to verify
        timeout = httpx.Timeout(self._patience.answer_s, connect=self._patience.connect_s)
        try:
            async with (
                httpx.AsyncClient(verify=verify, limits=limits, timeout=timeout, trust_env=False) as client,
                asyncio.TaskGroup() as posts,
            ):
                while not self._is_draining or self._under_way:
                    self._news.clear()
                    wait_s = self._pump(client, posts, _now())
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait_s):
                            await self._news.wait()
        finally:
            self._is_reachable, self._ears = False, None
            self._give_back("the carrier was stopped")

    async def drain(self, timeout_s: float) -> None:
        """What has not left goes back to the queue; what is under way has `timeout_s` to be answered."""
        self._is_draining = True
        self._give_back("draining")
        self._news.set()
        if self._knocking is not None:
            self._knocking.cancel()
        if self._under_way:
            _, unanswered = await asyncio.wait(self._under_way, timeout=timeout_s)
            for post in unanswered:
                post.cancel()
            await asyncio.gather(*unanswered, return_exceptions=True)

    # ---- what the MAS pushes

    async def reported(self, report: mas.Report) -> bool:
        """Whether the receipt is recorded; if not, the MAS must say it again."""
        receipt = mas.heard(report)
        if receipt is None:
            return True
        return self._ears is not None and await self._recorded(self._ears.heard(receipt))

    async def texted(self, text: mas.Text, body: bytes) -> bool:
        """Whether the text is recorded; `body` is its evidence."""
        if self._ears is None:
            return False
        return await self._recorded(self._ears.arrived(Arrival(self.name, mas.part(text, body), body)))

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
            wait_s = self._rate.take(self._waiting[0].parts, now)
            if wait_s:
                return wait_s
            message = self._waiting.popleft()
            message.sent_at = now
            post = posts.create_task(self._post(client, message))
            self._under_way.add(post)
            post.add_done_callback(partial(self._posted, message))
        return None

    def _posted(self, message: _Message, post: asyncio.Task[None]) -> None:
        self._under_way.discard(post)
        if post.cancelled():
            self._settle(message, Fault.UNKNOWN, "no answer: stopped waiting")
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

    async def _post(self, client: httpx.AsyncClient, message: _Message) -> None:
        body = mas.submission(self._account, message.phone, message.content)
        try:
            async with asyncio.timeout(self._patience.answer_s):
                meaning, msg_group = await self._ask(client, body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            self._is_reachable = False
            self._unsent(message, f"cannot connect: {type(error).__name__}")
            self._trouble(message.sent_at, f"cannot connect: {type(error).__name__}")
        except (httpx.RequestError, TimeoutError) as error:
            self._settle(message, Fault.UNKNOWN, f"no answer: {type(error).__name__}")
            self._trouble(message.sent_at, f"no answer: {type(error).__name__}")
        else:
            self._answered(message, meaning, msg_group)

    async def _ask(self, client: httpx.AsyncClient, body: bytes) -> tuple[Meaning, str]:
        headers = {"Content-Type": "text/plain", "Accept-Encoding": "identity"}
        async with client.stream("POST", self._url, content=body, headers=headers) as response:
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
        return mas.of_response(answer.rspcod), answer.msg_group

    def _answered(self, message: _Message, meaning: Meaning, msg_group: str) -> None:
        self.counts[meaning.name] += 1
        if meaning.name in mas.OF_THE_ACCOUNT:
            # As if the bind had been refused: nothing is lost while somebody corrects the account.
            self._unsent(message, meaning.name)
            self._trouble(message.sent_at, meaning.name)
        elif meaning.fault is Fault.THROTTLED:
            self._throttled(message, meaning.name)
        elif meaning.fault is Fault.UNKNOWN:
            self._settle(message, Fault.UNKNOWN, meaning.name)
            self._trouble(message.sent_at, meaning.name)
        else:
            if message.sent_at >= self._rest_until:
                self._streak, self.ahead = 0, self._most
            if meaning.fault is None:
                message.on_sent(Sent(tuple((seq, mas.plain(msg_group)) for seq in message.seqs)))
            else:
                self._settle(message, meaning.fault, meaning.name)

    # ---- trouble

    def _throttled(self, message: _Message, name: str) -> None:
        """Everything waits here, in its order, until the MAS takes more; only this message has lost a try."""
        self._rest(message.sent_at, name, self._throttle_pause)
        message.attempts += 1
        if self._is_draining:
            self._unsent(message, name)
        elif isinstance(decide(Fault.THROTTLED, message.attempts, self._policy), RetryIn):
            self._waiting.appendleft(message)
        else:
            self._settle(message, Fault.THROTTLED, name)

    def _throttle_pause(self, streak: int) -> float:
        pause = decide(Fault.THROTTLED, streak, self._policy)
        return pause.seconds if isinstance(pause, RetryIn) else self._policy[Fault.THROTTLED].cap_s

    def _trouble(self, since: float, why: str) -> None:
        self._rest(since, why, lambda streak: self._backoff.wait(streak - 1, self._jitter()))
        self._give_back(why)

    def _rest(self, since: float, why: str, pause: Callable[[int], float]) -> None:
        self.counts["troubles"] += 1
        self.last_error = why
        if since >= self._rest_until:
            # Begun after the last rest. What was under way before it is still the same trouble.
            log.warning("carrier %s: %s", self.name, why)
            self._streak, self.ahead = self._streak + 1, 1
            self._rest_until = _now() + pause(self._streak)

    def _settle(self, message: _Message, fault: Fault, error: str) -> None:
        message.on_sent(Sent((), fault, error))

    def _unsent(self, message: _Message, why: str) -> None:
        message.on_sent(Sent((), Fault.TEMPORARY, why, is_unsent=True))

    def _give_back(self, why: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        for message in waiting:
            self._unsent(message, why)


def _now() -> float:
    return asyncio.get_running_loop().time()
