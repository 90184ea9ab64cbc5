"""The code lists of case-exchange/1, each value with its Chinese name.

Values are words, so that a row can be read; the digits of other standards stand in their profiles. A list grows at its
end only, and a value is never given another meaning.
Source: code lists 5.4.1 to 5.4.10 of the Guangdong specification of 2013; art. 42, 45 of the Administrative Licensing
Law for special procedures.
"""

from collections.abc import Mapping
from enum import StrEnum


class Table(StrEnum):
    """The ten case tables, then their companions."""

    APPLY = "apply"
    PREACCEPT = "preaccept"
    ACCEPT = "accept"
    STEP = "step"
    SUPPLEMENT_NOTICE = "supplement_notice"
    SUPPLEMENT_ACCEPT = "supplement_accept"
    SPECIAL_APPLY = "special_apply"
    SPECIAL_RESULT = "special_result"
    FINISH = "finish"
    PICKUP = "pickup"
    MATERIAL = "material"
    RESULT_FILE = "result_file"
    COMPLAINT = "complaint"
    SUPERVISE_NOTE = "supervise_note"


class Op(StrEnum):
    INSERT = "I"
    UPDATE = "U"
    DELETE = "D"


class ApplicantKind(StrEnum):
    PERSON = "person"
    ENTERPRISE = "enterprise"
    OTHER = "other"


class IdKind(StrEnum):
    ID_CARD = "id_card"
    CREDIT_CODE = "credit_code"
    ORG_CODE = "org_code"
    PASSPORT = "passport"
    OTHER = "other"


class ApplyChannel(StrEnum):
    WINDOW = "window"
    PC = "pc"
    MOBILE = "mobile"
    WAP = "wap"
    WECHAT = "wechat"
    ALIPAY = "alipay"
    OTHER = "other"


class ItemKind(StrEnum):
    PERMIT = "permit"
    APPROVAL = "approval"
    SERVICE = "service"
    OTHER = "other"


class HandlingKind(StrEnum):
    AT_ONCE = "at_once"
    PROMISED = "promised"
    JOINT = "joint"
    REPORTED_UP = "reported_up"


class ResultWay(StrEnum):
    COLLECT = "collect"
    MAIL = "mail"
    ONLINE = "online"


class PreacceptState(StrEnum):
    PASSED = "passed"
    REFUSED = "refused"
    SUPPLEMENT = "supplement"


class AcceptState(StrEnum):
    ACCEPTED = "accepted"
    NOT_OURS = "not_ours"
    SUPPLEMENTED = "supplemented"
    REFUSED = "refused"


class StepKind(StrEnum):
    HANDLE = "handle"
    REVIEW = "review"
    APPROVE = "approve"
    OTHER = "other"


class StepResult(StrEnum):
    AGREED = "agreed"
    DISAGREED = "disagreed"
    RETURNED = "returned"
    DONE = "done"


class SpecialKind(StrEnum):
    EXTENSION = "extension"
    STATUTORY = "statutory"


class SpecialGround(StrEnum):
    """The values of our own ledger; an extension has none."""

    HEARING = "hearing"
    TENDER = "tender"
    AUCTION = "auction"
    INSPECTION = "inspection"
    TESTING = "testing"
    QUARANTINE = "quarantine"
    APPRAISAL = "appraisal"
    EXPERT_REVIEW = "expert_review"


class DaysUnit(StrEnum):
    WORKING = "working"
    CALENDAR = "calendar"


class SpecialOutcome(StrEnum):
    ENDED = "ended"
    ALLOWED = "allowed"
    REFUSED = "refused"


class FinishResult(StrEnum):
    GRANTED = "granted"
    REFUSED = "refused"
    RETURNED = "returned"
    VOIDED = "voided"
    DELETED = "deleted"
    FORWARDED = "forwarded"
    NOT_SUPPLEMENTED = "not_supplemented"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


class MaterialForm(StrEnum):
    ORIGINAL = "original"
    COPY = "copy"
    ELECTRONIC = "electronic"


class ResultKind(StrEnum):
    LICENCE = "licence"
    DECISION = "decision"
    NOTICE = "notice"
    OTHER = "other"


class ComplaintKind(StrEnum):
    DELAY = "delay"
    REFUSAL = "refusal"
    FEE = "fee"
    ATTITUDE = "attitude"
    OTHER = "other"


class NoteKind(StrEnum):
    YELLOW_LIGHT = "yellow_light"
    RED_LIGHT = "red_light"
    ORDER = "order"
    YELLOW_CARD = "yellow_card"
    RED_CARD = "red_card"
    REMARK = "remark"


#: Name of each list, then of its values in their order.
NAMES: Mapping[type[StrEnum], tuple[str, tuple[str, ...]]] = {
    Table: (
        "数据表",
        (
            *("申办", "网上预受理", "受理", "审批处理", "补正告知", "补正受理", "特别程序申请", "特别程序结果"),
            *("办结", "领取登记", "申请材料", "结果附件", "投诉", "监察记录"),
        ),
    ),
    Op: ("操作", ("新增", "更正", "作废")),
    ApplicantKind: ("申请人类型", ("自然人", "企业法人", "其他组织")),
    IdKind: ("身份证件类型", ("居民身份证", "统一社会信用代码", "组织机构代码", "护照", "其他证件")),
    ApplyChannel: ("申报渠道", ("窗口", "网上（PC）", "手机应用", "WAP", "微信", "支付宝", "其他")),
    ItemKind: ("事项类型", ("行政许可", "非许可审批及其他权力", "公共服务", "其他")),
    HandlingKind: ("办理类型", ("即办件", "承诺件", "联办件", "上报件")),
    ResultWay: ("领取方式", ("自取", "邮寄", "网上")),
    PreacceptState: ("预受理状态", ("通过", "不受理", "补交补正")),
    AcceptState: ("受理状态", ("受理", "不属受理范围", "补齐补正后受理", "不予受理")),
    StepKind: ("审批环节", ("承办", "审核", "批准", "其他环节")),
    StepResult: ("审批环节状态", ("同意", "不同意", "退回", "已办")),
    SpecialKind: ("特别程序种类", ("延长审批", "依法不计入期限")),
    SpecialGround: ("特别程序事由", ("听证", "招标", "拍卖", "检验", "检测", "检疫", "鉴定", "专家评审")),
    DaysUnit: ("时限单位", ("工作日", "自然日")),
    SpecialOutcome: ("特别程序结果", ("已结束", "批准", "未批准")),
    FinishResult: (
        "办结结果",
        ("出证办结", "不予许可", "退回", "作废", "删除", "转报办结", "补正不来", "办结", "申请人撤回"),
    ),
    MaterialForm: ("材料形式", ("原件", "复印件", "电子件")),
    ResultKind: ("结果类型", ("证照", "决定文书", "通知文书", "其他")),
    ComplaintKind: ("投诉类型", ("超时", "不予办理", "收费", "态度", "其他")),
    NoteKind: ("监察记录类型", ("黄灯", "红灯", "督办单", "黄牌", "红牌", "监察意见")),
}


def name_of(value: StrEnum) -> str:
    """The Chinese name of a code."""
    names = NAMES[type(value)][1]
    return names[list(type(value)).index(value)]
