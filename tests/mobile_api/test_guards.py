import html
import json
import re
import shlex
from typing import Any

import pytest
from graphql import GraphQLNonNull, GraphQLObjectType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certs.encodings import b64u
from mobile_api.schema import build_schema
from tests.mobile_api.stage import (
    APPLICANT_PHONE,
    CARD_LEADER,
    CHIEF,
    CLERK,
    HANDLER,
    OPERATIONS,
    OTHER_HANDLER,
    RA,
    SUPERVISOR,
    Stage,
)
from tests.mobile_api.visitors import log_in

OTHER_UNIT = (OTHER_HANDLER, "OFF-0006", "OFF-0007", "OFF-0008")  # 市场监管局, every role


def code(response) -> str:
    return response.json()["errors"][0]["extensions"]["code"]


def nested(depth: int) -> str:
    inner = "seq"
    for _ in range(depth - 3):
        inner = f"entries {{ {inner} }}"
    return f'{{ case(number: "1") {{ record {{ {inner} }} }} }}'


@pytest.mark.feature("MOB-13")
async def test_a_query_fifteen_levels_deep_is_refused(stage: Stage) -> None:
    response = await stage.post({"query": nested(15)})
    assert (response.status_code, code(response)) == (400, "QUERY_TOO_COSTLY")


@pytest.mark.parametrize(
    ("what", "query"),
    [
        ("aliases", "{" + " ".join(f"a{n}: me {{ id }}" for n in range(16)) + "}"),
        ("tokens", "{" + "me { id } " * 600 + "}"),
        ("directives", "{ me " + "@include(if: true) " * 11 + "{ id } }"),
        ("fields", "{ me { ...A } } fragment A on Me {" + "id " * 401 + "}"),
        ("fields by spreads", "{ me {" + "...A " * 100 + "} } fragment A on Me { id name unit phone unitName }"),
        ("nesting", "{" * 400),
        ("fragment cycle", "{ me { ...A } } fragment A on Me { ...B } fragment B on Me { ...A }"),
        ("unknown field", "{ me { idd } }"),
        ("unknown type", "{ me { ...on Mee { id } } }"),
        ("unknown argument", '{ case(numbr: "1") { number } }'),
        ("repeated directive", "{ me @skip(if: false) @skip(if: false) { id } }"),
        ("introspection", "{ __schema { types { name } } }"),
        ("introspection of a type", '{ __type(name: "Case") { name } }'),
        ("subscription", "subscription { me { id } }"),
        ("two operations, none named", "query A { me { id } } query B { me { id } }"),
        ("nothing", ""),
    ],
)
@pytest.mark.feature("MOB-13")
async def test_a_costly_or_curious_document_is_refused_without_a_hint(stage: Stage, what: str, query: str) -> None:
    response = await stage.post({"query": query})
    answer = response.json()
    assert answer.get("data") is None
    assert answer["errors"][0]["extensions"]["code"] in ("BAD_REQUEST", "QUERY_TOO_COSTLY")
    assert "Did you mean" not in response.text


async def test_only_a_posted_json_object_is_executed(stage: Stage) -> None:
    query = {"query": "{ me { id } }"}
    assert (await stage.http.get("/graphql", params=query)).status_code == 405
    for content_type in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ""):
        response = await stage.post(query, **{"content-type": content_type})
        assert (response.status_code, code(response)) == (400, "BAD_REQUEST"), content_type
    assert code(await stage.post([query, query])) == "BAD_REQUEST"
    assert code(await stage.post(b'{"query": "{ me { id } }", "variables": {"a": "\\u0000"}}')) == "BAD_REQUEST"


async def test_a_body_over_the_limit_is_refused_before_it_is_read(stage: Stage) -> None:
    stage.open_door(body_octets=1000)
    response = await stage.post({"query": "{ me { id } }", "variables": {"x": "y" * 1000}})
    assert (response.status_code, code(response)) == (413, "TOO_LARGE")

    async def unending():
        while True:
            yield b" " * 600

    streamed = await stage.http.post("/graphql", content=unending(), headers={"content-type": "application/json"})
    assert streamed.status_code == 413


@pytest.mark.feature("MOB-13")
async def test_who_asks_too_often_is_told_when_to_come_back(stage: Stage) -> None:
    stage.open_door(per_address="3/minute")
    for _ in range(3):
        assert (await stage.post({"query": "{ me { id } }"})).status_code == 200
    response = await stage.post({"query": "{ me { id } }"})
    assert (response.status_code, code(response), response.headers["retry-after"]) == (429, "TOO_MANY_REQUESTS", "60")


