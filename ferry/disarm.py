"""Whether the content of an attachment may cross: asked by the sender before sealing, by the receiver before keeping.

A file is what its first octets say, must be well formed as that to its last octet, and must hold nothing that acts by
itself: no macro, no script, no program, no archive within an archive. What cannot be looked into (a password, an old
Word file, a type that is not listed) is refused. Files are evidence and named by their SHA-256, so none is ever
changed: a picture keeps what it is, or does not cross. Limits: no picture is decoded here; what a viewer of documents
makes of a well-formed file is the viewer's business, and a scanner's (clamd), where one is configured.
"""

import io
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import filetype
import msgspec
import pikepdf
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from msgspec import Struct

from ferry.refusals import AttachmentRefused

#: Of this module's rules; stands in every verdict, so that a stricter one may look again.
RULES = "disarm/1"

MAX_ENTRIES = 5000
#: Of an archive, unpacked. Documents of offices unpack to ten times their size, drawings to fifty.
MAX_UNPACKED_OCTETS = 1 << 30
MAX_RATIO = 120
#: Below this much a ratio says nothing.
_RATIO_FROM_OCTETS = 4 << 20
MAX_PDF_OBJECTS = 500_000
MAX_PIXELS = 200_000_000
_XML_OCTETS = 16 << 20
_HEAD_OCTETS = 8192

