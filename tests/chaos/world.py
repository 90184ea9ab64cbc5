"""What a fault happens to: a queue, carriers that outlive it and remember everything, people with phones, servers.

A server is a real `zhangban serve` (victim.py); carriers and people live here. Office time is the machine's plus
`ahead_s`, which servers started from then on share: so minutes pass in no time.
"""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from alerts.outgoing import Channel, Letter, enqueue
from alerts.templates import TEMPLATES
from alerts.texts import Code, Text, parts_needed
from kernel.chance import Secrets
from kernel.clock import SystemClock
from kernel.db import Database
from server.wiring import TABLES
from sms.cmpp.vocabulary import Submit
from sms.mas import messages as mas
from sms.patience import patiently
from sms.receipts import plain_id
from sms.simulator import Smsc
from sms.simulator.cmpp import Ismg
from sms.simulator.handset import Handset
from sms.simulator.mas import CloudMas
from sms.smpp.vocabulary import SubmitSm
from tests.chaos.victim import Order
from tests.standing import count_of_states

ROOT = Path(__file__).parents[2]
ACCESS_NUMBER = "10690000"
#: A busy machine is no defect; a stuck program is.
PATIENCE_S = 120.0
HIDDEN = "▒▒▒▒▒"


class Taken(Struct, frozen=True):
    """A carrier took one part: when, by the office's clock, and under which id."""

    at: datetime
    carrier: str
    sms_id: str
    phone: str
    number: int


class Record(deque[tuple[str, SubmitSm | Submit]]):
    """In place of a simulator's `accepted`, which remembers the last only."""

    def __init__(self, world: "World", carrier: str) -> None:
        super().__init__(maxlen=1000)
        self._world, self._carrier = world, carrier

    def append(self, taken: tuple[str, SubmitSm | Submit]) -> None:
        super().append(taken)
        message_id, pdu = taken
        for phone in pdu.destinations if isinstance(pdu, Submit) else (pdu.destination,):
            concat = (pdu.part(phone) if isinstance(pdu, Submit) else pdu.part()).concat
            self._world.note(self._carrier, plain_id(message_id), phone, concat.number if concat else 1)


class WatchedMas(CloudMas):
    """A cloud MAS, which is given whole texts and has one id for all their parts."""

    world: "World"
    _said: "mas.Submission | None" = None

    async def __aenter__(self) -> "WatchedMas":
        await super().__aenter__()
        return self

    async def _taken(self, said, request):
        self._said = said
        return await super()._taken(said, request)

    def _group(self, serial: int) -> str:
        group, said, self._said = super()._group(serial), self._said, None
        if said is not None:
            for number in range(1, parts_needed(f"【{self.signature}】{said.content}") + 1):
                self.world.note("cloud", group, said.mobiles, number)
        return group


class Victim:
    """A running server."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self.log, self.is_killed = pid, log, False
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def ready(self) -> bool:
        """Once it serves; False: it ended before."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.ended.done():
                if self.log.exists() and "serving " in self.log.read_text(errors="replace"):
                    return True
                await asyncio.sleep(0.01)
        return False

    def kill(self, number: int = signal.SIGKILL) -> None:
        if not self.ended.done():
            self.is_killed |= number in (signal.SIGKILL, signal.SIGTERM)
            os.kill(self.pid, number)

    async def gone(self, within_s: float = PATIENCE_S) -> int:
        """Its end, as a wait status. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            return await asyncio.shield(self.ended)

    @property
    def peak_mib(self) -> float:
        """The most memory it ever had."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