async def test_unknown_people_act_seldom(stage: Stage) -> None:
    stage.open_door(anonymous_acts="2/minute")
    for _ in range(2):
        assert (await stage.get("Progress", number="1", password="1"))["code"] == "UNKNOWN_NUMBER"
    assert (await stage.get("Progress", number="1", password="1"))["code"] == "TOO_MANY_REQUESTS"


async def test_a_bad_token_is_a_401_with_its_reason(stage: Stage) -> None:
    token = (await stage.phone(HANDLER)).token
    assert token is not None
    for bad, reason in ((token[:-2], "TOKEN_INVALID"), ("x", "TOKEN_INVALID"), ("x" * 5000, "TOKEN_INVALID")):
        response = await stage.post({"query": "{ me { id } }"}, bad)
        assert (response.status_code, code(response)) == (401, reason)
    stage.clock.advance(stage.authority.settings.token_life)
    response = await stage.post({"query": "{ me { id } }"}, token)
    assert (response.status_code, code(response)) == (401, "TOKEN_EXPIRED")


async def test_graphiql_and_introspection_exist_in_demo_mode_only(stage: Stage) -> None:
    stage.open_door(demo=True)
    page = await stage.http.get("/graphql")
    assert "graphiql" in page.text.lower()
    assert page.headers["content-type"].startswith("text/html")
    answer = await stage.post({"query": "{ __schema { queryType { name } } }"})
    assert answer.json()["data"]["__schema"]["queryType"]["name"] == "Query"


async def test_graphiql_without_internet_says_how_to_ask_all_the_same(stage: Stage) -> None:
    stage.open_door(demo=True)
    page = (await stage.http.get("/graphql", params={"q": "{ me { id } }"})).text
    foreign = re.findall(r"<script[^>]*src=[^>]*>", page)
    assert foreign
    assert all("onerror=" in tag for tag in foreign)
    command = shlex.split(html.unescape(re.findall(r"<pre>(curl .*)</pre>", page)[0]))
    assert command[-1] == "http://office/graphql"
    answer = await stage.post(command[command.index("-d") + 1].encode())
    assert len(answer.json()["data"]["guides"]["nodes"]) == 2


async def test_a_defect_inside_is_masked_and_numbered(stage: Stage) -> None:
    token = (await stage.phone(HANDLER)).token
    await stage.database.execute("DROP TABLE clock_entry")
    answer = await stage.ask("Todos", token)
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert (error["extensions"]["code"], error["extensions"]["retryable"]) == ("INTERNAL", True)
    assert "clock_entry" not in json.dumps(answer)


async def test_the_health_checks_answer(stage: Stage) -> None:
    assert (await stage.http.get("/healthz/livez")).text == "alive"
    assert (await stage.http.get("/healthz/readyz")).text == "ready"


# ----------------------------------------------------------------------------------------------------- who may what
SIGNED = {"nonce": "n", "signature": "AAAA"}
DECISION = {"revision": 2, "step": "level:1", "decision": "AGREE", "opinion": "同意。"}
#: Every operation that names a case, with what else it needs.
ABOUT_A_CASE: dict[str, dict[str, Any]] = {
    "Case": {},
    "CaseRecord": {},
    "ViewMaterial": {"id": "1"},
    "ViewDocument": {"id": "1"},
    "PrepareDecision": {"decision": DECISION},
    "Decide": {"decision": DECISION, "signed": SIGNED},
    "ReceiveSupplement": {"revision": 2, "materials": [], "complete": True},
    "StopClock": {"revision": 2, "ground": "HEARING", "toldDays": 5, "reason": "听证"},
    "ResumeClock": {"revision": 2},
    "TellLonger": {"revision": 2, "toldDays": 5, "reason": "听证"},
    "PrepareExtension": {"revision": 2, "days": 5, "reason": "案情复杂"},
    "ExtendClock": {"revision": 2, "days": 5, "reason": "案情复杂", "signed": SIGNED},
    "TellHearingRight": {"revision": 2, "subject": "相邻关系"},
    "AnnounceHearing": {"revision": 2, "hearingOn": "2026-10-12", "place": "三楼", "presider": "OFF-0031"},
    "HoldHearing": {"revision": 2, "record": "笔录"},
    "ProposeCard": {"colour": "RED", "ground": "NO_REASONS", "facts": ""},
    "CaseIntake": {},
    "ReviewMaterials": {"revision": 2, "outcome": "PASS", "opinion": "齐全"},
    "RecordOriginals": {"revision": 2, "matches": True, "note": ""},
    "CorrectOnSpot": {"revision": 2, "correction": {"corrected": ["笔误"]}},
    "HandOverPapers": {"toUnit": "SJJ"},
    "ConfirmPapers": {},
    "WaivePapers": {"reason": "免收"},
    "EnterFee": {"line": 1, "amountCents": 1},
    "ChargeUnlisted": {"fee": "资料费", "amountCents": 1, "reason": "误收"},
    "SettleBill": {},
    "Urge": {},
    "LicenceLookup": {"holderIdNumber": "91430400MA4L000000", "reason": "核对"},
}
REFUSED = {"NOT_PERMITTED", "NOT_FOUND", "LOGIN_NEEDED", "SIGNING_REQUEST_UNKNOWN"}


