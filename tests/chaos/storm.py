"""A hundred thousand receipts at once: each acknowledged only once it is recorded, and none of them kept in memory."""

from collections.abc import Sequence
from datetime import timedelta
from time import perf_counter

from alerts.states import as_json, listed
from sms.receipts import MessageState, Receipt
from sms.simulator import Smsc
from sms.simulator.exchange import Delivery
from sms.smpp import receipts
from sms.smpp.vocabulary import DeliverSm
from tests.chaos.world import ACCESS_NUMBER, World
from tests.standing import stand_anew

#: Of ten receipts so many are about our texts, for the first time; the others come twice or are about nobody's.
_OURS, _TWICE = 6, 2
#: What a server may need for them beyond what it needs anyway.
MOST_MIB = 150.0
_BATCH = 5000


class Acknowledged(list[str]):
    """The ids that the server has acknowledged, in order."""

    def delivery(self, sms_id: str, phone: str, now) -> Delivery:
        receipt = Receipt(sms_id, MessageState.DELIVERED)
        pdu = DeliverSm(
            source=phone,
            destination=ACCESS_NUMBER,
            esm_class=0x04,
            short_message=receipts.render(receipt, submitted_at=now, done_at=now),
            message_state=receipt.state,
            receipted_message_id=sms_id,
        )
        return Delivery(pdu, _Tick(self, sms_id))  # type: ignore[arg-type]  # it is only asked whether it is done


class _Tick:
    """In place of a future: a hundred thousand of those would measure asyncio."""

    __slots__ = ("_acknowledged", "_sms_id")

    def __init__(self, acknowledged: Acknowledged, sms_id: str) -> None:
        self._acknowledged, self._sms_id = acknowledged, sms_id

    def done(self) -> bool:
        return False

    def set_result(self, _: None) -> None:
        self._acknowledged.append(self._sms_id)


async def storm(stage, *, count: int) -> tuple[str, tuple[str, ...]]:
    """The figures and what was violated."""
    from tests.chaos.scenarios import until

    ours = count * _OURS // 10
    missed: list[str] = []
    async with stage.one_carrier() as (world, smsc):
        phone = await _submitted(world, ours)
        said = [f"b{number:x}" for number in range(ours)] + [f"b{number:x}" for number in range(count * _TWICE // 10)]
        said += [f"c{number:x}" for number in range(count - len(said))]
        stage.chance.shuffle(said)
        acknowledged = Acknowledged()
        async with world.server() as server:
            calm_mib = server.peak_mib
            began = perf_counter()
            _say(smsc, [acknowledged.delivery(sms_id, phone, world.now()) for sms_id in said])
            await until(lambda: len(acknowledged) >= count // 2)
            peak_mib = server.peak_mib
        known, halfway = await _recorded(world), len(acknowledged)
        if lost := set(acknowledged) - known:
            missed.append(f"acknowledged and not recorded: {len(lost)} receipts")
        async with world.server() as server:
            await until(lambda: len(acknowledged) >= count)
            took_s = perf_counter() - began
            peak_mib = max(peak_mib, server.peak_mib)
        if set(said) - await _recorded(world):
            missed.append("not recorded at the end")
        states = await world.states()
        if states != {"delivered": ours}:
            missed.append(f"not all delivered: {states}")
        if peak_mib - calm_mib > MOST_MIB:
            missed.append(f"memory: {peak_mib:.0f} MiB, {calm_mib:.0f} before")
        figures = (
            f"{count} receipts, {count / took_s:.0f} a second, killed at {halfway}, memory {calm_mib:.0f} to"
            f" {peak_mib:.0f} MiB; {ours} delivered, {count - ours - count * _TWICE // 10} about nobody's"
        )
    return figures, tuple(missed)


def _say(smsc: Smsc, deliveries: Sequence[Delivery]) -> None:
    exchange = smsc._exchange
    exchange._put(exchange.accounts["zhangban"], *deliveries)


async def _submitted(world: World, count: int) -> str:
    """So many texts that were submitted hours ago, without a receipt; to one phone, which is returned."""
    database, then = world.database, world.now() - timedelta(hours=2)
    await world.queue(texts=1)
    rows = await database.rows("SELECT * FROM message")
    columns = [name for name in rows[0] if name not in ("id", "dedupe_key", "state", "carrier", "submitted_at")]
    copied = (
        f"INSERT INTO message (dedupe_key, state, carrier, submitted_at, {', '.join(columns)})"
        f" SELECT r.key, 'submitted', 'east', CAST($2 AS {_instant(world)}), {', '.join(columns)}"
        f" FROM message, {listed(database, 1, key='text')} WHERE dedupe_key = $3"
    )
    for start in range(0, count, _BATCH):
        keys = as_json({"key": f"storm:{number:x}"} for number in range(start, min(count, start + _BATCH)))
        async with database.transaction():
            await database.execute(copied, keys, then, str(rows[0]["dedupe_key"]))
    async with database.transaction():
        await database.execute("DELETE FROM message WHERE dedupe_key = $1", str(rows[0]["dedupe_key"]))
        await database.execute(
            "INSERT INTO message_part (message_id, seq, total, carrier, sms_id, state, error, submitted_at)"
            " SELECT id, 1, 1, 'east', 'b' || SUBSTR(dedupe_key, 7), 'submitted', '', submitted_at FROM message"
        )
    await stand_anew(database)
    (phone,) = world.expected
    world.expected.clear()
    return phone


def _instant(world: World) -> str:
    return "timestamptz" if world.database.dialect == "postgres" else "text"


async def _recorded(world: World) -> set[str]:
    """Ids whose receipt is in the database."""
    parts = await world.database.rows("SELECT sms_id FROM message_part WHERE state = 'delivered'")
    waiting = await world.database.rows("SELECT sms_id FROM receipt")
    return {str(row["sms_id"]) for row in (*parts, *waiting)}
