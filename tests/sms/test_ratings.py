"""PJ and the code of the text that asks: once per case, from the phone that was asked, until it is over."""

import re
from datetime import date, timedelta

import pytest

from casework.acts import Decision
from casework.clock.calendars import builtin_calendar
from hall.ratings import RateCase, RatingView
from hall.tables import Rating
from kernel.actor import ANYBODY, Actor, ActorKind, Assurance, Role
from kernel.refusals import Refusal
from supervision.statistics import Dimension, statistics
from supervision.tables import Finding
from tests.alerts.county import APPLICANT, County
from tests.casework.town import person
from tests.sms.text_desk import TextDesk, watched

AGENT, STRANGER = "13800000002", "18600000000"
ASKED = re.compile("回复PJ5(▒{5})")


async def completed(county: County, *, grant: bool = True, **changes) -> str:
    number = await county.accepted(**changes)
    await county.decide("HANDLER", number, "level:1", Decision.AGREE)
    await county.decide("HEAD", number, "level:2", Decision.AGREE)
    await county.decide("LEADER", number, "level:3", Decision.GRANT if grant else Decision.REFUSE, "理由充分。")
    await county.decide("HANDLER", number, "complete", Decision.COMPLETE, "办结。")
    await county.tell()
    return number


def code_for(county: County, number: str, phone: str = APPLICANT) -> str:
    """As it stands in the text when it leaves."""
    return county.secrets.derived_code("rating", f"{number}:{phone}", 5)


def applicant(phone: str = APPLICANT) -> Actor:
    return Actor(
        kind=ActorKind.APPLICANT,
        id="AP00000001",
        roles=frozenset({Role.APPLICANT}),
        phone=phone,
        assurance=Assurance.SESSION,
    )


async def scores() -> list[int]:
    return [rating.score for rating in await Rating.all().order_by("id")]


@pytest.mark.feature("SMS-13")
async def test_a_completed_case_is_rated_by_its_applicant_once_and_counts(county: County, desk: TextDesk):
    number = await completed(county)
    [(phone, body)] = await county.texts("T15")
    assert phone == APPLICANT
    assert ASKED.search(body), body
    answer = await desk.text(APPLICANT, f"PJ4{code_for(county, number)}")
    rating = await Rating.get()
    assert (rating.case_number, rating.unit_code, rating.score) == (number, "ZJ", 4)
    assert f"{number}评为4分" in answer
    assert rating.evidence in answer
    again = await desk.text(APPLICANT, f"评价1 {code_for(county, number)}")
    assert "已评价（4分），以第一次评价为准" in again
    assert await scores() == [4]
    assert await desk.outcomes() == ["rating", "CASE_ALREADY_RATED"]
    [unit] = await statistics(
        county.database, today=date(2026, 9, 18), calendar=builtin_calendar(), by=[Dimension.UNIT]
    )
    assert (unit.keys, unit.rated, unit.low_ratings, unit.satisfaction) == (("ZJ",), 1, 0, "80.0")


async def test_a_refused_applicant_is_asked_as_well(county: County, desk: TextDesk):
    number = await completed(county, grant=False)
    assert await county.texts("T15") == []
    [(_, body)] = await county.texts("T38")
    assert "请评价本次服务" in body
    assert "10月18日" in body
    await desk.text(APPLICANT, f"非常不满意 {code_for(county, number)}")
    assert await scores() == [1]


async def test_applicant_and_agent_have_codes_of_their_own_and_the_first_answer_stands(county: County, desk: TextDesk):
    number = await completed(county, agent_name="钱代理", agent_id_number="430", agent_phone=AGENT)
    assert sorted(phone for phone, _ in await county.texts("T15")) == [APPLICANT, AGENT]
    assert code_for(county, number) != code_for(county, number, AGENT)
    assert "评价码不正确" in await desk.text(APPLICANT, f"PJ5{code_for(county, number, AGENT)}")
    assert "评为5分" in await desk.text(AGENT, f"PJ5{code_for(county, number, AGENT)}")
    assert "以第一次评价为准" in await desk.text(APPLICANT, f"PJ1{code_for(county, number)}")
    assert await scores() == [5]


async def test_another_phone_with_the_right_code_is_refused_and_its_text_is_sealed(
    county: County, desk: TextDesk, monkeypatch
):
    number = await completed(county)
    sealed = []
    assure = county.notary.assure

    async def sealing(work, act, proof):
        sealed.append(act)
        return await assure(work, act, proof)

    monkeypatch.setattr(county.notary, "assure", sealing)
    assert "评价码不正确" in await desk.text(STRANGER, f"PJ5{code_for(county, number)}")
    assert sealed == [RateCase(score=5, code=code_for(county, number))]
    assert await desk.outcomes() == ["RATING_CODE_WRONG"]
    assert await scores() == []


