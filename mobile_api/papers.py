"""Statutory documents at the door: as PDF, page or sealed octets, and the versions of their wording."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import strawberry
from starlette.responses import FileResponse, Response

from casework.papers.acts import (
    DecideTemplate,
    DraftTemplate,
    IssuedDocumentsView,
    OpenDocuments,
    PrepareTemplateDecision,
    TemplateView,
)
from casework.papers.pages import html
from casework.papers.printing import Press, print_of, sealed_of
from casework.papers.templates import templates
from kernel.actor import ActorKind
from kernel.db import Row
from kernel.refusals import NotPermitted
from mobile_api.context import Info, perform
from mobile_api.enums import DocumentKind, TemplateState
from mobile_api.links import FileLink, signed
from mobile_api.pages import shaped
from mobile_api.refusals import Refusal
from mobile_api.services import Services
from mobile_api.signing import SignedInput, SigningResult, signing_payload

#: Nothing in a file may run or load anything, whatever a browser makes of it.
SANDBOXED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
}
#: Browsers show no PDF inside a sandbox; ours is set from texts alone and holds no script.
_PDF_HEADERS = {**SANDBOXED, "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


@strawberry.enum(description="PDF: for people. HTML: the same as a page. SEALED: the octets under the seal, JSON.")
class DocumentForm(StrEnum):
    PDF = "document"
    HTML = "html"
    SEALED = "sealed"

    @classmethod
    def names(cls) -> frozenset[str]:
        """As the links of documents begin."""
        return frozenset(cls)


def press_of(services: Services) -> Press:
    return Press(
        database=services.database,
        office=services.office,
        secrets=services.secrets,
        folder=services.files / "prints",
        public_url=services.rules.public_url,
    )


async def shown(services: Services, row: Row, form: str) -> Response:
    """A document of the table `document` in the form that its link names."""
    number = str(row["number"])
    if form == DocumentForm.HTML:
        return Response(html(sealed_of(row)), media_type="text/html; charset=utf-8", headers=_named(number, "html"))
    if form == DocumentForm.SEALED:
        headers = _named(number, "json")
        return Response(str(row["content"]), media_type="application/json; charset=utf-8", headers=headers)
    path = await print_of(press_of(services), int(str(row["id"])))
    return FileResponse(path, media_type="application/pdf", headers={**_PDF_HEADERS, **_name(number, "pdf")})


def _named(number: str, suffix: str) -> dict[str, str]:
    return {**SANDBOXED, **_name(number, suffix)}


def _name(number: str, suffix: str) -> dict[str, str]:
    return {"Content-Disposition": f"inline; filename*=utf-8''{quote(f'{number}.{suffix}')}"}


@strawberry.type(description="One version of the wording of one kind of document. Fields in braces are filled in.")
class DocumentTemplate:
    kind: DocumentKind
    name: str
    version: int
    state: TemplateState
    title: str
    opening: list[str]
    closing: list[str]
    author: str
    drafted_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    opinion: str
    evidence: str | None


@strawberry.type(description="A version as an act left it.")
class TemplatePayload:
    kind: DocumentKind
    version: int
    state: TemplateState


TemplateResult = Annotated[TemplatePayload | Refusal, strawberry.union("TemplateResult")]


@strawberry.input(
    description="Paragraphs may name {applicant}, {case}, {item}, {unit}, {unit_phone}, {received_on}, {licence}."
)
class TemplateInput:
    kind: DocumentKind
    title: str
    opening: list[str]
    closing: list[str] = strawberry.field(default_factory=list)


@strawberry.input(description="The same when preparing and when deciding.")
class TemplateDecisionInput:
    kind: DocumentKind
    version: int
    approve: bool
    opinion: str


@strawberry.type(description="A document with a link to its PDF; GET it soon, ask again for a new one.")
class LinkedDocument:
    kind: DocumentKind
    number: str
    title: str
    issued_at: datetime
    url: str


@strawberry.type
class LinkedDocuments:
    documents: list[LinkedDocument]
    expires_in_s: int


LinkedDocumentsResult = Annotated[LinkedDocuments | Refusal, strawberry.union("LinkedDocumentsResult")]


async def _templates(info: Info, kind: DocumentKind | None = None) -> list[DocumentTemplate]:
    context = info.context
    if context.officer().kind is not ActorKind.OFFICER:
        raise NotPermitted(act="documentTemplates", needs=ActorKind.OFFICER.value)
    return [shaped(DocumentTemplate, row) for row in await templates(context.services.database, kind)]


async def _draft(info: Info, idempotency_key: str, template: TemplateInput) -> TemplateResult:
    act = DraftTemplate(
        kind=template.kind, title=template.title, opening=tuple(template.opening), closing=tuple(template.closing)
    )
    return await perform(info, act, _payload, key=idempotency_key)


async def _prepare(info: Info, decision: TemplateDecisionInput) -> SigningResult:
    act = PrepareTemplateDecision(
        kind=decision.kind, version=decision.version, approve=decision.approve, opinion=decision.opinion
    )
    return await perform(info, act, signing_payload)


async def _decide(
    info: Info, idempotency_key: str, decision: TemplateDecisionInput, signed: SignedInput
) -> TemplateResult:
    act = DecideTemplate(
        kind=decision.kind, version=decision.version, approve=decision.approve, opinion=decision.opinion
    )
    return await perform(info, act, _payload, key=idempotency_key, proof=signed.to_proof())


def _payload(view: TemplateView) -> TemplatePayload:
    return TemplatePayload(kind=view.kind, version=view.version, state=view.state)


async def _documents_by_password(info: Info, number: strawberry.ID, password: str) -> LinkedDocumentsResult:
    services = info.context.services
    life = services.limits.link_life

    def linked(view: IssuedDocumentsView) -> LinkedDocuments:
        until = services.clock.now() + life
        documents = []
        for each in view.documents:
            word = FileLink(
                until=until, case=view.case, what=f"{DocumentForm.PDF}:{each.id}", viewer="", by_password=True
            )
            documents.append(
                LinkedDocument(
                    kind=each.kind,
                    number=each.number,
                    title=each.title,
                    issued_at=each.issued_at,
                    url=f"/files/{signed(services.secrets, word)}",
                )
            )
        return LinkedDocuments(documents=documents, expires_in_s=int(life.total_seconds()))

    return await perform(info, OpenDocuments(case=number, password=password), linked)


@strawberry.type
class PaperQueries:
    document_templates: list[DocumentTemplate] = strawberry.field(
        resolver=_templates, description="For officers: every version, newest first; the newest approved one is in use."
    )
    documents_by_password: LinkedDocumentsResult = strawberry.field(
        resolver=_documents_by_password,
        description="For the applicant without an account: the documents of a case, with its query password.",
    )


@strawberry.type
class PaperMutations:
    draft_template: TemplateResult = strawberry.field(resolver=_draft)
    prepare_template_decision: SigningResult = strawberry.field(
        resolver=_prepare, description="The exact bytes to sign for `decideTemplate` with the same input."
    )
    decide_template: TemplateResult = strawberry.field(
        resolver=_decide, description="For the legal office: an approved version is in use from then on."
    )
