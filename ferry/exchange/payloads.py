"""What the fourteen tables of case-exchange/1 say: one struct each, every column with its Chinese name and its limit.

The structs are the standard: decoder, JSON Schemas, XSD and the page for people are all made from them. A column is
never taken out or given another meaning; a new one is optional and raises the table's version.
Source: the ten entities of the Guangdong specification of 2013 (section 3.2); GB/T 39046-2020 for the data of a case.
Which column of which older standard a column is, stands in the profiles.
"""

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, Struct

from ferry.exchange import codes

#: As JSON Schema writes it; that no line feed follows is asked of every text.
CODE = r"^[0-9A-Za-z][0-9A-Za-z._-]*$"
_DIGEST = r"^[0-9a-f]{64}$"


def _text(zh: str, most: int, note: str = "") -> Meta:
    return Meta(title=zh, min_length=1, max_length=most, description=note or None)


def _code(zh: str, most: int, note: str = "") -> Meta:
    return Meta(title=zh, min_length=1, max_length=most, pattern=CODE, description=note or None)


def _named(zh: str, note: str = "") -> Meta:
    return Meta(title=zh, description=note or None)


def _number(zh: str, least: int, most: int, note: str = "") -> Meta:
    return Meta(title=zh, ge=least, le=most, description=note or None)


def _list(zh: str, most: int) -> Meta:
    return Meta(title=zh, min_length=1, max_length=most)


