"""A day's accounts as the tables of this side have them: of what was sent, and of what was taken of the same numbers.

They are made anew each time they are compared, so that a row that was altered, or went with a backup, shows.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date

import msgspec
from msgspec import Struct

from alerts.states import as_int
from casework.clock.working_days import end_of_day, start_of_day
from ferry.lanes import Lane
from ferry.ledger import GONE, PER_STRETCH, Account, Stretch, is_void, mark_of, marked
from ferry.outgoing import total
from ferry.tables import LEFT_OUT
from kernel.db import Database, Row

#: Types, and codes, of one stretch; what is beyond them is counted together.
_MOST = 63


class Span(Struct, frozen=True, kw_only=True):
    """Numbers of a lane, both inclusive, that belong to one day."""

    lane: str
    epoch: str
    first: int
    last: int


class Sent(Struct, frozen=True, kw_only=True):
    """`under_way`: numbers, by lane and epoch, that the other side has not acknowledged."""

    account: Account
    under_way: Mapping[tuple[str, str], Sequence[int]]


async def spans_of(
    database: Database, peer: str, day: date, reached: Mapping[str, int], *, is_first: bool
) -> tuple[list[Span], dict[str, int]]:
    """The numbers given until the end of `day` that stand in no ledger, and how far every lane's then do.

    `is_first`: the first ledger of all begins with what was numbered on its day.
    """
    since = " AND assigned_at >= $3" if is_first else ""
    values = (start_of_day(day),) if is_first else ()
    found = await database.rows(
        "SELECT lane, epoch, MIN(seq) AS first, MAX(seq) AS last FROM ferry_parcel WHERE peer = $1"
        f" AND assigned_at < $2{since} GROUP BY lane, epoch ORDER BY lane, epoch",
        peer,
        end_of_day(day),
        *values,
    )
    spans, known = [], dict(reached)
    for row in found:
        lane, epoch, last = str(row["lane"]), str(row["epoch"]), as_int(row["last"])
        place = f"{lane}/{epoch}"
        first = as_int(row["first"]) if is_first else known.get(place, 0) + 1
        if first <= last:
            spans.append(Span(lane=lane, epoch=epoch, first=first, last=last))
        known[place] = max(last, known.get(place, 0))
    # Of epochs whose parcels are forgotten nothing more will come.
    living = {f"{row['lane']}/{row['epoch']}" for row in found}
    return spans, {place: last for place, last in known.items() if place in living}


async def sent(database: Database, peer: str, day: date, spans: Sequence[Span]) -> Sent:
    """What we say we sent."""
    stretches: list[Stretch] = []
    under_way: dict[tuple[str, str], list[int]] = {}
    for span in _cut(spans):
        where = (peer, span.lane, span.epoch, span.first, span.last)
        found = await database.rows(f"SELECT seq, content_id, count, octets, sorts, state FROM ferry_parcel{_WITHIN}"
                                    " ORDER BY seq", *where)  # fmt: skip
        void = await _given_up(database, where) if any(row["state"] == "retired" for row in found) else set()
        refused = await database.rows(
            "SELECT r.refused AS code, COUNT(*) AS n FROM ferry_place s JOIN ferry_record r ON r.id = s.id"
            f" WHERE s.peer = $1 AND s.lane = $2 AND s.parcel IN (SELECT id FROM ferry_parcel{_WITHIN})"
            " AND r.refused <> '' GROUP BY r.refused",
            *where,
        )
        stretches.append(_stretch(span, found, refused, void))
        for row in found:
            if row["state"] in ("assigned", "sealed"):
                under_way.setdefault((span.lane, span.epoch), []).append(as_int(row["seq"]))
    dropped = await _counted(database, "ferry_record", f"refused <> '' AND {_IS_LEFT_OUT} AND at", peer, day)
    return Sent(account=Account(stretches=tuple(stretches), aside={"dropped": dropped}), under_way=under_way)


async def taken(database: Database, peer: str, day: date, claim: Account) -> Account:
    """What was applied here of the numbers that `claim` names, and of numbers that no ledger will ever name."""
    spans = claimed(claim)
    voids = {(each.lane, each.epoch, seq) for each in claim.stretches for seq, mark in marked(each) if is_void(mark)}
    spans += await _uncovered(database, peer, day)
    stretches = []
    for span in _cut(spans):
        where = (peer, span.lane, span.epoch, span.first, span.last)
        found = await database.rows(
            f"SELECT seq, content_id, count, octets, sorts FROM ferry_inbox{_WITHIN} ORDER BY seq", *where
        )
        refused = await database.rows(
            f"SELECT code, COUNT(*) AS n FROM ferry_poison{_WITHIN} AND rid <> '' GROUP BY code", *where
        )
        void = {seq for lane, epoch, seq in voids if (lane, epoch) == (span.lane, span.epoch)}
        stretches.append(_stretch(span, found, refused, void))
    aside = {
        "discarded": await _counted(database, "ferry_quarantine", "state = 'discarded' AND closed_at", peer, day),
        "held": await _held(database, peer, spans),
        "quarantined": await _counted(database, "ferry_quarantine", "state <> 'noted' AND at", peer, day),
    }
    return Account(stretches=tuple(stretches), aside=aside)


def claimed(claim: Account) -> list[Span]:
    return [Span(lane=each.lane, epoch=each.epoch, first=each.first, last=each.last) for each in claim.stretches]


# ------------------------------------------------------------------------------------------------------------ below

_IS_LEFT_OUT = f"EXISTS (SELECT 1 FROM ferry_place s WHERE s.id = ferry_record.id AND s.parcel = {LEFT_OUT})"
_WITHIN = " WHERE peer = $1 AND lane = $2 AND epoch = $3 AND seq BETWEEN $4 AND $5"


def _cut(spans: Sequence[Span]) -> Iterator[Span]:
    """The same in stretches."""
    for span in spans:
        for first in range(span.first, span.last + 1, PER_STRETCH):
            last = min(span.last, first + PER_STRETCH - 1)
            yield Span(lane=span.lane, epoch=span.epoch, first=first, last=last)


def _stretch(span: Span, found: Sequence[Row], refused: Sequence[Row], void: Collection[int]) -> Stretch:
    marks: dict[int, str] = {}
    digest, sorts = hashlib.sha256(), Counter[str]()
    for row in found:
        seq, content_id = as_int(row["seq"]), str(row["content_id"])
        marks[seq] = mark_of(content_id, is_void=seq in void)
        if seq not in void:
            digest.update(f"{seq} {content_id}\n".encode())
            # Without it the parcel is from before types were counted.
            sorts.update(msgspec.json.decode(str(row["sorts"] or "{}"), type=dict[str, int]))
    counted = [row for row in found if as_int(row["seq"]) not in void]
    return Stretch(
        lane=Lane(span.lane),
        epoch=span.epoch,
        first=span.first,
        last=span.last,
        parcels=len(counted),
        records=sum(as_int(row["count"]) for row in counted),
        octets=sum(as_int(row["octets"]) for row in counted),
        sorts=_bounded(sorts),
        digest=digest.hexdigest(),
        marks="".join(marks.get(seq, GONE) for seq in range(span.first, span.last + 1)),
        refused=_bounded({str(row["code"]): total(row["n"]) for row in refused}),
    )


def _bounded(counts: Mapping[str, int]) -> dict[str, int]:
    names = sorted(counts)
    kept = {name: counts[name] for name in names[:_MOST]}
    rest = sum(counts[name] for name in names[_MOST:])
    return {**kept, "OTHER": rest} if rest else kept


async def _given_up(database: Database, where: tuple[str, str, str, int, int]) -> set[int]:
    """Numbers of an ended epoch whose records and pieces wait, or went, under others."""
    found = await database.rows(
        f"SELECT seq FROM ferry_parcel p{_WITHIN} AND state = 'retired' AND NOT EXISTS (SELECT 1 FROM ferry_place s"
        " WHERE s.peer = p.peer AND s.lane = p.lane AND s.parcel = p.id) AND (p.lane <> 'bulk' OR"
        " NOT EXISTS (SELECT 1 FROM ferry_piece q WHERE q.peer = p.peer AND q.epoch = p.epoch AND q.seq = p.seq))",
        *where,
    )
    return {as_int(row["seq"]) for row in found}


async def _uncovered(database: Database, peer: str, day: date) -> list[Span]:
    """Parcels of ended epochs, applied on this day, that stand in no ledger of the peer's. Of those no more is told."""
    ended = await database.rows(
        "SELECT e.epoch FROM ferry_epoch e JOIN ferry_peer p ON p.peer = e.peer WHERE e.peer = $1"
        " AND e.epoch <> p.their_epoch",
        peer,
    )
    if not ended:
        return []
    names = [*(str(lane) for lane in Lane), *(str(row["epoch"]) for row in ended)]
    marks = [f"${n}" for n in range(4, 4 + len(names))]
    found = await database.rows(
        f"SELECT lane, epoch, seq FROM ferry_inbox WHERE peer = $1 AND lane IN ({', '.join(marks[: len(Lane)])})"
        f" AND epoch IN ({', '.join(marks[len(Lane) :])}) AND at >= $2 AND at < $3 ORDER BY lane, epoch, seq",
        peer,
        start_of_day(day),
        end_of_day(day),
        *names,
    )
    if not found:
        return []
    ledgers = await database.rows("SELECT spans FROM ferry_ledger WHERE peer = $1 AND way = 'in'", peer)
    covered = [span for row in ledgers for span in msgspec.json.decode(str(row["spans"]), type=list[Span])]
    spans: list[Span] = []
    for row in found:
        lane, epoch, seq = str(row["lane"]), str(row["epoch"]), as_int(row["seq"])
        if any((each.lane, each.epoch) == (lane, epoch) and each.first <= seq <= each.last for each in covered):
            continue
        last = spans[-1] if spans else None
        if last is not None and (last.lane, last.epoch, last.last + 1) == (lane, epoch, seq):
            spans[-1] = Span(lane=lane, epoch=epoch, first=last.first, last=seq)
        else:
            spans.append(Span(lane=lane, epoch=epoch, first=seq, last=seq))
    return spans


async def _held(database: Database, peer: str, spans: Sequence[Span]) -> int:
    """Parcels of these numbers that are here and wait for an earlier one."""
    count = 0
    for span in spans:
        (row,) = await database.rows(
            f"SELECT COUNT(*) AS n FROM ferry_held{_WITHIN}", peer, span.lane, span.epoch, span.first, span.last
        )
        count += total(row["n"])
    return count


async def _counted(database: Database, table: str, condition: str, peer: str, day: date) -> int:
    """Rows whose instant, with which `condition` ends, is on this day."""
    instant = condition.rpartition(" ")[2]
    (row,) = await database.rows(
        f"SELECT COUNT(*) AS n FROM {table} WHERE peer = $1 AND {condition} >= $2 AND {instant} < $3",
        peer,
        start_of_day(day),
        end_of_day(day),
    )
    return total(row["n"])
