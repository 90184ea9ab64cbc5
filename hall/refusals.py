"""Why the public hall says no."""

from kernel.refusals import Refusal


class CodeTooOften(Refusal):
    code = "LOGIN_CODE_TOO_OFTEN"
    zh = "验证码获取过于频繁，请{seconds}秒后重试。"
    en = "This phone was sent enough codes; the next after {seconds} seconds."
    retryable = True


class LoginCodeWrong(Refusal):
    """Also for a phone that asked for none: strangers learn nothing about who has an account."""

    code = "LOGIN_CODE_WRONG"
    zh = "验证码不正确或已失效，请核对后重试或重新获取。"
    en = "The code is wrong, used, locked or has expired."


class RatingCodeWrong(Refusal):
    code = "RATING_CODE_WRONG"
    zh = "评价码不正确，请核对办结短信后重试，须使用收到该短信的手机。"
    en = "No completed case of this phone has this rating code."


class RatingCodeExpired(Refusal):
    code = "RATING_CODE_EXPIRED"
    zh = "该办件办结已超过{days}天，不再接受评价。"
    en = "Ratings are taken for {days} days after completion."


class RatingNotOpen(Refusal):
    code = "RATING_NOT_OPEN"
    zh = "该办件尚未办结，或办结已超过{days}天，不能评价。"
    en = "The case is not completed yet, or was completed more than {days} days ago."


class CaseAlreadyRated(Refusal):
    code = "CASE_ALREADY_RATED"
    zh = "办件{case}已评价（{score}分），以第一次评价为准。"
    en = "Case {case} was rated {score} before; the first rating stands."


class UnknownConsultation(Refusal):
    code = "UNKNOWN_CONSULTATION"
    zh = "未找到咨询{number}。"
    en = "There is no consultation {number}."


class AlreadyAnswered(Refusal):
    code = "ALREADY_ANSWERED"
    zh = "该咨询已经答复。"
    en = "Consultation {number} was answered before."


class UnknownAnnouncement(Refusal):
    code = "UNKNOWN_ANNOUNCEMENT"
    zh = "未找到信息{number}。"
    en = "There is no announcement {number}."


class AnnouncementStepClosed(Refusal):
    code = "ANNOUNCEMENT_STEP_CLOSED"
    zh = "该信息处于“{state}”状态，不能{step}。"
    en = "An announcement that is {state} cannot be taken through {step}."


class OwnAnnouncement(Refusal):
    code = "OWN_ANNOUNCEMENT"
    zh = "起草、审核、批准须由不同的人办理，不得审批自己起草或审核的信息。"
    en = "Who wrote or reviewed an announcement does not approve it."


class AnnouncementSignedDifferently(Refusal):
    code = "ANNOUNCEMENT_SIGNED_DIFFERENTLY"
    zh = "签名内容与待办理的信息不一致，请重新签名。"
    en = "What was signed is not what the office would have this step say."
