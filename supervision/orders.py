"""督办单 for cases over their limit: finish, and state the reasons by a day (责令说明理由)."""

from collections.abc import Sequence
from datetime import date

import msgspec

from casework.steps import step_name
from casework.working_days import Calendar, day_of
from kernel.work import Work
from supervision.events import OrderIssued
from supervision.papers import Draft, in_words, issuer, numbers, seal_drafts
from supervision.rules import SupervisionRules
from supervision.tables import ExplanationTask, SupervisionOrder

_REASON = "超过办理时限未办结"


class LateCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case whose red light just turned."""

    case_id: int
    case_number: str
    item_name: str
    unit: str
    unit_name: str
    step: str
    role: str
    due_on: date | None


async def issue_orders(work: Work, late: Sequence[LateCase]) -> None:
    """One order, sealed and numbered, and one explanation to be given for each late case."""
    if not late:
        return
    rules, unit = work.given(SupervisionRules), await issuer(work)
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
