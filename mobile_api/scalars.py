"""The scalars of the contract beside GraphQL's own: Base64URL, Date, DateTime (clients/flutter_spec/scalars.md)."""

import base64
import binascii
from datetime import date, datetime
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from kernel.clock import as_utc

Base64URL = NewType("Base64URL", bytes)

_FIRST_YEAR, _LAST_YEAR = 1900, 2999


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decoded(text: object) -> bytes:
    """Raises ValueError for anything but unpadded base64url."""
    if not isinstance(text, str) or "=" in text:
        raise ValueError("not unpadded base64url")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        raise ValueError("not unpadded base64url") from None


def instant_from(text: object) -> datetime:
    """Raises ValueError for an instant without its offset: nobody knows which noon it means."""
    return as_utc(datetime.fromisoformat(str(text)))


def day_from(text: object) -> date:
    """Raises ValueError for anything but YYYY-MM-DD, and for years at whose ends time zones run out of days."""
    if not isinstance(text, str) or len(text) != 10:
        raise ValueError("a date is YYYY-MM-DD")
    day = date.fromisoformat(text)
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError(f"a date lies between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return day


SCALARS: dict[Any, ScalarDefinition] = {
    Base64URL: strawberry.scalar(
        name="Base64URL",
        description="Octets in base64url without padding (RFC 4648 §5).",
        serialize=encoded,
        parse_value=decoded,
    ),
    date: strawberry.scalar(
        name="Date",
        description="A local day in Asia/Shanghai, YYYY-MM-DD.",
        serialize=date.isoformat,
        parse_value=day_from,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant, RFC 3339 with its offset; the server sends UTC (+00:00).",
        serialize=datetime.isoformat,
        parse_value=instant_from,
    ),
}