class Payload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The columns of one table beside those of the envelope."""


class Apply(Payload, frozen=True, kw_only=True):
    item_code: Annotated[str, _code("事项编码", 40)]
    item_name: Annotated[str, _text("事项名称", 200)]
    project_name: Annotated[str, _text("申办项目名称", 200)]
    applicant_kind: Annotated[codes.ApplicantKind, _named("申请人类型")]
    applicant_name: Annotated[str, _text("申请人名称", 200)]
    applicant_id_kind: Annotated[codes.IdKind, _named("申请人证件类型")]
    applicant_id: Annotated[str, _text("申请人证件号码", 40, "身份证、统一社会信用代码、组织机构代码核对校验位")]
    channel: Annotated[codes.ApplyChannel, _named("申报渠道")]
    item_kind: Annotated[codes.ItemKind, _named("事项类型")] | None = None
    handling: Annotated[codes.HandlingKind, _named("办理类型")] | None = None
    contact_name: Annotated[str, _text("联系人姓名", 60)] | None = None
    contact_id_kind: Annotated[codes.IdKind, _named("联系人证件类型")] | None = None
    contact_id: Annotated[str, _text("联系人证件号码", 40)] | None = None
    contact_phone: Annotated[str, _text("联系人手机", 20)] | None = None
    contact_mail: Annotated[str, _text("联系人邮箱", 120)] | None = None
    legal_person: Annotated[str, _text("法定代表人", 60)] | None = None
    address: Annotated[str, _text("地址", 200)] | None = None
    postcode: Annotated[str, _code("邮政编码", 10)] | None = None
    receipt_no: Annotated[str, _text("申办回执号", 60)] | None = None
    project_code: Annotated[str, _code("投资项目统一编码", 40)] | None = None
    result_way: Annotated[codes.ResultWay, _named("领取方式")] | None = None
    materials: Annotated[tuple[Annotated[str, _text("材料名称", 200)], ...], _list("材料清单", 100)] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None


class Preaccept(Payload, frozen=True, kw_only=True):
    state: Annotated[codes.PreacceptState, _named("预受理状态")]
    officer_name: Annotated[str, _text("办理人", 60)]
    officer_code: Annotated[str, _code("办理人工号", 40)] | None = None
    opinion: Annotated[str, _text("预受理意见", 1000)] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None


class Accept(Payload, frozen=True, kw_only=True):
    state: Annotated[codes.AcceptState, _named("受理状态")]
    officer_name: Annotated[str, _text("办理人", 60)]
    org_name: Annotated[str, _text("受理部门名称", 120)]
    officer_code: Annotated[str, _code("办理人工号", 40)] | None = None
    business_no: Annotated[str, _text("业务流水号", 60)] | None = None
    receipt_no: Annotated[str, _text("受理回执号", 60)] | None = None
    reason: Annotated[str, _text("不受理原因", 1000, "不予受理、不属受理范围时填写")] | None = None
    handling: Annotated[codes.HandlingKind, _named("办理类型", "决定延长期限的上限")] | None = None
    statutory_days: Annotated[int, _number("法定办结工作日", 1, 999)] | None = None
    promise_days: Annotated[int, _number("承诺办结工作日", 1, 999, "受理的须填写")] | None = None
    promise_date: Annotated[date, _named("承诺办结日", "受理日不计入，按国务院公布的工作日历推算")] | None = None
    hall_code: Annotated[str, _code("办事大厅编码", 40)] | None = None
    hall_name: Annotated[str, _text("办事大厅名称", 120)] | None = None
    window_code: Annotated[str, _code("窗口编码", 40)] | None = None
    window_name: Annotated[str, _text("窗口名称", 120)] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None


class Step(Payload, frozen=True, kw_only=True):
    kind: Annotated[codes.StepKind, _named("审批环节")]
    name: Annotated[str, _text("环节名称", 80)]
    officer_name: Annotated[str, _text("审批人", 60)]
    result: Annotated[codes.StepResult, _named("审批环节状态")]
    org_name: Annotated[str, _text("审批部门名称", 120)] | None = None
    officer_code: Annotated[str, _code("审批人工号", 40)] | None = None
    post: Annotated[str, _text("审批人职务", 60)] | None = None
    opinion: Annotated[str, _text("审批意见", 2000)] | None = None
    started_at: Annotated[datetime, Meta(title="环节开始时间", tz=True)] | None = None
    next_name: Annotated[str, _text("下一环节名称", 80)] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None


class SupplementNotice(Payload, frozen=True, kw_only=True):
    officer_name: Annotated[str, _text("发出人", 60)]
    items: Annotated[tuple[Annotated[str, _text("补正内容", 200)], ...], _list("补正材料清单", 100)]
    reason: Annotated[str, _text("补正原因", 1000)] | None = None
    document_no: Annotated[str, _text("补正告知书文号", 60)] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None


class SupplementAccept(Payload, frozen=True, kw_only=True):
    officer_name: Annotated[str, _text("受理人", 60)]
    items: Annotated[tuple[Annotated[str, _text("收到的材料", 200)], ...], _list("收到的补正材料", 100)] | None = None
    complete: Annotated[bool, _named("是否补齐")] = True
    remark: Annotated[str, _text("备注", 500)] | None = None


class SpecialApply(Payload, frozen=True, kw_only=True):
    kind: Annotated[codes.SpecialKind, _named("特别程序种类")]
    reason: Annotated[str, _text("启动理由或依据", 1000)]
    days: Annotated[int, _number("特别程序时限", 1, 999, "延长审批不超过10个工作日，联办件不超过15个工作日")]
    days_unit: Annotated[codes.DaysUnit, _named("时限单位")]
    approver_name: Annotated[str, _text("批准人", 60)]
    ground: Annotated[codes.SpecialGround, _named("特别程序事由", "依法不计入期限的须填写")] | None = None
    content: Annotated[str, _text("申请内容", 1000)] | None = None
    document_no: Annotated[str, _text("告知书文号", 60)] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None


class SpecialResult(Payload, frozen=True, kw_only=True):
    outcome: Annotated[codes.SpecialOutcome, _named("特别程序结果")]
    result_date: Annotated[date, _named("结果产生日期")]
    explanation: Annotated[str, _text("结果说明", 1000)] | None = None
    fee_cents: Annotated[int, _number("收费金额（分）", 0, 10**12)] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None


class Finish(Payload, frozen=True, kw_only=True):
    result: Annotated[codes.FinishResult, _named("办结结果")]
    org_name: Annotated[str, _text("办结部门名称", 120)]
    officer_name: Annotated[str, _text("办结人", 60)] | None = None
    explanation: Annotated[str, _text("办结结果描述", 1000)] | None = None
    reason: Annotated[str, _text("作废、退回或不予许可的原因", 1000)] | None = None
    certificate_name: Annotated[str, _text("证件名称", 200)] | None = None
    certificate_no: Annotated[str, _text("证件编号", 100)] | None = None
    valid_until: Annotated[date, _named("证件有效期限")] | None = None
    issued_by: Annotated[str, _text("发证单位", 120)] | None = None
    fee_cents: Annotated[int, _number("收费金额（分）", 0, 10**12)] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None


class Pickup(Payload, frozen=True, kw_only=True):
    way: Annotated[codes.ResultWay, _named("领取方式")]
    person_name: Annotated[str, _text("领取人姓名", 60)] | None = None
    person_id_kind: Annotated[codes.IdKind, _named("领取人证件类型")] | None = None
    person_id: Annotated[str, _text("领取人证件号码", 40)] | None = None
    officer_name: Annotated[str, _text("登记人", 60)] | None = None
    org_name: Annotated[str, _text("登记部门名称", 120)] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None


class Material(Payload, frozen=True, kw_only=True):
    name: Annotated[str, _text("材料名称", 200)]
    form: Annotated[codes.MaterialForm, _named("材料形式")]
    copies: Annotated[int, _number("份数", 1, 9999)] = 1
    code: Annotated[str, _code("材料编码", 60)] | None = None
    file_name: Annotated[str, _text("附件名称", 200)] | None = None
    media_type: Annotated[str, _text("附件类型", 100)] | None = None
    sha256: Annotated[str, Meta(title="附件SHA-256", pattern=_DIGEST, max_length=64)] | None = None
    size: Annotated[int, _number("附件字节数", 0, 10**12)] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None


class ResultFile(Payload, frozen=True, kw_only=True):
    kind: Annotated[codes.ResultKind, _named("结果类型")]
    name: Annotated[str, _text("文书名称", 200)]
    document_no: Annotated[str, _text("文号", 100)] | None = None
    media_type: Annotated[str, _text("附件类型", 100)] | None = None
    sha256: Annotated[str, Meta(title="附件SHA-256", pattern=_DIGEST, max_length=64)] | None = None
    size: Annotated[int, _number("附件字节数", 0, 10**12)] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None


class Complaint(Payload, frozen=True, kw_only=True):
    """Who complained is not exchanged."""

    complaint_no: Annotated[str, _text("投诉编号", 60)]
    kind: Annotated[codes.ComplaintKind, _named("投诉类型")]
    content: Annotated[str, _text("投诉内容", 2000)] | None = None
    answered_at: Annotated[datetime, Meta(title="答复时间", tz=True)] | None = None
    answer: Annotated[str, _text("答复内容", 2000)] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None


class SuperviseNote(Payload, frozen=True, kw_only=True):
    kind: Annotated[codes.NoteKind, _named("监察记录类型")]
    document_no: Annotated[str, _text("文号", 100)] | None = None
    content: Annotated[str, _text("内容", 1000)] | None = None
    limit_date: Annotated[date, _named("整改期限")] | None = None
    remark: Annotated[str, _text("备注", 500)] | None = None
