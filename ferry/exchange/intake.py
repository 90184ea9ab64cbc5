"""Batches and their parts taken in: each row judged, kept with its marks, and answered by a receipt.

A part is one transaction: its rows, its receipts, the cases they tell of. The same part again answers what it answered.
What a sender may send, its certificate says; a batch that is not signed by a registered sender is refused whole.
"""

import io
from collections.abc import Iterable
from datetime import timedelta

from casework.clock.working_days import Calendar, day_of
from certs.encodings import sha256_hex
from ferry.exchange import credentials
from ferry.exchange.acts import BatchView, ImportBatch, ImportPart, PartView, Receipt
from ferry.exchange.cases import project
from ferry.exchange.days import heal
from ferry.exchange.events import BatchOpened, BatchTaken
from ferry.exchange.faults import FILE_FAULTS, Verdict, verdict_of
from ferry.exchange.holding import Desk
from ferry.exchange.package import PackageUnfit, is_part, read_manifest
from ferry.exchange.package import Part as PartOfManifest
from ferry.exchange.reading import RowsUnreadable, Seen, elements_of, lines_of
from ferry.exchange.reconciling import drifts_at, keep
from ferry.exchange.refusals import BatchFromTheFuture, BatchReused, ExchangeUnfit
from ferry.exchange.senders import registered_sender
from ferry.exchange.tables import ExchangeBatch, ExchangePart, ExchangeReceipt, ExchangeSender
from kernel.refusals import NotFound
from kernel.rows import change, many, one
from kernel.work import Work
from supervision.events import ReportDrifted, ReportSuspect

#: Clocks may differ by so much before a batch is one of the future.
_SKEW = timedelta(minutes=5)


async def import_batch(work: Work, act: ImportBatch) -> BatchView:
    """Raises EXCHANGE_UNFIT, EXCHANGE_SENDER_UNKNOWN, EXCHANGE_BATCH_REUSED, EXCHANGE_BATCH_EARLY."""
    try:
        manifest = read_manifest(act.manifest)
        credentials.check(manifest, act.manifest, act.signature)
        sender = await registered_sender(work, act.signature)
    except PackageUnfit as unfit:
        raise _unfit(unfit) from None
    sha256 = sha256_hex(act.manifest)
    known = await one(ExchangeBatch, source_system=manifest.source_system, batch=manifest.batch)
    if known is not None:
        if known.sha256 != sha256:
            raise BatchReused(batch=manifest.batch)
        return await _view(known)
    if manifest.created_at > work.now + _SKEW:
        raise BatchFromTheFuture(at=manifest.created_at.isoformat())
    if manifest.day > day_of(work.now):
        raise BatchFromTheFuture(at=manifest.day.isoformat())
    batch = await ExchangeBatch.create(
        source_system=manifest.source_system,
        batch=manifest.batch,
        day=manifest.day,
        manifest=act.manifest,
        signature=act.signature,
        sha256=sha256,
        made_at=manifest.created_at,
        received_at=work.now,
        rows=manifest.rows,
        parts=len(manifest.parts),
    )
    await ExchangePart.bulk_create(
        [
            ExchangePart(
                batch_id=batch.id, number=number, path=part.path, rows=part.rows, size=part.size, sha256=part.sha256
            )
            for number, part in enumerate(manifest.parts, 1)
        ],
        batch_size=500,
    )
    work.record(
        BatchOpened(
            exchange=batch.source_system, batch=batch.batch, day=batch.day, rows=batch.rows, manifest_sha256=sha256
        )
    )
    if not manifest.parts:
        await _complete(work, batch, sender)
    return await _view(batch)


async def import_part(work: Work, act: ImportPart) -> PartView:
    """Raises NOT_FOUND for a part that no open batch names, EXCHANGE_UNFIT, EXCHANGE_SENDER_UNKNOWN."""
    batch = await one(ExchangeBatch, source_system=act.source_system, batch=act.batch)
    part = await one(ExchangePart, batch_id=batch.id, number=act.number) if batch is not None else None
    if batch is None or part is None:
        raise NotFound(what=f"批次{act.batch}的第{act.number}部分")
    if part.taken_at is not None:
        return PartView(number=part.number, rows=part.rows, receipts=await _receipts(batch.id, part.number))
    named = PartOfManifest(path=part.path, rows=part.rows, size=part.size, sha256=part.sha256)
    if not is_part(act.octets, named):
        raise _unfit(PackageUnfit("PART_CHANGED", part.path))
    try:
        sender = await registered_sender(work, batch.signature)
    except PackageUnfit as unfit:
        raise _unfit(unfit) from None
    seen = _rows(act.octets, part.path)
    if len(seen) != part.rows:
        raise _unfit(PackageUnfit("COUNT_WRONG", part.path))
    if await change(ExchangePart, {"id": part.id, "taken_at": None}, taken_at=work.now) != 1:
        raise NotFound(what="该部分")  # somebody else takes it at this moment
    receipts = await _take(work, batch, sender, part.number, seen)
    if not await ExchangePart.exists(batch_id=batch.id, taken_at=None):
        await _complete(work, await ExchangeBatch.get(id=batch.id), sender)
    return PartView(number=part.number, rows=part.rows, receipts=receipts)


