"""How texts travel: from the durable queue through SMPP to submit_sm_resp and receipt, both recorded.

Everything in one run, in turn, against simulated SMSCs in processes of their own; each text has 60 Chinese characters
(UCS2), goes to a phone of its own, and is done when the database says that its receipt came.
  speed       the ceiling (a blaster that does next to nothing), the gateway on PostgreSQL and on SQLite, Kannel, and
              Jasmin where it is given. The promises: 0.4 of the ceiling, 3 times Kannel, 20 times Jasmin.
  overtaking  while 100 000 texts wait, ten urgent ones come, one after the other: the longest time until submit_sm_resp
              and the most parts that the carrier took meanwhile. The promise: one second.
  memory      of a process that sends the first 10 000 of 1 000 000 texts, against one whose queue holds no more than
              these. The promise: the same.
All take turns, round by round, and a ratio is the median of those of the rounds: a machine that others use is half as
fast again from one minute to the next, and the best of each would compare different minutes. Jasmin, which has one
round, is compared with our worst. Beside the rates stands the processor time of one text in the gateway's process (on
SQLite it includes the database). The last line is JSON; what could not be read is null, with its reason. `--quick`
leaves out the memory, and has a smaller backlog and short rounds, of which beginning and end are a sixth.

Jasmin is installed with pip at the first run, beside nothing of ours (bench/_jasmin.py); where that cannot be, it is
said why and no figure is made up. Its simulated carrier sends receipts after eight seconds, which are not counted: one
that comes before Jasmin has written down the id is looked up again ten seconds later.

Measured on two cores that others use too, four runs, the first of them whole: 0.52, 0.42, 0.42 and 0.45 of the ceiling
on PostgreSQL, 0.50, 0.44, 0.42 and 0.52 on SQLite; 6.0 to 9.8 times Kannel, 134 times Jasmin and more;
an urgent text was taken after 0.20 s at most; 1,000,000 queued: 148,692 KiB against 148,640 on PostgreSQL, 150,508
against 150,288 on SQLite. What the ceiling is depends most on the minute: 16,400 to 32,500.
What the rest is made of, in µs of processor for one text, where both cores are as fast as they get: the simulator 37 to
46, which is all that the ceiling waits for; our process 43 (15 of them divide, encode, decode and match; 12 speak with
the database; the rest is the lane, the loop and its sockets, and what sharing a cache costs); PostgreSQL 16 where
nothing runs beside it (claims 5.5, books 10), 24 in a slow hour. Our process is what the others wait for: of 1.97 s it
ran 1.15 and could have run and waited for a core 0.45 (measured while claims were written into each row).
Tried on a quiet machine, in turn with what is: claims of 250, 750, 1,000 and 1,500; 1,000 to 4,000 texts held; windows
of 250 to 2,000; to claim once there is room for 500 instead of when half is empty; receipts waited for 30 to 120 ms;
uvloop; a database that does not wait for the disk; claimed rows as one JSON. And statement by statement: what became of
a batch told once for all that ended alike. Nothing is faster.

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
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter, process_time

from bench._jasmin import HOME, install, jasmin_rate
from bench._kannel import kannel_is_here, kannel_rate
from bench._smpp_ceiling import ceiling
from bench._sms_gateway import (
    ACCOUNT,
    BODY,
    PASSWORD,
    WINDOW,
    all_settled,
    fill,
    opened,
    overtaking,
    resident_after,
    running,
)
from kernel.db import dialect_of
from server.serve import spare_the_collector
from tools.postgres import NoPostgres, Postgres


@dataclass(frozen=True)
class Effort:
    messages: int
    rounds: int
    kannel: int
    jasmin: int
    backlog: int
    #: For the memory; 0 leaves it out.
    queued: int


QUICK = Effort(messages=8_000, rounds=3, kannel=2_000, jasmin=100, backlog=30_000, queued=0)
FULL = Effort(messages=40_000, rounds=5, kannel=10_000, jasmin=400, backlog=100_000, queued=1_000_000)
#: What both queues of the memory reading send.
FIRST = 10_000
#: For Jasmin.
RECEIPT_DELAY_S = 8.0


@dataclass
class Reading:
    """Of one database, round by round: messages a second, and the processor time of one, in µs."""

    url: str
    rates: list[float] = field(default_factory=list)
    processor_us: list[float] = field(default_factory=list)

    def beside(self, others: list[float]) -> float | None:
        """How many times as fast as `others`, in the median of the rounds."""
        return median(own / other for own, other in zip(self.rates, others, strict=True)) if others else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="about a minute")
    parser.add_argument("--database", help="an empty database; by default a throw-away PostgreSQL, and SQLite")
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zb-bench-")))
        urls = [options.database] if options.database else _databases(stack, folder)
        print(json.dumps(asyncio.run(measure(urls, folder, effort))))


def _databases(stack: ExitStack, folder: Path) -> list[str]:
    """SQLite, and PostgreSQL where one starts; both wait for the disk."""
    urls = [f"sqlite://{folder}/bench.db"]
    try:
        urls.insert(0, stack.enter_context(Postgres.start(durable=True)).url)
    except NoPostgres as why:
        print(f"PostgreSQL left out: {why}", flush=True)
    return urls


async def measure(urls: list[str], folder: Path, effort: Effort) -> dict[str, object]:
    readings = {dialect_of(url): Reading(url) for url in urls}
    for reading in readings.values():
        database = await opened(reading.url)
        await database.create_schema()
        await database.close()
    spare_the_collector()
    ceilings: list[float] = []
    kannel: list[float] = []
    no_kannel = "not installed" if not kannel_is_here() else None
    for round_ in range(effort.rounds):
        # Three times as many, so that it is looked at for as long: a short look finds a quiet moment sooner.
        ceilings.append(await _ceiling_rate(3 * effort.messages))
        for reading in readings.values():
            await _gateway_rate(reading, effort.messages)
        if no_kannel is None:
            async with simulator() as port:
                home = folder / f"kannel{round_}"
                kannel.append(
                    await kannel_rate(port, home, effort.kannel, account=ACCOUNT, password=PASSWORD, body=BODY)
                )
    no_jasmin, jasmin = await _jasmin(folder, effort)
    _say("ceiling", ceilings)
    for dialect, reading in readings.items():
        _say(f"gateway on {dialect}", reading.rates, f"{min(reading.processor_us):.0f} µs each")
    _say("Kannel", kannel, no_kannel or "")
    _say("Jasmin", [jasmin] if jasmin else [], no_jasmin or "")
    told: dict[str, object] = {"kannel": no_kannel or round(median(kannel)), "jasmin": no_jasmin or round(jasmin, 1)}
    for dialect, reading in readings.items():
        told[dialect] = {
            "messages_per_second": round(median(reading.rates)),
            "ceiling_ratio": _rounded(reading.beside(ceilings), 3),
            "kannel_ratio": _rounded(reading.beside(kannel), 2),
            "jasmin_ratio": round(min(reading.rates) / jasmin, 1) if jasmin else None,
            "processor_us": round(min(reading.processor_us)),
            **await _overtaking(dialect, reading.url, effort.backlog),
            **await _memory(dialect, reading.url, effort.queued),
        }
    return told


@asynccontextmanager
async def simulator(*more: str) -> AsyncIterator[int]:
    """A simulated SMSC in a process of its own; its port."""
    command = (sys.executable, "-m", "sms.simulator", "smsc", "--port", "0", "--account", f"{ACCOUNT}:{PASSWORD}")
    process = await asyncio.create_subprocess_exec(*command, *more, stdout=asyncio.subprocess.PIPE)
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


async def _gateway_rate(reading: Reading, messages: int) -> None:
    """From the first claim to the last receipt recorded."""
    database = await opened(reading.url)
    await fill(database, messages)
    async with simulator() as port, running(database, port):
        begun, processor = perf_counter(), process_time()
        await all_settled(database)
        seconds, processor_s = perf_counter() - begun, process_time() - processor
    await database.close()
    reading.rates.append(messages / seconds)
    reading.processor_us.append(processor_s / messages * 1e6)


async def _jasmin(folder: Path, effort: Effort) -> tuple[str | None, float]:
    """Why there is no rate, or the rate."""
    if (reason := await asyncio.to_thread(install)) is not None:
        return reason, 0.0
    async with simulator("--fault", f"receipt_delay_s={RECEIPT_DELAY_S}") as port:
        rate = await jasmin_rate(
            port,
            HOME / "bin",
            folder,
            effort.jasmin,
            receipt_delay_s=RECEIPT_DELAY_S,
            account=ACCOUNT,
            password=PASSWORD,
            body=BODY,
        )
    return None, rate


async def _overtaking(dialect: str, url: str, backlog: int) -> Mapping[str, object]:
    database = await opened(url)
    async with simulator() as port:
        slowest = await overtaking(database, port, backlog)
    await database.close()
    print(
        f"on {dialect}, ahead of {backlog:,}: an urgent text is taken after {slowest.seconds:.2f} s at most,"
        f" {slowest.parts:,} parts meanwhile",
        flush=True,
    )
    return {"overtaking_s": round(slowest.seconds, 3), "overtaking_parts": slowest.parts}


async def _memory(dialect: str, url: str, queued: int) -> Mapping[str, object]:
    if not queued:
        return {"memory_ratio": None}
    most: list[int] = []
    for waiting in (FIRST, queued):
        database = await opened(url)
        await fill(database, waiting)
        await database.close()
        async with simulator() as port:
            most.append(await resident_after(url, port, FIRST))
    print(f"on {dialect}: {most[0]:,} KiB with {FIRST:,} queued, {most[1]:,} with {queued:,}", flush=True)
    return {"memory_ratio": round(most[1] / most[0], 3)}


def _rounded(ratio: float | None, digits: int) -> float | None:
    return None if ratio is None else round(ratio, digits)


def _say(what: str, rates: list[float], more: str = "") -> None:
    seen = f"{median(rates):>9,.0f} messages/s, {min(rates):,.0f} to {max(rates):,.0f}" if rates else f"{'-':>9}"
    print(f"{what:<24}{seen}  {more}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
