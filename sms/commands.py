"""What a text to the office asks for: a small grammar, tolerant of how people type. Pure; never raises.

After NFKC (full-width digits and letters become plain), without blanks, invisible characters and enclosing
punctuation, in upper case:

    1<5 digits>             agree, or acknowledge a served card        CX<number>[#<password>]   progress of a case
    2<5 digits>             do not agree                               T, TD                     why there is no opt-out
    PJ<1-5><5 digits>       rating

Everything else is Unreadable and gets the help text. Limits: ratings are read but nobody asks for them yet.
"""

import re
import unicodedata

from msgspec import Struct


class Agree(Struct, frozen=True, tag="1"):
    code: str


class Disagree(Struct, frozen=True, tag="2"):
    code: str


class Query(Struct, frozen=True, tag="CX"):
    number: str
    password: str | None = None


class Rate(Struct, frozen=True, tag="PJ"):
    score: int
    code: str


class OptOut(Struct, frozen=True, tag="T"):
    pass


class Unreadable(Struct, frozen=True, tag="?"):
    pass


Command = Agree | Disagree | Query | Rate | OptOut | Unreadable

#: A longer text is no command; reading on would only cost time.
MOST_CHARACTERS = 200

_ANSWER = re.compile("([12])([0-9]{5})")
_QUERY = re.compile("CX[:,.]?([0-9A-Z][0-9A-Z-]{3,39})(?:#([0-9]{4,10}))?")
_RATING = re.compile("PJ([1-5])([0-9]{5})")
#: Format and control characters, blanks of every kind.
_INVISIBLE = ("Cc", "Cf", "Zs", "Zl", "Zp")
_AROUND = "\"'`“”‘’「」『』《》<>()[]【】。.、,;:!?~…-"


def parse(text: str) -> Command:
    plain = normalised(text[:MOST_CHARACTERS])
    if len(text) > MOST_CHARACTERS:
        return Unreadable()
    if answer := _ANSWER.fullmatch(plain):
        return Agree(answer[2]) if answer[1] == "1" else Disagree(answer[2])
    if query := _QUERY.fullmatch(plain):
        return Query(query[1], query[2])
    if rating := _RATING.fullmatch(plain):
        return Rate(int(rating[1]), rating[2])
    return OptOut() if plain in ("T", "TD") else Unreadable()


def normalised(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).upper()
    plain = "".join(each for each in plain if unicodedata.category(each) not in _INVISIBLE)
    return plain.strip(_AROUND)


def name_of(command: Command) -> str:
    """The verb, for the log of what was asked."""
    return str(type(command).__struct_config__.tag)
