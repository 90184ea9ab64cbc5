"""The only place that asks what time it is. Inside the office all instants are aware and in UTC."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant, aware, in UTC."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class FakeClock:
    """A clock that stands still until it is moved: tests, demo and replay."""

    def __init__(self, start: datetime) -> None:
        self._now = as_utc(start)

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self.set(self._now + by)

    def set(self, instant: datetime) -> None:
        if as_utc(instant) < self._now:
            raise ValueError("time does not run backwards")
        self._now = as_utc(instant)


def as_utc(instant: datetime) -> datetime:
    """`instant` in UTC. A naive instant is a programming error: nobody knows which noon it means."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs its time zone")
    return instant.astimezone(UTC)
