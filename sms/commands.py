"""What a text to the office asks for: a small grammar, tolerant of how people type. Pure, total, linear; never raises.

Full-width digits and letters become plain (NFKC), traditional characters simplified; blanks, invisible characters and
punctuation around the text fall away. What is left must be, from its first character to its last, one of:

    1<code>  2<code>                  agree or acknowledge; do not agree
    同意 确认 … <code>                 agree            签收 收到 … <code>      acknowledge, and nothing else
    不同意 反对 … <code>               do not agree     PJ<1-5><code>, 评价 满意 … <code>      rating
    CX<number>[#<password>], 查询 进度 … <number>, or a number alone            progress
    T TD 退订                         why there is no opt-out                  帮助 HELP ?    the commands

A code is five digits and stands behind the word, or before it. Without a code a decision or rating still reads as one:
whether the number it was sent to says what about is not the grammar's matter. Digits may be Chinese (一二三四五) where
none is not. What fits nowhere is Unreadable and asked again: a negation, a remark, a second code, a question mark make
a text unreadable, never another decision.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct


class Agree(Struct, frozen=True, tag="1"):
    code: str = ""


class Disagree(Struct, frozen=True, tag="2"):
    code: str = ""


class Acknowledge(Struct, frozen=True, tag="QS"):
    """签收: received, which nobody may take for agreed."""

    code: str = ""


class Query(Struct, frozen=True, tag="CX"):
    number: str
    password: str | None = None


class Rate(Struct, frozen=True, tag="PJ"):
    score: int
    code: str = ""


class OptOut(Struct, frozen=True, tag="T"):
    pass


class Help(Struct, frozen=True, tag="H"):
    pass


class Unreadable(Struct, frozen=True, tag="?"):
    pass


Decision = Agree | Disagree | Acknowledge
Command = Decision | Query | Rate | OptOut | Help | Unreadable

#: A longer text is no command; reading on would only cost time.
MOST_CHARACTERS = 200

# ------------------------------------------------------------------------------------------------------- the words

#: Digit that our texts ask for, and the words people type in its place. No word stands in two rows.
DECISIONS: Mapping[type[Decision], tuple[str, Sequence[str]]] = MappingProxyType(
    {
        Agree: ("1", ("同意", "我同意", "本人同意", "确认", "我确认")),
        Disagree: ("2", ("不同意", "我不同意", "本人不同意", "不确认", "反对", "否决")),
        Acknowledge: ("1", ("签收", "已签收", "我已签收", "收到", "已收到", "确认签收", "确认收到")),
    }
)
#: The five levels of 好差评, and what else people call them.
SCORES: Mapping[str, int] = MappingProxyType(
    {
        "非常满意": 5, "很满意": 5, "满意": 4, "比较满意": 4, "基本满意": 3, "一般": 3,
        "不满意": 2, "不太满意": 2, "非常不满意": 1, "很不满意": 1,
    }
)  # fmt: skip
QUERIES = ("CX", "查询", "查询进度", "进度查询", "查进度", "进度", "查件", "查")
OPT_OUTS = ("T", "TD", "退订", "取消订阅", "拒收")
HELPS = ("帮助", "HELP", "H", "指令", "菜单")

#: The characters of the words above in the other script.
_TRADITIONAL = str.maketrans("進評價簽確認訂閱幫詢滿復碼號憑證決對辦訴單", "进评价签确认订阅帮询满复码号凭证决对办诉单")
_CHINESE_DIGITS = str.maketrans("〇零○一二三四五六七八九壹贰叁肆伍陆柒捌玖貳參陸", "000123456789123456789236")
#: Format and control characters, blanks of every kind.
_INVISIBLE = ("Cc", "Cf", "Zs", "Zl", "Zp")
_VARIATIONS = range(0xFE00, 0xFE10)
#: They make a phone show another order than the one that is read.
_DECEPTIVE = re.compile("[\u202a-\u202e\u2066-\u2069]")
_AROUND = "\"'`“”‘’「」『』《》<>()[]【】。.、,;:!~…-"
_QUESTION = "?¿"

# ---------------------------------------------------------------------------------------------------- the patterns

#: What people put between the word and the code.
_GAP = "[-:,.;、。+#/]?(?:(?:回复|确认|评价|验证)?码)?:?"
_CODE = "([0-9]{5})"


def _one_of(words: Sequence[str] | Mapping[str, int]) -> str:
    return f"(?:{'|'.join(words)})"


def _decision(digit: str, words: Sequence[str], *, by_digit: bool) -> re.Pattern[str]:
    """The first group that matched is the code."""
    word = _one_of(words)
    forms = [
        f"{word}(?:(?:请?回复)?{digit})?(?:{_GAP}{_CODE})?",  # 同意12345, 同意回复1 12345, 同意
        f"{_CODE}{_GAP}{word}",
    ]
    if by_digit:
        forms.append(f"(?:请?回复)?{digit}(?:{_GAP}{_CODE})?")
    return re.compile("|".join(forms))


_DECISIONS = tuple(
    (command, _decision(digit, words, by_digit=command is not Acknowledge))
    for command, (digit, words) in DECISIONS.items()
)
_RATINGS = (
    re.compile(f"(?:PJ|评价|评分|评|我?打)([1-5])[分星]?(?:{_GAP}{_CODE})?"),
    re.compile(f"([1-5])[分星](?:{_GAP}{_CODE})?"),
)
_WORDED_RATING = re.compile(f"(?:PJ|评价|评)?:?({'|'.join(SCORES)})(?:{_GAP}{_CODE})?")
_QUERY = re.compile(
    f"{_one_of(sorted(QUERIES, key=len, reverse=True))}(?:受理号|凭证号|编号|办件|投诉)?[:,.]?"
    "([0-9A-Z][0-9A-Z-]{3,39})(?:(?:#|查询密码|密码):?([0-9]{4,10}))?"
)
#: Numbers that we give out look so: of a case, of a complaint.
_NUMBER_ALONE = re.compile("(20[0-9]{10}|TS20[0-9]{8})(?:#([0-9]{4,10}))?")


def parse(text: str) -> Command:
    if len(text) > MOST_CHARACTERS or _DECEPTIVE.search(text):
        return Unreadable()
    plain = normalised(text)
    asked = plain.strip(_AROUND + _QUESTION)
    if not asked and plain:
        return Help()
    for command in _readings(asked):
        # "同意12345?" asks something back.
        return Unreadable() if asked != plain and isinstance(command, Decision | Rate) else command
    return Unreadable()


def normalised(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).upper()
    shown = (each for each in plain if unicodedata.category(each) not in _INVISIBLE and ord(each) not in _VARIATIONS)
    return "".join(shown).translate(_TRADITIONAL).strip(_AROUND)


def name_of(command: Command) -> str:
    """The verb, for the log of what was asked."""
    return str(type(command).__struct_config__.tag)


def is_slip(typed: str, meant: str) -> bool:
    """Whether `typed` is `meant` with one digit mistaken, or two neighbours exchanged."""
    if len(typed) != len(meant):
        return False
    wrong = [place for place, (one, other) in enumerate(zip(typed, meant, strict=True)) if one != other]
    if len(wrong) == 2:
        first, second = wrong
        return second == first + 1 and (typed[first], typed[second]) == (meant[second], meant[first])
    return len(wrong) == 1


def _readings(plain: str) -> Iterator[Command]:
    """What `plain` means, if anything: as it stands, else with its Chinese digits as digits."""
    yield from _meanings(plain)
    # A lone 一 may be a dash.
    if len(plain) > 1 and not any(each in "0123456789" for each in plain):
        yield from _meanings(plain.translate(_CHINESE_DIGITS))


def _meanings(plain: str) -> Iterator[Command]:
    for command, pattern in _DECISIONS:
        if found := pattern.fullmatch(plain):
            yield command(next((group for group in found.groups() if group), ""))
    for pattern in _RATINGS:
        if found := pattern.fullmatch(plain):
            yield Rate(int(found[1]), found[2] or "")
    if found := _WORDED_RATING.fullmatch(plain):
        yield Rate(SCORES[found[1]], found[2] or "")
    if found := _QUERY.fullmatch(plain) or _NUMBER_ALONE.fullmatch(plain):
        yield Query(found[1], found[2])
    if plain in OPT_OUTS:
        yield OptOut()
    if plain in HELPS:
        yield Help()
