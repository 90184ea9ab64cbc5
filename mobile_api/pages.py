"""Keyset pages: a cursor is the sort instant and id of the last row, opaque to the phone."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

from casework.queries import Place
from kernel.clock import as_utc
from kernel.refusals import Invalid
from mobile_api.scalars import decoded, encoded

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: As `cursor_of` writes it; 17 digits of microseconds end in the year 5138, before any column or calendar does.
_PLACE = re.compile(rb"([0-9]{1,17})\.([0-9]{1,19})")
_LARGEST_ID = (1 << 63) - 1


def cursor_of(place: Place | None) -> str | None:
    if place is None:
        return None
    return encoded(f"{(as_utc(place.at) - _EPOCH) // _MICROSECOND}.{place.id}".encode())


def place_of(cursor: str | None) -> Place | None:
    """Raises INVALID for a cursor that this server never gave out."""
    if cursor is None:
        return None
    try:
        written = _PLACE.fullmatch(decoded(cursor))
    except ValueError:
        written = None
    if written is None or (number := int(written[2])) > _LARGEST_ID:
        raise Invalid(field="after", why="游标无效，请从第一页重新读取")
    return Place(_EPOCH + int(written[1]) * _MICROSECOND, number)


def cursor_after(id: int | None) -> str | None:
    """The cursor of a list that is sorted by its ids."""
    return None if id is None else cursor_of(Place(_EPOCH, id))


def id_after(cursor: str | None) -> int | None:
    """Raises INVALID."""
    place = place_of(cursor)
    return None if place is None else place.id


def shaped(kind: type[T], row: Mapping[str, object]) -> T:
    """A dict row stands in for its GraphQL type: fields without resolvers are read by key."""
    return cast(T, row)
