"""The to-do page: 20 cases with their nested history, over GraphQL, against the same JSON written by hand.

Both servers run under uvicorn in processes of their own, with ten connections to the same throw-away PostgreSQL, and
take turns under the same load (keep-alive connections of this process). The handwritten one is Starlette, asyncpg and
orjson: two statements, one dictionary, no login, no limits, no schema. Its octets are compared with ours first. The
ratio is of requests per second, the better round of each; processor time per request, which a busy machine disturbs
less, is printed beside it. PostGraphile is not part of the development requirements: its ratio is null.

The page must not grow slower with the office: the same request is timed on 10 000 sample cases (`zhangban load-sample`)
and again after the rest of a million has been added (a hundred thousand when quick). Promise: at most 1.5 times;
measured from 10 000 to 1 000 000: 0.88.

    python -m bench.todo [--quick]    # last line: {"handwritten_ratio": …, "postgraphile_ratio": null, "growth": …}
"""

# ruff: noqa: E402
import sys
from pathlib import Path

# Run as a file, this folder would come first, and `sms` would be the bench beside us instead of the package.
sys.path[0] = str(Path(__file__).parents[1])

import argparse
import asyncio
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import asyncpg
import orjson
import psutil  # type: ignore[import-untyped]  # no stubs among the development requirements

from bench._machine import copies, create_database
from bench._todo_by_hand import NOW, OFFICER, POOL, serve_handwritten, served
from casework.acts import Channel, Status
from casework.tables import Case
from certs.acts import SessionView
from hall.accounts import ApplicantSession
from kernel.actor import Actor
from kernel.clock import FakeClock
from kernel.refusals import Refusal
from mobile_api.app import build_app
from mobile_api.services import Limits, Services
from server.desk import load_county
from server.sample import load_sample
from server.settings import DatabaseSettings, Settings
from server.wiring import open_system
from tools.contract import operations
from tools.postgres import Postgres

OPEN_TASKS = 10_000
TEMPLATE = "TEMPLATE"
FEW = 10_000
CONNECTIONS = 16
TODOS = next(each for each in operations() if each.name == "Todos")
BODY = orjson.dumps({"query": TODOS.body, "operationName": "Todos", "variables": {}})


@dataclass(frozen=True)
class Speed:
    per_second: float
    cpu_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 40 seconds")
    parser.add_argument("--serve", choices=sorted(SERVERS), help=argparse.SUPPRESS)
    parser.add_argument("--database", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(SERVERS[options.serve](options.database, options.port))
        return
    rounds, seconds, many = (3, 3.0, 100_000) if options.quick else (5, 8.0, 1_000_000)
    with Postgres.start() as postgres:
        asyncio.run(fill(postgres.url))
        with serving("graphql", postgres.url) as ours, serving("handwritten", postgres.url) as theirs:
            ratios = asyncio.run(compare(ours, theirs, rounds, seconds))
        print(json.dumps({**ratios, "growth": asyncio.run(growth(postgres, many, rounds, seconds))}))


async def compare(ours: "Server", theirs: "Server", rounds: int, seconds: float) -> dict[str, float | None]:
    answers = [await once(server) for server in (ours, theirs)]
    if json.loads(answers[0]) != json.loads(answers[1]):
        raise SystemExit("the two servers do not give the same JSON")
    print(f"page: {len(answers[0])} octets, {OPEN_TASKS} open tasks, {CONNECTIONS} connections")
    best: dict[str, Speed] = {}
    for _ in range(rounds):
        for server in (ours, theirs):
            speed = await load(server, seconds)
            print(f"{server.name:12} {speed.per_second:7.0f} requests/s   {speed.cpu_ms:5.2f} ms of processor each")
            kept = best.get(server.name, speed)
            best[server.name] = Speed(max(kept.per_second, speed.per_second), min(kept.cpu_ms, speed.cpu_ms))
    graphql, handwritten = best["graphql"], best["handwritten"]
    print(f"processor time: {handwritten.cpu_ms / graphql.cpu_ms:.2f} x handwritten")
    return {
        "handwritten_ratio": round(graphql.per_second / handwritten.per_second, 3),
        "postgraphile_ratio": None,
    }


async def growth(postgres: Postgres, many: int, rounds: int, seconds: float) -> float:
    """How many times as long the page takes with `many` sample cases as with `FEW`."""
    url = await create_database(postgres, "grown")
    took: list[float] = []
    for added in (FEW, many - FEW):
        await add_samples(url, added)
        with serving("graphql", url) as server:
            speed = max([(await load(server, seconds)).per_second for _ in range(rounds)])
        print(f"{many if took else FEW:>9,} cases {speed:7.0f} requests/s")
        took.append(1 / speed)
    return round(took[1] / took[0], 3)


async def add_samples(url: str, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), database=DatabaseSettings(url=url))
        async with open_system(settings, clock=FakeClock(NOW)) as system:
            await load_county(system)
            await load_sample(system, count)


# -------------------------------------------------------------------------------------------------------- the load
@dataclass(frozen=True)
class Server:
    name: str
    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def request(self) -> bytes:
        head = f"POST /graphql HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}"
        return f"{head}\r\nAuthorization: Bearer bench\r\n\r\n".encode() + BODY


