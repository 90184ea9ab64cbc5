"""信息公开 over plain HTTP: guides, forms, results and announcements by GET, for anybody and any cache.

Everything is JSON but the printed forms; every answer has an ETag, so who asks again is told 304. Only what is
published and not secret exists here; persons are masked where the lists are made. Rates are counted per address
by the door.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from casework.catalogue.definitions import ItemDefinition, Words
from casework.licences.results import granted_decisions
from casework.queries import Place
from hall import guides
from hall.announcements import published
from hall.forms import printed_form
from hall.publishing import AnnouncementKind
from kernel.db import Row
from kernel.refusals import Invalid, NotFound
from mobile_api.pages import cursor_after, cursor_of, id_after, place_of
from mobile_api.services import Services

#: A guide that changed may be an old one elsewhere for this long.
_FRESH_S = 60
#: Whom the law lets apply, where an item does not say. Source: Administrative Licensing Law, art. 2.
_EVERYBODY = ("公民、法人和其他组织",)
_HTML_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(services: Services, guarded: Callable[[Endpoint], Endpoint]) -> list[Route]:
    """`guarded` counts the caller's address and turns refusals into answers."""
    door = _OpenData(services)
    paths: Mapping[str, Endpoint] = {
        "/public/guides": door.guides,
        "/public/guides/{code}": door.guide,
        "/public/forms/{code}": door.forms,
        "/public/forms/{code}/{name}": door.form,
        "/public/results": door.results,
        "/public/announcements": door.announcements,
    }
    return [Route(path, guarded(endpoint), methods=["GET"]) for path, endpoint in paths.items()]


class _OpenData:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def guides(self, request: Request) -> Response:
        """服务项目: every item with for whom, in how many days, and where its guide is."""
        asked = request.query_params
        rows, end = await guides.guides(
            self._services.database,
            self._services.rules,
            first=self._page(request),
            after=asked.get("after", ""),
            unit=asked.get("unit"),
            text=asked.get("text", "").strip(),
        )
        items = [await self._with_disclosure(row) for row in rows]
        return _json(request, {"items": items, "next": end})

    async def guide(self, request: Request) -> Response:
        row = await guides.guide(self._services.database, self._services.rules, request.path_params["code"])
        if row is None:
            raise NotFound(what="事项")
        return _json(request, await self._with_disclosure(row))

    async def forms(self, request: Request) -> Response:
        """资料表格: what can be downloaded for an item."""
        item, _ = await self._definition(request.path_params["code"])
        return _json(request, {"item": item.code, "forms": _downloads(item)})

    async def form(self, request: Request) -> Response:
        """A stage's blank form, its sample, or the JSON Schema of its online form."""
        item, unit = await self._definition(request.path_params["code"])
        stage_code, _, kind = str(request.path_params["name"]).partition(".")
        stage = next((stage for stage in item.stages if stage.code == stage_code), None)
        if (
            stage is None
            or kind not in ("html", "sample.html", "schema.json")
            or (kind[-4:] == "json" and not stage.form)
        ):
            raise NotFound(what="表格")
        if stage.form is not None and kind == "schema.json":
            return _json(request, stage.form)
        sample = kind == "sample.html"
        page = printed_form(item, stage, unit, sample=sample)
        name = quote(f"{item.name}{'样表' if sample else '申请表'}.html")
        headers = {**_HTML_HEADERS, "Content-Disposition": f"attachment; filename*=utf-8''{name}"}
        return cached(request, page.encode(), "text/html; charset=utf-8", headers)

    async def results(self, request: Request) -> Response:
        """审批结果: decisions to grant, of the items that publish theirs."""
        rows, end = await granted_decisions(
            self._services.database,
            first=self._page(request),
            before=id_after(request.query_params.get("after")),
            unit=request.query_params.get("unit"),
            item=request.query_params.get("item"),
        )
        return _json(request, {"results": rows, "next": cursor_after(end)})

    async def announcements(self, request: Request) -> Response:
        kind = request.query_params.get("kind")
        if kind is not None and kind not in list(AnnouncementKind):
            raise Invalid(field="kind", why="应为" + "、".join(AnnouncementKind))
        rows, end = await published(
            self._services.database,
            kind=AnnouncementKind(kind) if kind else None,
            first=self._page(request),
            after=place_of(request.query_params.get("after")),
        )
        shown = [{name: value for name, value in row.items() if name != "id"} for row in rows]
        return _json(request, {"announcements": shown, "next": cursor_of(Place(*end) if end else None)})

    async def _with_disclosure(self, row: Row) -> Row:
        """The guide, and beside it what must be public by name."""
        item, _ = await self._definition(str(row["code"]))
        return {
            **row,
            "served": _lines(item.served) or _EVERYBODY,
            "limits": [
                {
                    "stage": stage.code,
                    "statutory_days": stage.statutory_limit_days,
                    "committed_days": stage.committed_limit_days,
                }
                for stage in item.stages
            ],
            "forms": _downloads(item),
            "results": f"/public/results?item={quote(item.code)}" if item.results_public else None,
        }

    async def _definition(self, code: str) -> tuple[ItemDefinition, str]:
        """The published definition and its unit's name. Raises NOT_FOUND."""
        found = await guides.definition(self._services.database, code)
        if found is None:
            raise NotFound(what="事项")
        return found

    def _page(self, request: Request) -> int:
        most, asked = self._services.limits.page, request.query_params.get("first", "20")
        if not asked.isdecimal() or len(asked) > 6 or not 1 <= int(asked) <= most:
            raise Invalid(field="first", why=f"应在1至{most}之间")
        return int(asked)


def _downloads(item: ItemDefinition) -> list[dict[str, str]]:
    found = []
    for stage in item.stages:
        where = f"/public/forms/{quote(item.code)}/{quote(stage.code)}"
        found.append({"stage": stage.code, "name": f"{stage.name}申请表", "url": f"{where}.html"})
        found.append({"stage": stage.code, "name": f"{stage.name}样表", "url": f"{where}.sample.html"})
        if stage.form is not None:
            found.append({"stage": stage.code, "name": f"{stage.name}网上表单", "url": f"{where}.schema.json"})
    return found


def _lines(words: Words) -> Sequence[str]:
    return [line for line in ((words,) if isinstance(words, str) else words) if line.strip()]


def _json(request: Request, value: object) -> Response:
    return cached(request, msgspec.json.encode(value), "application/json", {})


def cached(request: Request, body: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    """The answer, or 304 for who has it."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    all_headers = {**headers, "ETag": tag, "Cache-Control": f"public, max-age={_FRESH_S}"}
    asked = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if tag in asked or "*" in asked:
        return Response(status_code=304, headers=all_headers)
    return Response(body, media_type=media_type, headers=all_headers)
