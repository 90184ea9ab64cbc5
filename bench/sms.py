"""How fast texts travel: from the durable queue through SMPP to submit_sm_resp and receipt, both recorded.

A round fills the queue with texts of 60 Chinese characters and times the gateway until the database says that every
one was delivered. Three readings in one run, against simulated SMSCs in processes of their own: the ceiling (a
blaster that does next to nothing), the gateway on PostgreSQL (and SQLite), and Kannel where `bearerbox` is on the
machine. The promises: at least 0.4 of the ceiling, at least 3 times Kannel. The last line is JSON.

Measured with --quick while others used the same two cores: 0.23 to 0.41 of the ceiling in seven runs on PostgreSQL,
once above 0.4; 0.26 and 0.36 in two runs on SQLite. Steadier is the processor time of one text, which this bench does
not print; at best: gateway 55 µs (41 after gc.freeze() and gc.set_threshold(50_000, 50, 100)), PostgreSQL 50,
simulator 45.

    python -m bench.sms [--quick] [--database URL]
"""

# ruff: noqa: E402
import sys
from pathlib import Path

# Run as a file, this folder would come first, and `sms` would be the bench beside us instead of the package.
sys.path[0] = str(Path(__file__).parents[1])

import argparse
import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter

from alerts.outgoing import Channel, Letter, enqueue
from alerts.texts import TEMPLATES, Text
from bench._kannel import kannel_rate
from bench._machine import database_url
from bench._smpp_ceiling import ceiling
from kernel.chance import Secrets
from kernel.clock import SystemClock
from kernel.db import Database
from server.serve import spare_the_collector
from sms.gateway import Gateway
from sms.link import Target
from sms.smpp.carrier import SmppCarrier
from sms.smpp.session import Terms
from sms.smpp.vocabulary import BindTransceiver

BODY = "【衡江政务服务】" + "掌办提醒" * 13
WINDOW = 500
ACCOUNT, PASSWORD = "zhangban", "secret"
PATIENCE_S = 300.0


@dataclass(frozen=True)
class Effort:
    messages: int
    rounds: int
    kannel: int


QUICK, FULL = Effort(messages=8_000, rounds=4, kannel=2_000), Effort(messages=20_000, rounds=5, kannel=10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 40 seconds")
    parser.add_argument("--database", help="an empty database; by default a throw-away PostgreSQL, else SQLite")
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(prefix="zb-bench-") as folder, database_url(options.database, folder) as url:
        print(json.dumps(asyncio.run(measure(url, Path(folder), effort))))


async def measure(url: str, folder: Path, effort: Effort) -> dict[str, object]:
    """Every reading is the best of its rounds, taken in turn: what else runs on the machine only ever takes away."""
    database = await Database.open(url, modules=["kernel.tables", "alerts.tables"])
    spare_the_collector()
    highest = ours = 0.0
    try:
        await database.create_schema()
        for _ in range(effort.rounds):
            # Three times as many, so that both are looked at for as long: a short look finds a quiet moment sooner.
            highest = max(highest, await _ceiling_rate(3 * effort.messages))
            ours = max(ours, await _gateway_rate(database, effort.messages))
    finally:
        await database.close()
    _say("ceiling", highest)
    _say(f"gateway on {database.dialect}", ours)
    async with simulator() as port:
        kannel = await kannel_rate(port, folder, effort.kannel, account=ACCOUNT, password=PASSWORD, body=BODY)
    if kannel is not None:
        _say("Kannel", kannel)
    return {
        "ceiling_ratio": round(ours / highest, 3),
        "kannel_ratio": None if kannel is None else round(ours / kannel, 2),
        "messages_per_second": round(ours),
        "database": database.dialect,
    }


@asynccontextmanager
async def simulator() -> AsyncIterator[int]:
    """A simulated SMSC in a process of its own; its port."""
    command = (sys.executable, "-m", "sms.simulator", "--port", "0", "--account", f"{ACCOUNT}:{PASSWORD}")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        listening = (await process.stdout.readline()).decode()
        yield int(listening.rpartition(":")[2])
    finally:
        process.kill()
        await process.wait()


async def _ceiling_rate(messages: int) -> float:
    async with simulator() as port:
        return await ceiling("127.0.0.1", port, ACCOUNT, PASSWORD, messages, window=WINDOW)


async def _gateway_rate(database: Database, messages: int) -> float:
    """Messages per second, from the first claim to the last receipt recorded."""
    await _fill(database, messages)
    async with simulator() as port:
        carrier = SmppCarrier(
            "bench",
            Target(host="127.0.0.1", port=port),
            BindTransceiver(system_id=ACCOUNT, password=PASSWORD),
            source="10690001",
            jitter=lambda: 0.5,
            terms=Terms(window=WINDOW),
        )
        gateway = Gateway(database, SystemClock(), Secrets(b"k" * 32), carriers=[carrier], inbox=NoInbox(), alone=True)
        running = asyncio.create_task(gateway.run())
        await carrier.bound(10.0)
        begun = perf_counter()
        gateway.wake()
        async with asyncio.timeout(PATIENCE_S):
            while await _left(database):  # noqa: ASYNC110  what the database says is what is promised
                await asyncio.sleep(0.05)
        seconds = perf_counter() - begun
        await gateway.drain()
        await running
    return messages / seconds


async def _fill(database: Database, messages: int) -> None:
    """An empty queue with `messages` texts, each to another phone."""
    now = SystemClock().now()
    async with database.transaction():
        for table in ("message", "message_part", "receipt"):
            await database.execute(f"DELETE FROM {table}")
        letters = [
            Letter(
                dedupe_key=f"bench:{number}",
                channel=Channel.SMS,
                text=Text(TEMPLATES["T11"], BODY, 1),
                to=f"138{number:08d}",
                send_after=now,
                expires_at=now + timedelta(days=1),
            )
            for number in range(messages)
        ]
        await enqueue(database, letters, now=now)
    await database.execute("VACUUM" if database.dialect == "sqlite" else "VACUUM ANALYZE message, message_part")


async def _left(database: Database) -> bool:
    """Whether a text is not settled. Asks about the last one first: to look through all would cost what is measured."""
    for which in ("id = (SELECT MAX(id) FROM message) AND ", ""):
        unsettled = f"{which}state IN ('queued', 'sending', 'submitted')"
        if await database.rows(f"SELECT 1 FROM message WHERE {unsettled} LIMIT 1"):
            return True
    return False


class NoInbox:
    async def take(self, arrival: object) -> int:
        raise AssertionError("nobody texts a bench")

    async def run(self) -> None:
        return

    def stop(self) -> None:
        return


def _say(what: str, rate: float) -> None:
    print(f"{what:<24}{rate:>9,.0f} messages/s", flush=True)


if __name__ == "__main__":
    main()
