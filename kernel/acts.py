"""Acts and views: frozen, tagged, serialisable values.

Because an act is a value it can be signed by a phone, carried by a ferry and performed later elsewhere. New
fields go to the end with a default; a tag is never reused.
"""

from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What an act returns: remembered under the idempotency key, so it must survive JSON."""


V = TypeVar("V", bound=View)


class Act(msgspec.Struct, Generic[V], frozen=True, kw_only=True, tag_field="act", forbid_unknown_fields=True):
    """Something somebody wants done. `class Decide(Act[CaseView], frozen=True, tag="case.decide")`."""


class Done(View, frozen=True, tag="done"):
    """The view of an act that has nothing to show; `count` says how many rows it concerned."""

    count: int = 1


class SignatureFormat(StrEnum):
    DER = "DER"  # Android Keystore, iOS Secure Enclave
    P1363 = "P1363"  # WebCrypto: r and s, 32 octets each


class SignedBytes(msgspec.Struct, frozen=True, kw_only=True, tag="signed"):
    """A phone's answer to a signing request. The bytes signed are the office's own, found by `nonce`."""

    nonce: str
    signature: bytes
    format: SignatureFormat = SignatureFormat.DER


class TextProof(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """A text message (MO) that asked for the act, exactly as the carrier delivered it."""

    inbound: int
    sender: str
    receiver: str
    text: str
    pdus: tuple[bytes, ...]
    received_at: datetime
    carrier: str
    smsc_time: str | None = None


Proof = SignedBytes | TextProof


class DocumentDigest(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    sha256: str


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is asked to sign, before it becomes bytes.

    `lines` is the Chinese text shown on the phone, label and value; `facts` are the machine's names for the same
    decision. The office generates it twice, when it prepares and when it performs, and the two must be equal.
    """

    kind: str
    subject: str
    revision: int
    title: str
    lines: tuple[tuple[str, str], ...]
    facts: dict[str, str]
    documents: tuple[DocumentDigest, ...] = ()


class SigningRequest(View, frozen=True, tag="signing_request"):
    """The exact bytes to sign. The phone shows `display` (part of the bytes), signs `payload` as it is."""

    nonce: str
    payload: bytes
    display: str
    expires_at: datetime