#: The media types that may cross, with the endings a file of each may have. Keep in step with the door for uploads.
ENDINGS: Mapping[str, tuple[str, ...]] = {
    "application/pdf": (".pdf",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
    "application/ofd": (".ofd",),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (".docx",),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (".xlsx",),
}
_MAIN_PARTS = {
    "word/document.xml": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xl/workbook.xml": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "OFD.xml": "application/ofd",
}


class Found(Struct, frozen=True, kw_only=True):
    """A file that may cross, as far as its content tells."""

    media_type: str
    octets: int


def inspect(path: Path, *, name: str = "", max_octets: int) -> Found:
    """What the file is. `name`, where it is known, must end as its type does. Raises AttachmentRefused."""
    octets = path.stat().st_size
    if octets > max_octets:
        raise AttachmentRefused(why="too large")
    if octets == 0:
        raise AttachmentRefused(why="empty")
    with path.open("rb") as file:
        media_type = _media_type(file)
        endings = ENDINGS.get(media_type)
        if endings is None:
            raise AttachmentRefused(why="a type that is not listed")
        if name and Path(name.lower()).suffix not in endings:
            raise AttachmentRefused(why="its name says another type than its content")
        file.seek(0)
        _CHECKS[media_type](file, octets)
    return Found(media_type=media_type, octets=octets)


# ---------------------------------------------------------------------------------------------------------- what it is


def _media_type(file: BinaryIO) -> str:
    head = file.read(_HEAD_OCTETS)
    # A PDF may begin a little later for lenient viewers, and be something else for others: not here.
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    if head.startswith(b"PK\x03\x04"):
        return _package_type(file)
    return str(filetype.guess_mime(head) or "")


def _package_type(file: BinaryIO) -> str:
    with _archive(file) as archive:
        names = set(archive.namelist())
    kinds = [media_type for part, media_type in _MAIN_PARTS.items() if part in names]
    return kinds[0] if len(kinds) == 1 else ""


# -------------------------------------------------------------------------------------------------------------- images


def _check_jpeg(file: BinaryIO, octets: int) -> None:
    """Marker by marker to the end of the image (ITU-T T.81, annex B), which must be the end of the file."""
    content = file.read()
    at, is_sized = 2, False
    while True:
        while content[at : at + 2] == b"\xff\xff":
            at += 1
        marker = content[at : at + 2]
        if len(marker) < 2 or marker[0] != 0xFF:
            raise AttachmentRefused(why="a damaged JPEG")
        kind = marker[1]
        if kind == 0xD9:
            break
        at += 2
        if kind == 0x01 or 0xD0 <= kind <= 0xD7:
            continue
        (length,) = struct.unpack(">H", content[at : at + 2].ljust(2, b"\0"))
        if length < 2 or at + length > octets:
            raise AttachmentRefused(why="a damaged JPEG")
        if kind in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", content[at + 3 : at + 7].ljust(4, b"\0"))
            _refuse_giant(width, height)
            is_sized = True
        at += length
        if kind == 0xDA:
            at = _after_scan(content, at)
    # Cameras pad with zeros; anything else behind the picture is somebody's other file.
    if not is_sized or content[at + 2 :].strip(b"\0"):
        raise AttachmentRefused(why="something behind the picture")


_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
#: A marker within coded data: not a stuffed zero, not a restart, not a fill octet.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _after_scan(content: bytes, at: int) -> int:
    found = _MARKER.search(content, at)
    if found is None:
        raise AttachmentRefused(why="a damaged JPEG")
    return found.start()


def _check_png(file: BinaryIO, octets: int) -> None:
    """Chunk by chunk with their checksums (ISO 15948, 5.3); IEND must be the end of the file."""
    file.seek(8)
    first = True
    while True:
        start = file.read(8)
        if len(start) < 8:
            raise AttachmentRefused(why="a damaged PNG")
        length, kind = struct.unpack(">I4s", start)
        if file.tell() + length + 4 > octets:
            raise AttachmentRefused(why="a damaged PNG")
        content, crc = file.read(length), file.read(4)
        if zlib.crc32(kind + content) != int.from_bytes(crc, "big") or first != (kind == b"IHDR"):
            raise AttachmentRefused(why="a damaged PNG")
        if first:
            _refuse_giant(*struct.unpack(">II", content[:8].ljust(8, b"\0")))
        first = False
        if kind == b"IEND":
            break
    if file.read(1):
        raise AttachmentRefused(why="something behind the picture")


def _refuse_giant(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or not width:
        raise AttachmentRefused(why="a picture of impossible size")


# ----------------------------------------------------------------------------------------------------------------- PDF

#: Dictionaries with one of these act by themselves, or carry files (ISO 32000-1, 12.6.4, 7.11.4, 12.7.8, 13).
_ACTIVE_KEYS = frozenset({"/JS", "/JavaScript", "/XFA", "/RichMediaContent", "/RichMediaSettings"})
_ACTIVE_ACTIONS = frozenset(
    {
        "/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToE", "/GoToR", "/Rendition", "/Movie", "/Sound",
        "/RichMediaExecute", "/GoTo3DView", "/Trans", "/ResetForm", "/Hide",
    }
)  # fmt: skip
_ACTIVE_TYPES = frozenset({"/RichMedia", "/Screen", "/3D", "/Movie", "/Sound", "/FileAttachment"})
_MAX_NESTING = 60
#: An attached file, as it lies there. Documents of this program carry their sealed content and its signature.
_MAX_ATTACHED_OCTETS = 64 << 10
_MAX_SIGNATURE_OCTETS = 600


def _check_pdf(file: BinaryIO, octets: int) -> None:
    try:
        with pikepdf.open(file, attempt_recovery=False, suppress_warnings=True) as document:
            if document.is_encrypted:
                raise AttachmentRefused(why="a PDF with a password")
            if len(document.objects) > MAX_PDF_OBJECTS:
                raise AttachmentRefused(why="too many objects")
            for each in document.objects:
                _refuse_active(each, _MAX_NESTING)
            _refuse_active(document.trailer, _MAX_NESTING)
    except pikepdf.PasswordError:
        raise AttachmentRefused(why="a PDF with a password") from None
    except (pikepdf.PdfError, pikepdf.DataDecodingError, ValueError, RuntimeError, OverflowError):
        raise AttachmentRefused(why="a damaged PDF") from None


def _refuse_active(found: pikepdf.Object, depth: int) -> None:
    """Walks what stands in one object; indirect ones come by themselves."""
    if depth < 0:
        raise AttachmentRefused(why="nested too deep")
    if isinstance(found, pikepdf.Array):
        for index in range(len(found)):
            _refuse_active_inside(found[index], depth)
    elif isinstance(found, pikepdf.Dictionary | pikepdf.Stream):
        keys = set(found.keys())
        if keys & _ACTIVE_KEYS:
            raise AttachmentRefused(why="active content")
        if str(found.get("/S", "")) in _ACTIVE_ACTIONS or str(found.get("/Subtype", "")) in _ACTIVE_TYPES:
            raise AttachmentRefused(why="active content")
        if str(found.get("/Type", "")) in _ACTIVE_TYPES:
            raise AttachmentRefused(why="active content")
        if str(found.get("/Type", "")) == "/EmbeddedFile":
            _refuse_attached(found)
        if "/EF" in keys:
            for attached in found["/EF"].values():
                _refuse_attached(attached)
        for key in keys:
            _refuse_active_inside(found[key], depth)


def _refuse_attached(attached: object) -> None:
    """What a PDF carries along may be text that is JSON, or a signature: nothing a viewer would open."""
    if not isinstance(attached, pikepdf.Stream) or len(attached.read_raw_bytes()) > _MAX_ATTACHED_OCTETS:
        raise AttachmentRefused(why="a file within the file that is not looked into")
    octets = attached.read_bytes()
    if len(octets) <= _MAX_SIGNATURE_OCTETS and octets.startswith(b"\x30") and not octets.isascii():
        return
    try:
        msgspec.json.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise AttachmentRefused(why="a file within the file that is not looked into") from None


def _refuse_active_inside(found: object, depth: int) -> None:
    if isinstance(found, pikepdf.Object) and not found.is_indirect:
        _refuse_active(found, depth - 1)


# ------------------------------------------------------------------------------------------------------------ packages

#: Parts that run, or that something else runs: macros, old macro sheets, controls, programs, embedded objects.
_RUNS = re.compile(
    r"(^|/)(vbaproject|vbadata|vbaprojectsignature)[^/]*$|(^|/)(macrosheets|dialogsheets|activex|ctrlprops|embeddings"
    r"|oleobjects|attachs?|webextensions|customui)(/|$)|\.(bin|exe|dll|js|jse|vbs|vbe|wsf|hta|ps1|bat|cmd|scr|lnk|jar"
    r"|com|msi|sh|py|swf|html?|svg|chm|ocx|sys|reg|cpl)$",
    re.IGNORECASE,
)
#: Printer settings are the one binary part of an honest workbook.
_HARMLESS = re.compile(r"^xl/printersettings/[^/]+\.bin$", re.IGNORECASE)
_PACKED_INSIDE = (b"PK\x03\x04", b"PK\x05\x06", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"MSCF",
                  b"\xd0\xcf\x11\xe0", b"MZ", b"\x7fELF", b"%PDF-")  # fmt: skip
_MACRO_TYPE = re.compile(rb"macroenabled|vbaproject|ms-office\.active|oleobject", re.IGNORECASE)


def _check_package(file: BinaryIO, octets: int) -> None:
    with _archive(file) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_ENTRIES:
            raise AttachmentRefused(why="too many entries")
        if len({entry.filename.lower() for entry in entries}) != len(entries):
            raise AttachmentRefused(why="one name twice")
        unpacked = 0
        for entry in entries:
            _refuse_entry(entry)
            unpacked += _unpacked(archive, entry, MAX_UNPACKED_OCTETS - unpacked)
            if unpacked > MAX_UNPACKED_OCTETS or (unpacked > _RATIO_FROM_OCTETS and unpacked > MAX_RATIO * octets):
                raise AttachmentRefused(why="an archive bomb")


def _refuse_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename.replace("\\", "/")
    if name.startswith("/") or ".." in name.split("/") or ":" in name or "\0" in entry.orig_filename:
        raise AttachmentRefused(why="a path out of the archive")
    if (entry.external_attr >> 16) & 0o170000 == 0o120000:
        raise AttachmentRefused(why="a link in the archive")
    if entry.flag_bits & 0x1:
        raise AttachmentRefused(why="an archive with a password")
    if _RUNS.search(name) and not _HARMLESS.match(name):
        raise AttachmentRefused(why="active content")


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, room: int) -> int:
    """How many octets really come out, which no header is believed about; checks what they are on the way."""
    total, is_xml = 0, entry.filename.lower().endswith((".xml", ".rels"))
    kept = io.BytesIO()
    try:
        with archive.open(entry) as unpacking:
            for chunk in iter(lambda: unpacking.read(1 << 16), b""):
                if total == 0 and chunk.startswith(_PACKED_INSIDE):
                    raise AttachmentRefused(why="a file within the file that is not looked into")
                total += len(chunk)
                if total > room:
                    raise AttachmentRefused(why="an archive bomb")
                if is_xml and kept.tell() <= _XML_OCTETS:
                    kept.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError):
        raise AttachmentRefused(why="a damaged archive") from None
    if is_xml:
        _check_xml(entry.filename, kept.getvalue())
    return total


