"""What a report is made of: whose voice it has, its rows in our name, and the signed package around them."""

import hashlib
import io
import secrets
from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from casework.clock.working_days import CHINA
from ferry.exchange import credentials
from ferry.exchange.codes import Op, Table
from ferry.exchange.own_cases import Voice
from ferry.exchange.standard import STANDARD, Envelope, Read, decode_payload
from ferry.exchange.tallies import Tally
from ferry.exchange.writing import BatchWriter, Order
from kernel.db import Row, instant_of


class Speaker(Struct, frozen=True, kw_only=True):
    """By which key, and which certificate of the level above, we speak there."""

    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def voice(self) -> tuple[str, str]:
        """Our name and region, as the level above registered us. Raises PackageUnfit."""
        sender = credentials.sender_of(self.chain[0])
        return sender.source_system, sender.region


def batch_name(day: date) -> str:
    return f"{day:%Y%m%d}-{secrets.token_hex(6)}"


def packed(
    rows: Sequence[Read], tallies: Sequence[Tally], speaker: Speaker, *, batch: str, day: date, now: datetime
) -> bytes:
    out = io.BytesIO()
    order = Order(sender=credentials.sender_of(speaker.chain[0]), batch=batch, day=day, created_at=now)
    writer = BatchWriter(out, order)
    for row in rows:
        writer.add(row)
    writer.finish(speaker.key, speaker.chain, tallies=tallies)
    return out.getvalue()


def passed_on(row: Row, voice: Voice) -> Read:
    """A row from below in our name."""
    source, table = str(row["source_system"]), Table(str(row["table_name"]))
    envelope = Envelope(
        std=STANDARD,
        table=table,
        rid=_under(source, str(row["rid"]), 64),
        projid=_under(source, str(row["projid"]), 40),
        op=Op(str(row["op"])),
        org=str(row["org"]),
        region=str(row["region"]),
        source_system=voice.source_system,
        event_time=instant_of(row["event_time"]).astimezone(CHINA),
        sent_time=max(voice.sent_time, instant_of(row["event_time"])).astimezone(CHINA),
        batch=voice.batch,
        no=int(str(row["number"])),
        version=int(str(row["version"])),
    )
    return Read(envelope=envelope, payload=decode_payload(table, str(row["payload"]).encode()))


def _under(source: str, name: str, most: int) -> str:
    """A name of another system, as ours: distinct from every other's, and the same each time."""
    joined = f"{source}.{name}"
    if len(joined) <= most:
        return joined
    return f"{joined[: most - 17]}.{hashlib.sha256(joined.encode()).hexdigest()[:16]}"


def said_again(row: Read, own: str, batch: str, now: datetime) -> Read:
    sent = max(now, row.envelope.event_time).astimezone(CHINA)
    changed = msgspec.structs.replace(row.envelope, source_system=own, batch=batch, sent_time=sent)
    return Read(envelope=changed, payload=row.payload)
