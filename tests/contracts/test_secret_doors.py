"""Secret items leave by no door (涉密事项一律不上网): every outlet is listed here, and tried.

An item and a case of it are planted as no door would let them in, with a word in every place where they are named; then
every root field of the graph, every address, every text, every command that writes something is asked for it. A field,
address, event, consumer or command that is not in the tables below makes this fail: whoever adds one says here what it
shows of a secret. What crosses to the outer zone is tried in tests/ferry/zones/test_canaries.py.
"""

import functools
import inspect
import json
import re
from datetime import UTC, date, datetime, timedelta
from types import UnionType
from typing import Any, get_args, get_origin
from urllib.parse import quote

import msgspec
import pytest
from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    OperationDefinitionNode,
    parse,
    type_from_ast,
)
from tortoise.models import Model

from alerts.policy import POLICY
from alerts.policy import consumer as alerts_consumer
from casework.acts import PublishItem
from casework.catalogue.current import chart_of, items_in_force, whole_catalogue
from casework.catalogue.exchange import as_excel, as_json, read
from casework.catalogue.reports import ReportKind, as_file, report
from casework.intake.query_passwords import query_password
from casework.licences.tables import Licence
from casework.rules import CaseworkRules
from casework.seed import items
from casework.tables import Case, Document, Item, Task
from certs.encodings import b64u
from ferry.exchange.upward import consumer as due_consumer
from ferry.zones.mirror import consumer as mirror_consumer
from hall.progress import QueryProgress
from kernel.actor import ANYBODY, THE_OPERATOR
from kernel.events import Event
from kernel.refusals import NotFound, Refusal
from mobile_api.app import routes
from mobile_api.schema import build_schema
from server import doors, wiring
from supervision.acts import IssueOrders, TurnLights
from supervision.findings import consumer as findings_consumer
from supervision.tables import Card, SupervisionOrder
from tests.alerts.conftest import county  # noqa: F401  a fixture
from tests.alerts.county import County
from tests.contracts.test_docs import every_command
from tests.mobile_api.conftest import authority, stage  # noqa: F401  fixtures
from tests.mobile_api.stage import CARD_LEADER, CLERK, HANDLER, ITEM, OPERATIONS, OTHER_HANDLER, STAGE, SUPERVISOR
from tests.mobile_api.stage import Stage as Office
from tests.mobile_api.visitors import log_in

pytestmark = pytest.mark.feature("CAT-10")

#: Stands in every name of the secret item and its case; nothing else in the county is called so.
WORD = "隐芒"
APPLICANT = "13800000001"
SCHEMA = build_schema()._schema
#: Who does not hold the open step of the secret case: hall, other units, supervision, offices of the catalogue,
#: government, a township.
OTHERS = (
    *(CLERK, OTHER_HANDLER, "OFF-0008", SUPERVISOR, CARD_LEADER),
    *("OFF-0080", "OFF-0081", "OFF-0084", "OFF-0090"),
)

# ------------------------------------------------------------------------------------------------------ the tables

#: Arguments that take a number.
SUBJECTS = {"number", "case", "id", "licence", "document", "card"}
#: Who tries what changes something.
CHANGING = (CLERK, OTHER_HANDLER, SUPERVISOR, "OFF-0081", HANDLER)
ITEM_OF_TOWN = ITEM  # both towns of the tests call it so

