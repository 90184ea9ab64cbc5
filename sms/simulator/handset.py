"""A phone at the simulated carrier: it shows whole texts, however many parts they came in, and can answer."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from sms import text
from sms.text import ConcatKind

#: What a phone remembers. A phone in a bench gets millions.
_INBOX = 1000


class Text(Struct, frozen=True):
    sender: str
    text: str
    received_at: datetime


class Network(Protocol):
    async def carry(self, source: str, destination: str, segments: text.Segments, timeout_s: float) -> None: ...


class Handset:
    """`inbox` is everything that came (the last thousand), `next_text` what was not yet read."""

    def __init__(self, number: str, network: Network, now: Callable[[], datetime]) -> None:
        self.number = number
        self.inbox: deque[Text] = deque(maxlen=_INBOX)
        self._unread: deque[Text] = deque(maxlen=_INBOX)
        self._arrived = asyncio.Event()
        self._network, self._now = network, now
        self._reference = 0

    async def next_text(self, timeout_s: float = 30.0) -> Text:
        """The oldest text not yet read. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not self._unread:
                self._arrived.clear()
                await self._arrived.wait()
        return self._unread.popleft()

    async def send(self, to: str, body: str, *, kind: ConcatKind = ConcatKind.NARROW, timeout_s: float = 30.0) -> None:
        """Text `to`. Returns when the ESME behind that number has taken every part. Raises TimeoutError."""
        self._reference += 1
        segments = text.segments(body, reference=self._reference, wide=kind is ConcatKind.WIDE)
        await self._network.carry(self.number, to, segments, timeout_s)

    def receive(self, sender: str, body: str) -> None:
        arrived = Text(sender, body, self._now())
        self.inbox.append(arrived)
        self._unread.append(arrived)
        self._arrived.set()

    def forget_oldest(self) -> None:
        """When all phones together remember too much."""
        with suppress(IndexError):
            oldest = self.inbox.popleft()
            if self._unread and self._unread[0] is oldest:
                self._unread.popleft()

    def forget(self) -> None:
        self.inbox.clear()
        self._unread.clear()
