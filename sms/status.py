"""What an IT operator is told about texts: carriers as the gateway last saw them, the queue, and what needs a person.

Asked by a process of its own: the serving one writes each carrier's condition into its row every few seconds, the
rest is in the tables of the queue. The shape of `Status` is a promise to whoever reads it by machine: fields are added,
never renamed, and docs/monitoring/README.md lists them.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from kernel.db import Database, instant
from sms.backlog import Backlog, Held, Level, Trouble, Waiting, backlog
from sms.carriers import Condition
from sms.orders import Wanted
from sms.statuses import Fault

#: The gateway says how it is every five seconds; after so long nobody is there.
STALE = timedelta(seconds=30)
#: A carrier that nobody has spoken to for so long has left the settings.
GONE = timedelta(days=1)
#: A text that could have gone and still waits: more than one round of any carrier's own trouble.
TOO_SLOW = timedelta(minutes=10)


class CarrierStatus(Struct, frozen=True, kw_only=True):
    """`wanted`: what the operator asked for (running, paused, drained). `state`: the word of its protocol.

    `effective_weight` is 0 while it is given no texts. `held_back`: texts in the gateway's hands that wait for the
    window or the rate. Counts and refusals are since the start of the serving process.
    """

    name: str
    kind: str
    wanted: str
    state: str
    is_up: bool
    seen_at: datetime | None
    down_since: datetime | None
    last_error: str
    last_error_at: datetime | None
    is_error_past: bool
    weight: int
    effective_weight: float
    window: int
    in_flight: int
    held_back: int
    parts_per_s: float | None
    paused_for_s: float
    silent_for_s: float | None
    sending: int
    unknown: int
    receipts_outstanding: int
    receipts_outstanding_over_1h: int
    lost_last_hour: int
    lost_last_day: int
    dead_letters: int
    unreported_last_day: int
    counts: dict[str, int]
    refusals: dict[str, int]


class Concern(Struct, frozen=True, kw_only=True):
    """Something that needs a person. `code` is stable; `carrier` is empty where it is about all of them."""

    code: str
    zh: str
    en: str
    carrier: str = ""


class QueueStatus(Struct, frozen=True, kw_only=True):
    """`totals`: texts by state. `levels`: those that wait, by priority. `oldest_due_at`: since when one could have
    gone. `dead_letters`: lost within seven days, and not followed up."""

    totals: dict[str, int]
    levels: tuple[Level, ...]
    oldest_due_at: datetime | None
    dead_letters: int


class Status(Struct, frozen=True, kw_only=True):
    """`is_serving`: whether a server has said so within STALE. `inbox`: texts from people. `events`: not yet handed to
    those who make texts of them."""

    at: datetime
    is_well: bool
    is_serving: bool
    seen_at: datetime | None
    carriers: tuple[CarrierStatus, ...]
    queue: QueueStatus
    troubles: tuple[Trouble, ...]
    inbox: Waiting
    events: Waiting
    unmatched_receipts: int
    concerns: tuple[Concern, ...]


async def status(database: Database, *, now: datetime) -> Status:
    """How it is at `now`. Reads only."""
    figures = await backlog(database, now=now)
    carriers = await _carriers(database, figures, now)
    seen_at = max((carrier.seen_at for carrier in carriers if carrier.seen_at), default=None)
    is_serving = seen_at is not None and now - seen_at <= STALE
    concerns = tuple(_concerns(figures, carriers, is_serving, now))
    return Status(
        at=now,
        is_well=not concerns,
        is_serving=is_serving,
        seen_at=seen_at,
        carriers=carriers,
        queue=QueueStatus(
            totals=dict(figures.totals),
            levels=figures.levels,
            oldest_due_at=figures.oldest_due_at,
            dead_letters=figures.dead_letters,
        ),
        troubles=figures.troubles,
        inbox=figures.inbox,
        events=figures.events,
        unmatched_receipts=figures.unmatched_receipts,
        concerns=concerns,
    )


async def _carriers(database: Database, figures: Backlog, now: datetime) -> tuple[CarrierStatus, ...]:
    rows = await database.rows("SELECT * FROM carrier ORDER BY name")
    last = max((seen for row in rows if (seen := instant(row["seen_at"])) is not None), default=None)
    found = []
    for row in rows:
        name, seen_at, down_since = str(row["name"]), instant(row["seen_at"]), instant(row["down_since"])
        if seen_at is not None and last is not None and last - seen_at > GONE:
            continue
        condition = _condition(str(row["condition"]))
        held = figures.by_carrier.get(name, Held())
        is_fresh = seen_at is not None and now - seen_at <= STALE
        found.append(
            CarrierStatus(
                name=name,
                kind=str(row["kind"]),
                wanted=str(row["wanted"]),
                state=condition.state,
                is_up=is_fresh and down_since is None and str(row["wanted"]) != Wanted.DRAINED,
                seen_at=seen_at,
                down_since=down_since,
                last_error=condition.last_error,
                last_error_at=condition.last_error_at,
                is_error_past=condition.is_error_past,
                weight=int(str(row["weight"])),
                effective_weight=round(float(str(row["effective_weight"])), 3),
                window=condition.window,
                in_flight=condition.in_flight,
                held_back=condition.waiting,
                parts_per_s=condition.parts_per_s,
                paused_for_s=condition.paused_for_s,
                silent_for_s=condition.silent_for_s,
                sending=held.sending,
                unknown=held.unknown,
                receipts_outstanding=held.outstanding,
                receipts_outstanding_over_1h=held.outstanding_over_1h,
                lost_last_hour=held.lost_last_hour,
                lost_last_day=held.lost_last_day,
                dead_letters=held.dead_letters,
                unreported_last_day=held.unreported_last_day,
                counts=dict(condition.counts),
                refusals=dict(condition.refusals),
            )
        )
    return tuple(found)


def _condition(text: str) -> Condition:
    """What the gateway wrote; before it has written anything, nothing is known."""
    return msgspec.json.decode(text, type=Condition) if text.strip() not in ("", "{}") else Condition(state="unseen")


def _why(carrier: CarrierStatus) -> str:
    """An error from before the last time that it was up is not why it is down."""
    return carrier.state if carrier.is_error_past or not carrier.last_error else carrier.last_error


def _concerns(
    figures: Backlog, carriers: Sequence[CarrierStatus], is_serving: bool, now: datetime
) -> Iterator[Concern]:
    if not is_serving:
        yield Concern(code="NOT_SERVING", zh="没有服务进程在运行，短信不收不发", en="no server is running")
    for carrier in carriers:
        if is_serving and carrier.wanted != Wanted.DRAINED and not carrier.is_up:
            yield Concern(
                code="CARRIER_DOWN",
                carrier=carrier.name,
                zh=f"通道 {carrier.name} 中断：{_why(carrier)}",
                en=f"carrier {carrier.name} is down: {_why(carrier)}",
            )
    if carriers and all(carrier.wanted != Wanted.RUNNING for carrier in carriers):
        yield Concern(code="ALL_STOPPED", zh="全部通道已被暂停，短信都在等待", en="every carrier was told to stop")
    if figures.oldest_due_at is not None and now - figures.oldest_due_at > TOO_SLOW:
        minutes = int((now - figures.oldest_due_at).total_seconds() // 60)
        yield Concern(code="QUEUE_SLOW", zh=f"最早的短信已等待{minutes}分钟", en=f"a text has waited {minutes} minutes")
    if figures.dead_letters:
        yield Concern(
            code="DEAD_LETTERS",
            zh=f"{figures.dead_letters}条短信最终未送达，且未作后续处理",
            en=f"{figures.dead_letters} texts were lost and nobody followed them up",
        )
    for trouble in figures.troubles:
        if trouble.fault == Fault.TECHNICAL and (trouble.last_hour or trouble.waiting):
            yield Concern(
                code="TECHNICAL_FAULT",
                carrier=trouble.carrier,
                zh=f"通道 {trouble.carrier} 答复 {trouble.error}（{trouble.zh}），须查账号和配置",
                en=f"carrier {trouble.carrier} answers {trouble.error} ({trouble.en}): look at account and settings",
            )
    if figures.inbox.stuck:
        yield Concern(
            code="INBOX_STUCK",
            zh=f"{figures.inbox.stuck}条上行短信处理失败，须人工查看",
            en=f"{figures.inbox.stuck} texts from people could not be handled",
        )
    if figures.events.stuck:
        yield Concern(
            code="EVENTS_PARKED",
            zh=f"{figures.events.stuck}个事件多次投递失败，相关短信没有生成",
            en=f"{figures.events.stuck} events could not be handed over: their texts were not made",
        )
