"""Sealed evidence of a confirmation by text message (MO).

A text is an acknowledgement, not an electronic signature: the phone holds no key. So the office keeps exactly what
the carrier delivered (raw PDUs, numbers, times) with the act it caused, as canonical JSON (RFC 8785), sealed with
the server's evidence certificate. A bundle verifies offline with the root certificate alone, and only byte for byte.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import Authority, server_signer
from certs.encodings import b64u, check_es256, sha256_hex, sign_es256, unb64u
from certs.profiles import SERVER_EVIDENCE
from certs.refusals import EvidenceInvalid
from certs.signatures import canonical, instant_text
from certs.tables import EvidenceRecord, IssuedCertificate
from certs.verification import Verifier, read_certificate
from kernel.acts import Act, TextProof, View
from kernel.numbers import next_number
from kernel.refusals import NotFound, Refusal
from kernel.work import Work

_KIND = "zhangban-text-confirmation"


async def seal_text(work: Work, act: Act[View], proof: TextProof) -> str:
    """Seals what was received and what it caused; returns the evidence number ("EV00000001")."""
    authority = work.given(Authority)
    signer = await server_signer(authority, SERVER_EVIDENCE, holder="server", name="证据封存", now=work.now)
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


async def evidence_bundle(authority: Authority, number: str) -> bytes:
    """A self-contained file: body, seal and the seal's chain. Raises NotFound."""
    record = await EvidenceRecord.get_or_none(number=number)
    if record is None:
        raise NotFound(what="证据记录")
    certificate = await IssuedCertificate.get(id=record.certificate_id)
    chain = [certificate.der, authority.issuing.public_bytes(Encoding.DER)]
    return _written(record.body, record.signature, chain)


def verified(bundle: bytes, root: x509.Certificate) -> dict[str, object]:
    """The sealed body of an intact bundle; needs nothing but the root. Raises EvidenceInvalid."""
    try:
        parts = json.loads(bundle)
        body, signature = unb64u(parts["body"]), unb64u(parts["signature"])
        chain = [unb64u(link) for link in parts["chain"]]
        if _written(body, signature, chain) != bundle:
            raise EvidenceInvalid(why="not in canonical form")
        sealed: dict[str, object] = json.loads(body)
        at = datetime.fromisoformat(str(sealed["sealed_at"]))
        verifier = Verifier([root], [read_certificate(link) for link in chain[1:]])
        check_es256(verifier.relied_on(chain[0], SERVER_EVIDENCE, at=at).key, body, signature)
    except (ValueError, TypeError, LookupError, RecursionError) as wrong:
        raise EvidenceInvalid(why=type(wrong).__name__) from None
    except EvidenceInvalid:
        raise
    except Refusal as refused:
        raise EvidenceInvalid(why=refused.code) from None
    return sealed


def _written(body: bytes, signature: bytes, chain: Sequence[bytes]) -> bytes:
    parts = {"v": 1, "body": b64u(body), "signature": b64u(signature), "chain": [b64u(link) for link in chain]}
    return canonical(parts)
