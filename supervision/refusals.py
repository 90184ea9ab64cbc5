"""Why supervision says no. What a text is told reveals nothing about cards or codes of other people."""

from kernel.refusals import Refusal


class SupervisionUnitMissing(Refusal):
    code = "SUPERVISION_UNIT_MISSING"
    zh = "组织机构中没有监察单位{unit}，无法制发监察文书。"
    en = "The directory lacks the supervising unit {unit}: no order and no card's paper can be made."
    retryable = True


class UnknownCard(Refusal):
    code = "UNKNOWN_CARD"
    zh = "未找到该牌。"
    en = "There is no card {card}."


class CardAlreadyDecided(Refusal):
    code = "CARD_ALREADY_DECIDED"
    zh = "该牌已经处理，不能再作出不同的决定。"
    en = "Card {card} was decided before: {state}."


class ProposerMayNotDecide(Refusal):
    code = "PROPOSER_MAY_NOT_DECIDE"
    zh = "提出发牌的人不得自己确认。"
    en = "Who proposed a card may not decide about it."


class CardNotServed(Refusal):
    code = "CARD_NOT_SERVED"
    zh = "该牌尚未生效送达，无需签收。"
    en = "Card {card} has no effect yet: nothing to acknowledge."


class FactsMissing(Refusal):
    code = "CARD_FACTS_MISSING"
    zh = "以“其他”情形发牌须写明事实。"
    en = "A card on the ground 'other' must say what happened."


class CardExists(Refusal):
    code = "CARD_EXISTS"
    zh = "同一办件同一情形已有一张牌，一事不二罚。"
    en = "One fact, one card: {card} stands for this case and ground."


class NotTheRegisteredNumber(Refusal):
    code = "NOT_THE_REGISTERED_NUMBER"
    zh = "本号码没有待回复的事项，请使用登记的手机号码。"
    en = "Nothing waits for an answer from this number."


class AnswerInTheApp(Refusal):
    """The text came by a way on which no such code was sent to this number."""

    code = "ANSWER_IN_THE_APP"
    zh = "此事项不能通过本短信号码回复办理，请登录移动审批处理。"
    en = "No code was sent to this number this way: answer in the app."


class CodeWrong(Refusal):
    code = "CODE_WRONG"
    zh = "回复码不正确，还可再试{left}次。"
    en = "The code is wrong; {left} tries are left."


class CodeLocked(Refusal):
    code = "CODE_LOCKED"
    zh = "回复码因多次输错已锁定，请登录移动审批处理。"
    en = "The codes of this number are locked after too many wrong tries."


class CodeExpired(Refusal):
    code = "CODE_EXPIRED"
    zh = "回复码已过有效期，请登录移动审批处理或等候新的回复码。"
    en = "The code has expired."


class CodeUsed(Refusal):
    code = "CODE_USED"
    zh = "该回复码已使用过，不能重复使用。"
    en = "The code was used before."


class OnlyAReceipt(Refusal):
    code = "ONLY_A_RECEIPT"
    zh = "该回复码用于确认发牌，不是签收。同意回复1加回复码，不同意回复2加回复码。"
    en = "This code decides about a proposed card; 'received' is no decision."


class PhoneReportedLost(Refusal):
    """Until a new certificate is issued or a new number is entered: who holds the phone now, nobody knows."""

    code = "PHONE_REPORTED_LOST"
    zh = "本号码的手机已报失或证书已吊销，不再接受短信办理，请登录移动审批处理。"
    en = "The phone of this number was reported lost: its texts act no more."


class TextTriesExhausted(Refusal):
    code = "TEXT_TRIES_EXHAUSTED"
    zh = "本号码今日回复码、评价码、查询密码已输错{limit}次，今日不再受理，请明日再试或登录办理。"
    en = "This phone has tried {limit} wrong codes or passwords today; no more are taken until tomorrow."


class ReplyUnclear(Refusal):
    code = "REPLY_UNCLEAR"
    zh = "无法确定您答复的是哪一事项，未作处理。请回复来信中的指令和5位回复码，例如：112345。"
    en = "What the answer is about is not clear; nothing was done. The command and the five-digit code are needed."


class ObjectInTheApp(Refusal):
    code = "OBJECT_IN_THE_APP"
    zh = "该回复码仅用于签收；有异议请登录系统申诉。"
    en = "This code only acknowledges a card; object to it in the app."


class UnknownComplaint(Refusal):
    code = "UNKNOWN_COMPLAINT"
    zh = "未找到编号为{number}的投诉，请核对后重试。"
    en = "There is no complaint {number} to ask about."


class ComplaintAlreadyDecided(Refusal):
    code = "COMPLAINT_ALREADY_DECIDED"
    zh = "该投诉已作出是否受理的决定。"
    en = "Whether complaint {number} is accepted was decided before."
