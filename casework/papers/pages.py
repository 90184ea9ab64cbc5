"""What a document looks like: a page of HTML, or a PDF on A4 with its font embedded. Pure: the same in, the same out.

The PDF (PDF/A-3b) is set by Typst from `templates/document.typ`; it carries the sealed content and the seal's
signature as attachments, so a copy on somebody's disk can be verified without us. Setting a page takes about fifteen
milliseconds outside the interpreter's lock: run it in a thread.

Limits: what the font cannot draw is printed as its code point, 〔U+4DAE〕, and stands unchanged in the attachment.
"""

import io
import json
import re
import threading
from bisect import bisect_right
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import msgspec
import segno
import typst
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from casework.papers.documents import Content, in_words

_HERE = Path(__file__).parent
_html = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined)
#: In the font, and yet not on the page: soft hyphen, half-width Hangul filler.
_UNSEEN = "\u00ad\uffa0"
#: With the version: another one may set the same page in other octets.
MADE_WITH = f"typst {version('typst')}"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Where a copy is verified: the page, the code that opens it, and the address in the QR code."""

    address: str
    code: str
    link: str


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A document as the table keeps it. `serial`: of the seal's certificate, hex; `signature`: DER."""

    content: bytes
    serial: str
    signature: bytes
    issued_at: datetime

    @property
    def parsed(self) -> Content:
        return msgspec.json.decode(self.content, type=Content)


def html(sealed: Sealed) -> str:
    content = sealed.parsed
    page = _html.get_template("document.html")
    return page.render(draft=content.draft, number=content.number, day=in_words(content.issued_on))


def pdf(sealed: Sealed, check: Check | None) -> bytes:
    """`check`: none for a document that nobody verifies in public (a secret case's)."""
    content = sealed.parsed
    draft, day = content.draft, content.issued_on
    sheet = {
        "title": draft.title,
        "issuer": draft.issuer,
        "number": content.number,
        "addressee": draft.addressee,
        "opening": draft.opening,
        "lines": draft.lines,
        "closing": draft.closing,
        "layout": draft.layout,
        "day": in_words(day),
        "date": (day.year, day.month, day.day),
        "template": draft.template,
        "sha256": sha256(sealed.content).hexdigest(),
        "seal": {"serial": sealed.serial, "fingerprint": sha256(sealed.signature).hexdigest()[:32]},
        "check": check and {"address": check.address, "code": check.code},
    }
    files = {
        "qr": _qr(check.link) if check else "",
        "attached": (
            ("document.json", list(sealed.content), "application/json", "盖章的正文 · the sealed content"),
            ("seal.der", list(sealed.signature), "application/octet-stream", "印章签名 · ECDSA P-256, SHA-256"),
        ),
    }
    inputs = {"sheet": json.dumps(_legible(msgspec.to_builtins(sheet))), "files": json.dumps(files)}
    with _press_lock:
        # To no file and in one piece, as PDF is: octets.
        set_page = _press().compile(
            sys_inputs=inputs, format="pdf", pdf_standards=["a-3b"], timestamp=int(sealed.issued_at.timestamp())
        )
    assert isinstance(set_page, bytes)
    return set_page


#: A press sets one page at a time.
_press_lock = threading.Lock()


@cache
def _press() -> typst.Compiler:
    return typst.Compiler(
        input=str(_HERE / "templates" / "document.typ"),
        root=str(_HERE / "templates"),
        font_paths=[str(_HERE / "fonts")],
        ignore_system_fonts=True,
    )


def _qr(link: str) -> str:
    drawn = io.BytesIO()
    segno.make(link, error="m", micro=False).save(drawn, kind="svg", border=0, xmldecl=False)
    return drawn.getvalue().decode()


def _legible(value: object) -> object:
    """Every text of `value` with what the font cannot draw written as code points."""
    if isinstance(value, str):
        return "".join(char if can_draw(char) else f"〔U+{ord(char):04X}〕" for char in value.replace("\r\n", "\n"))
    if isinstance(value, dict):
        return {key: _legible(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_legible(inner) for inner in value]
    return value


def can_draw(char: str) -> bool:
    if char in _UNSEEN:
        return False
    firsts, lasts = _coverage()
    place = bisect_right(firsts, ord(char)) - 1
    return char == "\n" or (place >= 0 and ord(char) <= lasts[place])


@cache
def _coverage() -> tuple[list[int], list[int]]:
    ranges = re.findall(r"([0-9A-F]+)-([0-9A-F]+)", (_HERE / "fonts" / "coverage.txt").read_text())
    return [int(first, 16) for first, _ in ranges], [int(last, 16) for _, last in ranges]
