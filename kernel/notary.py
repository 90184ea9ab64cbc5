"""What the office needs of a notary: bytes to sign, proofs turned into assurance, seals. `certs` provides it."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from kernel.actor import Assurance
from kernel.acts import Act, DocumentDigest, Proof, SigningRequest, Statement, View

if TYPE_CHECKING:
    from kernel.work import Work


class Assured(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof turned out to be worth, and the number under which it is kept as evidence."""

    level: Assurance
    evidence: str | None = None
    #: For a signature: the statement that was signed, to be compared with what the office would say now.
    statement: Statement | None = None


class KeptSignature(msgspec.Struct, frozen=True, kw_only=True):
    """What a kept signature says, read from the octets that were signed."""

    officer: str
    signed_at: datetime
    kind: str
    subject: str
    facts: dict[str, str]
    documents: tuple[DocumentDigest, ...]


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """A unit's seal over a document: ECDSA P-256 over the octets, DER, with the seal certificate's serial (hex)."""

    unit: str
    serial: str
    signature: bytes


class Notary(Protocol):
    async def prepare(self, work: "Work", statement: Statement) -> SigningRequest:
        """The exact bytes for the actor to sign, kept under a nonce that is good for one use."""

    async def assure(self, work: "Work", act: Act[View], proof: Proof) -> Assured:
        """Verifies `proof` for this actor and keeps it as evidence. Raises the refusal that names what is wrong."""

    async def can_sign(self, work: "Work", officer: str) -> bool:
        """Whether `officer` holds a certificate that signs now."""

    async def seal(self, work: "Work", unit: str, contents: Sequence[bytes]) -> list[Seal]:
        """Seals each of `contents` with the unit's seal certificate and logs the uses, however many at once."""

    async def reread(self, work: "Work", evidence: str) -> KeptSignature:
        """Verifies the signature kept under that number again, as of when it was made. Raises what is wrong."""

    async def check_seal(self, work: "Work", seal: Seal, content: bytes) -> None:
        """Verifies a seal over `content`. Raises what is wrong."""
