"""Statutory documents: worded, numbered without gaps per unit, kind and year, dated, and sealed by the unit.

Source: Administrative Licensing Law, art. 32 (acceptance and refusal in writing, with the special seal and date),
38 (written decisions, reasons and remedies), 42 and 45 (notices to the applicant).

A document is its content: canonical JSON of number, date and draft. The seal is over exactly these octets; pages and
PDFs are made of them. Whoever decides signs the digest of the draft, before number and date are known, so a draft
holds nothing that is drawn or timed as it is issued.
"""

import hashlib
from datetime import date

import msgspec

from casework.clock.working_days import day_of
from casework.papers.kinds import FORMS, REMEDY, DocumentKind, Form, Layout
from casework.papers.templates import in_use
from casework.papers.wordings import canonical, digest, filled
from casework.tables import Case, Document
from kernel.acts import DocumentDigest
from kernel.numbers import next_number
from kernel.refusals import Invalid, NotFound
from kernel.rows import one
from kernel.tables import Unit
from kernel.work import Work

__all__ = ["FORMS", "REMEDY", "Content", "DocumentKind", "Draft", "Form", "draft_sha256", "issue"]

FORMAT = "zhangban/document/1"
Lines = tuple[tuple[str, str], ...]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a document says but its number and date. `template` is the version of the wording.

    `lines` are what this case alone has, label and value; they stand between `opening` and `closing`.
    """

    kind: DocumentKind
    template: int
    title: str
    unit: str
    issuer: str
    case: str
    addressee: str
    opening: tuple[str, ...]
    lines: Lines
    closing: tuple[str, ...]

    @property
    def layout(self) -> Layout:
        return FORMS[self.kind].layout

    @property
    def sha256(self) -> str:
        """What an officer signs. From a content it is found again: the canonical form of its `draft`."""
        return digest(self)


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A document as it was sealed."""

    format: str = FORMAT
    number: str
    issued_on: date
    draft: Draft


def draft_sha256(content: bytes) -> str | None:
    """What was signed of a sealed document before it was issued; None for octets that are no document."""
    try:
        parsed = msgspec.json.decode(content, type=Content)
        return parsed.draft.sha256 if canonical(parsed) == content else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Invalid):
        return None


async def issue(
    work: Work, case: Case, kind: DocumentKind, *, lines: Lines, unit: str | None = None, addressee: str = ""
) -> Document:
    """Words, numbers, seals and keeps one document; `unit` is the issuing unit, by default the case's; `addressee` is
    by default the applicant.

    Its draft joins `work.papers`: who signs a decision on the case signs it. In a rehearsal nothing is sealed.
    Raises NOT_FOUND for an unknown unit.
    """
    issuer = await one(Unit, code=unit or case.unit_code)
    if issuer is None:
        raise NotFound(what="单位")
    draft = await _draft(work, case, kind, lines, issuer)
    if addressee:
        draft = msgspec.structs.replace(draft, addressee=addressee)
    work.papers[case.number].append(DocumentDigest(name=f"拟发《{draft.title}》", sha256=draft.sha256))
    today = day_of(work.now)
    serial = await next_number(f"document:{issuer.code}:{kind}:{today.year}")
    number = f"{issuer.short_name}{FORMS[kind].mark}〔{today.year}〕{serial}号"
    content = canonical(Content(number=number, issued_on=today, draft=draft))
    seals = [] if work.is_rehearsal else await work.notary.seal(work, issuer.code, [content])
    return await Document.create(
        case_id=case.id,
        kind=kind,
        number=number,
        title=draft.title,
        template_version=draft.template,
        content=content.decode(),
        sha256=hashlib.sha256(content).hexdigest(),
        unit_code=issuer.code,
        seal_serial=seals[0].serial if seals else "",
        seal_signature=seals[0].signature if seals else None,
        issued_at=work.now,
    )


async def _draft(work: Work, case: Case, kind: DocumentKind, lines: Lines, issuer: Unit) -> Draft:
    version, wording = await in_use(work.database, kind)
    facts = {
        "applicant": case.applicant_name,
        "case": case.number,
        "item": case.item_name,
        "unit": issuer.name,
        "unit_phone": issuer.phone,
        "received_on": in_words(case.received_on),
        "licence": case.licence_number,
    }
    return Draft(
        kind=kind,
        template=version,
        title=wording.title,
        unit=issuer.code,
        issuer=issuer.name,
        case=case.number,
        addressee=case.applicant_name,
        opening=tuple(filled(paragraph, facts) for paragraph in wording.opening),
        lines=lines,
        closing=tuple(filled(paragraph, facts) for paragraph in wording.closing),
    )


def in_words(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"
