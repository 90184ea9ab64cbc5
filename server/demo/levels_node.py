"""One level of the demo: a whole server in a process of its own, with its own database, on a clock that is told.

It is ordered about by lines of JSON on standard input and answers each by one on standard output. Everything that
counts goes through its doors all the same: phones over GraphQL, reports over HTTP from the node below.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import msgspec

from casework.acts import PublishItem
from casework.clock.working_days import day_of
from casework.seed import county, items
from ferry.exchange.reconciling import drifts_on
from ferry.exchange.rules import Sender
from kernel.clock import FakeClock
from kernel.directory import EnterDirectory, OfficerEntry, UnitEntry
from kernel.log import verify
from kernel.refusals import Refusal
from server import exchange_desk
from server.config_file import SettingsRefused
from server.desk import approve_at_the_desk, done
from server.doors import open_doors
from server.exchange_settings import ExchangeSettings
from server.processes import Pace, Stop, Timer
from server.settings import ApiSettings, DatabaseSettings, HttpSettings, Settings
from server.wiring import System, open_system

ITEM = "ZJ-XK-001"
_PACE = Pace(courier_s=0.1, timer_s=0.3)
_PATIENCE_S = 60.0

Said = dict[str, Any]  # a line of JSON, whichever it is


class LevelPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is started with. `above_url` empty: the highest."""

    folder: str
    name: str
    region: str
    port: int
    begins: datetime
    above_url: str = ""

    @property
    def certificate(self) -> Path:
        """Where the certificate that the level above issues is put."""
        return Path(self.folder) / "above.pem"


class Node:
    def __init__(self, plan: LevelPlan, system: System, clock: FakeClock) -> None:
        self._plan, self._system, self._clock = plan, system, clock
        self._timer = Timer(system)

    async def do(self, order: Said) -> Said:
        """The answer to one order. Raises Refusal, TimeoutError."""
        orders: dict[str, Callable[[Said], Awaitable[Said]]] = {
            "load": self._load,
            "request": self._request,
            "register": self._register,
            "approve": self._approve,
            "move": self._move,
            "settle": self._settle,
            "held": self._held,
            "said": self._said,
            "drifts": self._drifts,
        }
        return await orders[str(order["do"])](order)

    async def _load(self, order: Said) -> Said:
        """The directory and one item: every level has the same offices here."""
        sample = county()
        units = tuple(msgspec.convert(unit, UnitEntry, from_attributes=True) for unit in sample.units)
        officers = tuple(msgspec.convert(officer, OfficerEntry, from_attributes=True) for officer in sample.officers)
        await done(self._system, EnterDirectory(units=units, officers=officers))
        item = next(each for each in items() if each.code == ITEM)
        await done(self._system, PublishItem(definition=msgspec.json.encode(item)))
        return {}

    async def _request(self, order: Said) -> Said:
        return {"request": exchange_desk.own_request(self._system).decode()}

    async def _register(self, order: Said) -> Said:
        sender = Sender(source_system=order["name"], org="ALL", region=order["region"])
        view = await exchange_desk.add_sender(
            self._system, sender, name=order["title"], unit="", request=order["request"].encode()
        )
        return {"chain": exchange_desk.chain_of(self._system, view.certificate).decode()}

    async def _approve(self, order: Said) -> Said:
        await approve_at_the_desk(self._system, order["enrolment"], document="身份证原件")
        return {}

    async def _move(self, order: Said) -> Said:
        self._clock.set(datetime.fromisoformat(order["to"]))
        return {}

    async def _settle(self, order: Said) -> Said:
        """What is due now is done, and what is to be reported was answered."""
        await self._timer.tick()
        async with asyncio.timeout(_PATIENCE_S):
            while not await self._is_quiet():  # noqa: ASYNC110  it happens in the database
                await asyncio.sleep(0.02)
        return {}

    async def _is_quiet(self) -> bool:
        now = self._clock.now()
        (row,) = await self._system.database.rows(
            "SELECT (SELECT COUNT(*) FROM outbox WHERE NOT parked AND due_at <= $1)"
            " + (SELECT COUNT(*) FROM exchange_due)"
            " + (SELECT COUNT(*) FROM exchange_report WHERE state <> 'taken') AS n,"
            " (SELECT MAX(closes) FROM exchange_report) AS closed",
            now,
        )
        if not self._plan.above_url:
            (row,) = await self._system.database.rows(
                "SELECT COUNT(*) AS n FROM outbox WHERE NOT parked AND due_at <= $1", now
            )
            return int(str(row["n"])) == 0
        yesterday = day_of(now) - timedelta(days=1)
        closed = date.fromisoformat(str(row["closed"])[:10]) if row["closed"] is not None else date.min
        return int(str(row["n"])) == 0 and closed >= yesterday

    async def _held(self, order: Said) -> Said:
        """How many rows were taken from a system, and of how many cases, of a region."""
        (row,) = await self._system.database.rows(
            "SELECT COUNT(*) AS n, COUNT(DISTINCT projid) AS cases FROM exchange_record"
            " WHERE source_system = $1 AND region = $2 AND superseded = FALSE",
            order["source"],
            order["region"],
        )
        return {"rows": int(str(row["n"])), "cases": int(str(row["cases"]))}

    async def _said(self, order: Said) -> Said:
        (row,) = await self._system.database.rows(
            "SELECT COUNT(*) AS n, COUNT(DISTINCT projid) AS cases FROM exchange_said s WHERE NOT EXISTS"
            " (SELECT 1 FROM exchange_said n WHERE n.projid = s.projid AND n.table_name = s.table_name"
            " AND n.number = s.number AND n.version > s.version)"
        )
        return {"rows": int(str(row["n"])), "cases": int(str(row["cases"]))}

    async def _drifts(self, order: Said) -> Said:
        """Where the two sides differ, of every day that was tallied; and whether our own log is whole."""
        days = await self._system.database.rows("SELECT DISTINCT day FROM exchange_tally ORDER BY day")
        found = 0
        for row in days:
            drifts = await drifts_on(self._system.database, date.fromisoformat(str(row["day"])[:10]))
            found += sum(len(each) for each in drifts.values())
        verdict = await verify(self._system.database)
        return {"days": len(days), "drifts": found, "log": verdict.broken is None}


