"""The papers of supervision (督办单、黄牌、红牌): numbered without gaps per series and year, dated, sealed.

The paper is HTML; its SHA-256 and the seal's signature are over exactly these octets.
"""

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from casework.clock.working_days import day_of
from kernel.numbers import next_number
from kernel.tables import Unit
from kernel.work import Work
from supervision.refusals import SupervisionUnitMissing
from supervision.rules import SupervisionRules

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
_notice = _templates.get_template("notice.html")


#: What papers, cards and statements call the item of a secret case: they leave the unit that handles it.
SECRET_ITEM = "涉密事项"
#: The same in a statement over `case_file c`.
ITEM_NAMED = f"CASE WHEN c.secret = TRUE THEN '{SECRET_ITEM}' ELSE c.item_name END AS item_name"


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a paper says: heading, to whom, an opening sentence, labelled facts, a closing sentence."""

    title: str
    number: str
    addressee: str
    opening: str
    lines: tuple[tuple[str, str], ...]
    closing: str


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    html: str
    sha256: str
    seal_serial: str
    seal_signature: bytes


async def issuer(work: Work) -> Unit:
    """The supervising unit. Raises SupervisionUnitMissing when the directory lacks it."""
    code = work.given(SupervisionRules).supervision_unit
    unit = await Unit.get_or_none(code=code)
    if unit is None:
        raise SupervisionUnitMissing(unit=code)
    return unit


async def numbers(work: Work, unit: Unit, mark: str, count: int = 1) -> list[str]:
    """The next `count` numbers of the series `mark` of this year: 衡江监察督〔2026〕1号 …"""
    year = day_of(work.now).year
    first = await next_number(f"{unit.code}:{mark}:{year}", count)
    return [f"{unit.short_name}{mark}〔{year}〕{serial}号" for serial in range(first, first + count)]


async def seal_drafts(work: Work, unit: Unit, drafts: Sequence[Draft]) -> list[Paper]:
    """Words each draft and has `unit` seal it."""
    day = in_words(day_of(work.now))
    pages = [_notice.render(draft=draft, issuer=unit.name, day=day) for draft in drafts]
    contents = [page.encode() for page in pages]
    seals = await work.notary.seal(work, unit.code, contents)
    return [
        Paper(
            number=draft.number,
            html=page,
            sha256=hashlib.sha256(content).hexdigest(),
            seal_serial=seal.serial,
            seal_signature=seal.signature,
        )
        for draft, page, content, seal in zip(drafts, pages, contents, seals, strict=True)
    ]


def day_in(value: object) -> date | None:
    """A date column of a raw row: SQLite gives text."""
    if value is None or isinstance(value, date):
        return value
    return date.fromisoformat(str(value))


def in_words(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"
