"""Whether an archive package is what was sealed: offline, with nothing but the root certificate.

Every file against the manifest, the manifest against its seal, every paper against its unit's seal, every decision
against its signer's certificate at the time of signing, the event chain against itself, and what was signed against
what is there. All faults are named, in this order. Revocation is judged by the list in the package, which the CA
signed and the manifest pins: it knows every revocation up to the day of archiving.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import BinaryIO

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from casework.archive.contents import EVENTS, SealedPaper
from casework.papers.documents import draft_sha256
from casework.process_record import EVENT_NAMES, GROUP_NAMES
from certs.encodings import check_es256, signature_der, unb64u
from certs.profiles import OFFICER_SIGNING, UNIT_SEAL, Profile
from certs.refusals import CertificateRevoked
from certs.signatures import payload_of
from certs.verification import UNREADABLE, RevocationList, Trusted, Verifier
from kernel.acts import SignatureFormat
from kernel.clock import as_utc
from kernel.events import GENESIS, chained_hash
from kernel.refusals import Refusal
from server.archive import manifest as manifests
from server.archive import zipped
from server.archive.faults import ArchiveVerdict, Fault, FaultCode
from server.archive.manifest import ISSUING, MANIFEST, REVOCATIONS, SEAL, SEALER, Manifest, SignedDecision
from server.archive.refusals import ArchiveTooLarge, ManifestUnreadable, RootUnreadable

_BESIDE = (MANIFEST, SEAL, SEALER)
#: What reading somebody else's JSON, dates and certificates may raise.
_UNFIT = (*UNREADABLE, msgspec.MsgspecError, LookupError, RecursionError, OverflowError)


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event as `casework.archive.contents` writes it."""

    seq: int
    tag: str
    at: datetime
    actor: str
    body: str
    previous_hash: str
    hash: str


class _Named(msgspec.Struct, frozen=True):
    name: str
    sha256: str


class _Signer(msgspec.Struct, frozen=True):
    id: str


class _Payload(msgspec.Struct, frozen=True):
    """What the check needs of a signed statement."""

    kind: str
    subject: str
    signer: _Signer
    documents: tuple[_Named, ...]
    issued_at: datetime
    expires_at: datetime


_line = msgspec.json.Decoder(_Line)
_body = msgspec.json.Decoder(dict[str, object])


def read_root(octets: bytes) -> x509.Certificate:
    """A self-signed certificate, PEM. Raises ARCHIVE_ROOT_UNREADABLE."""
    try:
        root = x509.load_pem_x509_certificate(octets)
        root.verify_directly_issued_by(root)
    except (*UNREADABLE, InvalidSignature):
        raise RootUnreadable() from None
    return root


def verify(source: BinaryIO, root: x509.Certificate) -> ArchiveVerdict:
    """Everything that is wrong with a package. Raises what reading it as one refuses."""
    entries = zipped.read(source)
    manifest, octets = _manifest(entries)
    check = _Check(entries, manifest, octets, root)
    faults = tuple(check.faults())
    return ArchiveVerdict(
        archive=manifest.archive,
        case=manifest.case,
        unit=manifest.unit,
        archived_at=manifest.archived_at,
        sha256=sha256(octets).hexdigest(),
        files=len(manifest.files),
        papers=len(manifest.papers),
        decisions=len(manifest.decisions),
        events=len(check.lines),
        record=check.record(),
        faults=faults,
    )


def _manifest(entries: list[zipped.Entry]) -> tuple[Manifest, bytes]:
    found = next((entry for entry in entries if entry.name == MANIFEST), None)
    if found is None:
        raise ManifestUnreadable(why=f"没有 {MANIFEST}")
    if found.content is None or found.size > manifests.MOST_OCTETS:
        raise ArchiveTooLarge(what="清单", limit=f"{manifests.MOST_OCTETS >> 20} MiB")
    return manifests.read(found.content), found.content


class _Check:
    """One package under examination; each method yields the faults of one kind."""

    def __init__(self, entries: list[zipped.Entry], manifest: Manifest, octets: bytes, root: x509.Certificate) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._manifest, self._octets, self._root = manifest, octets, root
        # A decision signed the document that it issued as a draft, without number and date.
        drafts = [draft_sha256(entry.content) for entry in entries if entry.content is not None]
        self._digests = {entry.sha256 for entry in entries}.union(draft for draft in drafts if draft)

    def faults(self) -> Iterator[Fault]:
        yield from self._files()
        yield from self._seal_of_the_manifest()
        if self._revocations is None:
            yield Fault(code=FaultCode.REVOCATIONS_INVALID, where=REVOCATIONS)
        for paper in self._manifest.papers:
            yield from self._paper(paper)
        for decision in self._manifest.decisions:
            yield from self._decision(decision)
        yield from self._chain()

    def record(self) -> dict[str, int]:
        """The six parts of the process record, each with the number of its events."""
        groups = [group for line in self.lines for group in EVENT_NAMES.get(line.tag, ("", ()))[1]]
        return {name: groups.count(group) for group, name in GROUP_NAMES.items()}

    # ------------------------------------------------------------------------------------------------------ files
    def _files(self) -> Iterator[Fault]:
        listed = {file.path: file for file in self._manifest.files}
        for path, file in listed.items():
            entry = self._entries.get(path)
            if entry is None:
                yield Fault(code=FaultCode.FILE_MISSING, where=path)
            elif (entry.sha256, entry.size, entry.sound) != (file.sha256, file.size, True):
                yield Fault(code=FaultCode.FILE_CHANGED, where=path)
        for name, entry in self._entries.items():
            if name in _BESIDE and not entry.sound:
                yield Fault(code=FaultCode.FILE_CHANGED, where=name)
            if name not in listed and name not in _BESIDE:
                yield Fault(code=FaultCode.FILE_ADDED, where=name)
        expected = [name for name in (*_BESIDE, *(file.path for file in self._manifest.files)) if name in self._entries]
        found = [name for name in self._entries if name in listed or name in _BESIDE]
        if found != expected:
            first = next(name for name, wanted in zip(found, expected, strict=True) if name != wanted)
            yield Fault(code=FaultCode.ORDER_CHANGED, where=first)
        if manifests.root_of(self._manifest.files) != self._manifest.root:
            yield Fault(code=FaultCode.ROOT_DIGEST_WRONG, where=MANIFEST)

    # ------------------------------------------------------------------------------------------------------ seals
    def _seal_of_the_manifest(self) -> Iterator[Fault]:
        manifest = self._manifest
        why = self._unsealed(self._octets, SEAL, SEALER, unit=manifest.unit, at=manifest.archived_at)
        if why is None and manifests.written(manifest) != self._octets:
            why = "not canonical"
        if why is not None:
            yield Fault(code=FaultCode.MANIFEST_SEAL_INVALID, where=MANIFEST, why=why)

    def _paper(self, paper: SealedPaper) -> Iterator[Fault]:
        certificate = manifests.seal_certificate_path(paper.seal_serial)
        entry = self._entries.get(paper.path)
        content = entry.content if entry is not None else None
        why = self._unsealed(content, paper.seal_path, certificate, unit=paper.unit, at=paper.at)
        if why is not None:
            yield Fault(code=FaultCode.PAPER_SEAL_INVALID, where=paper.path, why=why)

    def _unsealed(self, content: bytes | None, seal: str, certificate: str, *, unit: str, at: str) -> str | None:
        """Why `content` is not under the seal of `unit`, or None."""
        try:
            trusted = self._relied_on(certificate, UNIT_SEAL, at=as_utc(datetime.fromisoformat(at)))
            if _holder(trusted) != unit:
                return "the seal of another unit"
            if content is None:
                return "nothing to judge"
            check_es256(trusted.key, content, signature_der(self._content(seal), SignatureFormat.DER))
        except Refusal as refusal:
            return refusal.code
        except _UNFIT as wrong:
            return type(wrong).__name__
        return None

    def _relied_on(self, path: str, profile: Profile, *, at: datetime) -> Trusted:
        """Raises the certificate's refusal, and what octets from outside may raise."""
        der = x509.load_pem_x509_certificate(self._content(path)).public_bytes(Encoding.DER)
        trusted = self._verifier.relied_on(der, profile, at=at)
        since = self._revocations.revoked.get(trusted.certificate.serial_number) if self._revocations else None
        if since is not None and since <= at:
            raise CertificateRevoked(at=since.isoformat())
        return trusted

    @cached_property
    def _verifier(self) -> Verifier:
        issuing = self._issuing
        return Verifier([self._root], [] if issuing is None else [issuing])

    @cached_property
    def _issuing(self) -> x509.Certificate | None:
        try:
            issuing = x509.load_pem_x509_certificate(self._content(ISSUING))
            issuing.verify_directly_issued_by(self._root)
        except (*_UNFIT, InvalidSignature):
            return None
        return issuing

    @cached_property
    def _revocations(self) -> RevocationList | None:
        if self._issuing is None:
            return None
        try:
            return RevocationList.read(self._content(REVOCATIONS), self._issuing)
        except (Refusal, *_UNFIT):
            return None

    # -------------------------------------------------------------------------------------------------- decisions
    def _decision(self, decision: SignedDecision) -> Iterator[Fault]:
        try:
            payload = self._signed(decision)
        except Refusal as refusal:
            yield Fault(code=FaultCode.DECISION_INVALID, where=decision.evidence, why=refusal.code)
        except _UNFIT as wrong:
            yield Fault(code=FaultCode.DECISION_INVALID, where=decision.evidence, why=type(wrong).__name__)
        else:
            for document in payload.documents:
                if document.sha256 not in self._digests:
                    yield Fault(
                        code=FaultCode.SIGNED_DOCUMENT_MISSING, where=f"{decision.evidence}: {document.name[:80]}"
                    )

    def _signed(self, decision: SignedDecision) -> _Payload:
        """The statement, if its signature holds. Raises a refusal, and what octets from outside may raise."""
        signed = self._content(f"{decision.folder}/payload.bin")
        at = as_utc(datetime.fromisoformat(decision.signed_at))
        trusted = self._relied_on(f"{decision.folder}/signer.pem", OFFICER_SIGNING, at=at)
        check_es256(
            trusted.key,
            signed,
            signature_der(self._content(f"{decision.folder}/signature.der"), SignatureFormat.DER),
        )
        payload = msgspec.convert(payload_of(signed), _Payload)
        named = (payload.kind, payload.subject, payload.signer.id, _holder(trusted))
        if named != (decision.kind, self._manifest.case, decision.officer, decision.officer):
            raise ValueError("the statement is about something else")
        if not payload.issued_at <= at <= payload.expires_at:
            raise ValueError("signed at another time")
        if f'"x5t#S256":"{trusted.fingerprint}"'.encode() not in unb64u(signed.partition(b".")[0].decode("ascii")):
            raise ValueError("made for another certificate")
        return payload

    # ----------------------------------------------------------------------------------------------------- events
    @cached_property
    def lines(self) -> list[_Line]:
        """The events up to the first that cannot be read."""
        lines = []
        entry = self._entries.get(EVENTS)
        for line in ((entry.content if entry else None) or b"").splitlines():
            try:
                lines.append(_line.decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                break
        return lines

    def _chain(self) -> Iterator[Fault]:
        chain, previous = self._manifest.chain, GENESIS
        if chain.subject != f"case:{self._manifest.case}":
            yield Fault(code=FaultCode.EVENT_CHAIN_BROKEN, where=EVENTS, why="the chain of something else")
        for place, line in enumerate(self.lines, 1):
            if line.seq != place or line.previous_hash != previous or line.hash != _digest(line, chain.subject):
                yield Fault(code=FaultCode.EVENT_CHAIN_BROKEN, where=f"#{place}", why=line.tag)
                break
            previous = line.hash
        else:
            if (len(self.lines), previous) != (chain.length, chain.head):
                yield Fault(code=FaultCode.EVENT_CHAIN_BROKEN, where=f"#{len(self.lines) + 1}", why="cut or moved")
        kept = {decision.evidence for decision in self._manifest.decisions}
        for line in self.lines:
            evidence = _evidence(line)
            if evidence.startswith("SG") and evidence not in kept:
                yield Fault(code=FaultCode.DECISION_MISSING, where=evidence, why=line.tag)

    def _content(self, path: str) -> bytes:
        """Raises LookupError for a file that is not there, or too large to be what it should be."""
        entry = self._entries.get(path)
        if entry is None or entry.content is None:
            raise LookupError(path)
        return entry.content


def _holder(trusted: Trusted) -> str:
    """The unit or officer of a certificate."""
    found = trusted.certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    return str(found[0].value) if found else ""


def _digest(line: _Line, subject: str) -> str:
    """Empty for an event at an instant that is none."""
    try:
        return chained_hash(
            previous=line.previous_hash,
            subject=subject,
            seq=line.seq,
            tag=line.tag,
            at=line.at,
            actor=line.actor,
            body=line.body,
        )
    except (OverflowError, ValueError):
        return ""


def _evidence(line: _Line) -> str:
    try:
        return str(_body.decode(line.body).get("evidence") or "")
    except (msgspec.MsgspecError, RecursionError):
        return ""