@pytest.mark.feature("MOB-13")
async def test_no_officer_of_another_unit_reaches_a_case_by_any_operation(stage: Stage) -> None:
    case = await stage.accepted()
    before = await stage.database.rows("SELECT revision, status FROM case_file")
    for who in (None, *OTHER_UNIT, RA):
        token = None if who is None else (await stage.phone(who)).token
        for name, more in ABOUT_A_CASE.items():
            variables: dict[str, Any] = dict(more)
            if "decision" in more:
                variables["decision"] = {**DECISION, "case": case}
            else:
                variables["number" if name.startswith("Case") else "case"] = case
            if OPERATIONS[name].type == "mutation" and "idempotencyKey" in OPERATIONS[name].body:
                variables["idempotencyKey"] = f"{who}-{name}"
            answer = await stage.ask(name, token, **variables)
            if answer.get("data") and (field := next(iter(answer["data"].values()))) is not None:
                assert field["__typename"] == "Refusal", (who, name, field)
                assert field["code"] in REFUSED, (who, name, field)
            elif "errors" in answer:
                assert answer["errors"][0]["extensions"]["code"] in REFUSED, (who, name, answer)
    assert await stage.database.rows("SELECT revision, status FROM case_file") == before


#: TRUST-07: who may use which root field. Everybody else is refused or sees nothing.
PUBLIC = {
    *("me", "guides", "guide", "progress", "enrolment", "requestEnrolment", "submitCsr", "beginLogin", "finishLogin"),
    *("openFiling", "fileApplication", "withdraw"),
    *("notices", "commentOnChange"),
    *("flowchart", "deeds", "windows", "offeredAt"),
    "documentsByPassword",
    *("filePackage", "package"),
    "askHearing",
    *("requestLoginCode", "logInByCode"),
    *("announcements", "askQuestion", "consultation", "fileComplaint", "complaint"),
    *("grantedDecisions", "licenceCheck"),
}
#: Of one's own cases, with an applicant's login; no officer has that.
APPLICANTS = {"myCases", "myCase", "viewOwnMaterial", "viewOwnDocument", "rateCase"}
OFFICERS = {
    *("todos", "done", "overdue", "case", "card", "viewMaterial", "viewDocument", "acknowledgeCard"),
    *("itemChanges", "itemChange", "catalogueTodos"),
    *("documentTemplates", "smsTemplates"),
    *("delegations", "colleagues", "prepareDelegation", "delegate", "revokeDelegation"),
    *("caseIntake", "duties"),
    *("searchCases", "statistics"),
    *("licence", "unitLicences"),
    *("questions", "announcementDesk", "draftAnnouncement"),
}
BY_ROLE: dict[str, set[str]] = {
    "proposeCard": {SUPERVISOR},
    "pendingCards": {CARD_LEADER},
    "prepareCardDecision": {CARD_LEADER},
    "decideCard": {CARD_LEADER},
    "confirmCard": {CARD_LEADER},
    "rejectCard": {CARD_LEADER},
    "waitingEnrolments": {RA},
    "checkIdentity": {RA},
    "approveEnrolment": {RA},
    "rejectEnrolment": {RA},
    "revokeCertificate": {RA},
    "saveChange": {HANDLER, CHIEF},
    "discardChange": set(),  # nobody has this draft
    "prepareChangeDecision": {"OFF-0031"},
    "decideChange": {"OFF-0031"},
    "checkChange": set(),  # there is no such change
    "draftTemplate": {"OFF-0031", "OFF-0082"},
    "prepareTemplateDecision": {"OFF-0082"},
    "decideTemplate": {"OFF-0082"},
    "proposeSmsTemplate": {SUPERVISOR, "OFF-0031", "OFF-0035"},
    **{key: {"OFF-0082"} for key in ("prepareSmsTemplateDecision", "decideSmsTemplate")},
    "receiveSupplement": {CLERK},
    "reviewMaterials": {CLERK, HANDLER},
    **{key: {CLERK} for key in ("recordOriginals", "correctOnSpot", "enterFee", "chargeUnlisted", "settleBill")},
    **{key: {CLERK, HANDLER} for key in ("handOverPapers", "confirmPapers", "waivePapers")},
    **{key: {SUPERVISOR, CARD_LEADER} for key in ("findings", "findingTallies", "secondEntries", "coverage")},
    **{key: {SUPERVISOR, CARD_LEADER} for key in ("regionCases", "reportingSystems")},
    "prepareDecision": {HANDLER},
    "decide": {HANDLER},
    "stopClock": {HANDLER},
    "resumeClock": {HANDLER},
    "extendClock": {CHIEF},
    "prepareExtension": {CHIEF},
    "tellLonger": {HANDLER},
    "tellHearingRight": {HANDLER},
    "announceHearing": {HANDLER},
    "holdHearing": {HANDLER},
    "catalogueReport": {"OFF-0031"},
    "smsBill": {"OFF-0035"},
    "urge": {CLERK, CHIEF, SUPERVISOR, CARD_LEADER, "OFF-0031"},
    **{key: {SUPERVISOR, CARD_LEADER} for key in ("complaints", "decideComplaint")},
    "licenceLookup": {CLERK, HANDLER, CHIEF},
    # There is no such licence, question or announcement.
    **{key: set() for key in ("prepareLicenceChange", "changeLicence", "prepareLicenceEnd", "endLicence")},
    **{key: set() for key in ("recordAnnualReview", "answerQuestion")},
    **{key: set() for key in ("prepareAnnouncementStep", "takeAnnouncementStep")},
}
CASE_NUMBER = "202600000001"
SAMPLES: dict[str, Any] = {
    "idempotencyKey": "sample-key",
    "id": "1",
    "case": CASE_NUMBER,
    "number": CASE_NUMBER,
    "card": "C000001",
    "revision": 99,
    "materials": [],
    "complete": False,
    "days": 1,
    "toldDays": 1,
    "reason": "说明",
    "outcome": "PASS",
    "opinion": "齐全",
    "matches": True,
    "note": "",
    "correction": {"corrected": ["笔误"]},
    "toUnit": "SJJ",
    "line": 1,
    "fee": "资料费",
    "amountCents": 1,
    "since": "2026-09-01",
    "until": "2026-09-30",
    "ground": "HEARING",
    "colour": "YELLOW",
    "signed": SIGNED,
    "enrolment": "e",
    "document": "身份证",
    "serial": "1",
    "definition": "e30",
    "officer": HANDLER,
    "device": "d",
    "publicKey": "AAAA",
    "signature": "AAAA",
    "nonce": "nonce-that-is-unknown",
    "pickup": "p",
    "password": "000000",
    "code": "X",
    "change": "BG2026000001",
    "delegation": "1",
    "kind": "STATISTICS",
    "month": "2026-09",
    "subject": "相邻关系",
    "hearingOn": "2026-10-12",
    "place": "三楼",
    "presider": "OFF-0031",
    "record": "笔录",
    "template": {"kind": "ACCEPTANCE", "title": "受理通知书", "opening": ["予以受理。"]},
    "accept": True,
    "title": "标题",
    "body": "正文",
    "answer": "答复",
    "publish": False,
    "publicQuestion": "",
    "passed": True,
    "phone": "13800000001",
    "score": 5,
    "search": {},
    "step": {"number": "GS2026000001", "revision": 1, "step": "SUBMIT", "opinion": "同意。"},
    "licence": "ZZ2026000001",
    "holderCheck": "0000",
    "holderIdNumber": "91430400MA4L000000",
    "end": {"licence": "ZZ2026000001", "revision": 1, "ending": "CANCEL", "reason": "届满"},
    "complaint": {"about": "CASE", "subject": CASE_NUMBER, "text": "逾期"},
}


