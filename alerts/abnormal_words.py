"""In which words an irregularity is told to those who must mend it (异常预警, T04).

Source: the public measures: a breach of procedure or incomplete formalities is told to the handler at once, to be put
right. Which events those are: supervision/findings.py. By when: no law gives a number, and it is the work of minutes.
"""

from alerts.dispatch import Recipient
from alerts.people import holders, holders_of_turn
from alerts.words import Matter, Words
from casework.clock.events import HearingLightTurned, RenewalDeemed, StoppageOverran
from casework.clock.ledger import GROUND_NAMES, StopGround
from casework.events import BypassTried, CaseAccepted, CaseFiled
from casework.intake.events import UnlistedFeeCharged
from hall.events import AnswerOverdue
from hall.tables import Consultation
from kernel.actor import Role
from kernel.events import Event
from kernel.tables import Unit
from supervision.events import ReportDrifted, ReportMissing, StepOverdue

#: Working days to put it right and say so.
_TO_ANSWER_DAYS = 1
_WINDOW = "窗口人员"


async def silence(matter: Matter[CaseAccepted], to: Recipient) -> Words | None:
    return await _of_case(matter, "逾期未告知，已视为受理") if matter.event.deemed else None


async def late_entry(matter: Matter[CaseFiled], to: Recipient) -> Words | None:
    return await _of_case(matter, "窗口收件日期与录入日期不一致", _WINDOW) if matter.event.late_entry else None


async def unlisted_fee(matter: Matter[UnlistedFeeCharged], to: Recipient) -> Words | None:
    return await _of_case(matter, "收取了清单以外的费用", _WINDOW)


async def step_overdue(matter: Matter[StepOverdue], to: Recipient) -> Words | None:
    event = matter.event
    turn = await holders_of_turn(event.unit, event.role, event.assignee)
    return await _of_case(matter, "环节超时", turn[0].name if turn else "")


async def overran(matter: Matter[StoppageOverran], to: Recipient) -> Words | None:
    return await _of_case(matter, f"{GROUND_NAMES[StopGround(matter.event.ground)]}超出告知时间，已恢复计时")


async def hearing_light(matter: Matter[HearingLightTurned], to: Recipient) -> Words | None:
    late = matter.event.colour == "red"
    return await _of_case(matter, "听证逾期未通知或举行" if late else "听证通知或举行期限将届满")


async def renewal_silence(matter: Matter[RenewalDeemed], to: Recipient) -> Words | None:
    return await _of_case(matter, "逾期未决定，视为准予延续")


async def bypassed(matter: Matter[BypassTried], to: Recipient) -> Words | None:
    """There is no case here: the number is the other system's."""
    rows = await matter.work.database.rows(
        "SELECT name FROM item_version WHERE item_code = $1 AND NOT secret ORDER BY version DESC LIMIT 1",
        matter.event.item,
    )
    name = str(rows[0]["name"]) if rows else matter.event.item
    return _said(matter, matter.event.case, name, "未经本系统办理", await _handler_of(matter.event.unit))


async def answer_overdue(matter: Matter[AnswerOverdue], to: Recipient) -> Words | None:
    asked = await Consultation.get(number=matter.event.consultation)
    unit = await Unit.get_or_none(code=asked.unit_code)
    officer = unit.short_name if unit else asked.unit_code
    return _said(matter, asked.number, asked.item_name or "政策法规咨询", "咨询逾期未答复", officer)


async def report_missing(matter: Matter[ReportMissing], to: Recipient) -> Words | None:
    day = matter.event.day
    return await _of_report(matter, f"未报送{day.month}月{day.day}日数据")


async def report_drifted(matter: Matter[ReportDrifted], to: Recipient) -> Words | None:
    return await _of_report(matter, f"对账不符{matter.event.places}处")


# ------------------------------------------------------------------------------------------------------------ below


async def _of_report(matter: Matter[ReportMissing | ReportDrifted], what: str) -> Words:
    unit = await Unit.get_or_none(code=matter.event.unit)
    return _said(matter, matter.event.report, "数据交换", what, unit.short_name if unit else matter.event.unit)


async def _of_case(matter: Matter[Event], what: str, officer: str = "") -> Words:
    officer = officer or await _handler_of(matter.case.unit_code)
    return _said(matter, matter.case.number, matter.case.item_name, what, officer)


async def _handler_of(unit: str) -> str:
    handlers = await holders(unit, Role.HANDLER)
    return handlers[0].name if handlers else "承办人"


def _said(matter: Matter[Event], number: str, item: str, what: str, officer: str) -> Words:
    limit = matter.calendar.nth_working_day_after(matter.today, _TO_ANSWER_DAYS)
    return {"no": number, "item": item, "abn": what, "officer": officer, "limit": f"{limit.month}月{limit.day}日"}
