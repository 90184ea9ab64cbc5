"""What an operator does at the server itself: fill an empty installation with the sample county or the region's own
directory and catalogue, approve the first certificates, for which there is nobody else yet, and revoke any."""

from collections.abc import AsyncIterator, Sequence

import msgspec

from casework.acts import ItemView, PublishItem
from casework.catalogue import publishing
from casework.catalogue.definitions import CODE_PATTERN, ItemDefinition, ItemMalformed, check, parse
from casework.refusals import UnknownItem
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
from server.provisions import casework_rules
from server.wiring import System


async def load_county(system: System) -> int:
    """Enters the directory, publishes what is not published yet, and returns how many items the county has."""
    sample = county()
    units = tuple(msgspec.convert(unit, UnitEntry, from_attributes=True) for unit in sample.units)
    officers = tuple(msgspec.convert(officer, OfficerEntry, from_attributes=True) for officer in sample.officers)
    await _done(system, EnterDirectory(units=units, officers=officers))
    for item in items():
        if not await Item.exists(code=item.code):
            await _done(system, PublishItem(definition=msgspec.json.encode(item)))
    return len(items())


async def import_directory(system: System, document: bytes) -> EnterDirectory:
    """Enters the units and officers of a directory file, all or none. Raises FileRefused, or the act's refusal."""
    directory = await directory_file.read(document)
    await _done(system, directory)
    return directory


async def publish_items(system: System, document: bytes) -> AsyncIterator[tuple[str, ItemView | Sequence[Refusal]]]:
    """Publishes one definition or a list of them: per item its name and its version, or everything wrong with it.

    What is published in the same words already keeps its version, so a mended file may be given again.
    """
    for number, definition in enumerate(_definitions(document), 1):
        try:
            item = parse(definition)
        except ItemMalformed as malformed:
            yield f"[{number}]", [malformed]
            continue
        if (standing := await _standing(item)) is not None:
            yield item.code, standing
            continue
        try:
            yield item.code, await _done(system, PublishItem(definition=definition))
        except Refusal as refusal:
            pattern = casework_rules(system.settings).item_code_pattern or CODE_PATTERN
            yield item.code, check(item, code_pattern=pattern) or [refusal]


async def certificates(system: System, *, officer: str | None = None) -> list[CertificateView]:
    """The register by holder: officers' phones, units' seals and the server's own; or one officer's."""
    chosen = IssuedCertificate.filter(issuer=system.authority.issuer).exclude(state=CertificateState.INTENDED)
    if officer is not None:
        chosen = chosen.filter(holder=officer)
    return [certificate_view(row) for row in await chosen.order_by("holder", "id")]


async def revoke_certificate(system: System, serial: str, reason: RevocationReason) -> CertificateView:
    """Revokes on the operator's own authority. Raises NOT_FOUND."""
    return await _done(system, RevokeCertificate(serial=serial, reason=reason))


async def approve_at_the_desk(system: System, enrolment: str, *, document: str) -> None:
    """Checks, unless somebody already has, and approves on the operator's own authority. Raises the refusal."""
    if not await Enrolment.exists(id=enrolment, state=EnrolmentState.CHECKED):
        await _done(system, CheckIdentity(enrolment=enrolment, document=document))
    await _done(system, ApproveEnrolment(enrolment=enrolment))


def _definitions(document: bytes) -> list[bytes]:
    """The definitions of a file as it spells them. Raises ItemMalformed when it is a list that cannot be read."""
    text = document.removeprefix(b"\xef\xbb\xbf").strip()
    if not text.startswith(b"["):
        return [text]
    try:
        return [bytes(each) for each in msgspec.json.decode(text, type=list[msgspec.Raw])]
    except msgspec.DecodeError as error:
        raise ItemMalformed(why=str(error)) from None


async def _standing(item: ItemDefinition) -> ItemView | None:
    """The item's current version, if it says the same."""
    try:
        version, definition = await publishing.published(item.code)
    except UnknownItem:
        return None
    return ItemView(code=item.code, version=version.version, state=publishing.PUBLISHED) if definition == item else None


async def _done(system: System, act: Act[V]) -> V:
    outcome = await system.office.perform(act, THE_OPERATOR, key=None)
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome
