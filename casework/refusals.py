"""Why casework says no. Codes are stable; the client contract lists them all."""

from kernel.refusals import Refusal


class ItemHandledHere(Refusal):
    code = "ITEM_HANDLED_HERE"
    zh = "事项{items}已纳入本系统办理，不得在系统外办理后报送；已记入监察。"
    en = "{items} are handled here and may not be decided elsewhere and reported ({cases}); supervision knows."


class UnknownCase(Refusal):
    code = "UNKNOWN_CASE"
    zh = "未找到办件{case}。"
    en = "There is no case {case}."


class UnknownItem(Refusal):
    code = "UNKNOWN_ITEM"
    zh = "目录中没有可以申请的事项{item}。"
    en = "No published item {item}."


class ItemRetired(Refusal):
    code = "ITEM_RETIRED"
    zh = "事项编码{item}已停用，不得再次使用。"
    en = "The item code {item} is retired and never used again."


class IllegalStep(Refusal):
    code = "ILLEGAL_STEP"
    zh = "办件处于“{step}”环节，不能作出“{decision}”。"
    en = "At step {step} the decision {decision} is not possible."


class StepClosed(Refusal):
    code = "STEP_CLOSED"
    zh = "“{step}”环节已办理完毕，请刷新待办。"
    en = "Step {step} of case {case} is not open any more."


class OpinionMissing(Refusal):
    code = "OPINION_MISSING"
    zh = "请填写审批意见。"
    en = "Every step needs an opinion."


class ReasonMissing(Refusal):
    code = "REASON_MISSING"
    zh = "不予受理、不予许可和退回须写明理由。"
    en = "A refusal or a return needs its reasons in the opinion."


class NothingMissing(Refusal):
    code = "SUPPLEMENT_EMPTY"
    zh = "补正告知须一次列明需要补正的全部内容。"
    en = "A supplement notice lists everything that is missing; the list is empty."


class SupplementAlreadyAsked(Refusal):
    code = "SUPPLEMENT_ALREADY_ASKED"
    zh = "补正内容依法只能一次性告知，本件已告知过。"
    en = "The law allows one supplement notice, and it was given."


class SupplementOutstanding(Refusal):
    code = "SUPPLEMENT_OUTSTANDING"
    zh = "补正材料尚未收齐，不能受理。"
    en = "The corrections are not complete yet."


class ToldTooLate(Refusal):
    code = "TOLD_TOO_LATE"
    zh = "已超过五个工作日，该申请依法自收件之日起视为受理。"
    en = "Five working days have passed: the law has accepted the application."


class SamePersonTwice(Refusal):
    code = "SAME_PERSON_TWICE"
    zh = "同一人不得办理相邻两个审批环节。"
    en = "Nobody acts on two adjacent levels of one case."


class SignedSomethingElse(Refusal):
    code = "SIGNED_SOMETHING_ELSE"
    zh = "签名内容与提交的审批意见不一致，请重新签名。"
    en = "What was signed is not what the office would have this decision say."


class ReceivedInFuture(Refusal):
    code = "RECEIVED_IN_FUTURE"
    zh = "收件日期{day}晚于今天。"
    en = "Materials cannot have been received on {day}, which is yet to come."


class NotAwaitingSupplement(Refusal):
    code = "NOT_AWAITING_SUPPLEMENT"
    zh = "该件不在待补正状态。"
    en = "The case is not waiting for corrections."


class ClockNotRunning(Refusal):
    code = "CLOCK_NOT_RUNNING"
    zh = "该件未在审批计时中。"
    en = "The case's clock is not running."


class StoppageTooLong(Refusal):
    code = "STOPPAGE_TOO_LONG"
    zh = "特殊程序一次不得超过{most}个工作日，申请{asked}日；届时可另行告知。"
    en = "One special procedure may take {most} working days, not {asked}."


class StoppageTooLate(Refusal):
    code = "STOPPAGE_TOO_LATE"
    zh = "办理期限已于{due}届满，不能再停止计时。"
    en = "The limit ended on {due}; the clock cannot be stopped any more."
