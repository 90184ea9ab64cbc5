"""Rows written: as lines, as XML, and as signed batches, one part in memory at a time.

The XML form says the same by the same names: an element per row, called like its table, a child per column, lists as
`item`; values are spelt as in JSON. Nothing is said by order or attributes.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import IO
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from casework.clock.working_days import day_of
from ferry.exchange import credentials
from ferry.exchange.package import (
    MANIFEST,
    MAX_PART_ROWS,
    SIGNATURE,
    Manifest,
    PackageWriter,
    Part,
    part_of,
    written,
)
from ferry.exchange.reading import NAMESPACE
from ferry.exchange.rules import Sender
from ferry.exchange.standard import STANDARD, Read, encode, plain
from ferry.exchange.tallies import Counted, Tally, tallied

_OPEN, _CLOSE = f'<?xml version="1.0" encoding="UTF-8"?>\n<rows xmlns="{NAMESPACE}">\n', "</rows>\n"
#: Of a part, well below what a receiver takes.
_PART_OCTETS = 4 << 20


class Order(Struct, frozen=True, kw_only=True):
    """What a batch is to say of itself. `form`: jsonl or xml."""

    sender: Sender
    batch: str
    day: date
    created_at: datetime
    form: str = "jsonl"


def as_lines(rows: Iterable[Read]) -> Iterator[bytes]:
    return (encode(row.envelope, row.payload) + b"\n" for row in rows)


def as_xml(rows: Iterable[Read]) -> Iterator[bytes]:
    yield _OPEN.encode()
    for row in rows:
        yield _element(row)
    yield _CLOSE.encode()


def write_batch(
    out: IO[bytes],
    rows: Iterable[Read],
    order: Order,
    key: ec.EllipticCurvePrivateKey,
    certificates: tuple[x509.Certificate, ...],
) -> Manifest:
    """Writes the package and returns its manifest. The rows' own batch and sender are the caller's matter."""
    writer = BatchWriter(out, order)
    for row in rows:
        writer.add(row)
    return writer.finish(key, certificates)


class BatchWriter:
    """A package that is written as its rows come, a part at a time."""

    def __init__(self, out: IO[bytes], order: Order) -> None:
        self._order = order
        self._package = PackageWriter(out)
        self._parts: list[Part] = []
        self._lines: list[bytes] = []
        self._octets = 0
        self._counted: dict[tuple[str, str, int], Counted] = {}

    def add(self, row: Read) -> None:
        line = _element(row) if self._order.form == "xml" else encode(row.envelope, row.payload) + b"\n"
        if self._lines and (len(self._lines) == MAX_PART_ROWS or self._octets + len(line) > _PART_OCTETS):
            self._end_part()
        self._lines.append(line)
        self._octets += len(line)
        self._count(row)

    def finish(
        self,
        key: ec.EllipticCurvePrivateKey,
        certificates: tuple[x509.Certificate, ...],
        tallies: Sequence[Tally] | None = None,
    ) -> Manifest:
        """Writes what is left, manifest and signature. `tallies`: what is held of days that not only this batch tells
        of; without, the batch's own rows are all there is."""
        if self._lines:
            self._end_part()
        manifest = self._manifest(tallied(self._counted.values()) if tallies is None else tallies)
        octets = written(manifest)
        self._package.put(MANIFEST, octets)
        self._package.put(SIGNATURE, credentials.signed(octets, key, certificates).encode())
        self.close()
        return manifest

    def close(self) -> None:
        """Of a batch that was not finished: what is there then is none."""
        self._package.close()

    def _end_part(self) -> None:
        octets = b"".join(self._lines)
        if self._order.form == "xml":
            octets = _OPEN.encode() + octets + _CLOSE.encode()
        part = part_of(len(self._parts) + 1, octets, len(self._lines), self._order.form)
        self._package.put(part.path, octets)
        self._parts.append(part)
        self._lines, self._octets = [], 0

    def _manifest(self, tallies: Sequence[Tally]) -> Manifest:
        order = self._order
        return Manifest(
            std=STANDARD,
            batch=order.batch,
            source_system=order.sender.source_system,
            org=order.sender.org,
            region=order.sender.region,
            day=order.day,
            created_at=order.created_at,
            rows=sum(part.rows for part in self._parts),
            parts=tuple(self._parts),
            tallies=tuple(tallies),
        )

    def _count(self, row: Read) -> None:
        envelope = row.envelope
        place = (envelope.projid, str(envelope.table), envelope.no)
        known = self._counted.get(place)
        if known is None or known.version < envelope.version:
            day = day_of(envelope.event_time)
            self._counted[place] = Counted(
                envelope.org, envelope.table, day, envelope.projid, envelope.rid, envelope.version
            )


def _element(row: Read) -> bytes:
    said = plain(row.envelope, row.payload)
    table = said.pop("table")
    return f"<{table}>{''.join(_column(name, value) for name, value in said.items())}</{table}>\n".encode()


def _column(name: str, value: object) -> str:
    match value:
        case dict():
            inner = "".join(_column(str(key), each) for key, each in value.items())
        case list() | tuple():
            inner = "".join(f"<item>{escape(str(each))}</item>" for each in value)
        case bool():
            inner = "true" if value else "false"
        case _:
            inner = escape(str(value))
    return f"<{name}>{inner}</{name}>"
