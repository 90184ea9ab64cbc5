"""SIGKILL in the middle of sending: after the restart nothing is lost, and nothing whose submit_resp was recorded is
sent again; texts from people are answered, however the server died under them.
"""

import asyncio
from datetime import timedelta
from pathlib import Path

from alerts.states import FINAL
from kernel.db import Database
from sms.simulator import Smsc
from tests.scenarios.server_process import (
    ACCESS_NUMBER,
    CLOCK,
    PATIENCE_S,
    carrier,
    configuration,
    fill_queue,
    opened,
    serving,
    states,
    until,
)

TEXTS = {f"138000{n:05d}": f"【衡江政务服务】您的第{n}件申请已受理。" for n in range(270)}
LONG = {f"137000{n:05d}": f"【衡江政务服务】第{n}件：" + "一二三四五六七八九十" * 8 for n in range(30)}
QUEUED = TEXTS | LONG
#: A part of a text: to whom, and which part.
Sent = tuple[str, int]


#: Killed when the carrier has taken so many parts: with the first window open, near the end; `make chaos` does more.
KILLS = (4, 280)


async def test_a_server_killed_again_and_again_loses_no_text_and_repeats_none_that_was_recorded(
    tmp_path: Path, installed_url: str
):
    await fill_queue(installed_url, QUEUED)
    async with carrier() as smsc:
        config = configuration(tmp_path, installed_url, smsc)
        people = [asyncio.create_task(ask(smsc, n)) for n in range(3)]
        done: set[Sent] = set()
        known: set[Sent] = set()
        again: list[Sent] = []
        before = 0
        for kill in KILLS:
            async with serving(tmp_path, "--config", str(config)) as server:
                await until(lambda kill=kill: len(smsc.accepted) >= kill, pause_s=0.001)
                people.append(asyncio.create_task(ask(smsc, len(people))))
                await server.kill()
            async with opened(installed_url) as database:
                assert done <= await recorded(database)
                done = await recorded(database)
                await leases_end(database)
            assert len(done) < len(QUEUED) + len(LONG)
            again += [sent for sent in sent_parts(smsc)[before:] if sent in known]
            known, before = done, len(smsc.accepted)
        late = asyncio.create_task(ask(smsc, len(people)))
        async with serving(tmp_path, "--config", str(config)) as server, opened(installed_url) as database:
            await asyncio.gather(late, *people)
            await until(lambda: settled(database, len(QUEUED) + len(people) + 1), pause_s=0.05)
            assert await server.stop() == 0
            assert await states(database) == {"delivered": len(QUEUED) + len(people) + 1}
            [twice] = await database.rows(
                "SELECT COUNT(*) - COUNT(DISTINCT message_id * 10 + seq) AS n FROM message_part"
            )
            replies = await database.rows("SELECT to_phone FROM message WHERE dedupe_key LIKE 'reply:%'")
        assert sorted(str(row["to_phone"]) for row in replies) == [asker(n) for n in range(len(people) + 1)]
        assert len(smsc.handset(late.result()).inbox) == 1
        again += [sent for sent in sent_parts(smsc)[before:] if sent in known]
        assert again == []
        assert twice["n"] == 0
        for phone, body in QUEUED.items():
            assert {text.text for text in smsc.handset(phone).inbox} == {body}


async def ask(smsc: Smsc, n: int) -> str:
    """Somebody texts something unreadable, which is answered with help; returns when the office has taken it."""
    await smsc.handset(asker(n)).send(ACCESS_NUMBER, "你好", timeout_s=PATIENCE_S)
    return asker(n)


def asker(n: int) -> str:
    return f"139000{n:05d}"


def sent_parts(smsc: Smsc) -> list[Sent]:
    parts = [(pdu.destination, pdu.part().concat) for _, pdu in smsc.accepted]
    return [(phone, concat.number if concat else 1) for phone, concat in parts]


async def recorded(database: Database) -> set[Sent]:
    """The parts whose submit_resp is in the database."""
    rows = await database.rows("SELECT m.to_phone, p.seq FROM message_part p JOIN message m ON m.id = p.message_id")
    return {(str(row["to_phone"]), int(str(row["seq"]))) for row in rows}


async def settled(database: Database, count: int) -> bool:
    found = await states(database)
    return found.keys() <= FINAL and sum(found.values()) == count


async def leases_end(database: Database) -> None:
    """A minute passes. On SQLite nobody waits for it: there no other server can hold a claim."""
    if database.dialect == "postgres":
        over = CLOCK.now() - timedelta(seconds=1)
        async with database.transaction():
            await database.execute("UPDATE message_claim SET until = $1", over)
