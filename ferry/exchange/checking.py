"""The conformance suite: one file against the standard, offline, every row, column and code named.

Reads lines of JSON, XML, or a package. A package is judged whole: signature, hashes, counts, reconciliation records.
The verdict is bad when a row or the file is rejected; marks and rows that wait for an earlier batch are named and fail
nothing. Memory grows with the number of rows by some hundred octets each.
"""

import io
from collections.abc import Iterator
from datetime import datetime
from typing import IO

from cryptography import x509
from msgspec import Struct

from casework.clock.working_days import Calendar, day_of
from ferry.exchange import credentials
from ferry.exchange.faults import REJECTED, Verdict, fault, verdict_of
from ferry.exchange.package import Package, PackageUnfit
from ferry.exchange.reading import Finding, RowsUnreadable, Seen, elements_of, lines_of
from ferry.exchange.rules import CaseKnown, Sender, enter, judge_alone, judge_known
from ferry.exchange.tallies import Counted, Tally, compared, tallied

#: More findings than this are counted and not listed: nobody reads on.
MOST_LISTED = 10_000


class Fact(Struct, frozen=True, kw_only=True):
    """One thing wrong. `part`: the file inside a package; `line` 0: the file as a whole."""

    code: str
    verdict: Verdict
    line: int = 0
    rid: str = ""
    column: str = ""
    part: str = ""


class Report(Struct, kw_only=True):
    """`sender` is whom the certificate names, `believed` whether a root vouches for it (None: no root was given)."""

    conforms: bool = True
    rows: int = 0
    verdicts: dict[str, int] = {}
    codes: dict[str, int] = {}
    facts: list[Fact] = []
    sender: Sender | None = None
    believed: bool | None = None
    tallies: list[Tally] = []


class Suite:
    """Rows judged one after the other, as they stand in one file. `lists_marks`: or only counts them."""

    def __init__(self, calendar: Calendar, *, lists_marks: bool = True) -> None:
        self.report = Report()
        self._calendar, self._lists_marks = calendar, lists_marks
        self._rids: dict[str, str] = {}
        self._cases: dict[tuple[str, str], CaseKnown] = {}

    def note(self, code: str, *, line: int = 0, rid: str = "", column: str = "", part: str = "") -> None:
        report, verdict = self.report, fault(code).verdict
        report.codes[code] = report.codes.get(code, 0) + 1
        if verdict is REJECTED:
            report.conforms = False
        if (verdict is REJECTED or self._lists_marks) and len(report.facts) < MOST_LISTED:
            report.facts.append(Fact(code=code, verdict=verdict, line=line, rid=rid, column=column, part=part))

    def take(
        self, seen: Seen, *, part: str = "", sender: Sender | None, batch: str | None, made_at: datetime | None
    ) -> Verdict:
        self.report.rows += 1
        findings = list(seen.findings)
        if (read := seen.read) is not None:
            findings += judge_alone(read, sender=sender, batch=batch, made_at=made_at, calendar=self._calendar)
            known = self._cases.setdefault((read.envelope.source_system, read.envelope.projid), CaseKnown())
            findings += judge_known(read, known, self._rids)
            self._rids.setdefault(read.envelope.rid, read.digest)
            if verdict_of(_codes(findings)) not in (Verdict.REJECTED, Verdict.IGNORED):
                enter(read, known, held=False)  # in a file, later lines may say what was missing
        verdict = verdict_of(_codes(findings))
        self.report.verdicts[verdict] = self.report.verdicts.get(verdict, 0) + 1
        for finding in findings:
            self.note(finding.code, line=seen.line, rid=seen.rid, column=finding.column, part=part)
        return verdict

    def tallies(self) -> list[Tally]:
        return tallied(
            Counted(row.org, table, day_of(row.event_time), projid, row.rid, row.version)
            for (_, projid), known in self._cases.items()
            for (table, _), row in known.rows.items()
        )


def check(source: IO[bytes], *, calendar: Calendar, root: x509.Certificate | None = None) -> Report:
    """Judges a file that can be sought. `root`: whose senders are believed."""
    suite = Suite(calendar)
    start = source.read(4)
    source.seek(0)
    try:
        if start == b"PK\x03\x04":
            _check_package(suite, Package(source), root)
        else:
            form = "xml" if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<" else "jsonl"
            for seen in _rows(source, form):
                suite.take(seen, sender=None, batch=None, made_at=None)
    except PackageUnfit as unfit:
        suite.note(unfit.code, part=unfit.where)
    except RowsUnreadable:
        suite.note("FILE_UNREADABLE")
    suite.report.tallies = suite.tallies()
    return suite.report


def _check_package(suite: Suite, package: Package, root: x509.Certificate | None) -> None:
    manifest = package.manifest
    try:
        suite.report.sender = credentials.check(manifest, package.octets, package.signature)
        if root is not None:
            suite.report.believed = False
            verifier = credentials.verifier_of(package.signature, root)
            credentials.believed(package.signature, verifier, manifest.created_at)
            suite.report.believed = True
    except PackageUnfit as unfit:
        suite.note(unfit.code, part=unfit.where)
    sender = Sender(source_system=manifest.source_system, org=manifest.org, region=manifest.region)
    for part in manifest.parts:
        try:
            octets = package.part(part)
        except PackageUnfit as unfit:
            suite.note(unfit.code, part=unfit.where)
            continue
        before = suite.report.rows
        for seen in _rows(io.BytesIO(octets), part.path.rpartition(".")[2]):
            suite.take(seen, part=part.path, sender=sender, batch=manifest.batch, made_at=manifest.created_at)
        if suite.report.rows - before != part.rows:
            suite.note("COUNT_WRONG", part=part.path)
    _check_tallies(suite, manifest.tallies)


def _check_tallies(suite: Suite, said: tuple[Tally, ...]) -> None:
    """More than is in the file may have been sent before; less, or the same number of others, cannot be right."""
    for drift in compared(said, suite.tallies()):
        ours, theirs = drift.ours, drift.theirs
        if theirs is None or (ours is not None and theirs.count <= ours.count):
            suite.note("TALLY_WRONG", part=f"{drift.org} {drift.table} {drift.day}")


def _rows(source: IO[bytes], form: str) -> Iterator[Seen]:
    return elements_of(source) if form == "xml" else lines_of(source)


def _codes(findings: list[Finding]) -> tuple[str, ...]:
    return tuple(finding.code for finding in findings)
