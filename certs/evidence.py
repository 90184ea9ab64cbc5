"""Sealed evidence of what a person asked for by text message (MO).

A text is an acknowledgement, not an electronic signature: the phone holds no key. So the office keeps exactly what
the carrier delivered (raw PDUs, numbers, times) with the act it asked for, as canonical JSON (RFC 8785), sealed with
the server's evidence certificate before the act is performed: what was refused is sealed like what was done. A sealed
body verifies offline with the root certificate alone, and only byte for byte; server/evidence/ makes a file of it.

Limits: the time is the office's own; no time-stamping authority (RFC 3161) witnesses it.
"""

import re
from datetime import UTC, datetime

import msgspec

from certs.acts import Attestation, AttestEvidence
from certs.authority import Authority, server_signer
from certs.encodings import b64u, check_es256, sha256_hex, sign_es256, unb64u
from certs.events import EvidenceViewed
from certs.profiles import SERVER_EVIDENCE
from certs.refusals import CertificateRevoked, EvidenceInvalid
from certs.signatures import canonical, instant_text
from certs.tables import EvidenceRecord, IssuedCertificate
from certs.verification import RevocationList, Trusted, Verifier
from kernel.acts import Act, TextProof, View
from kernel.numbers import next_number
from kernel.refusals import NotFound
from kernel.work import Work

_KIND = "zhangban-text-confirmation"
_SEALER = "证据封存"
_NUMBER = re.compile(r"EV\d{8,18}", re.ASCII)


class TextBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sealed. `act`: the act with its tag; `pdus`: base64url, as the carrier delivered them, in their order."""

    v: int
    kind: str
    number: str
    act: dict[str, object]
    actor: dict[str, str]
    inbound: str
    sender: str
    receiver: str
    text: str
    text_sha256: str
    pdus: tuple[str, ...]
    pdus_sha256: tuple[str, ...]
    carrier: str
    smsc_time: str | None
    received_at: str
    sealed_at: str

    @property
    def frames(self) -> list[bytes]:
        """Raises ValueError for what is no base64url."""
        return [unb64u(pdu) for pdu in self.pdus]


class SealedText(msgspec.Struct, frozen=True):
    """The octets that were sealed, their seal (DER), and the certificate (DER) it verifies with."""

    number: str
    body: bytes
    signature: bytes
    certificate: bytes


async def seal_text(work: Work, act: Act[View], proof: TextProof) -> str:
    """Seals what was received and what it asks for; returns the evidence number ("EV00000001")."""
    authority = work.given(Authority)
    signer = await server_signer(authority, SERVER_EVIDENCE, holder="server", name=_SEALER, now=work.now)
    number = f"EV{await next_number('evidence'):08d}"
    body = canonical(_body(work, number, act, proof))
    await EvidenceRecord.create(
        number=number,
        inbound=proof.inbound,
        actor=f"{work.actor.kind}:{work.actor.id}",
        body=body,
        signature=sign_es256(signer.key, body),
        certificate_id=signer.row.id,
        sealed_at=work.now,
    )
    return number


async def sealed_text(number: str) -> SealedText:
    """As it was sealed; `number` as the person had it in a text. Raises NOT_FOUND."""
    number = number.strip().upper()
    record = await EvidenceRecord.get_or_none(number=number) if _NUMBER.fullmatch(number) else None
    if record is None:
        raise NotFound(what="证据记录")
    certificate = await IssuedCertificate.get(id=record.certificate_id)
    return SealedText(number, bytes(record.body), bytes(record.signature), certificate.der)


async def attest_evidence(work: Work, act: AttestEvidence) -> Attestation:
    """Raises NOT_FOUND."""
    sealed = await sealed_text(act.number)
    signer = await server_signer(work.given(Authority), SERVER_EVIDENCE, holder="server", name=_SEALER, now=work.now)
    work.record(EvidenceViewed(evidence=sealed.number, what=act.what, sha256=sha256_hex(act.record)))
    return Attestation(signature=sign_es256(signer.key, act.record), certificate=signer.row.der)


def read_body(body: bytes) -> TextBody:
    """Raises EVIDENCE_INVALID for what is no such body, or not in its one spelling."""
    try:
        read = msgspec.json.decode(body, type=TextBody)
        if canonical(read) != body:
            raise EvidenceInvalid(why="not in canonical form")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as wrong:
        raise EvidenceInvalid(why=type(wrong).__name__) from None
    if (read.v, read.kind) != (1, _KIND):
        raise EvidenceInvalid(why="another kind of record")
    return read


def check_sealed(
    content: bytes,
    attested: Attestation,
    verifier: Verifier,
    *,
    at: datetime,
    revocations: RevocationList | None = None,
) -> Trusted:
    """Whether the office's evidence seal over `content` holds and its certificate held at that instant.

    A list made later than that is as good: it names when each certificate was revoked. Raises the refusal.
    """
    trusted = verifier.relied_on(attested.certificate, SERVER_EVIDENCE, at=at)
    since = revocations.revoked.get(trusted.certificate.serial_number) if revocations else None
    if since is not None and since <= at:
        raise CertificateRevoked(at=since.isoformat())
    check_es256(trusted.key, content, attested.signature)
    return trusted


def _body(work: Work, number: str, act: Act[View], proof: TextProof) -> dict[str, object]:
    return {
        "v": 1,
        "kind": _KIND,
        "number": number,
        "act": act,
        "actor": {"kind": work.actor.kind, "id": work.actor.id, "name": work.actor.name},
        "inbound": str(proof.inbound),
        "sender": proof.sender,
        "receiver": proof.receiver,
        "text": proof.text,
        "text_sha256": sha256_hex(proof.text.encode("utf-8", "surrogatepass")),
        "pdus": [b64u(pdu) for pdu in proof.pdus],
        "pdus_sha256": [sha256_hex(pdu) for pdu in proof.pdus],
        "carrier": proof.carrier,
        "smsc_time": proof.smsc_time,
        "received_at": proof.received_at.astimezone(UTC).isoformat(),
        "sealed_at": instant_text(work.now),
    }
