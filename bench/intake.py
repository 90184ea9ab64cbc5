"""Filings: how many applications a second are taken in, each on the disk before its receipt is shown.

A filing is the office's own act: the item's pinned version, the case number without gaps, the numbered and sealed
《接件凭证》, materials, the first task, the events, the outbox, one durable commit. The peer says the same statements
by hand: what one run of ours sent to PostgreSQL, replayed by asyncpg alone on an identical copy of the database,
sixteen clients at once, one signature made for the seal each. All cases share one series of numbers, so commits
queue for it: that is the price of numbers without gaps, and both sides pay it. Rounds alternate on fresh copies;
the better round of each counts. The last line is JSON. On two cores beside other work: 0.53 to 0.64 by hand.

    python -m bench.intake [--quick]
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
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec

from bench._by_hand import Statements, overheard, replay
from bench._machine import copy_database, create_database, pgbench_tps
from casework.acts import Channel, FileApplication, MaterialGiven
from certs.encodings import sign_es256
from kernel.actor import ANYBODY
from kernel.clock import FakeClock
from kernel.refusals import Refusal
from server.desk import load_county
from server.serve import spare_the_collector
from server.settings import DatabaseSettings, Settings
from server.wiring import System, open_system
from tools.postgres import Postgres

MORNING = datetime(2026, 9, 18, 2, tzinfo=UTC)
CLIENTS = 16
RECEIPT = "接件凭证：现收到你（单位）提交的申请材料。".encode() * 40


@dataclass(frozen=True)
class Effort:
    each: int
    rounds: int
    disk_s: int


QUICK, FULL = Effort(each=15, rounds=2, disk_s=3), Effort(each=100, rounds=4, disk_s=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 40 seconds")
    options = parser.parse_args()
    with Postgres.start(durable=True) as server, tempfile.TemporaryDirectory(prefix="zb-bench-") as folder:
        print(json.dumps(asyncio.run(measure(server, Path(folder), QUICK if options.quick else FULL))))


async def measure(server: Postgres, folder: Path, effort: Effort) -> dict[str, float | None]:
    async with office(await create_database(server, "office"), folder) as system:
        await load_county(system)
        await file(system, 0, 0)  # the unit's seal certificate is made on first use
    async with office(await copy_database(server, "office", "recorded"), folder) as system:
        spoken = await recorded(system, effort.each)
    print(f"{CLIENTS} clients, {effort.each} filings each, {len(spoken[0][0]) - 2} statements a filing")
    key, ours, by_hand = ec.generate_private_key(ec.SECP256R1()), 0.0, 0.0

    def sealed(client: int, n: int) -> None:
        sign_es256(key, RECEIPT)

    for turn in range(effort.rounds):
        async with office(await copy_database(server, "office", f"ours{turn}"), folder) as system:
            ours = max(ours, await filings(system, effort.each))
        by_hand = max(
            by_hand, await replay(await copy_database(server, "office", f"hand{turn}"), spoken, beside=sealed)
        )
        print(f"ours {ours:7.0f}/s   by hand {by_hand:7.0f}/s", flush=True)
    disk = pgbench_tps(server, effort.disk_s, CLIENTS)
    return {
        "filings_per_second": round(ours),
        "handwritten_ratio": round(ours / by_hand, 3),
        "pgbench_ratio": None if disk is None else round(ours / disk, 3),
    }


@asynccontextmanager
async def office(url: str, folder: Path) -> AsyncIterator[System]:
    pooled = f"{url}?minsize={CLIENTS}&maxsize={CLIENTS}"
    settings = Settings(data_dir=folder, database=DatabaseSettings(url=pooled))
    async with open_system(settings, clock=FakeClock(MORNING)) as system:
        spare_the_collector()
        yield system


async def file(system: System, client: int, n: int) -> None:
    filed = await system.office.perform(
        FileApplication(
            item="ZJ-XK-001",
            stage="ZJ-XK-001-01",
            applicant_name=f"衡江建设有限公司{client}",
            applicant_id_number="91430400MA4L000000",
            applicant_phone=f"138{client:04d}{n:04d}",
            channel=Channel.ONLINE,
            materials=tuple(MaterialGiven(name=f"材料{number}") for number in range(3)),
        ),
        ANYBODY,
        key=f"{client}-{n}",
    )
    if isinstance(filed, Refusal):
        raise filed


async def filings(system: System, each: int) -> float:
    async def client(number: int) -> None:
        for n in range(1, each + 1):
            await file(system, number, n)

    begun = time.perf_counter()
    await asyncio.gather(*map(client, range(CLIENTS)))
    return CLIENTS * each / (time.perf_counter() - begun)


async def recorded(system: System, each: int) -> list[list[Statements]]:
    """Files everything once, one after the other, and keeps what each filing said to PostgreSQL."""
    spoken = []
    with overheard() as heard:
        for client in range(CLIENTS):
            mine: list[Statements] = []
            for n in range(1, each + 1):
                heard.clear()
                await file(system, client, n)
                mine.append(list(heard))
            spoken.append(mine)
    return spoken


if __name__ == "__main__":
    main()