def root_fields() -> dict[str, tuple[str, Any]]:
    schema = build_schema()._schema
    fields: dict[str, tuple[str, Any]] = {}
    for kind, root in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        assert isinstance(root, GraphQLObjectType)
        fields |= {name: (kind, field) for name, field in root.fields.items()}
    return fields


def test_every_root_field_stands_in_the_table_of_who_may() -> None:
    assert set(root_fields()) == PUBLIC | APPLICANTS | OFFICERS | set(BY_ROLE)


@pytest.mark.feature("TRUST-07")
async def test_every_root_field_is_refused_to_everybody_the_table_does_not_name(stage: Stage) -> None:
    assert await stage.accepted() == CASE_NUMBER
    people = (None, CLERK, HANDLER, CHIEF, SUPERVISOR, CARD_LEADER, RA, "OFF-0031", "OFF-0035", "OFF-0082")
    for who in people:
        token = None if who is None else (await stage.phone(who)).token
        for name, (kind, field) in root_fields().items():
            if name in PUBLIC or (name in OFFICERS and who is not None):
                continue
            answer = await _sampled(stage, token, name, kind, field)
            refused = _refusal(answer, name)
            if who in BY_ROLE.get(name, ()):
                assert refused not in ("NOT_PERMITTED", "BAD_REQUEST"), (who, name)
            else:
                assert refused in REFUSED, (who, name, answer)


