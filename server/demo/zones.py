"""`zhangban demo --zones`: the same story in an isolated network, where phones and texts are outside.

Two zones, each a process with a database of its own, share one directory. Phones and the carrier reach the outer zone
only; the hall's window, the desk and every decision are inside. The storyteller plays people: it holds the phones,
stands at the window, carries the peer files once, and looks into the inner zone as an operator does. After each step
it waits until everything has crossed, and in the end it tells how long every crossing took.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from casework.seed import SeedOfficer
from kernel.actor import Role
from kernel.clock import RunningClock
from server.carriers import SIMULATED_ACCESS_NUMBER, SIMULATED_ACCOUNT
from server.demo.carrier import TextMissing
from server.demo.phone import Answer, Api, Phone, Refused
from server.demo.staging import StepFailed, StoryEnded
from server.demo.story import Story
from server.demo.telling import Door, StepTold, Teller
from server.demo.zone import Ask, Given, Introduced, Serving, Told, ZoneName, settings_of
from server.doors import Doors
from server.wiring import System, open_system

#: Real seconds: a text, an answer, a state may have to cross twice, on a busy machine.
_PATIENCE_S = 60.0
_LOOK_S = 0.1

T = TypeVar("T")


class ZoneClock(RunningClock):
    """The storyteller's clock. Whoever sets it sets the zones' too, at the next `tell`."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.untold = True

    def set(self, instant: datetime) -> None:
        super().set(instant)
        self.untold = True


class Crossing(Struct, frozen=True):
    """One record that crossed: `age_s` from the commit that handed it over to the commit in which it took effect."""

    record: str
    type: str
    to: ZoneName
    age_s: float


@dataclass
class Zone:
    """A zone's process, as the storyteller has it."""

    name: ZoneName
    process: asyncio.subprocess.Process
    port: int = 0

    async def said(self, kind: type[T]) -> T:
        """Raises StepFailed when the process has ended."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise StepFailed(f"the {self.name} zone ended")
        return msgspec.json.decode(line, type=kind)

    async def told(self, what: Struct) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(what) + b"\n")
        await self.process.stdin.drain()

    async def asked(self, now: datetime | None = None) -> Told:
        await self.told(Ask(now=now))
        return await self.said(Told)


@dataclass(kw_only=True)
class Zones:
    outer: Zone
    inner: Zone
    clock: ZoneClock

    async def asked(self) -> tuple[Told, Told]:
        """How far the outer and the inner zone are; tells them the time if it was moved."""
        now = self.clock.now() if self.clock.untold else None
        self.clock.untold = False
        outer, inner = await asyncio.gather(self.outer.asked(now), self.inner.asked(now))
        return outer, inner

    async def crossings(self) -> list[Crossing]:
        """Everything that crossed so far, oldest first in each direction."""
        outer, inner = await self.asked()
        return [
            Crossing(sent.rid, sent.type, to, round((there.applied[sent.rid] - sent.at).total_seconds(), 3))
            for here, there, to in ((outer, inner, self.inner.name), (inner, outer, self.outer.name))
            for sent in here.sent
            if sent.rid in there.applied
        ]


@dataclass
class DistantPeople:
    """Those who hold phones, behind a simulated SMSC that is a process of its own."""

    control: str
    own: bool = True
    _read: dict[str, int] = field(default_factory=dict)

    async def receives(self, phone: str, *words: str) -> str:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while True:
                    inbox = (await self.asked(f"/handsets/{phone}"))["inbox"]
                    for n in range(self._read.get(phone, 0), len(inbox)):
                        self._read[phone] = n + 1
                        if all(word in _words(inbox[n]) for word in words):
                            return _words(inbox[n])
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise TextMissing(f"{phone}没有收到含有{'、'.join(words)}的短信") from None

    async def answers(self, phone: str, body: str) -> None:
        said = {"from": phone, "to": SIMULATED_ACCESS_NUMBER, "text": body}
        if not (await self.asked("/mo", said))["taken"]:
            raise TextMissing(f"{phone}的短信无人接收")

    async def asked(self, path: str, body: dict[str, str] | None = None) -> Any:
        def ask() -> Any:
            data = None if body is None else json.dumps(body).encode()
            with urllib.request.urlopen(f"{self.control}{path}", data, timeout=_PATIENCE_S) as reply:  # noqa: S310
                return json.load(reply)

        return await asyncio.to_thread(ask)


def _words(text: Any) -> str:
    return str(text["text"] if isinstance(text, dict) else text)


class PatientApi(Api):
    """PENDING means: ask again with the same key."""

    async def ask(self, operation: str, *, token: str | None = None, **variables: object) -> Answer:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                try:
                    return await super().ask(operation, token=token, **variables)
                except Refused as refused:
                    if refused.code != "PENDING":
                        raise


@dataclass(kw_only=True)
class ZonesStory(Story):
    zones: Zones
    #: The hall stands inside.
    window: Api

    async def step(self, name: str, door: Door, held: Awaitable[T]) -> T:
        outcome = await super().step(name, door, held)
        await self.settled()
        return outcome

    async def move_to(self, instant: datetime | None) -> None:
        await super().move_to(instant)
        await self.zones.asked()

    async def settled(self) -> None:
        """Until nothing is under way in either zone, nor between them."""

        async def all_crossed() -> bool | None:
            outer, inner = await self.zones.asked()
            missing = {sent.rid for sent in outer.sent} - inner.applied.keys()
            missing |= {sent.rid for sent in inner.sent} - outer.applied.keys()
            return not (missing or outer.under_way or inner.under_way) or None

        try:
            await self.until(all_crossed, _PATIENCE_S)
        except TimeoutError:
            self.tell(StepTold(name="everything crosses", door="command", ok=False, why="still under way"))
            raise StoryEnded from None

    async def _everywhere(self) -> None:
        await self.settled()

    def _phone_of(self, officer: SeedOfficer) -> Phone:
        api = self.window if Role.WINDOW_CLERK in officer.roles else self.api
        return self._phones.setdefault(officer.id, Phone(api, officer.id, officer.name))

    async def _carriers_are_bound(self) -> None:
        assert isinstance(self.people, DistantPeople)
        people = self.people

        async def bound() -> bool | None:
            return bool((await people.asked("/stats"))["connections"]) or None

        await self.until(bound, _PATIENCE_S)


@asynccontextmanager
async def telling(folder: Path, begins: datetime, teller: Teller) -> AsyncIterator[ZonesStory]:
    """The carrier, the two zones and a storyteller who may begin."""
    async with AsyncExitStack() as stack:
        clock = ZoneClock(begins)
        smsc_port, control = await stack.enter_async_context(_carrier())
        outer, inner = await asyncio.gather(
            stack.enter_async_context(_zone(Given(zone="outer", folder=str(folder / "outer"), now=begins,
                                                  carrier_port=smsc_port))),
            stack.enter_async_context(_zone(Given(zone="inner", folder=str(folder / "inner"), now=begins))),
        )  # fmt: skip
        await _meet(outer, inner)
        system = await stack.enter_async_context(_desk(folder, clock))
        yield ZonesStory(
            system=system,
            clock=clock,
            teller=teller,
            api=PatientApi(f"http://127.0.0.1:{outer.port}"),
            window=PatientApi(f"http://127.0.0.1:{inner.port}"),
            people=DistantPeople(control),
            doors=Doors(http_port=outer.port),
            zones=Zones(outer=outer, inner=inner, clock=clock),
        )


async def _meet(outer: Zone, inner: Zone) -> None:
    """A person carries each side's file to the other, and the words are read aloud."""
    files = await asyncio.gather(outer.said(Introduced), inner.said(Introduced))
    for zone, other in zip((outer, inner), reversed(files), strict=True):
        await zone.told(other)
    for zone in (outer, inner):
        zone.port = (await zone.said(Serving)).port


