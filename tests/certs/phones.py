"""An office with a CA, some officers, and the phones they carry."""

import shutil
import subprocess
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certs import acts, enrolment, login, revocation
from certs.authority import Authority
from certs.encodings import sign_es256, signature_p1363, spki_of
from certs.events import EVENTS
from certs.notary import CertNotary
from certs.tokens import Sessions, Tokens
from kernel.actor import ANYBODY, THE_OPERATOR, Actor, ActorKind, Assurance, Role
from kernel.acts import Act, Done, Proof, SignatureFormat, SignedBytes, SigningRequest, Statement, View
from kernel.chance import Secrets
from kernel.clock import FakeClock
from kernel.db import Database
from kernel.events import EventCodec
from kernel.notary import Assured
from kernel.office import Office, Rule
from kernel.outbox import Outbox
from kernel.permissions import anybody
from kernel.refusals import Refusal
from kernel.tables import Officer, Unit
from kernel.work import Desk, Work

STATEMENT = Statement(
    kind="case.decision",
    subject="粤建许〔2026〕0001号",
    revision=7,
    title="施工许可 科室审核",
    lines=(("办件编号", "粤建许〔2026〕0001号"), ("决定", "同意"), ("意见", "材料齐全，同意，按程序办理。")),
    facts={"step": "level:2", "decision": "agree", "opinion": "材料齐全", "items": "[]"},
)


class Prepare(Act[SigningRequest], frozen=True, tag="test.prepare"):
    statement: Statement = STATEMENT


class Sign(Act[Done], frozen=True, tag="test.sign"):
    note: str = ""


async def _prepare(work: Work, act: Prepare) -> SigningRequest:
    return await work.notary.prepare(work, act.statement)


@dataclass
class Bench:
    """The office under test. `signed` remembers what the notary made of the last proof."""

    database: Database
    clock: FakeClock
    authority: Authority
    secrets: Secrets = field(default_factory=lambda: Secrets(b"k" * 32))
    signed: Assured | None = None
    _keys: count = field(default_factory=count)

    def __post_init__(self) -> None:
        codec = EventCodec(EVENTS)
        self.notary = CertNotary()
        self.tokens, self.sessions = Tokens(self.authority), Sessions(self.authority)
        self.desk = Desk(
            database=self.database,
            clock=self.clock,
            notary=self.notary,
            secrets=self.secrets,
            provisions={Authority: self.authority},
        )
        rules = [Rule(act, use_case, anybody, Assurance.NONE) for act, use_case in USE_CASES]
        rules.append(Rule(Sign, self._sign, anybody, Assurance.SMS_CODE))
        self.office = Office(self.desk, outbox=Outbox(self.database, codec, ()), rules=rules)

    async def _sign(self, work: Work, act: Sign) -> Done:
        self.signed = work.assured
        return Done()

    async def perform(self, act: Act, actor: Actor = ANYBODY, proof: Proof | None = None) -> View | Refusal:
        return await self.office.perform(act, actor, key=f"key-{next(self._keys)}", proof=proof)

    async def done(self, act: Act, actor: Actor = ANYBODY, proof: Proof | None = None):
        outcome = await self.perform(act, actor, proof)
        assert not isinstance(outcome, Refusal), outcome
        return outcome

    async def refused(self, act: Act, actor: Actor = ANYBODY, proof: Proof | None = None) -> str:
        outcome = await self.perform(act, actor, proof)
        assert isinstance(outcome, Refusal), outcome
        return outcome.code

    async def hire(self, number: int, *roles: Role) -> Actor:
        await Unit.get_or_create(code="JSJ", defaults={"name": "建设局", "short_name": "建设", "kind": "authority"})
        row = await Officer.create(
            id=f"OFF-{number:04d}",
            name=f"张三{number}",
            unit_code="JSJ",
            phone=f"1380000{number:04d}",
            roles=[role.value for role in roles],
        )
        return Actor(
            kind=ActorKind.OFFICER,
            id=row.id,
            name=row.name,
            roles=frozenset(roles),
            unit="JSJ",
            phone=row.phone,
            assurance=Assurance.SESSION,
        )

    async def enrolled(self, officer: Actor, device: str = "手机") -> "Phone":
        phone = Phone()
        await phone.ask(self, officer, device)
        await phone.prove(self)
        view = await self.done(acts.ApproveEnrolment(enrolment=phone.enrolment), THE_OPERATOR)
        phone.chain = (await phone.status(self)).chain
        assert view.state == "issued"
        return phone

    async def in_work(self, officer: Actor) -> Work:
        return Work(self.desk, now=self.clock.now(), actor=officer, assured=Assured(level=Assurance.SESSION))


class Phone:
    """A device with a key in its hardware."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.chain: tuple[bytes, ...] = ()

    @property
    def certificate(self) -> bytes:
        return self.chain[0]

    async def ask(self, bench: Bench, officer: Actor, device: str = "手机") -> acts.EnrolmentOpened:
        act = acts.RequestEnrolment(officer=officer.id, device=device, public_key=spki_of(self.key.public_key()))
        opened = await bench.done(act)
        self.enrolment, self.pickup, self.to_sign = opened.enrolment, opened.pickup, opened.to_sign
        return opened

    async def prove(self, bench: Bench) -> acts.EnrolmentView:
        return await bench.done(acts.SubmitCsr(enrolment=self.enrolment, signature=self.sign(self.to_sign)))

    async def status(self, bench: Bench) -> acts.EnrolmentView:
        return await enrolment.enrolment_status(bench.authority, bench.secrets, self.enrolment, self.pickup)

    async def log_in(self, bench: Bench) -> acts.SessionView:
        challenge = await bench.done(acts.BeginLogin(certificate=self.certificate))
        return await bench.done(acts.FinishLogin(nonce=challenge.nonce, signature=self.sign(challenge.payload)))

    def sign(self, content: bytes, form: SignatureFormat = SignatureFormat.DER) -> bytes:
        der = sign_es256(self.key, content)
        return der if form is SignatureFormat.DER else signature_p1363(der)

    def proof(self, request: SigningRequest, form: SignatureFormat = SignatureFormat.DER) -> SignedBytes:
        return SignedBytes(nonce=request.nonce, signature=self.sign(request.payload, form), format=form)


USE_CASES = (
    (acts.RequestEnrolment, enrolment.request_enrolment),
    (acts.SubmitCsr, enrolment.submit_csr),
    (acts.CheckIdentity, enrolment.check_identity),
    (acts.ApproveEnrolment, enrolment.approve_enrolment),
    (acts.RejectEnrolment, enrolment.reject_enrolment),
    (acts.RevokeCertificate, revocation.revoke_certificate),
    (acts.PublishRevocationList, revocation.publish_revocation_list),
    (acts.PruneRequests, login.prune_requests),
    (acts.BeginLogin, login.begin_login),
    (acts.FinishLogin, login.finish_login),
    (Prepare, _prepare),
)


def openssl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the openssl command line; a machine without it skips the test."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    return subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