async def _sampled(stage: Stage, token: str | None, name: str, kind: str, field: Any) -> dict[str, Any]:
    needed = {key: arg for key, arg in field.args.items() if isinstance(arg.type, GraphQLNonNull)}
    samples = {**SAMPLES, "decision": {**DECISION, "case": CASE_NUMBER, "revision": 99}}
    if name == "revokeCertificate":
        samples["reason"] = "SUPERSEDED"
    if name == "proposeCard":
        samples["ground"] = "NO_REASONS"
    if name == "saveChange":
        samples["change"] = {"kind": "REMOVE", "item": "ZJ-XK-404", "reason": "已取消"}
    if name in ("prepareDelegation", "delegate"):
        days = {"firstDay": "2026-09-18", "lastDay": "2026-09-25"}
        samples["delegation"] = {"delegate": "OFF-0002", "reason": "出差。", **days}
    if name in ("prepareLicenceChange", "changeLicence"):
        holder = {"holderName": "周山", "holderIdNumber": "430", "holderPhone": "13800000001"}
        samples["change"] = {"licence": "ZZ2026000001", "revision": 1, **holder, "reason": "更名"}
    if name == "draftAnnouncement":
        samples["kind"] = "NOTICE"
    if "Change" in name:
        decided = {"change": "BG2026000001", "revision": 99, "step": "REFORM", "decision": "AGREE", "opinion": "同意。"}
        samples["decision"] = decided
    if "Template" in name:
        samples["decision"] = {"kind": "ACCEPTANCE", "version": 99, "approve": True, "opinion": "同意。"}
    if "SmsTemplate" in name:
        samples["decision"] = {"template": "T11_ACCEPTED", "version": 99, "approve": True, "opinion": "同意。"}
        samples["template"] = {"template": "T11_ACCEPTED", "body": "已受理。", "reason": "更短"}
    if "Card" in name:
        samples["decision"] = {"card": "C000001", "revision": 1, "decision": "CONFIRM"}
    given_args = {key: arg for key, arg in needed.items() if key in samples}
    declared = ", ".join(f"${key}: {arg.type}" for key, arg in given_args.items())
    passed = ", ".join(f"{key}: ${key}" for key in given_args)
    head = f"{kind} X({declared})" if declared else f"{kind} X"
    call = f"{name}({passed})" if passed else name
    selection = "{ __typename ... on Refusal { code } }" if "Result" in str(field.type) else "{ __typename }"
    variables = {key: samples[key] for key in given_args}
    if "idempotencyKey" in variables:
        variables["idempotencyKey"] = f"{token and token[-20:]}-{name}"[-64:]
    return (await stage.post({"query": f"{head} {{ {call} {selection} }}", "variables": variables}, token)).json()


def _refusal(answer: dict[str, Any], name: str) -> str | None:
    if answer.get("errors"):
        return str(answer["errors"][0]["extensions"]["code"])
    field = answer["data"][name]
    return field.get("code") if isinstance(field, dict) else None


# ------------------------------------------------------------------------------------------------------------- fuzz
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"query": st.text(max_size=60) | st.sampled_from([each.body for each in OPERATIONS.values()])},
        optional={"variables": JSON, "operationName": JSON},
    ).map(lambda value: json.dumps(value).encode()),
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.dictionaries(st.sampled_from(sorted(SAMPLES)), JSON)).map(
        lambda pair: json.dumps({"query": OPERATIONS[pair[0]].body, "variables": {**SAMPLES, **pair[1]}}).encode()
    ),
)


