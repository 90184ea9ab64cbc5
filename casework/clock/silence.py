"""视为准予延续: what nobody decided before the licence ended is granted by law, at that instant, by the clock.

Source: Administrative Licensing Law, art. 50(2): 逾期未作决定的，视为准予延续. The instant is 24:00 of the licence's
last day, whether the clock of art. 42 still runs or stands still: art. 50 knows no excluded time.

Limits: an application whose corrections have not come is not before the authority, so its silence grants nothing.
"""

import logging
from functools import partial

from casework.acts import Status
from casework.catalogue.publishing import version_of
from casework.clock.acts import DeemRenewed
from casework.clock.clocks import ledger_of, write
from casework.clock.events import RenewalDeemed
from casework.clock.ledger import Ended, EndReason
from casework.clock.tables import Renewal
from casework.clock.time_limits import deliver_by
from casework.clock.working_days import Calendar, day_of
from casework.files import swap, unit_in_charge
from casework.flow import packages, steps
from casework.flow.tasks import close_task, open_task
from casework.licences import grants
from casework.licences.acts import LicenceState
from casework.licences.results import publish_result
from casework.licences.tables import Licence
from casework.papers.documents import DocumentKind, issue
from casework.tables import Case, Task
from kernel.actor import Role
from kernel.acts import Done
from kernel.work import Work

log = logging.getLogger(__name__)

_UNDECIDED = (Status.RECEIVED, Status.AWAITING_SUPPLEMENT, Status.IN_APPROVAL)


async def deem_renewed(work: Work, act: DeemRenewed) -> Done:
    """视为准予延续: what nobody decided before the licence ended, each by itself. Performed by the clock in batches."""
    silent = await Renewal.filter(silent_at__lte=work.now).order_by("silent_at", "id").limit(act.limit)
    spoken = 0
    for renewal in silent:
        fault = await work.apart(partial(_deem, work, renewal))
        if fault is None:
            spoken += 1
        else:
            log.error("renewal %s could not be deemed granted: %s", renewal.id, type(fault).__name__)
    return Done(count=spoken)


async def _deem(work: Work, renewal: Renewal) -> None:
    case = await Case.get(id=renewal.case_id)
    if not await _is_silence(case, renewal):
        await Renewal.filter(id=renewal.id).update(silent_at=None)
        return
    assert renewal.silent_at is not None
    spoke_on = day_of(renewal.silent_at)
    unit = await unit_in_charge(case)
    for task in await Task.filter(case_id=case.id, closed_at=None):
        await close_task(work, task)
    if case.status == Status.IN_APPROVAL:
        await ledger_of(case)  # the clock must have been started lawfully
        await write(work, case, Ended(day=spoke_on, reason=EndReason.DEEMED_RENEWED))
    document = await issue(
        work,
        case,
        DocumentKind.DEEMED_RENEWAL,
        lines=(
            ("许可证件", renewal.licence_number),
            ("原有效期至", renewal.valid_until.isoformat()),
            ("依据", "《中华人民共和国行政许可法》第五十条第二款"),
        ),
        unit=unit,
    )
    await swap(
        case,
        case.revision,
        status=Status.GRANTED,
        outcome="granted",
        decided_at=renewal.silent_at,
        deemed_at=None,
    )
    _, item = await version_of(case.item_code, case.item_version)
    licence = await grants.renew(work, renewal.licence_number, case_number=case.number, deemed=True)
    await publish_result(work, case, item, document, licence)
    if case.package_number:
        await packages.go_on(work, case)
    await open_task(
        work,
        case,
        steps.COMPLETE,
        role=Role.HANDLER,
        unit=unit,
        due_on=deliver_by(spoke_on, work.given(Calendar)),
    )
    await Renewal.filter(id=renewal.id).update(silent_at=None, deemed_at=renewal.silent_at)
    work.record(
        RenewalDeemed(
            case=case.number,
            unit=case.unit_code,
            licence=renewal.licence_number,
            valid_until=renewal.valid_until,
            document=document.number,
        )
    )


async def _is_silence(case: Case, renewal: Renewal) -> bool:
    """Whether the case is still before the authority, and its licence still ends on the day it is watched for."""
    awaited = case.status == Status.AWAITING_SUPPLEMENT and case.supplemented_on is None
    if case.status not in _UNDECIDED or awaited:
        return False
    standing = (LicenceState.VALID, LicenceState.EXPIRED)
    return await Licence.exists(number=renewal.licence_number, valid_until=renewal.valid_until, state__in=standing)
