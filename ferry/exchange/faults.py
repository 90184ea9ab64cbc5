"""What can be wrong with a row or a file, each under a code that never changes.

Rejected: nothing of the row is taken, its sender corrects it. Held: it waits for what must come before it. Flagged: it
is taken as it is, and supervision sees the mark; a mark proves nothing by itself. Ignored: it is known already.
"""

from enum import StrEnum

from msgspec import Struct


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    FLAGGED = "flagged"
    HELD = "held"
    IGNORED = "ignored"
    REJECTED = "rejected"


class Fault(Struct, frozen=True):
    verdict: Verdict
    zh: str
    en: str


REJECTED, HELD, FLAGGED, IGNORED = Verdict.REJECTED, Verdict.HELD, Verdict.FLAGGED, Verdict.IGNORED

#: Of a row.
FAULTS: dict[str, Fault] = {
    # its form
    "ROW_UNREADABLE": Fault(REJECTED, "不是一条完整的数据", "not a whole row"),
    "ROW_TOO_LARGE": Fault(REJECTED, "超过64KiB", "larger than 64 KiB"),
    "COLUMN_MISSING": Fault(REJECTED, "缺少必填的数据项", "a required column is missing"),
    "COLUMN_UNKNOWN": Fault(REJECTED, "标准中没有这一数据项", "the standard has no such column"),
    "TEXT_TOO_LONG": Fault(REJECTED, "超过规定的长度", "longer than the standard allows"),
    "TEXT_UNFIT": Fault(REJECTED, "为空或格式不符", "empty, or not of the form the standard asks for"),
    "TEXT_UNCLEAN": Fault(REJECTED, "含控制字符或非NFC字符", "control characters, or text not in NFC"),
    "NUMBER_UNFIT": Fault(REJECTED, "不是规定范围内的整数", "not a whole number within the limits"),
    "TIME_UNFIT": Fault(REJECTED, "不是带时区的时间或有效日期", "not an instant with its offset, or not a date"),
    "CODE_UNKNOWN": Fault(REJECTED, "不在代码表中", "not in the code list"),
    # what it says
    "ID_CARD_WRONG": Fault(REJECTED, "身份证号码校验不通过", "check digit or date of birth is wrong"),
    "CREDIT_CODE_WRONG": Fault(REJECTED, "统一社会信用代码校验不通过", "its check character is wrong"),
    "ORG_CODE_WRONG": Fault(REJECTED, "组织机构代码校验不通过", "its check character is wrong"),
    "NUMBER_NOT_ONE": Fault(REJECTED, "该数据表每个办件只有一条，序号应为1", "a case has one row of this table"),
    "LIMIT_MISSING": Fault(REJECTED, "受理的须有承诺工作日和承诺办结日", "it needs its promised days and day"),
    "GROUND_MISSING": Fault(REJECTED, "依法不计入期限的须有事由", "a statutory procedure needs its ground"),
    "EVENT_AFTER_SENT": Fault(REJECTED, "业务发生时间晚于报送时间", "happened after it was sent"),
    "REGION_FOREIGN": Fault(REJECTED, "行政区划不在证书范围内", "the region is not the certificate's"),
    "ORG_FOREIGN": Fault(REJECTED, "部门不是证书所载部门", "the organisation is not the certificate's"),
    "SYSTEM_FOREIGN": Fault(REJECTED, "来源系统不是证书所载系统", "the source system is not the certificate's"),
    "BATCH_FOREIGN": Fault(REJECTED, "批次号与清单不符", "the batch is not the manifest's"),
    # beside what is known
    "RID_REUSED": Fault(REJECTED, "数据编号已用于其他数据", "the rid stands for another row already"),
    "VERSION_CONFLICT": Fault(REJECTED, "同一版本的内容与已接收的不同", "the same version says something else"),
    "DUPLICATE": Fault(IGNORED, "已接收过", "taken before"),
    "VERSION_LOWER": Fault(IGNORED, "已有更高版本", "a higher version is known"),
    "ORDER_HELD": Fault(HELD, "前一环节尚未报送，暂存24小时", "what must come before has not come; kept for 24 hours"),
    # supervision's marks
    "ORDER_BROKEN": Fault(FLAGGED, "前一环节24小时内仍未报送", "what must come before did not come in 24 hours"),
    "TIME_BACKWARDS": Fault(FLAGGED, "早于前一环节的时间", "earlier than the step it follows"),
    "OLDER_THAN_KNOWN": Fault(FLAGGED, "早于该办件已报送的业务时间", "older than what is known of the case already"),
    "BACK_DATED": Fault(FLAGGED, "疑似倒签：时间改早、补入已对账日期或到期后补报按期", "perhaps back-dated"),
    "LATE_REPORT": Fault(FLAGGED, "报送晚于业务发生24小时以上", "sent more than 24 hours after it happened"),
    "SENT_STALE": Fault(FLAGGED, "报送时间比批次生成时间早24小时以上", "sent more than 24 hours before its batch"),
    "PROMISE_DATE_WRONG": Fault(FLAGGED, "承诺办结日与工作日推算不符", "not the day that the working days amount to"),
    "CALENDAR_UNKNOWN": Fault(FLAGGED, "超出工作日历，未推算", "beyond the calendar: not judged"),
    "EXTENSION_TOO_LONG": Fault(FLAGGED, "延长超过10个（联办15个）工作日", "more than 10 working days, 15 if joint"),
    "EXTENSION_TWICE": Fault(FLAGGED, "延长超过一次", "extended more than once"),
    "SPECIAL_UNPAIRED": Fault(FLAGGED, "特别程序没有结果即办结", "finished while a special procedure had no result"),
    "AFTER_FINISH": Fault(FLAGGED, "办结后仍有办理环节", "a step after the end of the case"),
}  # fmt: skip

#: Of a file or a batch.
FILE_FAULTS: dict[str, Fault] = {
    "FILE_UNREADABLE": Fault(REJECTED, "文件无法读取", "the file cannot be read"),
    "MANIFEST_UNREADABLE": Fault(REJECTED, "清单缺失或不合规", "the manifest is missing or not as the standard says"),
    "SIGNATURE_MISSING": Fault(REJECTED, "没有签名", "not signed"),
    "SIGNATURE_WRONG": Fault(REJECTED, "签名与清单不符", "the signature is not over this manifest"),
    "CERTIFICATE_UNFIT": Fault(REJECTED, "证书不是有效的数据报送证书", "not a certificate for sending case data"),
    "CERTIFICATE_OTHER": Fault(REJECTED, "证书与清单所载系统、部门或区划不符", "the certificate is of another sender"),
    "PART_MISSING": Fault(REJECTED, "清单所列的数据文件缺失", "a part of the manifest is missing"),
    "PART_CHANGED": Fault(REJECTED, "数据文件与清单不符", "a part is not what the manifest says"),
    "PART_ADDED": Fault(REJECTED, "有清单未列的文件", "a file that the manifest does not name"),
    "COUNT_WRONG": Fault(REJECTED, "行数与清单不符", "the number of rows is not the manifest's"),
    "TALLY_WRONG": Fault(REJECTED, "对账数与数据不符", "a reconciliation record does not agree with the rows"),
}


def fault(code: str) -> Fault:
    return FAULTS.get(code) or FILE_FAULTS[code]


def verdict_of(codes: tuple[str, ...]) -> Verdict:
    """The gravest of several."""
    order = (REJECTED, IGNORED, HELD, FLAGGED)
    found = {fault(code).verdict for code in codes}
    return next((verdict for verdict in order if verdict in found), Verdict.ACCEPTED)
