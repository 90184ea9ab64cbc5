"""The office's notary: prepares statements to sign, turns proofs into assurance, seals documents.

Electronic Signature Law, art. 13: the signing key is the officer's alone (it never leaves the phone), and every
later change of signature or content shows. A nonce is good for one signature, by compare-and-swap.
"""

from collections.abc import Sequence

import msgspec

from certs.authority import Authority, server_signer
from certs.encodings import check_es256, sha256_hex, sign_es256, signature_der
from certs.evidence import seal_text
from certs.profiles import OFFICER_SIGNING, UNIT_SEAL
from certs.refusals import (
    CertificateNone,
    SignatureInvalid,
    SignatureNotYours,
    SigningRequestExpired,
    SigningRequestUnknown,
    SigningRequestUsed,
)
from certs.revocation import refuse_revoked
from certs.signatures import Signer, Terms, bytes_to_sign, display_text, payload_of
from certs.tables import CertificateState, IssuedCertificate, SignatureRow, SigningRequestRow
from kernel.actor import Assurance
from kernel.acts import Act, DocumentDigest, Proof, SignedBytes, SigningRequest, Statement, TextProof, View
from kernel.notary import Assured, KeptSignature, Seal
from kernel.refusals import NotFound
from kernel.rows import change, one
from kernel.tables import Unit
from kernel.work import Work


class CertNotary:
    """Implements `kernel.notary.Notary` with the authority that the wiring supplies."""

    async def prepare(self, work: Work, statement: Statement) -> SigningRequest:
        """The exact bytes for the actor's device that logged in last. Raises CertificateNone, Invalid."""
        authority = work.given(Authority)
        certificate = await _signing_certificate(work, work.actor.id)
        if certificate is None:
            raise CertificateNone(officer=work.actor.id)
        expires_at = work.now + authority.settings.signing_request_life
        nonce = work.secrets.token()
        payload = bytes_to_sign(
            statement,
            Signer(id=work.actor.id, name=work.actor.name, fingerprint=certificate.fingerprint or ""),
            Terms(audience=authority.settings.audience, nonce=nonce, issued_at=work.now, expires_at=expires_at),
        )
        await SigningRequestRow.create(
            nonce=nonce,
            officer_id=work.actor.id,
            certificate_id=certificate.id,
            payload=payload,
            statement=msgspec.json.encode(statement).decode(),
            expires_at=expires_at,
        )
        return SigningRequest(nonce=nonce, payload=payload, display=display_text(statement), expires_at=expires_at)

    async def assure(self, work: Work, act: Act[View], proof: Proof) -> Assured:
        """`CERTIFICATE` with the statement for a signature, `SMS_CODE` for a text; the one-time code in a text is the
        use-case's to check."""
        match proof:
            case SignedBytes():
                return await _verified_signature(work, proof)
            case TextProof():
                return Assured(level=Assurance.SMS_CODE, evidence=await seal_text(work, act, proof))

    async def can_sign(self, work: Work, officer: str) -> bool:
        return await _signing_certificate(work, officer) is not None

    async def seal(self, work: Work, unit: str, contents: Sequence[bytes]) -> list[Seal]:
        """Seals with the unit's certificate, made on first use. Raises NotFound for an unknown unit."""
        holder = await one(Unit, code=unit)
        if holder is None:
            raise NotFound(what="单位")
        authority = work.given(Authority)
        signer = await server_signer(authority, UNIT_SEAL, holder=unit, name=holder.name, now=work.now)
        actor = f"{work.actor.kind}:{work.actor.id}"
        await work.database.insert(
            "seal_use",
            ("unit", "certificate_id", "content_sha256", "actor", "at"),
            [(unit, signer.row.id, sha256_hex(content), actor, work.now) for content in contents],
        )
        return [
            Seal(unit=unit, serial=signer.row.serial, signature=sign_es256(signer.key, content)) for content in contents
        ]

    async def reread(self, work: Work, evidence: str) -> KeptSignature:
        """Verifies again what was verified when it was kept. Raises NotFound, SIGNATURE_INVALID, a certificate's no."""
        number = evidence.removeprefix("SG")
        row = await one(SignatureRow, id=int(number)) if number.isascii() and number.isdecimal() else None
        if row is None:
            raise NotFound(what="签名记录")
        request = await SigningRequestRow.get(nonce=row.nonce)
        certificate = await IssuedCertificate.get(id=row.certificate_id)
        trusted = work.given(Authority).verifier.relied_on(certificate.der, OFFICER_SIGNING, at=row.signed_at)
        check_es256(trusted.key, request.payload, row.signature)
        said = msgspec.convert(payload_of(request.payload), _SignedPayload)
        return KeptSignature(
            officer=said.signer["id"],
            signed_at=row.signed_at,
            kind=said.kind,
            subject=said.subject,
            facts=said.facts,
            documents=said.documents,
        )

    async def check_seal(self, work: Work, seal: Seal, content: bytes) -> None:
        """Raises SignatureInvalid or the certificate's refusal."""
        await check_seal(work.given(Authority), seal, content)


