"""异常预警: every breach that supervision notes is told at once to the handler and the head of the section."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta

import pytest

from alerts.policy import POLICY
from casework.acts import Channel, DeemAccepted, ForeignCaseRow, ImportForeignCases
from casework.clock.events import HearingLightTurned, RenewalDeemed, StoppageOverran
from casework.clock.ledger import StopGround
from casework.intake.events import UnlistedFeeCharged
from kernel.actor import THE_CLOCK, THE_OPERATOR, Role
from supervision.events import StepOverdue
from supervision.findings import NO_BREACH, WATCHED, FindingKind
from supervision.tables import Finding
from tests.alerts.county import County, phone_of

Breach = Callable[[County], Awaitable[str]]


async def silence(county: County) -> str:
    number = (await county.file()).number
    county.at("2026-09-25 00:00")
    await county.do(DeemAccepted(), THE_CLOCK)
    return str(number)


async def late_entry(county: County) -> str:
    return str((await county.file(channel=Channel.WINDOW, received_on=date(2026, 9, 16))).number)


async def unlisted_fee(county: County) -> str:
    number = await county.accepted()
    await county.happened(
        UnlistedFeeCharged(case=number, unit="ZJ", bill="B1", line=1, amount_cents=100, officer="CLERK")
    )
    return number


async def step_overdue(county: County) -> str:
    number = await county.accepted()
    event = StepOverdue(case=number, task=1, unit="ZJ", role=Role.HANDLER, step="level:1", due_on=None)
    await county.happened(event)
    return number


async def overran(county: County) -> str:
    number = await county.accepted()
    day = date(2026, 10, 12)
    event = StoppageOverran(case=number, unit="ZJ", ground=StopGround.EXPERT_REVIEW, document="D1", told_until=day)
    await county.happened(event)
    return number


async def hearing_late(county: County) -> str:
    number = await county.accepted()
    day = date(2026, 10, 12)
    now = county.clock.now()
    await county.happened(HearingLightTurned(case=number, unit="ZJ", colour="red", at=now, due_on=day))
    return number


async def renewal_silence(county: County) -> str:
    number = await county.accepted()
    last = date(2026, 12, 31)
    await county.happened(RenewalDeemed(case=number, unit="ZJ", licence="L1", valid_until=last, document="D1"))
    return number


async def bypass(county: County) -> str:
    now = county.clock.now()
    row = ForeignCaseRow(
        number="X-2026-1",
        unit="ZJ",
        item_name="建筑工程施工许可证核发",
        channel="self",
        responsible="HANDLER",
        started_at=now,
        deadline=now + timedelta(days=9),
    )
    await county.do(ImportForeignCases(source="住建业务系统", cases=(row,)), THE_OPERATOR)
    return "X-2026-1"


#: How each breach comes about, and what its warning says.
BREACHES: dict[FindingKind, tuple[Breach, str]] = {
    FindingKind.SILENCE: (silence, "逾期未告知，已视为受理"),
    FindingKind.LATE_ENTRY: (late_entry, "窗口收件日期与录入日期不一致"),
    FindingKind.UNLISTED_FEE: (unlisted_fee, "收取了清单以外的费用"),
    FindingKind.STEP_OVERDUE: (step_overdue, "环节超时"),
    FindingKind.STOPPAGE_OVERRAN: (overran, "超出告知时间，已恢复计时"),
    FindingKind.HEARING_LATE: (hearing_late, "听证逾期未通知或举行"),
    FindingKind.RENEWAL_SILENCE: (renewal_silence, "逾期未决定，视为准予延续"),
    FindingKind.BYPASS: (bypass, "未经本系统办理"),
}


def test_every_breach_of_procedure_that_is_found_has_a_warning_to_its_handler():
    assert set(BREACHES) == set(FindingKind) - NO_BREACH
    warned = {line.event for line in POLICY if line.template == "T04"}
    assert {row.event for row in WATCHED if row.kind not in NO_BREACH} <= warned


@pytest.mark.feature("SMS-06")
@pytest.mark.parametrize("kind", BREACHES, ids=str)
async def test_a_breach_is_texted_to_handler_and_head_once_within_a_minute_at_any_hour(county, queue, kind):
    come_about, words = BREACHES[kind]
    county.at("2026-09-18 23:30")
    number = await come_about(county)
    happened = county.clock.now()
    county.clock.advance(timedelta(seconds=60))
    await county.tell()
    [finding] = await Finding.filter(kind=kind)
    assert finding.at == happened
    told = await county.texts("T04")
    phones = [phone for phone, _ in told]
    assert {phone_of("HANDLER"), phone_of("HEAD")} <= set(phones)
    assert len(phones) == len(set(phones))
    assert all(body.startswith(f"【衡江政务服务】异常预警：{number}“") and words in body for _, body in told)
    # Ready to leave, though it is night: a gateway that looks now has them all.
    claimed = {message.to for message in await queue.claim() if message.template == "T04_ABNORMAL"}
    assert claimed == set(phones)
    await county.tell()
    assert await county.texts("T04") == told


async def test_nobody_is_warned_of_what_is_lawful(county):
    await county.accepted()
    await county.tell()
    assert await county.texts("T04") == []
