"""GET /metrics for Prometheus: what carriers, the queue, the inbox and the events are like, asked when somebody asks.

Nothing is counted for it on the way of a text but what is counted once per batch anyway (sms/lane.py). Carriers tell
what this process knows of them; the rest is asked of the database, true of all processes together, and kept for as
long as it is cheap: five seconds, or twenty times what the asking took. When the database is away, so are its
figures, and zhangban_database_up says why.
Source: the text exposition format and OpenMetrics, by prometheus_client. docs/monitoring/README.md lists every metric.
Limits: only addresses of http.metrics_from get in, and a proxy on this machine that hides whom it speaks for is one of
them. Figures of the database are the same from each of several processes: take their maximum, not their sum.
"""

import asyncio
import logging
import platform
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from importlib.metadata import version
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from tortoise.exceptions import BaseORMException

from ferry.overview import Overview
from kernel.clock import Clock
from kernel.db import Database
from server.families import counter, gauge, histogram
from server.ferry_metrics import FerryFigures, ferry_figures, of_ferries
from sms.backlog import Backlog, Waiting, backlog, meaning_of
from sms.lane import Lane
from sms.latency import Span

log = logging.getLogger(__name__)

Network = IPv4Network | IPv6Network

#: The figures of the database are kept so long, and cost it at most a twentieth of its time.
_KEPT_S, _SHARE = 5.0, 20
#: An answer that takes longer is no answer. Prometheus waits ten seconds: before that it gets the figures of last time.
_ANSWER_S, _PATIENCE_S = 30.0, 5.0
#: A text that was handled a moment ago may not be committed yet.
_SETTLED = timedelta(seconds=5)


class Metrics:
    """One page. `lanes` are asked anew each time: the gateway may not have begun. `ferries`: how they are doing."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        lanes: Callable[[], Sequence[Lane]],
        ferries: Callable[[], Awaitable[Sequence[Overview]]] | None = None,
    ) -> None:
        self._database, self._clock, self._lanes, self._ferries = database, clock, lanes, ferries
        self._crossing: FerryFigures | None = None
        self._asking: asyncio.Task[None] | None = None
        self._figures: Backlog | None = None
        self._good_until_s = 0.0
        self._handled: Counter[str] = Counter()
        self._handled_until = clock.now()
        self._registry = CollectorRegistry()
        self._registry.register(_Families(self._families))
        ProcessCollector(registry=self._registry)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """The page and its media type, as `accept` prefers."""
        await self._ask()
        encoded, media_type = choose_encoder(accept)
        return encoded(self._registry), media_type

    # ---- the database

    async def _ask(self) -> None:
        """New figures, where the old are old; whoever asks is not kept waiting for them, or would give up."""
        if self._asking is None or self._asking.done():
            if asyncio.get_running_loop().time() < self._good_until_s:
                return
            self._asking = asyncio.create_task(self._look(), name="metrics")
        await asyncio.wait([self._asking], timeout=_PATIENCE_S)

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        figures = crossing = None
        try:
            async with asyncio.timeout(_ANSWER_S):
                found = await backlog(self._database, now=self._clock.now())
                await self._count_handled()
                crossing = await self._look_at_ferries()
                figures = found
        except (TimeoutError, OSError, BaseORMException):
            pass
        finally:
            # Also after what nobody foresaw: figures of before, told for ever as those of now, are worse than none.
            self._figures, self._crossing = figures, crossing
            self._good_until_s = loop.time() + max(_KEPT_S, _SHARE * (loop.time() - began_s))

    async def _look_at_ferries(self) -> FerryFigures | None:
        """None where a folder of theirs is away, which says nothing of the database."""
        try:
            overviews = await self._ferries() if self._ferries else ()
        except OSError as away:
            log.warning("metrics: the ferry cannot be looked at: %s", type(away).__name__)
            return None
        return await ferry_figures(self._database, overviews, now=self._clock.now())

    async def _count_handled(self) -> None:
        """What was handled since the last time: a counter that no text had to wait for."""
        until = self._clock.now() - _SETTLED
        if until <= self._handled_until:
            return
        for row in await self._database.rows(
            "SELECT outcome, COUNT(*) AS n FROM inbound_message WHERE handled_at > $1 AND handled_at <= $2"
            " GROUP BY outcome",
            self._handled_until,
            until,
        ):
            self._handled[str(row["outcome"])] += int(str(row["n"]))
        self._handled_until = until

    # ---- the families

    def _families(self) -> Iterator[Metric]:
        yield gauge(
            "build_info", "The program.", ("version", "python", "database"), [((*_BUILD, self._database.dialect), 1)]
        )
        yield gauge("database_up", "Whether the database answered.", (), [((), self._figures is not None)])
        yield from _of_carriers(self._lanes())
        if self._figures is not None:
            yield from _of_texts(self._figures)
            if self._crossing is not None:
                yield from of_ferries(self._crossing)
            yield from _of_waiting("inbound", "texts from people", self._figures.inbox, self._figures)
            yield from _of_waiting("events", "events for their consumers", self._figures.events, self._figures)
            yield counter(
                "inbound_handled",
                "Texts from people by what came of them, in all processes together.",
                ("outcome",),
                [((outcome,), n) for outcome, n in sorted(self._handled.items())],
            )


class _Families(Collector):
    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._collect = families

    def collect(self) -> Iterable[Metric]:
        return self._collect()

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the carriers."""
        return ()


