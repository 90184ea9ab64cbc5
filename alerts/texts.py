"""The words of every text message: versioned templates, the length they cost, and what may never be said.

Practice of the carriers: a text begins with its registered signature 【…】, which counts; 70 UTF-16 units are one
part, longer texts cost one part per 67 (3GPP TS 23.040 §9.2.3.24 in UCS2). Order 31/2015 of the MIIT: these are
statutory notices, not commercial texts, so there is no opt-out line.
Limits: T15 asks for no rating yet, because nobody could answer `PJ`; a template has at most one secret code.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from string import Formatter
from types import MappingProxyType

from msgspec import Struct

from kernel.refusals import Refusal

ONE_PART, PER_PART, MAX_PARTS = 70, 67, 2
#: Stands where a secret code will be filled in when the text leaves, so that no table ever holds the code.
MASK = "▒"
#: 【, twelve characters, 】: carriers register no longer ones.
MAX_SIGNATURE_UNITS = 14


class TextRefused(Refusal):
    code = "TEXT_REFUSED"
    zh = "短信{template}不能发送：{why}。"
    en = "Text {template} cannot be sent: {why}."


class MessageClass(StrEnum):
    """The three kinds of message that are dispatched by themselves."""

    ITEM = "item"  # 审批事项信息
    NOTICE = "notice"  # 通知
    WARNING = "warning"  # 预警信息


class Code(Struct, frozen=True):
    """A secret that follows from `value`; the office derives it again when the text leaves."""

    purpose: str
    value: str
    digits: int


class Limit(Struct, frozen=True):
    """The most UTF-16 units a variable takes. What may be `cut` ends in “…”; the rest is refused when too long."""

    units: int
    cut: bool = False


#: By name, because a name means the same in every template.
LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "n": Limit(4), "no": Limit(16, cut=True), "tno": Limit(16), "item": Limit(18, cut=True),
        "step": Limit(6, cut=True), "st": Limit(8, cut=True), "officer": Limit(6, cut=True),
        "dept": Limit(12, cut=True), "place": Limit(14, cut=True), "tel": Limit(14), "color": Limit(1),
        "due": Limit(6), "limit": Limit(6), "date": Limit(6), "recv": Limit(6), "ap": Limit(6),
        "exp": Limit(11), "time": Limit(11), "left": Limit(4), "over": Limit(4), "days": Limit(3),
        "cno": Limit(22, cut=True), "dbno": Limit(24, cut=True), "ev": Limit(20), "code": Limit(5), "pwd": Limit(6),
        "why": Limit(20, cut=True), "abn": Limit(18, cut=True), "sum": Limit(40, cut=True),
        "reason": Limit(30, cut=True), "doc": Limit(12, cut=True), "kind": Limit(2), "proc": Limit(4),
        "result": Limit(12, cut=True), "res": Limit(8, cut=True), "deal": Limit(24, cut=True),
        "act": Limit(8, cut=True), "year": Limit(4), "lic": Limit(18, cut=True), "lno": Limit(24, cut=True),
    }
)  # fmt: skip


class Template(Struct, frozen=True):
    """`priority` 0 goes first. `is_reply` answers somebody who is waiting: at any hour. A text that `confirms` carries
    a code that acts, so it is never sent again while nobody knows what became of it. `free` are the variables that
    hold what people wrote: only there a name may have to be hidden, and only they can be left out.
    """

    id: str
    title: str
    message_class: MessageClass
    priority: int
    body: str
    version: int = 1
    is_reply: bool = False
    confirms: bool = False
    free: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The variables, each once, in order."""
        found = (name for _, name, _, _ in Formatter().parse(self.body) if name)
        return tuple(dict.fromkeys(found))


class Text(Struct, frozen=True):
    """A rendered text. Where `code` is set, the body still has MASK in its place."""

    template: Template
    body: str
    parts: int
    code: Code | None = None


_ITEM, _NOTICE, _WARNING = MessageClass

TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        template.id.partition("_")[0]: template
        for template in (
            Template(
                "T01_TODO", "待办提醒", _NOTICE, 6,
                "待办提醒：您有{n}件待办，最急件{no}“{item}”处于{step}，应于{due}前办理，剩{left}个工作日。请登录移动审批处理。",
            ),
            Template(
                "T02_YELLOW_LIGHT", "黄灯预警", _WARNING, 1,
                "时限预警（黄灯）：{no}“{item}”将于{due}到期，剩{left}个工作日，现处{step}，承办人{officer}。请抓紧办理。",
            ),
            Template(
                "T03_RED_LIGHT", "红灯督办", _WARNING, 1,
                "超期督办（红灯）：{no}“{item}”已超期{over}个工作日，责任单位{dept}。"
                "请于{limit}前办结并说明理由，督办单{dbno}。",
            ),
            Template(
                "T04_ABNORMAL", "异常预警", _WARNING, 1,
                "异常预警：{no}“{item}”{abn}，请{officer}于{limit}前改正并在系统反馈。",
                free=("abn",),
            ),
            Template(
                "T05_CARD_CONFIRM", "发牌确认", _WARNING, 0,
                "发牌确认：拟对{dept}发{color}牌，{no}{why}。同意回复1{code}，不同意回复2{code}，{exp}前有效，勿转发。",
                confirms=True,
            ),
            Template(
                "T06_CARD_ISSUED", "发牌通知", _WARNING, 0,
                "{color}牌通知{cno}：{dept}因{no}{why}被发{color}牌。签收回复1{code}；有异议请于{ap}前登录系统申诉。",
                confirms=True,
            ),
            Template(
                "T07_MO_RECEIPT", "回执", _NOTICE, 0,
                "已记录：{cno}于{time}由本机号码{act}，存证号{ev}。非本人操作请速电{tel}。",
                is_reply=True,
            ),
            Template(
                "T08_APPEAL_RESULT", "申诉结果", _NOTICE, 6,
                "申诉结果：{cno}经复核{res}，{deal}。存证号{ev}，详情请登录系统查看。",
                free=("deal",),
            ),
            Template(
                "T09_RECEIVED", "接件", _ITEM, 3,
                "您申请的“{item}”已接件，凭证号{no}，查询密码{pwd}。"
                "我们将于{date}前告知是否受理或需补正内容。查进度回复CX{no}。",
            ),
            Template(
                "T10_SUPPLEMENT", "补正告知", _ITEM, 4,
                "您的申请{no}需补正{n}项：{sum}。全部内容见《补正告知书》，请登录网上大厅查看并补交。咨询{tel}。",
                free=("sum",),
            ),
            Template(
                "T11_ACCEPTED", "受理", _ITEM, 4,
                "您的申请已受理，受理号{no}，承诺{days}个工作日办结（{date}前，法定节假日除外）。查进度回复CX{no}。",
            ),
            Template(
                "T12_REFUSED", "不予受理或许可", _ITEM, 4,
                "您的申请{no}决定不予{kind}，理由见《{doc}》。您依法可申请行政复议或提起行政诉讼。咨询{tel}。",
            ),
            Template(
                "T13_SPECIAL", "特殊程序", _ITEM, 4,
                "您的申请{no}依法需{proc}，约{days}个工作日，不计入办理时限，办结日顺延至{date}。书面告知已送达您的账户。",
            ),
            Template(
                "T14_EXTEND", "延期", _ITEM, 4,
                "您的申请{no}经本机关负责人批准延长{days}个工作日，理由：{reason}。新办结日{date}。咨询{tel}。",
                free=("reason",),
            ),
            Template(
                "T15_DONE", "办结取件", _ITEM, 4,
                "您的申请{no}已办结：{result}。请于{date}前凭有效证件到{place}领取。",
            ),
            Template(
                "T16_PROGRESS", "进度答复", _ITEM, 2,
                "{no}“{item}”现处{step}（{st}），{dept}承办，应于{date}前办结，剩{left}个工作日。",
                is_reply=True,
            ),
            Template(
                "T17_DEEMED", "视为受理", _ITEM, 4,
                "{no}逾5个工作日未一次告知补正内容，依法自{recv}收件之日起视为受理，办结期限{date}，已列入电子监察。",
            ),
            Template(
                "T18_COMPLAINT", "投诉登记", _NOTICE, 6,
                "您的投诉已登记，编号{tno}，5个工作日内告知是否受理。查询回复CX{tno}。",
            ),
            Template(
                "T19_HELP", "指令帮助", _NOTICE, 2,
                "未识别的指令。查进度请回复CX加受理号，咨询投诉请致电{tel}。",
                is_reply=True,
            ),
            Template(
                "T20_CALENDAR", "日历预警", _WARNING, 1,
                "工作日历：{year}年尚无国务院办公厅放假安排，系统按推算日历计算，请尽快导入正式通知。",
            ),
            Template(
                "T21_LOGIN", "登录验证码", _NOTICE, 0,
                "登录验证码{pwd}，{exp}前有效。请勿告知他人，非本人操作请忽略。",
                is_reply=True,
            ),
            Template(
                "T22_COMPLAINT_DECIDED", "投诉受理决定", _NOTICE, 6,
                "您的投诉{tno}经审查{res}：{deal}。咨询{tel}。",
                free=("deal",),
            ),
            Template(
                "T23_ANSWERED", "咨询答复", _NOTICE, 6,
                "您的咨询{tno}已由{dept}答复，请登录网上大厅凭编号和查询密码{pwd}查看。",
            ),
            Template(
                "T24_LICENCE_EXPIRING", "证照到期提醒", _NOTICE, 6,
                "证照提醒：您持有的“{lic}”（{lno}）有效期至{date}。需要延续的，请在届满前依法提出申请。咨询{tel}。",
            ),
            Template(
                "T25_LICENCE_ENDED", "证照注销或撤销", _ITEM, 4,
                "您持有的“{lic}”（{lno}）已依法{res}。如有异议，可依法申请行政复议或提起行政诉讼。咨询{tel}。",
            ),
            Template(
                "T26_ORIGINALS", "原件核对", _ITEM, 4,
                "您的申请{no}材料预审通过，请携带原件到{place}核对，核对前不能作出决定。咨询{tel}。",
            ),
            Template(
                "T27_DONE_ONLINE", "办结电子送达", _ITEM, 4,
                "您的申请{no}已办结：{result}。决定文书已电子送达，可凭受理号和查询密码在网上大厅查看，无需到窗口领取。",
            ),
            Template(
                "T28_URGED", "催办", _WARNING, 1,
                "催办（第{n}次）：{dept}请您尽快办理{no}“{item}”，现处{step}，应于{due}前办理，剩{left}个工作日。",
            ),
            Template(
                "T29_DUE_MOVED", "期限调整", _ITEM, 4,
                "因工作日历调整，{no}的期限由{due}改为{date}。咨询{tel}。",
            ),
            Template(
                "T30_HEARING_RIGHT", "听证权利告知", _ITEM, 4,
                "您的申请{no}涉及他人重大利益，您有权要求听证，请于{date}前提出。告知书已送达您的账户，咨询{tel}。",
            ),
            Template(
                "T31_HEARING", "听证通知", _ITEM, 4,
                "您的申请{no}定于{date}在{place}举行听证，请准时参加。通知书已送达您的账户，咨询{tel}。",
                free=("place",),
            ),
            Template(
                "T32_RENEWED", "视为准予延续", _ITEM, 4,
                "您的延续申请{no}逾期未作决定，依法视为准予延续：{lno}（原有效期至{date}）。咨询{tel}。",
            ),
        )
    }
)  # fmt: skip

