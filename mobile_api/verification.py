"""Verifying a statutory document in public: what a QR code opens, and whether a PDF on somebody's disk is ours.

Whoever holds a document has its number and check code, or its octets; without either nothing is told. Told are
number, title, unit, day, digest and the state of the seal: no person, no item, no case. Secret cases do not exist
here. Rates are counted per address by the door.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from casework.clock.working_days import CHINA, day_of
from casework.papers.printing import is_check_code, sealed_of
from certs.notary import check_seal
from certs.tables import CertificateState, IssuedCertificate
from kernel.db import Row
from kernel.notary import Seal
from kernel.refusals import Refusal
from mobile_api.refusals import TooLarge
from mobile_api.services import Services

Endpoint = Callable[[Request], Awaitable[Response]]

_FOLDER = Path(__file__).parent / "templates"
_pages = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
_SCRIPT = (_FOLDER / "verification.js").read_text(encoding="utf-8").strip()
_SCRIPT_DIGEST = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_SCRIPT_DIGEST}'; connect-src 'self';"
        " form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
_LARGEST_ID = (1 << 63) - 1


class SealState(StrEnum):
    VALID = "valid"
    INVALID = "invalid"  # the content is not what was sealed
    REVOKED = "revoked"  # sealed rightly; the seal's certificate was revoked later


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`copy`: whether the octets that were sent are a print that the office made; null when none were sent.

    `as_of`: in the outer zone, up to when a revocation would be known.
    """

    number: str
    title: str
    unit: str
    issued_on: date
    sha256: str
    seal_serial: str
    seal: SealState
    copy: bool | None = None
    as_of: datetime | msgspec.UnsetType | None = msgspec.UNSET


def routes(services: Services, guarded: Callable[[Endpoint], Endpoint]) -> list[Route]:
    """`guarded` counts the caller's address and turns refusals into answers."""
    door = _Verification(services)
    return [
        Route("/verify", guarded(door.ask), methods=["GET"]),
        Route("/verify", guarded(door.recognise), methods=["POST"]),
        Route("/verify/{document:path}", guarded(door.verify), methods=["GET"]),
    ]


class _Verification:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def ask(self, request: Request) -> Response:
        """The page on which number and code are typed; with them, the answer."""
        number = request.query_params.get("number", "")
        return await self._answer(request, number) if number else _page(None, asked=False)

    async def verify(self, request: Request) -> Response:
        return await self._answer(request, request.path_params["document"])

    async def recognise(self, request: Request) -> Response:
        """A PDF as the body: by its SHA-256, the document it is a print of."""
        digest, size, limit = hashlib.sha256(), 0, self._services.limits.file_octets
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise TooLarge(limit=limit)
            digest.update(chunk)
        row = await self._row("d.id = (SELECT document_id FROM document_print WHERE sha256 = $1)", digest.hexdigest())
        return _json(None if row is None else await self._verdict(row, copy=True))

    async def _answer(self, request: Request, document: str) -> Response:
        row = await self._row(*_by(document.strip()))
        code = request.query_params.get("c", "")
        known = row is not None and is_check_code(self._services.secrets, row, code)
        verdict = await self._verdict(row) if row is not None and known else None
        if "application/json" in request.headers.get("accept", ""):
            return _json(verdict)
        return _page(verdict, asked=True)

    async def _row(self, where: str, value: str | int) -> Row | None:
        found = await self._services.database.rows(
            "SELECT d.*, u.name AS unit_name FROM document d JOIN case_file c ON c.id = d.case_id"
            f" JOIN unit u ON u.code = d.unit_code WHERE c.secret = FALSE AND {where}",
            value,
        )
        return found[0] if found else None

    async def _verdict(self, row: Row, *, copy: bool | None = None) -> Verdict:
        sealed = sealed_of(row)
        return Verdict(
            number=str(row["number"]),
            title=str(row["title"]),
            unit=str(row["unit_name"]),
            issued_on=day_of(sealed.issued_at),
            sha256=hashlib.sha256(sealed.content).hexdigest(),
            seal_serial=sealed.serial,
            seal=await self._seal_state(
                Seal(unit=str(row["unit_code"]), serial=sealed.serial, signature=sealed.signature), sealed.content
            ),
            copy=copy,
            as_of=await self._services.as_of() if self._services.mirrored_until else msgspec.UNSET,
        )

    async def _seal_state(self, seal: Seal, content: bytes) -> SealState:
        authority = self._services.authority
        try:
            await check_seal(authority, seal, content)
        except Refusal:
            return SealState.INVALID
        revoked = await IssuedCertificate.exists(
            issuer__in=authority.verifier.issuers, serial=seal.serial, state=CertificateState.REVOKED
        )
        return SealState.REVOKED if revoked else SealState.VALID


def _by(document: str) -> tuple[str, str | int]:
    """The id that stands in QR codes, or the number that people read."""
    if document.isascii() and document.isdecimal() and len(document) < 19 and int(document) <= _LARGEST_ID:
        return "d.id = $1", int(document)
    return "d.number = $1", document


def _page(verdict: Verdict | None, *, asked: bool) -> Response:
    as_of = f"{verdict.as_of.astimezone(CHINA):%Y-%m-%d %H:%M}" if verdict and verdict.as_of else ""
    page = _pages.get_template("verification.html").render(verdict=verdict, asked=asked, script=_SCRIPT, as_of=as_of)
    return HTMLResponse(page, status_code=404 if asked and verdict is None else 200, headers=_HEADERS)


def _json(verdict: Verdict | None) -> Response:
    content = msgspec.json.encode(verdict if verdict is not None else {"found": False})
    status = 404 if verdict is None else 200
    return Response(content, status_code=status, media_type="application/json", headers=_HEADERS)