#: Root fields that show a secret case, or its licence, to the unit that handles it, and to nobody else.
THE_UNIT_ITSELF = {
    *("announceHearing", "case", "caseIntake", "decide", "done", "endLicence", "extendClock"),
    *("holdHearing", "licence", "overdue", "prepareDecision", "prepareExtension", "prepareLicenceEnd"),
    *("recordAnnualReview", "resumeClock", "reviewMaterials", "searchCases", "stopClock"),
    *("tellHearingRight", "tellLonger", "todos", "unitLicences", "viewDocument", "viewMaterial"),
}
#: Root fields that show nothing of a secret item or case to anybody at all: first those that read, then the others.
NOBODY = {
    *("regionCases", "reportingSystems"),
    *("coverage", "announcementDesk", "announcements", "card", "catalogueReport", "catalogueTodos", "checkChange"),
    *("colleagues", "complaint", "complaints", "consultation", "deeds", "delegations"),
    *("documentTemplates", "documentsByPassword", "duties", "enrolment", "findingTallies", "findings"),
    *("flowchart", "grantedDecisions", "guide", "guides", "itemChange", "itemChanges", "licenceCheck"),
    *("licenceLookup", "me", "myCase", "myCases", "notices", "offeredAt", "package", "pendingCards"),
    *("progress", "questions", "secondEntries", "smsBill", "smsTemplates", "statistics"),
    *("waitingEnrolments", "windows"),
    *("acknowledgeCard", "answerQuestion", "approveEnrolment", "askHearing", "askQuestion", "beginLogin"),
    *("changeLicence", "chargeUnlisted", "checkIdentity", "commentOnChange", "confirmCard"),
    *("confirmPapers", "correctOnSpot", "decideCard", "decideChange", "decideComplaint"),
    *("decideTemplate", "delegate", "discardChange", "draftAnnouncement", "draftTemplate", "enterFee"),
    *("fileApplication", "fileComplaint", "filePackage", "finishLogin", "handOverPapers", "logInByCode"),
    *("openFiling", "prepareAnnouncementStep", "prepareCardDecision", "prepareChangeDecision"),
    "prepareDelegation",
    *("prepareLicenceChange", "prepareTemplateDecision", "proposeCard", "receiveSupplement"),
    *("rateCase", "recordOriginals", "rejectCard", "rejectEnrolment", "requestEnrolment", "requestLoginCode"),
    *("revokeCertificate", "revokeDelegation", "saveChange", "settleBill", "submitCsr"),
    *("decideSmsTemplate", "prepareSmsTemplateDecision", "proposeSmsTemplate"),
    *("takeAnnouncementStep", "urge", "viewOwnDocument", "viewOwnMaterial", "waivePapers", "withdraw"),
}

#: Addresses and what is asked there of the secret; None: nothing of an item is kept behind it.
ADDRESSES: dict[str, tuple[str, ...] | None] = {
    "/graphql": None,  # by field, above
    "/files": None,  # takes octets and gives none
    "/files/{link}": None,  # needs a link, which `viewMaterial` and `viewDocument` make
    "/public/guides": ("/public/guides", f"/public/guides?text={WORD}", "/public/guides?unit=ZJJ"),
    "/public/guides/{code}": (f"/public/guides/{ITEM}",),
    "/public/forms/{code}": (f"/public/forms/{ITEM}",),
    "/public/forms/{code}/{name}": (f"/public/forms/{ITEM}/{STAGE}.html", f"/public/forms/{ITEM}/{STAGE}.sample.html"),
    "/public/results": ("/public/results", f"/public/results?item={ITEM}"),
    "/public/announcements": ("/public/announcements",),
    "/public/feeds/{name}": tuple(
        f"/public/feeds/{name}.{form}"
        for name in ("announcements", "results", "deeds")
        for form in ("atom", "json", "html")
    ),
    "/verify": ("/verify",),
    "/verify/{document:path}": ("/verify/{document}",),
    "/healthz/livez": None,
    "/healthz/readyz": None,
}
#: Events that texts are sent about and that name no case, so no item either.
ABOUT_NO_CASE = {
    *("CalendarProvisional", "LoginCodeDrawn", "ComplaintFiled", "ComplaintAccepted", "ComplaintRefused"),
    *("ReportMissing", "ReportDrifted"),
}
#: About a question; a secret item cannot be asked about (`hall.consultations`).
ABOUT_A_QUESTION = {"QuestionAnswered", "AnswerOverdue"}
#: About a licence; a secret one is told to its unit by number alone.
ABOUT_A_LICENCE = {"LicenceEnded", "LicenceExpiring", "RenewalDeemed"}

#: Who is handed events: each is tried below.
CONSUMERS = {"supervision", "alerts", "reports", "mirror"}