#: Answers a text that was understood and refused; `why` is the refusal's own sentence.
EXPLANATION = Template("R01_REFUSAL", "说明", MessageClass.NOTICE, 1, "{refusal}咨询{tel}。", is_reply=True)
#: The same answer as T16 for a case whose limit does not run: not accepted yet, or decided.
PROGRESS_WITHOUT_LIMIT = Template(
    "T16_PROGRESS_OPEN", "进度答复", MessageClass.ITEM, 2, "{no}“{item}”现处{step}（{st}），{dept}承办。", is_reply=True
)
#: Says that there is something, and not what: of secret cases, and in place of a text that cannot be said.
SEE_THE_SYSTEM: Mapping[MessageClass, Template] = MappingProxyType(
    {
        _ITEM: Template("R02_ITEM", "办件进展", _ITEM, 4, "{no}有新的进展，请登录系统查看。"),
        _NOTICE: Template("R02_NOTICE", "通知", _NOTICE, 6, "{no}有新的通知，请登录系统查看。"),
        _WARNING: Template("R02_WARNING", "预警", _WARNING, 1, "{no}有新的预警，请登录系统查看。"),
    }
)
_REFUSAL_LIMIT = Limit(100, cut=True)


def render(
    template: Template,
    *,
    signature: str,
    variables: Mapping[str, str | Code],
    unsayable: Sequence[str] = (),
) -> Text:
    """The whole text, signature first.

    `unsayable` are the applicant's name and id number: they are masked where somebody wrote them into a free text,
    and nowhere else, because a name may also be a day or an office. An id number is masked wherever it stands.
    Raises TextRefused for a bad signature, a missing or over-long variable, more than two parts.
    """
    refuse = _Refuser(template.id)
    given = _checked(template, variables, refuse)
    codes = [value for value in given.values() if isinstance(value, Code)]
    spoken = {
        name: _spoken(name, value, unsayable if name in template.free else (), refuse) for name, value in given.items()
    }
    body = _bracketed(signature, refuse) + template.body.format_map(spoken)
    if parts_needed(body) > MAX_PARTS:
        raise refuse(f"超过{MAX_PARTS}条")
    return Text(template, body, parts_needed(body), codes[0] if codes else None)


