"""Handing a signature to a court: files that verify with plain openssl, none of our code and no network.

openssl x509 -in signer.pem -pubkey -noout > signer.pub
openssl dgst -sha256 -verify signer.pub -signature signature.der payload.bin
openssl verify -CAfile root.pem -untrusted chain.pem -purpose any -attime SIGNED_AT signer.pem
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from certs.authority import Authority, pem
from certs.tables import IssuedCertificate, SignatureRow, SigningRequestRow
from kernel.refusals import NotFound


@dataclass(frozen=True, kw_only=True)
class SignedRecord:
    """A kept signature. `evidence` is its number ("SG00000001")."""

    evidence: str
    subject: str
    revision: int
    kind: str
    officer: str
    signed_at: datetime


async def signatures_of(subject: str) -> list[SignedRecord]:
    """Every signature over `subject` ("case:…"), in order of signing."""
    return [_record(row) for row in await SignatureRow.filter(subject=subject).order_by("id")]


async def signature_files(authority: Authority, evidence: str) -> dict[str, bytes]:
    """File name to content for one signature. Raises NotFound."""
    number = evidence.removeprefix("SG")
    row = await SignatureRow.get_or_none(id=int(number)) if number.isdecimal() and number.isascii() else None
    if row is None:
        raise NotFound(what="签名记录")
    request = await SigningRequestRow.get(nonce=row.nonce)
    signer = await IssuedCertificate.get(id=row.certificate_id)
    return {
        "payload.bin": request.payload,
        "signature.der": row.signature,
        "signer.pem": pem(x509.load_der_x509_certificate(signer.der)),
        "chain.pem": pem(authority.issuing),
        "root.pem": pem(authority.root),
    }


def write_files(files: dict[str, bytes], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _record(row: SignatureRow) -> SignedRecord:
    return SignedRecord(
        evidence=f"SG{row.id:08d}",
        subject=row.subject,
        revision=row.revision,
        kind=row.kind,
        officer=row.officer_id,
        signed_at=row.signed_at,
    )
