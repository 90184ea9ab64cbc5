"""How often one phone is texted: whatever comes, no span holds more than its limit, and nothing goes unannounced."""

import random
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.digests import ReleaseHeld
from alerts.dispatch import Notice, Recipient, notify
from alerts.limits import DIGEST, TO_DO, Limit, Standing, free_at, limits_of, room
from alerts.settings import AlertRules
from alerts.templates import TEMPLATES
from casework.clock.working_days import CHINA
from hall.accounts import RequestLoginCode
from kernel.actor import ANYBODY, THE_CLOCK
from kernel.clock import FakeClock
from kernel.db import Database, instant_of
from tests.alerts.county import ALERT_RULES, County
from tests.alerts.queue_desk import QueueDesk, submitted

PHONE, OTHER = "13900000001", "13900000002"
WORDS = {
    "T01": {"n": "1", "item": "施工许可", "step": "承办", "due": "10月22日", "left": "3"},
    "T11": {"days": "20", "date": "10月22日"},
}


class Post:
    """What tells people things, lets held messages go, and sends."""

    def __init__(self, database: Database, clock: FakeClock, rules: AlertRules = ALERT_RULES) -> None:
        self.county, self.queue = County(database, clock, rules=rules), QueueDesk(database, clock)
        self.database, self.clock, self.rules = database, clock, rules
        self._numbers = count(1)

    async def say(self, template: str = "T01", *, phone: str = PHONE, times: int = 1) -> None:
        numbers = [f"2026{next(self._numbers):08d}" for _ in range(times)]
        notices = [
            Notice(
                key=f"{template}:{number}",
                template=TEMPLATES[template],
                to=Recipient(phone=phone),
                variables={**WORDS[template], "no": number},
                case_number=number,
            )
            for number in numbers
        ]
        async with self.database.transaction():
            await notify(self.database, notices, rules=self.rules, now=self.clock.now())

    async def release(self) -> None:
        await self.county.do(ReleaseHeld(), THE_CLOCK)

    async def send(self) -> list[str]:
        """What leaves now, in words."""
        claimed = await self.queue.claim(limit=10_000)
        await self.queue.record(*(submitted(message, f"id{message.id}") for message in claimed))
        return [message.body for message in claimed]

    async def rows(self) -> list[dict[str, object]]:
        return await self.database.rows("SELECT * FROM message ORDER BY id")


@pytest.fixture
def post(database, clock) -> Post:
    return Post(database, clock)


@pytest.mark.feature("SMS-16")
async def test_the_carriers_limits_hold_per_phone_and_template_and_many_todos_become_one_text(post):
    # Fifty of one template to one phone in 24 hours; the rest waits and is not lost.
    await post.say("T11", times=52)
    await post.say("T11", phone=OTHER)
    assert len(await post.send()) == 50 + 1
    post.clock.advance(timedelta(hours=23, minutes=59))
    await post.release()
    assert await post.send() == []
    post.clock.advance(timedelta(minutes=1))
    await post.release()
    assert len(await post.send()) == 2
    # More than five to-dos in ten minutes: the others are one text.
    await post.say(times=9)
    assert len(await post.send()) == 5
    post.clock.advance(timedelta(minutes=10))
    await post.release()
    [digest] = await post.send()
    assert digest.startswith("【衡江政务服务】待办汇总：您新增4件待办：2026")
    # Codes: one a minute, five an hour, ten a day; the sixth within the hour is refused where it was asked for.
    answers = []
    for wait in (0, 30, 30, 60, 60, 60, 60, *[720] * 5, *[3600] * 3):
        post.clock.advance(timedelta(seconds=wait))
        answers.append(await post.county.do(RequestLoginCode(phone="13800000005"), ANYBODY))
    sent = [getattr(answer, "code", "") != "LOGIN_CODE_TOO_OFTEN" for answer in answers]
    assert sent == [True, False, True, True, True, True, False, False, False, False, False, True, True, True, True]


async def test_the_eleventh_code_of_a_day_is_refused(post):
    answers = []
    for _ in range(11):
        answers.append(await post.county.do(RequestLoginCode(phone="13800000005"), ANYBODY))
        post.clock.advance(timedelta(hours=2))
    assert [getattr(answer, "code", "") for answer in answers] == [""] * 10 + ["LOGIN_CODE_TOO_OFTEN"]


