"""How long texts took: which bucket, which urgency, and what is not measured."""

from datetime import UTC, datetime, timedelta
from math import inf

from alerts.outgoing import Outgoing
from alerts.settling import Heard, Outcome, Report
from alerts.states import State
from sms import latency
from sms.latency import BUCKETS, FORGOTTEN, Histogram, Latencies, Span

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def taken(*sms_ids: str, priority: int = 4, waited_s: float = 0.0, queued_s: float | None = None) -> Report:
    message = Outgoing(
        id=1, priority=priority, to="1", subject="", body="", secret="", confirms=False, parts=len(sms_ids), attempts=1,
        expires_at=NOON, due_at=NOON - timedelta(seconds=waited_s),
        queued_at=NOON - timedelta(seconds=waited_s if queued_s is None else queued_s),
    )  # fmt: skip
    return Report(message=message, outcome=Outcome.SUBMITTED, accepted=tuple(enumerate(sms_ids, 1)))


def heard(sms_id: str) -> Heard:
    return Heard(sms_id, State.DELIVERED)


def counted(histogram: Histogram) -> dict[float, int]:
    """Only the buckets that hold something."""
    return {bound: count for bound, count in zip((*BUCKETS, inf), histogram.counts, strict=True) if count}


def test_a_text_counts_in_the_bucket_of_its_wait_and_by_its_urgency():
    latencies = Latencies()
    reports = [taken("a", waited_s=0.1), taken("b", waited_s=0.11), taken("c", waited_s=1e6), taken("d", priority=1)]
    latencies.note(reports, [], now=NOON)
    assert counted(latencies.ordinary[Span.DUE_TO_ANSWER]) == {0.1: 1, 0.25: 1, inf: 1}
    assert counted(latencies.urgent[Span.DUE_TO_ANSWER]) == {0.1: 1}
    assert latencies.ordinary[Span.DUE_TO_ANSWER].sum_s == 1_000_000.21
    assert [count for _, count in latencies.ordinary[Span.DUE_TO_ANSWER].cumulative()][:3] == [1, 2, 2]


def test_each_part_counts_when_its_receipt_comes_and_once():
    latencies = Latencies()
    latencies.note([taken("a", "b")], [heard("a")], now=NOON)
    latencies.note([], [heard("b"), heard("a"), heard("stranger")], now=NOON + timedelta(minutes=4))
    assert counted(latencies.ordinary[Span.ANSWER_TO_RECEIPT]) == {0.1: 1, 300.0: 1}


def test_a_clock_that_was_put_back_makes_nothing_quicker_than_at_once():
    latencies = Latencies()
    latencies.note([taken("a", waited_s=-60)], [], now=NOON)
    latencies.note([], [heard("a")], now=NOON - timedelta(hours=1))
    assert (
        counted(latencies.ordinary[Span.DUE_TO_ANSWER])
        == counted(latencies.ordinary[Span.ANSWER_TO_RECEIPT])
        == {0.1: 1}
    )


def test_memory_has_an_end_and_slow_receipts_still_count(monkeypatch):
    monkeypatch.setattr(latency, "MOST_OPEN", 2)
    latencies = Latencies()
    latencies.note([taken(each) for each in "abc"], [], now=NOON)
    latencies.note([], [heard(each) for each in "bc"], now=NOON + timedelta(hours=1))
    assert counted(latencies.ordinary[Span.ANSWER_TO_RECEIPT]) == {7200.0: 1}
    latencies.note([taken("d")], [], now=NOON + FORGOTTEN)  # a is no news about speed any more
    latencies.note([taken("e")], [heard("a"), heard("e")], now=NOON + FORGOTTEN)
    assert counted(latencies.ordinary[Span.ANSWER_TO_RECEIPT]) == {0.1: 1, 7200.0: 1}


def test_what_was_not_taken_is_not_measured():
    latencies = Latencies()
    report = taken("a")
    latencies.note([Report(message=report.message, outcome=Outcome.AGAIN)], [], now=NOON)
    assert counted(latencies.ordinary[Span.DUE_TO_ANSWER]) == {}


def test_people_wait_through_every_try_and_the_carrier_is_measured_from_the_last():
    latencies = Latencies()
    latencies.note([taken("a", priority=0, waited_s=0.2, queued_s=400)], [], now=NOON)
    latencies.note([], [heard("a")], now=NOON + timedelta(seconds=2))
    assert {span: counted(each) for span, each in latencies.urgent.items()} == {
        Span.QUEUED_TO_ANSWER: {1800.0: 1},
        Span.QUEUED_TO_RECEIPT: {1800.0: 1},
        Span.DUE_TO_ANSWER: {0.25: 1},
        Span.ANSWER_TO_RECEIPT: {2.5: 1},
    }
    assert latencies.urgent[Span.QUEUED_TO_RECEIPT].sum_s == 402
