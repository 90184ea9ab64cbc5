"""What a government portal takes up or frames: announcements, results and 百件实事, each as Atom, JSON and a list."""

from dataclasses import replace
from xml.etree import ElementTree

import httpx
import pytest

from hall.publishing import AnnouncementState
from hall.tables import Announcement
from mobile_api.app import build_app
from tests.mobile_api.stage import HANDLER, Stage

PORTAL = "https://www.hengjiang.gov.example"
ATOM = "{http://www.w3.org/2005/Atom}"


def door(stage: Stage, *portals: str) -> httpx.AsyncClient:
    services = replace(stage.services, portals=portals)
    return httpx.AsyncClient(transport=httpx.ASGITransport(build_app(services)), base_url="http://office")


async def announce(stage: Stage, number: str, title: str, state: AnnouncementState) -> None:
    await Announcement.create(
        number=number,
        kind="notice",
        title=title,
        body="九月三十日\u000b停水。",
        state=state,
        author=HANDLER,
        drafted_at=stage.clock.now(),
        unit_code="ZJJ",
        published_at=stage.clock.now() if state is AnnouncementState.PUBLISHED else None,
    )


@pytest.mark.feature("EXCH-11")
async def test_portals_take_up_and_frame_announcements_results_and_deeds(stage: Stage):
    await announce(stage, "G1", "停水<通知>", AnnouncementState.PUBLISHED)
    await announce(stage, "G2", "还没有发布", AnnouncementState.APPROVED)
    http = door(stage, PORTAL)

    atom = await http.get("/public/feeds/announcements.atom")
    feed = ElementTree.fromstring(atom.text)
    assert atom.headers["content-type"].startswith("application/atom+xml")
    assert [entry.findtext(f"{ATOM}title") for entry in feed.iter(f"{ATOM}entry")] == ["停水<通知>"]
    assert {f"{ATOM}{name}" for name in ("id", "title", "updated", "link", "author")} <= {each.tag for each in feed}

    shown = (await http.get("/public/feeds/announcements.json")).json()
    assert shown["version"] == "https://jsonfeed.org/version/1.1"
    assert [item["title"] for item in shown["items"]] == ["停水<通知>"]
    deeds = (await http.get("/public/feeds/deeds.json")).json()["items"]
    assert deeds
    assert all("/public/guides/" in deed["content_text"] and "#deed-" in deed["id"] for deed in deeds)

    page = await http.get("/public/feeds/announcements.html")
    assert "停水&lt;通知&gt;" in page.text
    assert "还没有发布" not in page.text
    policy = page.headers["content-security-policy"]
    assert (f"frame-ancestors {PORTAL}" in policy, "default-src 'none'" in policy) == (True, True)
    assert page.headers["access-control-allow-origin"] == "*"
    again = await http.get("/public/feeds/announcements.html", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
    assert (await http.get("/public/feeds/results.json")).json()["items"] == []


async def test_nobody_may_frame_a_feed_unless_the_settings_name_them_and_there_is_no_other_feed(stage: Stage):
    page = await stage.http.get("/public/feeds/deeds.html")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    for name in ("cases.atom", "announcements.xml", "announcements", ".atom"):
        assert (await stage.http.get(f"/public/feeds/{name}")).status_code == 404
