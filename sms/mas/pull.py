"""Fetching what a cloud MAS keeps for us: reports and texts from people, where it cannot push or where pushes got lost.

What is fetched the MAS forgets, so every batch is recorded, however often that must be tried, before the next is asked
for. Being told a thing twice, pushed and fetched, does no harm.
Limits: what was fetched and not recorded when the process is killed is lost; a fetch sends the account's secret key, as
the interface wants it, so by plain HTTP whoever listens on the line can read it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic
from urllib.parse import urljoin

import httpx
from msgspec import Struct

from sms.link import Backoff
from sms.mas import messages as mas
from sms.mas.messages import S

log = logging.getLogger(__name__)

#: A batch of some ten thousand reports. More is from somebody else.
_MAX_OCTETS = 8 << 20
#: For such a batch over a slow line.
_ANSWER_S = 60.0

#: Records all of it. False: not now, or not all.
Take = Callable[[Sequence[tuple[S, bytes]]], Awaitable[bool]]


class Shelf(Struct, Generic[S], frozen=True):
    """One of the two places the MAS keeps things in: "report", "deliver"."""

    name: str
    kind: type[S]
    take: Take[S]


class Trouble(Exception):
    """Why nothing could be fetched."""


class Puller(Generic[S]):
    """Asks every `every_s`, at once while there is more, and ever more rarely while that fails."""

    def __init__(
        self,
        carrier: str,
        url: str,
        account: mas.Account,
        shelf: Shelf[S],
        *,
        every_s: float,
        backoff: Backoff,
        jitter: Callable[[], float],
        counts: Counter[str],
    ) -> None:
        self._carrier, self._shelf, self._counts = carrier, shelf, counts
        self._url, self._body = urljoin(url, shelf.name), mas.credentials(account)
        self._every_s, self._backoff, self._jitter = every_s, backoff, jitter
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """`run` returns once what was fetched is recorded."""
        self._stopped.set()

    async def run(self, client: httpx.AsyncClient) -> None:
        failures = 0
        while not self._stopped.is_set():
            try:
                fetched = await self._fetch(client)
            except (Trouble, httpx.HTTPError, TimeoutError) as trouble:
                failures += 1
                self._counts[f"{self._shelf.name} not fetched"] += 1
                if failures == 1:
                    reason = str(trouble) if isinstance(trouble, Trouble) else type(trouble).__name__
                    log.warning("carrier %s: cannot fetch from %s: %s", self._carrier, self._shelf.name, reason)
                await self._rest(self._every_s + self._backoff.wait(failures - 1, self._jitter()))
                continue
            failures = 0
            self._counts[f"{self._shelf.name} fetched"] += len(fetched)
            await self._record(fetched)
            if not fetched:
                await self._rest(self._every_s)
        self._stopped.clear()

    async def _fetch(self, client: httpx.AsyncClient) -> Sequence[tuple[S, bytes]]:
        """Raises Trouble and what httpx raises."""
        headers = {"Content-Type": "text/plain", "Accept-Encoding": "identity"}
        said = bytearray()
        async with (
            asyncio.timeout(_ANSWER_S),
            client.stream("POST", self._url, content=self._body, headers=headers) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise Trouble(f"HTTP {response.status_code}")
            async for chunk in response.aiter_raw():
                said += chunk
                if len(said) > _MAX_OCTETS:
                    raise Trouble("too much")
        if not said.strip():
            return ()
        batch = mas.read_all(bytes(said), self._shelf.kind)
        if batch is None:
            refusal = mas.read(bytes(said), mas.Answer)
            raise Trouble(mas.of_response(refusal.rspcod).name if refusal else "unreadable answer")
        if batch.unreadable:
            self._counts[f"{self._shelf.name} unreadable"] += batch.unreadable
            log.error("carrier %s: %s of %s unreadable", self._carrier, batch.unreadable, self._shelf.name)
        return batch.said

    async def _record(self, fetched: Sequence[tuple[S, bytes]]) -> None:
        """Comes back when all of it is recorded: the MAS will not say it again."""
        tries = 0
        while fetched and not await self._shelf.take(fetched):
            self._counts[f"{self._shelf.name} not recorded"] += 1
            await asyncio.sleep(self._backoff.wait(tries, self._jitter()))
            tries += 1

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return
