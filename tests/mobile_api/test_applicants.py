"""Applicants at the door: login by a texted code, and whose cases their token opens."""

from datetime import timedelta
from typing import Any

import pytest

from tests.mobile_api.stage import CLERK, HANDLER, STAGE, Stage
from tests.mobile_api.visitors import log_in, texted_code

A, B = "13800000001", "13800000002"


@pytest.mark.feature("HALL-05")
async def test_a_logged_in_applicant_sees_status_step_due_date_days_left_and_documents(stage: Stage) -> None:
    number = await stage.accepted(applicantPhone=A)
    token = await log_in(stage, A)
    (listed,) = (await stage.get("MyCases", token))["nodes"]
    assert (listed["number"], listed["statusName"], listed["stepName"]) == (number, "审批中", "承办")
    shown = await stage.get("MyCase", token, number=number)
    assert (shown["status"], shown["daysLeft"]) == ("IN_APPROVAL", 3)
    assert shown["dueOn"] == listed["dueOn"] == "2026-09-22"
    assert [document["title"] for document in shown["documents"]] == ["接件凭证", "受理通知书"]
    link = await stage.get("ViewOwnDocument", token, case=number, id=shown["documents"][1]["id"])
    document = await stage.http.get(link["url"])
    assert document.status_code == 200
    views = await stage.database.rows("SELECT viewer, what FROM view_log WHERE viewer LIKE 'applicant:%' ORDER BY id")
    assert [str(view["what"]).partition(":")[0] for view in views] == ["case", "link document", "document"]


@pytest.mark.feature("HALL-05")
async def test_no_case_of_somebody_else_is_there_for_an_applicant(stage: Stage) -> None:
    """Two applicants × two cases × every field that shows a case to an applicant."""
    cases = {phone: await stage.accepted(applicantPhone=phone) for phone in (A, B)}
    tokens = {phone: await log_in(stage, phone) for phone in (A, B)}
    ids = {
        phone: (await stage.get("MyCase", tokens[phone], number=cases[phone]))["documents"][0]["id"] for phone in (A, B)
    }
    for who, token in tokens.items():
        assert [node["number"] for node in (await stage.get("MyCases", token))["nodes"]] == [cases[who]]
        other = B if who == A else A
        assert await stage.get("MyCase", token, number=cases[other]) is None
        for case, id in ((cases[other], ids[other]), (cases[who], ids[other])):
            refused = await stage.get("ViewOwnDocument", token, case=case, id=id)
            assert refused["code"] == "NOT_FOUND"
            refused = await stage.get("ViewOwnMaterial", token, case=case, id="1")
            assert refused["code"] == "NOT_FOUND"
        assert (await stage.get("Progress", token, number=cases[who], password=""))["number"] == cases[who]
        refused = await stage.get("Progress", token, number=cases[other], password="")
        assert refused["code"] == "QUERY_PASSWORD_NEEDED"


async def test_an_applicants_token_opens_no_officers_field(stage: Stage) -> None:
    number = await stage.accepted(applicantPhone=A)
    token = await log_in(stage, A)
    assert await stage.get("Me", token) is None
    fields: tuple[tuple[str, dict[str, Any]], ...] = (
        ("Todos", {}),
        ("Done", {}),
        ("Overdue", {}),
        ("Case", {"number": number}),
        ("PendingCards", {}),
        ("WaitingEnrolments", {}),
        ("Questions", {}),
        ("Complaints", {}),
        ("AnnouncementDesk", {}),
        ("Statistics", {}),
        ("SearchCases", {"search": {}}),
    )
    for name, variables in fields:
        answer = await stage.ask(name, token, **variables)
        assert answer["errors"][0]["extensions"]["code"] == "LOGIN_NEEDED", name
    decision = {"case": number, "revision": 2, "step": "level:1", "decision": "AGREE", "opinion": "同意。"}
    acts: tuple[tuple[str, dict[str, Any]], ...] = (
        ("PrepareDecision", {"decision": decision}),
        ("StopClock", {"case": number, "revision": 2, "ground": "HEARING", "toldDays": 5, "reason": "。"}),
        ("ReceiveSupplement", {"case": number, "revision": 2, "materials": [], "complete": True}),
        ("DraftAnnouncement", {"kind": "NOTICE", "title": "一", "body": "二"}),
    )
    for name, variables in acts:
        keyed = {} if name == "PrepareDecision" else {"idempotencyKey": f"as-an-applicant-{name}"}
        refused = await stage.get(name, token, **keyed, **variables)
        assert refused["code"] == "NOT_PERMITTED", name


