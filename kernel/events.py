"""Events: what happened, written with the change itself, in a hash chain per subject.

The hash of an event covers its predecessor's, so an edited, deleted or swapped row breaks the chain;
`event_chain` keeps each chain's length and head, so a cut tail shows as well.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import ClassVar

import msgspec

#: The predecessor of a subject's first event.
GENESIS = "0" * 64


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", forbid_unknown_fields=False):
    """Something that happened to one subject. `about` names the subject's kind and the field that holds its id.

    `class CaseDecided(Event, frozen=True, tag="case.decided")` with a field `case` has the subject `case:<number>`.
    """

    about: ClassVar[str] = "case"

    @property
    def subject(self) -> str:
        return f"{self.about}:{getattr(self, self.about)}"


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it stands in the log."""

    id: int
    subject: str
    seq: int
    at: datetime
    actor: str
    event: Event


class EventCodec:
    """Bodies to events and back. Built once from every event class of the system."""

    def __init__(self, event_types: Iterable[type[Event]]) -> None:
        self._by_tag = {tag_of(event_type): event_type for event_type in event_types}
        self._decoders = {tag: msgspec.json.Decoder(cls) for tag, cls in self._by_tag.items()}

    def knows(self, event_type: type[Event]) -> bool:
        return self._by_tag.get(tag_of(event_type)) is event_type

    def decode(self, tag: str, body: str) -> Event:
        return self._decoders[tag].decode(body)


def encode(event: Event) -> str:
    return msgspec.json.encode(event).decode()


def tag_of(event_type: type[Event]) -> str:
    tag = event_type.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{event_type.__name__} has no tag")
    return tag


def chained_hash(*, previous: str, subject: str, seq: int, tag: str, at: datetime, actor: str, body: str) -> str:
    """SHA-256, hex, over the eight lines that make an event what it is.

    The instant is written in UTC with microseconds, so both databases give it back unchanged.
    """
    instant = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lines = ("zhangban/event/1", previous, subject, str(seq), tag, instant, actor, body)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
