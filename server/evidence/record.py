"""What an exported evidence file says beside the sealed text: the request that was answered, its receipts, the outcome.

Version 1, canonical JSON, under the office's evidence seal at the instant of the export; it names every file of the
ZIP but itself and its seal. The sealed text is judged by its own seal: what stands here is what our books said of it.
Times are RFC 3339 in UTC.
"""

import hashlib
from collections.abc import Mapping

import msgspec

FORMAT = "zhangban-evidence/1"
RECORD, RECORD_SEAL, RECORD_SEALER = "record.json", "record.sig", "record.pem"
EVIDENCE, EVIDENCE_SEAL, EVIDENCE_SEALER = "evidence.json", "evidence.sig", "evidence.pem"
ISSUING, REVOCATIONS, README = "certificates/issuing.pem", "certificates/revocations.crl", "README.txt"
#: In the order in which they stand in the ZIP, frames behind them.
FIXED = (EVIDENCE, EVIDENCE_SEAL, EVIDENCE_SEALER, ISSUING, REVOCATIONS, README)


def frame_path(number: int) -> str:
    return f"frames/{number:03d}.bin"


class SentPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a text to the person: the carrier's id of it, and what its receipt said."""

    number: int
    total: int
    carrier: str
    sms_id: str
    state: str
    error: str
    submitted_at: str
    receipt_at: str | None


class SentText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text to the person: what asked them, or what answered them. Its words hold no code."""

    message: str
    template: str
    version: int
    to: str
    extension: str
    words: str
    state: str
    queued_at: str
    parts: tuple[SentPart, ...]


class AnsweredRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The one-time code that was answered, by its id: `purpose` is confirm, acknowledge or rating; `about` what of."""

    code_id: str
    purpose: str
    about: str
    drawn_at: str | None
    expires_at: str | None
    used_at: str | None
    locked_at: str | None
    wrong_tries: int
    text: SentText | None


class ReceivedPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part as the carrier delivered it; `frame` names its octets in the ZIP."""

    number: int
    total: int
    data_coding: int
    received_at: str
    frame: str


class Listed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str
    sha256: str
    size: int


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`outcome`: a view's tag (card, rating) or the refusal's code, as the log has it. Empty: rows are gone."""

    format: str
    evidence: str
    exported_at: str
    outcome: str
    handled_at: str | None
    received: tuple[ReceivedPart, ...]
    request: AnsweredRequest | None
    answer: SentText | None
    files: tuple[Listed, ...]


def listed(files: Mapping[str, bytes]) -> tuple[Listed, ...]:
    return tuple(Listed(path, hashlib.sha256(octets).hexdigest(), len(octets)) for path, octets in files.items())


HOW_TO_CHECK = """短信存证 · sealed text message {number}

zhangban evidence verify FILE --root root.pem      # root.pem 来自可信渠道 · from elsewhere than this file

With nothing but unzip, sha256sum and openssl:
  the sealed text   openssl x509 -in evidence.pem -pubkey -noout > evidence.pub
                    openssl dgst -sha256 -verify evidence.pub -signature evidence.sig evidence.json
  our books         likewise with record.json, record.sig, record.pem: every file's SHA-256 stands in record.json
  a certificate     openssl verify -CAfile root.pem -untrusted certificates/issuing.pem -purpose any evidence.pem
  what was received frames/NNN.bin are the octets of the carrier, in evidence.json as base64url under "pdus"
"""