async def test_a_held_todo_of_its_own_is_sent_as_it_is(post):
    await post.say(times=6)
    await post.send()
    post.clock.advance(timedelta(minutes=10))
    await post.release()
    [text] = await post.send()
    assert "待办提醒" in text


async def test_a_merged_todo_names_the_text_that_told_of_it(post):
    await post.say(times=8)
    await post.send()
    post.clock.advance(timedelta(minutes=10))
    await post.release()
    *_, digest = rows = await post.rows()
    merged = [row for row in rows if row["state"] == "merged"]
    assert len(merged) == 3
    assert {row["merged_into"] for row in merged} == {digest["id"]}
    assert digest["template"] == DIGEST
    assert str(merged[0]["case_number"]) in str(digest["body"])


async def test_a_todo_told_twice_is_merged_once(post):
    await post.say(times=7)
    post._numbers = count(1)
    await post.say(times=7)
    assert len(await post.rows()) == 7


async def test_while_a_carrier_is_down_todos_gather_instead_of_piling_up(post):
    for _ in range(30):
        await post.say()
        post.clock.advance(timedelta(minutes=3))
        await post.release()
    assert len(await post.send()) == 5 + 1
    post.clock.advance(timedelta(minutes=10))
    await post.release()
    assert len(await post.send()) == 1
    assert {row["state"] for row in await post.rows()} == {"submitted", "merged"}


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_comes_no_span_holds_more_than_its_limit_and_every_todo_is_announced(database, clock, seed):
    rules = replace(ALERT_RULES, same_template_most=12, digest_over=3)
    post, chance = Post(database, clock, rules), random.Random(seed)
    for _ in range(120):
        post.clock.advance(timedelta(seconds=chance.choice((1, 20, 90, 400, 1500, 9000))))
        for phone in (PHONE, OTHER):
            if chance.random() < 0.5:
                await post.say(phone=phone, times=chance.choice((1, 1, 2, 7)))
        if chance.random() < 0.3:
            await post.say("T11", times=chance.choice((1, 3)))
        await post.release()
        if chance.random() < 0.6:  # else the carrier is down
            await post.send()
    for _ in range(200):
        post.clock.advance(timedelta(minutes=30))
        await post.release()
        await post.send()
    rows = await post.rows()
    assert {row["state"] for row in rows} == {"submitted", "merged"}
    told = {row["id"]: row for row in rows if row["state"] == "submitted"}
    merged = defaultdict(list)
    for row in rows:
        if row["state"] == "merged":
            merged[row["merged_into"]].append(row)
    for digest, todos in merged.items():
        assert f"新增{len(todos)}件待办" in str(told[digest]["body"])
        assert {row["to_phone"] for row in todos} == {told[digest]["to_phone"]}
    sent = defaultdict(list)
    for row in told.values():
        at = instant_of(row["submitted_at"])
        sent[row["to_phone"], str(row["template"])].append(at)
        if str(row["template"]) in (TO_DO, DIGEST):
            assert 8 <= at.astimezone(CHINA).hour < 21
    for (_, template), instants in sent.items():
        for limit in limits_of(template, rules):
            assert_never_more(sorted(instants), limit)


def assert_never_more(instants, limit: Limit) -> None:
    """A span that begins at any instant: the half-open spans that begin with a message are the fullest."""
    for first, last in zip(instants, instants[limit.most :], strict=False):
        assert last - first >= limit.within


@given(
    limit=st.builds(Limit, st.integers(1, 4), st.integers(2, 30).map(lambda s: timedelta(seconds=s))),
    steps=st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 3)), max_size=60),
)
def test_a_measure_that_counts_what_is_under_way_holds_for_every_span_however_late_things_leave(limit, steps):
    """Steps: seconds that pass, whether somebody wants to send, how many of those under way leave."""
    now, under_way = FakeClock(instant_of("2026-09-18 01:00:00+00:00")).now(), 0
    left: list[datetime] = []
    for seconds, wants, leaving in steps:
        now += timedelta(seconds=seconds)
        standing = Standing(under_way, tuple(left))
        if wants and room(standing, [limit], now) > 0:
            under_way += 1
        elif wants:
            assert free_at(standing, [limit], now) > now
        for _ in range(min(leaving, under_way)):
            under_way -= 1
            left.append(now)
    assert_never_more(left, limit)
