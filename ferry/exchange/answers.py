"""The answer to a package that came over a wire, and the memory by which the same key gets the same answer.

Remembered is what was taken, never a refusal: who was refused mends the package and may send it again under its key.
"""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ferry.exchange.acts import BatchView, Receipt
from ferry.exchange.refusals import KeyReused
from ferry.exchange.upward_tables import ExchangePush
from kernel.db import Database
from kernel.rows import one

#: Most rows of one push: its receipts are one answer. What is larger comes as a file.
MOST_ROWS = 20_000
#: How long a key stands for its package.
REMEMBERED = timedelta(days=30)


class RowReceipt(Struct, frozen=True, kw_only=True):
    """Why a row of a part was not simply accepted."""

    part: int
    line: int
    rid: str
    verdict: str
    codes: tuple[str, ...]

    @classmethod
    def of(cls, part: int, receipt: Receipt) -> "RowReceipt":
        return cls(part=part, line=receipt.line, rid=receipt.rid, verdict=str(receipt.verdict), codes=receipt.codes)


class Answer(Struct, frozen=True, kw_only=True):
    """How a batch stands, and a receipt for each row that was not simply accepted."""

    batch: str
    rows: Annotated[int, Meta(ge=0)]
    accepted: int = 0
    flagged: int = 0
    held: int = 0
    ignored: int = 0
    rejected: int = 0
    drifts: int = 0
    complete: bool = False
    receipts: tuple[RowReceipt, ...] = ()


def answered(batch: BatchView, receipts: list[RowReceipt]) -> Answer:
    return Answer(
        batch=batch.batch,
        rows=batch.rows,
        accepted=batch.accepted,
        flagged=batch.flagged,
        held=batch.held,
        ignored=batch.ignored,
        rejected=batch.rejected,
        drifts=batch.drifts,
        complete=batch.complete,
        receipts=tuple(receipts),
    )


async def remembered(fingerprint: str, key: str, sha256: str) -> bytes | None:
    """What was answered under this key. Raises EXCHANGE_KEY_REUSED when it was another package."""
    row = await one(ExchangePush, fingerprint=fingerprint, key=key)
    if row is None:
        return None
    if row.sha256 != sha256:
        raise KeyReused()
    return row.answer.encode()


async def remember(
    database: Database, fingerprint: str, key: str, sha256: str, answer: Answer, *, now: datetime
) -> bytes:
    """The octets of the answer, as they are given from now on."""
    octets = msgspec.json.encode(answer)
    async with database.transaction():
        await database.insert(
            "exchange_push",
            ("fingerprint", "key", "sha256", "answer", "at"),
            [(fingerprint, key, sha256, octets.decode(), now)],
            tail="ON CONFLICT DO NOTHING",
        )
        await database.execute("DELETE FROM exchange_push WHERE at < $1", now - REMEMBERED)
    kept = await remembered(fingerprint, key, sha256)
    return kept if kept is not None else octets
