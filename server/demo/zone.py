"""One zone of `zhangban demo --zones`: a process of its own, with its own database, that shares a folder and no more.

The storyteller gives it what people give each other: the other side's peer file and the words read aloud; and what
nobody gives anybody: the time. One JSON object a line, both ways, on standard input and output.
"""

import asyncio
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import structlog
from msgspec import Struct
from pydantic import SecretStr

from kernel.clock import RunningClock
from kernel.db import instant_of
from server import ferry_desk
from server.carrier_settings import FerryCarrier, SmppCarrier, SmsSettings
from server.carriers import SIMULATED_ACCESS_NUMBER, SIMULATED_ACCOUNT
from server.doors import open_doors
from server.ferry_desk import Why
from server.ferry_settings import FerrySettings, FolderPeer
from server.processes import Pace, Stop
from server.settings import ApiSettings, DatabaseSettings, HttpSettings, Settings
from server.wiring import System, open_system

ZoneName = Literal["inner", "outer"]
#: The demo's clock jumps, so its loops look oftener than a server's. What rings a bell need not be looked for.
PACE = Pace(courier_s=0.05, timer_s=0.3)
_LIMIT_OCTETS = 64 << 20

T = TypeVar("T")


class Given(Struct, frozen=True, kw_only=True):
    """What a zone is told as it starts. `carrier_port`: of the SMSC that is outside; the inner zone has none."""

    zone: ZoneName
    folder: str
    now: datetime
    carrier_port: int = 0

    @property
    def peer(self) -> ZoneName:
        return "outer" if self.zone == "inner" else "inner"


class Introduced(Struct, frozen=True):
    """What is carried to the other zone, and what is read aloud."""

    file: bytes
    words: str


class Serving(Struct, frozen=True):
    port: int


class Ask(Struct, frozen=True):
    """`now`: the time from here on. Answered with how far the ferry is."""

    now: datetime | None = None


class Sent(Struct, frozen=True):
    rid: str
    type: str
    at: datetime


class Told(Struct, frozen=True):
    """`sent` and `applied`: every record that left this zone, and that took effect here, and when.

    `under_way`: events and texts that still wait for somebody in this zone.
    """

    sent: tuple[Sent, ...]
    applied: dict[str, datetime]
    under_way: int


def settings_of(given: Given) -> Settings:
    """A zone keeps everything in its own folder; `../crossing` is what a gap device would carry."""
    folder = Path(given.folder)
    crossing = folder.parent / "crossing"
    system_id, password = SIMULATED_ACCOUNT
    carrier: FerryCarrier | SmppCarrier = FerryCarrier(kind="ferry", name="outer", peer=given.peer)
    if given.zone == "outer":
        carrier = SmppCarrier(
            kind="smpp",
            name="carrier",
            host="127.0.0.1",
            port=given.carrier_port,
            system_id=system_id,
            password=SecretStr(password),
            source_address=SIMULATED_ACCESS_NUMBER,
        )
    peer = FolderPeer(
        kind="folder",
        name=given.peer,
        relation=given.peer,
        out=str(crossing / f"to-{given.peer}"),
        into=str(crossing / f"to-{given.zone}"),
    )
    return Settings(
        demo=True,
        data_dir=folder,
        database=DatabaseSettings(url=f"sqlite://{folder}/zhangban.db"),
        http=HttpSettings(port=0),
        api=ApiSettings(strangers_per_minute=10_000, requests_per_address=100_000, requests_per_minute=10_000),
        sms=SmsSettings(carriers=(carrier,)),
        ferry=FerrySettings(
            zone=given.zone,
            name=given.zone,
            peers=(peer,),
            gather_milliseconds=20,
            status_seconds=1,
            answer_seconds=20,
        ),
    )


async def told(system: System) -> Told:
    """How far the ferry is in this zone."""
    # The clocks of two processes are never quite the same.
    database, soon = system.database, system.clock.now() + timedelta(seconds=5)
    waiting = await database.rows(
        "SELECT (SELECT COUNT(*) FROM outbox WHERE NOT parked AND due_at <= $1)"
        " + (SELECT COUNT(*) FROM message WHERE state = 'queued' AND send_after <= $1)"
        " + (SELECT COUNT(*) FROM arrived_act WHERE outcome = '')"
        " + (SELECT COUNT(*) FROM ferry_mirror_subject WHERE dirty_since IS NOT NULL) AS n",
        soon,
    )
    sent = await database.rows("SELECT rid, line, at FROM ferry_record WHERE refused = '' ORDER BY id")
    applied = await database.rows("SELECT rid, at FROM ferry_applied ORDER BY id")
    return Told(
        sent=tuple(
            Sent(
                rid=str(row["rid"]),
                type=msgspec.json.decode(str(row["line"]), type=_Typed).type,
                at=instant_of(row["at"]),
            )
            for row in sent
        ),
        applied={str(row["rid"]): instant_of(row["at"]) for row in applied},
        under_way=int(str(waiting[0]["n"])),
    )


class _Typed(Struct, frozen=True):
    type: str


async def _run(given: Given) -> None:
    heard, clock, stop = _Heard(), RunningClock(given.now), Stop()
    await heard.open()
    async with open_system(settings_of(given), clock=clock) as system:
        keys = await ferry_desk.make_keys(system, own_ca=True)
        _say(Introduced(keys.file, keys.words))
        other = await heard.next(Introduced)
        assert other is not None
        await ferry_desk.pin_peer(system, given.peer, other.file, words=other.words, why=Why(reason="演示"))
        async with open_doors(system, stop=stop, pace=PACE) as doors:
            _say(Serving(doors.http_port))
            while (asked := await heard.next(Ask)) is not None:
                if asked.now is not None:
                    clock.set(asked.now)
                _say(await told(system))
            stop()


class _Heard:
    """Standard input, line by line; None at its end."""

    async def open(self) -> None:
        self._lines = asyncio.StreamReader(limit=_LIMIT_OCTETS)
        protocol = asyncio.StreamReaderProtocol(self._lines)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)

    async def next(self, kind: type[T]) -> T | None:
        line = await self._lines.readline()
        return msgspec.json.decode(line, type=kind) if line else None


def _say(what: Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(_run(msgspec.json.decode(sys.argv[1], type=Given)))