def _check_xml(name: str, content: bytes) -> None:
    """Of a package's own table of parts: no macro, nothing that is fetched from elsewhere when the file is opened."""
    is_table = name == "[Content_Types].xml" or name.endswith(".rels")
    if not is_table:
        return
    if len(content) > _XML_OCTETS:
        raise AttachmentRefused(why="too large")
    try:
        # Read as a parser reads it: entities and encodings would hide words from a search.
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError):
        raise AttachmentRefused(why="damaged XML") from None
    for part in root.iter():
        said = " ".join(str(value) for value in part.attrib.values())
        if _MACRO_TYPE.search(said.encode("utf-8", "replace")):
            raise AttachmentRefused(why="active content")
        is_link = str(part.attrib.get("Type", "")).endswith("/hyperlink")
        if str(part.attrib.get("TargetMode", "")).lower() == "external" and not is_link:
            raise AttachmentRefused(why="something fetched from elsewhere")


def _archive(file: BinaryIO) -> zipfile.ZipFile:
    """Raises AttachmentRefused for one that does not end where it says, or begins with something else."""
    file.seek(0)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OSError, RuntimeError, struct.error):
        raise AttachmentRefused(why="a damaged archive") from None
    first = min((entry.header_offset for entry in archive.infolist()), default=-1)
    end = archive.start_dir + sum(_directory_octets(archive)) + _END_OCTETS + len(archive.comment)
    file.seek(0, os.SEEK_END)
    if first != 0 or file.tell() != end:
        raise AttachmentRefused(why="something before or behind the archive")
    return archive


_END_OCTETS = 22


def _directory_octets(archive: zipfile.ZipFile) -> Iterator[int]:
    for entry in archive.infolist():
        name = entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437")
        yield 46 + len(name) + len(entry.extra) + len(entry.comment)


_CHECKS: Mapping[str, Callable[[BinaryIO, int], None]] = {
    "application/pdf": _check_pdf,
    "image/jpeg": _check_jpeg,
    "image/png": _check_png,
    **dict.fromkeys(_MAIN_PARTS.values(), _check_package),
}
