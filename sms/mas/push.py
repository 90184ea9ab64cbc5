"""The door at which a cloud MAS pushes reports and texts from people.

Nothing in a push proves who sent it, so its address has a secret in it and only the MAS's own addresses get in; both
refusals look like a page that does not exist. 200 says "recorded", 503 "say it again", 4xx "never". Each costs at most
MAX_OCTETS and READ_S. Limits: the caller's address is what uvicorn says, which believes a proxy on this machine only.
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

log = logging.getLogger(__name__)

MAX_OCTETS = 65_536
READ_S = 10.0

Network = IPv4Network | IPv6Network


def routes(carrier: MasHttpCarrier, *, secret: str, allowed: Sequence[Network]) -> list[Route]:
    """POST /mas/<carrier>/<secret>/report and …/text, as they are to be entered at the MAS."""

    async def report(body: bytes) -> int:
        pushed = mas.read(body, mas.Report)
        return 400 if pushed is None else _answer(await carrier.reported(pushed))

    async def text(body: bytes) -> int:
        pushed = mas.read(body, mas.Text)
        return 400 if pushed is None else _answer(await carrier.texted(pushed, body))

    def push(take: Callable[[bytes], Awaitable[int]]) -> Callable[[Request], Awaitable[Response]]:
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
            status = 413 if body is None else await take(body)
            if status != 200:
                log.warning("carrier %s: a push was answered %s", carrier.name, status)
            return Response(status_code=status)

        return endpoint

    address = f"/mas/{carrier.name}/{{secret}}"
    return [
        Route(f"{address}/report", push(report), methods=["POST"]),
        Route(f"{address}/text", push(text), methods=["POST"]),
    ]


def _answer(is_recorded: bool) -> int:
    return 200 if is_recorded else 503


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
