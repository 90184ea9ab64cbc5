"""POST /exchange/v1/packages: a signed package of case data, taken in and answered at once.

Who sends is who signed: the certificate in the package's signature, of this installation's own CA. Nothing of a body is
judged before it is whole, and nothing of its rows before the signature is. One package of a sender is taken at a time,
so that a case's rows keep their order. The same Idempotency-Key with the same octets gets the same answer.
"""

import asyncio
import hashlib
import logging
import re
from collections import defaultdict
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO

import msgspec
from limits import parse as parse_rate
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from certs.authority import Authority
from ferry.exchange import credentials, taking
from ferry.exchange.acts import Receipt
from ferry.exchange.answers import MOST_ROWS, RowReceipt, answered, remember, remembered
from ferry.exchange.package import Package
from ferry.exchange.refusals import (
    BatchFromTheFuture,
    BatchReused,
    ExchangeUnfit,
    KeyReused,
    PushTooLarge,
    PushTooOften,
    PushUnfit,
)
from kernel.clock import Clock
from kernel.db import Database
from kernel.office import Office
from kernel.refusals import Refusal

log = logging.getLogger(__name__)

PATH = "/exchange/v1/packages"
_KEY = re.compile(r"[0-9A-Za-z._:-]{8,64}")
_TYPES = ("application/zip", "application/octet-stream")
#: Beyond which a body lies on the disk and no longer in memory.
_IN_MEMORY = 1 << 20
_READ_S = 120.0
#: Bodies that may be under way at once.
_AT_ONCE = 8
#: Everything else is the sender: 403.
_STATUS: dict[type[Refusal], int] = {
    PushUnfit: 400,
    BatchReused: 409,
    KeyReused: 409,
    PushTooLarge: 413,
    ExchangeUnfit: 422,
    BatchFromTheFuture: 425,
    PushTooOften: 429,
}


class ExchangeDoor:
    """`most_octets` of one package; `per_minute` from one address."""

    def __init__(
        self,
        office: Office,
        database: Database,
        authority: Authority,
        clock: Clock,
        *,
        most_octets: int,
        per_minute: int,
    ) -> None:
        self._office, self._database, self._authority, self._clock = office, database, authority, clock
        self._most_octets = most_octets
        self._limiter, self._rate = FixedWindowRateLimiter(MemoryStorage()), parse_rate(f"{per_minute}/minute")
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def routes(self) -> list[Route]:
        return [Route(PATH, self.push, methods=["POST"])]

    async def push(self, request: Request) -> Response:
        try:
            return _json(await self._pushed(request), 200)
        except Refusal as refusal:
            status = _STATUS.get(type(refusal), 403)
            log.warning("a package was refused: %s", refusal.code)
            said = {
                "code": refusal.code,
                "message": refusal.text,
                "message_en": refusal.text_en,
                "retryable": refusal.retryable,
                "details": refusal.details,
            }
            response = _json(msgspec.json.encode({"refusal": said}), status)
            if isinstance(refusal, PushTooOften):
                response.headers["Retry-After"] = str(refusal.details["seconds"])
            return response
        except TimeoutError:
            return Response(status_code=408)
        except ClientDisconnect:
            return Response(status_code=400)

    async def _pushed(self, request: Request) -> bytes:
        caller = request.client.host if request.client else "unknown"
        if not await self._limiter.hit(self._rate, caller):
            raise PushTooOften(seconds=self._rate.get_expiry())
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _TYPES:
            raise PushUnfit(why="Content-Type: application/zip")
        key = request.headers.get("idempotency-key", "")
        if _KEY.fullmatch(key) is None:
            raise PushUnfit(why="Idempotency-Key: 8–64 [0-9A-Za-z._:-]")
        async with self._room:
            with SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
                async with asyncio.timeout(_READ_S):
                    sha256 = await self._received(request, body)
                body.seek(0)
                return await self._taken(body, key, sha256)

    async def _received(self, request: Request, body: IO[bytes]) -> str:
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._most_octets:
            raise PushTooLarge(limit=f"{self._most_octets} octets")
        digest, octets = hashlib.sha256(), 0
        async for chunk in request.stream():
            octets += len(chunk)
            if octets > self._most_octets:
                raise PushTooLarge(limit=f"{self._most_octets} octets")
            digest.update(chunk)
            body.write(chunk)
        return digest.hexdigest()

    async def _taken(self, body: IO[bytes], key: str, sha256: str) -> bytes:
        with taking.explained():
            package = await asyncio.to_thread(partial(Package, body))
            manifest = package.manifest
            credentials.check(manifest, package.octets, package.signature)
            sender = credentials.believed(package.signature, self._authority.verifier, self._clock.now())
        if manifest.rows > MOST_ROWS:
            raise PushTooLarge(limit=f"{MOST_ROWS} rows")
        async with self._turns[manifest.source_system]:
            known = await remembered(sender.fingerprint, key, sha256)
            if known is not None:
                return known
            receipts: list[RowReceipt] = []

            def heard(part: int, receipt: Receipt) -> None:
                receipts.append(RowReceipt.of(part, receipt))

            with taking.explained():
                batch = await taking.take_package(self._office, package, heard)
            answer = answered(batch, receipts)
            return await remember(self._database, sender.fingerprint, key, sha256, answer, now=self._clock.now())


def _json(body: bytes, status: int) -> Response:
    return Response(body, status_code=status, media_type="application/json", headers={"Cache-Control": "no-store"})
