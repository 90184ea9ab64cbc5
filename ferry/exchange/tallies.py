"""Reconciliation records: per organisation, table and day how many rows, of how many cases, and a digest of which.

Two that hold the same rows have the same digest, so a level of government proves to the next that nothing is missing
without sending it again. Counted is the newest version under each key, on the local day of its event.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated

from msgspec import Meta, Struct

from ferry.exchange.codes import Table
from ferry.exchange.standard import CaseNumber, OrgCode, Rid

_Count = Annotated[int, Meta(ge=0, le=10**9)]


class Tally(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`cases`: distinct case numbers; `digest`: SHA-256 over the sorted lines "rid version"."""

    org: OrgCode
    table: Table
    day: date
    count: _Count
    cases: _Count
    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", max_length=64)]

    @property
    def place(self) -> tuple[str, Table, date]:
        return self.org, self.table, self.day


class Counted(Struct, frozen=True):
    """One row that counts."""

    org: str
    table: Table
    day: date
    projid: CaseNumber
    rid: Rid
    version: int


def tallied(rows: Iterable[Counted]) -> list[Tally]:
    """By place, in order. Keeps the numbers of the rows in memory, some hundred octets each."""
    groups: dict[tuple[str, Table, date], list[Counted]] = {}
    for row in rows:
        groups.setdefault((row.org, row.table, row.day), []).append(row)
    order = list(Table)
    return [
        Tally(
            org=org,
            table=table,
            day=day,
            count=len(found),
            cases=len({row.projid for row in found}),
            digest=_digest(found),
        )
        for (org, table, day), found in sorted(
            groups.items(), key=lambda group: (group[0][2], group[0][0], order.index(group[0][1]))
        )
    ]


class Drift(Struct, frozen=True, kw_only=True):
    """A place where the sender says one thing and we hold another; None: that side knows nothing of it."""

    org: str
    table: Table
    day: date
    theirs: Tally | None
    ours: Tally | None


def compared(theirs: Sequence[Tally], ours: Sequence[Tally]) -> list[Drift]:
    """Every place that differs."""
    said, held = {tally.place: tally for tally in theirs}, {tally.place: tally for tally in ours}
    return [
        Drift(org=org, table=table, day=day, theirs=said.get((org, table, day)), ours=held.get((org, table, day)))
        for org, table, day in dict.fromkeys([*said, *held])
        if said.get((org, table, day)) != held.get((org, table, day))
    ]


def _digest(rows: Iterable[Counted]) -> str:
    lines = sorted(f"{row.rid} {row.version}" for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
