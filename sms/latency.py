"""How long texts take, as histograms with fixed buckets: what people wait, and what the carrier has to do with it.

People wait from the moment their text was queued until the carrier had taken it, and until its receipt came: through
all tries, pauses between them, carriers and outages, and through what holds texts back on purpose. The carrier is
measured from when the text could go, at the try that it took, and from then to the receipt.
Noted in batches, when a lane has written one down: two additions and two searches among fourteen bounds per text and
receipt, no clock is read and no metrics library is asked. Times are those of the batches, so a tenth of a second is as
fine as it gets.
Limits: those to the receipt know what this process sent since it started, and of MOST_OPEN texts that wait for one;
what is taken beyond them is not measured, so that slow receipts count like quick ones and memory has an end.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from math import inf

from alerts.settling import Heard, Report
from alerts.states import URGENT

#: Upper ends, in seconds; what takes longer than the last is counted beyond all of them.
BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0)
MOST_OPEN = 20_000
#: A receipt that comes later is no news about speed.
FORGOTTEN = timedelta(days=3)


class Histogram:
    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts, self.sum_s = [0] * (len(BUCKETS) + 1), 0.0

    def note(self, since: Iterable[datetime], now: datetime) -> None:
        """How long each took until `now`. A clock that was put back in between makes nothing quicker than at once."""
        counts, took = self.counts, [max(0.0, (now - begun).total_seconds()) for begun in since]
        for seconds in took:
            counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum_s += sum(took)

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Of each bucket the upper end and how many took no longer, as Prometheus wants them."""
        total = 0
        for bound, count in zip((*BUCKETS, inf), self.counts, strict=True):
            total += count
            yield bound, total


class Span(StrEnum):
    """From when to when."""

    QUEUED_TO_ANSWER = "queued_to_answer"
    QUEUED_TO_RECEIPT = "queued_to_receipt"
    DUE_TO_ANSWER = "due_to_answer"
    ANSWER_TO_RECEIPT = "answer_to_receipt"


Spans = dict[Span, Histogram]


class Latencies:
    """Of one lane. By urgency: warnings and codes, and all the rest."""

    def __init__(self) -> None:
        self.urgent = {span: Histogram() for span in Span}
        self.ordinary = {span: Histogram() for span in Span}
        #: When a part was taken, its text queued, and where its receipt counts, by its id; oldest first.
        self._open: dict[str, tuple[datetime, datetime, Spans]] = {}

    def note(self, reports: Iterable[Report], heard: Iterable[Heard], *, now: datetime) -> None:
        """What was written down together. `now`: when it was known."""
        waiting = self._open
        self._forget(now)
        for spans, taken in self._by_urgency([report for report in reports if report.accepted]):
            spans[Span.QUEUED_TO_ANSWER].note([report.message.queued_at for report in taken], now)
            spans[Span.DUE_TO_ANSWER].note([report.message.due_at for report in taken], now)
            opened = {id_: (now, report.message.queued_at, spans) for report in taken for _, id_ in report.accepted}
            waiting.update(islice(opened.items(), MOST_OPEN - len(waiting)))
        known = [waiting.pop(receipt.sms_id) for receipt in heard if receipt.sms_id in waiting]
        for spans in (self.urgent, self.ordinary):
            spans[Span.ANSWER_TO_RECEIPT].note([answered_at for answered_at, _, of in known if of is spans], now)
            spans[Span.QUEUED_TO_RECEIPT].note([queued_at for _, queued_at, of in known if of is spans], now)

    def _by_urgency(self, reports: Sequence[Report]) -> Iterator[tuple[Spans, list[Report]]]:
        yield self.urgent, [report for report in reports if report.message.priority in URGENT]
        yield self.ordinary, [report for report in reports if report.message.priority not in URGENT]

    def _forget(self, now: datetime) -> None:
        while self._open:
            oldest = next(iter(self._open))
            if now - self._open[oldest][0] < FORGOTTEN:
                return
            del self._open[oldest]
