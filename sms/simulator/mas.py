"""The simulated cloud MAS: an HTTP server on a real socket that checks the mac, reports, and pushes what phones send.

A push that is not answered 200 is made again. Limits: one account; nothing is kept over a restart; long texts are not
divided, for a client of a MAS never sees the parts.
"""

import asyncio
import base64
import binascii
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from types import TracebackType

import httpx
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kernel.clock import Clock
from sms import text
from sms.mas import messages as mas
from sms.receipts import CHINA
from sms.simulator.handset import Handset


@dataclass(kw_only=True)
class MasFaults:
    """What can be made to go wrong. Every knob may be turned while it runs."""

    #: The next submissions are answered so, and not taken.
    rspcods: deque[str] = field(default_factory=deque)
    #: The next submissions meet this HTTP status, and are not taken.
    http_statuses: deque[int] = field(default_factory=deque)
    answer_delay_s: float = 0.0
    #: The next so many submissions are taken, but not answered: the sender cannot know.
    lose_answers: int = 0
    #: Reports overtake the answer to their submission.
    report_first: bool = False
    report_delay_s: float = 0.0
    duplicate_reports: bool = False
    no_reports: bool = False
    #: Every text from a phone is pushed once more after it was taken.
    duplicate_texts: bool = False
    #: Numbers that get UNDELIV, with the error of an empty number.
    undeliverable: set[str] = field(default_factory=set)


