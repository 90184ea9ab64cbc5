"""One row by equality, one row changed by compare-and-swap: the same on both databases as tortoise's own queries."""

from datetime import UTC, datetime, timedelta

import pytest
from tortoise.exceptions import ValidationError

from kernel.rows import change
from kernel.rows import one as maybe_one
from kernel.tables import Officer, PerformedAct

NOW = datetime(2026, 9, 18, 1, 30, tzinfo=UTC)


async def one(model, **equal):
    found = await maybe_one(model, **equal)
    assert found is not None
    return found


async def remembered(key: str, at: datetime = NOW) -> PerformedAct:
    return await PerformedAct.create(actor="officer:A", key=key, tag="t", act_sha256="0" * 64, outcome="{}", at=at)


async def test_a_row_comes_back_as_tortoise_would_give_it(database):
    await Officer.create(id="OFF-1", name="张三", unit_code="ZJ", phone="139", roles=["handler", "section_head"])
    assert vars(await one(Officer, id="OFF-1", active=True)) == vars(await Officer.get(id="OFF-1"))
    found = await one(Officer, id="OFF-1")
    assert found.roles == ["handler", "section_head"]
    assert found.active is True


async def test_nothing_equal_is_none(database):
    assert await maybe_one(Officer, id="OFF-1") is None
    assert await maybe_one(Officer, id="OFF-1", active=False) is None


async def test_of_several_the_youngest_is_taken(database):
    await remembered("1")
    youngest = await remembered("2")
    assert (await one(PerformedAct, actor="officer:A")).id == youngest.id


async def test_an_instant_is_equal_to_itself_and_to_no_other(database):
    await remembered("1")
    assert (await one(PerformedAct, at=NOW)).at == NOW
    assert await maybe_one(PerformedAct, at=NOW + timedelta(microseconds=1)) is None


async def test_a_swap_happens_once(database):
    row = await remembered("1")
    later = NOW + timedelta(hours=1)
    assert await change(PerformedAct, {"id": row.id, "at": NOW}, at=later, tag="u") == 1
    assert await change(PerformedAct, {"id": row.id, "at": NOW}, at=later, tag="v") == 0
    changed = await PerformedAct.get(id=row.id)
    assert (changed.at, changed.tag) == (later, "u")


async def test_null_is_a_value_to_look_for_and_to_write(database):
    from casework.tables import Task

    task = await Task.create(case_id=1, step="accept", role="handler", unit_code="ZJ", opened_at=NOW, sort_at=NOW)
    assert (await one(Task, case_id=1, closed_at=None)).id == task.id
    assert await change(Task, {"id": task.id, "closed_at": None}, closed_at=NOW) == 1
    assert await maybe_one(Task, case_id=1, closed_at=None) is None
    assert await change(Task, {"id": task.id}, closed_at=None) == 1
    assert (await one(Task, case_id=1, closed_at=None)).id == task.id


async def test_what_no_column_holds_is_refused_as_ever(database):
    with pytest.raises(ValidationError):
        await maybe_one(Officer, id="X" * 1000)


async def test_it_is_done_inside_the_open_transaction(database):
    async def half_done() -> None:
        async with database.transaction():
            await Officer.create(id="OFF-1", name="张三", unit_code="ZJ", phone="139", roles=[])
            assert await change(Officer, {"id": "OFF-1"}, name="李四") == 1
            assert (await one(Officer, id="OFF-1")).name == "李四"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await half_done()
    assert await maybe_one(Officer, id="OFF-1") is None
