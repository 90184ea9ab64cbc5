"""门户整合: announcements, results and 百件实事 as feeds that a government portal takes up or frames.

`/public/feeds/NAME.atom` (RFC 4287) and `.json` (JSON Feed 1.1) are for programs and may be read from any page's
script; `.html` is a list without script or form, to be framed by the portals that the settings name and by nobody
else. Only what is public anyway stands in them. Rates are counted per address by the door.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from casework.catalogue import current
from casework.clock.working_days import CHINA
from casework.licences.results import granted_decisions
from hall.announcements import published
from kernel.db import Row
from kernel.refusals import NotFound
from mobile_api.open_data import Endpoint, cached
from mobile_api.services import Services

#: Entries of a feed: what is older is in the lists.
_LATEST = 30
_ATOM = "http://www.w3.org/2005/Atom"
_NOON = time(12)
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


class Entry(NamedTuple):
    """`id` is unique within its feed, and stays."""

    id: str
    title: str
    updated: datetime
    link: str
    text: str = ""


class Feed(NamedTuple):
    title: str
    entries: Callable[[Services], Awaitable[list[Entry]]]


def routes(services: Services, guarded: Callable[[Endpoint], Endpoint]) -> list[Route]:
    """`guarded` counts the caller's address and turns refusals into answers."""

    async def feed(request: Request) -> Response:
        name, _, form = str(request.path_params["name"]).partition(".")
        chosen, write = FEEDS.get(name), _FORMS.get(form)
        if chosen is None or write is None:
            raise NotFound(what="订阅源")
        return write(request, services, name, chosen.title, await chosen.entries(services))

    return [Route("/public/feeds/{name}", guarded(feed), methods=["GET"])]


# ------------------------------------------------------------------------------------------------------------- feeds
async def _announcements(services: Services) -> list[Entry]:
    rows, _ = await published(services.database, first=_LATEST)
    return [
        Entry(
            id=str(row["number"]),
            title=str(row["title"]),
            updated=_instant(row["published_at"]),
            link=_at(services, f"/public/announcements#{quote(str(row['number']))}"),
            text=str(row["body"]),
        )
        for row in rows
    ]


async def _results(services: Services) -> list[Entry]:
    rows, _ = await granted_decisions(services.database, first=_LATEST)
    return [
        Entry(
            id=str(row["number"]),
            title=f"{row['item_name']}：{row['holder']}",
            updated=_instant(row["decided_on"]),
            link=_at(services, f"/public/results?item={quote(str(row['item']))}"),
            text=f"{row['unit_name'] or row['unit']}，{row['document'] or ''}".rstrip("，"),
        )
        for row in rows
    ]


async def _deeds(services: Services) -> list[Entry]:
    """百件实事 by number, each an entry with the items that are handled for it."""
    rows, _ = await current.deeds(services.database, first=500)
    today = _instant(services.clock.now().astimezone(CHINA).date())
    return [
        Entry(
            id=f"deed-{row['number']}",
            title=f"{row['number']}：{'、'.join(_names(row))}",
            updated=today,
            link=_at(services, f"/public/guides/{quote(_codes(row)[0])}"),
            text="；".join(f"{name} {_at(services, f'/public/guides/{quote(code)}')}" for name, code in _pairs(row)),
        )
        for row in rows
    ]


FEEDS = {
    "announcements": Feed("通知公告", _announcements),
    "results": Feed("审批结果公开", _results),
    "deeds": Feed("百件实事网上办", _deeds),
}


# ------------------------------------------------------------------------------------------------------------- forms
def _atom(request: Request, services: Services, name: str, title: str, entries: Sequence[Entry]) -> Response:
    address = _at(services, f"/public/feeds/{name}.atom")
    feed = ElementTree.Element(f"{{{_ATOM}}}feed")
    newest = max((entry.updated for entry in entries), default=datetime(2000, 1, 1, tzinfo=CHINA))
    for tag, text in (("id", address), ("title", title), ("updated", newest.isoformat())):
        ElementTree.SubElement(feed, f"{{{_ATOM}}}{tag}").text = text
    ElementTree.SubElement(feed, f"{{{_ATOM}}}link", {"rel": "self", "href": address})
    author = ElementTree.SubElement(feed, f"{{{_ATOM}}}author")
    ElementTree.SubElement(author, f"{{{_ATOM}}}name").text = title
    for entry in entries:
        element = ElementTree.SubElement(feed, f"{{{_ATOM}}}entry")
        said = (("id", f"{address}#{quote(entry.id)}"), ("title", entry.title), ("updated", entry.updated.isoformat()))
        for tag, text in said:
            ElementTree.SubElement(element, f"{{{_ATOM}}}{tag}").text = _xml(text)
        ElementTree.SubElement(element, f"{{{_ATOM}}}link", {"rel": "alternate", "href": entry.link})
        ElementTree.SubElement(element, f"{{{_ATOM}}}content", {"type": "text"}).text = _xml(entry.text)
    body = ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True, default_namespace=None)
    return cached(request, body, "application/atom+xml; charset=utf-8", _READABLE)


def _json(request: Request, services: Services, name: str, title: str, entries: Sequence[Entry]) -> Response:
    address = _at(services, f"/public/feeds/{name}.json")
    items = [
        {
            "id": f"{address}#{quote(entry.id)}",
            "url": entry.link,
            "title": entry.title,
            "content_text": entry.text,
            "date_published": entry.updated.isoformat(),
        }
        for entry in entries
    ]
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": title,
        "language": "zh-CN",
        "feed_url": address,
        "items": items,
    }
    return cached(request, msgspec.json.encode(feed), "application/feed+json", _READABLE)


def _html(request: Request, services: Services, name: str, title: str, entries: Sequence[Entry]) -> Response:
    page = _pages.get_template("feed.html").render(name=name, title=title, entries=entries)
    frames = " ".join(services.portals) or "'none'"
    headers = {
        **_READABLE,
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
            f" frame-ancestors {frames}"
        ),
        "Referrer-Policy": "no-referrer",
    }
    return cached(request, page.encode(), "text/html; charset=utf-8", headers)


#: Public anyway, and nothing of the reader goes with the request.
_READABLE = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
_FORMS = {"atom": _atom, "json": _json, "html": _html}


# ------------------------------------------------------------------------------------------------------------- below
def _at(services: Services, path: str) -> str:
    return services.rules.public_url + path


def _instant(value: object) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(CHINA)
    day = value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
    return datetime.combine(day, _NOON, CHINA)


def _xml(text: str) -> str:
    """Without what XML has no way to write."""
    return "".join(char for char in text if char in "\t\n\r" or char >= " ")


def _pairs(deed: Row) -> list[tuple[str, str]]:
    items = deed["items"]
    assert isinstance(items, list)
    return [(str(item["name"]), str(item["code"])) for item in items]


def _names(deed: Row) -> list[str]:
    return [name for name, _ in _pairs(deed)]


def _codes(deed: Row) -> list[str]:
    return [code for _, code in _pairs(deed)]
