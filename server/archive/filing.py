"""Archiving: a closed case's manifest is made, sealed and kept; its package is written when somebody asks.

The clock archives what was closed (办结归档). From then on the record is the measure: `changed_since` compares the
rows and files of today with it, and `package` refuses to write anything else.
"""

import logging
import zlib
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from cryptography import x509
from tortoise.exceptions import DoesNotExist

from casework.acts import Channel
from casework.archive.acts import ArchiveCases
from casework.archive.contents import SealedPaper, contents_of
from casework.archive.events import CaseArchived
from casework.archive.tables import ArchiveRecord
from casework.clock.working_days import day_of
from casework.files import find
from casework.tables import Case
from certs.authority import Authority, pem
from certs.export import signature_files, signatures_of
from certs.notary import check_seal
from certs.revocation import newest_list_der, publish
from certs.tables import IssuedCertificate, PublishedList
from kernel.acts import Done
from kernel.db import Database
from kernel.notary import Seal
from kernel.numbers import next_number
from kernel.refusals import NotFound, Refusal
from kernel.tables import Unit
from kernel.work import Work
from server.archive import manifest as manifests
from server.archive import zipped
from server.archive.manifest import (
    ISSUING,
    MANIFEST,
    README,
    REVOCATIONS,
    SEAL,
    SEALER,
    Listed,
    Manifest,
    SignedDecision,
)
from server.archive.refusals import ArchiveDiffers, NotArchived

log = logging.getLogger(__name__)

#: Of a case that a department's own system handled, that system keeps the archive; in place of a number of ours.
KEPT_ELSEWHERE = "自建系统"
_CHUNK = 1 << 20
_HOW_TO_CHECK = """档案包 · archive package {archive}, case {case}

zhangban archive verify FILE --root root.pem

With nothing but sha256sum and openssl:
  every file        its SHA-256 and size stand in manifest.json
  the manifest      openssl x509 -in manifest.pem -pubkey -noout > seal.pub
                    openssl dgst -sha256 -verify seal.pub -signature manifest.sig manifest.json
  a document        likewise with documents/NNNN.json, NNNN.sig and the certificate named in manifest.json
  a decision        likewise with decisions/SGNNNNNNNN/payload.bin, signature.der, signer.pem
  a certificate     openssl verify -CAfile root.pem -untrusted certificates/issuing.pem -purpose any manifest.pem
"""


@dataclass(frozen=True, kw_only=True)
class Package:
    """Everything that goes into a package, by path in its order; materials stay where they are until written."""

    record: ArchiveRecord
    sealer: bytes
    manifest: Manifest
    written: dict[str, bytes] = field(repr=False)
    stored: dict[str, Path]


async def archive_cases(work: Work, act: ArchiveCases) -> Done:
    """Archives closed cases, each by itself: one that cannot be archived keeps no other waiting."""
    closed = Case.filter(archive_number="", closed_at__lte=work.now)
    await closed.filter(channel=Channel.SELF_BUILT).update(archive_number=KEPT_ELSEWHERE)
    archived = 0
    for case in await closed.order_by("closed_at").limit(act.limit):
        fault = await work.apart(partial(_archive, work, case))
        if fault is None:
            archived += 1
        else:
            log.error("case %s could not be archived: %s", case.number, type(fault).__name__)
    return Done(count=archived)


async def changed_since(authority: Authority, database: Database, record: ArchiveRecord, files: Path) -> list[str]:
    """Paths whose octets are not what the archive's manifest says, or that are lost."""
    if not await _is_sealed(authority, record):
        return [MANIFEST]
    manifest = manifests.read(record.manifest.encode())
    found, stored = await _octets(authority, database, manifest, files)
    differing = []
    for listed in manifest.files:
        octets, path = found.get(listed.path), stored.get(listed.path)
        if octets is not None:
            sound = sha256(octets).hexdigest() == listed.sha256
        else:
            sound = path is not None and path.is_file() and _digest(path) == listed.sha256
        if not sound:
            differing.append(listed.path)
    return differing


async def package(authority: Authority, database: Database, case_number: str, files: Path) -> Package:
    """The package of an archived case, ready to be written. Raises UNKNOWN_CASE, NOT_ARCHIVED, ARCHIVE_DIFFERS."""
    await find(case_number)
    record = await ArchiveRecord.get_or_none(case_number=case_number)
    if record is None:
        raise NotArchived(case=case_number)
    if differing := await changed_since(authority, database, record, files):
        raise ArchiveDiffers(case=case_number, files=differing[:20])
    manifest = manifests.read(record.manifest.encode())
    octets, stored = await _octets(authority, database, manifest, files)
    sealer = await IssuedCertificate.get(issuer=authority.issuer, serial=record.seal_serial)
    return Package(
        record=record,
        sealer=pem(x509.load_der_x509_certificate(sealer.der)),
        manifest=manifest,
        written=octets,
        stored=stored,
    )


def write_package(made: Package, out: BinaryIO) -> None:
    """The same package every time, octet by octet. Raises ARCHIVE_TOO_LARGE."""
    first = {
        MANIFEST: made.record.manifest.encode(),
        SEAL: bytes(made.record.seal_signature),
        SEALER: made.sealer,
    }
    zipped.write(
        out,
        [
            *(_held(path, octets) for path, octets in first.items()),
            *(
                _held(listed.path, made.written[listed.path])
                if listed.path in made.written
                else (listed.path, listed.size, _checksum(made.stored[listed.path]), _chunks(made.stored[listed.path]))
                for listed in made.manifest.files
            ),
        ],
    )


async def _archive(work: Work, case: Case) -> None:
    authority = work.given(Authority)
    if await newest_list_der(authority) is None:
        await publish(authority, now=work.now)
    unit, year = await Unit.get(code=case.unit_code), day_of(work.now).year
    serial = await next_number(f"archive:{case.unit_code}:{year}")
    number = f"{unit.short_name}档〔{year}〕{serial}号"
    manifest = await _manifest(work, authority, case, number)
    octets = manifests.written(manifest)
    (seal,) = await work.notary.seal(work, case.unit_code, [octets])
    await ArchiveRecord.create(
        number=number,
        case_number=case.number,
        unit_code=case.unit_code,
        manifest=octets.decode(),
        sha256=sha256(octets).hexdigest(),
        seal_serial=seal.serial,
        seal_signature=seal.signature,
        archived_at=work.now,
    )
    await Case.filter(id=case.id).update(archive_number=number)
    work.record(CaseArchived(case=case.number, archive=number, sha256=sha256(octets).hexdigest()))


async def _manifest(work: Work, authority: Authority, case: Case, number: str) -> Manifest:
    contents = await contents_of(work.database, case)
    decisions = [
        SignedDecision(
            evidence=each.evidence,
            kind=each.kind,
            officer=each.officer,
            signed_at=each.signed_at.astimezone(UTC).isoformat(),
            folder=f"decisions/{each.evidence}",
        )
        for each in await signatures_of(case.number)
    ]
    crl = await PublishedList.filter(issuer=authority.issuer).order_by("-number").first()
    octets = {
        **contents.written,
        ISSUING: pem(authority.issuing),
        REVOCATIONS: crl.der if crl else b"",
        README: _HOW_TO_CHECK.format(archive=number, case=case.number).encode(),
    }
    for trusted in _trust(authority, contents.papers, decisions):
        octets |= await trusted
    files = [Listed(path=path, sha256=sha256(each).hexdigest(), size=len(each)) for path, each in octets.items()]
    files += [Listed(path=kept.path, sha256=kept.sha256, size=kept.size) for kept in contents.kept]
    files.sort(key=lambda listed: listed.path)
    return Manifest(
        format=manifests.FORMAT,
        archive=number,
        case=case.number,
        unit=case.unit_code,
        archived_at=work.now.astimezone(UTC).isoformat(),
        chain=contents.chain,
        papers=contents.papers,
        materials=contents.materials,
        decisions=tuple(decisions),
        files=tuple(files),
        root=manifests.root_of(files),
    )


async def _is_sealed(authority: Authority, record: ArchiveRecord) -> bool:
    """Whether the record's manifest is the one that was sealed, and this case's."""
    seal = Seal(unit=record.unit_code, serial=record.seal_serial, signature=bytes(record.seal_signature))
    octets = record.manifest.encode()
    try:
        await check_seal(authority, seal, octets)
    except Refusal:
        return False
    return manifests.read(octets).case == record.case_number


def _trust(
    authority: Authority, papers: Iterable[SealedPaper], decisions: Iterable[SignedDecision]
) -> Iterator[Awaitable[dict[str, bytes]]]:
    """Signatures with their signers, and the certificates of the seals. What is lost raises."""
    for decision in decisions:
        yield _signature(authority, decision)
    for serial in sorted({paper.seal_serial for paper in papers if paper.seal_serial}):
        yield _seal_certificate(authority, serial)


async def _signature(authority: Authority, decision: SignedDecision) -> dict[str, bytes]:
    kept = await signature_files(authority, decision.evidence)
    return {f"{decision.folder}/{name}": kept[name] for name in ("payload.bin", "signature.der", "signer.pem")}


async def _seal_certificate(authority: Authority, serial: str) -> dict[str, bytes]:
    row = await IssuedCertificate.get(issuer=authority.issuer, serial=serial)
    return {manifests.seal_certificate_path(serial): pem(x509.load_der_x509_certificate(row.der))}


async def _octets(
    authority: Authority, database: Database, manifest: Manifest, files: Path
) -> tuple[dict[str, bytes], dict[str, Path]]:
    """What the rows say today for the paths of `manifest`, and where its materials lie."""
    contents = await contents_of(database, await find(manifest.case), length=manifest.chain.length)
    lists = {listed.path: listed.sha256 for listed in manifest.files}
    crl = await PublishedList.get_or_none(issuer=authority.issuer, sha256=lists.get(REVOCATIONS, ""))
    readme = _HOW_TO_CHECK.format(archive=manifest.archive, case=manifest.case).encode()
    octets = {**contents.written, ISSUING: pem(authority.issuing), README: readme}
    for trusted in _trust(authority, manifest.papers, manifest.decisions):
        with suppress(NotFound, DoesNotExist):  # it is not there, and so it differs
            octets |= await trusted
    if crl is not None:
        octets[REVOCATIONS] = crl.der
    # By the manifest's digests: a print made later is not the one that was archived.
    stored = {
        kept.path: files / kept.under / digest[:2] / digest
        for kept in contents.kept
        if (digest := lists.get(kept.path, kept.sha256))
    }
    return octets, stored


def _held(path: str, octets: bytes) -> tuple[str, int, int, Iterator[bytes]]:
    return path, len(octets), zlib.crc32(octets), iter([octets])


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _checksum(path: Path) -> int:
    crc = 0
    for chunk in _chunks(path):
        crc = zlib.crc32(chunk, crc)
    return crc


def _digest(path: Path) -> str:
    digest = sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return digest.hexdigest()
