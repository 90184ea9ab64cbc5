"""The chapters of the contract's fixtures: each is told to a fresh office, so that none moves another's numbers."""

from collections.abc import Awaitable, Callable

from tests.contracts import (
    flutter_spec_story,
    story_billing,
    story_catalogue,
    story_clock,
    story_coverage,
    story_flow,
    story_hall,
    story_intake,
    story_licences,
    story_overviews,
    story_papers,
    story_texts,
    story_zones,
)
from tests.contracts.flutter_spec_story import Recorder
from tests.mobile_api.stage import Stage

CHAPTERS: dict[str, Callable[[Recorder], Awaitable[None]]] = {
    "a day in the county": flutter_spec_story.tell,
    "the public hall": story_hall.tell,
    "several at one case": story_flow.tell,
    "a day at the window": story_intake.tell,
    "documents": story_papers.tell,
    "licences": story_licences.tell,
    "legal time": story_clock.tell,
    "a change of the catalogue": story_catalogue.tell,
    "the catalogue from other sides": story_overviews.tell,
    "what texts cost": story_billing.tell,
    "the wording of texts": story_texts.tell,
    "who does business where it is seen": story_coverage.tell,
    "two networks": story_zones.tell,
}


async def told(stage: Stage, chapter: str) -> dict[str, str]:
    """Path under fixtures/ to content."""
    record = Recorder(stage)
    await CHAPTERS[chapter](record)
    return record.fixtures
