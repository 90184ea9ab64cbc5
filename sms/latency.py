"""How long texts take, as histograms with fixed buckets: from due to answered, and from answered to their receipt.

Noted in batches, when a lane has written one down: an addition and a search among fourteen bounds per text, no clock is
read and no metrics library is asked. Times are those of the batches, so a tenth of a second is as fine as it gets.
Limits: the second one knows what this process sent since it started, and of MOST_OPEN texts that wait for a receipt;
what is taken beyond them is not measured, so that slow receipts count like quick ones and memory has an end.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
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

    def note(self, took: timedelta) -> None:
        """A clock that was put back in between makes nothing quicker than at once."""
        seconds = max(0.0, took.total_seconds())
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum_s += seconds

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Of each bucket the upper end and how many took no longer, as Prometheus wants them."""
        total = 0
        for bound, count in zip((*BUCKETS, inf), self.counts, strict=True):
            total += count
            yield bound, total


class Latencies:
    """Of one lane. By urgency: warnings and codes, and all the rest."""

    def __init__(self) -> None:
        self.to_answer = {"urgent": Histogram(), "ordinary": Histogram()}
        self.to_receipt = {"urgent": Histogram(), "ordinary": Histogram()}
        #: When a part was taken, and where its receipt counts, by its id; oldest first.
        self._open: dict[str, tuple[datetime, Histogram]] = {}

    def note(self, reports: Iterable[Report], heard: Iterable[Heard], *, now: datetime) -> None:
        """What was written down together. `now`: when it was known."""
        waiting = self._open
        self._forget(now)
        for report in reports:
            if not report.accepted:
                continue
            message = report.message
            urgency = "urgent" if message.priority in URGENT else "ordinary"
            if message.due_at is not None:
                self.to_answer[urgency].note(now - message.due_at)
            for _, sms_id in report.accepted:
                if len(waiting) < MOST_OPEN:
                    waiting[sms_id] = (now, self.to_receipt[urgency])
        for receipt in heard:
            if (known := waiting.pop(receipt.sms_id, None)) is not None:
                since, histogram = known
                histogram.note(now - since)

    def _forget(self, now: datetime) -> None:
        while self._open:
            oldest = next(iter(self._open))
            if now - self._open[oldest][0] < FORGOTTEN:
                return
            del self._open[oldest]
