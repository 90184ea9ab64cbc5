"""Prints: the PDF of a document, made when somebody first wants it and then always the same octets.

A PDF is made outside any transaction, in a thread, from the sealed content alone; its SHA-256 is noted by an act and
its octets lie in a folder by that name. A print that was lost is made again; made by a newer typesetter it may weigh
differently, so a document can have several prints, and each of them is known by its SHA-256.
"""

import hashlib
import hmac
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import anyio
import anyio.to_thread

from casework.papers.acts import KeepPrint
from casework.papers.pages import MADE_WITH, Check, Sealed, pdf
from casework.papers.tables import DocumentPrint
from casework.tables import Document
from kernel.actor import THE_CLOCK
from kernel.acts import Done
from kernel.chance import Secrets
from kernel.db import Database, Row, instant_of
from kernel.office import Office
from kernel.refusals import Invalid, NotFound, Refusal
from kernel.work import Work

#: Base 32 without what is misread: no I, L, O, U.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_CHARS = 10


@dataclass(frozen=True, kw_only=True)
class Press:
    """What printing needs. `folder`: where prints are kept; `public_url`: where copies are verified."""

    database: Database
    office: Office
    secrets: Secrets
    folder: Path
    public_url: str


async def print_of(press: Press, document: int) -> Path:
    """The PDF of the document with this id, made if there is none. Raises NOT_FOUND."""
    for row in await press.database.rows(
        "SELECT sha256 FROM document_print WHERE document_id = $1 ORDER BY id DESC", document
    ):
        kept = _path(press.folder, str(row["sha256"]))
        if await anyio.Path(kept).is_file():
            return kept
    return await _make(press, document)


def sealed_of(row: Row) -> Sealed:
    """From a row of the table `document`."""
    signature = row["seal_signature"]
    return Sealed(
        content=str(row["content"]).encode(),
        serial=str(row["seal_serial"]),
        signature=bytes(signature) if isinstance(signature, bytes | memoryview) else b"",
        issued_at=instant_of(row["issued_at"]),
    )


def check_code(secrets: Secrets, number: str) -> str:
    """What a copy shows beside its number, so that nobody reads through the register by counting."""
    drawn = int(secrets.digest("document.check", number), 16)
    return "".join(_ALPHABET[drawn >> 5 * place & 31] for place in range(_CODE_CHARS))


def is_check_code(secrets: Secrets, row: Row, given: str) -> bool:
    """`row`: of the table `document`. As people type it: dashes and small letters are nothing, O is 0, I and L 1."""
    typed = given.upper().replace("-", "").replace(" ", "").replace("O", "0").replace("I", "1").replace("L", "1")
    return hmac.compare_digest(typed.encode(), _code_of(secrets, row).encode())


def _code_of(secrets: Secrets, row: Row) -> str:
    return str(row["check_code"]) or check_code(secrets, str(row["number"]))


async def keep_print(work: Work, act: KeepPrint) -> Done:
    """Notes a print once. Raises NOT_FOUND, INVALID."""
    if len(act.sha256) != 64 or act.size <= 0:
        raise Invalid(field="打印件", why="摘要或大小有误")
    if not await Document.exists(id=act.document):
        raise NotFound(what="文书")
    if await DocumentPrint.exists(sha256=act.sha256):
        return Done(count=0)
    await DocumentPrint.create(
        document_id=act.document, sha256=act.sha256, size=act.size, made_with=act.made_with, made_at=work.now
    )
    return Done()


async def _make(press: Press, document: int) -> Path:
    found = await press.database.rows(
        "SELECT d.*, c.secret FROM document d JOIN case_file c ON c.id = d.case_id WHERE d.id = $1", document
    )
    if not found:
        raise NotFound(what="文书")
    row = found[0]
    check = None if row["secret"] else _check(press, document, _code_of(press.secrets, row))
    octets = await anyio.to_thread.run_sync(partial(pdf, sealed_of(row), check))
    sha256 = hashlib.sha256(octets).hexdigest()
    path = _path(press.folder, sha256)
    await _put(path, octets, part=press.secrets.token())
    noted = await press.office.perform(
        KeepPrint(document=document, sha256=sha256, size=len(octets), made_with=MADE_WITH), THE_CLOCK, key=None
    )
    if isinstance(noted, Refusal):
        raise noted
    return path


def _check(press: Press, document: int, code: str) -> Check:
    address = f"{press.public_url}/verify"
    return Check(address=address, code=f"{code[:5]}-{code[5:]}", link=f"{address}/{document}?c={quote(code)}")


async def _put(path: Path, octets: bytes, *, part: str) -> None:
    """Whole or not at all, however many make the same print at once."""
    folder = anyio.Path(path.parent)
    await folder.mkdir(parents=True, exist_ok=True)
    written = folder / part
    try:
        await written.write_bytes(octets)
        await written.rename(path)
    finally:
        await written.unlink(missing_ok=True)


def _path(folder: Path, sha256: str) -> Path:
    return folder / sha256[:2] / sha256