def filled(body: str, code: str) -> str:
    """The text as it leaves: `code` in the place that was kept for it."""
    return re.sub(f"{MASK}+", code, body)


def parts_needed(body: str) -> int:
    """How many parts `body` costs in UCS2; a supplementary character counts 2 and is never cut."""
    octets = body.encode("utf-16-be", "replace")
    if len(octets) <= 2 * ONE_PART:
        return 1
    parts, start = 0, 0
    while start < len(octets):
        end = start + 2 * PER_PART
        # A pair that would be cut goes over to the next part as a whole.
        start = end - 2 if end < len(octets) and 0xD8 <= octets[end - 2] <= 0xDB else end
        parts += 1
    return parts


def units(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text.encode("utf-16-be", "replace")) // 2


def national_number(number: str) -> str:
    """A mainland number without blanks and country code: +86 138…, 0086138… and 138… are one person."""
    digits = re.sub(r"[\s\-()]", "", number).removeprefix("+")
    for prefix in ("0086", "86"):
        if digits.startswith(prefix) and len(digits) - len(prefix) == 11:
            return digits[len(prefix) :]
    return digits


# ------------------------------------------------------------------------------------------------------------ below

#: A resident id number has 18 characters, whatever stands around it; digits may be full-width. Nothing that the office
#: itself says has so many digits in a row.
_ID_NUMBER = re.compile(r"(?<!\d)\d{17}[\dXxＸｘ](?!\d)")
_HIDDEN = "＊＊"
#: A carrier cuts or garbles these, and a person could hide a second signature in them.
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f【】\[\]¥★√※▒\ud800-\udfff]")


class _Refuser(Struct, frozen=True):
    template: str

    def __call__(self, why: str) -> TextRefused:
        return TextRefused(template=self.template, why=why)


def _checked(template: Template, variables: Mapping[str, str | Code], refuse: _Refuser) -> dict[str, str | Code]:
    missing = [name for name in template.names if variables.get(name, "") == ""]
    if missing:
        raise refuse(f"缺少{'、'.join(missing)}")
    return {name: variables[name] for name in template.names}


def _spoken(name: str, value: str | Code, unsayable: Sequence[str], refuse: _Refuser) -> str:
    if isinstance(value, Code):
        return MASK * value.digits
    limit = LIMITS.get(name, _REFUSAL_LIMIT)
    for word in unsayable:
        if len(word) > 1:
            value = value.replace(word, _HIDDEN)
    # Before it is cut: part of a number tells too.
    value = _UNSPEAKABLE.sub(" ", _ID_NUMBER.sub(_HIDDEN, value))
    if units(value) <= limit.units:
        return value
    if not limit.cut:
        raise refuse(f"{name}超长")
    return _cut(value, limit.units)


def _cut(value: str, room: int) -> str:
    while units(value) > room - 1:
        value = value[:-1]
    return value + "…"


def _bracketed(signature: str, refuse: _Refuser) -> str:
    name = signature.strip().removeprefix("【").removesuffix("】")
    if not name or name.isdigit() or _UNSPEAKABLE.search(name) or units(name) > MAX_SIGNATURE_UNITS - 2:
        raise refuse("签名未登记或不合规")
    return f"【{name}】"
