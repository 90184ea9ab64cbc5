"""计费统计: what texts cost, by the unit they were sent for, for the information centre, which pays the carriers."""

import strawberry

from alerts.billing import Bill, Charge, bill, month_of
from kernel.actor import Role
from kernel.refusals import NotPermitted
from mobile_api.context import Info
from mobile_api.enums import MessageClass


@strawberry.type(description="`parts` = `delivered` + `failed` + `open`; `texts`: of how many messages they are parts.")
class SmsCharge:
    texts: int
    parts: int
    delivered: int
    failed: int
    open: int


@strawberry.type(
    description="`unit` is null for the office's own texts, `messageClass` for a text that is kept no more."
)
class SmsBillLine:
    unit: strawberry.ID | None
    unit_name: str
    carrier: str
    message_class: MessageClass | None
    charge: SmsCharge


@strawberry.type(description="Parts that carriers took in one month, each once. `month` as 2026-10.")
class SmsBill:
    month: str
    lines: list[SmsBillLine]
    total: SmsCharge


async def _sms_bill(info: Info, month: str) -> SmsBill:
    context = info.context
    if not context.officer().has(Role.INFORMATION_CENTRE):
        raise NotPermitted(act="smsBill", needs=Role.INFORMATION_CENTRE)
    return _shown(await bill(context.services.database, month_of(month)))


def _shown(counted: Bill) -> SmsBill:
    lines = [
        SmsBillLine(
            unit=strawberry.ID(line.unit) if line.unit else None,
            unit_name=line.unit_name,
            carrier=line.carrier,
            message_class=MessageClass(line.message_class) if line.message_class else None,
            charge=_charge(line.charge),
        )
        for line in counted.lines
    ]
    return SmsBill(month=counted.month, lines=lines, total=_charge(counted.total))


def _charge(charge: Charge) -> SmsCharge:
    return SmsCharge(
        texts=charge.texts,
        parts=charge.parts,
        delivered=charge.delivered,
        failed=charge.failed,
        open=charge.open,
    )


@strawberry.type
class BillingQueries:
    sms_bill: SmsBill = strawberry.field(
        resolver=_sms_bill, description="By unit, carrier and class. For the information centre."
    )