def door(metrics: Metrics, allowed: Sequence[Network]) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint; to strangers it looks like a page that does not exist."""

    async def endpoint(request: Request) -> Response:
        if not _is_allowed(request, allowed):
            return Response(status_code=404)
        content, media_type = await metrics.page(request.headers.get("accept", ""))
        return Response(content, headers={"Content-Type": media_type, "Cache-Control": "no-store"})

    return endpoint


# ------------------------------------------------------------------------------------------------------------ below

_BUILD = (version("zhangban"), platform.python_version())
_SPANS: Mapping[Span, str] = {
    Span.QUEUED_TO_ANSWER: "From when a text was queued until the carrier had taken it, all tries and pauses included.",
    Span.QUEUED_TO_RECEIPT: "From when a text was queued until the receipt of each part.",
    Span.DUE_TO_ANSWER: "From when a text could go, at the try that the carrier took, until it had taken it.",
    Span.ANSWER_TO_RECEIPT: "From when the carrier had taken a text until the receipt of each part.",
}


def _of_carriers(lanes: Sequence[Lane]) -> Iterator[Metric]:
    conditions = {lane.name: lane.condition() for lane in lanes}

    def each(name: str, help: str, value: Callable[[Lane], float | None]) -> Metric:
        known = [((lane.name,), found) for lane in lanes if (found := value(lane)) is not None]
        return gauge(f"carrier_{name}", help, ("carrier",), known)

    yield each("up", "Whether texts can be sent.", lambda lane: lane.is_up)
    yield each(
        "taking", "Whether texts are given to it: up, and neither paused nor drained.", lambda lane: lane.is_taking
    )
    yield each("window", "Requests it lets us have unanswered.", lambda lane: conditions[lane.name].window)
    yield each("in_flight", "Requests without an answer.", lambda lane: conditions[lane.name].in_flight)
    yield each(
        "held_back", "Texts in our hands that wait for window or rate.", lambda lane: conditions[lane.name].waiting
    )
    yield each("weight", "Its configured share.", lambda lane: lane.configured)
    yield each("effective_weight", "What its health makes of it.", lambda lane: lane.weight if lane.is_taking else 0.0)
    yield each("rate_limit", "Parts per second it may be given.", lambda lane: conditions[lane.name].parts_per_s)
    yield each("pause_seconds", "How long it told us to wait still.", lambda lane: conditions[lane.name].paused_for_s)
    yield each("silent_seconds", "Since it last said anything.", lambda lane: conditions[lane.name].silent_for_s)
    yield each("answer_seconds", "How long its answers take, smoothed.", lambda lane: conditions[lane.name].answer_s)
    for span, help in _SPANS.items():
        yield histogram(
            f"carrier_{span}_seconds",
            help,
            ("carrier", "urgency"),
            [
                ((lane.name, urgency), spans[span])
                for lane in lanes
                for urgency, spans in (("urgent", lane.latencies.urgent), ("ordinary", lane.latencies.ordinary))
            ],
        )
    yield counter(
        "carrier_texts",
        "Texts by what became of a try: submitted, again, unsent, refused, given_up, unknown.",
        ("carrier", "outcome"),
        [((lane.name, str(outcome)), n) for lane in lanes for outcome, n in sorted(lane.outcomes.items())],
    )
    yield counter("carrier_parts", "Parts it took.", ("carrier",), [((lane.name,), lane.parts) for lane in lanes])
    yield counter(
        "carrier_receipts",
        "Final receipts by state.",
        ("carrier", "state"),
        [((lane.name, str(state)), n) for lane in lanes for state, n in sorted(lane.receipts.items())],
    )
    yield counter(
        "carrier_refusals",
        "Refused submissions by its code.",
        ("carrier", "code", "fault"),
        [
            ((name, code, str(known.fault or "")) if (known := meaning_of(code)) else (name, code, ""), n)
            for name, condition in conditions.items()
            for code, n in sorted(condition.refusals.items())
        ],
    )
    yield counter(
        "carrier_link_events",
        "What happened on its connections: binds, errors, throttled …",
        ("carrier", "event"),
        [((name, event), n) for name, condition in conditions.items() for event, n in sorted(condition.counts.items())],
    )


def _of_texts(figures: Backlog) -> Iterator[Metric]:
    yield gauge(
        "texts",
        "Texts that have not ended, by state.",
        ("state",),
        [((state,), n) for state, n in figures.totals.items()],
    )
    levels = figures.levels
    yield gauge(
        "texts_waiting",
        "Texts that wait, by priority.",
        ("priority",),
        [((str(level.priority),), level.waiting) for level in levels],
    )
    yield gauge(
        "texts_waiting_by_class",
        "The same by class, of five thousand of each priority that go first.",
        ("priority", "message_class"),
        [((str(level.priority), each), n) for level in levels for each, n in level.by_class.items()],
    )
    yield gauge(
        "texts_oldest_due_seconds",
        "How long the oldest has waited that could have gone.",
        ("priority",),
        [
            ((str(level.priority),), (figures.at - level.oldest_due_at).total_seconds() if level.oldest_due_at else 0.0)
            for level in levels
        ],
    )
    held = figures.by_carrier.items()
    for name, help, values in (
        ("receipts_outstanding", "Taken, and no receipt yet.", [(each, held.outstanding) for each, held in held]),
        (
            "receipts_outstanding_over_1h",
            "The same for more than an hour.",
            [(each, held.outstanding_over_1h) for each, held in held],
        ),
        ("texts_lost_last_day", "Ended undelivered.", [(each, held.lost_last_day) for each, held in held]),
        (
            "texts_unreported_last_day",
            "Ended because no receipt came.",
            [(each, held.unreported_last_day) for each, held in held],
        ),
        ("dead_letters", "Lost, and not followed up.", [(each, held.dead_letters) for each, held in held]),
        ("unmatched_receipts", "Receipts for no part we know.", list(figures.unmatched.items())),
    ):
        yield gauge(name, help, ("carrier",), [((each,), n) for each, n in values])


def _of_waiting(name: str, of_what: str, waiting: Waiting, figures: Backlog) -> Iterator[Metric]:
    age = (figures.at - waiting.oldest_at).total_seconds() if waiting.oldest_at else 0.0
    yield gauge(f"{name}_waiting", f"How many {of_what} wait.", (), [((), waiting.waiting)])
    yield gauge(f"{name}_stuck", f"Of the {of_what}, those that need a person.", (), [((), waiting.stuck)])
    yield gauge(f"{name}_oldest_seconds", f"How long the oldest of the {of_what} waits.", (), [((), max(0.0, age))])


def _is_allowed(request: Request, allowed: Sequence[Network]) -> bool:
    try:
        caller = ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    if isinstance(caller, IPv6Address) and caller.ipv4_mapped:
        caller = caller.ipv4_mapped
    return any(caller in network for network in allowed)
