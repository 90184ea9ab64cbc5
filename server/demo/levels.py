"""The story of three levels: county, city and province, three processes with three databases and HTTP between them.

A county's case runs late and stands red on the province's board; each level sees its subordinates and nobody else; a
county that falls silent is noticed by its city the next working day; when it is back, reconciliation proves that
nothing is missing. The first step that does not hold ends the story.
"""

import asyncio
import json
import socket
import sys
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from casework.clock.working_days import CHINA
from kernel.actor import Role
from server.demo.cast import people
from server.demo.levels_node import ITEM, LevelPlan
from server.demo.phone import Answer, Api, Phone, Refused
from server.demo.staging import StepFailed, StoryEnded
from server.demo.telling import Door, StepTold, Teller

CHAPTERS = 5
T = TypeVar("T")
_PATIENCE_S = 120.0
_BEGINS = datetime(2026, 9, 18, 9, 0, tzinfo=CHINA)
#: Ten past midnight, until the case of three working days is late; Sunday the 20th is a working day that year.
_DAYS = tuple(datetime(2026, 9, day, 0, 10, tzinfo=CHINA) for day in (19, 20, 21, 22, 23))
#: The second is past the hour at which a day's report is missed.
_SILENT = tuple(datetime(2026, 9, 24, hour, 10, tzinfo=CHINA) for hour in (0, 9))


class Level:
    """One node: its process, and a supervisor's phone at its door."""

    def __init__(self, plan: LevelPlan, title: str) -> None:
        self.plan, self.title = plan, title
        self.api = Api(f"http://127.0.0.1:{plan.port}")
        self._process: asyncio.subprocess.Process | None = None
        self._phones: dict[str, Phone] = {}

    async def start(self, begins: datetime) -> None:
        plan = msgspec.structs.replace(self.plan, begins=begins)
        with await asyncio.to_thread(Path(f"{plan.folder}.log").open, "ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "server.demo.levels_node", msgspec.json.encode(plan).decode()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=1 << 20,
            )
        await self._answer()

    async def tell(self, do: str, **more: str) -> Answer:
        """Raises StepFailed when the node could not."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **more}).encode() + b"\n")
        return await self._answer()

    async def _answer(self) -> Answer:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), _PATIENCE_S)
        if not line:
            raise StepFailed(f"{self.title}: the process ended")
        answer: Answer = json.loads(line)
        if "failed" in answer:
            raise StepFailed(f"{self.title}: {answer['failed']}")
        return answer

    async def kill(self) -> None:
        """As a power cut does."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def close(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 20)
        except TimeoutError:
            await self.kill()

    async def phone(self, role: Role) -> Phone:
        """The first officer of that role, with a certificate and a session."""
        officer = people(role)[0]
        phone = self._phones.get(officer.id)
        if phone is None:
            phone = self._phones[officer.id] = Phone(self.api, officer.id, officer.name)
            await self.tell("approve", enrolment=await phone.request_certificate())
            await phone.fetch_certificate()
        await phone.log_in()
        return phone

    async def board(self, **chosen: object) -> dict[str, Any]:
        """The cases on the supervisors' board, by number; of another system with its name before it."""
        phone = await self.phone(Role.SUPERVISOR)
        page = await phone.ask("RegionCases", first=50, **chosen)
        return {":".join(filter(None, (each["source"], each["number"]))): each for each in page["nodes"]}

    async def systems(self) -> dict[str, Any]:
        phone = await self.phone(Role.SUPERVISOR)
        found: Any = await phone.ask("ReportingSystems")
        return {str(each.pop("source")): {key: each[key] for key in each if key[:2] != "__"} for each in found}


