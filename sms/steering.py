"""The gateway's side of the table `carrier`: what the operator wants of each carrier, and how each is, for everybody.

The operator writes `wanted` from a process of its own (sms/orders.py); the gateway reads it every second and obeys. A
wish is kept in the row, so that it outlives a restart. Rows of carriers that left the settings stay as they were.
Two gateways on one account share a row: while one of them says that its carrier is up, "down" of the other is not
written, because texts go out.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from alerts.states import as_json, instant_at, listed
from kernel.db import Database, instant, stored_instant
from sms.carriers import Condition
from sms.orders import Wanted

#: Three rounds of a gateway: one that wrote nothing for so long is gone, and nothing it wrote is believed.
FRESH = timedelta(seconds=15)


class Standing(Struct, frozen=True, kw_only=True):
    """How one carrier is in this process. `down_since`: since when nothing could be sent, though it should."""

    name: str
    weight: float
    condition: Condition
    down_since: datetime | None


class Known(Struct, frozen=True, kw_only=True):
    """What the row says, all gateways taken together."""

    down_since: datetime | None
    alarmed_at: datetime | None


async def introduce(database: Database, carriers: Iterable[tuple[str, str, int]]) -> None:
    """Rows for the carriers of the settings (name, kind, weight); what was wanted of them is left as it is."""
    await database.insert(
        "carrier",
        ("name", "kind", "weight", "wanted", "effective_weight", "condition", "seen_by"),
        [(name, kind, weight, Wanted.RUNNING, 0.0, "{}", "") for name, kind, weight in carriers],
        tail="ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, weight = excluded.weight",
    )


async def wishes(database: Database) -> Mapping[str, Wanted]:
    """What is wanted of each carrier."""
    rows = await database.rows("SELECT name, wanted FROM carrier")
    return {str(row["name"]): Wanted(str(row["wanted"])) for row in rows}


async def tell(database: Database, standings: Sequence[Standing], *, by: str, now: datetime) -> Mapping[str, Known]:
    """Writes down how the carriers are. What is not written is not in the answer either.

    `by` names this gateway, however often it is started anew.
    """
    rows = listed(database, 1, name="text", weight="float8", condition="text", down_since="timestamptz")
    # While down, since the first that noticed.
    down = "CASE WHEN r.down_since IS NOT NULL THEN COALESCE(carrier.down_since, r.down_since) END"
    told = await database.rows(
        "UPDATE carrier SET effective_weight = r.weight, condition = r.condition, seen_by = $2,"
        f" seen_at = {instant_at(database, 3)}, down_since = {down}"
        f" FROM {rows} WHERE carrier.name = r.name AND (r.down_since IS NULL OR carrier.down_since IS NOT NULL"
        " OR carrier.seen_by IN ('', $2) OR carrier.seen_at IS NULL"
        f" OR carrier.seen_at < {instant_at(database, 4)})"
        " RETURNING carrier.name, carrier.down_since, alarmed_at",
        as_json(
            {
                "name": standing.name,
                "weight": standing.weight,
                "condition": msgspec.json.encode(standing.condition).decode(),
                "down_since": standing.down_since and stored_instant(standing.down_since),
            }
            for standing in standings
        ),
        by,
        now,
        now - FRESH,
    )
    return {
        str(row["name"]): Known(down_since=instant(row["down_since"]), alarmed_at=instant(row["alarmed_at"]))
        for row in told
    }
