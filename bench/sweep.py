"""How fast lights turn: due cases a second on a morning, and what a hundred times more open cases cost.

A round adds cases whose lights are due, then times the office's own act (TurnLights, in batches, everything that
follows included) until nothing is due. A morning is nine yellow lights for one red; a red one brings its sealed and
numbered order, the proposed card and the leaders' codes. The promise: 5 000 due cases a second on PostgreSQL, and
a time that does not grow with the open cases. The last line is JSON.

    python -m bench.sweep [--quick] [--database URL]
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
from datetime import UTC, date, datetime, timedelta

from tortoise.models import Model

from bench._machine import copies, database_url
from casework.tables import Case, Task
from kernel.actor import THE_CLOCK, Role
from kernel.clock import FakeClock
from kernel.db import Database
from kernel.refusals import Refusal
from kernel.tables import Officer, Unit
from server.settings import DatabaseSettings, Settings
from server.wiring import System, open_system
from supervision.acts import IssueOrders, TurnLights

MORNING = datetime(2026, 10, 22, 16, tzinfo=UTC)  # 2026-10-23 00:00 in Shanghai
DAY = timedelta(days=1)
FEW, MANY = 1_000, 100_000
RED_IN_TEN = 1
BATCH = 500
TEMPLATE = "TEMPLATE"


@dataclass(frozen=True)
class Effort:
    due: int
    rounds: int


QUICK, FULL = Effort(due=1_000, rounds=4), Effort(due=5_000, rounds=7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 40 seconds")
    parser.add_argument("--database", help="an empty database; by default a throw-away PostgreSQL, else SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zb-bench-") as folder, database_url(options.database, folder) as url:
        print(json.dumps(asyncio.run(measure(url, Path(folder), QUICK if options.quick else FULL))))


async def measure(url: str, folder: Path, effort: Effort) -> dict[str, object]:
    async with county(url, folder) as system:
        bench = Bench(system)
        await bench.add(FEW, first_light=MORNING + 30 * DAY)
        await bench.round(effort.due, RED_IN_TEN)  # warm: statements prepared, certificates made
        few = await bench.rounds(effort, "morning, 1 k open")
        await bench.rounds(effort, "red lights only", red_in_ten=10)
        await bench.rounds(effort, "yellow lights only", red_in_ten=0)
        await bench.add(MANY - FEW, first_light=MORNING + 30 * DAY)
        many = await bench.rounds(effort, "morning, 100 k open")
        return {
            "due_per_second": round(effort.due / many),
            "growth_1k_to_100k_open": round(many / few, 3),
            "database": system.database.dialect,
        }


@asynccontextmanager
async def county(url: str, folder: Path) -> AsyncIterator[System]:
    settings = Settings(data_dir=folder, database=DatabaseSettings(url=url))
    async with open_system(settings, clock=FakeClock(MORNING)) as system:
        unit = settings.supervision.supervision_unit
        await Unit.create(code=unit, name="行政效能监察室", short_name="监察", kind="supervision")
        await Unit.create(code="FGW", name="发展和改革局", short_name="发改", kind="authority")
        for n in range(2):
            roles = [str(Role.SUPERVISION_LEADER)]
            await Officer.create(id=f"OFF-{n}", name="某某", unit_code=unit, phone=f"1390000000{n}", roles=roles)
        yield system


class Bench:
    """Open cases, and rounds of due ones."""

    def __init__(self, system: System) -> None:
        self._office, self._database = system.office, system.database
        self._added = 0

    async def rounds(self, effort: Effort, title: str, *, red_in_ten: int = RED_IN_TEN) -> float:
        """The time of the best round, in seconds: what else runs on the machine only ever adds."""
        best = min([await self.round(effort.due, red_in_ten) for _ in range(effort.rounds)])
        print(f"{title:<22}{effort.due / best:>9,.0f} due/s   {best:.3f} s for {effort.due:,}", flush=True)
        return best

    async def round(self, due: int, red_in_ten: int) -> float:
        """Seconds from the first due light to the last, `due` of them, their cases added before."""
        red = due * red_in_ten // 10
        await self.add(due - red, first_light=MORNING)
        await self.add(red, first_light=MORNING, yellow_was=MORNING - 2 * DAY)
        begun = time.perf_counter()
        for act in (TurnLights(limit=BATCH), IssueOrders(limit=BATCH)):
            turned = BATCH
            while turned == BATCH:
                outcome = await self._office.perform(act, THE_CLOCK, key=None)
                if isinstance(outcome, Refusal):
                    raise outcome
                turned = outcome.count
        return time.perf_counter() - begun

    async def add(self, count: int, *, first_light: datetime, yellow_was: datetime | None = None) -> None:
        """Adds open cases whose next light is at `first_light`: yellow, or red where `yellow_was` before."""
        if count == 0:
            return
        await _template(self._database)
        self._added += 1
        prefix, red_at = f"{self._added}-", first_light if yellow_was else first_light + 2 * DAY
        async with self._database.transaction():
            await self._database.execute(copies(Case, f"number = '{TEMPLATE}'", {"number": f"'{prefix}' || i"}), count)
            instants = {"yellow_at": yellow_was or first_light, "red_at": red_at, "next_light_at": first_light}
            fixed = {name: f"${n}" for n, name in enumerate(instants, 1)}
            columns = [column for column in _columns(Task) if column not in (*instants, "case_id")]
            await self._database.execute(
                f"INSERT INTO task (case_id, {', '.join([*fixed, *columns])})"
                f" SELECT c.id, {', '.join([*fixed.values(), *(f't.{column}' for column in columns)])}"
                f" FROM case_file c, task t WHERE c.number LIKE '{prefix}%' AND t.case_id = 0",
                *instants.values(),
            )
            await self._database.execute(
                "INSERT INTO event_chain (subject, length, head)"
                f" SELECT 'case:' || number, 1, '{'0' * 64}' FROM case_file WHERE number LIKE '{prefix}%'"
            )
        await self._database.execute("ANALYZE")


async def _template(database: Database) -> None:
    """One case and one task with every column filled, which the copies inherit."""
    if await Case.exists(number=TEMPLATE):
        return
    await Case.create(
        number=TEMPLATE,
        status="in_approval",
        channel="online",
        item_code="I",
        item_version=1,
        item_name="企业投资项目备案",
        stage_code="S",
        unit_code="FGW",
        received_on=date(2026, 9, 18),
        entered_at=MORNING,
    )
    await Task.create(
        case_id=0,
        step="level:1",
        role=Role.HANDLER,
        unit_code="FGW",
        opened_at=MORNING,
        due_on=date(2026, 10, 22),
        sort_at=MORNING,
    )


def _columns(model: type[Model]) -> list[str]:
    return [column for column in model._meta.fields_db_projection.values() if column != "id"]


if __name__ == "__main__":
    main()
