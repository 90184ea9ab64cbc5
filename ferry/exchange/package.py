"""A batch: parts of at most a thousand rows, a manifest that counts and hashes them, and a signature over the manifest.

As a file it is a ZIP of `manifest.json`, `manifest.jws` and `rows/00001.jsonl` …; over a wire its pieces travel apart.
The signature is a detached JWS (RFC 7515, appendix F) with ES256 and the sender's certificate in `x5c`. Each part is
bound by its hash in the signed manifest, so each can be taken by itself and none needs the whole file in memory.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from typing import IO, Annotated, Literal

import msgspec
import rfc8785
from msgspec import Meta, Struct

from ferry.exchange.standard import BatchName, OrgCode, Region, SystemName
from ferry.exchange.tallies import Tally

MANIFEST, SIGNATURE = "manifest.json", "manifest.jws"
MAX_MANIFEST_OCTETS, MAX_SIGNATURE_OCTETS, MAX_PART_OCTETS = 16 << 20, 64 << 10, 8 << 20
MAX_PART_ROWS = 1000
MAX_PARTS = 10_000
#: Where DOS begins to count: the same contents, the same octets.
_EPOCH = (1980, 1, 1, 0, 0, 0)

_Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", max_length=64)]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: Annotated[str, Meta(pattern=r"^rows/[0-9]{5}\.(jsonl|xml)$", max_length=24)]
    rows: Annotated[int, Meta(ge=0, le=MAX_PART_ROWS)]
    size: Annotated[int, Meta(ge=0, le=MAX_PART_OCTETS)]
    sha256: _Digest


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`day`: the local day the batch is for. `tallies`: all that the sender holds for each day the batch touches."""

    std: Literal["case-exchange/1"]
    batch: BatchName
    source_system: SystemName
    org: OrgCode
    region: Region
    day: date
    created_at: Annotated[datetime, Meta(tz=True)]
    rows: Annotated[int, Meta(ge=0, le=MAX_PARTS * MAX_PART_ROWS)]
    parts: Annotated[tuple[Part, ...], Meta(max_length=MAX_PARTS)]
    tallies: Annotated[tuple[Tally, ...], Meta(max_length=100_000)]


class PackageUnfit(Exception):
    """Why a file is no package: a code of `faults.FILE_FAULTS`, and where."""

    def __init__(self, code: str, where: str = "") -> None:
        super().__init__(f"{code} {where}".strip())
        self.code = code
        self.where = where


def written(manifest: Manifest) -> bytes:
    """Its one spelling: canonical JSON (RFC 8785)."""
    return rfc8785.dumps(msgspec.to_builtins(manifest))


def read_manifest(octets: bytes) -> Manifest:
    """Raises PackageUnfit for what is not a manifest in its one spelling, or does not add up."""
    try:
        manifest = msgspec.json.decode(octets, type=Manifest)
        if len(octets) > MAX_MANIFEST_OCTETS or written(manifest) != octets:
            raise PackageUnfit("MANIFEST_UNREADABLE", "not in canonical form")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as wrong:
        # Only where: what msgspec says may quote the value.
        raise PackageUnfit("MANIFEST_UNREADABLE", str(wrong).partition(" - at ")[2][:60]) from None
    if len({part.path for part in manifest.parts}) != len(manifest.parts):
        raise PackageUnfit("MANIFEST_UNREADABLE", "a part twice")
    if len({tally.place for tally in manifest.tallies}) != len(manifest.tallies):
        raise PackageUnfit("MANIFEST_UNREADABLE", "a tally twice")
    if sum(part.rows for part in manifest.parts) != manifest.rows:
        raise PackageUnfit("MANIFEST_UNREADABLE", "rows")
    return manifest


def part_of(number: int, octets: bytes, rows: int, form: str) -> Part:
    return Part(path=f"rows/{number:05}.{form}", rows=rows, size=len(octets), sha256=hashlib.sha256(octets).hexdigest())


def is_part(octets: bytes, part: Part) -> bool:
    return len(octets) == part.size and hashlib.sha256(octets).hexdigest() == part.sha256


class PackageWriter:
    """Entries one after the other; the manifest comes last, because it is known last."""

    def __init__(self, out: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6)

    def put(self, name: str, octets: bytes) -> None:
        self._zip.writestr(_entry(name), octets)

    def close(self) -> None:
        self._zip.close()


class Package:
    """An open package. Raises PackageUnfit for a file that is none, or holds what its manifest does not name."""

    def __init__(self, source: IO[bytes]) -> None:
        try:
            self._zip = zipfile.ZipFile(source)
            entries = self._zip.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError):
            raise PackageUnfit("FILE_UNREADABLE") from None
        self._entries = {entry.filename: entry for entry in entries}
        if len(self._entries) != len(entries) or len(entries) > MAX_PARTS + 2:
            raise PackageUnfit("FILE_UNREADABLE", "an entry twice, or too many")
        if MANIFEST not in self._entries:
            raise PackageUnfit("MANIFEST_UNREADABLE")
        self.octets = self._read(MANIFEST, MAX_MANIFEST_OCTETS)
        self.manifest = read_manifest(self.octets)
        if SIGNATURE not in self._entries:
            raise PackageUnfit("SIGNATURE_MISSING")
        self.signature = self._read(SIGNATURE, MAX_SIGNATURE_OCTETS).decode("ascii", "replace")
        named = {MANIFEST, SIGNATURE, *(part.path for part in self.manifest.parts)}
        if added := self._entries.keys() - named:
            raise PackageUnfit("PART_ADDED", min(added)[:60])

    def parts(self) -> Iterator[tuple[Part, bytes]]:
        """One part at a time. Raises PackageUnfit for one that is missing or is not what was signed."""
        for part in self.manifest.parts:
            yield part, self.part(part)

    def part(self, part: Part) -> bytes:
        if part.path not in self._entries:
            raise PackageUnfit("PART_MISSING", part.path)
        octets = self._read(part.path, MAX_PART_OCTETS)
        if not is_part(octets, part):
            raise PackageUnfit("PART_CHANGED", part.path)
        return octets

    def _read(self, name: str, most: int) -> bytes:
        """Never inflates beyond `most`, whatever the entry says of itself."""
        try:
            with self._zip.open(self._entries[name]) as entry:
                octets = entry.read(most + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, EOFError):
            raise PackageUnfit("FILE_UNREADABLE", name[:60]) from None
        if len(octets) > most:
            raise PackageUnfit("FILE_UNREADABLE", f"{name[:60]}: too large")
        return octets


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    return entry