#: Commands of the server that write something about items or cases, and what is true of them.
COMMANDS = {
    "catalogue check": "reads a file",
    "catalogue export": "tried below",
    "catalogue flowchart": "tried below",
    "catalogue import": "publishes: tried below",
    "catalogue publish": "publishes: tried below",
    "catalogue report": "tried below",
    "statistics": "counts without secret cases: tried by its field of the graph",
    "case show": "for whoever keeps the server, and logged",
    "archive export": "for whoever keeps the server: the archive of the unit",
    "archive verify": "reads a file",
    "sms show": "a text as it was sent, and none names a secret item: above",
    "replay": "cases of self-built systems, which have no catalogue item",
    "county load": "the sample county has no secret item",
    "load-sample": "the sample county has no secret item",
    "demo": "the sample county has no secret item",
    "evidence show": "for whoever keeps the server, and logged: what a person texted, never an item's name",
    "evidence export": "likewise",
    "evidence verify": "reads a file, or the row of a text",
    "exchange check": "reads a file",
    "exchange export": "never a secret case: tests/ferry/exchange/test_own_cases.py",
    "exchange from-log": "cases of the log's own system; reads no database",
    "exchange import": "cases of other systems",
    "exchange reconcile": "counts of other systems' rows",
    "ferry snapshot": "never a secret item or case: tests/ferry/zones/test_canaries.py",
    "exchange status": "counts, and numbers of rows that were rejected",
}
#: Commands about something else.
ABOUT_NO_ITEM = {
    *("calendar import", "calendar show", "certificate list", "certificate revoke", "clock due", "clock simulate"),
    *("config check", "config init", "directory import", "enrolment approve", "enrolment list", "log verify"),
    *("exchange sender add", "exchange sender list", "exchange sender request", "exchange sender revoke"),
    *("exchange exemption add", "exchange exemption list"),
    *("ferry certificate", "ferry export-gap", "ferry import", "ferry init", "ferry keys", "ferry ledger"),
    *("ferry accept", "ferry new-epoch", "ferry files close", "ferry files list", "ferry files resend"),
    *("ferry pause", "ferry poison close", "ferry poison list", "ferry quarantine discard", "ferry quarantine list"),
    *("ferry quarantine retry", "ferry resend", "ferry resume", "ferry roll", "ferry send-list", "ferry status"),
    *("ferry verify", "schema", "serve", "simulate smsc", "simulate mas", "simulate cmpp"),
    *("sms bill", "sms drain", "sms pause", "sms resend", "sms resume", "sms send", "sms status"),
}


# ------------------------------------------------------------------------------------------------------- the secret
async def make_secret(database: Any) -> None:
    """What no door lets in: a published item that is secret, and cases of it."""
    for row in await database.rows("SELECT id, definition FROM item_version WHERE item_code = $1", ITEM_OF_TOWN):
        definition = json.loads(str(row["definition"])) | {"secret": True}
        for name in ("name", "section", "person", "certificate", "kind_and_effect", "deciding_authority", "forms"):
            definition[name] = f"{WORD}{name}"
        for each in definition["stages"]:
            each["name"] = f"{WORD}核发"
        await database.execute(
            "UPDATE item_version SET secret = TRUE, name = $1, definition = $2 WHERE id = $3",
            f"{WORD}施工许可",
            json.dumps(definition, ensure_ascii=False),
            row["id"],
        )
    await database.execute("UPDATE case_file SET secret = TRUE, item_name = $1", f"{WORD}施工许可")
    await database.execute("UPDATE licence SET secret = TRUE, kind = $1", f"{WORD}许可证")


