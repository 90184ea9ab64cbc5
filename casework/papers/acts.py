"""The acts of statutory documents and what they answer."""

from datetime import datetime

import msgspec

from casework.papers.kinds import DocumentKind
from casework.papers.tables import TemplateState
from kernel.acts import Act, Done, SigningRequest, View


class TemplateView(View, frozen=True, tag="template"):
    kind: DocumentKind
    version: int
    state: TemplateState


class EnterTemplates(Act[Done], frozen=True, tag="template.enter"):
    """At setup: enters version 1 of every kind that has none, as approved. Does nothing afterwards."""


class DraftTemplate(Act[TemplateView], frozen=True, tag="template.draft"):
    """Proposes a new wording; see `casework.papers.wordings` for the fields that are filled in."""

    kind: DocumentKind
    title: str
    opening: tuple[str, ...]
    closing: tuple[str, ...] = ()


class PrepareTemplateDecision(Act[SigningRequest], frozen=True, tag="template.prepare"):
    """Asks for the exact bytes to sign for the same decision."""

    kind: DocumentKind
    version: int
    approve: bool
    opinion: str


class DecideTemplate(Act[TemplateView], frozen=True, tag="template.decide"):
    """The legal office approves a version, which is in use from then on, or rejects it."""

    kind: DocumentKind
    version: int
    approve: bool
    opinion: str


class KeepPrint(Act[Done], frozen=True, tag="document.keep_print"):
    """The printer's: a PDF of these octets was made of `document` and lies in the store."""

    document: int
    sha256: str
    size: int
    made_with: str


class IssuedDocument(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    kind: DocumentKind
    number: str
    title: str
    issued_at: datetime


class IssuedDocumentsView(View, frozen=True, tag="issued_documents"):
    case: str
    documents: tuple[IssuedDocument, ...]


class OpenDocuments(Act[IssuedDocumentsView], frozen=True, tag="document.open"):
    """Whoever has the query password sees which documents of the case were issued."""

    case: str
    password: str


class ViewByPassword(Act[Done], frozen=True, tag="document.view_by_password"):
    """Logs that a link which the query password opened was followed. `what`: as in the link, `document:<id>`."""

    case: str
    what: str
