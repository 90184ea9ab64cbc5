"""A gateway between a queue and simulated carriers over TCP."""

import asyncio
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from alerts.outgoing import Channel, Letter, enqueue
from alerts.texts import TEMPLATES, Code, Text, parts_needed
from kernel.chance import Secrets
from sms.gateway import Gateway, Pace
from sms.link import Backoff, Target
from sms.simulator import Smsc
from sms.smpp.carrier import SmppCarrier
from sms.smpp.session import Terms
from sms.smpp.vocabulary import BindTransceiver

ROOT = Path(__file__).parents[2]
ACCESS_NUMBER = "10690000"
SECRETS = Secrets(b"k" * 32)
QUICK = Pace(poll_s=0.02, tend_s=0.05, drain_s=30.0)


class DeafInbox:
    """For tests without texts from people."""

    async def take(self, arrival) -> int:
        return 0x64

    async def run(self) -> None:
        return

    def stop(self) -> None:
        return


def smpp_carrier(smsc: Smsc, name="east", *, password="secret", **changes) -> SmppCarrier:
    terms = Terms(**{"window": 16, "response_s": 0.3, **changes.pop("terms", {})})
    return SmppCarrier(
        name,
        Target(host=smsc.host, port=smsc.port),
        BindTransceiver(system_id="zhangban", password=password),
        source=ACCESS_NUMBER,
        jitter=lambda: 0.5,
        terms=terms,
        backoff=Backoff(first_s=0.02, cap_s=0.05),
        **changes,
    )


@asynccontextmanager
async def simulated(clock, **changes):
    async with Smsc({"zhangban": "secret"}, clock=clock, **changes) as smsc:
        yield smsc


@asynccontextmanager
async def running(database, clock, *carriers, inbox=None, alone=True, secrets=SECRETS):
    gateway = Gateway(database, clock, secrets, carriers=carriers, inbox=inbox or DeafInbox(), alone=alone, pace=QUICK)
    task = asyncio.create_task(gateway.run())
    try:
        yield gateway
    finally:
        await gateway.drain()
        await task


@asynccontextmanager
async def gateway_process(database, clock, smsc):
    """A gateway in a process of its own, to be killed."""
    arguments = ("-m", "tests.sms.gateway_process", database.url, str(smsc.port), clock.now().isoformat())
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def put(database, clock, *bodies: str, phone="13800138000", template="T11", code: Code | None = None) -> None:
    async with database.transaction():
        letters = [
            Letter(
                dedupe_key=f"{phone}:{body}:{number}",
                channel=Channel.SMS,
                text=Text(TEMPLATES[template], body, parts_needed(body), code),
                to=phone,
                send_after=clock.now(),
                expires_at=clock.now() + timedelta(days=1),
            )
            for number, body in enumerate(bodies)
        ]
        await enqueue(database, letters, now=clock.now())


async def until(database, **wanted: int) -> None:
    """Waits until the states of all messages are these counts."""
    await _until(database, lambda states: states == wanted)


async def until_sent(database) -> None:
    """Waits until no message is on its way to a carrier."""
    await _until(database, lambda states: states.keys() <= {"delivered", "submitted"})


async def _until(database, is_so, timeout_s=60.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not is_so(await states_of(database)):  # noqa: ASYNC110  the database has no bell
            await asyncio.sleep(0.01)


async def states_of(database) -> dict[str, int]:
    rows = await database.rows("SELECT state, COUNT(*) AS n FROM message GROUP BY state")
    return {str(row["state"]): int(str(row["n"])) for row in rows}
