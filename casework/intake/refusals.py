"""Why intake says no. Codes are stable; the client contract lists them all."""

from kernel.refusals import Refusal


class LinkInvalid(Refusal):
    """Also of a file that a good receipt stands for, and that is not known any more: it must be brought again."""

    code = "LINK_INVALID"
    zh = "链接或上传凭据无效或已过期，请重新获取。"
    en = "The link, ticket or upload receipt is not valid or has expired."


class OnlineNotOffered(Refusal):
    code = "ONLINE_NOT_OFFERED"
    zh = "该事项暂不能网上申报：{why}。请到窗口办理。"
    en = "Item {item} is not filed online: {why}."


class NotAWindow(Refusal):
    code = "NOT_A_WINDOW"
    zh = "“{unit}”不是受理窗口，请到政务大厅、分厅或便民服务中心申报。"
    en = "Unit {unit} is no window: applications are filed at a hall, branch or centre."


class NotOfferedHere(Refusal):
    code = "NOT_OFFERED_HERE"
    zh = "该事项不在此窗口办理，请到：{offered_at}。"
    en = "Item {item} is not offered at this window but at: {offered_at}."


class ReceivedTooLongAgo(Refusal):
    code = "RECEIVED_TOO_LONG_AGO"
    zh = "收件日期{day}已超过{most}个工作日，不能补录为窗口收件，请按二次录入办理。"
    en = "Received on {day}, more than {most} working days ago: only a second entry may be that late."


class FormAnswersInvalid(Refusal):
    """`pointers` are JSON Pointers (RFC 6901) into the form, sorted."""

    code = "FORM_ANSWERS_INVALID"
    zh = "申请表单有{count}处填写有误，请检查后重新提交。"
    en = "The form does not fit its schema in {count} places: {pointers}."


class FormUnexpected(Refusal):
    code = "FORM_UNEXPECTED"
    zh = "该事项没有在线表单。"
    en = "Stage {stage} has no form."


class NotOursWithoutAuthority(Refusal):
    code = "NOT_OURS_WITHOUT_AUTHORITY"
    zh = "不属于本机关职权范围的，须告知申请人向哪个机关申请。"
    en = "Whoever is not competent must name the authority that is."


class PreReviewClosed(Refusal):
    code = "PRE_REVIEW_CLOSED"
    zh = "该件不在待受理状态，不能预审。"
    en = "Materials are reviewed before acceptance only."


class OriginalsNotAsked(Refusal):
    code = "ORIGINALS_NOT_ASKED"
    zh = "该事项全程网上办理，不得要求申请人提供原件。"
    en = "This item is handled online from end to end: no originals are asked for."


class OriginalsAlreadyChecked(Refusal):
    code = "ORIGINALS_ALREADY_CHECKED"
    zh = "该件原件已核对。"
    en = "The originals were checked already."


class OriginalsOutstanding(Refusal):
    code = "ORIGINALS_OUTSTANDING"
    zh = "已通知申请人核对原件，窗口登记核对结果之前不能作出决定。"
    en = "The originals were asked for and not checked yet; nothing can be decided before."


class OriginalsDiffer(Refusal):
    code = "ORIGINALS_DIFFER"
    zh = "原件与网上提交的材料不一致，不能准予许可。"
    en = "The originals differ from what was handed in; the application cannot be granted."


class NothingCorrected(Refusal):
    code = "NOTHING_CORRECTED"
    zh = "请写明当场更正了什么。"
    en = "Say what was corrected on the spot."


class CorrectionTooLate(Refusal):
    code = "CORRECTION_TOO_LATE"
    zh = "该件已不在待受理状态，不能当场更正。"
    en = "Corrections on the spot end with acceptance."


class PapersNotReceived(Refusal):
    code = "PAPERS_NOT_RECEIVED"
    zh = "纸质材料尚未签收：{materials}。请先确认收到，或注明理由后免收。"
    en = "Papers have not been received here: {materials}."


class NoPapersHere(Refusal):
    code = "NO_PAPERS_HERE"
    zh = "本单位没有该件可交接或待签收的纸质材料。"
    en = "No papers of this case are with, or on their way to, this unit."


class NoBill(Refusal):
    code = "NO_BILL"
    zh = "该件没有可办理的缴费单：没有缴费单，或办件已经结束。"
    en = "The case has no bill, or has ended."


class BillClosed(Refusal):
    code = "BILL_CLOSED"
    zh = "缴费单已结清，不能再变更。"
    en = "The bill is settled."


class FeeFixed(Refusal):
    code = "FEE_FIXED"
    zh = "“{name}”为固定标准，不能改动金额。"
    en = "The amount of {name} is fixed by its approved standard."


class FeeAmountMissing(Refusal):
    code = "FEE_AMOUNT_MISSING"
    zh = "尚有{count}项收费未填金额。"
    en = "{count} amounts of the bill are still to be entered."


class FeeIsListed(Refusal):
    code = "FEE_IS_LISTED"
    zh = "“{name}”已在收费清单内，请在该行填写金额。"
    en = "{name} stands in the approved list already."