@asynccontextmanager
async def _desk(folder: Path, clock: RunningClock) -> AsyncIterator[System]:
    """The inner zone as an operator at its server has it: the same database and keys, no doors."""
    given = Given(zone="inner", folder=str(folder / "inner"), now=clock.now())
    async with open_system(settings_of(given), clock=clock) as system:
        yield system


@asynccontextmanager
async def _zone(given: Given) -> AsyncIterator[Zone]:
    async with _process("server.demo.zone", msgspec.json.encode(given).decode()) as process:
        yield Zone(given.zone, process)


@asynccontextmanager
async def _carrier() -> AsyncIterator[tuple[int, str]]:
    """Ports of an SMSC and of its control."""
    account = ":".join(SIMULATED_ACCOUNT)
    arguments = ("smsc", "--port", "0", "--control-port", "0", "--account", account)
    async with _process("sms.simulator", *arguments) as process:
        assert process.stdout is not None
        said = [(await process.stdout.readline()).decode().rpartition(" ")[2].strip() for _ in range(2)]
        yield int(said[0].rpartition(":")[2]), f"http://{said[1]}"


@asynccontextmanager
async def _process(module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Ends with its standard input, or is made to."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, limit=64 << 20,
    )  # fmt: skip
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        if module == "sms.simulator":
            process.terminate()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def summary(crossings: list[Crossing]) -> dict[str, dict[str, float]]:
    """Ages by record type and direction, in seconds."""
    ages: dict[str, list[float]] = {}
    for crossing in crossings:
        ages.setdefault(f"{crossing.type} → {crossing.to}", []).append(crossing.age_s)
    return {
        name: {"count": len(found), "median_s": statistics.median(found), "max_s": max(found)}
        for name, found in sorted(ages.items())
    }
