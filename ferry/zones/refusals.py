"""What is said when an act must wait for the other zone, or may not cross."""

from kernel.refusals import Refusal


class Pending(Refusal):
    """Not a no. Whoever repeats the act with the same key gets what came of it, and never does it twice."""

    code = "PENDING"
    zh = "已提交，正在送往内网办理，请稍候查看结果。"
    en = "The act is on its way to the inner network; repeat it with the same key to get the outcome."
    retryable = True


class ActNotTaken(Refusal):
    """Nothing was done, and nothing will be: the record came too late, or the other side could not read it."""

    code = "ACT_NOT_TAKEN"
    zh = "内网没有收下此操作（{why}），请重新提交；多次如此请联系管理员。"
    en = "The inner zone did not take the act: {why}. Nothing was done."


class ActTooLong(Refusal):
    code = "ACT_TOO_LONG"
    zh = "内容过长，不能从外网提交，请在内网办理。"
    en = "The act is too long to cross: at most {limit} octets."


class TooManyActs(Refusal):
    """Whoever asked has so many acts under way that they must wait."""

    code = "TOO_MANY_ACTS"
    zh = "等待内网办理的操作过多，请等已提交的有结果后再试。"
    en = "Too many acts wait for the inner zone; try again when some are answered."
    retryable = True


class ActUnknown(Refusal):
    code = "ACT_UNKNOWN"
    zh = "内网程序版本较旧，暂不支持此操作，请联系管理员升级。"
    en = "The inner zone knows no such act: {act}. It may be of an older version."


class ActFailed(Refusal):
    code = "ACT_FAILED"
    zh = "内网办理时出错，未能办成，请重新提交；多次如此请联系管理员。"
    en = "The inner zone tried {tries} times and failed; its log says why."


class OutcomeTooLong(Refusal):
    code = "OUTCOME_TOO_LONG"
    zh = "已办理，但结果过长不能送回外网，请在内网查看。"
    en = "The act was performed; its outcome is too long to cross."


class ActorMayNotCross(Refusal):
    """The inner zone does not believe that this actor asked outside."""

    code = "ACTOR_MAY_NOT_CROSS"
    zh = "内网不接受此身份从外网提交的操作（{why}）。"
    en = "The inner zone does not take this act from outside: {why}."


class NotLoggedIn(ActorMayNotCross):
    """No login of theirs is known inside: perhaps not yet."""

    def __init__(self) -> None:
        super().__init__(why="没有有效登录")
