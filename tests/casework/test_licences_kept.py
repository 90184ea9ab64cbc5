"""What becomes of a licence later: signed changes and endings, its last day, its annual reviews, the public list."""

import json
from datetime import date
from typing import Any

import pytest

from casework.acts import Decision
from casework.licences.acts import (
    ChangeLicence,
    CheckLicence,
    EndLicence,
    LicenceEnding,
    LicenceState,
    LicenceView,
    PrepareLicenceChange,
    PrepareLicenceEnd,
    RecordAnnualReview,
    ReviewState,
    ReviewView,
    TendLicences,
    ViewLicence,
)
from casework.licences.register import add_months
from casework.licences.results import granted_decisions, public_id, public_name
from casework.licences.tables import AnnualReview, Licence, LicenceChange, PublicResult
from kernel.actor import ANYBODY
from kernel.acts import Done, SignedBytes, SigningRequest
from kernel.refusals import Refusal
from kernel.tables import Officer, Unit
from tests.casework.licensed import HOLDER_ID, Registry
from tests.casework.town import item, person


async def stranger(registry: Registry):
    """The head of another authority."""
    await Unit.create(code="GA", name="公安局", short_name="衡公安", kind="authority")
    await Officer.create(id="CHIEF2", name="外单位", unit_code="GA", phone="13911110000", roles=["unit_head"])
    outsider = person("CHIEF")
    return type(outsider)(
        kind=outsider.kind, id="CHIEF2", roles=outsider.roles, unit="GA", assurance=outsider.assurance
    )


async def end(registry: Registry, number: str, ending: LicenceEnding, *, who="LEADER", reason="以欺骗手段取得。"):
    """Prepares, signs and submits, as a phone does."""
    revision = (await Licence.get(number=number)).revision
    fields = {"licence": number, "revision": revision, "ending": ending, "reason": reason}
    actor = person(who) if isinstance(who, str) else who
    request = await registry.town.do(PrepareLicenceEnd(**fields), actor)
    if not isinstance(request, SigningRequest):
        return request
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    return await registry.town.do(EndLicence(**fields), actor, proof=proof)


async def change(registry: Registry, number: str, *, who="HEAD", **changes):
    fields = {
        "licence": number,
        "revision": (await Licence.get(number=number)).revision,
        "holder_name": "衡江建设集团有限公司",
        "holder_id_number": HOLDER_ID,
        "holder_phone": "13800000009",
        "reason": "更名，见营业执照。",
        **changes,
    }
    actor = person(who) if isinstance(who, str) else who
    request = await registry.town.do(PrepareLicenceChange(**fields), actor)
    if not isinstance(request, SigningRequest):
        return request
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    return await registry.town.do(ChangeLicence(**fields), actor, proof=proof)


async def tend(registry: Registry) -> int:
    done = await registry.town.do(TendLicences())
    assert isinstance(done, Done)
    return done.count


# --------------------------------------------------------------------------------------------- changes and endings
@pytest.mark.feature("CERT-05")
async def test_changed_revoked_and_cancelled_it_keeps_its_history_and_checks_return_the_present_state(
    registry: Registry,
):
    number = await registry.number_of(await registry.granted())
    changed = await change(registry, number)
    assert isinstance(changed, LicenceView), changed
    assert (changed.holder_name, changed.revision) == ("衡江建设集团有限公司", 2)
    assert (await end(registry, number, LicenceEnding.REVOKE)).state is LicenceState.REVOKED
    asked = CheckLicence(licence=number, holder_check="0000")
    assert (await registry.town.do(asked, ANYBODY)).state is LicenceState.REVOKED
    wound_up = await end(registry, number, LicenceEnding.CANCEL, who="HEAD", reason="许可已被撤销，依法办理注销手续。")
    assert wound_up.state is LicenceState.CANCELLED
    assert (await registry.town.do(asked, ANYBODY)).state is LicenceState.CANCELLED
    history = await LicenceChange.all().order_by("revision")
    assert [(line.change, line.reason) for line in history] == [
        ("issued", ""),
        ("changed", "更名，见营业执照。"),
        ("revoked", "以欺骗手段取得。"),
        ("cancelled", "许可已被撤销，依法办理注销手续。"),
    ]
    assert [json.loads(line.content)["holder"] for line in history][:2] == ["衡江建设有限公司", "衡江建设集团有限公司"]
    assert all(line.evidence.startswith("EV") for line in history[1:])
    assert await registry.tags() == ["licence.issued", "licence.changed", "licence.ended", "licence.ended"]


async def test_what_ended_is_neither_changed_nor_ended_again(registry: Registry):
    number = await registry.number_of(await registry.granted())
    await end(registry, number, LicenceEnding.CANCEL)
    for refusal in (
        await end(registry, number, LicenceEnding.WITHDRAW),
        await end(registry, number, LicenceEnding.CANCEL),
        await change(registry, number),
    ):
        assert refusal.code == "LICENCE_NOT_STANDING"
        assert refusal.details["state"] == "注销"


async def test_only_leaders_of_its_unit_revoke_and_only_its_heads_change(registry: Registry):
    number = await registry.number_of(await registry.granted())
    outsider = await stranger(registry)
    for refusal in (
        await end(registry, number, LicenceEnding.REVOKE, who="HEAD"),
        await end(registry, number, LicenceEnding.CANCEL, who="HANDLER"),
        await end(registry, number, LicenceEnding.REVOKE, who=outsider),
        await change(registry, number, who="HANDLER"),
        await change(registry, number, who=outsider),
        await registry.town.do(ViewLicence(licence=number), outsider),
        await registry.town.do(RecordAnnualReview(licence=number, passed=True, opinion="合格"), outsider),
    ):
        assert refusal.code == "NOT_PERMITTED"
    assert (await Licence.get(number=number)).revision == 1


async def test_a_change_or_an_end_needs_a_reason_and_something_to_change(registry: Registry):
    number = await registry.number_of(await registry.granted())
    assert (await end(registry, number, LicenceEnding.REVOKE, reason=" ")).code == "LICENCE_REASON_MISSING"
    assert (await change(registry, number, reason="长" * 201)).code == "LICENCE_REASON_MISSING"
    assert (await change(registry, number, holder_name=" ")).code == "INVALID"
    same = await change(registry, number, holder_name="衡江建设有限公司", holder_phone="13800000001")
    assert same.code == "LICENCE_UNCHANGED"


async def test_a_signature_over_another_ending_or_an_older_revision_is_refused(registry: Registry):
    town, number = registry.town, await registry.number_of(await registry.granted())
    fields: dict[str, Any] = {"licence": number, "revision": 1, "reason": "以欺骗手段取得。"}
    request = await town.do(PrepareLicenceEnd(**fields, ending=LicenceEnding.CANCEL), person("LEADER"))
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    forged = await town.do(EndLicence(**fields, ending=LicenceEnding.REVOKE), person("LEADER"), proof=proof)
    assert forged.code == "SIGNED_SOMETHING_ELSE"
    unsigned = await town.do(EndLicence(**fields, ending=LicenceEnding.REVOKE), person("LEADER"))
    assert unsigned.code == "ASSURANCE_TOO_LOW"
    await change(registry, number)
    late = await town.do(PrepareLicenceEnd(**fields, ending=LicenceEnding.REVOKE), person("LEADER"))
    assert late.code == "CHANGED_MEANWHILE"
    assert (await change(registry, number, revision=1)).code == "CHANGED_MEANWHILE"


# ------------------------------------------------------------------------------------------------------- the clock
async def test_a_licence_lapses_at_midnight_after_its_last_day_and_not_before(registry: Registry):
    number = await registry.number_of(await registry.granted())
    registry.town.at("2029-09-17 23:59")
    await tend(registry)
    assert (await Licence.get(number=number)).state == "valid"
    registry.town.at("2029-09-18 00:00")
    assert await tend(registry) == 1
    lapsed = await Licence.get(number=number)
    assert (lapsed.state, lapsed.revision) == ("expired", 2)
    assert json.loads(lapsed.content)["state_name"] == "过期"
    assert await tend(registry) == 0
    assert (await registry.tags())[-1] == "licence.lapsed"


async def test_the_holder_is_reminded_once_as_many_days_before_as_the_item_says(registry: Registry):
    await registry.publish(remind_days=45)
    await registry.granted()
    registry.town.at("2029-08-02")  # 46 days before
    assert await tend(registry) == 0
    registry.town.at("2029-08-03")
    assert await tend(registry) == 1
    assert await tend(registry) == 0
    assert (await registry.tags())[-1] == "licence.expiring"


async def test_a_licence_that_ended_is_not_reminded_of(registry: Registry):
    number = await registry.number_of(await registry.granted())
    await end(registry, number, LicenceEnding.CANCEL)
    registry.town.at("2029-09-20")
    assert await tend(registry) == 0


async def test_a_lapsed_licence_that_was_renewed_in_time_stands_again_and_reminds_again(registry: Registry):
    number = await registry.number_of(await registry.granted())
    registry.town.at("2029-08-01")
    await registry.granted(stage="renewal", licence_number=number)
    renewed = await Licence.get(number=number)
    assert (renewed.remind_on, renewed.lapses_on) == (date(2032, 8, 18), date(2032, 9, 18))


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2027-08-31", 6, "2028-02-29"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2026-09-18", 36, "2029-09-18"),
        ("2028-02-29", 12, "2029-02-28"),
    ],
)
def test_months_end_on_the_same_day_or_on_the_last_of_a_shorter_month(day: str, months: int, then: str):
    assert add_months(date.fromisoformat(day), months) == date.fromisoformat(then)


# ------------------------------------------------------------------------------------------------- annual reviews
async def test_an_annual_review_falls_due_on_the_anniversary_and_is_called_overdue_the_day_after(registry: Registry):
    await registry.publish(annual_review=True)
    number = await registry.number_of(await registry.granted())
    registry.town.at("2027-09-18")
    assert await tend(registry) == 0
    registry.town.at("2027-09-19")
    assert await tend(registry) == 1
    review = await AnnualReview.get(licence_number=number)
    assert (review.due_on, review.state) == (date(2027, 9, 18), "overdue")
    assert (await registry.tags())[-1] == "licence.review_overdue"


async def test_a_passed_review_announces_the_next_and_a_failed_one_stays_open(registry: Registry):
    await registry.publish(annual_review=True)
    number = await registry.number_of(await registry.granted())
    registry.town.at("2027-09-01")
    failed = await registry.town.do(
        RecordAnnualReview(licence=number, passed=False, opinion="现场不符"), person("HANDLER")
    )
    assert failed == ReviewView(licence=number, due_on=date(2027, 9, 18), state=ReviewState.FAILED)
    passed = await registry.town.do(
        RecordAnnualReview(licence=number, passed=True, opinion="整改合格"), person("HANDLER")
    )
    assert passed.state is ReviewState.PASSED
    assert [(r.due_on.year, r.state) for r in await AnnualReview.all().order_by("due_on")] == [
        (2027, "passed"),
        (2028, "due"),
    ]


async def test_a_granted_case_of_the_review_stage_passes_the_review(registry: Registry):
    await registry.publish(annual_review=True)
    number = await registry.number_of(await registry.granted())
    case = await registry.granted(stage="annual_review", licence_number=number)
    review = await AnnualReview.get(due_on=date(2027, 9, 18))
    assert (review.state, review.case_number) == ("passed", case)


@pytest.mark.parametrize(
    ("months", "passed", "renewed_on", "then"),
    [
        (36, (2027, 2028), "2029-08-01", 2029),  # the third anniversary lies in the new term
        (36, (), "2029-08-01", 2027),  # a review is still open: no second one beside it
        (12, (), "2027-08-01", 2027),  # the first term had no anniversary at all
    ],
)
async def test_a_renewed_licence_goes_on_being_reviewed(
    registry: Registry, months: int, passed: tuple[int, ...], renewed_on: str, then: int
):
    await registry.publish(annual_review=True, valid_months=months)
    number = await registry.number_of(await registry.granted())
    for _ in passed:
        record = RecordAnnualReview(licence=number, passed=True, opinion="合格")
        assert (await registry.town.do(record, person("HANDLER"))).state is ReviewState.PASSED
    assert await AnnualReview.filter(state="due").count() == (0 if passed or months == 12 else 1)
    registry.town.at(renewed_on)
    await registry.granted(stage="renewal", licence_number=number)
    (review,) = await AnnualReview.filter(licence_number=number, state__in=("due", "overdue"))
    assert review.due_on == date(then, 9, 18)


async def test_no_review_is_recorded_of_what_has_none_or_does_not_stand(registry: Registry):
    number = await registry.number_of(await registry.granted())
    record = RecordAnnualReview(licence=number, passed=True, opinion="合格")
    assert (await registry.town.do(record, person("HANDLER"))).code == "NO_REVIEW_OPEN"
    empty = RecordAnnualReview(licence=number, passed=True, opinion="")
    assert (await registry.town.do(empty, person("HANDLER"))).code == "LICENCE_REASON_MISSING"
    await end(registry, number, LicenceEnding.CANCEL)
    assert (await registry.town.do(record, person("HANDLER"))).code == "LICENCE_NOT_STANDING"


