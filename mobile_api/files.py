"""Files: tickets to bring them, and links that live minutes to look at them.

Every time a link is followed the view is logged before an octet is sent.
"""

from pathlib import Path
from typing import Annotated, cast
from urllib.parse import quote

import anyio
import strawberry
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from casework.acts import ViewCase
from casework.intake.refusals import LinkInvalid
from casework.intake.uploads import FileStore
from casework.papers.acts import ViewByPassword
from casework.papers.by_password import bearer
from casework.queries import visible_case
from certs.tokens import officer_actor
from hall.accounts import applicant_behind
from hall.own_cases import ViewOwnCase, own_case
from kernel.acts import Done
from kernel.db import Row
from kernel.refusals import NotFound
from kernel.refusals import Refusal as KernelRefusal
from kernel.tables import Officer
from mobile_api.context import Info, perform
from mobile_api.links import FileLink, FilingTicket, read, signed
from mobile_api.papers import SANDBOXED, DocumentForm, shown
from mobile_api.refusals import Refusal
from mobile_api.services import Services


@strawberry.type(description="Send it as `Authorization: Ticket …` with POST /files.")
class FilingTicketPayload:
    ticket: str
    expires_in_s: int


FilingTicketResult = Annotated[FilingTicketPayload | Refusal, strawberry.union("FilingTicketResult")]


@strawberry.type(description="GET it once, soon; ask again for a new one.")
class FileLinkPayload:
    url: str
    expires_in_s: int


FileLinkResult = Annotated[FileLinkPayload | Refusal, strawberry.union("FileLinkResult")]


async def follow(services: Services, link: FileLink, request: Request) -> Response:
    """Logs the view and sends the file. Raises what the office refuses, LINK_INVALID, NOT_FOUND."""
    seen = await _viewed(services, link)
    if isinstance(seen, KernelRefusal):
        raise seen
    kind, _, number = link.what.partition(":")
    if kind in DocumentForm.names():
        return await shown(services, await _row(services, "document", link.case, int(number)), kind)
    material = await _row(services, "material", link.case, int(number))
    path = await _lying_here(services, str(material["sha256"]))
    name = quote(str(material["file_name"]))
    headers = {**SANDBOXED, "Content-Disposition": f"inline; filename*=utf-8''{name}"}
    return FileResponse(path, media_type=str(material["media_type"]), headers=headers)


async def _lying_here(services: Services, sha256: str) -> Path:
    """Raises why it does not: NOT_FOUND; between two networks FILE_INSIDE, FILE_ON_ITS_WAY, FILE_NOT_TAKEN."""
    path = FileStore(services.files).path_of(sha256)
    if not await anyio.Path(path).is_file():
        raise await services.missing_file(sha256)
    return path


async def _viewed(services: Services, link: FileLink) -> Done | KernelRefusal:
    """Logs the view in the name of whoever the link was made for, if they may still see the case."""
    if link.by_password:
        act = ViewByPassword(case=link.case, what=link.what)
        return await services.office.perform(act, bearer(link.case), key=None)
    if link.is_applicants:
        applicant = await applicant_behind(link.viewer)
        if applicant is None:
            raise LinkInvalid()
        return await services.office.perform(ViewOwnCase(case=link.case, what=link.what), applicant, key=None)
    officer = await Officer.get_or_none(id=link.viewer, active=True)
    if officer is None:
        raise LinkInvalid()
    return await services.office.perform(ViewCase(case=link.case, what=link.what), officer_actor(officer), key=None)


async def _row(services: Services, table: str, case: str, number: int) -> Row:
    found = await services.database.rows(
        f"SELECT d.* FROM {table} d JOIN case_file c ON c.id = d.case_id WHERE c.number = $1 AND d.id = $2",
        case,
        number,
    )
    if not found:
        raise NotFound(what="文件")
    return found[0]


