"""The register's own hand: how a licence reads, is numbered, sealed, and written down, the first time and every time.

Every revision is JSON that the issuing unit's seal covers, and stays in the history with its seal: what a licence
said on any day can be shown and checked. Numbers have no gaps per unit, item and year.
"""

import hashlib
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import count

import msgspec

from casework.catalogue.definitions import ItemDefinition
from casework.catalogue.definitions import Licence as LicenceTerms
from casework.clock.working_days import day_of
from casework.licences.acts import LicenceChangeKind, LicenceState, LicenceView, ReviewState
from casework.licences.refusals import UnknownLicence
from casework.licences.tables import AnnualReview, Licence, LicenceChange
from casework.tables import Case
from kernel.numbers import next_number
from kernel.refusals import ChangedMeanwhile
from kernel.tables import Unit
from kernel.work import Work

STATE_NAMES = {
    LicenceState.VALID: "有效",
    LicenceState.EXPIRED: "过期",
    LicenceState.CANCELLED: "注销",
    LicenceState.REVOKED: "撤销",
    LicenceState.WITHDRAWN: "吊销",
}
FORMAT = "zhangban-licence/1"
_A_DAY = timedelta(days=1)


async def find_licence(number: str) -> Licence:
    """Raises UNKNOWN_LICENCE."""
    licence = await Licence.get_or_none(number=number)
    if licence is None:
        raise UnknownLicence(licence=number)
    return licence


async def enter(work: Work, case: Case, item: ItemDefinition, terms: LicenceTerms, *, unit: str) -> Licence:
    """Numbers, seals and keeps the licence that `unit` granted in `case`, valid from today."""
    today = day_of(work.now)
    serial = await next_number(f"licence:{unit}:{item.code}:{today.year}")
    licence = Licence(
        number=f"{item.code}-{today.year}-{serial:05d}",
        kind=terms.name,
        item_code=item.code,
        item_version=case.item_version,
        case_number=case.number,
        secret=case.secret,
        unit_code=unit,
        holder_name=case.applicant_name,
        holder_id_number=case.applicant_id_number,
        holder_phone=case.applicant_phone,
        issued_on=today,
        valid_from=today,
        state=LicenceState.VALID,
        revision=1,
        **term(valid_until(today, terms), terms, today),
    )
    licence.update_from_dict(await _sealed(work, licence, ""))
    await licence.save()
    await _remember(work, licence, LicenceChangeKind.ISSUED, case=case.number, reason="")
    if terms.annual_review:
        await announce_review(licence, due_on=add_months(today, 12))
    return licence


async def amend(
    work: Work,
    licence: Licence,
    change: LicenceChangeKind,
    changes: Mapping[str, object],
    *,
    case: str = "",
    reason: str = "",
) -> None:
    """Writes the licence's next revision, sealed anew, and its line of history. Raises CHANGED_MEANWHILE."""
    revision = licence.revision
    licence.update_from_dict({**changes, "revision": revision + 1})
    sealed = await _sealed(work, licence, reason)
    changed = await Licence.filter(id=licence.id, revision=revision).update(revision=revision + 1, **changes, **sealed)
    if changed != 1:
        raise ChangedMeanwhile(subject=f"licence:{licence.number}")
    licence.update_from_dict(sealed)
    await _remember(work, licence, change, case=case, reason=reason)


def term(until: date | None, terms: LicenceTerms, today: date) -> dict[str, object]:
    """The columns of a validity that ends on `until`: when the clock reminds of it and lets it lapse."""
    if until is None:
        return {"valid_until": None, "remind_on": None, "lapses_on": None}
    remind_on = max(until - timedelta(days=terms.remind_days), today) if terms.remind_days > 0 else None
    return {"valid_until": until, "remind_on": remind_on, "lapses_on": until + _A_DAY}


def valid_until(first: date, terms: LicenceTerms) -> date | None:
    """The last valid day of a term that begins on `first`: a year from 18 September ends on 17 September."""
    return None if terms.valid_months is None else add_months(first, terms.valid_months) - _A_DAY


def add_months(day: date, months: int) -> date:
    """The same day `months` later, or the last one of a shorter month. Source: Civil Code, art. 202."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    first_of_next = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    return date(year, month + 1, min(day.day, (first_of_next - _A_DAY).day))


async def announce_review(licence: Licence, *, due_on: date) -> None:
    """The next annual review, if the licence still stands on that day."""
    if licence.valid_until is None or due_on <= licence.valid_until:
        await AnnualReview.create(
            licence_id=licence.id,
            licence_number=licence.number,
            unit_code=licence.unit_code,
            due_on=due_on,
            state="due",
            clock_on=due_on + _A_DAY,
        )


async def go_on_reviewing(licence: Licence, today: date) -> None:
    """After a renewal: the first anniversary to come that was not reviewed, unless a review is still open."""
    reviews = AnnualReview.filter(licence_id=licence.id)
    if await reviews.exclude(state=ReviewState.PASSED).exists():
        return
    newest = await reviews.order_by("-due_on").first()
    past = max(today, newest.due_on) if newest else today
    to_come = (add_months(licence.issued_on, 12 * years) for years in count(1))
    await announce_review(licence, due_on=next(day for day in to_come if day > past))


async def licence_view(licence: Licence) -> LicenceView:
    unit = await Unit.get_or_none(code=licence.unit_code)
    return LicenceView(
        number=licence.number,
        kind=licence.kind,
        item=licence.item_code,
        unit=licence.unit_code,
        unit_name=unit.name if unit else licence.unit_code,
        holder_name=licence.holder_name,
        issued_on=licence.issued_on,
        valid_from=licence.valid_from,
        valid_until=licence.valid_until,
        state=LicenceState(licence.state),
        revision=licence.revision,
        sha256=licence.sha256,
    )


async def _sealed(work: Work, licence: Licence, reason: str) -> dict[str, object]:
    unit = await Unit.get(code=licence.unit_code)
    content = msgspec.json.encode(
        {
            "format": FORMAT,
            "number": licence.number,
            "revision": licence.revision,
            "kind": licence.kind,
            "item": licence.item_code,
            "case": licence.case_number,
            "holder": licence.holder_name,
            "holder_id_number": licence.holder_id_number,
            "unit": licence.unit_code,
            "unit_name": unit.name,
            "issued_on": licence.issued_on,
            "valid_from": licence.valid_from,
            "valid_until": licence.valid_until,
            "state": str(licence.state),
            "state_name": STATE_NAMES[LicenceState(licence.state)],
            "reason": reason,
            "sealed_at": work.now,
        },
        order="sorted",
    )
    seals = [] if work.is_rehearsal else await work.notary.seal(work, licence.unit_code, [content])
    return {
        "content": content.decode(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "seal_serial": seals[0].serial if seals else "",
        "seal_signature": seals[0].signature if seals else b"",
    }


async def _remember(work: Work, licence: Licence, change: LicenceChangeKind, *, case: str, reason: str) -> None:
    await LicenceChange.create(
        licence_id=licence.id,
        revision=licence.revision,
        change=change,
        case_number=case,
        reason=reason,
        content=licence.content,
        sha256=licence.sha256,
        seal_serial=licence.seal_serial,
        seal_signature=licence.seal_signature,
        actor=f"{work.actor.kind}:{work.actor.id}",
        evidence=work.assured.evidence or "",
        at=work.now,
    )