async def _run(plan: LevelPlan, answers: TextIO) -> None:
    clock, stop = FakeClock(plan.begins), Stop()
    async with open_system(_settings(plan), clock=clock) as system, open_doors(system, stop=stop, pace=_PACE) as doors:
        node = Node(plan, system, clock)
        _tell(answers, {"port": doors.http_port})
        while line := await asyncio.to_thread(sys.stdin.readline):
            try:
                _tell(answers, await node.do(json.loads(line)))
            except (Refusal, TimeoutError) as fault:
                _tell(answers, {"failed": str(fault) or type(fault).__name__})


def _settings(plan: LevelPlan) -> Settings:
    folder = Path(plan.folder)
    return Settings(
        demo=True,
        data_dir=folder,
        database=DatabaseSettings(url=f"sqlite://{folder}/zhangban.db"),
        http=HttpSettings(port=plan.port),
        api=ApiSettings(strangers_per_minute=10_000, requests_per_address=100_000, requests_per_minute=10_000),
        exchange=ExchangeSettings(
            source_system=plan.name,
            region=plan.region,
            accept_pushes=True,
            pushes_per_minute=100_000,
            above_url=plan.above_url,
            above_certificate=str(plan.certificate) if plan.above_url else "",
        ),
    )


def _tell(answers: TextIO, answer: Said) -> None:
    answers.write(json.dumps(answer, ensure_ascii=False) + "\n")
    answers.flush()


def main() -> None:
    """The plan is the one argument. Ends with its standard input."""
    plan = msgspec.json.decode(sys.argv[1].encode(), type=LevelPlan)
    answers, sys.stdout = sys.stdout, sys.stderr  # the log shall not stand among the answers
    try:
        asyncio.run(_run(plan, answers))
    except SettingsRefused as wrong:
        _tell(answers, {"failed": "; ".join(map(str, wrong.problems))})


if __name__ == "__main__":
    main()
