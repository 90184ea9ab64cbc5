"""The manifest: what an archive package holds, file by file, under one root digest, sealed by the case's unit.

Version 1. Three entries stand beside it and are not in it: the manifest, its seal, and the seal's certificate, which
is judged by the root certificate alone.
"""

import hashlib
from collections.abc import Iterable

import msgspec

from casework.archive.contents import ChainEnd, HandedIn, SealedPaper
from certs.signatures import canonical
from server.archive.refusals import ManifestUnreadable

FORMAT = "zhangban-archive/1"
MANIFEST, SEAL, SEALER = "manifest.json", "manifest.sig", "manifest.pem"
ISSUING, REVOCATIONS, README = "certificates/issuing.pem", "certificates/revocations.crl", "README.txt"
MOST_OCTETS = 4 << 20


class SignedDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A kept signature: `folder` holds payload.bin, signature.der and signer.pem."""

    evidence: str
    kind: str
    officer: str
    signed_at: str
    folder: str


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    archive: str
    case: str
    unit: str
    archived_at: str
    chain: ChainEnd
    papers: tuple[SealedPaper, ...]
    materials: tuple[HandedIn, ...]
    decisions: tuple[SignedDecision, ...]
    files: tuple[Listed, ...]
    #: SHA-256 over the lines "sha256  path" of all files, in order.
    root: str


def root_of(files: Iterable[Listed]) -> str:
    lines = "".join(f"{file.sha256}  {file.path}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def written(manifest: Manifest) -> bytes:
    """RFC 8785: one manifest, one spelling."""
    return canonical(manifest)


def read(octets: bytes) -> Manifest:
    """Raises ARCHIVE_MANIFEST_UNREADABLE."""
    try:
        manifest = msgspec.json.decode(octets, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise ManifestUnreadable(why=str(wrong)[:80]) from None
    if manifest.format != FORMAT:
        raise ManifestUnreadable(why=f"格式 {manifest.format[:40]}")
    return manifest


def seal_certificate_path(serial: str) -> str:
    return f"certificates/seal-{serial}.pem"
