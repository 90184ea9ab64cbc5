"""The chapters of the contract's fixtures: each is told to a fresh office, so that none moves another's numbers."""

from collections.abc import Awaitable, Callable

from tests.contracts import flutter_spec_story
from tests.contracts.flutter_spec_story import Recorder
from tests.mobile_api.stage import Stage

CHAPTERS: dict[str, Callable[[Recorder], Awaitable[None]]] = {
    "a day in the county": flutter_spec_story.tell,
}


async def told(stage: Stage, chapter: str) -> dict[str, str]:
    """Path under fixtures/ to content."""
    record = Recorder(stage)
    await CHAPTERS[chapter](record)
    return record.fixtures
