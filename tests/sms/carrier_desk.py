"""A gateway between a queue and simulated carriers over TCP."""

import asyncio
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from alerts.outgoing import Channel, Letter, enqueue
from alerts.templates import TEMPLATES
from alerts.texts import Code, Text, parts_needed
from kernel.chance import Secrets
from sms.gateway import Gateway
from sms.lane import Pace
from sms.link import Backoff, Target
from sms.simulator import Smsc
from sms.smpp.carrier import SmppCarrier
from sms.smpp.session import Terms
from sms.smpp.vocabulary import BindTransceiver
from tests.standing import count_of_states

ROOT = Path(__file__).parents[2]
ACCESS_NUMBER = "10690000"
SECRETS = Secrets(b"k" * 32)
QUICK = Pace(poll_s=0.02, tend_s=0.05, drain_s=30.0, steer_s=0.02, again_s=0.01)


class DeafInbox:
    """For tests without texts from people."""

    async def take(self, arrival) -> int:
        return 0x64

    async def run(self) -> None:
        return

    def stop(self) -> None:
        return


def smpp_carrier(smsc: Smsc, name="east", *, password="secret", bind=BindTransceiver, **changes) -> SmppCarrier:
    terms = Terms(**{"window": 16, "response_s": 0.3, **changes.pop("terms", {})})
    return SmppCarrier(
        name,
        Target(host=smsc.host, port=smsc.port),
        bind(system_id="zhangban", password=password),
        source=ACCESS_NUMBER,
        clock=smsc.clock,
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
async def running(database, clock, *carriers, inbox=None, alone=True, secrets=SECRETS, **more):
    more = {"pace": QUICK, **more}
    gateway = Gateway(database, clock, secrets, carriers=carriers, inbox=inbox or DeafInbox(), alone=alone, **more)
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


_COLUMNS = (
    "dedupe_key, channel, message_class, priority, template, template_version, to_phone, to_email, subject, body,"
    " secret, confirms, parts, state, case_number, unit_code, created_at, send_after, expires_at, attempts, carrier,"
    " error, extension, quiet"
)


async def backlog(database, clock, count, *, due_in=timedelta(), priority=6, prefix="k"):
    """Many short texts at once."""
    now, no, at = clock.now(), "FALSE", "CAST(${} AS timestamptz)"
    numbers = f"generate_series(1, {count}) AS s(n)"
    if database.dialect == "sqlite":
        no, at = "0", "${}"
        numbers = f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s)"
    async with database.transaction():
        await database.execute(
            f"INSERT INTO message ({_COLUMNS}) SELECT '{prefix}' || n, 'sms', 'notice', {priority}, 'T01_TODO', 1,"
            f" '13800138000', '', '', '【衡江】' || n, '', {no}, 1, 'queued', '', '', {at.format(1)}, {at.format(2)},"
            f" {at.format(3)}, 0, '', '', '', {no} FROM {numbers}",
            now,
            now + due_in,
            now + timedelta(days=3),
        )
        await database.execute(
            "INSERT INTO outstanding (id, state, channel, priority, send_after)"
            f" SELECT id, state, channel, priority, send_after FROM message WHERE dedupe_key LIKE '{prefix}%'"
            " ON CONFLICT (id) DO NOTHING"
        )


async def until(database, **wanted: int) -> None:
    """Waits until the states of all messages are these counts."""
    await _until(database, lambda states: states == wanted)


async def until_sent(database) -> None:
    """Waits until no message is on its way to a carrier."""
    await _until(database, lambda states: states.keys() <= {"delivered", "submitted"})


async def until_settled(database) -> None:
    """Waits until every message is delivered or expired."""
    await _until(database, lambda states: states.keys() <= {"delivered", "expired"})


async def _until(database, is_so, timeout_s=60.0) -> None:
    ends = asyncio.get_running_loop().time() + timeout_s
    while not is_so(states := await states_of(database)):
        assert asyncio.get_running_loop().time() < ends, f"still {states}"
        await asyncio.sleep(0.01)


async def states_of(database) -> dict[str, int]:
    return await count_of_states(database)


async def row_of(database, carrier: str) -> dict[str, object]:
    """What the gateway says of a carrier, and the operator wants of it."""
    (row,) = await database.rows("SELECT * FROM carrier WHERE name = $1", carrier)
    return row


async def wait_for(condition, timeout_s=60.0) -> None:
    """Until the coroutine that `condition` makes comes to something true."""
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110  a table has no bell
            await asyncio.sleep(0.01)
