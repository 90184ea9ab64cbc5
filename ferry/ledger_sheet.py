"""The ledgers as a person reads them: what both sides counted, the verdict, and whether a row was altered since."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta

import msgspec
from msgspec import Struct

from ferry.ledger import Account, Difference
from ferry.ledger_tables import FerryLedger
from ferry.reconciling import IN, OUT, FerryLedgerCompared, Way, past_day, seal_of
from kernel.db import Database

#: Days that are shown unless one is asked for.
_DAYS = 7


class Totals(Struct, frozen=True, kw_only=True):
    """An account, added up over all lanes."""

    parcels: int
    records: int
    octets: int
    refused: int
    sorts: Mapping[str, int]


class Sheet(Struct, frozen=True, kw_only=True):
    """A day of one direction. `state`: equal, different, accepted, open, alone; unknown: no ledger yet.

    `is_altered`: the row does not hold what the log says of it.
    """

    peer: str
    way: str
    day: date
    state: str
    ours: Totals | None = None
    theirs: Totals | None = None
    aside: Mapping[str, int] = {}
    differences: tuple[Difference, ...] = ()
    compared_at: datetime | None = None
    is_altered: bool = False

    @property
    def is_wrong(self) -> bool:
        return self.state == "different" or self.is_altered

    @property
    def is_known(self) -> bool:
        return self.state not in ("open", "unknown")


async def sheets(database: Database, peer: str, way: Way, *, day: date | None, now: datetime) -> list[Sheet]:
    """Both directions of `day`; without one, of the days of a week until yesterday that are known, and of yesterday."""
    until = past_day(now)
    asked = FerryLedger.filter(peer=peer)
    asked = asked.filter(day=day) if day else asked.filter(day__gt=until - timedelta(days=_DAYS), day__lte=until)
    found = await asked.order_by("day", "-way")
    seals = await _logged(database, peer) if found else {}
    made = [_sheet(row, seals) for row in found]
    expected = ((OUT, way.sends), (IN, way.takes))
    known = {(each.way, each.day) for each in made}
    last = day or until
    unknown = [
        Sheet(peer=peer, way=name, day=last, state="unknown")
        for name, there_is in expected
        if there_is and (name, last) not in known
    ]
    return made + unknown


# ------------------------------------------------------------------------------------------------------------ below


def _sheet(row: FerryLedger, seals: Mapping[tuple[str, date], str]) -> Sheet:
    ours = msgspec.json.decode(row.ours, type=Account) if row.ours else None
    theirs = msgspec.json.decode(row.theirs, type=Account) if row.theirs else None
    is_altered = row.seal != "" and not row.seal == seal_of(row) == seals.get((row.way, row.day))
    return Sheet(
        peer=row.peer,
        way=row.way,
        day=row.day,
        state=row.state,
        ours=_totals(ours) if ours else None,
        theirs=_totals(theirs) if theirs else None,
        aside=dict(ours.aside) if ours else {},
        differences=tuple(msgspec.json.decode(row.differences, type=list[Difference])),
        compared_at=row.compared_at,
        is_altered=is_altered,
    )


def _totals(account: Account) -> Totals:
    sorts = Counter[str]()
    for each in account.stretches:
        sorts.update(each.sorts)
    return Totals(
        parcels=sum(each.parcels for each in account.stretches),
        records=sum(each.records for each in account.stretches),
        octets=sum(each.octets for each in account.stretches),
        refused=sum(sum(each.refused.values()) for each in account.stretches),
        sorts=dict(sorted(sorts.items())),
    )


async def _logged(database: Database, peer: str) -> dict[tuple[str, date], str]:
    """By direction and day the seal that the log has last."""
    rows = await database.rows(
        "SELECT body FROM event WHERE subject = $1 AND tag = 'ferry.ledger_compared' ORDER BY seq", f"ferry:{peer}"
    )
    events = [msgspec.json.decode(str(row["body"]), type=FerryLedgerCompared) for row in rows]
    return {(event.way, event.day): event.seal for event in events}