async def _take(
    work: Work, batch: ExchangeBatch, sender: ExchangeSender, number: int, seen: list[Seen]
) -> tuple[Receipt, ...]:
    desk = Desk(work, batch, sender, work.given(Calendar))
    answers = await desk.take(seen)
    receipts = tuple(
        Receipt(line=each.line, rid=each.rid, verdict=verdict, codes=codes)
        for each, codes in zip(seen, answers, strict=True)
        if (verdict := verdict_of(codes)) is not Verdict.ACCEPTED
    )
    await ExchangeReceipt.bulk_create(
        [
            ExchangeReceipt(
                batch_id=batch.id,
                part=number,
                line=receipt.line,
                rid=receipt.rid,
                verdict=receipt.verdict,
                codes=",".join(receipt.codes),
            )
            for receipt in receipts
        ],
        batch_size=500,
    )
    counts = {verdict: sum(receipt.verdict is verdict for receipt in receipts) for verdict in Verdict}
    counts[Verdict.ACCEPTED] = len(seen) - len(receipts)
    await work.database.execute(
        "UPDATE exchange_batch SET accepted = accepted + $1, flagged = flagged + $2, held = held + $3,"
        " ignored = ignored + $4, rejected = rejected + $5 WHERE id = $6",
        *(counts[verdict] for verdict in Verdict),
        batch.id,
    )
    await project(work, batch.source_system, desk.filing, sorted(desk.touched))
    return receipts


async def _complete(work: Work, batch: ExchangeBatch, sender: ExchangeSender) -> None:
    """The last part is in: both sides' tallies are compared, and supervision hears of what it must look at."""
    manifest = read_manifest(bytes(batch.manifest))
    await keep(work, batch.source_system, manifest.tallies)
    drifts = await drifts_at(work.database, batch.source_system, manifest.tallies)
    batch.complete_at = work.now
    # Who tallies nothing proves nothing: what the last batch of that day left open stays so.
    batch.drifts = len(drifts) if manifest.tallies else await _left_open(batch)
    await batch.save(update_fields=["complete_at", "drifts"])
    await heal(work, batch.source_system, batch.day)
    # A day is closed when a batch made after its end tallies it.
    closed = batch.day if day_of(batch.made_at) > batch.day else batch.day - timedelta(days=1)
    if not drifts and (sender.closed_on is None or closed > sender.closed_on):
        await change(ExchangeSender, {"id": sender.id}, closed_on=closed)
    unit = sender.unit_code or sender.org
    if drifts:
        work.record(
            ReportDrifted(report=batch.source_system, unit=unit, batch=batch.batch, day=batch.day, places=len(drifts))
        )
    if marks := await _marks(work, batch.id):
        work.record(
            ReportSuspect(
                report=batch.source_system,
                unit=unit,
                batch=batch.batch,
                rows=sum(marks.values()),
                codes=tuple(sorted({code for codes in marks for code in codes.split(",")} & SUSPECT)),
            )
        )
    work.record(
        BatchTaken(
            exchange=batch.source_system,
            batch=batch.batch,
            accepted=batch.accepted,
            flagged=batch.flagged,
            held=batch.held,
            ignored=batch.ignored,
            rejected=batch.rejected,
            drifts=batch.drifts,
        )
    )


async def _left_open(batch: ExchangeBatch) -> int:
    """In how many places the last batch of that day differed."""
    earlier = ExchangeBatch.filter(source_system=batch.source_system, day=batch.day, id__lt=batch.id)
    last = await earlier.exclude(complete_at=None).order_by("-id").first()
    return last.drifts if last is not None else 0


#: Marks that supervision is told of batch by batch; the others are read with the row.
SUSPECT = frozenset(
    {
        *("BACK_DATED", "TIME_BACKWARDS", "OLDER_THAN_KNOWN", "ORDER_BROKEN", "SENT_STALE", "RID_REUSED"),
        *("VERSION_CONFLICT", "EXTENSION_TOO_LONG", "EXTENSION_TWICE", "PROMISE_DATE_WRONG", "AFTER_FINISH"),
        "SPECIAL_UNPAIRED",
    }
)


async def _marks(work: Work, batch: int) -> dict[str, int]:
    """Lists of codes that hold one supervision is told of, and on how many rows."""
    rows = await work.database.rows(
        "SELECT codes, COUNT(*) AS n FROM exchange_receipt WHERE batch_id = $1 GROUP BY codes", batch
    )
    return {str(row["codes"]): int(str(row["n"])) for row in rows if SUSPECT & set(str(row["codes"]).split(","))}


def _rows(octets: bytes, path: str) -> list[Seen]:
    source = io.BytesIO(octets)
    try:
        rows: Iterable[Seen] = elements_of(source) if path.endswith(".xml") else lines_of(source)
        return list(rows)
    except RowsUnreadable:
        raise _unfit(PackageUnfit("FILE_UNREADABLE", path)) from None


async def _receipts(batch: int, part: int) -> tuple[Receipt, ...]:
    return tuple(
        Receipt(line=row.line, rid=row.rid, verdict=Verdict(row.verdict), codes=tuple(row.codes.split(",")))
        for row in await many(ExchangeReceipt, batch_id=batch, part=part)
    )


async def _view(batch: ExchangeBatch) -> BatchView:
    missing = await ExchangePart.filter(batch_id=batch.id, taken_at=None).order_by("number").values_list("number")
    return BatchView(
        source_system=batch.source_system,
        batch=batch.batch,
        day=batch.day,
        rows=batch.rows,
        parts=batch.parts,
        missing_parts=tuple(int(number) for (number,) in missing),
        accepted=batch.accepted,
        flagged=batch.flagged,
        held=batch.held,
        ignored=batch.ignored,
        rejected=batch.rejected,
        drifts=batch.drifts,
        complete=batch.complete_at is not None,
    )


def _unfit(unfit: PackageUnfit) -> ExchangeUnfit:
    where = f"：{unfit.where}" if unfit.where else ""
    return ExchangeUnfit(why=unfit.code, words=FILE_FAULTS[unfit.code].zh, where=where)