async def test_an_officers_token_is_no_applicants(stage: Stage) -> None:
    phone = await stage.phone(HANDLER)
    answer = await stage.ask("MyCases", phone.token)
    assert answer["errors"][0]["extensions"]["code"] == "LOGIN_NEEDED"


async def test_neither_kind_of_token_can_be_passed_off_as_the_other(stage: Stage) -> None:
    """The signature covers the type, so a swapped header breaks it."""
    applicants, officers = await log_in(stage, A), (await stage.phone(CLERK)).token
    assert officers is not None
    for head, body in ((applicants, officers), (officers, applicants)):
        forged = ".".join((head.split(".")[0], *body.split(".")[1:]))
        response = await stage.post({"query": "{ __typename }"}, forged)
        assert response.status_code == 401
        assert response.json()["errors"][0]["extensions"]["code"] == "TOKEN_INVALID"


async def test_the_token_ends_after_an_hour(stage: Stage) -> None:
    token = await log_in(stage, A)
    stage.clock.advance(timedelta(hours=1))
    response = await stage.post({"query": "{ __typename }"}, token)
    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"]["code"] == "TOKEN_EXPIRED"


async def test_a_wrong_code_and_too_many_requests_are_refused_in_words(stage: Stage) -> None:
    await stage.get("RequestLoginCode", idempotencyKey="ask-once-1", phone=A)
    again = await stage.get("RequestLoginCode", idempotencyKey="ask-once-1", phone=A)
    assert again["__typename"] == "LoginCodePayload"  # the same request, answered again without another text
    refused = await stage.get("RequestLoginCode", idempotencyKey="ask-once-2", phone=A)
    assert (refused["code"], refused["retryable"]) == ("LOGIN_CODE_TOO_OFTEN", True)
    right = await texted_code(stage, A)
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    refused = await stage.get("LogInByCode", idempotencyKey="log-in-1", phone=A, code=wrong)
    assert refused["code"] == "LOGIN_CODE_WRONG"
    session = await stage.get("LogInByCode", idempotencyKey="log-in-2", phone=A, code=right)
    assert (await stage.get("LogInByCode", idempotencyKey="log-in-2", phone=A, code=right))["expiresAt"] == session[
        "expiresAt"
    ]
    assert right not in str(await stage.database.rows("SELECT outcome FROM performed_act"))


async def test_a_link_to_a_document_dies_with_the_right_to_see_it(stage: Stage) -> None:
    number = await stage.accepted(applicantPhone=A)
    token = await log_in(stage, A)
    shown = await stage.get("MyCase", token, number=number)
    link = await stage.get("ViewOwnDocument", token, case=number, id=shown["documents"][0]["id"])
    await stage.database.execute("UPDATE case_file SET applicant_phone = $1", B)
    assert (await stage.http.get(link["url"])).status_code == 403


async def test_who_is_logged_in_files_with_their_session(stage: Stage) -> None:
    token = await log_in(stage, B)
    application = {
        "item": "ZJ-XK-001",
        "stage": STAGE,
        "applicantName": "乙公司",
        "applicantIdNumber": "91430400MA4L000000",
        "applicantPhone": B,
        "materials": [],
    }
    filed = await stage.get("FileApplication", token, idempotencyKey="file-as-b", application=application)
    assert [node["number"] for node in (await stage.get("MyCases", token))["nodes"]] == [filed["number"]]
