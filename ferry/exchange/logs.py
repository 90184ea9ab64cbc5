"""An event log as a signed batch, each row judged while it is written as its receiver will judge it.

Raises what reading the log refuses, LOG_WITHOUT_DEADLINE, LOG_CASE_TWICE. Memory is that of one case and, of all, what
the conformance suite remembers.
"""

from collections.abc import Iterable
from contextlib import closing
from datetime import date, datetime
from typing import IO

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from casework.clock.working_days import CHINA, Calendar
from casework.intake.xes import ForeignCase
from ferry.exchange.checking import Report, Suite
from ferry.exchange.faults import Verdict
from ferry.exchange.profiles.mapping import Origin, from_foreign
from ferry.exchange.profiles.xes import XES, Item, told
from ferry.exchange.rules import Sender
from ferry.exchange.writing import BatchWriter, Order


class Portion(Struct, frozen=True, kw_only=True):
    """Which of the log goes into which batch: what happened on these local days; without `since`, from its start."""

    sender: Sender
    batch: str
    until: date
    made_at: datetime
    since: date = date.min
    item: Item = Item()


def write_log(
    out: IO[bytes],
    log: Iterable[ForeignCase],
    portion: Portion,
    calendar: Calendar,
    key: ec.EllipticCurvePrivateKey,
    certificates: tuple[x509.Certificate, ...],
) -> Report:
    """Writes the batch, without the rows that its receiver would reject: the report counts and names them."""
    sender = portion.sender
    made_at = portion.made_at.astimezone(CHINA)
    origin = Origin(
        source_system=sender.source_system,
        org=sender.org,
        org_name=sender.org,
        region=sender.region,
        sent_time=made_at,
        batch=portion.batch,
        calendar=calendar,
    )
    suite = Suite(calendar, lists_marks=False)
    order = Order(sender=sender, batch=portion.batch, day=portion.until, created_at=made_at)
    with closing(BatchWriter(out, order)) as writer:
        rows = told(log, portion.item, calendar, since=portion.since, until=portion.until)
        for seen in from_foreign(XES, rows, origin):
            verdict = suite.take(seen, sender=sender, batch=portion.batch, made_at=made_at)
            if seen.read is not None and verdict is not Verdict.REJECTED:
                writer.add(seen.read)
        writer.finish(key, certificates)
    suite.report.sender = sender
    return suite.report