class Victims:
    """The process that makes servers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._started: asyncio.Queue[int] = asyncio.Queue()
        self._living: dict[int, Victim] = {}
        self._hearing = asyncio.create_task(self._hear())

    async def serve(self, order: Order) -> Victim:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            pid = await self._started.get()
        return self._living[pid]

    async def _hear(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            what, pid, *status = line.split()
            if what == b"started":
                self._living[int(pid)] = Victim(int(pid), Path())
                self._started.put_nowait(int(pid))
            else:
                self._living.pop(int(pid)).ended.set_result(int(status[0]))

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            await self._process.wait()
            await self._hearing


@asynccontextmanager
async def victims() -> AsyncIterator[Victims]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos.victim", cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    made = Victims(process)
    try:
        yield made
    finally:
        await made.close()


class Expected(Struct, frozen=True):
    """A text that was queued: what its phone must show. `is_code`: it confirms something."""

    phone: str
    words: str
    is_code: bool = False


class World:
    """`folder` holds the installation; its configuration is written by `connect`."""

    def __init__(self, database: Database, folder: Path, servers: Victims, chance: random.Random) -> None:
        self.database, self.folder, self.chance = database, folder, chance
        self.carriers: dict[str, Smsc | Ismg | WatchedMas] = {}
        self.taken: list[Taken] = []
        self.expected: dict[str, Expected] = {}
        #: Who has texted us, and whether the carrier could hand it over.
        self.people: dict[str, asyncio.Task[None]] = {}
        self.ahead_s = 0.0
        self.kills = self.rounds = 0
        self._servers, self._clock = servers, SystemClock()
        self._sections: list[str] = []
        self._phones = 0
        self._secrets: Secrets | None = None

    # ---- time

    def now(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self.ahead_s)

    def pass_time(self, by: timedelta) -> None:
        """For servers that are started from now on."""
        self.ahead_s += by.total_seconds()

    # ---- carriers

    def note(self, carrier: str, sms_id: str, phone: str, number: int) -> None:
        self.taken.append(Taken(self.now(), carrier, sms_id, phone, number))

    def watch(self, name: str, carrier: Smsc | Ismg | WatchedMas) -> None:
        """Everything that `carrier` takes from now on is in `taken`."""
        self.carriers[name] = carrier
        if isinstance(carrier, Smsc):
            carrier.accepted = carrier._exchange.accepted = Record(self, name)  # type: ignore[assignment]
        elif isinstance(carrier, Ismg):
            carrier.accepted = Record(self, name)  # type: ignore[assignment]
        else:
            carrier.world = self

    def connect(self, *sections: str, http_port: int = 0) -> None:
        """Writes the configuration: one section per carrier."""
        head = f'data_dir = "{self.folder}/var"\n[database]\nurl = "{self.database.url}"\n[http]\nport = {http_port}\n'
        self.config.write_text(head + "".join(f"[[sms.carriers]]\n{section}\n" for section in sections))

    @property
    def config(self) -> Path:
        return self.folder / "zhangban.toml"

    def inbox(self, phone: str) -> list[str]:
        """What the phone shows, from whichever carrier."""
        return [text.text for carrier in self.carriers.values() for text in carrier.handset(phone).inbox]

    # ---- servers

    @asynccontextmanager
    async def server(
        self,
        *,
        kill: str = "",
        passages: int = 0,
        sabotage: str = "",
        is_ready: bool = True,
        disk: str = "",
        sealer: str = "",
        one_by_one: bool = False,
    ) -> AsyncIterator[Victim]:
        """A server, killed at the end of the block unless it ended before. With `is_ready` it serves."""
        self.rounds += 1
        log = self.folder / f"server-{self.rounds}.log"
        order = Order(
            config=str(self.config),
            log=str(log),
            kill=kill,
            passages=passages,
            ahead_s=self.ahead_s,
            sabotage=sabotage,
            disk=disk,
            sealer=sealer,
            one_by_one=one_by_one,
        )
        victim = await self._servers.serve(order)
        victim.log = log
        try:
            if is_ready and not await victim.ready() and not kill:
                raise RuntimeError(f"the server ended: {log.read_text()[-2000:]}")
            yield victim
        finally:
            if victim.ended.done() and not victim.is_killed and not kill:
                raise RuntimeError(f"the server ended of itself: {log.read_text(errors='replace')[-2000:]}")
            victim.kill()
            if os.WIFSIGNALED(await victim.gone()):
                self.kills += 1

    # ---- texts to people

    async def queue(self, *, texts: int = 0, long: int = 0, codes: int = 0) -> None:
        """Queues so many more, each to a phone of its own, in an order of their own."""
        made = [self._letter("138", "您的第{n}件申请已受理，请留意后续通知。") for _ in range(texts)]
        made += [self._letter("136", "第{n}件：" + "一二三四五六七八九十" * 8) for _ in range(long)]
        made += [self._letter("137", "第{n}件确认码" + HIDDEN, is_code=True) for _ in range(codes)]
        self.chance.shuffle(made)
        for start in range(0, len(made), 1000):
            await patiently(partial(self._enqueue, made[start : start + 1000]), "queue")

    async def _enqueue(self, letters: Sequence[Letter]) -> None:
        async with self.database.transaction():
            await enqueue(self.database, letters, now=self.now())

    def _letter(self, prefix: str, words: str, *, is_code: bool = False) -> Letter:
        self._phones += 1
        phone, body = f"{prefix}{self._phones:08d}", "【衡江政务服务】" + words.format(n=self._phones)
        code = Code("chaos", str(self._phones), 5) if is_code else None
        shown = body
        if code is not None:
            shown = body.replace(HIDDEN, self.secrets.derived_code(code.purpose, code.value, code.digits))
        self.expected[phone] = Expected(phone, shown, is_code)
        return Letter(
            dedupe_key=f"chaos:{phone}",
            channel=Channel.SMS,
            text=Text(TEMPLATES["T05" if is_code else "T11"], body, parts_needed(body), code),
            to=phone,
            send_after=self.now(),
            expires_at=self.now() + timedelta(days=7),
        )

    @property
    def secrets(self) -> Secrets:
        """The installation's own, which is there since its first start."""
        if self._secrets is None:
            self._secrets = Secrets((self.folder / "var" / "secrets" / "hmac-key").read_bytes())
        return self._secrets

    # ---- texts from people

    def text_us(self, count: int, carriers: Iterable[str] = ()) -> None:
        """So many people, each with a phone of their own, text a code that nobody gave out. A carrier keeps trying."""
        names = tuple(carriers) or tuple(self.carriers)
        for number in range(count):
            self._phones += 1
            phone = f"139{self._phones:08d}"
            handset = self.carriers[names[number % len(names)]].handset(phone)
            self.people[phone] = asyncio.create_task(self._text_us(handset))

    async def _text_us(self, handset: Handset) -> None:
        await handset.send(ACCESS_NUMBER, f"1 {self.chance.randrange(100_000):05d}", timeout_s=10 * PATIENCE_S)

    @property
    def untaken(self) -> int:
        """Texts from people that no server has acknowledged."""
        return sum(not task.done() for task in self.people.values())

    # ---- the queue

    async def states(self) -> dict[str, int]:
        return await count_of_states(self.database)

    async def close(self) -> None:
        for task in self.people.values():
            task.cancel()
        await asyncio.gather(*self.people.values(), return_exceptions=True)


