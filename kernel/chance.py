"""Randomness and keyed digests: one-time codes, query passwords, nonces."""

import hashlib
import hmac
import secrets


class Secrets:
    """Draws codes and keeps them as keyed digests. `key` is the office's own, never shown."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("the digest key needs at least 16 octets")
        self._key = key

    def __repr__(self) -> str:
        return "Secrets(…)"

    def code(self, digits: int) -> str:
        """Decimal digits, the first may be zero."""
        return f"{secrets.randbelow(10**digits):0{digits}d}"

    def derived_code(self, purpose: str, value: str, digits: int) -> str:
        """Decimal digits that follow from `value`: a code that can be texted without ever being stored."""
        return f"{int(self.digest(purpose, value), 16) % 10**digits:0{digits}d}"

    def token(self) -> str:
        """192 bits, URL-safe."""
        return secrets.token_urlsafe(24)

    def digest(self, purpose: str, value: str) -> str:
        """HMAC-SHA-256, hex. `purpose` keeps a code of one kind from passing as another."""
        return hmac.new(self._key, f"{purpose}\n{value}".encode(), hashlib.sha256).hexdigest()

    def matches(self, purpose: str, value: str, digest: str) -> bool:
        return hmac.compare_digest(self.digest(purpose, value), digest)
