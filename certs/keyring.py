"""Where the office's own private keys live: root, issuing CA, unit seals, evidence, tokens.

PEM files encrypted under the settings' passphrase in one directory, owner-only, created once and never overwritten.
Callers get a key with `.sign()` and `.public_key()` and must ask for nothing more, so that a key inside an HSM
(PKCS#11) can stand in. Processes on several machines must share the directory or the HSM.
"""

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

_NAME = re.compile(r"[a-z]+(\.[\w-]{1,40})?")


class Keyring:
    """`folder` is created with mode 0700. A wrong passphrase raises ValueError at first use."""

    def __init__(self, folder: Path, passphrase: bytes) -> None:
        if not passphrase:
            raise ValueError("the keyring needs a passphrase")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._passphrase = passphrase
        self._open: dict[str, ec.EllipticCurvePrivateKey] = {}

    def __repr__(self) -> str:
        return f"Keyring({str(self._folder)!r})"

    def key(self, name: str) -> ec.EllipticCurvePrivateKey:
        """The P-256 key called `name` ("root", "seal.JSJ"), made when there is none."""
        if name not in self._open:
            path = self._path(name, "key.pem")
            if not path.exists():
                self._create(path, self._encrypted(ec.generate_private_key(ec.SECP256R1())))
            self._open[name] = self._decrypted(path.read_bytes(), name)
        return self._open[name]

    def document(self, name: str) -> bytes | None:
        """A public file kept beside the keys: the CA's own certificates."""
        path = self._path(name, "pem")
        return path.read_bytes() if path.exists() else None

    def keep_document(self, name: str, content: bytes) -> bytes:
        """Keeps `content` unless another process was first; returns what is kept."""
        path = self._path(name, "pem")
        self._create(path, content)
        return path.read_bytes()

    def _path(self, name: str, suffix: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"not a key's name: {name!r}")
        return self._folder / f"{name}.{suffix}"

    def _create(self, path: Path, content: bytes) -> None:
        # Written aside and linked: the name appears with its whole content, or somebody else's stays.
        descriptor, aside = tempfile.mkstemp(prefix=".", dir=self._folder)  # owner-only by its contract
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(aside, path)
        os.unlink(aside)

    def _encrypted(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(self._passphrase))

    def _decrypted(self, pem: bytes, name: str) -> ec.EllipticCurvePrivateKey:
        key = load_pem_private_key(pem, self._passphrase)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"the key {name} is not an elliptic curve key")
        return key
