"""一单式收费: one bill per case, made from the approved list of its stage; anything else is an irregularity.

The bill is issued with the acceptance. Fixed rates stand on it at once, formulas wait for the window's amount. What is
not in the list can be charged only by an act that says so, and supervision hears of it (异常预警).

Limits: no payment is taken here; the window records that the bill was settled.
"""

from casework.catalogue.definitions import NONE, Stage
from casework.clock.working_days import day_of
from casework.files import find
from casework.intake.acts import BillView, ChargeUnlisted, EnterFee, SettleBill
from casework.intake.events import BillIssued, BillSettled, FeeEntered, UnlistedFeeCharged
from casework.intake.refusals import BillClosed, FeeAmountMissing, FeeFixed, FeeIsListed, NoBill
from casework.intake.tables import FeeBill, FeeLine
from casework.papers.documents import issue
from casework.papers.kinds import DocumentKind
from casework.tables import Case
from kernel.numbers import next_number
from kernel.refusals import Invalid, NotFound
from kernel.tables import Unit
from kernel.work import Work

#: 100 million yuan: a larger amount is a slip of the finger.
_MOST_CENTS = 10_000_000_000
_LONGEST_NAME, _LONGEST_REASON = 120, 200


async def issue_bill(work: Work, case: Case, stage: Stage) -> None:
    """The case's bill, if its stage has fees."""
    fees = () if stage.fees == NONE else stage.fees
    if not fees:
        return
    bill = await _bill(work, case)
    await FeeLine.bulk_create(
        [
            FeeLine(
                bill_id=bill.id,
                seq=seq,
                name=fee.name,
                standard=fee.standard,
                basis=fee.basis,
                amount_cents=fee.amount_cents,
                fixed=fee.amount_cents is not None,
            )
            for seq, fee in enumerate(fees, 1)
        ]
    )
    work.record(BillIssued(case=case.number, bill=bill.number, lines=len(fees)))
    await _tell(work, case, bill)


async def enter_fee(work: Work, act: EnterFee) -> BillView:
    """The amount of one line. Raises NO_BILL (after the end as well), BILL_CLOSED, FEE_FIXED, NOT_FOUND, INVALID."""
    case = await find(act.case)
    bill = await _open_bill(case)
    line = await FeeLine.get_or_none(bill_id=bill.id, seq=act.line)
    if line is None:
        raise NotFound(what=f"第{act.line}项收费")
    if line.fixed:
        raise FeeFixed(name=line.name)
    _check_amount(act.amount_cents)
    await FeeLine.filter(id=line.id).update(amount_cents=act.amount_cents, entered_by=work.actor.id)
    work.record(
        FeeEntered(
            case=case.number, bill=bill.number, line=line.seq, amount_cents=act.amount_cents, officer=work.actor.id
        )
    )
    await _tell(work, case, bill)
    return await _view(case, bill)


async def charge_unlisted(work: Work, act: ChargeUnlisted) -> BillView:
    """A charge outside the list: it is written down and reported. Raises INVALID, NO_BILL before acceptance and after
    the end, BILL_CLOSED, FEE_IS_LISTED.
    """
    case = await find(act.case)
    name, reason = act.name.strip(), act.reason.strip()
    if not name or len(name) > _LONGEST_NAME:
        raise Invalid(field="收费项目", why=f"请填写名称（不超过{_LONGEST_NAME}字）")
    if not reason or len(reason) > _LONGEST_REASON:
        raise Invalid(field="收费理由", why=f"请写明理由（不超过{_LONGEST_REASON}字）")
    _check_amount(act.amount_cents)
    if case.accepted_on is None or case.closed_at is not None:
        raise NoBill()
    bill = await FeeBill.get_or_none(case_id=case.id)
    if bill is None:
        bill = await _bill(work, case)
        work.record(BillIssued(case=case.number, bill=bill.number, lines=0))
    elif bill.settled_at is not None:
        raise BillClosed()
    if await FeeLine.exists(bill_id=bill.id, name=name, listed=True):
        raise FeeIsListed(name=name)
    line = await FeeLine.create(
        bill_id=bill.id,
        seq=await FeeLine.filter(bill_id=bill.id).count() + 1,
        name=name,
        amount_cents=act.amount_cents,
        fixed=True,
        listed=False,
        reason=reason,
        entered_by=work.actor.id,
    )
    work.record(
        UnlistedFeeCharged(
            case=case.number,
            unit=work.actor.unit or case.unit_code,
            bill=bill.number,
            line=line.seq,
            amount_cents=act.amount_cents,
            officer=work.actor.id,
        )
    )
    return await _view(case, bill)


async def settle_bill(work: Work, act: SettleBill) -> BillView:
    """结清. Raises NO_BILL (after the end as well), BILL_CLOSED, FEE_AMOUNT_MISSING."""
    case = await find(act.case)
    bill = await _open_bill(case)
    if missing := await FeeLine.filter(bill_id=bill.id, amount_cents=None).count():
        raise FeeAmountMissing(count=missing)
    if await FeeBill.filter(id=bill.id, settled_at=None).update(settled_at=work.now, settled_by=work.actor.id) != 1:
        raise BillClosed()
    bill.settled_at = work.now
    seen = await _view(case, bill)
    work.record(BillSettled(case=case.number, bill=bill.number, total_cents=seen.total_cents, officer=work.actor.id))
    return seen


async def _bill(work: Work, case: Case) -> FeeBill:
    year, unit = day_of(work.now).year, await Unit.get(code=case.unit_code)
    serial = await next_number(f"bill:{unit.code}:{year}")
    number = f"{unit.short_name}缴〔{year}〕{serial}号"
    return await FeeBill.create(case_id=case.id, number=number, unit_code=unit.code, issued_at=work.now)


async def _tell(work: Work, case: Case, bill: FeeBill) -> None:
    """《缴费通知单》, once every amount is known; an amount that is entered anew is told anew."""
    lines = await FeeLine.filter(bill_id=bill.id, listed=True).order_by("seq")
    amounts = [(line.name, line.amount_cents) for line in lines if line.amount_cents is not None]
    if len(amounts) < len(lines):
        return
    words = [(name, f"{_yuan(cents)}元") for name, cents in amounts]
    total = sum(cents for _, cents in amounts)
    await issue(
        work,
        case,
        DocumentKind.PAYMENT,
        lines=(*words, ("合计", f"{_yuan(total)}元")),
    )


def _yuan(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


async def _open_bill(case: Case) -> FeeBill:
    bill = await FeeBill.get_or_none(case_id=case.id)
    if bill is None or case.closed_at is not None:
        raise NoBill()
    if bill.settled_at is not None:
        raise BillClosed()
    return bill


async def _view(case: Case, bill: FeeBill) -> BillView:
    lines = await FeeLine.filter(bill_id=bill.id)
    return BillView(
        case=case.number,
        number=bill.number,
        total_cents=sum(line.amount_cents or 0 for line in lines),
        open_lines=sum(line.amount_cents is None for line in lines),
        settled=bill.settled_at is not None,
    )


def _check_amount(cents: int) -> None:
    if not 0 <= cents <= _MOST_CENTS:
        raise Invalid(field="金额", why="应为0至1亿元")
