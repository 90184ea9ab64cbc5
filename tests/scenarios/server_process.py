"""`zhangban` as an operator meets it: real processes, real files, real ports, and a carrier that the test holds."""

import asyncio
import re
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

from alerts.outgoing import Channel, Letter, enqueue
from alerts.templates import TEMPLATES
from alerts.texts import Text, parts_needed
from kernel.clock import SystemClock
from kernel.db import Database
from server.wiring import TABLES
from sms.simulator import Smsc

ROOT = Path(__file__).parents[2]
ACCESS_NUMBER = "10690000"
#: A busy machine is no defect; a stuck program is.
PATIENCE_S = 90.0
CLOCK = SystemClock()


class Server:
    """A running `zhangban serve`. `lines` is what it said last, on both streams."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""
        self.lines: deque[str] = deque(maxlen=200)
        self._serving = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())
            if found := re.search(r"serving .*http=(\S+)", self.lines[-1]):
                self.url = found[1]
                self._serving.set()
        self._serving.set()

    async def ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._serving.wait()
        assert self.url, self.said

    async def kill(self) -> None:
        """SIGKILL: no chance to say good-bye."""
        self.process.kill()
        await self.ended()

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return await self.ended()

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            code = await self.process.wait()
            await self._reading
        return code

    @property
    def said(self) -> str:
        return "\n".join(self.lines)


@asynccontextmanager
async def serving(folder: Path, *arguments: str, **environment: str) -> AsyncIterator[Server]:
    """A server that works in `folder`, ready; killed at the end unless it ended before."""
    process = await asyncio.create_subprocess_exec(
        *_command("serve", *arguments, **environment), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    server = Server(process)
    try:
        await server.ready()
        yield server
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await server.ended()


async def zhangban(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Runs one command in `folder`; exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        *_command(*arguments, **environment), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


def _command(*arguments: str, **environment: str) -> Sequence[str]:
    variables = [f"{name}={value}" for name, value in environment.items()]
    return ("env", f"PYTHONPATH={ROOT}", *variables, sys.executable, "-m", "server", *arguments)


def configuration(folder: Path, database_url: str, smsc: Smsc) -> Path:
    """A zhangban.toml for a server that sends through `smsc`."""
    file = folder / "zhangban.toml"
    file.write_text(
        f"""
data_dir = "{folder / "var"}"
[database]
url = "{database_url}"
[http]
port = 0
[[sms.carriers]]
kind = "smpp"
name = "east"
host = "{smsc.host}"
port = {smsc.port}
system_id = "zhangban"
password = "secret"
source_address = "{ACCESS_NUMBER}"
parts_per_second = 10000
"""
    )
    return file


def carrier(**changes) -> Smsc:
    """A carrier that outlives every server; `port` makes it the one that was there before."""
    return Smsc({"zhangban": "secret"}, clock=CLOCK, **changes)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """The database of a server that is not running."""
    database = await Database.open(url, modules=TABLES)
    try:
        yield database
    finally:
        await database.close()


async def fill_queue(url: str, bodies: dict[str, str]) -> None:
    """Queues one text per phone, in a database where no server has started yet."""
    now = CLOCK.now()
    letters = [
        Letter(
            dedupe_key=f"test:{phone}",
            channel=Channel.SMS,
            text=Text(TEMPLATES["T11"], body, parts_needed(body)),
            to=phone,
            send_after=now,
            expires_at=now + timedelta(days=1),
        )
        for phone, body in bodies.items()
    ]
    async with opened(url) as database:
        await database.migrate()
        async with database.transaction():
            await enqueue(database, letters, now=now)


async def until(is_so: Callable[[], bool] | Callable[[], Awaitable[bool]], *, pause_s: float = 0.01) -> None:
    """Looks again and again, for at most PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = is_so()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(pause_s)


async def states(database: Database) -> dict[str, int]:
    rows = await database.rows("SELECT state, COUNT(*) AS n FROM message GROUP BY state")
    return {str(row["state"]): int(str(row["n"])) for row in rows}
