"""What the office needs of a notary: bytes to sign, proofs turned into assurance, seals. `certs` provides it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from kernel.actor import Assurance
from kernel.acts import Act, Proof, SigningRequest, Statement, View

if TYPE_CHECKING:
    from kernel.work import Work


class Assured(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof turned out to be worth, and the number under which it is kept as evidence."""

    level: Assurance
    evidence: str | None = None
    #: For a signature: the statement that was signed, to be compared with what the office would say now.
    statement: Statement | None = None


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

    async def seal(self, work: "Work", unit: str, contents: Sequence[bytes]) -> list[Seal]:
        """Seals each of `contents` with the unit's seal certificate and logs the uses, however many at once."""