class CloudMas:
    """`async with CloudMas(account, signature="…", clock=...) as cloud:` then post to `cloud.url`.

    `push_to` is the address of the client's door, without "/report" and "/text"; empty: nothing is pushed.
    """

    def __init__(
        self,
        account: mas.Account,
        *,
        signature: str,
        clock: Clock,
        service_code: str = "10690000",
        host: str = "127.0.0.1",
        port: int = 0,
        push_to: str = "",
        again_s: float = 0.02,
        faults: MasFaults | None = None,
    ) -> None:
        self.host, self.port, self.push_to = host, port, push_to
        self.faults = faults or MasFaults()
        self.counts: Counter[str] = Counter()
        #: The last bodies that were posted, as they came.
        self.bodies: deque[bytes] = deque(maxlen=1000)
        self.account, self.signature = account, signature
        self._clock, self._service_code, self._again_s = clock, service_code, again_s
        self._serials = count(1)
        self._handsets: dict[str, Handset] = {}
        self._pushes: set[asyncio.Task[None]] = set()
        self._closing, self._open = asyncio.Event(), AsyncExitStack()

    async def __aenter__(self) -> "CloudMas":
        app = Starlette(routes=[Route("/sms/norsubmit", self._submitted, methods=["POST"])])
        self._client = await self._open.enter_async_context(httpx.AsyncClient(trust_env=False))
        self.port = await self._open.enter_async_context(serving(app, host=self.host, port=self.port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        for push in self._pushes:
            push.cancel()
        await self._open.aclose()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/sms/norsubmit"

    def handset(self, number: str) -> Handset:
        """The phone with this number; there is exactly one."""
        if number not in self._handsets:
            self._handsets[number] = Handset(number, self, self._clock.now)
        return self._handsets[number]

    async def carry(self, source: str, destination: str, segments: text.Segments, timeout_s: float) -> None:
        """From a phone to the client's door. Returns when it was taken."""
        octets = b"".join(text.split_header(part)[1] if segments.has_header else part for part in segments.parts)
        body = msgspec.json.encode(
            {
                "mobile": source,
                "smsContent": text.decode(octets, segments.coding),
                "sendTime": f"{self._clock.now().astimezone(CHINA):%Y-%m-%d %H:%M:%S}",
                "addSerial": destination,
            }
        )
        async with asyncio.timeout(timeout_s):
            for _ in range(2 if self.faults.duplicate_texts else 1):
                await self._push("text", body)

    # ---- one submission

    async def _submitted(self, request: Request) -> Response:
        body = await request.body()
        self.counts["submitted"] += 1
        self.bodies.append(body)
        if self.faults.http_statuses:
            return Response(status_code=self.faults.http_statuses.popleft())
        try:
            said = msgspec.json.decode(base64.b64decode(body, validate=True), type=mas.Submission)
        except (binascii.Error, msgspec.MsgspecError):
            return _answer("InvalidMessage")
        refusal = self.faults.rspcods.popleft() if self.faults.rspcods else self._refusal(said)
        if refusal:
            return _answer(refusal)
        return await self._taken(said)

    def _refusal(self, said: mas.Submission) -> str:
        account, mobiles = self.account, said.mobiles.split(",")
        if (said.ec_name, said.ap_id) != (account.ec_name, account.ap_id):
            return "InvalidUsrOrPwd"
        if said.sign != account.sign:
            return "IllegalSignId"
        expected = msgspec.structs.replace(account, add_serial=said.add_serial)
        if said.mac != mas.mac(expected, said.mobiles, said.content):
            return "IllegalMac"
        if len(mobiles) > 5000:
            return "TooManyMobiles"
        return "" if all(re.fullmatch(r"1[0-9]{10}", mobile) for mobile in mobiles) else "InvalidMobile"

    async def _taken(self, said: mas.Submission) -> Response:
        faults = self.faults
        self.counts["taken"] += 1
        msg_group = f"{self._clock.now().astimezone(CHINA):%m%d%H%M%S}{next(self._serials):012d}"
        for mobile in said.mobiles.split(","):
            if mobile not in faults.undeliverable:
                words = f"【{self.signature}】{said.content}"
                self.handset(mobile).receive(self._service_code + said.add_serial, words)
            if not faults.no_reports:
                reporting = self._report(mobile, msg_group)
                if faults.report_first:
                    await reporting
                else:
                    self._spawn(reporting)
        if faults.lose_answers:
            faults.lose_answers -= 1
            await self._closing.wait()
        if faults.answer_delay_s:
            await asyncio.sleep(faults.answer_delay_s)
        return _answer("success", msg_group)

    # ---- pushes

    async def _report(self, mobile: str, msg_group: str) -> None:
        failed = mobile in self.faults.undeliverable
        now = self._clock.now().astimezone(CHINA)
        body = msgspec.json.encode(
            {
                "reportStatus": "UNDELIV" if failed else "DELIVRD",
                "mobile": mobile,
                "submitDate": f"{now:%Y%m%d%H%M%S}",
                "receiveDate": f"{now + timedelta(seconds=2):%Y%m%d%H%M%S}",
                "errorCode": "MK:0001" if failed else "DELIVRD",
                "msgGroup": msg_group,
            }
        )
        if self.faults.report_delay_s:
            await asyncio.sleep(self.faults.report_delay_s)
        for _ in range(2 if self.faults.duplicate_reports else 1):
            await self._push("report", body)

    async def _push(self, what: str, body: bytes) -> None:
        """Until it is answered 200."""
        while self.push_to and not self._closing.is_set():
            self.counts[f"{what} pushed"] += 1
            with suppress(httpx.TransportError):
                headers = {"Content-Type": "application/json"}
                answer = await self._client.post(f"{self.push_to}/{what}", content=body, headers=headers)
                if answer.status_code == httpx.codes.OK:
                    return
                self.counts[f"{what} answered {answer.status_code}"] += 1
            await asyncio.sleep(self._again_s)

    def _spawn(self, push: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(push)
        self._pushes.add(task)
        task.add_done_callback(self._pushes.discard)


@asynccontextmanager
async def serving(app: Starlette, *, host: str, port: int) -> AsyncIterator[int]:
    """Serves `app` while the block runs; yields the port, which the system chooses when `port` is 0."""
    server = _Server(uvicorn.Config(app, host=host, port=port, log_config=None, lifespan="off", access_log=False))
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            await task  # says why
        await asyncio.sleep(0.005)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: it is a guest in this process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _answer(rspcod: str, msg_group: str = "") -> Response:
    body = msgspec.json.encode(mas.Answer(rspcod, rspcod == "success", msg_group))
    return PlainTextResponse(body, media_type="application/json")
