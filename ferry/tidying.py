"""What the ferry forgets, and when: after the other side has it and `keep` has passed besides.

The receiver remembers numbers twice as long as the sender keeps records, so that nothing that can still be sent again
is ever taken for new.
"""

from datetime import datetime, timedelta

from ferry.station import Station

EVERY = timedelta(hours=1)
#: Rows in one transaction: others wait for it.
_BATCH = 5000

#: Table, condition on its rows; $1 the peer, $2 the instant before which they may go.
_SENT = (
    ("ferry_record", "epoch = '-' AND at < $2"),
    ("ferry_record", "epoch NOT IN ('', '-') AND at < $2 AND EXISTS ({done} AND p.lane = ferry_record.lane)"),
    ("ferry_piece", "epoch NOT IN ('', '-') AND at < $2 AND EXISTS ({done} AND p.lane = 'bulk')"),
    ("ferry_parcel", "state IN ('acked', 'spent', 'retired') AND COALESCE(acked_at, assigned_at) < $2"),
)
_DONE = (
    "SELECT 1 FROM ferry_parcel p WHERE p.peer = $1 AND p.epoch = {table}.epoch AND p.seq = {table}.seq"
    " AND p.state IN ('acked', 'spent', 'retired') AND COALESCE(p.acked_at, p.assigned_at) < $2"
)
_RECEIVED = (
    ("ferry_applied", "at < $2"),
    ("ferry_inbox", "at < $2"),
    ("ferry_gap", "filled_at < $2"),
    ("ferry_poison", "closed_at < $2"),
    ("ferry_quarantine", "state <> 'kept' AND at < $2"),
    ("ferry_arrived_piece", "EXISTS (SELECT 1 FROM ferry_file f WHERE f.peer = $1 AND f.state = 'whole'"
                            " AND f.sha256 = ferry_arrived_piece.sha256 AND f.at < $2)"),
)  # fmt: skip


async def tidy(station: Station, *, now: datetime) -> int:
    """Removes what is no longer needed, in small transactions; how many rows."""
    keep, count = station.pace.keep, 0
    for table, condition in _SENT:
        count += await _remove(station, table, condition.format(done=_DONE.format(table=table)), now - keep)
    for table, condition in _RECEIVED:
        count += await _remove(station, table, condition, now - 2 * keep)
    return count


async def _remove(station: Station, table: str, condition: str, before: datetime) -> int:
    total = 0
    while True:
        async with station.database.transaction():
            count = await station.database.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE peer = $1 AND {condition}"
                f" LIMIT {_BATCH})",
                station.peer,
                before,
            )
        total += count
        if count < _BATCH:
            return total
