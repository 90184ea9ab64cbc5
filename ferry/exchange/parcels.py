"""Reports that cross to another level in the ferry's parcels: the signed package in pieces up, its answer down.

Both are records of the lane `supervise`, so they keep the order of the cases. Inside, a piece is only kept; whoever may
perform acts takes the whole package in (`take_arrived`) by the same office as every other package.
"""

import base64
import hashlib
import io
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

from ferry.exchange import taking
from ferry.exchange.acts import Receipt
from ferry.exchange.answers import Answer, RowReceipt
from ferry.exchange.upward import NotTaken, settle
from ferry.lanes import Lane
from ferry.orders import Routes
from ferry.outgoing import hand_over
from ferry.records import Direction, Envelope, RecordType
from ferry.station import Route
from kernel.clock import Clock
from kernel.db import Database
from kernel.office import Office
from kernel.refusals import Refusal

log = logging.getLogger(__name__)

_PIECE_OCTETS, _MOST_PIECES = 36 << 10, 600
_MOST_RECEIPTS = 60
_KEPT = timedelta(days=30)

_Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z", max_length=64)]
_Count = Annotated[int, Meta(ge=0, le=10**8)]
_Code = Annotated[str, Meta(max_length=60)]


class PackagePiece(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sha256: _Digest  # of the package
    number: Annotated[int, Meta(ge=1, le=_MOST_PIECES)]
    of: Annotated[int, Meta(ge=1, le=_MOST_PIECES)]
    octets: Annotated[str, Meta(pattern=r"\A[0-9A-Za-z+/]*={0,2}\Z", max_length=49_152)]


class Reason(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a row was rejected."""

    part: _Count
    line: _Count
    rid: Annotated[str, Meta(max_length=64)]
    codes: Annotated[tuple[Annotated[str, Meta(max_length=30)], ...], Meta(max_length=20)]


class PackageAnswer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`code`: of the refusal of the whole package; empty: it was taken. `reasons`: the first rows rejected."""

    sha256: _Digest
    code: _Code = ""
    batch: Annotated[str, Meta(max_length=40)] = ""
    rows: _Count = 0
    accepted: _Count = 0
    flagged: _Count = 0
    held: _Count = 0
    ignored: _Count = 0
    rejected: _Count = 0
    drifts: _Count = 0
    reasons: Annotated[tuple[Reason, ...], Meta(max_length=_MOST_RECEIPTS)] = ()


def level_records(peer: str) -> list[RecordType]:
    """What levels tell each other; `peer`: the other one."""

    async def arrived(database: Database, now: datetime, record: Envelope) -> None:
        piece = record.body
        assert isinstance(piece, PackagePiece)
        row = (peer, piece.sha256, piece.number, piece.of, piece.octets, now)
        columns = ("peer", "sha256", "number", "of", "octets", "at")
        await database.insert("exchange_arrival", columns, [row], tail="ON CONFLICT DO NOTHING")

    async def lost(database: Database, now: datetime, record: Envelope, code: str) -> None:
        assert isinstance(record.body, PackagePiece)
        await settle(database, record.body.sha256, code, now=now)

    async def answered(database: Database, now: datetime, record: Envelope) -> None:
        said = record.body
        assert isinstance(said, PackageAnswer)
        await settle(database, said.sha256, said.code or _answer(said), now=now)

    upward, downward = Direction.UPWARD, Direction.DOWNWARD
    return [
        RecordType(
            name="level.package", direction=upward, lane=Lane.SUPERVISE, struct=PackagePiece, apply=arrived, told=lost
        ),
        RecordType(name="level.answer", direction=downward, lane=Lane.SUPERVISE, struct=PackageAnswer, apply=answered),
    ]


class ParcelWay:
    """Into the lane towards a peer above; the ferry sees to it that it arrives."""

    def __init__(self, database: Database, route: Route, clock: Clock) -> None:
        self._database, self._route, self._clock = database, route, clock

    async def send(self, package: bytes, sha256: str) -> Answer | None:
        pieces = [package[start : start + _PIECE_OCTETS] for start in range(0, len(package), _PIECE_OCTETS)]
        if len(pieces) > _MOST_PIECES:
            raise NotTaken("EXCHANGE_TOO_LARGE")
        now = self._clock.now()
        records = [
            Envelope(
                rid=f"xp.{sha256[:48]}.{number}",
                type="level.package",
                key=sha256,
                at=now,
                body=PackagePiece(
                    sha256=sha256, number=number, of=len(pieces), octets=base64.b64encode(piece).decode()
                ),
            )
            for number, piece in enumerate(pieces, 1)
        ]
        async with self._database.transaction():
            await hand_over(self._database, self._route, records, now=now)
        return None


async def take_arrived(database: Database, office: Office, routes: Routes, *, now: datetime) -> int:
    """Takes in what is whole, in the order in which it began to come, and answers; how many packages."""
    whole = await database.rows(
        "SELECT peer, sha256 FROM exchange_arrival GROUP BY peer, sha256 HAVING COUNT(*) = MIN(of) ORDER BY MIN(id)"
        " LIMIT 20"
    )
    done = 0
    for row in whole:
        peer, sha256 = str(row["peer"]), str(row["sha256"])
        answer = await _taken(database, office, peer, sha256)
        if answer is None:
            break
        record = Envelope(rid=f"xa.{sha256[:48]}", type="level.answer", key=sha256, at=now, body=answer)
        async with database.transaction():
            await database.execute("DELETE FROM exchange_arrival WHERE peer = $1 AND sha256 = $2", peer, sha256)
            await hand_over(database, routes.to(peer), [record], now=now)
        done += 1
    if done:
        async with database.transaction():
            await database.execute("DELETE FROM exchange_arrival WHERE at < $1", now - _KEPT)
    return done


async def _taken(database: Database, office: Office, peer: str, sha256: str) -> PackageAnswer | None:
    """None: later."""
    pieces = await database.rows(
        "SELECT octets FROM exchange_arrival WHERE peer = $1 AND sha256 = $2 ORDER BY number", peer, sha256
    )
    octets = b"".join(base64.b64decode(str(piece["octets"])) for piece in pieces)
    if hashlib.sha256(octets).hexdigest() != sha256:
        return PackageAnswer(sha256=sha256, code="EXCHANGE_UNFIT")
    rejected: list[tuple[int, Receipt]] = []

    def heard(part: int, receipt: Receipt) -> None:
        if receipt.verdict == "rejected" and len(rejected) < _MOST_RECEIPTS:
            rejected.append((part, receipt))

    try:
        batch = await taking.take(office, io.BytesIO(octets), heard)
    except Refusal as refusal:
        if refusal.retryable:
            log.warning("exchange: a package from %s waits: %s", peer, refusal.code)
            return None
        return PackageAnswer(sha256=sha256, code=refusal.code[:60])
    return PackageAnswer(
        sha256=sha256,
        batch=batch.batch,
        rows=batch.rows,
        accepted=batch.accepted,
        flagged=batch.flagged,
        held=batch.held,
        ignored=batch.ignored,
        rejected=batch.rejected,
        drifts=batch.drifts,
        reasons=_reasons(rejected),
    )


def _reasons(rejected: Sequence[tuple[int, Receipt]]) -> tuple[Reason, ...]:
    return tuple(
        Reason(part=part, line=receipt.line, rid=receipt.rid, codes=receipt.codes[:20]) for part, receipt in rejected
    )


def _answer(said: PackageAnswer) -> Answer:
    return Answer(
        batch=said.batch,
        rows=said.rows,
        accepted=said.accepted,
        flagged=said.flagged,
        held=said.held,
        ignored=said.ignored,
        rejected=said.rejected,
        drifts=said.drifts,
        complete=True,
        receipts=tuple(
            RowReceipt(part=each.part, line=each.line, rid=each.rid, verdict="rejected", codes=each.codes)
            for each in said.reasons
        ),
    )
