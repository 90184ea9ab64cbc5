"""The door at which a cloud MAS pushes reports and texts from people.

Nothing in a push proves who sent it, so its address has a secret in it and only the MAS's own addresses get in; both
refusals look like a page that does not exist. 200 says "recorded", 503 "say it again", 4xx "never". Each costs at most
MAX_OCTETS and READ_S. Limits: the caller's address is what uvicorn says, which believes `http.trusted_proxies` only.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from hmac import compare_digest
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from sms.mas import messages as mas
from sms.mas.http import MasHttpCarrier
from sms.mas.messages import S

log = logging.getLogger(__name__)

MAX_OCTETS = 65_536
READ_S = 10.0

Network = IPv4Network | IPv6Network
Endpoint = Callable[[Request], Awaitable[Response]]
#: Records all of it, or says that it must be said again.
Record = Callable[[Sequence[tuple[S, bytes]]], Awaitable[bool]]


def routes(carrier: MasHttpCarrier, *, secret: str, allowed: Sequence[Network]) -> list[Route]:
    """POST /mas/<carrier>/<secret>/report and …/text, as they are to be entered at the MAS."""

    def push(kind: type[S], record: Record[S]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            is_known = compare_digest(request.path_params["secret"].encode(), secret.encode())
            if not is_known or not _is_allowed(request, allowed):
                log.warning("carrier %s: a push from a stranger", carrier.name)
                return Response(status_code=404)
            try:
                async with asyncio.timeout(READ_S):
                    body = await _body(request)
            except TimeoutError:
                return Response(status_code=408)
            except ClientDisconnect:
                return Response(status_code=400)
            status = 413 if body is None else await _taken(body, kind, record)
            if status != 200:
                log.warning("carrier %s: a push was answered %s", carrier.name, status)
            return Response(status_code=status)

        return endpoint

    address = f"/mas/{carrier.name}/{{secret}}"
    return [
        Route(f"{address}/report", push(mas.Report, carrier.reported), methods=["POST"]),
        Route(f"{address}/text", push(mas.Text, carrier.texted), methods=["POST"]),
    ]


async def _taken(body: bytes, kind: type[S], record: Record[S]) -> int:
    batch = mas.read_all(body, kind)
    if batch is None or not batch.said:
        return 400
    if batch.unreadable:
        log.error("carrier pushed %s of %s that nobody can read", batch.unreadable, kind.__name__)
    return 200 if await record(batch.said) else 503


def _is_allowed(request: Request, allowed: Sequence[Network]) -> bool:
    try:
        caller = ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    if isinstance(caller, IPv6Address) and caller.ipv4_mapped:
        caller = caller.ipv4_mapped
    return any(caller in network for network in allowed)


async def _body(request: Request) -> bytes | None:
    """The whole body, or None when it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_OCTETS:
            return None
    return bytes(body)
