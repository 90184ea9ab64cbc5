"""A ZIP of one shape: entries stored, in order, without dates, comments or extras; the same contents, the same octets.

APPNOTE 6.3.10, sections 4.3.7, 4.3.12, 4.3.16. Every unzip opens it. We read nothing else: an entry that is
compressed, named twice or out of the folder, an octet before, between or after the entries is refused, so nothing can
hide in a package, expand in memory or mean something else to another program. No ZIP64: a package ends at 4 GiB.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from server.archive.refusals import (
    ArchiveCompressed,
    ArchiveNameTwice,
    ArchivePathUnsafe,
    ArchiveTooLarge,
    ArchiveUnreadable,
)

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
#: Version 1.0, stored; made on Unix; the first of January 1980, which is where DOS begins to count.
_VERSION, _MADE_BY, _STORED, _DAY = 10, (3 << 8) | 10, 0, 0x21
_MODE = 0o100644 << 16
#: Folders and names as we give them: nothing that climbs, hides or needs another encoding.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){0,3}")

MOST_ENTRIES, MOST_OCTETS = 10_000, (1 << 32) - 1
#: What is read into memory, one entry and all together; larger entries are only hashed.
MOST_KEPT, MOST_KEPT_TOGETHER = 16 << 20, 128 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of a package. `content`: None when it was too large to keep. `sound`: its checksum agrees."""

    name: str
    size: int
    sha256: str
    sound: bool
    content: bytes | None = field(repr=False)


@dataclass(frozen=True)
class _Placed:
    name: bytes
    crc: int
    size: int
    offset: int


def write(out: BinaryIO, files: Iterable[tuple[str, int, int, Iterator[bytes]]]) -> None:
    """Writes files given as name, size, CRC-32 and octets in chunks. Raises ARCHIVE_TOO_LARGE."""
    placed: list[_Placed] = []
    offset = 0
    for name, size, crc, chunks in files:
        each = _Placed(name.encode("ascii"), crc, size, offset)
        out.write(_local(each))
        for chunk in chunks:
            out.write(chunk)
        placed.append(each)
        offset += _LOCAL.size + len(each.name) + size
        if offset > MOST_OCTETS or len(placed) > MOST_ENTRIES:
            raise ArchiveTooLarge(what="文件总量", limit=f"{MOST_OCTETS >> 30} GiB")
    out.write(_directory(placed, offset))


def read(source: BinaryIO) -> list[Entry]:
    """The entries of a package, in order. Raises ARCHIVE_UNREADABLE and what else `refusals` names."""
    placed: list[_Placed] = []
    entries: list[Entry] = []
    names: set[bytes] = set()
    offset, room = 0, MOST_KEPT_TOGETHER
    while (mark := source.read(4)) == _LOCAL_MARK:
        each = _header(mark + _exactly(source, _LOCAL.size - 4), source, offset)
        if each.name in names:
            raise ArchiveNameTwice(name=each.name.decode())
        names.add(each.name)
        entry = _entry(source, each, keep=each.size <= min(MOST_KEPT, room))
        room -= len(entry.content or b"")
        placed.append(each)
        entries.append(entry)
        offset += _LOCAL.size + len(each.name) + each.size
        if len(placed) > MOST_ENTRIES:
            raise ArchiveTooLarge(what="文件数", limit=str(MOST_ENTRIES))
    if not placed or mark not in (_CENTRAL_MARK, _END_MARK):
        raise ArchiveUnreadable(why="不是 ZIP 或已截断")
    expected = _directory(placed, offset)
    if mark + source.read(len(expected)) != expected:
        raise ArchiveUnreadable(why="目录与内容不符，或有多余内容")
    return entries


def _header(octets: bytes, source: BinaryIO, offset: int) -> _Placed:
    _, _, _, method, _, _, crc, packed, size, name_length, _ = _LOCAL.unpack(octets)
    name = _exactly(source, name_length)
    if not _NAME.fullmatch(shown := name.decode("utf-8", "backslashreplace")) or len(shown) > 100:
        raise ArchivePathUnsafe(name=shown[:80])
    if method != _STORED or packed != size:
        raise ArchiveCompressed(name=shown)
    each = _Placed(name, crc, size, offset)
    if _local(each) != octets + name:
        raise ArchiveUnreadable(why=f"“{shown}”的文件头不合规")
    return each


def _entry(source: BinaryIO, placed: _Placed, *, keep: bool) -> Entry:
    digest, crc, left = hashlib.sha256(), 0, placed.size
    kept = bytearray()
    while left:
        chunk = source.read(min(left, _CHUNK))
        if not chunk:
            raise ArchiveUnreadable(why="不是 ZIP 或已截断")
        digest.update(chunk)
        crc = zlib.crc32(chunk, crc)
        if keep:
            kept += chunk
        left -= len(chunk)
    return Entry(
        name=placed.name.decode(),
        size=placed.size,
        sha256=digest.hexdigest(),
        sound=crc == placed.crc,
        content=bytes(kept) if keep else None,
    )


def _exactly(source: BinaryIO, length: int) -> bytes:
    octets = source.read(length)
    if len(octets) != length:
        raise ArchiveUnreadable(why="不是 ZIP 或已截断")
    return octets


def _local(each: _Placed) -> bytes:
    head = _LOCAL.pack(_LOCAL_MARK, _VERSION, 0, _STORED, 0, _DAY, each.crc, each.size, each.size, len(each.name), 0)
    return head + each.name


def _directory(placed: list[_Placed], offset: int) -> bytes:
    lines = b"".join(
        _CENTRAL.pack(
            _CENTRAL_MARK, _MADE_BY, _VERSION, 0, _STORED, 0, _DAY, each.crc, each.size, each.size, len(each.name),
            0, 0, 0, 0, _MODE, each.offset,
        )
        + each.name
        for each in placed
    )  # fmt: skip
    return lines + _END.pack(_END_MARK, 0, 0, len(placed), len(placed), len(lines), offset, 0)
