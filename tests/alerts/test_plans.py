"""How the databases would find what the queue's bookkeeping asks for, when many receipts are nobody's."""

import logging
from datetime import timedelta

import pytest

from alerts.states import State
from alerts.tables import Message
from alerts.unreported import Unreported
from tests.standing import stand_anew

RECEIPTS = 20_000


@pytest.fixture
async def crowded(queue):
    """Receipts of two days that name no part, one text of unknown outcome, and the statistics of all that."""
    now, at = queue.clock.now(), "CAST(${} AS timestamptz)"
    numbers = f"generate_series(1, {RECEIPTS}) AS s(n)"
    if queue.database.dialect == "sqlite":
        at = "${}"
        numbers = (
            f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {RECEIPTS}) SELECT n FROM s)"
        )
    async with queue.database.transaction():
        await queue.database.execute(
            "INSERT INTO receipt (carrier, sms_id, phone, state, error, at)"
            f" SELECT 'east', 'x' || n, '139' || (10000000 + n), 'delivered', '', {at.format(1)} FROM {numbers}",
            now,
        )
    await queue.put_code()
    await Message.all().update(state=State.UNKNOWN)
    await stand_anew(queue.database)
    await queue.database.execute("ANALYZE")
    return queue


async def plans(queue, caplog, do, table: str) -> dict[str, str]:
    """Of each statement that touches `table`, with its values in it."""
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="tortoise.db_client"):
        await do()
    asked = [record.args for record in caplog.records if record.args and f" {table}" in str(record.args[0])]
    found = {}
    for sql, values in asked:
        if queue.database.dialect == "sqlite":
            rows = await queue.database.rows(f"EXPLAIN QUERY PLAN {sql}", *values)
            found[sql] = "\n".join(str(row["detail"]) for row in rows)
        else:
            told = sql
            for number, value in enumerate(values, 1):
                told = told.replace(f"${number}", f"'{value}'")
            rows = await queue.database.rows(f"EXPLAIN {told}")
            found[sql] = "\n".join(str(row["QUERY PLAN"]) for row in rows)
    return found


async def test_receipts_are_settled_and_dropped_by_index_however_many_there_are(crowded, caplog):
    found = await plans(crowded, caplog, crowded.tend, "receipt")
    of_phones = [plan for sql, plan in found.items() if "phone IN" in sql]
    dropped = [plan for sql, plan in found.items() if sql.startswith("DELETE FROM receipt WHERE at")]
    assert [("idx_receipt_phone" in plan) for plan in of_phones] == [True]
    assert [("idx_receipt_at" in plan) for plan in dropped] == [True]
    assert not [plan for plan in found.values() if "SCAN receipt\n" in f"{plan}\n" or "Seq Scan on receipt" in plan]


async def test_texts_without_a_receipt_are_looked_for_by_index(crowded, caplog):
    walk = Unreported(timedelta(hours=24))

    async def look():
        await walk.end(crowded.database, now=crowded.clock.now())

    found = await plans(crowded, caplog, look, "outstanding")
    assert len(found) >= 2
    if crowded.database.dialect == "sqlite":  # PostgreSQL reads a table of one row whole whatever indexes it has
        assert all("idx_outstanding_due" in plan for plan in found.values())
