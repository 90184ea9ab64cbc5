"""Short-lived signed words: upload tickets, upload receipts, links to files.

Each is base64url(JSON) + "." + HMAC-SHA-256 under the office's key, with a purpose that keeps one kind from passing
as another. They are capabilities: who holds one may use it until it expires, so they live minutes.
"""

import hmac
from datetime import datetime
from typing import TypeVar

import msgspec

from casework.intake.refusals import LinkInvalid
from kernel.chance import Secrets
from mobile_api.scalars import decoded, encoded

_LONGEST = 2048


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    until: datetime


class FilingTicket(Signed, frozen=True):
    """Lets somebody without an account upload the materials of one application."""

    id: str


class UploadReceipt(Signed, frozen=True):
    """Says which file was stored; filing an application hands it back."""

    sha256: str
    size: int
    media_type: str
    name: str


class FileLink(Signed, frozen=True):
    """`what` is "material:<id>" or "document:<id>" of `case`; `viewer` the officer, or applicant, it was given to.

    `html:<id>` and `sealed:<id>` are other forms of a document. `by_password`: whoever had the query password.
    """

    case: str
    what: str
    viewer: str
    is_applicants: bool = False
    by_password: bool = False


S = TypeVar("S", bound=Signed)


def signed(secrets: Secrets, word: Signed) -> str:
    body = encoded(msgspec.json.encode(word))
    return f"{body}.{secrets.digest(_purpose(type(word)), body)}"


def read(secrets: Secrets, kind: type[S], text: str, *, now: datetime) -> S:
    """Raises LINK_INVALID for anything but an unexpired word of this kind, signed here."""
    word = opened(secrets, kind, text)
    if now >= word.until:
        raise LinkInvalid()
    return word


def opened(secrets: Secrets, kind: type[S], text: str) -> S:
    """The same, expired or not. Raises LINK_INVALID."""
    body, _, digest = text.partition(".")
    expected = secrets.digest(_purpose(kind), body)
    if len(text) > _LONGEST or not hmac.compare_digest(digest.encode(), expected.encode()):
        raise LinkInvalid()
    return msgspec.json.decode(decoded(body), type=kind)


def _purpose(kind: type[Signed]) -> str:
    return f"mobile_api.{kind.__name__}"
