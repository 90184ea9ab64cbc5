"""Why the approval flow says no, beside what every part of casework says."""

from kernel.refusals import Refusal


class ReturnImpossible(Refusal):
    code = "RETURN_IMPOSSIBLE"
    zh = "不能退回至“{step}”：只能退回上一环节，事项允许的可退回更早的审批环节。"
    en = "A return goes one level back, or to an earlier one where the item allows it, not to {step}."


class BranchesOpen(Refusal):
    code = "BRANCHES_OPEN"
    zh = "并联会办尚未结束，不能作出决定：{branches}。"
    en = "These branches have not ended: {branches}."


class DissentUnanswered(Refusal):
    code = "DISSENT_UNANSWERED"
    zh = "会办单位有不同意见，准予许可须逐一写明处理理由：{branches}。"
    en = "These branches dissent; granting needs one reason for each: {branches}."


class UrgedRecently(Refusal):
    code = "URGED_RECENTLY"
    zh = "该件刚催办过，{again_at}后可再次催办。"
    en = "The case was urged a short while ago; again from {again_at}."


class NothingToUrge(Refusal):
    code = "NOTHING_TO_URGE"
    zh = "该件没有待办理的环节，无需催办。"
    en = "Nobody has a turn at case {case} that could be urged."


class DelegateUnfit(Refusal):
    code = "DELEGATE_UNFIT"
    zh = "不能委托该人员：{why}。"
    en = "This officer cannot stand in: {why}."


class DelegationEmpty(Refusal):
    code = "DELEGATION_EMPTY"
    zh = "委托的期间、角色或事项有误：{why}。"
    en = "The delegation has no period or scope: {why}."


class UnknownDelegation(Refusal):
    code = "UNKNOWN_DELEGATION"
    zh = "未找到该委托，或已收回。"
    en = "There is no such delegation, or it was revoked."


class NotAPackage(Refusal):
    code = "NOT_A_PACKAGE"
    zh = "事项{item}不是一条龙（打包）事项。"
    en = "Item {item} is no package."


class UnknownPackage(Refusal):
    code = "UNKNOWN_PACKAGE"
    zh = "未找到一条龙申请{package}。"
    en = "There is no package {package}."
