"""Reads XES event logs (IEEE 1849-2016), the cases of a department's own system, one case at a time.

Memory is that of one trace, whatever the length of the log. The parser refuses document type declarations (and with
them entity bombs), oversized tokens and traces, and files that inflate far beyond what text can.

Limits: the standard extensions `concept`, `time`, `org` and `lifecycle`, and the trace attributes of the Dutch
building permit logs (`startdate`, `enddate`, `enddate_planned`, `deadline`, `channel`, `department`,
`responsible`); attributes nested in attributes are passed over.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

import msgspec

from kernel.refusals import Refusal

_CHUNK_OCTETS = 1 << 16
#: Text in XML inflates 10 to 40 times; a bomb 1000 times. Small files may do as they like.
_MOST_INFLATION = 200
_INFLATION_FREE_OCTETS = 16 << 20
#: A tag with its attributes is a few hundred octets; expat would gather an endless one in memory.
_MOST_TOKEN_OCTETS = 1 << 20
_MOST_EVENTS = 100_000
_MOST_ATTRIBUTES = 1_000
_DEEPEST = 64
_ATTRIBUTE_TAGS = frozenset({"string", "date", "int", "float", "boolean", "id"})


class LogUnreadable(Refusal):
    """A branch: every reason why a log cannot be read."""


class LogNotXes(LogUnreadable):
    code = "LOG_NOT_XES"
    zh = "文件不是有效的XES日志（第{line}行）。"
    en = "Not an XES log (line {line}): {why}."


class LogTruncated(LogUnreadable):
    code = "LOG_TRUNCATED"
    zh = "日志不完整，在第{line}行（第{trace}件）处中断。"
    en = "The log ends abruptly at line {line}, in or after trace {trace}."


class LogIncomplete(LogUnreadable):
    code = "LOG_INCOMPLETE"
    zh = "日志第{trace}件（第{line}行）缺少或无法识别“{key}”。"
    en = "Trace {trace} (line {line}) has no usable {key}."


class LogUnsafe(LogUnreadable):
    code = "LOG_UNSAFE"
    zh = "日志第{line}行含有不允许的内容，已拒绝读取。"
    en = "The log is refused at line {line}: {why}."


class LogInflated(LogUnreadable):
    code = "LOG_INFLATED"
    zh = "压缩日志解压后异常膨胀，已拒绝读取。"
    en = "The log inflates {times} times: a decompression bomb."


class LogWithoutDeadline(Refusal):
    code = "LOG_WITHOUT_DEADLINE"
    zh = "日志中的“{case}”没有办结期限，无法监察。"
    en = "Case {case} of the log has no deadline; there is nothing to watch."


class LogCaseTwice(Refusal):
    code = "LOG_CASE_TWICE"
    zh = "日志中“{case}”出现两次。"
    en = "Case {case} stands twice in the log."


class ForeignEvent(msgspec.Struct, frozen=True, kw_only=True):
    activity: str
    at: datetime
    resource: str = ""
    group: str = ""
    lifecycle: str = "complete"


class ForeignCase(msgspec.Struct, frozen=True, kw_only=True):
    """One trace. Instants are aware and keep the offset of the log; events are in the order of the log."""

    id: str
    started_at: datetime
    ended_at: datetime | None
    deadline: datetime | None
    planned_end: datetime | None
    channel: str
    department: str
    responsible: str
    events: tuple[ForeignEvent, ...]

    @property
    def due_at(self) -> datetime:
        """Raises LOG_WITHOUT_DEADLINE."""
        due = self.deadline or self.planned_end
        if due is None:
            raise LogWithoutDeadline(case=self.id)
        return due


def each_once(log: Iterable[ForeignCase]) -> Iterator[ForeignCase]:
    """The same cases. Raises LOG_CASE_TWICE."""
    seen: set[str] = set()
    for case in log:
        if case.id in seen:
            raise LogCaseTwice(case=case.id)
        seen.add(case.id)
        yield case


def read_log(path: Path) -> Iterator[ForeignCase]:
    """The cases of a `.xes` or `.xes.gz` file, in its order.

    Raises a LogUnreadable with the line, at the latest after the last case that could be read; the cases before it
    have been yielded by then, so take them only together if all or nothing is wanted.
    """
    reader = _Reader()
    with path.open("rb") as raw, _explained(reader):
        for chunk in _chunks(raw):
            yield from reader.feed(chunk)
        yield from reader.close()


def _chunks(raw: BinaryIO) -> Iterator[bytes]:
    zipped = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    source = gzip.GzipFile(fileobj=raw) if zipped else raw
    inflated = 0
    while chunk := source.read(_CHUNK_OCTETS):
        inflated += len(chunk)
        if inflated > max(_INFLATION_FREE_OCTETS, _MOST_INFLATION * raw.tell()):
            raise LogInflated(times=inflated // max(raw.tell(), 1))
        yield chunk


class _Reader:
    """expat's callbacks, gathering one trace at a time."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._depth = 0
        self._fed = 0
        self._ready: list[ForeignCase] = []
        self._trace: dict[str, str] | None = None
        self._event: dict[str, str] | None = None
        self._events: list[ForeignEvent] = []
        self.traces = 0

    @property
    def line(self) -> int:
        return self._parser.CurrentLineNumber

    @property
    def has_begun(self) -> bool:
        """Whether the <log> element was seen."""
        return self._depth > 0

    def feed(self, chunk: bytes) -> list[ForeignCase]:
        self._fed += len(chunk)
        self._parser.Parse(chunk, False)
        if self._fed - self._parser.CurrentByteIndex > _MOST_TOKEN_OCTETS:
            raise LogUnsafe(line=self.line, why="an endless tag")
        return self._taken()

    def close(self) -> list[ForeignCase]:
        self._parser.Parse(b"", True)
        return self._taken()

    def _taken(self) -> list[ForeignCase]:
        ready, self._ready = self._ready, []
        return ready

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise LogUnsafe(line=self.line, why="tags nested too deeply")
        tag = name.rpartition(":")[2]
        if self._depth == 1 and tag != "log":
            raise LogNotXes(line=self.line, why=f"the root element is <{name[:40]}>, not <log>")
        if tag == "trace" and self._depth == 2:
            self.traces += 1
            self._trace, self._events = {}, []
        elif tag == "event" and self._depth == 3:
            self._event = {}
        elif tag in _ATTRIBUTE_TAGS:
            self._note(attributes)

    def _note(self, attributes: dict[str, str]) -> None:
        """Keeps an attribute that sits directly under a trace or an event."""
        if self._depth == 4 and self._event is not None:
            noted = self._event
        elif self._depth == 3 and self._trace is not None:
            noted = self._trace
        else:
            return
        noted[attributes.get("key", "")] = attributes.get("value", "")
        if len(noted) > _MOST_ATTRIBUTES:
            raise LogUnsafe(line=self.line, why="too many attributes")

    def _end(self, name: str) -> None:
        tag = name.rpartition(":")[2]
        if tag == "event" and self._depth == 3 and self._event is not None:
            self._events.append(self._event_of(self._event))
            self._event = None
            if len(self._events) > _MOST_EVENTS:
                raise LogUnsafe(line=self.line, why="a trace without end")
        elif tag == "trace" and self._depth == 2 and self._trace is not None:
            self._ready.append(self._case_of(self._trace, tuple(self._events)))
            self._trace = None
        self._depth -= 1

    def _event_of(self, noted: dict[str, str]) -> ForeignEvent:
        return ForeignEvent(
            activity=self._text(noted, "concept:name"),
            at=self._instant(noted, "time:timestamp"),
            resource=noted.get("org:resource", ""),
            group=noted.get("org:group", ""),
            lifecycle=noted.get("lifecycle:transition", "complete"),
        )

    def _case_of(self, noted: dict[str, str], events: tuple[ForeignEvent, ...]) -> ForeignCase:
        if events and "startdate" not in noted:
            started_at = min(event.at for event in events)
        else:
            started_at = self._instant(noted, "startdate")
        return ForeignCase(
            id=self._text(noted, "concept:name"),
            started_at=started_at,
            ended_at=self._instant_if_any(noted, "enddate"),
            deadline=self._instant_if_any(noted, "deadline"),
            planned_end=self._instant_if_any(noted, "enddate_planned"),
            channel=noted.get("channel", ""),
            department=noted.get("department", ""),
            responsible=noted.get("responsible", ""),
            events=events,
        )

    def _text(self, noted: dict[str, str], key: str) -> str:
        if text := noted.get(key, ""):
            return text
        raise self._incomplete(key)

    def _instant_if_any(self, noted: dict[str, str], key: str) -> datetime | None:
        return self._instant(noted, key) if key in noted else None

    def _instant(self, noted: dict[str, str], key: str) -> datetime:
        """An instant without an offset is as good as missing: nobody knows which noon it means."""
        try:
            instant = datetime.fromisoformat(noted.get(key, ""))
        except ValueError:
            raise self._incomplete(key) from None
        if instant.tzinfo is None:
            raise self._incomplete(key)
        return instant

    def _incomplete(self, key: str) -> LogIncomplete:
        return LogIncomplete(trace=self.traces, line=self.line, key=key)

    def _refuse_doctype(self, *_: object) -> None:
        raise LogUnsafe(line=self.line, why="a document type declaration")


#: What expat says when a document stops in the middle.
_UNFINISHED: frozenset[int] = frozenset(
    {
        expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION],
        expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
    }
)


@contextmanager
def _explained(reader: _Reader) -> Iterator[None]:
    """Turns what gzip and expat raise into refusals that name the place."""
    try:
        yield
    except EOFError:
        raise LogTruncated(line=reader.line, trace=reader.traces) from None
    except (gzip.BadGzipFile, zlib.error) as broken:
        raise LogNotXes(line=reader.line, why=f"damaged compression: {broken}") from None
    except expat.ExpatError as broken:
        if broken.code in _UNFINISHED and reader.has_begun:
            raise LogTruncated(line=broken.lineno, trace=reader.traces) from None
        raise LogNotXes(line=broken.lineno, why=expat.errors.messages[broken.code]) from None