async def _open_filing(info: Info) -> FilingTicketResult:
    context = info.context
    refusal = await context.rates.hit(context.rates.anonymous_acts, "ticket", context.address)
    if refusal is not None:
        raise refusal
    services = context.services
    life = services.limits.ticket_life
    ticket = FilingTicket(until=services.clock.now() + life, id=services.secrets.token())
    return FilingTicketPayload(ticket=signed(services.secrets, ticket), expires_in_s=int(life.total_seconds()))


async def _view_material(info: Info, case: strawberry.ID, id: strawberry.ID) -> FileLinkResult:
    return await _link(info, case, "material", id)


async def _view_document(
    info: Info, case: strawberry.ID, id: strawberry.ID, form: DocumentForm = DocumentForm.PDF
) -> FileLinkResult:
    return await _link(info, case, "document", id, form=form.value)


async def _link(info: Info, case: str, table: str, id: str, *, form: str = "") -> FileLinkResult:
    services, officer = info.context.services, info.context.officer()
    known = id.isascii() and id.isdecimal() and len(id) <= 18
    if not known or await visible_case(services.database, officer, case) is None:
        raise NotFound(what="文件")
    number = int(id)  # one file has one name in the log
    row = await _row(services, table, case, number)
    if table == "material" and not row["sha256"]:
        raise NotFound(what="文件（该材料为纸质）")
    if table == "material":
        await _lying_here(services, str(row["sha256"]))

    def link(view: Done) -> FileLinkPayload:
        life = services.limits.link_life
        what = f"{form or table}:{number}"
        word = FileLink(until=services.clock.now() + life, case=case, what=what, viewer=officer.id)
        return FileLinkPayload(url=f"/files/{signed(services.secrets, word)}", expires_in_s=int(life.total_seconds()))

    return await perform(info, ViewCase(case=case, what=f"link {table}:{number}"), link)


async def _view_own_material(info: Info, case: strawberry.ID, id: strawberry.ID) -> FileLinkResult:
    return await _own_link(info, case, "material", id)


async def _view_own_document(info: Info, case: strawberry.ID, id: strawberry.ID) -> FileLinkResult:
    return await _own_link(info, case, "document", id)


async def _own_link(info: Info, case: str, table: str, id: str) -> FileLinkResult:
    services, applicant = info.context.services, info.context.applicant()
    shown = await own_case(services.database, applicant, case, now=services.clock.now(), calendar=services.calendar)
    rows = cast("list[Row]", shown[f"{table}s"]) if shown else []  # as `own_case` makes them
    if not any(str(row["id"]) == id and not row.get("on_paper") for row in rows):
        raise NotFound(what="文件")
    if table == "material":
        await _lying_here(services, str((await _row(services, table, case, int(id)))["sha256"]))

    def link(view: Done) -> FileLinkPayload:
        life = services.limits.link_life
        word = FileLink(
            until=services.clock.now() + life, case=case, what=f"{table}:{id}", viewer=applicant.id, is_applicants=True
        )
        return FileLinkPayload(url=f"/files/{signed(services.secrets, word)}", expires_in_s=int(life.total_seconds()))

    return await perform(info, ViewOwnCase(case=case, what=f"link {table}:{id}"), link)


def ticket_from(services: Services, authorization: str) -> FilingTicket:
    """The ticket of an `Authorization: Ticket …` header. Raises LINK_INVALID."""
    scheme, _, word = authorization.partition(" ")
    if scheme.lower() != "ticket":
        raise LinkInvalid()
    return read(services.secrets, FilingTicket, word.strip(), now=services.clock.now())


@strawberry.type
class FileMutations:
    open_filing: FilingTicketResult = strawberry.field(
        resolver=_open_filing, description="A ticket to upload materials without an account."
    )
    view_material: FileLinkResult = strawberry.field(resolver=_view_material)
    view_document: FileLinkResult = strawberry.field(resolver=_view_document)
    view_own_material: FileLinkResult = strawberry.field(
        resolver=_view_own_material, description="For an applicant, of a case of theirs."
    )
    view_own_document: FileLinkResult = strawberry.field(
        resolver=_view_own_document, description="For an applicant, of a case of theirs."
    )
