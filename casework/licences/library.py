"""The shared library (证照批文共享数据库): which licences somebody holds, and who asked.

Other units reuse what the library holds instead of asking the applicant again (资源共享), and every read is logged
with its reader, its case and its reason, whether something was found or not. A secret item's licences are in nobody's
reach here.
"""

import hashlib
import hmac
from datetime import date

from tortoise.expressions import F

from casework.clock.working_days import day_of
from casework.licences.acts import (
    CheckLicence,
    LicenceStanding,
    LicenceState,
    LicencesView,
    LookUpLicences,
    ViewLicence,
)
from casework.licences.refusals import LicenceCheckFailed, LicenceCheckLocked, LicenceReasonMissing
from casework.licences.register import find_licence, licence_view
from casework.licences.tables import Licence, LicenceRead
from casework.tables import QueryAttempt
from kernel.acts import Done
from kernel.refusals import Invalid, Refusal
from kernel.work import Work

#: Why the intake reads, where the reader is the office itself; and why somebody who opens a licence does.
REUSE, OPENED = "免于重复提交材料", "查阅"
MOST_WRONG = 10
#: Characters of the holder's id number that the public check asks for.
_CHECK = 4
_LONGEST_REASON, _LONGEST_ID, _MOST = 200, 40, 100


async def satisfied_by(work: Work, *, holder_id_number: str, licence_kind: str, case_number: str) -> Licence | None:
    """The holder's valid licence of that kind, the longest-lived first; None when there is none. The read is logged."""
    found = await _valid(work, holder_id_number=holder_id_number, kind=licence_kind)
    best = max(
        found, key=lambda licence: (licence.valid_until is None, licence.valid_until or licence.issued_on), default=None
    )
    await log_read(work, holder=holder_id_number, kind=licence_kind, found=best, case=case_number, reason=REUSE)
    return best


async def look_up(work: Work, act: LookUpLicences) -> LicencesView:
    """共享查询 by an officer: every licence of the holder, also those that do not stand any more.

    Raises LICENCE_REASON_MISSING, INVALID. What was asked is logged also when nothing was found.
    """
    if not 0 < len(act.reason.strip()) <= _LONGEST_REASON:
        raise LicenceReasonMissing()
    if not 0 < len(act.holder_id_number) <= _LONGEST_ID:
        raise Invalid(field="证件号码", why="请填写持有人的证件号码")
    held = Licence.filter(holder_id_number=act.holder_id_number, secret=False)
    found = await (held.filter(kind=act.kind) if act.kind else held).order_by("-id").limit(_MOST)
    hits: list[Licence | None] = [*found] or [None]
    for hit in hits:
        await log_read(work, holder=act.holder_id_number, kind=act.kind, found=hit, case=act.case, reason=act.reason)
    return LicencesView(licences=tuple([await licence_view(licence) for licence in found]))


async def view_licence(work: Work, act: ViewLicence) -> Done:
    """Logs that the actor opened the licence with its history (查阅留痕)."""
    licence = await find_licence(act.licence)
    await log_read(work, holder=licence.holder_id_number, kind=licence.kind, found=licence, case="", reason=OPENED)
    return Done()


async def check_licence(work: Work, act: CheckLicence) -> LicenceStanding | Refusal:
    """Public verification: state and last day, nothing else, for whoever knows the number and the holder's check.

    `MOST_WRONG` wrong checks a day for a number keep the check a guess: a try is counted before it is looked at.
    """
    digest = hashlib.sha256(act.licence.encode("utf-8", "replace")).hexdigest()
    attempt, _ = await QueryAttempt.get_or_create(case_number=f"licence:{digest[:24]}", day=day_of(work.now))
    row = QueryAttempt.filter(id=attempt.id)
    if await row.filter(wrong__lt=MOST_WRONG).update(wrong=F("wrong") + 1) != 1:
        return LicenceCheckLocked()
    licence = await Licence.get_or_none(number=act.licence, secret=False)
    expected = licence.holder_id_number[-_CHECK:] if licence else ""
    given = act.holder_check.strip().upper()
    if licence is None or not hmac.compare_digest(given.encode("utf-8", "replace"), expected.upper().encode()):
        return LicenceCheckFailed()
    await row.update(wrong=F("wrong") - 1)
    return LicenceStanding(
        number=licence.number,
        kind=licence.kind,
        state=_state_on(licence, day_of(work.now)),
        valid_until=licence.valid_until,
    )


async def log_read(work: Work, *, holder: str, kind: str, found: Licence | None, case: str, reason: str) -> None:
    await LicenceRead.create(
        holder_id_number=holder,
        kind=kind,
        licence_number=found.number if found else "",
        case_number=case,
        reason=reason,
        reader=f"{work.actor.kind}:{work.actor.id}",
        at=work.now,
    )


def _state_on(licence: Licence, today: date) -> LicenceState:
    """By its own dates, even if the clock has not yet flagged what lapsed at midnight."""
    lapsed = licence.valid_until is not None and licence.valid_until < today
    state = LicenceState(licence.state)
    return LicenceState.EXPIRED if lapsed and state is LicenceState.VALID else state


async def _valid(work: Work, *, holder_id_number: str, kind: str) -> list[Licence]:
    today = day_of(work.now)
    held = await Licence.filter(holder_id_number=holder_id_number, kind=kind, secret=False, valid_from__lte=today)
    return [licence for licence in held if _state_on(licence, today) is LicenceState.VALID]
