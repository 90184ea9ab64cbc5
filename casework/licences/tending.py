"""What the clock does for licences: lets them lapse, has their holders reminded, calls a missed review overdue.

Source: Administrative Licensing Law, art. 50 (whoever wants a licence renewed applies before it ends). The last valid
day ends at 24:00: the first minute of the next day finds the licence expired. Each row stands alone in its batch.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from casework.clock.working_days import day_of
from casework.licences.acts import LicenceChangeKind, LicenceState, ReviewState, TendLicences
from casework.licences.events import AnnualReviewMissed, LicenceExpiring, LicenceLapsed
from casework.licences.register import amend
from casework.licences.tables import AnnualReview, Licence
from kernel.acts import Done
from kernel.work import Work

log = logging.getLogger(__name__)

Row = TypeVar("Row", Licence, AnnualReview)


async def tend_licences(work: Work, act: TendLicences) -> Done:
    today = day_of(work.now)
    lapsing = await Licence.filter(lapses_on__lte=today).order_by("lapses_on", "id").limit(act.limit)
    done = await _each(work, lapsing, _lapse)
    # After those that lapse: nobody is reminded of what is over.
    ending = await Licence.filter(remind_on__lte=today).order_by("remind_on", "id").limit(act.limit)
    done += await _each(work, ending, _remind)
    missed = await AnnualReview.filter(clock_on__lte=today).order_by("clock_on", "id").limit(act.limit)
    done += await _each(work, missed, _miss)
    return Done(count=done)


async def _each(work: Work, rows: Sequence[Row], do: Callable[[Work, Row], Awaitable[None]]) -> int:
    done = 0
    for row in rows:
        fault = await work.apart(partial(do, work, row))
        if fault is None:
            done += 1
        else:
            log.error("%s %s could not be tended: %s", type(row).__name__, row.id, type(fault).__name__)
    return done


async def _lapse(work: Work, licence: Licence) -> None:
    if licence.valid_until is None:
        raise ValueError(f"licence {licence.number} has no end to lapse on")
    until = licence.valid_until
    lapsed = {"state": LicenceState.EXPIRED, "remind_on": None, "lapses_on": None}
    await amend(work, licence, LicenceChangeKind.EXPIRED, lapsed)
    work.record(
        LicenceLapsed(
            licence=licence.number,
            case=licence.case_number,
            unit=licence.unit_code,
            sha256=licence.sha256,
            valid_until=until,
        )
    )


async def _remind(work: Work, licence: Licence) -> None:
    if licence.valid_until is None:
        raise ValueError(f"licence {licence.number} has no end to remind of")
    if await Licence.filter(id=licence.id, remind_on=licence.remind_on).update(remind_on=None) == 1:
        work.record(
            LicenceExpiring(
                licence=licence.number,
                case=licence.case_number,
                unit=licence.unit_code,
                valid_until=licence.valid_until,
            )
        )


async def _miss(work: Work, review: AnnualReview) -> None:
    await AnnualReview.filter(id=review.id).update(clock_on=None)
    licence = await Licence.get(id=review.licence_id)
    if licence.state != LicenceState.VALID:
        return  # nothing to review any more
    if review.state == ReviewState.DUE:
        await AnnualReview.filter(id=review.id).update(state=ReviewState.OVERDUE)
    work.record(
        AnnualReviewMissed(
            licence=licence.number, case=licence.case_number, unit=licence.unit_code, due_on=review.due_on
        )
    )
