"""Keyset pages: a cursor is the sort instant and id of the last row, opaque to the phone."""

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


def cursor_of(place: Place | None) -> str | None:
    if place is None:
        return None
    return encoded(f"{(as_utc(place.at) - _EPOCH) // _MICROSECOND}.{place.id}".encode())


def place_of(cursor: str | None) -> Place | None:
    """Raises INVALID for a cursor that this server never gave out."""
    if cursor is None:
        return None
    try:
        micros, number = decoded(cursor).decode().split(".")
        return Place(_EPOCH + int(micros) * _MICROSECOND, int(number))
    except (ValueError, OverflowError):
        raise Invalid(field="after", why="游标无效，请从第一页重新读取") from None


def shaped(kind: type[T], row: Mapping[str, object]) -> T:
    """A dict row stands in for its GraphQL type: fields without resolvers are read by key."""
    return cast(T, row)
