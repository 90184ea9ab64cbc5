"""The demo's carrier: a simulated SMSC whose handsets can be read and can answer, or somebody else's SMSC."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from sms.simulator import Handset, Smsc

#: Real seconds a text may take from the alert to the handset.
_PATIENCE_S = 20.0


class TextMissing(Exception):
    """A text that the story needs did not arrive."""


class People(Protocol):
    """Those who hold phones. With a foreign carrier nobody's phone can be read: `own` is False."""

    own: bool

    async def receives(self, phone: str, *words: str) -> str:
        """The next text to `phone` that contains all `words`. Raises TextMissing."""

    async def answers(self, phone: str, body: str) -> None:
        """`phone` texts the access number."""


@dataclass
class SimulatedPeople:
    smsc: Smsc
    access_number: str
    own: bool = True

    async def receives(self, phone: str, *words: str) -> str:
        handset = self.smsc.handset(phone)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._wanted(handset, words)
        except TimeoutError:
            raise TextMissing(f"{phone}没有收到含有{'、'.join(words)}的短信") from None

    async def answers(self, phone: str, body: str) -> None:
        await self.smsc.handset(phone).send(self.access_number, body, timeout_s=_PATIENCE_S)

    async def _wanted(self, handset: Handset, words: tuple[str, ...]) -> str:
        while True:
            text = await handset.next_text(timeout_s=_PATIENCE_S)
            if all(word in text.text for word in words):
                return text.text


@dataclass
class ForeignPeople:
    """Phones at somebody else's carrier: they answer when their owners do."""

    own: bool = False

    async def receives(self, phone: str, *words: str) -> str:
        raise TextMissing(f"{phone}的短信在他人的运营商处，无法读取")

    async def answers(self, phone: str, body: str) -> None:
        raise TextMissing(f"{phone}在他人的运营商处")
