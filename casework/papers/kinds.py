"""The kinds of statutory documents: what each is called, its mark in the number, and how its page is laid out.

Source: Administrative Licensing Law, art. 32 (in writing, sealed and dated), 38, 42, 43, 44, 45, 46, 47, 50, 69, 70;
the document set of the online approval rules (接件凭证 … 送达回证). A new kind is one row here and one table in
`wordings.toml`.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec


class DocumentKind(StrEnum):
    RECEIPT = "receipt"
    SUPPLEMENT_NOTICE = "supplement_notice"
    ORIGINALS = "originals"
    ACCEPTANCE = "acceptance"
    NON_ACCEPTANCE = "non_acceptance"
    NOT_NEEDED = "not_needed"
    SPECIAL_PROCEDURE = "special_procedure"
    HEARING_RIGHT = "hearing_right"
    HEARING_NOTICE = "hearing_notice"
    HEARING_RECORD = "hearing_record"
    EXTENSION = "extension"
    PAYMENT = "payment"
    REPORT_UP = "report_up"
    GRANT = "grant"
    REFUSAL = "refusal"
    DEEMED_RENEWAL = "deemed_renewal"
    REVOCATION = "revocation"
    CANCELLATION = "cancellation"
    DELIVERY = "delivery"


class Layout(StrEnum):
    LETTER = "letter"  # an addressee, paragraphs
    FORM = "form"  # a ruled table


class Form(msgspec.Struct, frozen=True):
    """`mark` tells the kinds of one unit apart in their numbers, so no two kinds have the same."""

    title: str
    mark: str
    layout: Layout = Layout.LETTER


FORMS: Mapping[DocumentKind, Form] = MappingProxyType(
    {
        DocumentKind.RECEIPT: Form("接件凭证", "接", Layout.FORM),
        DocumentKind.SUPPLEMENT_NOTICE: Form("补正告知书", "补"),
        DocumentKind.ORIGINALS: Form("原件核对通知书", "核"),
        DocumentKind.ACCEPTANCE: Form("受理通知书", "受"),
        DocumentKind.NON_ACCEPTANCE: Form("不予受理通知书", "不受"),
        DocumentKind.NOT_NEEDED: Form("不需要行政许可告知书", "不需"),
        DocumentKind.SPECIAL_PROCEDURE: Form("特殊程序告知书", "特"),
        DocumentKind.HEARING_RIGHT: Form("听证权利告知书", "听告"),
        DocumentKind.HEARING_NOTICE: Form("听证通知书", "听"),
        DocumentKind.HEARING_RECORD: Form("听证笔录", "听录"),
        DocumentKind.EXTENSION: Form("延期告知书", "延"),
        DocumentKind.PAYMENT: Form("缴费通知单", "缴", Layout.FORM),
        DocumentKind.REPORT_UP: Form("行政许可上报函", "报"),
        DocumentKind.GRANT: Form("准予行政许可决定书", "准"),
        DocumentKind.REFUSAL: Form("不予行政许可决定书", "不准"),
        DocumentKind.DEEMED_RENEWAL: Form("视为准予延续通知书", "延许"),
        DocumentKind.REVOCATION: Form("撤销行政许可决定书", "撤"),
        DocumentKind.CANCELLATION: Form("注销行政许可决定书", "注"),
        DocumentKind.DELIVERY: Form("送达回证", "送", Layout.FORM),
    }
)

#: Told with every refusal. Source: Administrative Licensing Law, art. 38(2).
REMEDY = (
    "如不服本决定，可以自收到本决定之日起六十日内依法申请行政复议，或者自收到本决定之日起六个月内依法提起行政诉讼。"
)
