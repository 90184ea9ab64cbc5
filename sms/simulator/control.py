"""A second door of a simulated carrier, for whoever rehearses with it: JSON over HTTP, on this machine only.

GET /stats · POST /faults {field: value} · POST /reset · POST /cut · POST /mo {from, to, text} · GET /handsets/NUMBER.
What does not fit is refused with 422 and its reason, and changes nothing.
Limits: no login. A browser that some web page sends here is refused by its Origin, or by a Host that is not this one.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sms.simulator.knobs import KnobRefused, Simulated, state_of, turn
from sms.simulator.serving import serving

#: For a text from a phone that nobody takes.
_TAKEN_WITHIN_S = 20.0

Number = Annotated[str, Meta(pattern=r"\A\+?[0-9]{3,20}\Z")]
T = TypeVar("T")
Ask = Callable[[Request], Awaitable[object]]


class FromPhone(Struct, frozen=True, rename={"sender": "from", "receiver": "to"}, forbid_unknown_fields=True):
    sender: Number
    receiver: Number
    text: Annotated[str, Meta(min_length=1, max_length=2000)]


@asynccontextmanager
async def controlled(carrier: Simulated, *, port: int) -> AsyncIterator[int]:
    """Opens the door while the block runs and yields its port. Raises OSError when it cannot listen there."""
    async with serving(door(carrier), host="127.0.0.1", port=port) as served:
        yield served.port


def door(carrier: Simulated) -> Starlette:
    at_the_start = state_of(carrier.faults)

    async def stats(request: Request) -> object:
        address = f"{carrier.host}:{carrier.port}"
        facts = {"address": address, "connections": carrier.connections, "faults": state_of(carrier.faults)}
        return {**facts, **carrier.stats()}

    async def faults(request: Request) -> object:
        turn(carrier.faults, _read(await request.body(), dict[str, object]))
        return state_of(carrier.faults)

    async def reset(request: Request) -> object:
        """Faults as they were at the start, counts from 0, inboxes empty."""
        turn(carrier.faults, at_the_start)
        carrier.reset()
        return await stats(request)

    async def cut(request: Request) -> object:
        broken = carrier.connections
        carrier.cut()
        return {"broken": broken}

    async def from_phone(request: Request) -> object:
        said = _read(await request.body(), FromPhone)
        try:
            await carrier.handset(said.sender).send(said.receiver, said.text, timeout_s=_TAKEN_WITHIN_S)
        except TimeoutError:
            return {"taken": False}
        return {"taken": True}

    async def handset(request: Request) -> object:
        number = _read(msgspec.json.encode(request.path_params["number"]), Number)
        return {"number": number, "inbox": list(carrier.handset(number).inbox)}

    return Starlette(
        routes=[
            Route("/stats", _answering(stats), methods=["GET"]),
            Route("/faults", _answering(faults), methods=["POST"]),
            Route("/reset", _answering(reset), methods=["POST"]),
            Route("/cut", _answering(cut), methods=["POST"]),
            Route("/mo", _answering(from_phone), methods=["POST"]),
            Route("/handsets/{number}", _answering(handset), methods=["GET"]),
        ]
    )


def _answering(ask: Ask) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if "origin" in request.headers or request.url.hostname not in ("127.0.0.1", "localhost"):
            return _json({"error": "not for browsers"}, 403)
        try:
            return _json(await ask(request))
        except KnobRefused as refusal:
            return _json({"error": str(refusal)}, 422)
        except msgspec.MsgspecError as error:
            return _json({"error": str(error)}, 422)

    return endpoint


def _read(body: bytes, kind: type[T]) -> T:
    """Raises msgspec.MsgspecError."""
    return msgspec.json.decode(body, type=kind)


def _json(said: object, status: int = 200) -> Response:
    return Response(msgspec.json.format(msgspec.json.encode(said)) + b"\n", status, media_type="application/json")
