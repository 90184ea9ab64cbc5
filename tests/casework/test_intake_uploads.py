"""Uploads that nobody files are collected; what something refers to stays."""

import os
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from casework.acts import Channel, Decision, FileApplication, FiledView, MaterialGiven, ReceiveSupplement
from casework.flow.acts import FilePackage
from casework.intake.acts import CollectUploads, CorrectOnSpot, KeepUpload
from casework.intake.tables import Upload
from casework.intake.uploads import FileStore
from kernel.actor import ANYBODY
from kernel.acts import Done
from kernel.refusals import Refusal
from tests.casework.counter import code_of
from tests.casework.town import Town, item, person

ITEM = "ZJ-XK-001"
APPLICATION = FileApplication(
    item=ITEM,
    stage=f"{ITEM}-01",
    applicant_name="衡江建设有限公司",
    applicant_id_number="91430400MA4L000000",
    applicant_phone="13800000001",
    channel=Channel.ONLINE,
)


@pytest.fixture
def store(town: Town, tmp_path: Path) -> FileStore:
    store = FileStore(tmp_path)
    cast("dict[type, object]", town.desk.provisions)[FileStore] = store
    return store


async def brought(town: Town, store: FileStore, octets: bytes) -> str:
    """As the door does: noted, then put into the store."""
    digest = sha256(octets).hexdigest()
    await town.do(KeepUpload(sha256=digest, size=len(octets), media_type="application/pdf"), ANYBODY)
    path = store.path_of(digest)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(octets)
    return digest


def given(digest: str) -> MaterialGiven:
    return MaterialGiven(name="申请表", file_name="表.pdf", media_type="application/pdf", sha256=digest, size=4)


async def test_a_file_that_nobody_files_in_a_day_is_gone(town: Town, store: FileStore) -> None:
    digest = await brought(town, store, b"%PDF")
    town.at("2026-09-19 09:00")
    assert await town.do(CollectUploads()) == Done(count=0)
    town.at("2026-09-19 09:01")
    assert await town.do(CollectUploads()) == Done(count=1)
    assert not store.path_of(digest).exists()
    assert not await Upload.exists()


async def test_a_filed_file_stays_for_good(town: Town, store: FileStore) -> None:
    digest = await brought(town, store, b"%PDF")
    await town.file(materials=(given(digest),))
    town.at("2026-12-31")
    assert await town.do(CollectUploads()) == Done(count=0)
    assert store.path_of(digest).exists()


async def test_a_repeat_answers_what_it_answered_whatever_became_of_the_file(town: Town, store: FileStore) -> None:
    """Of an outer zone the note goes when the file has crossed; a database may be older than a receipt."""
    filing = replace(APPLICATION, materials=(given(await brought(town, store, b"%PDF")),))
    filed = await town.do(filing, ANYBODY, key="filing-1")
    await Upload.all().delete()
    assert isinstance(filed, FiledView)
    assert await town.do(filing, ANYBODY, key="filing-1") == filed
    assert code_of(await town.do(filing, ANYBODY, key="filing-2")) == "LINK_INVALID"
    await brought(town, store, b"%PDF")
    assert isinstance(await town.do(filing, ANYBODY, key="filing-2"), FiledView)


async def test_no_act_hands_in_a_file_that_is_not_known(town: Town) -> None:
    case, paper, clerk = (await town.file()).number, given("0" * 64), person("CLERK")
    await town.publish(item("ZJ-FW-040", item_class="service", package=[{"item": ITEM, "stage": f"{ITEM}-01"}]))
    package = FilePackage(application=replace(APPLICATION, item="ZJ-FW-040", stage="", materials=(paper,)))
    assert code_of(await town.do(package, ANYBODY)) == "LINK_INVALID"
    mended = CorrectOnSpot(case=case, revision=1, corrected=("换页",), materials=(paper,))
    assert code_of(await town.do(mended, clerk)) == "LINK_INVALID"
    await town.decide("CLERK", case, "accept", Decision.ASK_SUPPLEMENT, "缺页。", items=("申请表",))
    arrived = ReceiveSupplement(case=case, revision=2, materials=(paper,), complete=True)
    assert code_of(await town.do(arrived, clerk)) == "LINK_INVALID"
    await town.knows(paper.sha256)
    assert not isinstance(await town.do(arrived, clerk), Refusal)


async def test_the_same_file_brought_again_begins_a_new_day(town: Town, store: FileStore) -> None:
    digest = await brought(town, store, b"%PDF")
    town.at("2026-09-19 08:00")
    await brought(town, store, b"%PDF")
    town.at("2026-09-20 07:59")
    assert await town.do(CollectUploads()) == Done(count=0)
    assert store.path_of(digest).exists()
    assert await Upload.all().count() == 1


async def test_a_batch_takes_the_oldest_first(town: Town, store: FileStore) -> None:
    first = await brought(town, store, b"%PDF-1")
    town.clock.advance(timedelta(minutes=1))
    second = await brought(town, store, b"%PDF-2")
    town.at("2026-09-21")
    assert await town.do(CollectUploads(limit=1)) == Done(count=1)
    assert (store.path_of(first).exists(), store.path_of(second).exists()) == (False, True)


async def test_what_an_interrupted_upload_left_is_swept_up(town: Town, store: FileStore) -> None:
    old, fresh = store.part("a"), store.part("b")
    for part, age in ((old, 25), (fresh, 23)):
        part.write_bytes(b"half")
        moment = (town.clock.now() - timedelta(hours=age)).timestamp()
        os.utime(part, (moment, moment))
    assert await town.do(CollectUploads()) == Done(count=1)
    assert (old.exists(), fresh.exists()) == (False, True)


async def test_a_file_that_is_gone_already_stops_nothing(town: Town, store: FileStore) -> None:
    digest = await brought(town, store, b"%PDF")
    store.discard(digest)
    town.at("2026-09-21")
    assert await town.do(CollectUploads()) == Done(count=1)


@pytest.mark.parametrize("changes", [{"sha256": "short"}, {"size": -1}])
async def test_a_note_names_a_whole_digest(town: Town, changes: dict[str, Any]) -> None:
    fields = {"sha256": "0" * 64, "size": 1, "media_type": "application/pdf", **changes}
    assert code_of(await town.do(KeepUpload(**fields), ANYBODY)) == "INVALID"


async def test_only_the_clock_collects(town: Town, store: FileStore) -> None:
    assert code_of(await town.do(CollectUploads(), person("CLERK"))) == "NOT_PERMITTED"