# ------------------------------------------------------------------------------------------------ the public list
@pytest.mark.feature("CERT-06")
async def test_granted_decisions_are_public_as_the_item_says_and_masked(registry: Registry):
    silent = await registry.granted()
    await registry.publish(results_public=True)
    company = await registry.granted()
    citizen = await registry.granted(applicant_name="欧阳振华", applicant_id_number="430400199001010017")
    refused = await registry.accepted()
    await registry.town.decide("LEADER", refused, "level:1", Decision.REFUSE, "不符合条件。")
    rows, end_of_list = await granted_decisions(registry.town.database)
    assert [(row["number"], row["holder"], row["holder_id"]) for row in rows] == [
        (citizen, "欧***", "43040***"),
        (company, "衡江建设有限公司", "91430***"),
    ]
    assert end_of_list is None
    assert rows[0]["licence"] == await registry.number_of(citizen)
    assert (rows[0]["state"], rows[0]["decided_on"]) == ("valid", date(2026, 9, 18))
    assert silent not in str(rows)
    assert "欧阳振华" not in str(await PublicResult.all().values())


@pytest.mark.parametrize(
    ("name", "id_number", "shown"),
    [
        ("衡江建设有限公司", "91430400MA4L000000", "衡江建设有限公司"),
        ("衡江县人民医院", "124304004458201985", "衡江县人民医院"),  # digits only, and its check holds
        ("张三丰", "430400199001010018", "张**"),
        ("张三丰", "430400199013010018", "张**"),  # a slip in the month leaves it a person's
        ("张三丰", "430400189901010018", "张**"),
        ("张三丰", "43040019900101001X", "张**"),
    ],
)
def test_only_what_is_surely_an_organisation_is_named_in_full(name: str, id_number: str, shown: str):
    assert public_name(name, id_number) == shown


async def test_the_list_comes_in_pages_and_narrows_to_a_unit_or_an_item(registry: Registry):
    await registry.publish(results_public=True)
    cases = [await registry.granted() for _ in range(3)]
    database = registry.town.database
    rows, after = await granted_decisions(database, first=2)
    assert [row["number"] for row in rows] == [cases[2], cases[1]]
    rows, after = await granted_decisions(database, first=2, before=after)
    assert ([row["number"] for row in rows], after) == ([cases[0]], None)
    assert (await granted_decisions(database, unit="HALL"))[0] == []
    assert len((await granted_decisions(database, item="ZJ-XK-001"))[0]) == 3


async def test_a_revoked_licence_says_so_on_the_list_and_a_retired_item_leaves_it(registry: Registry):
    await registry.publish(results_public=True)
    number = await registry.number_of(await registry.granted())
    await end(registry, number, LicenceEnding.REVOKE)
    (row,), _ = await granted_decisions(registry.town.database)
    assert row["state"] == "revoked"
    await registry.town.database.execute("UPDATE item SET state = 'retired'")
    assert await granted_decisions(registry.town.database) == ([], None)


async def test_a_grant_without_a_certificate_is_published_too(registry: Registry):
    town = registry.town
    published = await town.publish(item(levels=1, results_public=True))
    assert not isinstance(published, Refusal)
    await registry.granted()
    (row,), _ = await granted_decisions(town.database)
    assert (row["licence"], row["state"]) == (None, None)


@pytest.mark.parametrize(
    ("name", "id_number", "shown"),
    [
        ("张三", "430400199001010017", ("张*", "43040***")),
        ("欧阳振华", "43040019900101001X", ("欧***", "43040***")),
        ("衡江建设有限公司", "91430400MA4L000000", ("衡江建设有限公司", "91430***")),
        ("李四", "E12345678", ("李*", "***")),  # a passport: too short to show any of it
        ("王", "", ("王*", "***")),
        ("某某工作室", "430400600012345", ("某****", "43040***")),  # an old business number: nobody knows whose
    ],
)
def test_no_person_can_be_recognised_on_the_public_list(name: str, id_number: str, shown: tuple[str, str]):
    assert (public_name(name, id_number), public_id(id_number)) == shown
