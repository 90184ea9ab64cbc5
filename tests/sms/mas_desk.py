"""A MAS carrier between a simulated cloud MAS and a door for its pushes, all over HTTP."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network

from starlette.applications import Starlette

from alerts.settling import Heard
from kernel.clock import SystemClock
from sms.carriers import Arrival, MobileText, Sent
from sms.link import Backoff
from sms.mas import messages as mas
from sms.mas.http import MasHttpCarrier, Patience
from sms.mas.push import routes
from sms.simulator.mas import CloudMas
from sms.simulator.serving import serving

SIGNATURE = "衡江政务服务"
PUSH_SECRET = "an-address-nobody-guesses"
ACCOUNT = mas.Account(ec_name="衡江市政务服务中心", ap_id="hjzw", secret_key="k3y-of-hengjiang", sign="sGn0hJ7Qx")
LOOPBACK = ip_network("127.0.0.0/8")
PHONE = "13800138000"
NEVER = datetime(2099, 1, 1, tzinfo=UTC)
WORDS = "【衡江政务服务】您的申请已受理。"


def mas_carrier(cloud, name="cloud", *, account=ACCOUNT, **changes) -> MasHttpCarrier:
    patience = Patience(**{"connect_s": 30.0, "answer_s": 30.0, "record_s": 30.0, **changes.pop("patience", {})})
    return MasHttpCarrier(
        name,
        cloud.url,
        account,
        clock=getattr(cloud, "clock", SystemClock()),
        jitter=lambda: 0.5,
        patience=patience,
        backoff=Backoff(first_s=0.02, cap_s=0.05),
        **changes,
    )


@asynccontextmanager
async def cloud_mas(clock, **changes):
    async with CloudMas(ACCOUNT, signature=SIGNATURE, clock=clock, **changes) as cloud:
        yield cloud


@asynccontextmanager
async def push_door(carrier: MasHttpCarrier, *, allowed=(LOOPBACK,)):
    """Yields the address under which the MAS pushes."""
    app = Starlette(routes=routes(carrier, secret=PUSH_SECRET, allowed=allowed))
    async with serving(app, host="127.0.0.1", port=0) as served:
        yield f"http://127.0.0.1:{served.port}/mas/{carrier.name}/{PUSH_SECRET}"


class Ears:
    """Records at once, or as told: `outcome` 0, another number, an exception, or a future."""

    def __init__(self, outcome=0) -> None:
        self.outcome = outcome
        self.receipts: list[Heard] = []
        self.arrivals: list[Arrival] = []

    def heard(self, receipt):
        self.receipts.append(receipt)
        return self._recorded()

    def arrived(self, arrival):
        self.arrivals.append(arrival)
        return self._recorded()

    async def _recorded(self):
        if isinstance(self.outcome, asyncio.Future):
            return await self.outcome
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Sending:
    """Hands messages to a running carrier and collects what became of them."""

    def __init__(self, carrier) -> None:
        self.carrier = carrier
        self.outcomes: list[Sent] = []
        self.reported = 0

    def put(self, *bodies, **changes) -> None:
        for body in bodies:
            facts = {"phone": PHONE, "words": body, "reference": 1, "expires_at": NEVER, **changes}
            self.carrier.send(MobileText(**facts), self.outcomes.append)

    async def send(self, *bodies, **changes) -> list[Sent]:
        before = len(self.outcomes)
        self.put(*bodies, **changes)
        await eventually(lambda: len(self.outcomes) >= before + len(bodies))
        return self.outcomes[before:]

    async def up(self) -> None:
        await eventually(lambda: self.carrier.is_up)


async def eventually(is_so, timeout_s=60.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not is_so():  # noqa: ASYNC110  nothing rings when a carrier comes up
            await asyncio.sleep(0.002)


@asynccontextmanager
async def running_carrier(carrier, ears=None, *, is_up=True):
    task = asyncio.create_task(carrier.run(ears or Ears()))
    sending = Sending(carrier)
    try:
        if is_up:
            await sending.up()
        yield sending
    finally:
        await carrier.drain(1.0)
        await asyncio.wait_for(task, 60.0)
