"""What bench/sms.py does with our own gateway: a filled queue, a run on it, an urgent text in between, its memory.

python -m bench._sms_gateway URL PORT MESSAGES      # sends so many and prints the most KiB it ever had in memory
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import perf_counter

from alerts.outgoing import Channel, Letter, enqueue
from alerts.states import URGENT
from alerts.tables import Message
from alerts.templates import TEMPLATES
from alerts.texts import Template, Text
from bench._machine import copies
from kernel.chance import Secrets
from kernel.clock import SystemClock
from kernel.db import Database
from server.serve import spare_the_collector
from sms.carriers import MobileText, OnSent, Sent
from sms.gateway import Gateway
from sms.link import Target
from sms.smpp.carrier import SmppCarrier
from sms.smpp.session import Terms
from sms.smpp.vocabulary import BindTransceiver

ACCOUNT, PASSWORD, WINDOW = "zhangban", "secret", 500
BODY = "【衡江政务服务】" + "掌办提醒" * 13
PATIENCE_S = 600.0
ORDINARY = TEMPLATES["T11"]
HASTY = next(each for each in TEMPLATES.values() if each.priority in URGENT and not each.confirms)


class Watched(SmppCarrier):
    """Tells of each urgent text when it was answered, and how many parts the carrier had taken by then."""

    def __init__(self, port: int) -> None:
        super().__init__(
            "bench",
            Target(host="127.0.0.1", port=port),
            BindTransceiver(system_id=ACCOUNT, password=PASSWORD),
            source="10690001",
            clock=SystemClock(),
            jitter=lambda: 0.5,
            terms=Terms(window=WINDOW),
        )
        self.answers: asyncio.Queue[tuple[float, int]] = asyncio.Queue()

    @property
    def taken(self) -> int:
        return self.condition().counts.get("Accepted", 0)

    def send(self, text: MobileText, on_sent: OnSent) -> None:
        super().send(text, partial(self._answered, on_sent) if text.priority in URGENT else on_sent)

    def _answered(self, on_sent: OnSent, sent: Sent) -> None:
        self.answers.put_nowait((perf_counter(), self.taken))
        on_sent(sent)


class NoInbox:
    async def take(self, arrival: object) -> int:
        raise AssertionError("nobody texts a bench")

    async def run(self) -> None:
        return

    def stop(self) -> None:
        return


async def opened(url: str) -> Database:
    return await Database.open(url, modules=["kernel.tables", "alerts.tables", "sms.tables"])


@asynccontextmanager
async def running(database: Database, port: int) -> AsyncIterator[tuple[Gateway, Watched]]:
    """A gateway that sends what is queued to the SMSC at `port`, until the block ends and its window is recorded."""
    carrier = Watched(port)
    gateway = Gateway(database, SystemClock(), Secrets(b"k" * 32), carriers=[carrier], inbox=NoInbox(), alone=True)
    run = asyncio.create_task(gateway.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await carrier.bound(60.0)
            gateway.wake()
            yield gateway, carrier
    finally:
        await gateway.drain()
        await run


async def fill(database: Database, messages: int) -> None:
    """An empty queue with `messages` texts, each to another phone."""
    async with database.transaction():
        for table in ("message", "outstanding", "message_claim", "message_part", "receipt"):
            await database.execute(f"DELETE FROM {table}")
        await enqueue(database, [letter(ORDINARY, 0)], now=SystemClock().now())
        changed = {"dedupe_key": "'bench:' || i", "to_phone": "CAST(CAST(13800000000 AS BIGINT) + i AS VARCHAR(20))"}
        await database.execute(copies(Message, "dedupe_key = 'bench:0'", changed), messages - 1)
        await database.execute(
            "INSERT INTO outstanding (id, state, channel, priority, send_after)"
            " SELECT id, state, channel, priority, send_after FROM message WHERE dedupe_key <> 'bench:0'"
        )
    filled = "message, outstanding, message_claim, message_part"
    await database.execute("VACUUM" if database.dialect == "sqlite" else f"VACUUM ANALYZE {filled}")


def letter(template: Template, number: int) -> Letter:
    now = SystemClock().now()
    return Letter(
        dedupe_key=f"bench:{number}",
        channel=Channel.SMS,
        text=Text(template, BODY, 1),
        to=f"138{number:08d}",
        send_after=now,
        expires_at=now + timedelta(days=1),
    )


async def all_settled(database: Database) -> None:
    """Returns when the receipt of every text is recorded."""
    while await _is_one_left(database):  # noqa: ASYNC110  what the database says is what is promised
        await asyncio.sleep(0.05)


async def _is_one_left(database: Database) -> bool:
    """Asks about the last one first: to look through all would cost what is measured."""
    for which in ("id = (SELECT MAX(id) FROM message) AND ", ""):
        unsettled = f"{which}state IN ('queued', 'submitted')"
        if await database.rows(f"SELECT 1 FROM message WHERE {unsettled} LIMIT 1"):
            return True
    return False


@dataclass(frozen=True)
class Overtaking:
    """The slowest of several urgent texts: until its submit_resp; parts taken meanwhile, at most."""

    seconds: float
    parts: int


async def overtaking(database: Database, port: int, backlog: int, urgent: int = 10) -> Overtaking:
    await fill(database, backlog)
    waits: list[tuple[float, int]] = []
    async with running(database, port) as (gateway, carrier):
        while carrier.taken < backlog // 20:  # noqa: ASYNC110  everything is under way
            await asyncio.sleep(0.01)
        for number in range(1, urgent + 1):
            begun, before = perf_counter(), carrier.taken
            async with database.transaction():
                await enqueue(database, [letter(HASTY, -number)], now=SystemClock().now())
            gateway.wake()
            answered_at, taken = await carrier.answers.get()
            waits.append((answered_at - begun, taken - before))
            await asyncio.sleep(0.05)
        if carrier.taken >= backlog:
            raise RuntimeError("the backlog was gone before the last urgent text")
    return Overtaking(max(seconds for seconds, _ in waits), max(parts for _, parts in waits))


async def resident_after(url: str, port: int, messages: int) -> int:
    """The most KiB that a fresh process had in memory while it sent `messages` of what is queued."""
    command = (sys.executable, "-m", "bench._sms_gateway", url, str(port), str(messages))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return int(said)


async def _send_some(url: str, port: int, messages: int) -> None:
    database = await opened(url)
    spare_the_collector()
    async with running(database, port) as (_, carrier):
        while carrier.taken < messages:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await database.close()


def _most_resident() -> int:
    """Not ru_maxrss, which on Linux begins with what the parent had. Raises FileNotFoundError elsewhere."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("port", type=int)
    parser.add_argument("messages", type=int)
    arguments = parser.parse_args()
    asyncio.run(_send_some(arguments.url, arguments.port, arguments.messages))
    print(_most_resident())


if __name__ == "__main__":
    main()