@dataclass(kw_only=True)
class LevelStory:
    folder: Path
    teller: Teller
    steps: list[StepTold] = field(default_factory=list)
    _chapters_told: int = 0
    _late: str = ""
    _other: str = ""
    _now: datetime = _BEGINS

    @property
    def held(self) -> bool:
        return bool(self.steps) and all(step.ok for step in self.steps)

    async def run(self) -> dict[str, object]:
        """Tells the story to its end or to the first step that does not hold; what the boards showed last."""
        async with AsyncExitStack() as stack:
            self._make_levels()
            for level in self._levels:
                stack.push_async_callback(level.close)
            with suppress(StoryEnded):
                await self._chapter("三级", "three levels, each with its own database", self._three_levels())
                await self._chapter("一件县里的事", "a county's case is known above", self._a_case())
                await self._chapter("红灯", "it runs late: red on the province's board", self._it_runs_late())
                await self._chapter("各看各的", "each level sees its subordinates only", self._who_sees_what())
                await self._chapter("缺报与对账", "a silent county, and nothing is missing", self._a_silent_county())
                return await self._boards()
        return {}

    def _make_levels(self) -> None:
        ports = _free_ports(3)
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        plans = [
            LevelPlan(
                folder=str(self.folder / name.lower()),
                name=name,
                region=region,
                port=port,
                begins=_BEGINS,
                above_url=above,
            )
            for name, region, port, above in (
                ("HENGJIANG", "430421", ports[0], urls[1]),
                ("HENGYANG", "430400", ports[1], urls[2]),
                ("HUNAN", "430000", ports[2], ""),
            )
        ]
        self._county, self._city, self._province = self._levels = tuple(
            Level(plan, title) for plan, title in zip(plans, ("衡江县", "衡阳市", "湖南省"), strict=True)
        )

    # ------------------------------------------------------------------------------------------------ chapters
    async def _three_levels(self) -> None:
        await self._step(
            "three processes with a database each",
            "command",
            asyncio.gather(*(level.start(_BEGINS) for level in self._levels)),
        )
        await self._step(
            "directory and catalogue", "command", asyncio.gather(*(level.tell("load") for level in self._levels))
        )
        for lower, upper in ((self._city, self._province), (self._county, self._city)):
            name = f"{upper.plan.name} registers {lower.plan.name} and certifies its key"
            await self._step(name, "command", self._registered(lower, upper))

    async def _a_case(self) -> None:
        self._late = await self._step("the county accepts an application", "window", self._accepted(self._county))
        own = await self._step("the city receives one of its own", "graphql", self._filed(self._city))
        await self._settled()
        seen, near = f"HENGYANG:HENGJIANG.{self._late}", f"HENGJIANG:{self._late}"
        await self._step("the city's board has the county's case", "graphql", self._shows(self._city, near, "NONE"))
        await self._step("and the province's board too", "graphql", self._shows(self._province, seen, "NONE"))
        await self._step("and the city's own", "graphql", self._shows(self._province, f"HENGYANG:{own}", "NONE"))

    async def _it_runs_late(self) -> None:
        for at in _DAYS:
            await self._move(*self._levels, to=at)
        await self._step("the county's light is red", "graphql", self._shows(self._county, self._late, "RED"))
        seen = f"HENGYANG:HENGJIANG.{self._late}"
        await self._step(
            "a county's red light is on the province's board", "graphql", self._shows(self._province, seen, "RED")
        )
        found = await self._step(
            "and a finding of its supervision", "graphql", self._finding(f"HENGJIANG.{self._late}")
        )
        self.teller.line(f"湖南省监察：{found['caseNumber']}，{found['unitCode']}，逾期")
        await self._step("every day so far is proved complete", "graphql", self._is_complete(missing=0))

    async def _who_sees_what(self) -> None:
        await self._step("the county sees its own cases only", "graphql", self._sees(self._county, {self._late}, set()))
        own = set(await self._city.board(own=True))
        both = own | {f"HENGJIANG:{self._late}"}
        await self._step("the city its own and the county's", "graphql", self._sees(self._city, both, {"HENGJIANG"}))
        below = {f"HENGYANG:HENGJIANG.{self._late}", *(f"HENGYANG:{number}" for number in own)}
        await self._step(
            "the province the city's and the county's", "graphql", self._sees(self._province, below, {"HENGYANG"})
        )
        clerk = await self._province.phone(Role.WINDOW_CLERK)
        await self._step("nobody but supervision sees the board", "graphql", self._is_refused(clerk))

    async def _a_silent_county(self) -> None:
        self._other = await self._step("another application comes in", "graphql", self._filed(self._county))
        await self._step("and the county's server is killed", "command", self._county.kill())
        for at in _SILENT:
            await self._move(self._city, self._province, to=at)
        await self._step("the missing day is alarmed at the city", "timer", self._is_alarmed())
        await self._step("the county's server is back", "command", self._county.start(self._now))
        await self._settled()
        seen = f"HENGYANG:HENGJIANG.{self._other}"
        await self._step("what waited is on the province's board", "graphql", self._shows(self._province, seen, "NONE"))
        await self._step("the gap is closed", "graphql", self._is_complete(missing=0))
        await self._step("reconciliation proves completeness at every level", "command", self._is_proved())

    # --------------------------------------------------------------------------------------------------- parts
    async def _registered(self, lower: Level, upper: Level) -> None:
        request = (await lower.tell("request"))["request"]
        plan = lower.plan
        answer = await upper.tell(
            "register", name=plan.name, region=plan.region, title=lower.title, request=str(request)
        )
        await asyncio.to_thread(plan.certificate.write_text, str(answer["chain"]))

    async def _filed(self, level: Level) -> str:
        guide = await level.api.ask("Guide", code=ITEM)
        stage = guide["stages"][0]
        application = {
            "item": ITEM,
            "stage": stage["code"],
            "applicantName": "衡江远大建设有限公司",
            "applicantIdNumber": "91990426MA00000001",
            "applicantPhone": "13811110001",
            "materials": [{"name": each["name"]} for each in stage["materials"] if each["required"]],
        }
        filed = await Phone(level.api, "", "申请人").act("FileApplication", application=application)
        return str(filed["number"])

    async def _accepted(self, level: Level) -> str:
        number = await self._filed(level)
        clerk = await level.phone(Role.WINDOW_CLERK)
        await clerk.decide(number, "ACCEPT", "材料齐全，符合法定形式，予以受理。")
        return number

    async def _shows(self, level: Level, number: str, light: str) -> None:
        case = (await level.board()).get(number)
        if case is None or case["light"] != light:
            raise StepFailed(f"{level.title}: {number} is {case and case['light']}")

    async def _finding(self, number: str) -> Answer:
        phone = await self._province.phone(Role.SUPERVISOR)
        page = await phone.ask("Findings", kind="REPORTED_OVERDUE")
        for each in page["nodes"]:
            if each["caseNumber"] == number:
                found: Answer = each
                return found
        raise StepFailed(f"no finding on {number}")

    async def _sees(self, level: Level, numbers: set[str], systems: set[str]) -> None:
        seen, below = set(await level.board()), set(await level.systems())
        if (seen, below) != (numbers, systems):
            raise StepFailed(f"{level.title} sees {sorted(seen)} of {sorted(below)}")

    async def _is_refused(self, phone: Phone) -> None:
        try:
            await phone.ask("RegionCases")
        except Refused as refused:
            if refused.code == "NOT_PERMITTED":
                return
        raise StepFailed("the board is open to a clerk")

    async def _is_complete(self, *, missing: int) -> None:
        for level, source in ((self._city, "HENGJIANG"), (self._province, "HENGYANG")):
            system = (await level.systems())[source]
            if system["missingDays"] != missing or system["daysThatDiffer"] or not system["completeUntil"]:
                raise StepFailed(f"{level.title}: {system}")

    async def _is_alarmed(self) -> None:
        system = (await self._city.systems())["HENGJIANG"]
        if (system["missingDays"], system["missingSince"]) != (1, "2026-09-23"):
            raise StepFailed(f"{system}")
        phone = await self._city.phone(Role.SUPERVISOR)
        page = await phone.ask("Findings", kind="REPORT_MISSING")
        if [each["caseNumber"] for each in page["nodes"]] != ["HENGJIANG"]:
            raise StepFailed("no finding")
        self.teller.line(f"衡阳市监察：衡江县{system['missingSince']}未报送")

    async def _is_proved(self) -> None:
        """Every day agrees, and the province holds exactly as much of the county as the county said."""
        for level in (self._city, self._province):
            told = await level.tell("drifts")
            if told["drifts"] or not told["days"] or not told["log"]:
                raise StepFailed(f"{level.title}: {told}")
        said = await self._county.tell("said")
        for level, source in ((self._city, "HENGJIANG"), (self._province, "HENGYANG")):
            held = await level.tell("held", source=source, region="430421")
            if held != said:
                raise StepFailed(f"{level.title} holds {held}, the county said {said}")
        self.teller.line(f"衡江县{said['cases']}件{said['rows']}条数据，市、省两级核对一致")

    async def _boards(self) -> dict[str, object]:
        return {
            level.plan.name: {
                "cases": {number: case["light"] for number, case in sorted((await level.board()).items())},
                "systems": await level.systems(),
            }
            for level in self._levels
        }

    # ---------------------------------------------------------------------------------------------------- time
    async def _move(self, *levels: Level, to: datetime) -> None:
        """From above downwards, so that nobody hears of what is still to come; then up again what is to be told."""
        self._now = to
        for level in reversed(levels):
            await self._must(level.tell("move", to=to.isoformat()))
        await self._settled(*levels)
        self.teller.line(f"[dim]时间来到 {to:%Y-%m-%d %H:%M}[/]")

    async def _settled(self, *levels: Level) -> None:
        for level in levels or self._levels:
            await self._must(level.tell("settle"))

    async def _must(self, done: Awaitable[Answer]) -> None:
        try:
            await done
        except (StepFailed, TimeoutError, OSError) as failure:
            self._tell(StepTold(name="the levels come to rest", door="timer", ok=False, why=str(failure)))
            raise StoryEnded from failure

    # ------------------------------------------------------------------------------------------------- telling
    async def _chapter(self, chinese: str, english: str, told: Awaitable[None]) -> None:
        self._chapters_told += 1
        self.teller.chapter(self._chapters_told, chinese, english)
        await told

    async def _step(self, name: str, door: Door, held: Awaitable[T]) -> T:
        try:
            outcome = await held
        except (StepFailed, Refused, TimeoutError, OSError) as failure:
            self._tell(StepTold(name=name, door=door, ok=False, why=str(failure) or type(failure).__name__))
            raise StoryEnded from failure
        self._tell(StepTold(name=name, door=door, ok=True))
        return outcome

    def _tell(self, step: StepTold) -> None:
        self.steps.append(step)
        self.teller.step(step)


def _free_ports(count: int) -> list[int]:
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(door.getsockname()[1]) for door in doors]
    for door in doors:
        door.close()
    return ports
