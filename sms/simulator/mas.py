"""The simulated cloud MAS: an HTTP server on a real socket that checks the mac, reports, and hands on what phones send.

It takes texts and registered templates, under both paths the interface has. Reports and texts from phones are pushed to
`push_to`, until that answers 200 or `push_tries` are used up; what is not pushed waits to be fetched, once.
Limits: one account; nothing is kept over a restart; long texts are not divided, for a client of a MAS never sees the
parts; no many-to-many content; no TLS.
"""

import asyncio
import base64
import binascii
import json
import re
import ssl
from collections import Counter, deque
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from types import TracebackType

import httpx
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from kernel.clock import Clock
from sms import text
from sms.mas import messages as mas
from sms.receipts import CHINA
from sms.simulator.handset import Handset
from sms.simulator.serving import serving

#: What a MAS keeps to be fetched.
_SHELF = 100_000
_MAX_HANDSETS = 10_000
#: A place in a registered template: {anything}.
_PLACE = re.compile(r"\{[^{}]*\}")


@dataclass(kw_only=True)
class MasFaults:
    """What can be made to go wrong. Every knob may be turned while it runs."""

    #: The next so many submissions are answered FlowOverLimit, and not taken; so are those beyond so many a second.
    throttle_next: int = 0
    max_per_s: int = 0
    #: Every so-manieth submission is answered `error_rspcod`, and not taken; 0 is never.
    error_every: int = 0
    error_rspcod: str = "InternalError"
    #: The next submissions are answered so, and not taken.
    rspcods: list[str] = field(default_factory=list)
    #: The next submissions meet this HTTP status, and are not taken.
    http_statuses: list[int] = field(default_factory=list)
    #: The connection is broken under the next so many submissions, which are not taken: the sender cannot know.
    drop_next: int = 0
    #: The next so many submissions are taken, but not answered, or the connection breaks in the middle of the answer.
    lose_answers: int = 0
    cut_answers: int = 0
    answer_delay_s: float = 0.0
    #: Reports overtake the answer to their submission.
    report_first: bool = False
    report_delay_s: float = 0.0
    duplicate_reports: bool = False
    no_reports: bool = False
    #: Reports name a msgGroup that nobody was given.
    wrong_groups: bool = False
    #: Reports have their number in an array.
    lists_mobiles: bool = False
    #: Every text from a phone is said once more after it was taken.
    duplicate_texts: bool = False
    #: The next so many fetches fail; what is fetched is there to be fetched once more.
    fail_fetches: int = 0
    duplicate_fetches: bool = False
    #: Numbers that get UNDELIV, with the error of an empty number.
    undeliverable: set[str] = field(default_factory=set)


class _Held:
    """Something for the client, until it was pushed or fetched."""

    __slots__ = ("said", "taken", "times")

    def __init__(self, said: dict[str, object], times: int = 1) -> None:
        self.said, self.times = said, times
        self.taken = asyncio.Event()


