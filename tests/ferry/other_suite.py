"""Another suite, as a package beside this one brings it: P-256 still, but SM4-GCM frames and SM3 hashes (GB/T)."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ferry.suites import P256A256Gcm


class Sm3:
    def __init__(self, begun: hashes.Hash | None = None) -> None:
        self._begun = begun or hashes.Hash(hashes.SM3())

    def update(self, octets: bytes, /) -> None:
        self._begun.update(octets)

    def digest(self) -> bytes:
        return self._begun.copy().finalize()

    def copy(self) -> "Sm3":
        return Sm3(self._begun.copy())


class Sm4Frames:
    def __init__(self, key: bytes) -> None:
        self._key = algorithms.SM4(key[:16])

    def encrypt(self, nonce: bytes, data: bytes | bytearray, associated_data: bytes | None) -> bytes:
        context = Cipher(self._key, modes.GCM(nonce)).encryptor()
        context.authenticate_additional_data(associated_data or b"")
        return context.update(data) + context.finalize() + context.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        context = Cipher(self._key, modes.GCM(nonce, data[-16:])).decryptor()
        context.authenticate_additional_data(associated_data or b"")
        return context.update(data[:-16]) + context.finalize()


class P256Sm4GcmSm3(P256A256Gcm):
    name = "P256-SM4GCM-SM3"

    def hash(self) -> Sm3:
        return Sm3()

    def frames(self, key: bytes) -> Sm4Frames:
        return Sm4Frames(key)