async def load(server: Server, seconds: float) -> Speed:
    """Every connection asks again as soon as it is answered."""
    until = time.perf_counter() + seconds
    before = psutil.Process(server.process.pid).cpu_times()
    started = time.perf_counter()
    counts = await asyncio.gather(*(_ask(server, until) for _ in range(CONNECTIONS)))
    took, after = time.perf_counter() - started, psutil.Process(server.process.pid).cpu_times()
    cpu = (after.user + after.system) - (before.user + before.system)
    return Speed(per_second=sum(counts) / took, cpu_ms=1000 * cpu / sum(counts))


async def _ask(server: Server, until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    count, request = 0, server.request
    while time.perf_counter() < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{server.name} answered {head[:40]!r}")
        await reader.readexactly(_length(head))
        count += 1
    writer.close()
    return count


async def once(server: Server) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(server.request)
    answer = await reader.readexactly(_length(await reader.readuntil(b"\r\n\r\n")))
    writer.close()
    return answer


def _length(head: bytes) -> int:
    lower = head.lower()
    start = lower.index(b"content-length:") + 15
    return int(lower[start : lower.index(b"\r\n", start)])


@contextmanager
def serving(name: str, database: str) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "bench.todo", "--serve", name, "--database", database, "--port", str(port)]
    process = subprocess.Popen(command)
    try:
        _await_listening(process, port)
        yield Server(name, port, process)
    finally:
        process.terminate()
        process.wait(15)


def _await_listening(process: "subprocess.Popen[bytes]", port: int) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit("a server did not start")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("a server did not start in 30 s")


# --------------------------------------------------------------------------------------------------------- our door
class _Known:
    """Every token is the officer's: logging in is not what is measured."""

    async def actor_of(self, token: str) -> Actor | Refusal:
        return OFFICER

    def token_for(self, session: SessionView) -> str:
        return session.id

    def token_for_applicant(self, session: ApplicantSession) -> str:
        return session.id


async def serve_graphql(database: str, port: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder), database=DatabaseSettings(url=f"{database}?minsize={POOL}&maxsize={POOL}")
        )
        clock = FakeClock(NOW)
        often = "100000000/minute"
        async with open_system(settings, clock=clock) as system:
            services = Services(
                database=system.database,
                office=system.office,
                clock=clock,
                calendars=lambda: system.calendar,
                authenticator=_Known(),
                authority=system.authority,
                secrets=system.secrets,
                files=system.files,
                limits=Limits(per_address=often, per_officer=often, anonymous_acts=often),
            )
            await served(build_app(services), port)


async def fill(database: str) -> None:
    """Ten thousand open tasks of one officer; every case with eight signed opinions, of which the page shows three."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), database=DatabaseSettings(url=database))
        async with open_system(settings, clock=FakeClock(NOW)):
            await Case.create(
                number=TEMPLATE,
                status=Status.IN_APPROVAL,
                revision=10,
                channel=Channel.ONLINE,
                item_code="ZJ-XK-001",
                item_version=1,
                item_name="建筑工程施工许可证核发",
                stage_code="ZJ-XK-001-01",
                unit_code=OFFICER.unit,
                statutory_days=20,
                committed_days=20,
                received_on=date(2026, 9, 18),
                entered_at=NOW - timedelta(days=3),
                accepted_on=date(2026, 9, 18),
                statutory_due=date(2026, 10, 18),
                returns=1,
            )
    connection = await asyncpg.connect(database)
    changed = {
        "number": "'2026' || lpad(i::text, 8, '0')",
        "applicant_name": "'衡江建设有限公司' || i",
        "committed_due": "accepted_on + (i % 20)",
    }
    await connection.execute(copies(Case, f"number = '{TEMPLATE}'", changed), OPEN_TASKS)
    await connection.execute(f"DELETE FROM case_file WHERE number = '{TEMPLATE}'")
    await connection.execute(
        "INSERT INTO task (case_id, step, role, unit_code, opened_at, due_on, yellow_at, red_at, sort_at)"
        " SELECT id, 'level:1', 'handler', 'ZJJ', entered_at, committed_due, committed_due - interval '32 hours',"
        " committed_due + interval '16 hours', committed_due + interval '16 hours' FROM case_file"
    )
    await connection.execute(
        "INSERT INTO case_step (case_id, seq, step, decision, opinion, officer, officer_name, role, signature, at)"
        " SELECT id, s, CASE WHEN s = 1 THEN 'accept' ELSE 'level:2' END,"
        " CASE WHEN s = 1 THEN 'accept' ELSE 'return' END, '经审查，材料齐全、符合法定形式，按程序报审。',"
        " 'OFF-0002', '吴清和', CASE WHEN s = 1 THEN 'window_clerk' ELSE 'section_head' END,"
        " 'SG' || lpad(s::text, 8, '0'), entered_at + s * interval '1 hour'"
        " FROM case_file, generate_series(1, 8) s"
    )
    await connection.execute(
        "INSERT INTO clock_entry (case_id, seq, entry, actor, at)"
        ' SELECT id, 1, \'{"entry":"start","day":"2026-09-18"}\', \'officer:OFF-0029\', entered_at FROM case_file'
    )
    await connection.execute("ANALYZE")
    await connection.close()


SERVERS = {"graphql": serve_graphql, "handwritten": serve_handwritten}


if __name__ == "__main__":
    main()
