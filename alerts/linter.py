"""What no text may say about a person: numbers of identity cards, of private phones, of bank cards; a name; a secret.

Source: the public measures (保密: nothing secret and no personal data by text message). GB 11643 for identity numbers,
18 characters with a check character or 15 of the first generation; ISO/IEC 7812 for the check digit of cards. Digits
are read as people hide them: full-width, circled, Chinese (一二三, 壹贰叁), with blanks, hyphens or invisible signs
between. A private phone never stands in a text, so no name can stand beside one. Pure.
Limits: a landline is taken for an office's. Of names only those are known that the caller gives. Letters that look like
digits (l, O), and digits with words between them, are not read as digits.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date
from enum import StrEnum

#: In place of what was hidden.
HIDDEN = "＊＊"


class Secret(StrEnum):
    """What it is, as an operator is told."""

    IDENTITY = "身份证号码"
    PHONE = "个人手机号码"
    CARD = "银行卡号"
    NAME = "不能写入短信的名称"


def visible(words: str) -> str:
    """`words` without what nobody sees and a comparison would trip over."""
    if words.isascii():
        return words
    return "".join(c for c in words if c not in _FILLERS and unicodedata.category(c) not in ("Cf", "Mn", "Me"))


def hidden(words: str, *, unsayable: Sequence[str] = (), ours: Sequence[str] = ()) -> str:
    """`words`, visible, with every secret in them hidden. `unsayable` are names; `ours` our own telephone numbers."""
    words = visible(words)
    result, reached = "", 0
    for start, end, _ in sorted(_found(words, unsayable, ours)):
        if start >= reached:
            result += words[reached:start] + HIDDEN
        reached = max(reached, end)
    return result + words[reached:]


def secrets_in(words: str, *, unsayable: Sequence[str] = (), ours: Sequence[str] = ()) -> tuple[Secret, ...]:
    """Which secrets stand in `words`, each once."""
    return tuple(dict.fromkeys(kind for _, _, kind in _found(visible(words), unsayable, ours)))


# ------------------------------------------------------------------------------------------------------------ below

_FILLERS = "\u115f\u1160\u3164\uffa0"
_BETWEEN = r"[\s\-_.·•・/\\,，、~—–*|]{0,3}"
_CHINESE = dict(zip("零〇○一二三四五六七八九壹贰叁肆伍陆柒捌玖貳參陸幺", "0001234567891234567892361", strict=True))
_LIKE_X = frozenset("ХхΧχⅩⅹ×✕Ｘｘ")
_FEWEST_DIGITS = 11

#: Nothing that the office itself says has so many digits in a row.
_RUN = re.compile(r"\d{17,}X?", re.IGNORECASE)
_SPACED_IDENTITY = re.compile(rf"(?<!\d)\d(?:{_BETWEEN}\d){{16}}{_BETWEEN}[\dX](?!\d)", re.IGNORECASE)
_OLD_IDENTITY = re.compile(rf"(?<!\d)\d(?:{_BETWEEN}\d){{14}}(?!\d)")
_PHONE = re.compile(rf"(?<!\d)(?:(?:\+|00)?86{_BETWEEN})?1{_BETWEEN}[3-9](?:{_BETWEEN}\d){{9}}(?!\d)")
_CARD = re.compile(rf"(?<!\d)[3-6](?:{_BETWEEN}\d){{15,18}}(?!\d)")
#: The first two digits of the divisions of GB/T 2260.
_PROVINCES = frozenset(map(str, (*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55),
                                 *range(61, 66), 71, *range(81, 84))))  # fmt: skip
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)

_Span = tuple[int, int, Secret]


def _found(words: str, unsayable: Sequence[str], ours: Sequence[str]) -> Iterator[_Span]:
    plain = _plain(words)
    for word in unsayable:
        if len(word) > 1:
            spelt = _BETWEEN.join(map(re.escape, _plain(visible(word))))
            yield from ((*each.span(), Secret.NAME) for each in re.finditer(spelt, plain, re.IGNORECASE))
    if sum(map(str.isdigit, plain)) < _FEWEST_DIGITS:
        return
    yield from ((*each.span(), Secret.IDENTITY) for each in _RUN.finditer(plain))
    for pattern, is_one, kind in (
        (_SPACED_IDENTITY, _is_identity, Secret.IDENTITY),
        (_OLD_IDENTITY, _is_old_identity, Secret.IDENTITY),
        (_CARD, _is_card, Secret.CARD),
    ):
        yield from ((*each.span(), kind) for each in pattern.finditer(plain) if is_one(_digits(each[0])))
    known = {_digits(number)[-11:] for number in ours}
    for each in _PHONE.finditer(plain):
        if _digits(each[0])[-11:] not in known:
            yield (*each.span(), Secret.PHONE)


def _plain(words: str) -> str:
    """Character by character what it stands for, so that places stay what they are."""
    return words if words.isascii() else "".join(map(_meant, words))


def _meant(c: str) -> str:
    if c.isascii():
        return c
    if c in _LIKE_X:
        return "X"
    digit = unicodedata.digit(c, None)
    if digit is not None:
        return str(digit)
    folded = unicodedata.normalize("NFKC", c)
    return _CHINESE.get(c, folded if len(folded) == 1 else c)


def _digits(found: str) -> str:
    return "".join(c for c in found.upper() if c.isdigit() or c == "X")


def _is_identity(number: str) -> bool:
    check = "10X98765432"[sum(int(n) * w for n, w in zip(number, _WEIGHTS, strict=False)) % 11]
    return number[17] == check and _is_born(number[:2], number[6:14])


def _is_old_identity(number: str) -> bool:
    return _is_born(number[:2], f"19{number[6:12]}")


def _is_born(province: str, day: str) -> bool:
    try:
        return province in _PROVINCES and date.fromisoformat(day).year >= 1900
    except ValueError:
        return False


def _is_card(number: str) -> bool:
    doubled = (sum(divmod(2 * int(n), 10)) if at % 2 else int(n) for at, n in enumerate(reversed(number)))
    return sum(doubled) % 10 == 0
