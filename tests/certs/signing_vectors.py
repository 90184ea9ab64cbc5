"""Test vectors for whoever signs or verifies outside this repository. Language-neutral, deterministic (RFC 6979).

python -m tests.certs.signing_vectors        writes clients/flutter_spec/signing/vectors.json
"""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from certs.csr import request_info
from certs.encodings import b64u, signature_p1363, spki_of
from certs.login import PREFIX
from certs.profiles import subject_name
from certs.signatures import Signer, Terms, bytes_to_sign, canonical, display_text
from kernel.acts import DocumentDigest, SignatureFormat, Statement

FILE = Path(__file__).parents[2] / "clients" / "flutter_spec" / "signing" / "vectors.json"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
DER, P1363 = SignatureFormat.DER, SignatureFormat.P1363

KEY = ec.derive_private_key(20260918, ec.SECP256R1())
OTHER = ec.derive_private_key(20260919, ec.SECP256R1())
AT = datetime(2026, 9, 18, 1, 0, tzinfo=UTC)
STATEMENT = Statement(
    kind="case.decision",
    subject="粤建许〔2026〕0001号",
    revision=7,
    title="施工许可 科室审核",
    lines=(
        ("办件编号", "粤建许〔2026〕0001号"),
        ("决定", "同意"),
        ("意见", "材料齐全，同意，按程序办理。\n请窗口通知申请人。"),
    ),
    facts={"step": "level:2", "decision": "agree"},
    documents=(DocumentDigest(name="申请表.pdf", sha256=hashlib.sha256(b"example").hexdigest()),),
)


def statement_bytes(nonce: str, statement: Statement = STATEMENT) -> bytes:
    fingerprint = b64u(hashlib.sha256(b"example certificate").digest())
    signer = Signer(id="OFF-0001", name="张三", fingerprint=fingerprint)
    terms = Terms(audience="https://approve.example.gov.cn", nonce=nonce, issued_at=AT, expires_at=AT.replace(minute=5))
    return bytes_to_sign(statement, signer, terms)


def sign(content: bytes, key: ec.EllipticCurvePrivateKey = KEY, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
    return key.sign(content, ec.ECDSA(algorithm or hashes.SHA256(), deterministic_signing=True))


def vectors() -> list[dict[str, object]]:
    payload = statement_bytes("vector-1")
    der = sign(payload)
    raw = signature_p1363(der)
    r, s = decode_dss_signature(der)
    # An r or s that starts with a zero octet is one octet shorter in DER and must be padded in P1363.
    short = next(content for n in range(5000) if _is_short(sign(content := statement_bytes(f"short-{n}"))))
    denied = statement_bytes("vector-1", msgspec.structs.replace(STATEMENT, facts={"decision": "refuse"}))
    login = PREFIX + canonical(
        {
            "aud": "https://approve.example.gov.cn",
            "certificate": b64u(hashlib.sha256(b"example certificate").digest()),
            "expires_at": "2026-09-18T01:01:00Z",
            "nonce": "vector-login",
        }
    )
    name = subject_name("张三", organisation="掌办演示 RA 管理中心", serial_number="OFF-0001")
    request = request_info(name, spki_of(KEY.public_key()), "vector-challenge")
    return [
        _vector("statement, DER as Android Keystore and Secure Enclave give it", payload, der, DER, True, "der"),
        _vector("the same signature as r and s, as WebCrypto gives it", payload, raw, P1363, True, "p1363"),
        _vector("short r or s in DER", short, sign(short), DER, True, "der", "short"),
        _vector("short r or s padded to 32 octets", short, signature_p1363(sign(short)), P1363, True, "p1363", "short"),
        _vector(
            "s in the upper half: hardware promises no low s, so it is accepted",
            payload,
            encode_dss_signature(r, ORDER - s),
            DER,
            True,
            "high-s",
        ),
        _vector("login challenge", login, sign(login), DER, True, "login"),
        _vector("certificate request (CertificationRequestInfo, DER)", request, sign(request), DER, True, "csr"),
        _vector("another decision under the same signature", denied, der, DER, False, "tampered"),
        _vector(
            "one character of the payload changed", payload[:-3] + b"x" + payload[-2:], der, DER, False, "tampered"
        ),
        _vector("the payload without its header", payload.partition(b".")[2], der, DER, False, "tampered"),
        _vector("a space added at the end", payload + b" ", der, DER, False, "tampered"),
        _vector("signed with another key", payload, sign(payload, OTHER), DER, False, "wrong-key"),
        _vector("signed with SHA-512", payload, sign(payload, KEY, hashes.SHA512()), DER, False, "wrong-hash"),
        _vector(
            "signed twice hashed: the device hashes, the app must not",
            payload,
            sign(hashlib.sha256(payload).digest()),
            DER,
            False,
            "wrong-hash",
        ),
        _vector("a login answer in place of a decision", payload, sign(login), DER, False, "wrong-purpose"),
        _vector("DER declared as P1363", payload, der, P1363, False, "wrong-format"),
        _vector("P1363 declared as DER", payload, raw, DER, False, "wrong-format"),
        _vector("DER with an octet behind it", payload, der + b"\0", DER, False, "malformed"),
        _vector("DER cut short", payload, der[:-1], DER, False, "malformed"),
        _vector("DER with a length in the long form", payload, b"\x30\x81" + der[1:], DER, False, "malformed"),
        _vector("P1363 cut short", payload, raw[:-1], P1363, False, "malformed"),
        _vector("r and s zero", payload, bytes(64), P1363, False, "malformed"),
        _vector("r and s zero in DER", payload, encode_dss_signature(0, 0), DER, False, "malformed"),
        _vector("r and s swapped", payload, encode_dss_signature(s, r), DER, False, "malformed"),
        _vector("nothing", payload, b"", DER, False, "malformed"),
    ]


def text() -> str:
    document = {
        "comment": "Binary values are base64url without padding. The key of every vector is `spki` (P-256, ES256).",
        "display": display_text(STATEMENT),
        "vectors": vectors(),
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _is_short(der: bytes) -> bool:
    return min(decode_dss_signature(der)) < 1 << 248


def _vector(
    comment: str, payload: bytes, signature: bytes, form: SignatureFormat, valid: bool, *tags: str
) -> dict[str, object]:
    return {
        "comment": comment,
        "payload": b64u(payload),
        "spki": b64u(spki_of(KEY.public_key())),
        "signature": b64u(signature),
        "format": form.value,
        "valid": valid,
        "tags": list(tags),
    }


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
