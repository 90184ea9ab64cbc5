"""Statutory documents: numbered without gaps per unit, kind and year, dated, and sealed by the unit.

Source: Administrative Licensing Law, art. 32 (acceptance and refusal in writing, with the special seal and date),
38 (written decisions, reasons and remedies), 42 and 45 (notices to the applicant). The document is HTML; its
SHA-256 and the seal's signature are over exactly these octets.
"""

import hashlib
from enum import StrEnum
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from casework.clock.working_days import day_of
from casework.tables import Case, Document
from kernel.numbers import next_number
from kernel.tables import Unit
from kernel.work import Work

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


class DocumentKind(StrEnum):
    RECEIPT = "receipt"
    SUPPLEMENT_NOTICE = "supplement_notice"
    ACCEPTANCE = "acceptance"
    NON_ACCEPTANCE = "non_acceptance"
    SPECIAL_PROCEDURE = "special_procedure"
    EXTENSION = "extension"
    GRANT = "grant"
    REFUSAL = "refusal"
    DELIVERY = "delivery"


class Form(msgspec.Struct, frozen=True):
    """What a kind of document is called, its mark in the number, and its opening sentence."""

    title: str
    mark: str
    opening: str


FORMS = {
    DocumentKind.RECEIPT: Form("接件凭证", "接", "现收到你（单位）提交的申请材料："),
    DocumentKind.SUPPLEMENT_NOTICE: Form(
        "补正告知书", "补", "你（单位）提交的申请材料不齐全或者不符合法定形式，现一次性告知需要补正的全部内容："
    ),
    DocumentKind.ACCEPTANCE: Form("受理通知书", "受", "你（单位）的申请符合受理条件，本机关予以受理："),
    DocumentKind.NON_ACCEPTANCE: Form("不予受理通知书", "不受", "你（单位）的申请，本机关决定不予受理："),
    DocumentKind.SPECIAL_PROCEDURE: Form("特殊程序告知书", "特", "你（单位）的申请依法需要下列程序："),
    DocumentKind.EXTENSION: Form("延期告知书", "延", "因二十日内不能作出决定，经本机关负责人批准延长办理期限："),
    DocumentKind.GRANT: Form(
        "准予行政许可决定书", "准", "经审查，你（单位）的申请符合法定条件、标准，本机关决定准予行政许可："
    ),
    DocumentKind.REFUSAL: Form("不予行政许可决定书", "不准", "经审查，本机关决定不予行政许可："),
    DocumentKind.DELIVERY: Form("送达回证", "送", "下列文书已送达："),
}

#: Told with every refusal. Source: Administrative Licensing Law, art. 38(2).
REMEDY = (
    "如不服本决定，可以自收到本决定之日起六十日内依法申请行政复议，或者自收到本决定之日起六个月内依法提起行政诉讼。"
)


async def issue(
    work: Work, case: Case, kind: DocumentKind, *, lines: tuple[tuple[str, str], ...], unit: str | None = None
) -> Document:
    """Numbers, words, seals and keeps one document; `unit` is the issuing unit, by default the case's."""
    issuer = await Unit.get(code=unit or case.unit_code)
    form, today = FORMS[kind], day_of(work.now)
    serial = await next_number(f"document:{issuer.code}:{kind}:{today.year}")
    number = f"{issuer.short_name}{form.mark}〔{today.year}〕{serial}号"
    html = _templates.get_template("document.html").render(
        title=form.title,
        number=number,
        applicant=case.applicant_name,
        opening=form.opening,
        lines=(("办件编号", case.number), ("事项名称", case.item_name), *lines),
        unit=issuer.name,
        day=f"{today.year}年{today.month}月{today.day}日",
    )
    content = html.encode()
    (seal,) = await work.notary.seal(work, issuer.code, [content])
    return await Document.create(
        case_id=case.id,
        kind=kind,
        number=number,
        title=form.title,
        html=html,
        sha256=hashlib.sha256(content).hexdigest(),
        unit_code=issuer.code,
        seal_serial=seal.serial,
        seal_signature=seal.signature,
        issued_at=work.now,
    )
