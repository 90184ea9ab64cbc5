"""Ratings (评价): an applicant, or the agent, says once per completed case how content they were, from 1 to 5.

Source: the public review of units (评议), and the five levels of 好差评. Whoever is told that a case is completed is
asked; secret cases are asked about by nobody. By text the code of that message says about which case, and the phone it
comes from must be the one that was asked; in the app the applicant is logged in. The first rating stands: nobody can be
talked into a better one. The code follows from case, phone and the office's key and is kept nowhere; it is good for
HallRules.rating_life after completion. How many wrong codes a phone may try is the text door's matter.

Limits: of two cases of one phone with the same code (one in a hundred thousand) neither can be rated by text.
"""

from datetime import datetime, timedelta
from hmac import compare_digest

import msgspec

from casework.events import CaseRated
from casework.flow.steps import COMPLETE
from hall.refusals import CaseAlreadyRated, RatingCodeExpired, RatingCodeWrong, RatingNotOpen
from hall.rules import HallRules
from hall.tables import Rating
from kernel.actor import ActorKind
from kernel.acts import Act, View
from kernel.db import Row, SqlValue, instant_of
from kernel.permissions import permission
from kernel.refusals import Invalid, NotFound, Refusal
from kernel.work import Work

PURPOSE = "rating"
DIGITS = 5
#: How long a dead code is still told apart from a wrong one.
_REMEMBERED = timedelta(days=30)
#: An agent may have filed thousands; the newest are looked through.
_MOST_CASES = 1000
_LONGEST_NUMBER = 40


class RatingView(View, frozen=True, tag="rating"):
    """`evidence` is empty for a rating in the app."""

    case: str
    score: int
    rated_at: datetime
    evidence: str = ""


class RateCase(Act[RatingView], frozen=True, tag="hall.rate"):
    """By text with the `code` of the message that asked, or as a logged-in applicant with the number of their `case`.

    `score`: 5 is best.
    """

    score: int
    code: str | None = None
    case: str | None = None


@permission("applicant | a text with a code")
async def applicant_or_text(work: Work, act: RateCase) -> bool:
    """Whose case or number it is is asked inside, so that a refused text stays sealed."""
    return act.code is not None or work.actor.kind is ActorKind.APPLICANT


class _Completed(msgspec.Struct, frozen=True):
    number: str
    unit: str
    at: datetime


def rating_code_value(case: str, phone: str) -> str:
    """What the code is derived from; stands in the queue in the code's place."""
    return f"{case}:{phone}"


async def rate_case(work: Work, act: RateCase) -> RatingView | Refusal:
    """Refusals are returned, so that what a text said stays sealed. Raises INVALID, NOT_FOUND."""
    if not 1 <= act.score <= 5:
        raise Invalid(field="评分", why="应为1至5")
    found = await _own(work, act.case or "") if act.code is None else await _named(work, act.code)
    if isinstance(found, Refusal):
        return found
    standing = await Rating.get_or_none(case_number=found.number)
    if standing is not None:
        return CaseAlreadyRated(case=found.number, score=standing.score)
    evidence = work.assured.evidence or ""
    await Rating.create(
        case_number=found.number,
        unit_code=found.unit,
        score=act.score,
        rated_at=work.now,
        rated_by=f"{work.actor.kind}:{work.actor.id}",
        evidence=evidence,
    )
    work.record(CaseRated(case=found.number, unit=found.unit, score=act.score, evidence=evidence))
    return RatingView(case=found.number, score=act.score, rated_at=work.now, evidence=evidence)


def is_open(completed_at: datetime | None, now: datetime, rules: HallRules) -> bool:
    """Whether a case that was completed then may still be rated."""
    return completed_at is not None and now < completed_at + rules.rating_life


async def _own(work: Work, number: str) -> _Completed | Refusal:
    phone, number = work.actor.phone, number.strip().upper()
    if not phone or not 0 < len(number) <= _LONGEST_NUMBER:
        raise NotFound(what="办件")
    rules = work.given(HallRules)
    rows = await work.database.rows(
        "SELECT c.number, c.unit_code, (SELECT MAX(s.at) FROM case_step s WHERE s.case_id = c.id AND s.step = $3) AS at"
        " FROM case_file c WHERE c.number = $2 AND c.secret = FALSE AND (c.applicant_phone = $1 OR c.agent_phone = $1)",
        phone,
        number,
        COMPLETE,
    )
    if not rows:
        raise NotFound(what="办件")
    found = _completed(rows[0]) if rows[0]["at"] else None
    if found is None or not is_open(found.at, work.now, rules):
        return RatingNotOpen(days=rules.rating_life.days)
    return found


async def _named(work: Work, code: str) -> _Completed | Refusal:
    """The case that `code`, texted from the actor's own number, is about."""
    phone, rules = work.actor.phone or "", work.given(HallRules)
    asked = await _asked(work, phone, since=work.now - rules.rating_life - _REMEMBERED)
    matching = [each for each in asked if compare_digest(_code(work, each, phone), code.encode())]
    alive = [each for each in matching if is_open(each.at, work.now, rules)]
    if len(alive) == 1:
        return alive[0]
    return RatingCodeExpired(days=rules.rating_life.days) if matching and not alive else RatingCodeWrong()


async def _asked(work: Work, phone: str, *, since: datetime) -> list[_Completed]:
    """The phone's completed cases, newest first."""
    if not phone:
        return []
    values: list[SqlValue] = [phone, COMPLETE, since]
    rows = await work.database.rows(
        "SELECT c.number, c.unit_code, MAX(s.at) AS at FROM case_file c JOIN case_step s ON s.case_id = c.id"
        " WHERE c.secret = FALSE AND (c.applicant_phone = $1 OR c.agent_phone = $1) AND s.step = $2 AND s.at > $3"
        f" GROUP BY c.number, c.unit_code ORDER BY MAX(s.at) DESC LIMIT {_MOST_CASES}",
        *values,
    )
    return [_completed(row) for row in rows]


def _completed(row: Row) -> _Completed:
    return _Completed(str(row["number"]), str(row["unit_code"]), instant_of(row["at"]))


def _code(work: Work, case: _Completed, phone: str) -> bytes:
    return work.secrets.derived_code(PURPOSE, rating_code_value(case.number, phone), DIGITS).encode()