async def test_a_code_is_good_for_thirty_days(county: County, desk: TextDesk):
    number = await completed(county)
    county.clock.advance(timedelta(days=30) - timedelta(minutes=1))
    assert "评为5分" in await desk.text(APPLICANT, f"PJ5{code_for(county, number)}")
    other = await completed(county)
    county.clock.advance(timedelta(days=30))
    assert "已超过30天" in await desk.text(APPLICANT, f"PJ5{code_for(county, other)}")
    assert await desk.outcomes() == ["rating", "RATING_CODE_EXPIRED"]


async def test_a_case_that_is_not_completed_has_no_code(county: County, desk: TextDesk):
    number = await county.granted()
    assert "评价码不正确" in await desk.text(APPLICANT, f"PJ5{code_for(county, number)}")


async def test_nobody_is_asked_about_a_secret_case_and_nobody_can_rate_it(county: County, desk: TextDesk):
    number = await county.granted()
    await county.database.execute("UPDATE case_file SET secret = TRUE")
    await county.decide("HANDLER", number, "complete", Decision.COMPLETE, "办结。")
    await county.tell()
    assert await county.texts("T15") == []
    assert "评价码不正确" in await desk.text(APPLICANT, f"PJ5{code_for(county, number)}")
    outcome = await county.do(RateCase(case=number, score=5), applicant())
    assert isinstance(outcome, Refusal)
    assert outcome.code == "NOT_FOUND"


# ---------------------------------------------------------------------------------------------------------- in the app
async def test_the_applicant_rates_in_the_app_and_the_text_comes_too_late(county: County, desk: TextDesk):
    number = await completed(county)
    rated = await county.do(RateCase(case=number, score=5), applicant())
    assert rated == RatingView(case=number, score=5, rated_at=county.clock.now())
    assert "以第一次评价为准" in await desk.text(APPLICANT, f"PJ1{code_for(county, number)}")
    assert await scores() == [5]


@pytest.mark.parametrize(
    ("who", "score", "code"),
    [
        (applicant(STRANGER), 5, "NOT_FOUND"),  # not their case
        (applicant(), 0, "INVALID"),
        (applicant(), 6, "INVALID"),
        (ANYBODY, 5, "NOT_PERMITTED"),
        (person("HANDLER"), 5, "NOT_PERMITTED"),
    ],
)
async def test_who_may_not_rate_a_case_in_the_app(county: County, who: Actor, score: int, code: str):
    number = await completed(county)
    outcome = await county.do(RateCase(case=number, score=score), who)
    assert isinstance(outcome, Refusal)
    assert outcome.code == code
    assert await scores() == []


async def test_nobody_rates_by_code_without_a_text(county: County):
    number = await completed(county)
    outcome = await county.do(RateCase(code=code_for(county, number), score=5), ANYBODY)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "ASSURANCE_TOO_LOW"


async def test_a_case_is_rated_in_the_app_only_once_it_is_completed_and_not_for_ever(county: County):
    number = await county.granted()
    early = await county.do(RateCase(case=number, score=5), applicant())
    await county.decide("HANDLER", number, "complete", Decision.COMPLETE, "办结。")
    county.clock.advance(timedelta(days=30))
    late = await county.do(RateCase(case=number, score=5), applicant())
    assert (early.code, late.code) == ("RATING_NOT_OPEN", "RATING_NOT_OPEN")


# ---------------------------------------------------------------------------------------------------- for supervision
async def test_low_ratings_are_found_and_counted_and_high_ones_are_not(county: County):
    desk = watched(county)
    for score in (1, 2, 3):
        number = await completed(county)
        await desk.text(APPLICANT, f"PJ{score}{code_for(county, number)}")
    assert [finding.kind for finding in await Finding.filter(kind="low_rating")] == ["low_rating", "low_rating"]
    # An opinion is nobody's breach of procedure.
    assert await county.database.rows("SELECT id FROM event WHERE body LIKE '%low_rating%'") == []
    [all_cases] = await statistics(county.database, today=date(2026, 9, 18), calendar=builtin_calendar())
    assert (all_cases.rated, all_cases.low_ratings, all_cases.satisfaction) == (3, 2, "40.0")


async def test_without_a_rating_there_is_no_satisfaction(county: County):
    await completed(county)
    [all_cases] = await statistics(county.database, today=date(2026, 9, 18), calendar=builtin_calendar())
    assert (all_cases.rated, all_cases.satisfaction) == (0, None)