def smpp(name: str, port: int, **settings: object) -> str:
    """The section of a carrier that speaks SMPP; every wait may be shortened."""
    return _section(
        kind="smpp",
        name=name,
        host="127.0.0.1",
        port=port,
        system_id="zhangban",
        password="secret",
        source_address=ACCESS_NUMBER,
        **{"parts_per_second": 10_000, "response_s": 1.5, **settings},
    )


def cmpp(name: str, port: int, **settings: object) -> str:
    return _section(
        kind="cmpp",
        name=name,
        host="127.0.0.1",
        port=port,
        sp_id="901234",
        shared_secret="secret",
        access_number=ACCESS_NUMBER,
        **{"parts_per_second": 10_000, "response_s": 1.5, **settings},
    )


MAS_ACCOUNT = mas.Account(ec_name="衡江", ap_id="zhangban", secret_key="secret", sign="sign")
PUSH_PATH = "chaos-chaos-chaos"


def cloud_mas(name: str, url: str, **settings: object) -> str:
    return _section(
        kind="mas",
        name=name,
        url=url,
        ec_name=MAS_ACCOUNT.ec_name,
        ap_id=MAS_ACCOUNT.ap_id,
        secret_key=MAS_ACCOUNT.secret_key,
        sign=MAS_ACCOUNT.sign,
        push_path=PUSH_PATH,
        allowed_addresses=["127.0.0.1"],
        **{"parts_per_second": 10_000, **settings},
    )


def _section(**settings: object) -> str:
    return "".join(f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in settings.items())


async def opened(url: str) -> Database:
    return await Database.open(url, modules=TABLES)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
