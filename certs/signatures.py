"""The exact bytes an officer signs, and checking the signature over them. Pure: time and nonce are arguments.

Signing input of a detached JWS with unencoded payload (RFC 7515, RFC 7797, ES256): `b64u(header) "." payload`, both
canonical JSON (RFC 8785). The header binds the certificate (`x5t#S256`); the payload holds the Chinese text that is
shown, so what you see is what you sign. The octets start with `eyJ`, never with 0x30 or the login prefix: a
signature made for one purpose cannot serve another. One signature verifies as JWS and with plain `openssl dgst`.
"""

import json
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import rfc8785

from certs.encodings import b64u, signature_p1363
from kernel.acts import Statement
from kernel.refusals import Invalid

_TYP = "zhangban-statement+jws"
#: Characters that reorder or hide text: what is shown would not be what is signed.
_DECEPTIVE = frozenset("\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
#: Control characters, lone surrogates, line and paragraph separators.
_UNSHOWN = ("Cc", "Cs", "Zl", "Zp")


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Who is asked to sign, with which certificate (x5t#S256)."""

    id: str
    name: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Terms:
    """For whom, once (nonce), and until when a signature is good."""

    audience: str
    nonce: str
    issued_at: datetime
    expires_at: datetime


def bytes_to_sign(statement: Statement, signer: Signer, terms: Terms) -> bytes:
    """Raises Invalid when the statement holds text that cannot be shown faithfully."""
    payload: dict[str, object] = {
        "v": 1,
        "kind": statement.kind,
        "subject": statement.subject,
        "revision": statement.revision,
        "facts": statement.facts,
        "documents": [{"name": document.name, "sha256": document.sha256} for document in statement.documents],
        "display": display_text(statement),
        "signer": {"id": signer.id, "name": signer.name},
        "aud": terms.audience,
        "nonce": terms.nonce,
        "issued_at": instant_text(terms.issued_at),
        "expires_at": instant_text(terms.expires_at),
    }
    header = {"alg": "ES256", "b64": False, "crit": ["b64"], "typ": _TYP, "x5t#S256": signer.fingerprint}
    return f"{b64u(canonical(header))}.".encode() + canonical(payload)


def display_text(statement: Statement) -> str:
    """The text the phone shows: the title, then one label and value a line; a value's own lines are indented."""
    shown = [statement.title, *(f"{label}：{value}" for label, value in statement.lines)]
    shown += [f"附件：{document.name}（SHA-256 {document.sha256[:16]}…）" for document in statement.documents]
    for text in shown:
        _refuse_deceptive(text)
    return "\n".join(text.replace("\n", "\n　　") for text in shown)


def canonical(value: object) -> bytes:
    """RFC 8785. Raises Invalid for what has no canonical form (a lone surrogate, an integer beyond 2^53)."""
    try:
        return rfc8785.dumps(msgspec.to_builtins(value))
    except (rfc8785.CanonicalizationError, UnicodeError):
        raise Invalid(field="内容", why="含有无法规范化的字符或数字") from None


def payload_of(signed: bytes) -> dict[str, object]:
    """The payload of bytes that this office once made."""
    payload: dict[str, object] = json.loads(signed.partition(b".")[2])
    return payload


def compact_jws(signed: bytes, der: bytes) -> str:
    """The signature as detached compact JWS; the payload travels beside it."""
    header = signed.partition(b".")[0].decode()
    return f"{header}..{b64u(signature_p1363(der))}"


def instant_text(instant: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _refuse_deceptive(text: str) -> None:
    if any(char in _DECEPTIVE or (unicodedata.category(char) in _UNSHOWN and char != "\n") for char in text):
        raise Invalid(field=text[:20].partition("：")[0], why="含有不可见的控制字符")