class _SignedPayload(msgspec.Struct, frozen=True):
    """What `bytes_to_sign` wrote, as far as it is read again."""

    kind: str
    subject: str
    facts: dict[str, str]
    documents: tuple[DocumentDigest, ...]
    signer: dict[str, str]


async def check_seal(authority: Authority, seal: Seal, content: bytes) -> None:
    """Verifies a seal as of the certificate's own time. Raises SignatureInvalid or the certificate's refusal."""
    issuers = authority.verifier.issuers
    row = await IssuedCertificate.get_or_none(issuer__in=issuers, serial=seal.serial, holder=seal.unit)
    if row is None:
        raise SignatureInvalid()
    trusted = authority.verifier.relied_on(row.der, UNIT_SEAL, at=row.not_before)
    check_es256(trusted.key, content, seal.signature)


async def _signing_certificate(work: Work, officer: str) -> IssuedCertificate | None:
    return (
        await IssuedCertificate.filter(
            holder=officer,
            profile=OFFICER_SIGNING.name.value,
            state=CertificateState.ISSUED,
            not_after__gt=work.now,
        )
        .order_by("-used_at", "-id")
        .first()
    )


async def _verified_signature(work: Work, proof: SignedBytes) -> Assured:
    request = await one(SigningRequestRow, nonce=proof.nonce)
    if request is None:
        raise SigningRequestUnknown()
    if request.officer_id != work.actor.id:
        raise SignatureNotYours()
    if request.used_at is not None:
        raise SigningRequestUsed()
    if work.now > request.expires_at:
        raise SigningRequestExpired(until=request.expires_at.isoformat())
    certificate = await one(IssuedCertificate, id=request.certificate_id)
    if certificate is None:
        raise CertificateNone(officer=work.actor.id)
    refuse_revoked(certificate)
    verifier = work.given(Authority).verifier
    trusted = verifier.relied_on(certificate.der, OFFICER_SIGNING, at=work.now)
    signature = signature_der(proof.signature, proof.format)
    check_es256(trusted.key, request.payload, signature)
    return await _kept_signature(work, request, signature)


async def _kept_signature(work: Work, request: SigningRequestRow, signature: bytes) -> Assured:
    if await change(SigningRequestRow, {"nonce": request.nonce, "used_at": None}, used_at=work.now) != 1:
        raise SigningRequestUsed()
    statement = msgspec.json.decode(request.statement, type=Statement)
    row = await SignatureRow.create(
        nonce=request.nonce,
        officer_id=request.officer_id,
        certificate_id=request.certificate_id,
        kind=statement.kind,
        subject=statement.subject,
        revision=statement.revision,
        signature=signature,
        signed_at=work.now,
    )
    return Assured(level=Assurance.CERTIFICATE, evidence=f"SG{row.id:08d}", statement=statement)
