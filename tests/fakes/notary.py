"""A notary that believes everything and seals with a throw-away key: for tests that are not about proofs."""

from collections.abc import Sequence
from datetime import timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from kernel.actor import Assurance
from kernel.acts import Act, Proof, SignedBytes, SigningRequest, Statement, View
from kernel.notary import Assured, Seal
from kernel.work import Work


class FakeNotary:
    """`prepare` remembers the statement; a signature over its nonce vouches for exactly that statement."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self._prepared: dict[str, Statement] = {}
        self._count = 0

    async def prepare(self, work: Work, statement: Statement) -> SigningRequest:
        self._count += 1
        nonce = f"nonce-{self._count}"
        self._prepared[nonce] = statement
        return SigningRequest(nonce=nonce, payload=b"payload", display="", expires_at=work.now + timedelta(minutes=5))

    async def assure(self, work: Work, act: Act[View], proof: Proof) -> Assured:
        self._count += 1
        evidence = f"EV{self._count:08d}"
        if isinstance(proof, SignedBytes):
            statement = self._prepared.pop(proof.nonce, None)
            return Assured(level=Assurance.CERTIFICATE, evidence=evidence, statement=statement)
        return Assured(level=Assurance.SMS_CODE, evidence=evidence)

    async def seal(self, work: Work, unit: str, contents: Sequence[bytes]) -> list[Seal]:
        return [
            Seal(unit=unit, serial="01", signature=self.key.sign(content, ec.ECDSA(hashes.SHA256())))
            for content in contents
        ]
