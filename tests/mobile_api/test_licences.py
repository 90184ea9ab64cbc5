"""Licences on the phone: looking up with a reason, signing their end, the public's check and list."""

import pytest

from casework.licences.tables import LicenceRead
from tests.contracts.story_licences import HOLDER, granted, number_of, publish
from tests.mobile_api.stage import (
    CLERK,
    HANDLER,
    HEAD,
    LEADER,
    OTHER_HANDLER,
    SUPERVISOR,
    Stage,
)


@pytest.fixture
async def licence(stage: Stage) -> str:
    """The number of a licence that a case of today was granted."""
    await publish(stage)
    return await number_of(await granted(stage))


async def test_the_history_shows_every_revision_and_every_view_is_logged(stage: Stage, licence: str) -> None:
    shown = await stage.get("Licence", (await stage.phone(HANDLER)).token, number=licence)
    assert [(line["revision"], line["change"]) for line in shown["history"]] == [(1, "ISSUED")]
    assert [(review["dueOn"], review["state"]) for review in shown["reviews"]] == [("2027-09-18", "DUE")]
    assert shown["holderIdNumber"] == HOLDER
    read = await LicenceRead.all().order_by("-id").first()
    assert read is not None
    assert (read.reader, read.licence_number) == (f"officer:{HANDLER}", licence)


async def test_supervision_sees_the_licence_but_not_the_holders_numbers(stage: Stage, licence: str) -> None:
    seen = await stage.get("Licence", (await stage.phone(SUPERVISOR)).token, number=licence)
    assert (seen["holderIdNumber"], seen["holderPhone"]) == ("914•••••••••••••00", "138••••••01")


@pytest.mark.parametrize("officer", [CLERK, OTHER_HANDLER])
async def test_other_units_do_not_see_its_history(stage: Stage, licence: str, officer: str) -> None:
    token = (await stage.phone(officer)).token
    assert await stage.get("Licence", token, number=licence) is None
    assert await stage.get("Licence", token, number="ZJ-XK-001-2026-09999") is None
    assert (await stage.get("UnitLicences", token))["nodes"] == []


async def test_a_lookup_names_case_and_reason_and_other_units_cases_are_refused(stage: Stage, licence: str) -> None:
    case = await stage.accepted()
    asked = {"case": case, "holderIdNumber": HOLDER, "reason": "核对"}
    found = await stage.get("LicenceLookup", (await stage.phone(HANDLER)).token, **asked)
    assert [each["number"] for each in found["licences"]] == [licence]
    refused = await stage.get("LicenceLookup", (await stage.phone(OTHER_HANDLER)).token, **asked)
    assert refused["code"] == "NOT_PERMITTED"
    assert (await stage.get("LicenceLookup", **asked))["code"] == "NOT_PERMITTED"
    reads = await LicenceRead.filter(case_number=case)
    assert [(read.reader, read.reason) for read in reads] == [(f"officer:{HANDLER}", "核对")]


async def test_a_leader_signs_the_end_and_the_public_sees_it_at_once(stage: Stage, licence: str) -> None:
    end = {"licence": licence, "revision": 1, "ending": "REVOKE", "reason": "以欺骗手段取得。"}
    head, leader = await stage.phone(HEAD), await stage.phone(LEADER)
    assert (await stage.get("PrepareLicenceEnd", head.token, end=end))["code"] == "NOT_PERMITTED"
    request = await stage.get("PrepareLicenceEnd", leader.token, end=end)
    assert "撤销行政许可" in request["display"]
    assert "以欺骗手段取得。" in request["display"]
    ended = await stage.get(
        "EndLicence", leader.token, idempotencyKey="end-0001", end=end, signed=leader.signed(request)
    )
    assert ended["licence"]["state"] == "REVOKED"
    checked = await stage.get("LicenceCheck", number=licence, holderCheck="0000")
    assert checked["state"] == "REVOKED"
    (decision,) = (await stage.get("GrantedDecisions"))["nodes"]
    assert (decision["licence"], decision["state"], decision["holderId"]) == (licence, "REVOKED", "91430***")


async def test_results_are_read_without_login_in_pages_and_only_of_items_that_publish_them(stage: Stage) -> None:
    await publish(stage, results_public=False)
    hidden = await granted(stage)
    await publish(stage)
    cases = [await granted(stage), await granted(stage, applicantName="李雷", applicantIdNumber="430400199001010017")]
    page = await stage.get("GrantedDecisions", first=1)
    rest = await stage.get("GrantedDecisions", first=1, after=page["endCursor"])
    shown = [*page["nodes"], *rest["nodes"]]
    assert [node["number"] for node in shown] == cases[::-1]
    assert [node["holder"] for node in shown] == ["李*", "衡江建设有限公司"]
    assert rest["endCursor"] is None
    assert hidden not in str(shown)


async def test_a_cursor_that_was_never_given_out_is_refused(stage: Stage) -> None:
    answer = await stage.ask("GrantedDecisions", after="bm90IG91cnM")
    assert answer["errors"][0]["extensions"]["code"] == "INVALID"


async def test_the_public_check_is_locked_after_ten_wrong_guesses(stage: Stage, licence: str) -> None:
    for guess in range(1, 11):
        wrong = await stage.get("LicenceCheck", number=licence, holderCheck=f"{guess:04d}")
        assert wrong["code"] == "LICENCE_CHECK_FAILED"
    assert (await stage.get("LicenceCheck", number=licence, holderCheck="0000"))["code"] == "LICENCE_CHECK_LOCKED"
