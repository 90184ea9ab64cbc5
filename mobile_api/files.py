"""Files: uploaded once, kept by their SHA-256, shown through links that live minutes.

Uploads are streamed to disk and hashed on the way; what a file is, its first octets say, not the phone. A file that
is already there is not written again. Every time a link is followed the view is logged before an octet is sent.
"""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import anyio
import strawberry
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from casework.acts import ViewCase
from casework.queries import visible_case
from certs.tokens import officer_actor
from kernel.acts import Done
from kernel.db import Row
from kernel.refusals import NotFound
from kernel.refusals import Refusal as KernelRefusal
from kernel.tables import Officer
from mobile_api.context import Info, perform
from mobile_api.links import FileLink, FilingTicket, UploadReceipt, read, signed
from mobile_api.refusals import BadRequest, FileTypeRefused, LinkInvalid, Refusal, TooLarge
from mobile_api.services import Services

#: What a file may be, by its first octets. OFD, the national document format, is a ZIP and needs its name as well.
_KINDS = (
    (b"%PDF-", "", "application/pdf"),
    (b"\xff\xd8\xff", "", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "", "image/png"),
    (b"PK\x03\x04", ".ofd", "application/ofd"),
)
_ALLOWED = "PDF、JPEG、PNG、OFD"
_LONGEST_NAME = 120
#: Nothing in a file may run or load anything, whatever a browser makes of it.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
}


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


async def store(services: Services, chunks: AsyncIterator[bytes], name: str) -> UploadReceipt:
    """Keeps one file. Raises BAD_REQUEST, TOO_LARGE, FILE_TYPE_REFUSED; then nothing is left on disk."""
    limit = services.limits.file_octets
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise BadRequest(why=f"name must have 1 to {_LONGEST_NAME} printable characters")
    services.files.mkdir(parents=True, exist_ok=True)
    part = anyio.Path(services.files / f"{services.secrets.token()}.part")
    digest, size, head = hashlib.sha256(), 0, b""
    try:
        async with await anyio.open_file(part, "wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise TooLarge(limit=limit)
                head += chunk[: 16 - len(head)]
                digest.update(chunk)
                await file.write(chunk)
        media_type = _kind(head, name)
        kept = anyio.Path(path_of(services, digest.hexdigest()))
        await kept.parent.mkdir(exist_ok=True)
        await part.rename(kept)
    finally:
        await part.unlink(missing_ok=True)
    return UploadReceipt(
        until=services.clock.now() + services.limits.ticket_life,
        sha256=digest.hexdigest(),
        size=size,
        media_type=media_type,
        name=name.strip(),
    )


def path_of(services: Services, sha256: str) -> Path:
    return services.files / sha256[:2] / sha256


async def follow(services: Services, link: FileLink, request: Request) -> Response:
    """Logs the view and sends the file. Raises what the office refuses, LINK_INVALID, NOT_FOUND."""
    officer = await Officer.get_or_none(id=link.viewer, active=True)
    if officer is None:
        raise LinkInvalid()
    seen = await services.office.perform(ViewCase(case=link.case, what=link.what), officer_actor(officer), key=None)
    if isinstance(seen, KernelRefusal):
        raise seen
    kind, _, number = link.what.partition(":")
    if kind == "document":
        return _document(await _row(services, "document", link.case, int(number)))
    material = await _row(services, "material", link.case, int(number))
    path = path_of(services, str(material["sha256"]))
    if not await anyio.Path(path).is_file():
        raise NotFound(what="文件")
    name = quote(str(material["file_name"]))
    headers = {**_HEADERS, "Content-Disposition": f"inline; filename*=utf-8''{name}"}
    return FileResponse(path, media_type=str(material["media_type"]), headers=headers)


def _document(row: Row) -> Response:
    name = quote(f"{row['number']}.html")
    headers = {**_HEADERS, "Content-Disposition": f"inline; filename*=utf-8''{name}"}
    return Response(str(row["html"]), media_type="text/html; charset=utf-8", headers=headers)


def _kind(head: bytes, name: str) -> str:
    for magic, suffix, media_type in _KINDS:
        if head.startswith(magic) and name.lower().endswith(suffix):
            return media_type
    raise FileTypeRefused(allowed=_ALLOWED)


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


async def _view_document(info: Info, case: strawberry.ID, id: strawberry.ID) -> FileLinkResult:
    return await _link(info, case, "document", id)


async def _link(info: Info, case: str, table: str, id: str) -> FileLinkResult:
    services, officer = info.context.services, info.context.officer()
    if not id.isdecimal() or len(id) > 18 or await visible_case(services.database, officer, case) is None:
        raise NotFound(what="文件")
    row = await _row(services, table, case, int(id))
    if table == "material" and not row["sha256"]:
        raise NotFound(what="文件（该材料为纸质）")

    def link(view: Done) -> FileLinkPayload:
        life = services.limits.link_life
        word = FileLink(until=services.clock.now() + life, case=case, what=f"{table}:{id}", viewer=officer.id)
        return FileLinkPayload(url=f"/files/{signed(services.secrets, word)}", expires_in_s=int(life.total_seconds()))

    return await perform(info, ViewCase(case=case, what=f"link {table}:{id}"), link)


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
