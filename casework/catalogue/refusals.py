"""Why change control says no. Codes are stable; the client contract lists them all."""

from kernel.refusals import Refusal


class UnknownChange(Refusal):
    code = "UNKNOWN_CHANGE"
    zh = "未找到事项变更{change}。"
    en = "There is no change {change}."


class ChangeMalformed(Refusal):
    code = "CHANGE_MALFORMED"
    zh = "变更内容不完整：新增和调整附一份同编码的事项定义，拆分附两份以上，取消不附。"
    en = "To add or adjust takes one definition of the item's code, to split two or more, to remove none."


class ItemExists(Refusal):
    code = "ITEM_EXISTS"
    zh = "事项编码{item}已在目录中使用。"
    en = "The item code {item} is in use."


class ItemOfAnotherUnit(Refusal):
    code = "ITEM_OF_ANOTHER_UNIT"
    zh = "事项{item}应由其主管单位提出变更。"
    en = "Item {item} is another unit's: that unit proposes its changes."


class ChangeUnderWay(Refusal):
    code = "CHANGE_UNDER_WAY"
    zh = "事项{item}已有变更{change}正在办理，请待其办结。"
    en = "Change {change} of item {item} is under way; it goes first."


class ChangeStepClosed(Refusal):
    code = "CHANGE_STEP_CLOSED"
    zh = "变更{change}现在不在“{step}”环节，请刷新后查看。"
    en = "Change {change} is not at step {step}."


class NoticeRunning(Refusal):
    code = "NOTICE_RUNNING"
    zh = "公示期至{until}届满，届满前不能确认。"
    en = "The public notice runs until {until}; nobody confirms before."


class NotOnNotice(Refusal):
    code = "NOT_ON_NOTICE"
    zh = "变更{change}不在公示期内。"
    en = "Change {change} is not on public notice."


class ConfirmsOwnChange(Refusal):
    code = "CONFIRMS_OWN_CHANGE"
    zh = "起草、报审或已确认过本次变更的人员，不得再行确认。"
    en = "Who wrote, submitted or already confirmed a change does not confirm it."
