"""The words of every text message: versioned templates, the length they cost, and what may never be said.

Practice of the carriers: a text begins with its registered signature 【…】, which counts; 70 UTF-16 units are one
part, longer texts cost one part per 67 (3GPP TS 23.040 §9.2.3.24 in UCS2). Order 31/2015 of the MIIT: these are
statutory notices, not commercial texts, so there is no opt-out line.
Limits: a template has at most one secret code.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from string import Formatter
from types import MappingProxyType

from msgspec import Struct

from alerts.linter import hidden, secrets_in, visible
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
        "chan": Limit(20),
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

    @property
    def signature(self) -> str:
        """With its brackets; what every text begins with."""
        return self.body[: self.body.index("】") + 1]


REFUSAL_LIMIT = Limit(100, cut=True)


def render(
    template: Template,
    *,
    signature: str,
    variables: Mapping[str, str | Code],
    unsayable: Sequence[str] = (),
) -> Text:
    """The whole text, signature first.

    `unsayable` are the applicant's name and id number: they are masked where somebody wrote them into a free text,
    and nowhere else, because a name may also be a day or an office. Numbers that no text may say (alerts/linter.py)
    are masked wherever they stand. Raises TextRefused for a bad signature, a missing or over-long variable, more than
    two parts.
    """
    refuse = _Refuser(template.id)
    given = _checked(template, variables, refuse)
    codes = [value for value in given.values() if isinstance(value, Code)]
    spoken = {
        name: _spoken(name, value, unsayable if name in template.free else (), refuse) for name, value in given.items()
    }
    body = _bracketed(signature, refuse) + template.body.format_map(spoken)
    # Two values may come to be what neither was.
    if found := secrets_in(body, ours=_ours(spoken)):
        raise refuse(f"含{'、'.join(found)}")
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


def unfit_for_a_text(words: str, *, unsayable: Sequence[str] = (), ours: Sequence[str] = ()) -> str:
    """Why an operator's own `words` may not go into a text; empty if they may. `ours`: telephone numbers of ours.

    What officers write into forms is masked instead, because the rest of it must reach the applicant.
    """
    if found := secrets_in(words, unsayable=unsayable, ours=ours):
        return f"含{'、'.join(found)}"
    return "含短信中不能使用的字符" if _UNSPEAKABLE.search(words) or words != visible(words) else ""


def national_number(number: str) -> str:
    """A mainland number without blanks and country code: +86 138…, 0086138… and 138… are one person."""
    digits = re.sub(r"[\s\-()]", "", number).removeprefix("+")
    for prefix in ("0086", "86"):
        if digits.startswith(prefix) and len(digits) - len(prefix) == 11:
            return digits[len(prefix) :]
    return digits


# ------------------------------------------------------------------------------------------------------------ below

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
    limit = LIMITS.get(name, REFUSAL_LIMIT)
    # Before it is cut: part of a number tells too.
    value = _UNSPEAKABLE.sub(" ", hidden(value, unsayable=unsayable, ours=_ours({name: value})))
    value = value or "…"  # it had only what nobody sees
    if units(value) <= limit.units:
        return value
    if not limit.cut:
        raise refuse(f"{name}超长")
    return _cut(value, limit.units)


def _ours(spoken: Mapping[str, str]) -> tuple[str, ...]:
    """The line that people may ring is no secret, though it may be a mobile one."""
    return tuple(value for name, value in spoken.items() if name == "tel")


def _cut(value: str, room: int) -> str:
    while units(value) > room - 1:
        value = value[:-1]
    return value + "…"


def _bracketed(signature: str, refuse: _Refuser) -> str:
    name = signature.strip().removeprefix("【").removesuffix("】")
    if not name or name.isdigit() or _UNSPEAKABLE.search(name) or units(name) > MAX_SIGNATURE_UNITS - 2:
        raise refuse("签名未登记或不合规")
    return f"【{name}】"
