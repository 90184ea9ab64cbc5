"""The only place that asks what time it is. Inside the office all instants are aware and in UTC."""

import time
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
        self.set(self.now() + by)

    def set(self, instant: datetime) -> None:
        if as_utc(instant) < self._now:
            raise ValueError("time does not run backwards")
        self._now = as_utc(instant)


class RunningClock(FakeClock):
    """A clock that runs on from wherever it was set: for several processes of one story."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._since = time.monotonic()

    def now(self) -> datetime:
        return self._now + timedelta(seconds=time.monotonic() - self._since)

    def set(self, instant: datetime) -> None:
        if as_utc(instant) < self.now():
            raise ValueError("time does not run backwards")
        self._now, self._since = as_utc(instant), time.monotonic()


def as_utc(instant: datetime) -> datetime:
    """`instant` in UTC. A naive instant is a programming error: nobody knows which noon it means."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs its time zone")
    return instant.astimezone(UTC)
