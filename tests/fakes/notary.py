"""A notary that believes everything and seals with a throw-away key: for tests that are not about proofs."""

from collections.abc import Sequence
from datetime import timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from kernel.actor import Assurance
from kernel.acts import Act, Proof, SignedBytes, SigningRequest, Statement, View
from kernel.notary import Assured, KeptSignature, Seal
from kernel.refusals import NotFound
from kernel.work import Work


class FakeNotary:
    """`prepare` remembers the statement; a signature over its nonce vouches for exactly that statement."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self._prepared: dict[str, Statement] = {}
        self._kept: dict[str, KeptSignature] = {}
        self._count = 0
        self.without_certificate: set[str] = set()

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
            if statement is not None:
                self._kept[evidence] = KeptSignature(
                    officer=work.actor.id,
                    signed_at=work.now,
                    kind=statement.kind,
                    subject=statement.subject,
                    facts=statement.facts,
                    documents=statement.documents,
                )
            return Assured(level=Assurance.CERTIFICATE, evidence=evidence, statement=statement)
        return Assured(level=Assurance.SMS_CODE, evidence=evidence)

    def shown(self, request: SigningRequest) -> Statement:
        """What the person who asked for it is shown."""
        return self._prepared[request.nonce]

    async def can_sign(self, work: Work, officer: str) -> bool:
        return officer not in self.without_certificate

    async def seal(self, work: Work, unit: str, contents: Sequence[bytes]) -> list[Seal]:
        return [
            Seal(unit=unit, serial="01", signature=self.key.sign(content, ec.ECDSA(hashes.SHA256())))
            for content in contents
        ]

    async def reread(self, work: Work, evidence: str) -> KeptSignature:
        return self._kept[evidence]

    async def check_seal(self, work: Work, seal: Seal, content: bytes) -> None:
        try:
            self.key.public_key().verify(seal.signature, content, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise NotFound(what="印章") from None
