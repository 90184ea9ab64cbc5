"""The HTTP door: one endpoint for GraphQL, two for files, two for health, and what is public anyway by GET.

Only POST with application/json executes anything: no GET, no batches, no multipart, so a foreign page cannot make a
browser act. A body is refused before it is read when it is too large, and a caller before anything when too frequent.
"""

import re
from collections.abc import Awaitable, Callable
from html import escape

import anyio
import orjson
from limits import parse as parse_rate
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from tortoise.exceptions import BaseORMException

from casework.intake.refusals import LinkInvalid
from kernel.actor import ANYBODY, Actor
from kernel.refusals import NotFound, NotPermitted, Refusal
from mobile_api import feeds, open_data, verification
from mobile_api.context import Context, Rates
from mobile_api.door import Answer, Door
from mobile_api.files import follow, ticket_from
from mobile_api.links import FileLink, read, signed
from mobile_api.refusals import (
    BadRequest,
    FileTypeRefused,
    Internal,
    LoginNeeded,
    TooLarge,
    TooManyRequests,
    as_error,
)
from mobile_api.schema import build_schema
from mobile_api.services import Services
from mobile_api.uploads import store

#: Everything else the door refuses is the caller's fault: 400.
_STATUS: dict[type[Refusal], int] = {
    LoginNeeded: 401,
    NotPermitted: 403,
    LinkInvalid: 403,
    NotFound: 404,
    TooLarge: 413,
    FileTypeRefused: 415,
    TooManyRequests: 429,
    Internal: 500,
}

#: PostgreSQL cannot keep it.
_NUL_IS_NO_TEXT = "the character U+0000 is not text"
_NUL_IN_GRAPHQL = re.compile(r"\\u(0000|\{0+\})")

Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(services: Services) -> Starlette:
    """The door of one process. Owns nothing: who built `services` closes it."""
    return Starlette(routes=routes(services))


def routes(services: Services) -> list[Route]:
    """For a server that serves more than this door."""
    door = _Http(services)
    return [
        Route("/graphql", _answering(door.graphql), methods=["GET", "POST"] if services.demo else ["POST"]),
        Route("/files", _answering(door.upload), methods=["POST"]),
        Route("/files/{link}", _answering(door.file), methods=["GET"]),
        *open_data.routes(services, lambda endpoint: _answering(door.admitting(endpoint))),
        *feeds.routes(services, lambda endpoint: _answering(door.admitting(endpoint))),
        *verification.routes(services, lambda endpoint: _answering(door.admitting(endpoint))),
        Route("/healthz/livez", _alive, methods=["GET"]),
        Route("/healthz/readyz", door.ready, methods=["GET"]),
    ]


class _Http:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._door = Door(build_schema(), services.limits, demo=services.demo)
        limits = services.limits
        self._rates = Rates(
            limiter=FixedWindowRateLimiter(MemoryStorage()),
            per_address=parse_rate(limits.per_address),
            per_officer=parse_rate(limits.per_officer),
            anonymous_acts=parse_rate(limits.anonymous_acts),
            per_ticket=parse_rate(limits.per_ticket),
        )

    async def graphql(self, request: Request) -> Response:
        if request.method != "POST":
            return HTMLResponse(_ide(str(request.url.replace(query=""))))
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise BadRequest(why="the content type must be application/json")
        await self._admit(request)
        body = await _body(request, self._services.limits.body_octets)
        text, variables, operation = _parsed(body)
        context = Context(
            services=self._services, rates=self._rates, actor=await self._caller(request), address=_address(request)
        )
        return _json(await self._door.answer(text, variables, operation, context))

    async def upload(self, request: Request) -> Response:
        await self._admit(request)
        authorization = request.headers.get("authorization", "")
        actor = ANYBODY
        if authorization[:7].lower() == "ticket ":
            ticket = ticket_from(self._services, authorization)
            await self._hit(self._rates.hit(self._rates.per_ticket, "upload", ticket.id))
        else:
            actor = await self._caller(request)
            if actor is ANYBODY:
                raise LoginNeeded()
            await self._hit(self._rates.hit(self._rates.anonymous_acts, "upload", actor.id))
        name, declared = request.query_params.get("name", ""), request.headers.get("content-length", "")
        length = int(declared) if declared.isdecimal() and len(declared) < 16 else None
        receipt = await store(self._services, actor, request.stream(), name, declared=length)
        answer = {"upload": signed(self._services.secrets, receipt), "sha256": receipt.sha256, "size": receipt.size}
        return _json({**answer, "mediaType": receipt.media_type})

    async def file(self, request: Request) -> Response:
        await self._admit(request)
        services = self._services
        link = read(services.secrets, FileLink, request.path_params["link"], now=services.clock.now())
        return await follow(services, link, request)

    def admitting(self, endpoint: Endpoint) -> Endpoint:
        """`endpoint` for whoever has not asked too often, and asks in text."""

        async def admitted(request: Request) -> Response:
            await self._admit(request)
            if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
                raise BadRequest(why=_NUL_IS_NO_TEXT)
            return await endpoint(request)

        return admitted

    async def ready(self, request: Request) -> Response:
        """Whether the database answers in time."""
        try:
            with anyio.fail_after(self._services.limits.ready_within_s):
                await self._services.database.rows("SELECT 1 AS ready")
        except (TimeoutError, OSError, BaseORMException):
            return PlainTextResponse("database does not answer", status_code=503)
        return PlainTextResponse("ready")

    async def _admit(self, request: Request) -> None:
        await self._hit(self._rates.hit(self._rates.per_address, "address", _address(request)))

    async def _caller(self, request: Request) -> Actor:
        authorization = request.headers.get("authorization", "")
        if not authorization:
            return ANYBODY
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise BadRequest(why="the authorization scheme must be Bearer")
        actor = await self._services.authenticator.actor_of(token.strip())
        if isinstance(actor, Refusal):
            raise _Unauthenticated(actor)
        await self._hit(self._rates.hit(self._rates.per_officer, "officer", actor.id))
        return actor

    async def _hit(self, counted: Awaitable[Refusal | None]) -> None:
        refusal = await counted
        if refusal is not None:
            raise refusal


