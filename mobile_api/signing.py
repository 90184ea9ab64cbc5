"""The two halves of a signed act: the bytes a phone is asked to sign, and its answer."""

from datetime import datetime
from typing import Annotated

import strawberry

from kernel.acts import SignedBytes, SigningRequest
from mobile_api.enums import SignatureFormat
from mobile_api.refusals import Refusal
from mobile_api.scalars import Base64URL


@strawberry.type(description="Show `display`, then sign the octets of `payload` exactly as they are.")
class SigningPayload:
    nonce: str
    payload: Base64URL
    display: str
    expires_at: datetime


SigningResult = Annotated[SigningPayload | Refusal, strawberry.union("SigningResult")]


@strawberry.input(description="The device's signature over the payload of the signing request `nonce`.")
class SignedInput:
    nonce: str
    signature: Base64URL
    format: SignatureFormat = SignatureFormat.DER

    def to_proof(self) -> SignedBytes:
        return SignedBytes(nonce=self.nonce, signature=self.signature, format=self.format)


def signing_payload(request: SigningRequest) -> SigningPayload:
    return SigningPayload(
        nonce=request.nonce,
        payload=Base64URL(request.payload),
        display=request.display,
        expires_at=request.expires_at,
    )
