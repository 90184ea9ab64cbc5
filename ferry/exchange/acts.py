"""The acts of the exchange and what they answer."""

from datetime import date, datetime

import msgspec

from ferry.exchange.faults import Verdict
from kernel.acts import Act, Done, View


class SenderView(View, frozen=True, tag="exchange_sender"):
    """`certificate`: PEM, for the sender to put beside its key."""

    source_system: str
    org: str
    region: str
    unit: str
    name: str
    serial: str
    not_after: datetime
    certificate: str
    revoked_at: datetime | None = None


class BatchView(View, frozen=True, tag="exchange_batch"):
    """`drifts`: places where the sender's tallies and what we hold differ; counted when the last part is in."""

    source_system: str
    batch: str
    day: date
    rows: int
    parts: int
    missing_parts: tuple[int, ...]
    accepted: int = 0
    flagged: int = 0
    held: int = 0
    ignored: int = 0
    rejected: int = 0
    drifts: int = 0
    complete: bool = False


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """For a row that was not simply accepted: why."""

    line: int
    rid: str
    verdict: Verdict
    codes: tuple[str, ...]


class PartView(View, frozen=True, tag="exchange_part"):
    """The rows that have no receipt were accepted."""

    number: int
    rows: int
    receipts: tuple[Receipt, ...]


class AddSender(Act[SenderView], frozen=True, tag="exchange.add_sender"):
    """The operator's: certifies the key in `request` (PKCS#10, PEM) for a system that will send case data.

    `org`: its organisation, or ALL for a level of government; `unit`: whose cases they are in our directory.
    """

    source_system: str
    org: str
    region: str
    name: str
    request: bytes
    unit: str = ""


class RevokeSender(Act[SenderView], frozen=True, tag="exchange.revoke_sender"):
    """The operator's: nothing that comes from this system is taken any more; its certificate is revoked."""

    source_system: str


class ImportBatch(Act[BatchView], frozen=True, tag="exchange.import_batch"):
    """Opens a batch by its signed manifest; its parts follow. The same again answers how far it has come."""

    manifest: bytes
    signature: str


class ImportPart(Act[PartView], frozen=True, tag="exchange.import_part"):
    """Takes one part, which the manifest binds by its hash. The same again answers the same receipts."""

    source_system: str
    batch: str
    number: int
    octets: bytes


class ReleaseHeldRows(Act[Done], frozen=True, tag="exchange.release_held"):
    """The clock's: takes rows as they are whose predecessor has not come in 24 hours, and marks them."""

    limit: int = 500


class TurnReportedLights(Act[Done], frozen=True, tag="exchange.turn_lights"):
    """The clock's: announces the lights of other systems' cases that are due."""

    limit: int = 500


class WatchDays(Act[Done], frozen=True, tag="exchange.watch_days"):
    """The clock's: tells supervision of systems whose daily batch is not in by the hour."""

    limit: int = 200
