"""Why legal time says no to what officers and applicants ask of it (the ledger's own reasons are in `ledger`)."""

from kernel.refusals import Refusal


class NothingStopped(Refusal):
    code = "NOTHING_STOPPED"
    zh = "该件没有正在进行的特殊程序。"
    en = "No special procedure of case {case} is open."


class RenewalTooLate(Refusal):
    code = "RENEWAL_TOO_LATE"
    zh = "延续申请应于{by}前提出；许可{licence}的有效期至{valid_until}。"
    en = "The renewal of {licence}, valid until {valid_until}, had to be asked for by {by}."


class HearingAlreadyTold(Refusal):
    code = "HEARING_ALREADY_TOLD"
    zh = "该件已告知听证权利。"
    en = "The right to a hearing was told before."


class HearingNotTold(Refusal):
    code = "HEARING_NOT_TOLD"
    zh = "该件未告知听证权利，不能申请听证。"
    en = "No right to a hearing was told in case {case}."


class HearingAskedTooLate(Refusal):
    code = "HEARING_ASKED_TOO_LATE"
    zh = "申请听证的期限已于{ask_by}届满。"
    en = "A hearing had to be asked for by {ask_by}."


class HearingAlreadyAsked(Refusal):
    code = "HEARING_ALREADY_ASKED"
    zh = "该件已有人申请听证。"
    en = "A hearing was asked for before."


class HearingNotAsked(Refusal):
    code = "HEARING_NOT_ASKED"
    zh = "该件没有等待举行的听证。"
    en = "No hearing of case {case} waits to be announced or held."


class HearingTooSoon(Refusal):
    code = "HEARING_TOO_SOON"
    zh = "听证应提前七日通知，最早可定于{earliest}。"
    en = "A hearing is announced seven days before; {earliest} is the first day possible."


class HearingTooLate(Refusal):
    code = "HEARING_TOO_LATE"
    zh = "听证应于{hold_by}前举行。"
    en = "The hearing must be held by {hold_by}."


class HearingOnRestDay(Refusal):
    code = "HEARING_ON_REST_DAY"
    zh = "{day}不是工作日，不能举行听证。"
    en = "{day} is not a working day."


class PresiderExamined(Refusal):
    code = "PRESIDER_EXAMINED"
    zh = "审查该申请的工作人员不得主持听证。"
    en = "Who examined the application does not preside at its hearing."


class PresiderUnknown(Refusal):
    code = "PRESIDER_UNKNOWN"
    zh = "未找到听证主持人{presider}。"
    en = "There is no active officer {presider}."


class HearingNotYet(Refusal):
    code = "HEARING_NOT_YET"
    zh = "听证尚未通知，或未到通知的日期。"
    en = "The hearing is not announced, or its day has not come."


class HearingPending(Refusal):
    code = "HEARING_PENDING"
    zh = "听证权利期限未满或听证尚未举行，不能作出决定。"
    en = "The applicant may still ask for a hearing, or one waits to be held: no decision yet."
