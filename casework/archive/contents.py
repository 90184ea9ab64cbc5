"""What an archive holds of a case: its facts, its events, its documents, materials and licences, as octets by path.

Source: rules on electronic files of government affairs (政务服务事项电子文件归档规范, DA/T 85; GB/T 18894: content,
metadata and process together). The layout is version 1 and stays: an old manifest must find the same octets. What
the six-part process record says is in the events, from which it is read again.

Limits: a field that a case gets later is not part of version 1; names of units are where they were sealed, in the
documents, because a unit may be renamed.
"""

from dataclasses import dataclass, field
from datetime import UTC

import msgspec

from casework.licences.tables import LicenceChange
from casework.papers.tables import DocumentPrint
from casework.tables import Case, ClockEntry, Document, ItemVersion, Material, Step
from kernel.db import Database, Row, instant_of
from kernel.rows import one

FACTS, ITEM, EVENTS = "case.json", "item.json", "events.jsonl"
_FIELDS = (
    "number", "status", "channel", "item_code", "item_version", "item_name", "stage_code", "unit_code", "secret",
    "applicant_name", "applicant_id_number", "applicant_phone", "agent_name", "agent_id_number", "agent_phone", "form",
    "window_unit", "package_number", "licence_number", "statutory_days", "committed_days", "received_on", "entered_at",
    "supplement_asked", "supplemented_on", "accepted_on", "deemed_accepted", "statutory_due", "committed_due",
    "due_provisional", "decided_at", "outcome", "closed_at", "returns",
)  # fmt: skip
_STEP_FIELDS = (
    "seq", "step", "branch", "level", "decision", "opinion", "officer", "officer_name", "principal", "principal_name",
    "role", "signature", "at",
)  # fmt: skip


class SealedPaper(msgspec.Struct, frozen=True, kw_only=True):
    """Octets that a unit sealed: a statutory document, or what a licence said. `seal_serial` in hex."""

    name: str
    kind: str
    unit: str
    path: str
    seal_path: str
    seal_serial: str
    at: str


class HandedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A material. On paper only: no `path`."""

    name: str
    path: str
    sha256: str
    size: int


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A file that lies in the store by its SHA-256, in the folder `under` of it."""

    path: str
    sha256: str
    size: int
    under: str = ""


class ChainEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How far the case's event chain reaches in the archive."""

    subject: str
    length: int
    head: str


@dataclass(frozen=True, kw_only=True)
class Contents:
    """`written`: path to octets. `kept`: materials and prints, whose octets lie in the store."""

    chain: ChainEnd
    papers: tuple[SealedPaper, ...]
    materials: tuple[HandedIn, ...]
    kept: tuple[Kept, ...]
    written: dict[str, bytes] = field(repr=False)


async def contents_of(database: Database, case: Case, *, length: int | None = None) -> Contents:
    """The archive of `case`, with the first `length` events of its chain: all there are, unless it says."""
    events = await _events(database, case.number, length)
    materials = await Material.filter(case_id=case.id).order_by("id")
    handed_in = tuple(_material(place, material) for place, material in enumerate(materials, 1))
    written = {FACTS: await _facts(case), EVENTS: b"".join(_line(event) for event in events)}
    item = await one(ItemVersion, item_code=case.item_code, version=case.item_version)
    if item is not None:
        written[ITEM] = item.definition.encode()
    papers = [*await _documents(case, written), *await _licences(case, written)]
    return Contents(
        chain=ChainEnd(
            subject=f"case:{case.number}", length=len(events), head=str(events[-1]["hash"]) if events else ""
        ),
        papers=tuple(papers),
        materials=handed_in,
        kept=(
            *(Kept(path=each.path, sha256=each.sha256, size=each.size) for each in handed_in if each.path),
            *await _prints(case),
        ),
        written=written,
    )


async def _facts(case: Case) -> bytes:
    steps = await Step.filter(case_id=case.id).order_by("seq")
    ledger = await ClockEntry.filter(case_id=case.id).order_by("seq").values_list("entry", flat=True)
    materials = await Material.filter(case_id=case.id).order_by("id")
    facts = {
        **{name: getattr(case, name) for name in _FIELDS},
        "steps": [{name: getattr(step, name) for name in _STEP_FIELDS} for step in steps],
        "clock": [msgspec.Raw(str(entry).encode()) for entry in ledger],
        "materials": [
            {"name": m.name, "file_name": m.file_name, "media_type": m.media_type, "received_at": m.received_at}
            for m in materials
        ],
    }
    return msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n"


async def _events(database: Database, number: str, length: int | None) -> list[Row]:
    return await database.rows(
        "SELECT seq, tag, at, actor, body, previous_hash, hash FROM event"
        " WHERE subject = $1 AND seq <= $2 ORDER BY seq",
        f"case:{number}",
        length if length is not None else (1 << 31) - 1,
    )


def _line(event: Row) -> bytes:
    at = instant_of(event["at"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return msgspec.json.encode({**event, "at": at}) + b"\n"


async def _documents(case: Case, written: dict[str, bytes]) -> list[SealedPaper]:
    papers = []
    for place, document in enumerate(await Document.filter(case_id=case.id).order_by("id"), 1):
        paper = SealedPaper(
            name=document.number,
            kind=document.kind,
            unit=document.unit_code,
            path=f"documents/{place:04d}.json",
            seal_path=f"documents/{place:04d}.sig",
            seal_serial=document.seal_serial,
            at=document.issued_at.astimezone(UTC).isoformat(),
        )
        written[paper.path], written[paper.seal_path] = document.content.encode(), bytes(document.seal_signature or b"")
        papers.append(paper)
    return papers


async def _prints(case: Case) -> list[Kept]:
    """The newest PDF of each document that was ever printed; it carries the sealed content inside."""
    prints = []
    for place, document in enumerate(await Document.filter(case_id=case.id).order_by("id"), 1):
        made = await DocumentPrint.filter(document_id=document.id).order_by("-id").first()
        if made is not None:
            path = f"documents/{place:04d}.pdf"
            prints.append(Kept(path=path, sha256=made.sha256, size=made.size, under="prints"))
    return prints


async def _licences(case: Case, written: dict[str, bytes]) -> list[SealedPaper]:
    """What licences said after this case had changed them."""
    papers = []
    for place, change in enumerate(await LicenceChange.filter(case_number=case.number).order_by("id"), 1):
        said: dict[str, object] = msgspec.json.decode(change.content)
        paper = SealedPaper(
            name=str(said["number"]),
            kind="licence",
            unit=str(said["unit"]),
            path=f"licences/{place:04d}.json",
            seal_path=f"licences/{place:04d}.sig",
            seal_serial=change.seal_serial,
            at=change.at.astimezone(UTC).isoformat(),
        )
        written[paper.path], written[paper.seal_path] = change.content.encode(), bytes(change.seal_signature)
        papers.append(paper)
    return papers


def _material(place: int, material: Material) -> HandedIn:
    path = f"materials/{place:04d}" if material.sha256 else ""
    return HandedIn(name=material.name, path=path, sha256=material.sha256, size=material.size)
