"""The whole office behind its GraphQL door: real rules, real certificates, the contract's own operations."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from casework.acts import PublishItem
from casework.clock.calendars import builtin_calendar
from casework.clock.working_days import Calendar
from casework.intake.uploads import FileStore
from casework.rules import CaseworkRules
from casework.seed import county, items
from certs.acts import ApproveEnrolment
from certs.authority import Authority
from certs.encodings import b64u, sign_es256, spki_of, unb64u
from certs.notary import CertNotary
from hall.rules import HallRules
from kernel.actor import THE_CLOCK, THE_OPERATOR
from kernel.chance import Secrets
from kernel.clock import FakeClock
from kernel.db import Database
from kernel.events import EventCodec
from kernel.office import Office
from kernel.outbox import Courier, Outbox
from kernel.refusals import Refusal
from kernel.tables import Officer, Unit
from kernel.work import Desk
from mobile_api.app import build_app
from mobile_api.authentication import CertificateSessions
from mobile_api.services import Limits, Services
from server.acts import RULES
from server.wiring import EVENTS
from supervision.findings import consumer as findings
from supervision.rules import SupervisionRules
from tools.contract import Operation, operations

HALL, SUPERVISION = "ZWZX", "JCZX"
#: Officers of the sample county by what they are.
CLERK, HANDLER, HEAD, LEADER, CHIEF = "OFF-0029", "OFF-0001", "OFF-0002", "OFF-0003", "OFF-0004"
OTHER_HANDLER, SUPERVISOR, CARD_LEADER, RA, RA2 = "OFF-0005", "OFF-0032", "OFF-0033", "OFF-0034", "OFF-0036"
ITEM, STAGE = "ZJ-XK-001", "ZJ-XK-001-01"
APPLICANT_PHONE = "13800000001"

OPERATIONS: dict[str, Operation] = {each.name: each for each in operations()}


class Stage:
    def __init__(self, database: Database, clock: FakeClock, authority: Authority, files: Path) -> None:
        self.database, self.clock, self.authority = database, clock, authority
        rules = CaseworkRules(hall_unit=HALL)
        codec = EventCodec(EVENTS)
        consumers = (findings(),)
        outbox = Outbox(database, codec, consumers)
        self.secrets = Secrets(b"k" * 32)
        self.desk = Desk(
            database=database,
            clock=clock,
            notary=CertNotary(),
            secrets=self.secrets,
            provisions={
                Authority: authority,
                Calendar: builtin_calendar(),
                CaseworkRules: rules,
                SupervisionRules: SupervisionRules(supervision_unit=SUPERVISION),
                HallRules: HallRules(),
                FileStore: FileStore(files),
            },
        )
        self.office = Office(self.desk, outbox=outbox, rules=RULES)
        self.courier = Courier(self.desk, outbox=outbox, codec=codec, consumers=consumers)
        self.services = Services(
            database=database,
            office=self.office,
            clock=clock,
            calendars=builtin_calendar,
            authenticator=CertificateSessions.of(authority, clock),
            authority=authority,
            secrets=self.secrets,
            files=files,
            rules=rules,
        )
        self.phones: dict[str, Phone] = {}
        self.open_door()

    def open_door(self, *, demo: bool = False, **limits: Any) -> None:
        """The app anew, with other limits; rates out of the way unless they are the matter."""
        rates = {name: "100000/minute" for name in ("per_address", "per_officer", "anonymous_acts")}
        services = replace(self.services, limits=Limits(**{**rates, **limits}), demo=demo)
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(build_app(services), raise_app_exceptions=True), base_url="http://office"
        )

    async def settle(self) -> None:
        sample = county()
        await Unit.bulk_create([Unit(**msgspec.structs.asdict(unit)) for unit in sample.units])
        await Officer.bulk_create([Officer(**msgspec.to_builtins(officer)) for officer in sample.officers])
        for item in items():
            if item.code in (ITEM, "SJ-XK-001"):
                await self.office.perform(
                    PublishItem(definition=msgspec.json.encode(item)), THE_OPERATOR, key=f"publish {item.code}"
                )

    async def clock_does(self, act) -> Any:
        outcome = await self.office.perform(act, THE_CLOCK, key=None)
        assert not isinstance(outcome, Refusal), outcome
        return outcome

    # ------------------------------------------------------------------------------------------ what phones do
    async def post(self, body: Any, token: str | None = None, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        all_headers = {"content-type": "application/json", **headers}
        if token:
            all_headers["authorization"] = f"Bearer {token}"
        return await self.http.post("/graphql", content=content, headers=all_headers)

    async def ask(self, name: str, token: str | None = None, **variables: Any) -> dict[str, Any]:
        """The whole answer of a contract operation."""
        body = {"query": OPERATIONS[name].body, "operationName": name, "variables": variables}
        response = await self.post(body, token)
        answer: dict[str, Any] = response.json()
        return answer

    async def get(self, name: str, token: str | None = None, **variables: Any) -> Any:
        """The root field of an operation that must not fail."""
        answer = await self.ask(name, token, **variables)
        assert "errors" not in answer, answer
        (field,) = answer["data"].values()
        return field

    async def phone(self, officer: str) -> "Phone":
        """The officer's phone, enrolled and logged in; again once its token has run out."""
        phone = self.phones.get(officer)
        if phone is None:
            phone = self.phones[officer] = Phone(self, officer)
            await phone.enrol()
        if phone.token is None or self.clock.now() >= phone.until:
            await phone.log_in()
        return phone

    async def file(self, **changes: Any) -> dict[str, Any]:
        application = {
            "item": ITEM,
            "stage": STAGE,
            "applicantName": "衡江建设有限公司",
            "applicantIdNumber": "91430400MA4L000000",
            "applicantPhone": APPLICANT_PHONE,
            "materials": [{"name": "申请表"}],
            **changes,
        }
        filed = await self.get("FileApplication", idempotencyKey=self.secrets.token(), application=application)
        assert filed["__typename"] == "FiledPayload", filed
        return filed

    async def decide(self, officer: str, case: str, decision: str, opinion: str = "同意。", **more: Any) -> Any:
        """As a phone does: finds the task, prepares, signs, submits."""
        phone = await self.phone(officer)
        todos = await self.get("Todos", phone.token)
        task = next(node for node in todos["nodes"] if node["case"]["number"] == case)
        chosen = {
            "case": case,
            "revision": task["case"]["revision"],
            "step": task["step"],
            "decision": decision,
            "opinion": opinion,
            **more,
        }
        request = await self.get("PrepareDecision", phone.token, decision=chosen)
        assert request["__typename"] == "SigningPayload", request
        key = self.secrets.token()
        return await self.get("Decide", phone.token, idempotencyKey=key, decision=chosen, signed=phone.signed(request))

    async def accepted(self, **changes: Any) -> str:
        filed = await self.file(**changes)
        await self.decide(CLERK, filed["number"], "ACCEPT", "材料齐全，予以受理。")
        return str(filed["number"])


