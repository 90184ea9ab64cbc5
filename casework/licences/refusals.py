"""Why the licence library says no."""

from kernel.refusals import Refusal


class UnknownLicence(Refusal):
    code = "UNKNOWN_LICENCE"
    zh = "证照库中没有证照{licence}。"
    en = "There is no licence {licence} in the library."


class LicenceNotStanding(Refusal):
    code = "LICENCE_NOT_STANDING"
    zh = "证照{licence}已{state}，不能这样办理。"
    en = "Licence {licence} is {state}: this cannot be done to it any more."


class LicenceOfAnotherItem(Refusal):
    code = "LICENCE_OF_ANOTHER_ITEM"
    zh = "证照{licence}不是由事项{item}核发的。"
    en = "Licence {licence} was not granted under item {item}."


class LicenceOfAnotherHolder(Refusal):
    code = "LICENCE_OF_ANOTHER_HOLDER"
    zh = "证照{licence}的持有人不是申请人。"
    en = "Licence {licence} is not the applicant's."


class LicenceReasonMissing(Refusal):
    code = "LICENCE_REASON_MISSING"
    zh = "查询、变更、注销、撤销和吊销证照须写明理由（不超过200字）。"
    en = "Reading, changing or ending a licence needs a reason of at most 200 characters."


class LicenceUnchanged(Refusal):
    code = "LICENCE_UNCHANGED"
    zh = "证照{licence}的内容没有变化。"
    en = "Licence {licence} says that already."


class LicenceCheckFailed(Refusal):
    """The same for an unknown number and a wrong check: nobody learns which numbers exist."""

    code = "LICENCE_CHECK_FAILED"
    zh = "证照编号与持有人证件号码后四位不符。"
    en = "The number and the last four characters of the holder's id number do not belong together."


class LicenceCheckLocked(Refusal):
    code = "LICENCE_CHECK_LOCKED"
    zh = "核验错误次数过多，该证照今日不再接受核验。"
    en = "Too many wrong checks; this licence takes no more today."


class NoReviewOpen(Refusal):
    code = "NO_REVIEW_OPEN"
    zh = "证照{licence}没有待办的年审。"
    en = "Licence {licence} has no annual review to record."