class _Unauthenticated(Exception):
    """The token was refused: whatever the reason's own status would be, this is a 401."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


def _answering(endpoint: Endpoint) -> Endpoint:
    """Turns refusals into answers; the caller never sees anything else of an exception."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except _Unauthenticated as unauthenticated:
            return _refused(unauthenticated.refusal, status=401)
        except Refusal as refusal:
            return _refused(refusal, status=_STATUS.get(type(refusal), 400))
        except ClientDisconnect:
            return Response(status_code=400)

    return answer


def _refused(refusal: Refusal, *, status: int) -> Response:
    response = _json(Answer(errors=[as_error(refusal)]), status=status)
    if isinstance(refusal, TooManyRequests):
        response.headers["Retry-After"] = str(refusal.details["seconds"])
    return response


def _json(answer: object, status: int = 200) -> Response:
    return Response(
        orjson.dumps(answer), status_code=status, media_type="application/json", headers={"Cache-Control": "no-store"}
    )


async def _body(request: Request, limit: int) -> bytes:
    """The whole body, never more than `limit` octets of it."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise TooLarge(limit=limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge(limit=limit)
    return bytes(body)


def _parsed(body: bytes) -> tuple[str, dict[str, object] | None, str | None]:
    """Document, variables and operation name of a GraphQL-over-HTTP request. Raises BAD_REQUEST."""
    if b"\\u0000" in body:
        raise BadRequest(why=_NUL_IS_NO_TEXT)
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest(why="the body is not JSON") from None
    if not isinstance(request, dict):
        raise BadRequest(why="the body must be one JSON object")
    text, variables, operation = request.get("query"), request.get("variables"), request.get("operationName")
    if not isinstance(text, str):
        raise BadRequest(why="query must be a string")
    if _NUL_IN_GRAPHQL.search(text):
        raise BadRequest(why=_NUL_IS_NO_TEXT)
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest(why="variables must be an object")
    if operation is not None and not isinstance(operation, str):
        raise BadRequest(why="operationName must be a string")
    return text, variables, operation


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


async def _alive(request: Request) -> Response:
    return PlainTextResponse("alive")


#: GraphiQL's own scripts come from a public network; a machine without one is told how to ask all the same.
_WITHOUT_GRAPHIQL = """
    <style>#offline {{ display: none; padding: 2em }} .offline #offline {{ display: block }}</style>
    <div id="offline">
      <p>GraphiQL 的脚本需从互联网加载，本机无法访问。接口本身照常工作，可以这样查询：</p>
      <p>GraphiQL loads its scripts from the internet, which cannot be reached. The API itself is there:</p>
      <pre>{command}</pre>
    </div>
"""
_EXAMPLE = """curl -H 'Content-Type: application/json' -d '{"query": "{ guides { nodes { code name } } }"}' """


def _ide(address: str) -> str:
    from strawberry.http.ides import get_graphql_ide_html

    page = str(get_graphql_ide_html("graphiql"))
    told = _WITHOUT_GRAPHIQL.format(command=escape(_EXAMPLE + address))
    marked = page.replace("<body>", f"<body>{told}")
    return re.sub(
        r"<script(?=\s+crossorigin)", "<script onerror=\"document.documentElement.className = 'offline'\"", marked
    )
