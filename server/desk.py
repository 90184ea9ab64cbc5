"""What an operator does at the server itself: fill an empty installation with the sample county or the region's own
directory, approve the first certificates, for which there is nobody else yet, and revoke any."""

import msgspec

from casework.acts import PublishItem
from casework.clock.acts import CalendarView, ImportCalendar, ReprojectDeadlines
from casework.clock.arrangements import read as read_arrangement
from casework.seed import county, items
from casework.tables import Item
from certs.acts import ApproveEnrolment, CertificateView, CheckIdentity, RevocationReason, RevokeCertificate
from certs.revocation import certificate_view
from certs.tables import CertificateState, Enrolment, EnrolmentState, IssuedCertificate
from kernel.actor import THE_OPERATOR
from kernel.acts import Act, V
from kernel.directory import EnterDirectory, OfficerEntry, UnitEntry
from kernel.refusals import Refusal
from server import directory_file
from server.wiring import System


async def load_county(system: System) -> int:
    """Enters the directory, publishes what is not published yet, and returns how many items the county has."""
    sample = county()
    units = tuple(msgspec.convert(unit, UnitEntry, from_attributes=True) for unit in sample.units)
    officers = tuple(msgspec.convert(officer, OfficerEntry, from_attributes=True) for officer in sample.officers)
    await done(system, EnterDirectory(units=units, officers=officers))
    for item in items():
        if not await Item.exists(code=item.code):
            await done(system, PublishItem(definition=msgspec.json.encode(item)))
    return len(items())


async def import_directory(system: System, document: bytes) -> EnterDirectory:
    """Enters the units and officers of a directory file, all or none. Raises FileRefused, or the act's refusal."""
    directory = await directory_file.read(document)
    await done(system, directory)
    return directory


async def import_calendar(system: System, document: bytes, *, first: str, second: str) -> tuple[CalendarView, int]:
    """Imports a notice on holidays that `first` and `second` approve, and finds every open deadline anew.

    Returns the year and how many cases were looked at. Raises CalendarRefused with every problem, TwoPersonsNeeded …
    """
    notice = read_arrangement(document)
    year = await done(
        system,
        ImportCalendar(
            year=notice.year,
            notice=notice.notice,
            source=notice.source,
            holidays=notice.holidays,
            workdays=notice.workdays,
            is_local=notice.is_local,
            first_officer=first,
            second_officer=second,
        ),
    )
    await system.renew_calendar()
    cases = 0
    while found := (await done(system, ReprojectDeadlines())).count:
        cases += found
    return year, cases


async def certificates(system: System, *, officer: str | None = None) -> list[CertificateView]:
    """The register by holder: officers' phones, units' seals and the server's own; or one officer's."""
    chosen = IssuedCertificate.filter(issuer=system.authority.issuer).exclude(state=CertificateState.INTENDED)
    if officer is not None:
        chosen = chosen.filter(holder=officer)
    return [certificate_view(row) for row in await chosen.order_by("holder", "id")]


async def revoke_certificate(system: System, serial: str, reason: RevocationReason) -> CertificateView:
    """Revokes on the operator's own authority. Raises NOT_FOUND."""
    return await done(system, RevokeCertificate(serial=serial, reason=reason))


async def approve_at_the_desk(system: System, enrolment: str, *, document: str) -> None:
    """Checks, unless somebody already has, and approves on the operator's own authority. Raises the refusal."""
    if not await Enrolment.exists(id=enrolment, state=EnrolmentState.CHECKED):
        await done(system, CheckIdentity(enrolment=enrolment, document=document))
    await done(system, ApproveEnrolment(enrolment=enrolment))


async def done(system: System, act: Act[V]) -> V:
    """The view of what the operator does. Raises the refusal."""
    outcome = await system.office.perform(act, THE_OPERATOR, key=None)
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome
