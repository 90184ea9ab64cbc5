"""The operator's side of the exchange: files taken in and written, senders registered, days compared.

A file is read and written part by part; whatever its size, one part is in memory.
"""

from datetime import date, datetime
from pathlib import Path
from typing import IO, TypeVar

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from casework.clock.calendars import builtin_calendar
from casework.clock.working_days import day_of
from casework.intake.xes import read_log
from certs.verification import UNREADABLE
from ferry.exchange import credentials, logs, taking
from ferry.exchange.acts import AddSender, BatchView, Receipt, RevokeSender, SenderView
from ferry.exchange.checking import Report
from ferry.exchange.own_cases import Voice, own_rows
from ferry.exchange.package import PackageUnfit
from ferry.exchange.profiles.mapping import Profile, to_foreign
from ferry.exchange.profiles.xes import Item
from ferry.exchange.refusals import RequestUnfit
from ferry.exchange.rules import EVERY_ORG, Sender
from ferry.exchange.standard import Read
from ferry.exchange.writing import BatchWriter, Order, as_lines, as_xml
from kernel.actor import THE_OPERATOR
from kernel.acts import Act, View
from kernel.refusals import Refusal
from server.exchange_loops import OWN_KEY
from server.wiring import System
from supervision.coverage import ExemptionView, RegisterExemption

V = TypeVar("V", bound=View)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be exported: the events of these local days, of one unit or of all."""

    since: date
    until: date
    unit: str | None = None
    batch: str = ""


class WantedOfLog(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a log is to be told: what happened on these local days, by default everything until now."""

    since: date | None = None
    until: date | None = None
    batch: str = ""
    item: Item = Item()


async def _done(system: System, act: Act[V]) -> V:
    outcome = await system.office.perform(act, THE_OPERATOR, key=None)
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


async def take(system: System, source: IO[bytes], receipts: IO[bytes] | None = None) -> BatchView:
    """Takes a signed batch in, or the rest of it. `receipts`: a line for each row that was not simply accepted."""

    def heard(part: int, receipt: Receipt) -> None:
        if receipts is not None:
            receipts.write(_receipt(part, receipt))

    return await taking.take(system.office, source, heard)


def _receipt(part: int, receipt: Receipt) -> bytes:
    said: dict[str, object] = msgspec.to_builtins(receipt)
    return msgspec.json.encode({"part": part, **said}) + b"\n"


async def write_signed(system: System, out: IO[bytes], wanted: Wanted, certificate: Path, form: str) -> int:
    """Writes our own cases as a batch signed for whoever gave us `certificate`; how many rows."""
    chain = _chain(certificate)
    with taking.explained():
        sender = credentials.sender_of(chain[0])
    now = system.clock.now()
    batch = wanted.batch or f"{wanted.until:%Y%m%d}-{now:%H%M%S}"
    writer = BatchWriter(out, Order(sender=sender, batch=batch, day=wanted.until, created_at=now, form=form))
    voice = Voice(source_system=sender.source_system, region=sender.region, batch=batch, sent_time=now)
    unit = wanted.unit if sender.org == EVERY_ORG else sender.org
    async for rows in own_rows(system.database, voice, since=wanted.since, until=wanted.until, unit=unit):
        for row in rows:
            writer.add(row)
    return writer.finish(system.authority.keyring.key(OWN_KEY), chain).rows


async def write_plain(
    system: System, out: IO[bytes], wanted: Wanted, *, form: str, profile: Profile | None = None
) -> int:
    """Writes our own cases unsigned, in the standard or in an older one's rows; how many rows of ours."""
    chosen, now = system.settings.exchange, system.clock.now()
    batch = wanted.batch or f"{wanted.until:%Y%m%d}-{now:%H%M%S}"
    voice = Voice(source_system=chosen.source_system, region=chosen.region, batch=batch, sent_time=now)
    count = 0
    pieces = _Xml(out) if form == "xml" and profile is None else None
    async for rows in own_rows(system.database, voice, since=wanted.since, until=wanted.until, unit=wanted.unit):
        count += len(rows)
        if pieces is not None:
            pieces.add(rows)
        elif profile is not None:
            for table, row in to_foreign(profile, rows):
                out.write(msgspec.json.encode({"table": table, "row": row}) + b"\n")
        else:
            out.writelines(as_lines(rows))
    if pieces is not None:
        pieces.close()
    return count


def write_log(out: IO[bytes], log: Path, wanted: WantedOfLog, certificate: Path, key: Path, now: datetime) -> Report:
    """Writes a department's event log as its signed batch, and says what a receiver will find in it.

    Needs no installation. Raises what reading the log refuses, LOG_WITHOUT_DEADLINE, LOG_CASE_TWICE, EXCHANGE_UNFIT.
    """
    chain = _chain(certificate)
    until = wanted.until or day_of(now)
    with taking.explained():
        sender = credentials.sender_of(chain[0])
        if sender.org == EVERY_ORG:
            raise PackageUnfit("CERTIFICATE_UNFIT", "a log is one organisation's")
        signing = _key_of(chain[0], key)
    portion = logs.Portion(
        sender=sender,
        batch=wanted.batch or f"{until:%Y%m%d}-{now:%H%M%S}",
        since=wanted.since or date.min,
        until=until,
        made_at=now,
        item=wanted.item,
    )
    return logs.write_log(out, read_log(log), portion, builtin_calendar(), signing, chain)


def _key_of(certificate: x509.Certificate, file: Path) -> ec.EllipticCurvePrivateKey:
    """The sender's key, a PEM file without a passphrase. Raises PackageUnfit."""
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as wrong:
        raise PackageUnfit("SIGNATURE_WRONG", f"{file.name}: {type(wrong).__name__}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise PackageUnfit("SIGNATURE_WRONG", f"{file.name}: not the certificate's key")
    return key


class _Xml:
    """One root element around rows that come case by case."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._head, self._tail = as_xml(())
        out.write(self._head)

    def add(self, rows: list[Read]) -> None:
        self._out.writelines(list(as_xml(rows))[1:-1])

    def close(self) -> None:
        self._out.write(self._tail)


def own_request(system: System) -> bytes:
    """A certificate request (PKCS#10, PEM) for the key by which this system signs what it sends."""
    chosen = system.settings.exchange
    sender = Sender(source_system=chosen.source_system, org=EVERY_ORG, region=chosen.region)
    key = system.authority.keyring.key(OWN_KEY)
    return credentials.request_of(sender, key, organisation=system.settings.certs.organisation)


async def add_sender(system: System, sender: Sender, *, name: str, unit: str, request: bytes) -> SenderView:
    act = AddSender(
        source_system=sender.source_system, org=sender.org, region=sender.region, name=name, unit=unit, request=request
    )
    return await _done(system, act)


async def revoke_sender(system: System, source_system: str) -> SenderView:
    return await _done(system, RevokeSender(source_system=source_system))


async def register_exemption(
    system: System, unit: str, *, document: str, granted_on: date, until: date
) -> ExemptionView:
    act = RegisterExemption(unit=unit, document=document, granted_on=granted_on, until=until)
    return await _done(system, act)


def chain_of(system: System, certificate: str) -> bytes:
    """What a sender gets: its certificate, then that of the CA that made it."""
    return certificate.encode() + system.authority.issuing.public_bytes(Encoding.PEM)


def _chain(file: Path) -> tuple[x509.Certificate, ...]:
    try:
        chain = x509.load_pem_x509_certificates(file.read_bytes())
    except (*UNREADABLE, OSError) as wrong:
        raise RequestUnfit(why=f"{file.name}: {type(wrong).__name__}") from None
    return tuple(chain[:3])
