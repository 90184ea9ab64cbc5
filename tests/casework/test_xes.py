"""A real log of 1 434 permit applications is read whole; a broken or hostile one is refused by line."""

import gzip
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from casework.intake.xes import (
    ForeignCase,
    ForeignEvent,
    LogIncomplete,
    LogInflated,
    LogNotXes,
    LogTruncated,
    LogUnsafe,
    read_log,
)

REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "receipt.xes.gz"
needs_the_real_log = pytest.mark.skipif(not REAL.exists(), reason="the municipality's log is not here")

EVENT = '<event><string key="concept:name" value="Check"/>{more}<date key="time:timestamp" value="{at}"/></event>'
AT = "2011-10-11T13:45:40.276+02:00"


def event(at=AT, more=""):
    return EVENT.format(at=at, more=more)


def trace(*events, name="case-1", more=""):
    return f'<trace><string key="concept:name" value="{name}"/>{more}{"".join(events)}</trace>'


def log(*traces, head='<?xml version="1.0" encoding="UTF-8"?>'):
    return f'{head}\n<log xmlns="http://www.xes-standard.org/">\n{"".join(traces)}\n</log>'


@pytest.fixture
def written(tmp_path):
    def write(content, name="log.xes"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@needs_the_real_log
def test_the_real_log_is_read_whole_in_flat_memory():
    resources: set[str] = set()
    last, cases, events = datetime.min.replace(tzinfo=UTC), 0, 0
    tracemalloc.start()
    for case in read_log(REAL):
        cases += 1
        events += len(case.events)
        resources.update(each.resource for each in case.events)
        last = max(last, *(each.at for each in case.events))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (cases, events, len(resources)) == (1434, 8577, 48)
    assert last.isoformat(timespec="milliseconds") == "2012-01-23T15:42:54.644+01:00"
    assert peak < 2_000_000


@needs_the_real_log
def test_a_real_case_has_its_deadline_its_people_and_its_steps():
    first = next(read_log(REAL))
    assert (first.id, first.channel, first.department, first.responsible) == (
        "case-10011",
        "Internet",
        "General",
        "Resource21",
    )
    assert first.deadline == first.planned_end == datetime.fromisoformat("2011-12-06T13:41:31.788+01:00")
    assert first.ended_at is None
    assert first.started_at.utcoffset() == timedelta(hours=2)
    assert first.events[0] == ForeignEvent(
        activity="Confirmation of receipt",
        at=datetime.fromisoformat(AT),
        resource="Resource21",
        group="Group 1",
        lifecycle="complete",
    )


@needs_the_real_log
def test_a_real_log_cut_short_is_refused_and_says_how_far_it_came(written):
    whole = REAL.read_bytes()
    for cut, name in ((whole[: len(whole) // 2], "cut.xes.gz"), (gzip.decompress(whole)[:900_000], "cut.xes")):
        read: list[ForeignCase] = []
        with pytest.raises(LogTruncated) as refused:
            read.extend(read_log(written(cut, name)))
        assert len(read) > 100
        assert refused.value.details["trace"] in (len(read), len(read) + 1)


def test_a_small_log_needs_no_more_than_names_and_times(written):
    (case,) = read_log(written(log(trace(event(), event(at="2011-10-10T00:00:00Z")))))
    assert case == ForeignCase(
        id="case-1",
        started_at=datetime(2011, 10, 10, tzinfo=UTC),
        ended_at=None,
        deadline=None,
        planned_end=None,
        channel="",
        department="",
        responsible="",
        events=(
            ForeignEvent(activity="Check", at=datetime.fromisoformat(AT)),
            ForeignEvent(activity="Check", at=datetime(2011, 10, 10, tzinfo=UTC)),
        ),
    )


def test_attributes_nested_in_attributes_or_outside_traces_are_passed_over(written):
    nested = '<string key="org:resource" value="A"><string key="org:resource" value="B"/></string>'
    defaults = '<global scope="event"><string key="concept:name" value="UNKNOWN"/></global>'
    content = log(defaults, trace(event(more=nested)), '<string key="concept:name" value="the log"/>')
    (case,) = read_log(written(gzip.compress(content.encode()), "log.xes.gz"))
    assert (case.id, case.events[0].resource) == ("case-1", "A")


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"", LogNotXes),  # nothing
        (b"case,activity\n1,Check\n", LogNotXes),  # another format
        (b"\x89PNG\r\n\x1a\n", LogNotXes),  # not even text
        ("<html><body/></html>", LogNotXes),  # XML of another kind
        (log(trace(event())) + "<log/>", LogNotXes),  # something after the log
        (log("<trace></event></trace>"), LogNotXes),  # not well-formed
        (b"\x1f\x8b\x08\x00garbage that is no deflate stream", LogNotXes),  # damaged compression
        (log(trace(event()))[:-20], LogTruncated),  # the end is missing
        (gzip.compress(log(trace(event())).encode())[:-12], LogTruncated),  # the end of the archive is missing
        (log(trace(event().replace("date", "string", 1).replace(AT, ""))), LogIncomplete),  # no time
        (log(trace(event(at="yesterday"))), LogIncomplete),  # no instant
        (log(trace(event(at="2011-10-11T13:45:40"))), LogIncomplete),  # nobody knows in which zone
        (log(trace(event(), more='<date key="deadline" value="soon"/>')), LogIncomplete),
        (log(trace()), LogIncomplete),  # neither a start nor an event
        (log(trace(event(), name="")), LogIncomplete),  # a case without a number
        (log("<a>" * 100), LogUnsafe),  # nested for its own sake
        (log("x" * 3_000_000 + "<" + "y" * 3_000_000), LogUnsafe),  # a tag that never ends
    ],
)
def test_a_log_that_cannot_be_trusted_is_refused(written, content, refusal):
    with pytest.raises(refusal) as refused:
        list(read_log(written(content)))
    assert "line" in refused.value.details


def test_the_place_of_a_mistake_is_named(written):
    good, bad = trace(event()), trace(event(), event(at="never"), name="case-3")
    with pytest.raises(LogIncomplete) as refused:
        list(read_log(written(log(good + "\n", good + "\n", bad))))
    assert refused.value.details == {"trace": 3, "line": 5, "key": "time:timestamp"}


def test_entity_bombs_are_refused_before_they_are_expanded(written):
    laughs = '<!DOCTYPE log [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    with pytest.raises(LogUnsafe, match="document type"):
        list(read_log(written(log(trace(event()), head=laughs))))


def test_a_decompression_bomb_is_refused_early(written):
    bomb = gzip.compress(log(" " * 100_000_000).encode())
    with pytest.raises(LogInflated):
        list(read_log(written(bomb, "bomb.xes.gz")))