@pytest.mark.feature("MOB-13")
async def test_no_body_makes_the_door_fail_or_talk(stage: Stage) -> None:
    token = (await stage.phone(HANDLER)).token
    bodies: list[bytes] = []

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
    @given(BODIES)
    def collect(body: bytes) -> None:
        bodies.append(body)

    collect()
    for body in bodies:
        response = await stage.post(body, token)
        assert response.status_code in (200, 400, 413), (body, response.text)
        assert "Traceback" not in response.text
        assert '"INTERNAL"' not in response.text, (body, response.text)
        json.loads(response.content)


#: What a caller may write where an id or a cursor of ours is expected.
STRANGE_IDS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.sampled_from(["", "-1", "0", "x" * 500, "9" * 17, "9" * 18, "9" * 19, "9" * 400, "١٢", "²", "C" * 400]),
    st.integers().map(str),
)
_NUMBERS = st.one_of(
    st.integers(-(1 << 70), 1 << 70),
    st.sampled_from([(1 << 63) - 1, 1 << 63, 253402300799999999, 253402300800000000, -62135596800000000, 10**400]),
)
CURSORS = st.one_of(
    st.tuples(_NUMBERS, _NUMBERS).map(lambda pair: b64u(f"{pair[0]}.{pair[1]}".encode())),
    st.sampled_from(["x.y", "1_0.5", "1.٣", " 1.1", "nan.1", "1.1.1"]).map(lambda text: b64u(text.encode())),
    st.binary(max_size=30).map(b64u),
    STRANGE_IDS,
)


@pytest.mark.feature("MOB-13")
async def test_no_cursor_and_no_id_makes_the_door_fail(stage: Stage) -> None:
    await stage.accepted()
    handler, supervisor = [(await stage.phone(who)).token for who in (HANDLER, SUPERVISOR)]
    applicant = await log_in(stage, APPLICANT_PHONE)
    askers = dict.fromkeys(("Overdue", "Findings", "Complaints"), supervisor)
    askers |= dict.fromkeys(("MyCases", "MyCase", "ViewOwnMaterial", "ViewOwnDocument"), applicant)
    stage.open_door(anonymous_acts="100000/minute", per_address="100000/minute", per_officer="100000/minute")
    tries: list[tuple[str, dict[str, str]]] = []
    paged = [name for name, operation in OPERATIONS.items() if "$after" in operation.body]
    named = {"Case": "number", "CaseRecord": "number", "Card": "id", "Guide": "code", "EnrolmentStatus": "id"}
    named |= {"MyCase": "number", "Licence": "number", "ItemChange": "number"}
    files = ("ViewMaterial", "ViewDocument", "ViewOwnMaterial", "ViewOwnDocument")
    needed: dict[str, Any] = {
        "EnrolmentStatus": {"pickup": "p"},
        "Overdue": {"scope": "SUPERVISED"},
        "OfferedAt": {"window": "ZWZX"},
        "SearchCases": {"search": {}},
    }
    assert {"Todos", "Done", "Overdue", "Guides", *needed, *askers} <= {*paged, *named, *files}

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
    @given(CURSORS, STRANGE_IDS)
    def collect(cursor: str, id: str) -> None:
        tries.extend((name, {"after": cursor}) for name in paged)
        tries.extend((name, {key: id}) for name, key in named.items())
        tries.extend((name, {"case": CASE_NUMBER, "id": id}) for name in files)

    collect()
    for name, more in tries:
        answer = await stage.ask(name, askers.get(name, handler), **more, **needed.get(name, {}))
        codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
        assert set(codes) <= {"INVALID", "NOT_FOUND", "NOT_PERMITTED"}, (name, more, answer)


@pytest.mark.parametrize("cursor", [f"0.{1 << 63}", "253402300799999999.1", "253402300800000000.1", "0.-1", "1_0.1"])
async def test_a_cursor_that_was_never_given_out_is_invalid(stage: Stage, cursor: str) -> None:
    for name in ("Todos", "Done", "Overdue"):
        answer = await stage.ask(name, (await stage.phone(HANDLER)).token, after=b64u(cursor.encode()))
        assert answer["errors"][0]["extensions"]["code"] == "INVALID", (name, answer)