class Phone:
    """One officer's device: its key never leaves it."""

    def __init__(self, stage: Stage, officer: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.stage, self.officer = stage, officer
        self.token: str | None = None
        self.certificate = ""
        self.serial = ""

    async def enrol(self, device: str = "手机") -> None:
        stage, key = self.stage, self.stage.secrets.token
        opened = await stage.get(
            "RequestEnrolment",
            idempotencyKey=key(),
            officer=self.officer,
            device=device,
            publicKey=b64u(spki_of(self.key.public_key())),
        )
        await stage.get(
            "SubmitCsr", idempotencyKey=key(), enrolment=opened["enrolment"], signature=self.sign(opened["toSign"])
        )
        await stage.office.perform(ApproveEnrolment(enrolment=opened["enrolment"]), THE_OPERATOR, key=None)
        status = await stage.get("EnrolmentStatus", id=opened["enrolment"], pickup=opened["pickup"])
        self.certificate = status["chain"][0]

    async def log_in(self) -> None:
        challenge = await self.stage.get("BeginLogin", certificate=self.certificate)
        session = await self.stage.get(
            "FinishLogin", nonce=challenge["nonce"], signature=self.sign(challenge["payload"])
        )
        assert session["__typename"] == "Session", session
        self.token = session["token"]
        self.until = msgspec.json.decode(json.dumps(session["expiresAt"]), type=type(self.stage.clock.now()))

    def sign(self, payload: str) -> str:
        return b64u(sign_es256(self.key, unb64u(payload)))

    def signed(self, request: dict[str, Any]) -> dict[str, str]:
        return {"nonce": request["nonce"], "signature": self.sign(request["payload"])}
