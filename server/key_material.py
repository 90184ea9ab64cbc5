"""The secrets of an installation: given in its settings, or drawn at the first start and kept beside its data.

Limits: a kept secret lies in a file that only the server's user can read; whoever wants an HSM or a vault gives the
secret in the environment.
"""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from server.config_file import Problem, SettingsRefused
from server.settings import Settings


@dataclass(frozen=True)
class KeyMaterial:
    """What must never be shown. Drawn once, then the same at every start."""

    hmac_key: bytes = field(repr=False)
    ca_passphrase: bytes = field(repr=False)


def key_material(settings: Settings) -> KeyMaterial:
    """The given secrets, or those of data_dir/secrets, drawn there at the first start (mode 0600).

    Raises SettingsRefused when a kept secret can be read by others.
    """
    folder = settings.data_dir / "secrets"
    given = settings.secrets
    return KeyMaterial(
        hmac_key=_revealed(given.hmac_key) or _kept(folder / "hmac-key"),
        ca_passphrase=_revealed(given.ca_passphrase) or _kept(folder / "ca-passphrase"),
    )


def _revealed(secret: SecretStr | None) -> bytes:
    return secret.get_secret_value().encode() if secret is not None else b""


def _kept(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        # Exclusive: of two processes started at once, one draws and the other reads.
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    except FileExistsError:
        pass
    if path.stat().st_mode & 0o077:
        raise SettingsRefused([Problem(str(path), "他人可读，请 chmod 600", "can be read by others; chmod 600 it")])
    return path.read_bytes()
