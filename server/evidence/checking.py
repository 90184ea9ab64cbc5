"""Whether a file of evidence is what was sealed: offline, with nothing but the root certificate.

Every octet of the ZIP is judged: its shape (zipped.read knows one only), each file against its checksum and its digest
in the record, the record and the sealed text against their seals, the frames and the words against the sealed text.
Everything that does not fit is named. Revocation is judged by the list in the file, which the CA signed and which is
newer than the seals: it knows every revocation until the export.
"""

import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from certs.acts import Attestation
from certs.authority import pem
from certs.encodings import sha256_hex, signature_der
from certs.evidence import TextBody, check_sealed, read_body
from certs.signatures import canonical
from certs.verification import UNREADABLE, RevocationList, Verifier
from kernel.acts import SignatureFormat
from kernel.clock import as_utc
from kernel.refusals import Refusal
from server.archive import zipped
from server.evidence.record import (
    EVIDENCE,
    EVIDENCE_SEAL,
    EVIDENCE_SEALER,
    FIXED,
    FORMAT,
    ISSUING,
    RECORD,
    RECORD_SEAL,
    RECORD_SEALER,
    REVOCATIONS,
    Record,
    frame_path,
    listed,
)

#: A frame has a few hundred octets; a file of evidence of megabytes is none.
MOST_OCTETS = 4 << 20
_UNFIT = (*UNREADABLE, msgspec.MsgspecError, LookupError, RecursionError, OverflowError)


class FaultCode(StrEnum):
    """The codes are stable."""

    NOT_A_PACKAGE = "NOT_A_PACKAGE"
    FILE_CHANGED = "FILE_CHANGED"
    FILE_MISSING = "FILE_MISSING"
    FILE_ADDED = "FILE_ADDED"
    RECORD_UNREADABLE = "RECORD_UNREADABLE"
    RECORD_SEAL_INVALID = "RECORD_SEAL_INVALID"
    EVIDENCE_SEAL_INVALID = "EVIDENCE_SEAL_INVALID"
    REVOCATIONS_INVALID = "REVOCATIONS_INVALID"
    FRAME_DIFFERS = "FRAME_DIFFERS"
    TEXT_DIFFERS = "TEXT_DIFFERS"
    RECORD_DIFFERS = "RECORD_DIFFERS"
    ROWS_DIFFER = "ROWS_DIFFER"


FAULT_NAMES: Mapping[FaultCode, str] = MappingProxyType(
    {
        FaultCode.NOT_A_PACKAGE: "不是完整的存证文件",
        FaultCode.FILE_CHANGED: "文件内容被改动",
        FaultCode.FILE_MISSING: "文件缺失",
        FaultCode.FILE_ADDED: "多出文件",
        FaultCode.RECORD_UNREADABLE: "导出记录无法读取",
        FaultCode.RECORD_SEAL_INVALID: "导出记录的签名无效",
        FaultCode.EVIDENCE_SEAL_INVALID: "短信存证的签名无效",
        FaultCode.REVOCATIONS_INVALID: "证书吊销列表无效",
        FaultCode.FRAME_DIFFERS: "原始报文与存证不符",
        FaultCode.TEXT_DIFFERS: "短信内容与存证摘要不符",
        FaultCode.RECORD_DIFFERS: "导出记录与存证不是同一条",
        FaultCode.ROWS_DIFFER: "数据库中的记录与存证不符",
    }
)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """`where`: a file of the ZIP, or a row. `why`: the code of the check that failed, or a word."""

    code: FaultCode
    where: str
    why: str = ""


class EvidenceVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """`body` and `record` are None where they cannot be read; only those of an intact file may be believed."""

    faults: tuple[Fault, ...]
    body: TextBody | None = None
    record: Record | None = None

    @property
    def intact(self) -> bool:
        return not self.faults


def verify(octets: bytes, root: x509.Certificate) -> EvidenceVerdict:
    """Everything that is wrong with a file of evidence. Never raises."""
    try:
        if len(octets) > MOST_OCTETS:
            return _lone(FaultCode.NOT_A_PACKAGE, "—", f"{len(octets)} octets")
        entries = zipped.read(io.BytesIO(octets))
    except Refusal as refusal:
        why = " ".join(map(str, (refusal.code, *refusal.details.values())))
        return _lone(FaultCode.NOT_A_PACKAGE, "—", why)
    damaged = [
        Fault(code=FaultCode.FILE_CHANGED, where=entry.name, why="checksum") for entry in entries if not entry.sound
    ]
    if damaged:
        return EvidenceVerdict(faults=tuple(damaged))
    files = {entry.name: entry.content or b"" for entry in entries}
    check = _Check(files, root)
    return EvidenceVerdict(faults=tuple(check.faults()), body=check.body, record=check.record)


def _lone(code: FaultCode, where: str, why: str) -> EvidenceVerdict:
    return EvidenceVerdict(faults=(Fault(code=code, where=where, why=why),))


class _Check:
    """One file under examination; each method yields the faults of one kind."""

    def __init__(self, files: Mapping[str, bytes], root: x509.Certificate) -> None:
        self._files, self._root = files, root
        self.record = _read_record(files.get(RECORD, b""))
        self.body = _read_body(files.get(EVIDENCE, b""))
        self._issuing = self._read_issuing()
        self._verifier = Verifier([root], [] if self._issuing is None else [self._issuing])
        self._revocations = self._read_revocations()

    def faults(self) -> Iterator[Fault]:
        record, body = self.record, self.body
        if record is None:
            yield Fault(code=FaultCode.RECORD_UNREADABLE, where=RECORD)
        else:
            yield from self._listed(record)
            yield from self._seal(
                RECORD, RECORD_SEAL, RECORD_SEALER, FaultCode.RECORD_SEAL_INVALID, at=record.exported_at
            )
        if self._revocations is None:
            yield Fault(code=FaultCode.REVOCATIONS_INVALID, where=REVOCATIONS)
        if body is None:
            yield Fault(code=FaultCode.EVIDENCE_SEAL_INVALID, where=EVIDENCE, why="unreadable")
            return
        yield from self._seal(
            EVIDENCE, EVIDENCE_SEAL, EVIDENCE_SEALER, FaultCode.EVIDENCE_SEAL_INVALID, at=body.sealed_at
        )
        yield from self._received(body)
        if record is not None and record.evidence != body.number:
            yield Fault(code=FaultCode.RECORD_DIFFERS, where=RECORD, why=record.evidence[:40])

    def _listed(self, record: Record) -> Iterator[Fault]:
        beside = (RECORD, RECORD_SEAL, RECORD_SEALER)
        expected = {file.path: file for file in record.files}
        found = {file.path: file for file in listed(self._files) if file.path not in beside}
        for path in (*beside, *FIXED, *expected):
            if path not in self._files:
                yield Fault(code=FaultCode.FILE_MISSING, where=path)
        for path, file in found.items():
            if path not in expected:
                yield Fault(code=FaultCode.FILE_ADDED, where=path)
            elif file != expected[path]:
                yield Fault(code=FaultCode.FILE_CHANGED, where=path)
        if [*beside, *expected] != list(self._files) and set(expected) | set(beside) == set(self._files):
            yield Fault(code=FaultCode.NOT_A_PACKAGE, where="—", why="the order of the files")

    def _seal(self, content: str, seal: str, sealer: str, code: FaultCode, *, at: str) -> Iterator[Fault]:
        try:
            certificate = x509.load_pem_x509_certificate(self._files[sealer])
            if pem(certificate) != self._files[sealer]:
                raise ValueError("more than a certificate")
            signature = signature_der(self._files[seal], SignatureFormat.DER)
            check_sealed(
                self._files[content],
                Attestation(signature=signature, certificate=certificate.public_bytes(Encoding.DER)),
                self._verifier,
                at=as_utc(datetime.fromisoformat(at)),
                revocations=self._revocations,
            )
        except Refusal as refusal:
            yield Fault(code=code, where=content, why=refusal.code)
        except _UNFIT as wrong:
            yield Fault(code=code, where=content, why=type(wrong).__name__)

    def _received(self, body: TextBody) -> Iterator[Fault]:
        if sha256_hex(body.text.encode("utf-8", "surrogatepass")) != body.text_sha256:
            yield Fault(code=FaultCode.TEXT_DIFFERS, where=EVIDENCE)
        try:
            frames = body.frames
        except ValueError:
            yield Fault(code=FaultCode.FRAME_DIFFERS, where=EVIDENCE, why="pdus")
            return
        if tuple(map(sha256_hex, frames)) != body.pdus_sha256:
            yield Fault(code=FaultCode.FRAME_DIFFERS, where=EVIDENCE, why="pdus_sha256")
        for number, frame in enumerate(frames, 1):
            if self._files.get(frame_path(number)) != frame:
                yield Fault(code=FaultCode.FRAME_DIFFERS, where=frame_path(number))

    def _read_issuing(self) -> x509.Certificate | None:
        try:
            issuing = x509.load_pem_x509_certificate(self._files[ISSUING])
            issuing.verify_directly_issued_by(self._root)
        except (*_UNFIT, InvalidSignature):
            return None
        return issuing

    def _read_revocations(self) -> RevocationList | None:
        if self._issuing is None:
            return None
        try:
            return RevocationList.read(self._files[REVOCATIONS], self._issuing)
        except (Refusal, *_UNFIT):
            return None


def _read_record(octets: bytes) -> Record | None:
    try:
        record = msgspec.json.decode(octets, type=Record)
        return record if record.format == FORMAT and canonical(record) == octets else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Refusal):
        return None


def _read_body(octets: bytes) -> TextBody | None:
    try:
        return read_body(octets)
    except Refusal:
        return None
