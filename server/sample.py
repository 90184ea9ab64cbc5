"""`zhangban load-sample`: a filled office to measure on, a million cases in minutes.

For each of a hundred receipt days one model case per catalogue item is written with its tasks, opinions and clock
ledger, and copied inside the database until the day has its share. The youngest three days' cases stand open at
their first level, the others are delivered. Numbers begin with S.

Limits: samples are rows, not acts: they have no events, documents or texts, announce no lights, and go into no
archive. An office that has real cases is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import msgspec
from tortoise.models import Model

from casework.acts import Channel, Decision, Status
from casework.catalogue.definitions import Stage
from casework.catalogue.publishing import published
from casework.clock.ledger import Ended, Entry, Started
from casework.clock.time_limits import red_at, yellow_at
from casework.clock.working_days import CHINA, Calendar, day_of, start_of_day
from casework.flow import steps
from casework.tables import Case, ClockEntry, Item, Step, Task
from kernel.actor import Role
from kernel.db import chunks
from kernel.refusals import Refusal
from server.wiring import System

#: Receipt days, a week's working days apart, of which the youngest are still open.
DAYS, OPEN_DAYS, DAYS_APART = 100, 3, 5
_COPIES = 10_000  # cases a statement: long enough to be fast, short enough for a bar that moves
_MODEL = "SMODEL-"
_OPINION = "经审查，材料齐全、符合法定形式。"

Watcher = Callable[[int, int], None]


class CasesHere(Refusal):
    code = "CASES_HERE"
    zh = "库中已有真实办件，不能装入样例。"
    en = "This office has real cases; samples are for empty ones."


class NothingPublished(Refusal):
    code = "NOTHING_PUBLISHED"
    zh = "目录中没有已发布的事项，请先装入示例县。"
    en = "No item is published; load the sample county first."


@dataclass(frozen=True)
class Kind:
    """What the copies of one model case are cases of."""

    item: str
    version: int
    name: str
    unit: str
    stage: Stage


async def load_sample(system: System, count: int, *, days: int = DAYS, watcher: Watcher | None = None) -> int:
    """Adds `count` cases, received on `days` days, to those samples that are here; how many there are now.

    Raises CASES_HERE, NOTHING_PUBLISHED.
    """
    if await Case.exclude(number__startswith="S").exists():
        raise CasesHere()
    kinds = [await _kind(item.code) for item in await Item.filter(state="published").order_by("code")]
    kinds = [kind for kind in kinds if kind.stage.levels and kind.stage.committed_limit_days]
    if not kinds:
        raise NothingPublished()
    await _forget_models()
    before, done = await Case.all().count(), 0
    today = day_of(system.clock.now())
    for place, day in enumerate(_receipt_days(system.calendar, today, days), 1):
        share = count * place // days - done
        is_open = place > days - OPEN_DAYS
        async with system.database.transaction():
            models = [_model(kind, number, day, system.calendar, is_open) for number, kind in enumerate(kinds)]
            await _write(models)
            for chunk in chunks(range(before + done + 1, before + done + share + 1), _COPIES):
                await _copy(system, chunk, len(kinds))
                done += len(chunk)
                if watcher is not None:
                    watcher(done, count)
            await _forget_models()
    await system.database.execute("ANALYZE")
    return before + done


async def _kind(code: str) -> Kind:
    row, definition = await published(code)
    return Kind(code, row.version, row.name, row.unit_code, definition.stages[0])


def _receipt_days(calendar: Calendar, today: date, days: int) -> list[date]:
    """Oldest first, so that numbers rise with time."""
    return [calendar.nth_working_day_before(today, DAYS_APART * n + 1) for n in reversed(range(days))]


@dataclass(frozen=True)
class _Model:
    case: Case
    tasks: list[Task]
    steps: list[Step]
    entries: list[ClockEntry]


def _model(kind: Kind, number: int, day: date, calendar: Calendar, is_open: bool) -> _Model:
    stage, received = kind.stage, start_of_day(day) + timedelta(hours=9)
    committed = calendar.nth_working_day_after(day, stage.committed_limit_days)
    statutory = calendar.nth_working_day_after(day, stage.statutory_limit_days)
    decided_on = calendar.nth_working_day_after(day, max(1, stage.committed_limit_days // 2))
    decided = datetime.combine(decided_on, received.astimezone(CHINA).time(), CHINA)
    case = Case(
        number=f"{_MODEL}{number}",
        status=Status.IN_APPROVAL if is_open else Status.DELIVERED,
        channel=Channel.ONLINE,
        item_code=kind.item,
        item_version=kind.version,
        item_name=kind.name,
        stage_code=stage.code,
        unit_code=kind.unit,
        applicant_id_number="91430400MA4L000000",
        statutory_days=stage.statutory_limit_days,
        committed_days=stage.committed_limit_days,
        yellow_before_days=stage.yellow_before_days,
        received_on=day,
        entered_at=received,
        accepted_on=day,
        statutory_due=statutory,
        committed_due=committed,
        decided_at=None if is_open else decided,
        outcome="" if is_open else "granted",
        closed_at=None if is_open else decided,
    )
    warned = {"yellow_at": yellow_at(committed, calendar, stage.yellow_before_days), "red_at": red_at(committed)}
    levels = [(steps.at_level(number), level.role) for number, level in enumerate(stage.levels, 1)]
    turns = [
        Task(
            step=step,
            level=steps.level_of(step) or 0,
            role=role,
            unit_code=kind.unit,
            opened_at=received,
            closed_at=None if is_open else decided,
            due_on=committed,
            sort_at=red_at(committed),
            **warned,
        )
        for step, role in (levels[:1] if is_open else levels)
    ]
    signed = [(steps.ACCEPT, Role.WINDOW_CLERK), *([] if is_open else levels)]
    opinions = [_opinion(seq, step, role, received) for seq, (step, role) in enumerate(signed, 1)]
    ledger: list[Entry] = [Started(day=day)] if is_open else [Started(day=day), Ended(day=decided_on)]
    entries = [
        ClockEntry(seq=seq, entry=msgspec.json.encode(entry).decode(), actor="system:sample", at=received)
        for seq, entry in enumerate(ledger, 1)
    ]
    return _Model(case, turns, opinions, entries)


def _opinion(seq: int, step: str, role: Role, at: datetime) -> Step:
    decision = Decision.ACCEPT if step == steps.ACCEPT else Decision.AGREE
    return Step(
        seq=seq, step=step, decision=decision, opinion=_OPINION, officer="SAMPLE", officer_name="样例", role=role, at=at
    )


async def _write(models: Sequence[_Model]) -> None:
    await Case.bulk_create([model.case for model in models])
    ids = dict(await Case.filter(number__startswith=_MODEL).values_list("number", "id"))
    for model in models:
        for row in (*model.tasks, *model.steps, *model.entries):
            row.case_id = ids[model.case.number]
    await Task.bulk_create([task for model in models for task in model.tasks])
    await Step.bulk_create([step for model in models for step in model.steps])
    await ClockEntry.bulk_create([entry for model in models for entry in model.entries])


async def _copy(system: System, numbers: Sequence[int], kinds: int) -> None:
    """Copies model cases under `numbers`, one kind after the other, with everything that hangs on them."""
    first, last = _number(numbers[0]), _number(numbers[-1])
    changed = {
        "number": "'S' || substr(CAST(n.i + 1000000000000 AS TEXT), 2)",
        "applicant_name": "'样例申请人' || CAST(n.i AS TEXT)",
    }
    same = [column for column in _columns(Case) if column not in changed]
    await system.database.execute(
        "WITH RECURSIVE n(i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $2)"
        f" INSERT INTO case_file ({', '.join([*changed, *same])})"
        f" SELECT {', '.join([*changed.values(), *(f'm.{column}' for column in same)])}"
        f" FROM n JOIN case_file m ON m.number = '{_MODEL}' || CAST(n.i % {kinds} AS TEXT) ORDER BY n.i",
        numbers[0],
        numbers[-1],
    )
    for model in (Task, Step, ClockEntry):
        columns = [column for column in _columns(model) if column != "case_id"]
        await system.database.execute(
            f"INSERT INTO {model._meta.db_table} (case_id, {', '.join(columns)})"
            f" SELECT c.id, {', '.join(f'r.{column}' for column in columns)} FROM case_file c"
            f" JOIN case_file m ON m.item_code = c.item_code AND m.number LIKE '{_MODEL}%'"
            f" JOIN {model._meta.db_table} r ON r.case_id = m.id"
            " WHERE c.number BETWEEN $1 AND $2 ORDER BY c.id",
            first,
            last,
        )


async def _forget_models() -> None:
    ids = await Case.filter(number__startswith=_MODEL).values_list("id", flat=True)
    for model in (Task, Step, ClockEntry):
        await model.filter(case_id__in=ids).delete()
    await Case.filter(id__in=ids).delete()


def _number(serial: int) -> str:
    return f"S{serial:012d}"


def _columns(model: type[Model]) -> list[str]:
    """Every column but the generated key."""
    return [column for column in model._meta.fields_db_projection.values() if column != "id"]