class CloudMas:
    """`async with CloudMas(account, signature="…", clock=...) as cloud:` then post to `cloud.url`.

    `push_to` is the address of the client's door, without "/report" and "/text"; empty: nothing is pushed.
    `templates`: the registered ones by id, with {…} for each place; with `only_templates` nothing else is taken.
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
        push_tries: int = 0,
        again_s: float = 0.02,
        templates: Mapping[str, str] | None = None,
        only_templates: bool = False,
        faults: MasFaults | None = None,
    ) -> None:
        self.host, self.port, self.push_to = host, port, push_to
        self.faults = faults or MasFaults()
        self.counts: Counter[str] = Counter()
        #: The last bodies that were posted, as they came.
        self.bodies: deque[bytes] = deque(maxlen=1000)
        self.account, self.signature = account, signature
        self.clock = clock
        self._service_code, self._again_s = service_code, again_s
        self._push_tries, self._templates, self._only_templates = push_tries, templates or {}, only_templates
        self._serials = count(1)
        self._handsets: dict[str, Handset] = {}
        self._shelves: dict[str, deque[_Held]] = {"report": deque(maxlen=_SHELF), "text": deque(maxlen=_SHELF)}
        self._taken_at: deque[float] = deque()
        self._pushes: set[asyncio.Task[None]] = set()
        self._closing, self._open = asyncio.Event(), AsyncExitStack()

    async def __aenter__(self) -> "CloudMas":
        doors = {
            "norsubmit": self._submitted,
            "submit": self._submitted,
            "tmpsubmit": self._template_submitted,
            "report": self._reports_fetched,
            "deliver": self._texts_fetched,
        }
        app = Starlette(routes=[Route(f"/sms/{path}", door, methods=["POST"]) for path, door in doors.items()])
        verify = ssl.create_default_context() if self.push_to.startswith("https:") else False
        self._client = await self._open.enter_async_context(httpx.AsyncClient(trust_env=False, verify=verify))
        self._served = await self._open.enter_async_context(serving(app, host=self.host, port=self.port))
        self.port = self._served.port
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

    @property
    def connections(self) -> int:
        return self._served.connections

    def stats(self) -> dict[str, object]:
        """Ready for JSON."""
        kept = {what: len(shelf) for what, shelf in self._shelves.items()}
        return {"handsets": len(self._handsets), "kept": kept, "counts": dict(self.counts)}

    def reset(self) -> None:
        """Empties counts, inboxes and what waits to be fetched. Connections stand, faults stay, ids go on."""
        self.counts.clear()
        self.bodies.clear()
        for shelf in self._shelves.values():
            shelf.clear()
        for handset in self._handsets.values():
            handset.forget()

    def handset(self, number: str) -> Handset:
        """The phone with this number; there is exactly one."""
        if number not in self._handsets:
            self._handsets[number] = Handset(number, self, self.clock.now)
        return self._handsets[number]

    def cut(self) -> None:
        """Break every TCP connection."""
        self._served.cut()

    async def carry(self, source: str, destination: str, segments: text.Segments, timeout_s: float) -> None:
        """From a phone to the client. Returns when it was taken."""
        octets = b"".join(text.split_header(part)[1] if segments.has_header else part for part in segments.parts)
        said: dict[str, object] = {
            "mobile": source,
            "smsContent": text.decode(octets, segments.coding),
            "sendTime": f"{self.clock.now().astimezone(CHINA):%Y-%m-%d %H:%M:%S}",
            "addSerial": destination,
        }
        held = _Held(said, times=2 if self.faults.duplicate_texts else 1)
        self._spawn(self._hand_on("text", held))
        async with asyncio.timeout(timeout_s):
            await held.taken.wait()

    # ---- one submission

    async def _submitted(self, request: Request) -> Response:
        return await self._answered(request, mas.Submission)

    async def _template_submitted(self, request: Request) -> Response:
        return await self._answered(request, mas.TemplateSubmission)

    async def _answered(self, request: Request, kind: type[mas.Submission] | type[mas.TemplateSubmission]) -> Response:
        body = await request.body()
        self.counts["submitted"] += 1
        self.bodies.append(body)
        faults = self.faults
        if faults.drop_next:
            faults.drop_next -= 1
            self._served.cut(request.client)
            return Response()
        if faults.http_statuses:
            return Response(status_code=faults.http_statuses.pop(0))
        try:
            said = msgspec.json.decode(base64.b64decode(body, validate=True), type=kind)
        except (binascii.Error, msgspec.MsgspecError):
            return self._refused("InvalidMessage")
        refusal = self._told_to_refuse() or self._refusal(said)
        if refusal:
            return self._refused(refusal)
        return await self._taken(said, request)

    def _refused(self, rspcod: str) -> Response:
        self.counts[rspcod] += 1
        return _answer(rspcod)

    def _told_to_refuse(self) -> str:
        faults, now = self.faults, asyncio.get_running_loop().time()
        if faults.throttle_next:
            faults.throttle_next -= 1
            return "FlowOverLimit"
        if faults.error_every and self.counts["submitted"] % faults.error_every == 0:
            return faults.error_rspcod
        if faults.rspcods:
            return faults.rspcods.pop(0)
        while self._taken_at and self._taken_at[0] <= now - 1.0:
            self._taken_at.popleft()
        if faults.max_per_s and len(self._taken_at) >= faults.max_per_s:
            return "FlowOverLimit"
        self._taken_at.append(now)
        return ""

    def _refusal(self, said: mas.Submission | mas.TemplateSubmission) -> str:
        account, mobiles = self.account, said.mobiles.split(",")
        if (said.ec_name, said.ap_id) != (account.ec_name, account.ap_id):
            return "InvalidUsrOrPwd"
        if said.sign != account.sign:
            return "IllegalSignId"
        if isinstance(said, mas.TemplateSubmission):
            mac = mas.mac(account, said.add_serial, said.template_id, said.mobiles, said.params)
        else:
            mac = mas.mac(account, said.add_serial, said.mobiles, said.content)
        if said.mac != mac:
            return "IllegalMac"
        if len(mobiles) > 5000:
            return "TooManyMobiles"
        if not all(re.fullmatch(r"1[0-9]{10}", mobile) for mobile in mobiles):
            return "InvalidMobile"
        if len(self._service_code + said.add_serial) > mas.MAX_SERIAL_DIGITS:
            return "InvalidMessage"
        return "" if self._content(said) is not None else "IllegalUseTemplate"

    def _content(self, said: mas.Submission | mas.TemplateSubmission) -> str | None:
        """What the phone will show behind the signature; None: no such template, or other values than it has places."""
        if isinstance(said, mas.Submission):
            return None if self._only_templates else said.content
        registered, values = self._templates.get(said.template_id), _listed(said.params)
        if registered is None or values is None:
            return None
        places = len(_PLACE.findall(registered))
        if values != [""] * (not places) and len(values) != places:
            return None
        given = iter(values)
        return _PLACE.sub(lambda place: next(given), registered)

    async def _taken(self, said: mas.Submission | mas.TemplateSubmission, request: Request) -> Response:
        faults, content = self.faults, self._content(said)
        self.counts["taken"] += 1
        serial = next(self._serials)
        msg_group = self._group(serial)
        for mobile in said.mobiles.split(","):
            if mobile not in faults.undeliverable and (mobile in self._handsets or len(self._handsets) < _MAX_HANDSETS):
                self.handset(mobile).receive(self._service_code + said.add_serial, f"【{self.signature}】{content}")
            if not faults.no_reports:
                reporting = self._report(mobile, self._group(serial + 500_000) if faults.wrong_groups else msg_group)
                if faults.report_first:
                    await reporting
                else:
                    self._spawn(reporting)
        if faults.lose_answers:
            faults.lose_answers -= 1
            await self._closing.wait()
        if faults.answer_delay_s:
            await asyncio.sleep(faults.answer_delay_s)
        if faults.cut_answers:
            faults.cut_answers -= 1
            return self._half(_answer("success", msg_group), request)
        return _answer("success", msg_group)

    def _group(self, serial: int) -> str:
        return f"{self.clock.now().astimezone(CHINA):%m%d%H%M%S}{serial:012d}"

    def _half(self, whole: Response, request: Request) -> Response:
        async def half() -> AsyncIterator[bytes]:
            yield bytes(whole.body)[: len(whole.body) // 2]
            self._served.cut(request.client)

        return StreamingResponse(half(), headers={"Content-Length": str(len(whole.body))})

    # ---- reports and texts from phones

    async def _report(self, mobile: str, msg_group: str) -> None:
        failed = mobile in self.faults.undeliverable
        now = self.clock.now().astimezone(CHINA)
        said: dict[str, object] = {
            "reportStatus": "UNDELIV" if failed else "DELIVRD",
            "mobile": [mobile] if self.faults.lists_mobiles else mobile,
            "submitDate": f"{now:%Y%m%d%H%M%S}",
            "receiveDate": f"{now + timedelta(seconds=2):%Y%m%d%H%M%S}",
            "errorCode": "MK:0001" if failed else "DELIVRD",
            "msgGroup": msg_group,
        }
        if self.faults.report_delay_s:
            await asyncio.sleep(self.faults.report_delay_s)
        await self._hand_on("report", _Held(said, times=2 if self.faults.duplicate_reports else 1))

    async def _hand_on(self, what: str, held: _Held) -> None:
        for _ in range(held.times):
            if not await self._push(what, msgspec.json.encode(held.said)):
                self.counts[f"{what} kept"] += 1
                self._shelves[what].extend([held] * held.times)
                return
        held.taken.set()

    async def _push(self, what: str, body: bytes) -> bool:
        """Whether it was answered 200 in the end."""
        tries = 0
        while self.push_to and not self._closing.is_set() and (not self._push_tries or tries < self._push_tries):
            tries += 1
            self.counts[f"{what} pushed"] += 1
            with suppress(httpx.TransportError):
                headers = {"Content-Type": "application/json"}
                answer = await self._client.post(f"{self.push_to}/{what}", content=body, headers=headers)
                if answer.status_code == httpx.codes.OK:
                    return True
                self.counts[f"{what} answered {answer.status_code}"] += 1
            await asyncio.sleep(self._again_s)
        return False

    async def _reports_fetched(self, request: Request) -> Response:
        return await self._fetched("report", request)

    async def _texts_fetched(self, request: Request) -> Response:
        return await self._fetched("text", request)

    async def _fetched(self, what: str, request: Request) -> Response:
        self.counts[f"{what} fetches"] += 1
        if self.faults.fail_fetches:
            self.faults.fail_fetches -= 1
            return Response(status_code=500)
        said, account = mas.read(await request.body(), mas.Credentials), self.account
        if said is None:
            return self._refused("InvalidMessage")
        if (said.ec_name, said.ap_id, said.secret_key) != (account.ec_name, account.ap_id, account.secret_key):
            return self._refused("InvalidUsrOrPwd")
        shelf = self._shelves[what]
        batch = [shelf.popleft() for _ in range(min(len(shelf), 500))]
        for held in batch:
            held.taken.set()
            if self.faults.duplicate_fetches and held.times:
                held.times = 0  # said again this once
                shelf.append(held)
        self.counts[f"{what} fetched"] += len(batch)
        return Response(msgspec.json.encode([held.said for held in batch]), media_type="application/json")

    def _spawn(self, push: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(push)
        self._pushes.add(task)
        task.add_done_callback(self._pushes.discard)


def _listed(params: str) -> list[str] | None:
    try:
        return msgspec.convert(json.loads(params), list[str])
    except ValueError:
        return None


def _answer(rspcod: str, msg_group: str = "") -> Response:
    body = msgspec.json.encode({"msgGroup": msg_group, "rspcod": rspcod, "success": rspcod == "success"})
    return PlainTextResponse(body, media_type="application/json")
