"""督办单 for cases over their limit: finish, and state the reasons by a day (责令说明理由).

Every red light wants one, as soon as the sweep has turned it. What keeps an order from being made (the supervising
unit is not in the directory, its seal is not in order) keeps no light from turning; the light's order stays due, is
tried again after a pause and is made once the cause is mended.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

from casework.clock.working_days import Calendar, day_of
from casework.flow.steps import step_name
from kernel.acts import Done
from kernel.refusals import Refusal
from kernel.tables import Unit
from kernel.work import Work
from supervision.acts import IssueOrders
from supervision.events import OrderIssued
from supervision.papers import ITEM_NAMED, Draft, day_in, in_words, issuer, numbers, seal_drafts
from supervision.refusals import SupervisionUnitMissing
from supervision.rules import SupervisionRules
from supervision.tables import ExplanationTask, LightRow, SupervisionOrder

_REASON = "超过办理时限未办结"
#: Without a supervising unit; long enough not to fill the log, short enough for whoever mends the directory.
_TRY_AGAIN = timedelta(minutes=1)


class LateCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case whose red light (`light`) waits for its order."""

    light: int
    case_id: int
    case_number: str
    item_name: str
    unit: str
    unit_name: str
    step: str
    role: str
    due_on: date | None


async def issue_orders(work: Work, act: IssueOrders) -> Done | Refusal:
    """Makes the orders that are due. Returns SupervisionUnitMissing, and postpones them, while nobody can issue any."""
    late = await _claim(work, act.limit)
    if not late:
        return Done(count=0)
    try:
        unit = await issuer(work)
    except SupervisionUnitMissing as missing:
        await LightRow.filter(order_due_at__lte=work.now).update(order_due_at=work.now + _TRY_AGAIN)
        return missing
    await _issue(work, unit, late)
    await LightRow.filter(id__in=[case.light for case in late]).update(order_due_at=None)
    return Done(count=len(late))


async def _claim(work: Work, limit: int) -> list[LateCase]:
    lock = " FOR UPDATE OF l SKIP LOCKED" if work.database.dialect == "postgres" else ""
    rows = await work.database.rows(
        f"SELECT l.id, l.case_id, c.number, {ITEM_NAMED}, l.unit_code, u.name AS unit_name, l.step, l.role, l.due_on"
        " FROM light l JOIN case_file c ON c.id = l.case_id LEFT JOIN unit u ON u.code = l.unit_code"
        f" WHERE l.order_due_at <= $1 ORDER BY l.order_due_at, l.id LIMIT {int(limit)}{lock}",
        work.now,
    )
    return [
        LateCase(
            light=int(str(row["id"])),
            case_id=int(str(row["case_id"])),
            case_number=str(row["number"]),
            item_name=str(row["item_name"]),
            unit=str(row["unit_code"]),
            unit_name=str(row["unit_name"] or row["unit_code"]),
            step=str(row["step"]),
            role=str(row["role"]),
            due_on=day_in(row["due_on"]),
        )
        for row in rows
    ]


async def _issue(work: Work, unit: Unit, late: Sequence[LateCase]) -> None:
    """One order, sealed and numbered, and one explanation to be given for each late case."""
    rules = work.given(SupervisionRules)
    limit_on = work.given(Calendar).nth_working_day_after(day_of(work.now), rules.explain_limit_days)
    drafts = [
        _draft(number, case, limit_on)
        for number, case in zip(await numbers(work, unit, rules.order_mark, len(late)), late, strict=True)
    ]
    orders = [
        SupervisionOrder(
            number=paper.number,
            case_id=case.case_id,
            unit_code=case.unit,
            issued_at=work.now,
            limit_on=limit_on,
            reason=_REASON,
            html=paper.html,
            sha256=paper.sha256,
            seal_serial=paper.seal_serial,
            seal_signature=paper.seal_signature,
        )
        for paper, case in zip(await seal_drafts(work, unit, drafts), late, strict=True)
    ]
    await SupervisionOrder.bulk_create(orders)
    await ExplanationTask.bulk_create(
        [
            ExplanationTask(
                order_number=order.number,
                case_id=order.case_id,
                unit_code=order.unit_code,
                limit_on=limit_on,
                opened_at=work.now,
            )
            for order in orders
        ]
    )
    for order, case in zip(orders, late, strict=True):
        work.record(OrderIssued(case=case.case_number, number=order.number, unit=case.unit, limit_on=limit_on))


def _draft(number: str, case: LateCase, limit_on: date) -> Draft:
    return Draft(
        title="督办单",
        number=number,
        addressee=case.unit_name,
        opening="你单位承办的下列办件已超过办理时限，现予督办：",
        lines=(
            ("办件编号", case.case_number),
            ("事项名称", case.item_name),
            ("所处环节", step_name(case.step, case.role)),
            ("应办结日", in_words(case.due_on) if case.due_on else "—"),
        ),
        closing=f"请于{in_words(limit_on)}前办结，并书面说明超期理由。无正当理由的，将依照规定追究责任。",
    )
