"""Reports pushed over HTTPS: the package, its digest as the key, and the answer in the same exchange.

The same package again is the same key, so an answer that was lost is asked for and nothing is taken twice. What the
other side refuses for good is told apart from what is only in the way now.
"""

import ssl
from typing import Final

import httpx
import msgspec
from msgspec import Struct

from ferry.exchange.answers import Answer
from ferry.exchange.upward import NotTaken

PATH: Final = "/exchange/v1/packages"
#: Of an answer: twenty thousand receipts and some.
_MOST_OCTETS = 16 << 20
_LATER = (408, 425, 429)


class _Refusal(Struct, frozen=True, kw_only=True):
    code: str
    retryable: bool = False


class _Refused(Struct, frozen=True, kw_only=True):
    refusal: _Refusal


class HttpsWay:
    """`url` without a path. `ca_file`: whom to trust instead of the system's CAs. `transport`: another wire."""

    def __init__(
        self, url: str, *, ca_file: str = "", answer_s: float = 120.0, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url, self._ca_file, self._answer_s, self._transport = url, ca_file, answer_s, transport
        self._client: httpx.AsyncClient | None = None

    async def send(self, package: bytes, sha256: str) -> Answer | None:
        try:
            response = await self._connected().post(
                self._url + PATH,
                content=package,
                headers={"Content-Type": "application/zip", "Idempotency-Key": sha256},
            )
        except (httpx.HTTPError, ssl.SSLError, OSError) as fault:
            raise NotTaken(f"UNREACHABLE {type(fault).__name__}") from None
        if len(response.content) > _MOST_OCTETS:
            raise NotTaken("ANSWER_UNREADABLE")
        if response.status_code != 200:
            raise _not_taken(response)
        try:
            return msgspec.json.decode(response.content, type=Answer)
        except msgspec.MsgspecError:
            raise NotTaken("ANSWER_UNREADABLE") from None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _connected(self) -> httpx.AsyncClient:
        """The CA's file is read at the first use, so that a missing one is a fault of that moment."""
        if self._client is None:
            verify = ssl.create_default_context(cafile=self._ca_file or None)
            timeout = httpx.Timeout(self._answer_s, connect=20.0)
            self._client = httpx.AsyncClient(
                verify=verify, timeout=timeout, transport=self._transport, trust_env=False, follow_redirects=False
            )
        return self._client


def _not_taken(response: httpx.Response) -> NotTaken:
    status = response.status_code
    try:
        said = msgspec.json.decode(response.content, type=_Refused).refusal
    except msgspec.MsgspecError:
        return NotTaken(f"HTTP_{status}")
    is_final = 400 <= status < 500 and status not in _LATER and not said.retryable
    return NotTaken(said.code[:60], anew=is_final)