class Secret:
    """An office with two secret cases: one granted and delivered, one at its first level, late and with its cards."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.number = self.done = self.document = self.licence = ""

    async def plant(self) -> None:
        office = self.office
        self.done = await office.accepted()
        for officer, decision in (
            (HANDLER, "AGREE"),
            ("OFF-0002", "AGREE"),
            ("OFF-0003", "GRANT"),
            (HANDLER, "COMPLETE"),
            (CLERK, "DELIVER"),
        ):
            await office.decide(officer, self.done, decision)
        self.number = await office.accepted()
        await make_secret(office.database)
        self.licence = (await Licence.get(case_number=self.done)).number
        case = await Case.get(number=self.done)
        self.document = (await Document.get(case_id=case.id, kind="grant")).number
        office.clock.advance(timedelta(days=30))
        await office.clock_does(TurnLights())
        await office.clock_does(IssueOrders())
        while await office.courier.deliver():
            pass
        proposal = {"case": self.number, "colour": "RED", "ground": "NO_REASONS", "facts": ""}
        token = (await office.phone(SUPERVISOR)).token
        proposed = await office.get("ProposeCard", token, idempotencyKey="a red card", **proposal)
        assert proposed["__typename"] == "CardPayload", proposed

    @property
    def subjects(self) -> tuple[str, ...]:
        """The numbers under which something of the secret is kept."""
        return self.number, self.done, self.licence, self.document, "C000001"

    def known(self, about: str = "") -> dict[str, Any]:
        """What somebody asks who guesses well. `about`: in place of a number, whatever it is the number of."""
        return {
            **dict.fromkeys(SUBJECTS, about or self.number),
            "item": ITEM,
            "code": ITEM,
            "stage": STAGE,
            "password": query_password(self.office.secrets, about or self.number),
            "unit": "ZJJ",
            "window": "ZWZX",
            "first": 50,
            "text": "施工",
            "phone": APPLICANT,
            "applicant": "衡江建设有限公司",
            "applicantIdNumber": "91430400MA4L000000",
            "holderIdNumber": "91430400MA4L000000",
            "idNumber": "91430400MA4L000000",
        }


@pytest.fixture
async def secret(stage: Office) -> Secret:  # noqa: F811
    planted = Secret(stage)
    await planted.plant()
    return planted


# ------------------------------------------------------------------------------------------------------- the graph
def root_fields() -> set[str]:
    assert SCHEMA.query_type is not None
    assert SCHEMA.mutation_type is not None
    return {*SCHEMA.query_type.fields, *SCHEMA.mutation_type.fields}


def test_every_field_of_the_graph_is_in_the_tables():
    assert root_fields() == THE_UNIT_ITSELF | NOBODY
    assert not THE_UNIT_ITSELF & NOBODY


def sample(kind: Any, name: str, known: dict[str, Any]) -> Any:
    """A value that fits, and asks for the secret wherever its name allows."""
    if isinstance(kind, GraphQLNonNull):
        return sample(kind.of_type, name, known)
    if isinstance(kind, GraphQLList):
        return [sample(kind.of_type, name, known)]
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        wanted = {
            key: field for key, field in kind.fields.items() if isinstance(field.type, GraphQLNonNull) or key in known
        }
        return {key: sample(field.type, key, known) for key, field in wanted.items()}
    if name in known:
        return known[name]
    return {"Int": 1, "Boolean": True, "ID": "1", "Date": "2026-10-18", "Base64URL": "AAAA"}.get(kind.name, "x")


@functools.cache
def definition_of(operation: str) -> OperationDefinitionNode:
    document = parse(OPERATIONS[operation].body)
    (definition,) = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    return definition


def variables_of(operation: str, known: dict[str, Any]) -> dict[str, Any]:
    definition = definition_of(operation)
    found = {}
    for variable in definition.variable_definitions or ():
        name = variable.variable.name.value
        kind = type_from_ast(SCHEMA, variable.type)
        if isinstance(kind, GraphQLNonNull) or name in known:
            found[name] = sample(kind, name, known)
    return found


def arguments_of(operation: str) -> set[str]:
    """Names of its variables and of the fields in them."""
    return set(re.findall(r"\w+", json.dumps(variables_of(operation, dict.fromkeys(SUBJECTS, "1")))))


def root_of(operation: str) -> str:
    (field,) = [each for each in definition_of(operation).selection_set.selections if isinstance(each, FieldNode)]
    return field.name.value


async def test_no_field_of_the_graph_names_a_secret_item_to_anybody_but_its_unit(secret: Secret):
    office = secret.office
    assert {root_of(name) for name in OPERATIONS} == root_fields()
    applicant = await log_in(office, APPLICANT)
    tokens = {"nobody": None, "the applicant": applicant}
    tokens |= {who: (await office.phone(who)).token for who in (*OTHERS, HANDLER)}
    told: dict[str, set[str]] = {}
    # First what reads: a change may end the case, whose password is known here.
    for name, operation in sorted(OPERATIONS.items(), key=lambda each: each[1].type, reverse=True):
        askers = tokens if operation.type == "query" else {who: tokens[who] for who in ("nobody", *CHANGING)}
        for who, token in askers.items():
            for about in secret.subjects if SUBJECTS & arguments_of(name) else ("",):
                known = {**secret.known(about), "idempotencyKey": f"{who}-{name}-{about}"[-64:]}
                body = {"query": operation.body, "operationName": name, "variables": variables_of(name, known)}
                if WORD in (await office.post(body, token)).text:
                    told.setdefault(root_of(name), set()).add(who)
    assert set(told) <= THE_UNIT_ITSELF
    assert {who for whoever in told.values() for who in whoever} == {HANDLER}
    assert {"todos", "case"} <= set(told)  # the word is there to be found


async def test_the_words_that_are_signed_name_it_only_to_its_unit(secret: Secret):
    """The statement about a card goes to another authority, that about a decision stays."""
    office = secret.office
    card = {"card": "C000001", "revision": 1, "decision": "CONFIRM"}
    leader = (await office.phone(CARD_LEADER)).token
    request = await office.get("PrepareCardDecision", leader, decision=card)
    assert request["__typename"] == "SigningPayload", request
    assert WORD not in json.dumps(request, ensure_ascii=False)
    assert "涉密事项" in request["display"]
    case = await Case.get(number=secret.number)
    decision = {"case": case.number, "revision": case.revision, "step": "level:1", "decision": "AGREE", "opinion": "同"}
    own = await office.get("PrepareDecision", (await office.phone(HANDLER)).token, decision=decision)
    assert WORD in own["display"]
    for who in OTHERS:
        other = await office.get("PrepareDecision", (await office.phone(who)).token, decision=decision)
        assert other["__typename"] == "Refusal"


async def test_nothing_can_be_filed_asked_drafted_or_published_about_it(secret: Secret):
    office = secret.office
    application = {
        "item": ITEM,
        "stage": STAGE,
        "applicantName": "甲",
        "applicantIdNumber": "1",
        "applicantPhone": APPLICANT,
        "materials": [],
    }
    filed = await office.get("FileApplication", idempotencyKey="file-it-now", application=application)
    assert (filed["__typename"], WORD in str(filed)) == ("Refusal", False)
    definition = json.loads(as_json([items()[0]]))[0] | {"secret": True}
    act = PublishItem(definition=json.dumps(definition).encode())
    refused = await office.office.perform(act, THE_OPERATOR, key=None)
    assert isinstance(refused, Refusal)
    assert refused.code == "ITEM_SECRET"
    draft = {"kind": "ADJUST", "item": ITEM, "reason": "调整。", "definitions": [b64u(act.definition)]}
    token = (await office.phone(HANDLER)).token
    saved = await office.get("SaveChange", token, idempotencyKey="draft-it-now", change=draft)
    assert saved["code"] == "ITEM_SECRET"


# ------------------------------------------------------------------------------------------------------- addresses
async def test_no_address_shows_it(secret: Secret):
    office = secret.office
    assert {route.path for route in routes(office.services)} == set(ADDRESSES)
    for path, tries in ADDRESSES.items():
        for address in tries or ():
            address = address.replace("{document}", quote(secret.document))
            for method in ("GET", "POST") if path.startswith("/verify") else ("GET",):
                answer = await office.http.request(method, address, data={"code": secret.document})
                assert WORD not in answer.text, address
                if ITEM in path or "{code}" in path:
                    assert answer.status_code == 404, address
    assert '"items":[]' not in (await office.http.get("/public/guides")).text  # others are there


def test_beside_the_phones_door_there_are_certificates_figures_and_what_a_carrier_pushes_to_us():
    written = inspect.getsource(doors.build_app)
    assert re.findall(r"Starlette\(routes=\[(.+)\]\)", written) == [
        "*routes(services), crl, metrics, *_exchange(system), *_push_routes(system, carriers)"
    ]


# ------------------------------------------------------------------------------------------------- texts and mails
def happened(kind: type[Event], known: dict[str, Any]) -> Event:
    """An event of this kind about the secret case; what `known` does not say is of the right type."""
    values = {}
    for each in msgspec.structs.fields(kind):
        values[each.name] = known.get(each.name, _of(each.type))
    return kind(**values)


def _of(kind: Any) -> Any:
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    origin = get_origin(kinds[0]) or kinds[0]
    plain = {
        str: "x",
        bytes: b"x",
        int: 1,
        bool: True,
        date: date(2026, 10, 9),
        datetime: datetime(2026, 10, 9, tzinfo=UTC),
    }
    return plain.get(origin, ())


def _filled(model: type[Model], known: dict[str, Any]) -> dict[str, Any]:
    """A row with every column that must say something."""
    columns = {
        name: field
        for name, field in model._meta.fields_map.items()
        if not field.generated and not field.null and field.default is None and name != "id"
    }
    return {name: _of(field.field_type) for name, field in columns.items()} | known


async def test_no_text_names_it_whatever_happens(county: County):  # noqa: F811
    """Every event that somebody is told about, as if it had happened to a secret case."""
    number = await county.accepted()
    await make_secret(county.database)
    county.at("2026-11-20")
    await county.turn_lights()  # with its order and its card, which a text with a code asks about
    case = await Case.get(number=number)
    task = await Task.filter(case_id=case.id).first()
    card = await Card.all().first()
    assert task is not None
    assert card is not None
    number_of_licence = "衡住建〔2026〕1号"
    licence = {"number": number_of_licence, "kind": f"{WORD}许可证", "case_number": number, "secret": True}
    await Licence.create(**_filled(Licence, {**licence, "item_code": case.item_code, "holder_phone": APPLICANT}))
    known = {
        "case": number,
        "by_case": number,
        "unit": case.unit_code,
        "by_unit": case.unit_code,
        "task": task.id,
        "step": task.step,
        "role": task.role,
        "card": card.id,
        "item": case.item_code,
        "assignee": None,
        "licence": number_of_licence,
        "colour": "red",
        "deadline": "committed",
        "outcome": "refused",
        "ground": "hearing",
        "state": "revoked",
    }
    events = {line.event for line in POLICY}
    without_case = {kind.__name__ for kind in events if "case" not in kind.__struct_fields__}
    assert without_case == ABOUT_NO_CASE | ABOUT_A_QUESTION
    for kind in sorted(events, key=lambda kind: kind.__name__):
        if "case" in kind.__struct_fields__:
            for colour in ("yellow", "red"):
                await county.happened(happened(kind, {**known, "colour": colour}))
    await county.tell()
    messages = await county.database.rows("SELECT * FROM message")
    assert len(messages) > 20
    assert not [row for row in messages if WORD in str(row)]
    by_sms = [body for phone, body in await county.texts() if phone == APPLICANT]
    assert all(case.item_code not in body for body in by_sms)


async def test_no_event_no_order_no_card_and_no_finding_names_it(secret: Secret):
    office = secret.office
    reports = due_consumer(wiring.EVENTS, own="")  # what leaves by them: tests/ferry/exchange/test_pushing.py
    mirror = mirror_consumer((), wiring.EVENTS)  # likewise: tests/ferry/zones/test_canaries.py
    assert {each.name for each in (findings_consumer(), alerts_consumer(), reports, mirror)} == CONSUMERS
    assert set(re.findall(r"(\w+)_consumer\(\)", inspect.getsource(wiring._assemble))) == {"findings", "alerts"}
    token = (await office.phone(CARD_LEADER)).token
    card = {"card": "C000001", "revision": 1, "decision": "CONFIRM"}
    request = await office.get("PrepareCardDecision", token, decision=card)
    signed = (await office.phone(CARD_LEADER)).signed(request)
    decided = await office.get("DecideCard", token, idempotencyKey="confirm-the-card", decision=card, signed=signed)
    assert decided["__typename"] == "CardPayload", decided
    assert await SupervisionOrder.all().count() >= 1
    assert (await Card.get(id="C000001")).html
    for table in ("event", "outbox", "light", "supervision_order", "card", "finding", "explanation_task"):
        for row in await office.database.rows(f"SELECT * FROM {table}"):
            assert WORD not in str(row), table


# --------------------------------------------------------------------------------------------- files and commands
def test_every_command_is_in_the_tables():
    assert every_command() == set(COMMANDS) | ABOUT_NO_ITEM


async def test_no_export_no_report_and_no_chart_holds_it(secret: Secret):
    database = secret.office.database
    assert await Item.exists(code=ITEM, state="published")
    found = await items_in_force(database)
    assert ITEM not in {item.code for item in found}
    planted = [*found, msgspec.structs.replace(items()[0], secret=True, name=WORD)]
    for written in (as_json(planted), as_excel(planted)):
        assert ITEM not in {item.code for item in read(written, CaseworkRules()).items}
    catalogue = await whole_catalogue(database, CaseworkRules())
    for kind in ReportKind:
        made = report(kind, catalogue, now=secret.office.clock.now())
        assert not [cell for row in made.rows for cell in row if ITEM in cell or WORD in cell]
        content, _ = as_file(made, catalogue)
        assert WORD.encode() not in content
    with pytest.raises(NotFound):
        await chart_of(database, ITEM, STAGE)


async def test_who_asks_by_text_or_password_hears_of_no_such_case(secret: Secret):
    act = QueryProgress(number=secret.number, password=query_password(secret.office.secrets, secret.number))
    refused = await secret.office.office.perform(act, ANYBODY, key=None)
    assert isinstance(refused, Refusal)
    assert WORD not in refused.text
