"""Systems that push nothing: they leave a file a day in a folder, or write rows into a table of a front-end database.

Both are read by the office, through the same intake as every package, and answered where they were left: a receipt
beside the file, a flag, a verdict and its codes in the row. A file is taken by renaming it, so half of one is never
read when it was put there by renaming it; a row is taken by its flag. What a crash leaves under way is finished first.

    CREATE TABLE case_exchange_row (id BIGINT PRIMARY KEY, line TEXT NOT NULL, flag CHAR(1) NOT NULL, batch VARCHAR(40),
                                    verdict VARCHAR(8), codes VARCHAR(400))

`line`: a row of case-exchange/1 as JSON, its `batch` whatever it likes; `flag`: '0' new, '2' being taken, '1' taken.
Limits: rows of a table bear no signature of their sender; its account at the database is who it is, and we sign.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from casework.clock.working_days import day_of
from ferry.exchange import credentials, taking
from ferry.exchange.acts import ImportBatch, ImportPart, Receipt
from ferry.exchange.faults import Verdict
from ferry.exchange.package import MAX_PART_OCTETS, MAX_PART_ROWS, Manifest, part_of, written
from ferry.exchange.standard import MAX_ROW_OCTETS, STANDARD
from ferry.exchange.tables import ExchangeBatch
from ferry.transports.table import Connection
from kernel.actor import THE_OPERATOR
from kernel.acts import Act, V
from kernel.office import Office
from kernel.refusals import Refusal
from kernel.rows import one

log = logging.getLogger(__name__)

_TAKING, _TAKEN = "taking", "taken"
NEW: Final = "0"
TAKEN: Final = "1"
UNDER_WAY: Final = "2"
#: Of a batch's octets: what a part may have, with room for the names we put in.
_OCTETS = MAX_PART_OCTETS // 2


# ------------------------------------------------------------------------------------------------------- daily files
async def take_folder(office: Office, folder: Path) -> int:
    """Takes every package that lies in the folder, oldest name first; how many. Raises OSError.

    One that cannot be read, or for whose receipt there is no room, is finished next time and holds up no other.
    """
    done = 0
    for file in await asyncio.to_thread(_claimed, folder):
        try:
            if not await _take_file(office, folder, file):
                break
        except OSError as fault:
            log.error("exchange: %s waits: %s", file.name, type(fault).__name__)
            continue
        done += 1
    return done


def _claimed(folder: Path) -> list[Path]:
    """What lies there is moved aside, to whatever was there already."""
    aside = folder / _TAKING
    aside.mkdir(parents=True, exist_ok=True)
    for file in sorted(folder.glob("*.zip")):
        if not file.name.startswith(".") and file.is_file() and not file.is_symlink():
            os.replace(file, aside / file.name)
    return sorted(aside.glob("*.zip"))


async def _take_file(office: Office, folder: Path, file: Path) -> bool:
    """Writes the receipt, then moves the file away: JSON lines, one for each row that was not simply accepted, and
    how the batch stands, or the refusal, in the last."""
    receipt, part = folder / f"{file.name}.receipt.jsonl", folder / f".{file.name}.receipt.part"
    with part.open("wb") as out:

        def heard(number: int, each: Receipt) -> None:
            said: dict[str, object] = msgspec.to_builtins(each)
            out.write(msgspec.json.encode({"part": number, **said}) + b"\n")

        try:
            with file.open("rb") as source:
                batch = await taking.take(office, source, heard)
            out.write(msgspec.json.encode({"batch": batch}) + b"\n")
        except Refusal as refusal:
            if refusal.retryable:
                log.warning("exchange: %s waits: %s", file.name, refusal.code)
                return False
            said = {"code": refusal.code, "message": refusal.text, "message_en": refusal.text_en}
            out.write(msgspec.json.encode({"refusal": said}) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    os.replace(part, receipt)
    (folder / _TAKEN).mkdir(exist_ok=True)
    os.replace(file, folder / _TAKEN / file.name)
    return True


# -------------------------------------------------------------------------------------------------- front-end tables
class Signer(Struct, frozen=True, kw_only=True):
    """Whose rows a table holds, and the key by which we vouch for that account."""

    source_system: str
    org: str
    region: str
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]


class RowTable:
    """One table that one system writes."""

    def __init__(self, connection: Connection, table: str, signer: Signer) -> None:
        self._connection, self._table, self._signer = connection, table, signer

    async def make_table(self) -> None:
        """Where nobody but us may; elsewhere the DBA makes it."""
        sql = (
            f"CREATE TABLE IF NOT EXISTS {self._table} (id BIGINT PRIMARY KEY, line TEXT NOT NULL,"
            " flag CHAR(1) NOT NULL, batch VARCHAR(40), verdict VARCHAR(8), codes VARCHAR(400))"
        )
        await self._connection.write([(sql, ())])

    async def take(self, office: Office, *, now: datetime, name: Callable[[], str]) -> int:
        """Takes what a crash left under way, then up to a thousand new rows; how many. `name`: for a new batch.

        Raises OSError when the database does not answer, the refusal when the batch is none.
        """
        begun = await self._connection.rows(
            f"SELECT batch FROM {self._table} WHERE flag = '{UNDER_WAY}' GROUP BY batch ORDER BY MIN(id)"
        )
        done = 0
        for (batch,) in begun:
            done += await self._take_batch(office, str(batch), now)
        batch = name()
        fresh = await self._connection.rows(
            f"SELECT id FROM {self._table} WHERE flag = '{NEW}' ORDER BY id LIMIT {MAX_PART_ROWS}"
        )
        if not fresh:
            return done
        claim = f"UPDATE {self._table} SET flag = '{UNDER_WAY}', batch = ? WHERE id = ? AND flag = '{NEW}'"
        await self._connection.write([(claim, (batch, _id(row[0]))) for row in fresh])
        return done + await self._take_batch(office, batch, now)

    async def _take_batch(self, office: Office, batch: str, now: datetime) -> int:
        rows = await self._connection.rows(
            f"SELECT id, line FROM {self._table} WHERE batch = ? AND flag = '{UNDER_WAY}' ORDER BY id", batch
        )
        lines, octets = [], 0
        for row in rows:
            line = _ours(str(row[1]), batch)
            octets += len(line)
            if octets > _OCTETS:  # the rest goes back, and comes with the next
                break
            lines.append(line)
        back, rows = rows[len(lines) :], rows[: len(lines)]
        part = b"".join(line + b"\n" for line in lines)
        manifest, signature = await self._opening(batch, part, len(lines), now)
        await _done(office, ImportBatch(manifest=manifest, signature=signature))
        signer = self._signer
        act = ImportPart(source_system=signer.source_system, batch=batch, number=1, octets=part)
        said = {each.line: each for each in (await _done(office, act)).receipts}
        answer = f"UPDATE {self._table} SET flag = '{TAKEN}', verdict = ?, codes = ? WHERE id = ?"
        again = f"UPDATE {self._table} SET flag = '{NEW}', batch = NULL WHERE id = ?"
        await self._connection.write(
            [(answer, (*_verdict(said.get(number)), _id(row[0]))) for number, row in enumerate(rows, 1)]
            + [(again, (_id(row[0]),)) for row in back]
        )
        return len(rows)

    async def _opening(self, batch: str, part: bytes, rows: int, now: datetime) -> tuple[bytes, str]:
        """The manifest of the batch and its signature: those it was opened with, if a crash came after."""
        signer = self._signer
        known = await one(ExchangeBatch, source_system=signer.source_system, batch=batch)
        if known is not None:
            return bytes(known.manifest), known.signature
        manifest = written(
            Manifest(
                std=STANDARD,
                batch=batch,
                source_system=signer.source_system,
                org=signer.org,
                region=signer.region,
                day=day_of(now),
                created_at=now,
                rows=rows,
                parts=(part_of(1, part, rows, "jsonl"),),
                tallies=(),
            )
        )
        return manifest, credentials.signed(manifest, signer.key, signer.chain)


# ------------------------------------------------------------------------------------------------------------- below
def _ours(line: str, batch: str) -> bytes:
    """The row under our batch's name; what is no row stays as it is and is rejected as one. On one line, always."""
    try:
        row: Any = msgspec.json.decode(line.encode()) if len(line) <= MAX_ROW_OCTETS else None
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        row = None
    if not isinstance(row, dict):
        return b"{}"
    return msgspec.json.encode({**row, "batch": batch})


def _verdict(receipt: Receipt | None) -> tuple[str, str]:
    if receipt is None:
        return str(Verdict.ACCEPTED), ""
    return str(receipt.verdict), ",".join(receipt.codes)[:400]


def _id(value: object) -> int | str:
    return value if isinstance(value, int) else str(value)


async def _done(office: Office, act: Act[V]) -> V:
    outcome = await office.perform(act, THE_OPERATOR, key=None)
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome
