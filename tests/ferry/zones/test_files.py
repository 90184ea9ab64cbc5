"""Files between the zones: looked into before their act is taken, and a clear word about one that does not lie here."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from casework.acts import MaterialGiven
from casework.intake.acts import KeepUpload
from casework.intake.uploads import FileStore
from ferry import lost
from ferry.inspecting import Inspector
from ferry.overview import overview
from ferry.zones.files import judging, why_missing
from ferry.zones.refusals import Pending
from kernel.actor import ANYBODY
from server.ferry_metrics import FerryFigures, of_ferries
from tests.ferry.test_disarm import pdf
from tests.ferry.zones.glass import Glass
from tests.ferry.zones.test_relaying import application
from tests.mobile_api.stage import APPLICANT_PHONE, ITEM, STAGE
from tests.mobile_api.test_uploads import brings
from tests.mobile_api.visitors import log_in

GOOD = pdf()
METRIC = "zhangban_ferry_files"
BAD = b"MZ" + GOOD  # a program


async def brought(zoned, content: bytes) -> tuple[MaterialGiven, ...]:
    sha256 = hashlib.sha256(content).hexdigest()
    path = FileStore(zoned.outer.services.files).path_of(sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    await zoned.outside(KeepUpload(sha256=sha256, size=len(content), media_type="application/pdf"), ANYBODY)
    return (MaterialGiven(name="申请表", file_name="a.pdf", sha256=sha256),)


async def test_whoever_brings_a_file_that_may_not_cross_is_told_at_once_and_nothing_is_sent(zoned):
    side = zoned.pair.outer
    zoned.judged = judging(
        side.database, side.clock, Inspector(max_octets=1 << 20), FileStore(zoned.outer.services.files).path_of
    )  # fmt: skip
    zoned.answer_in(0)
    papers = await brought(zoned, BAD)
    for _ in range(2):
        refused = await zoned.outside(application(materials=papers), ANYBODY, key="app:filing-1")
        assert refused.code == "ATTACHMENT_REFUSED"
        assert refused.details["why"]
    assert await side.rows("SELECT 1 FROM relayed_act") == []
    assert await side.rows("SELECT 1 FROM ferry_piece") == []
    papers = await brought(zoned, GOOD)
    assert isinstance(await zoned.outside(application(materials=papers), ANYBODY, key="app:filing-1"), Pending)


async def receipt(zoned) -> str:
    """Of a file that somebody brings at the outer zone's door."""
    with zoned.pair.outer.here():
        return str((await brings(zoned.outer, GOOD)).json()["upload"])


async def asks(zoned, upload: str, key: str, item: str = ITEM) -> dict[str, str]:
    given = {
        "item": item,
        "stage": STAGE,
        "applicantName": "衡江建设有限公司",
        "applicantIdNumber": "91430400MA4L000000",
        "applicantPhone": APPLICANT_PHONE,
        "materials": [{"name": "申请表", "upload": upload}],
    }
    return dict(await zoned.outer.get("FileApplication", idempotencyKey=key, application=given))


async def files(zoned, upload: str, key: str = "filing-1") -> dict[str, str]:
    """What the outer zone's door answers in the end to whoever files with this receipt."""
    assert (await asks(zoned, upload, key))["code"] == "PENDING"
    await zoned.crosses()
    return await asks(zoned, upload, key)


async def restored(zoned) -> None:
    """The outer zone forgets what people brought and asked since its backup, and what of it had not crossed."""
    for table in ("upload", "relayed_act", "ferry_piece"):
        with zoned.pair.outer.here():
            await zoned.pair.outer.database.execute(f"DELETE FROM {table}")


def lies_inside(zoned) -> bool:
    return zoned.pair.inner.files.path_of(hashlib.sha256(GOOD).hexdigest()).exists()


async def test_a_file_that_a_restore_forgot_is_asked_for_again_and_sent(zoned):
    """Its receipt is signed and still young; but what it stands for lay on the disk that was put back."""
    await zoned.by_parcels()
    old = await receipt(zoned)
    await restored(zoned)
    assert (await files(zoned, old))["code"] == "LINK_INVALID"
    assert await zoned.cases() == 0
    assert "number" in await files(zoned, await receipt(zoned))
    await zoned.step(5)
    assert (await zoned.cases(), lies_inside(zoned)) == (1, True)


async def test_a_repeat_answers_what_is_remembered_inside_whatever_the_outer_zone_forgot(zoned):
    await zoned.by_parcels()
    upload = await receipt(zoned)
    filed = await files(zoned, upload)
    await zoned.step(5)
    assert lies_inside(zoned)
    await restored(zoned)
    again = await files(zoned, upload)
    assert (again["number"], again["queryPassword"]) == (filed["number"], filed["queryPassword"])
    assert "number" in await files(zoned, upload, "filing-2")  # the file is there
    assert await zoned.cases() == 2


async def test_whoever_waited_for_days_gets_the_answer_though_the_receipt_has_expired(zoned):
    """Where a device is carried by hand."""
    upload = await receipt(zoned)
    assert (await asks(zoned, upload, "filing-1"))["code"] == "PENDING"
    zoned.pair.clock.advance(timedelta(days=2))
    assert (await asks(zoned, upload, "filing-1"))["code"] == "PENDING"
    assert "number" in await files(zoned, upload)
    assert (await asks(zoned, upload, "filing-2"))["code"] == "LINK_INVALID"
    assert await zoned.cases() == 1


async def test_after_a_refusal_was_told_whoever_tries_again_needs_a_receipt_that_is_good(zoned):
    upload = await receipt(zoned)
    assert (await asks(zoned, upload, "filing-1", "ZJ-XK-999"))["code"] == "PENDING"
    await zoned.crosses()
    zoned.pair.clock.advance(timedelta(days=2))
    assert (await asks(zoned, upload, "filing-1", "ZJ-XK-999"))["code"] == "UNKNOWN_ITEM"
    assert (await asks(zoned, upload, "filing-1", "ZJ-XK-999"))["code"] == "LINK_INVALID"


async def test_of_an_act_that_was_performed_a_lost_file_is_asked_for_before_its_answer_is_told(zoned):
    """It crossed, its file did not, its answer was lost: once the answer is told nobody can be asked any more."""
    await zoned.by_parcels()
    upload = await receipt(zoned)
    assert (await asks(zoned, upload, "filing-1"))["code"] == "PENDING"
    with zoned.pair.outer.here():
        await zoned.pair.outer.database.execute("DELETE FROM ferry_piece")
    await zoned.crosses()
    await restored(zoned)
    assert await zoned.cases() == 1
    assert (await files(zoned, upload))["code"] == "LINK_INVALID"
    assert "number" in await files(zoned, await receipt(zoned))
    await zoned.step(5)
    assert (await zoned.cases(), lies_inside(zoned)) == (1, True)


async def test_a_file_of_which_no_piece_ever_comes_is_named_until_somebody_sees_to_it(zoned):
    """Its act crossed, and then the outer zone was restored from a backup of before."""
    inner = zoned.pair.inner
    await zoned.by_parcels()
    papers = await brought(zoned, GOOD)
    await zoned.outside(application(materials=papers), ANYBODY, key="app:filing-1")
    with zoned.pair.outer.here():
        await zoned.pair.outer.database.execute("DELETE FROM ferry_piece")
    await zoned.crosses()

    async def missing() -> list[tuple[str, str, int]]:
        with inner.here():
            found = await lost.with_subjects(inner.station, await lost.missed(inner.station))
        return [(file.sha256, file.state, file.size) for file in found if file.about]

    async def alarms() -> tuple[dict[str, int], float]:
        """What `ferry status` says of files, and what a machine reads."""
        with inner.here():
            found = await overview(inner.station, now=zoned.pair.clock.now())
        families = of_ferries(FerryFigures(at=zoned.pair.clock.now(), overviews=[found]))
        [family] = [each for each in families if each.name == METRIC]
        late = {(each.labels["peer"], each.labels["state"]): each.value for each in family.samples}
        said = {alarm.concern.value: alarm.count for alarm in found.alarms if alarm.concern.startswith("FILE")}
        return said, late["outer", "coming"]

    zoned.pair.clock.advance(lost.LATE - timedelta(minutes=1))
    assert (await missing(), await alarms()) == ([], ({}, 0))
    zoned.pair.clock.advance(timedelta(minutes=1))
    assert await missing() == [(papers[0].sha256, "coming", len(GOOD))]
    assert await alarms() == ({"FILE_LATE": 1}, 1)
    with inner.here():
        await lost.close(inner.station, papers[0].sha256, now=zoned.pair.clock.now())
    assert (await missing(), await alarms()) == ([], ({}, 0))


@pytest.mark.parametrize(
    ("zone", "state", "code"),
    [
        ("single", None, "NOT_FOUND"),
        ("outer", None, "FILE_INSIDE"),
        ("inner", None, "FILE_ON_ITS_WAY"),
        ("inner", "coming", "FILE_ON_ITS_WAY"),
        ("inner", "waiting", "FILE_ON_ITS_WAY"),
        ("inner", "refused", "FILE_NOT_TAKEN"),
        ("inner", "corrupt", "NOT_FOUND"),
    ],
)
async def test_a_file_that_does_not_lie_here_says_where_it_is(zoned, zone, state, code):
    with zoned.pair.inner.here():
        act = KeepUpload(sha256="a" * 64, size=5, media_type="application/pdf")
        await zoned.inner.office.perform(act, ANYBODY, key=None)
        database = zoned.pair.inner.database
        if state:
            columns = ("peer", "sha256", "size", "here", "state", "at")
            given = ("outer", "a" * 64, 5, 5, state, zoned.pair.clock.now())
            await database.insert("ferry_file", columns, [given])
            verdict = ("a" * 64, "ATTACHMENT_REFUSED", "含脚本", "", "rules", zoned.pair.clock.now())
            await database.insert("ferry_verdict", ("sha256", "code", "why", "media_type", "engine", "at"), [verdict])
        refusal = await why_missing("a" * 64, zone=zone)
        assert refusal.code == code
        assert code != "FILE_NOT_TAKEN" or "含脚本" in refusal.text
        if zone == "inner":
            assert (await why_missing("b" * 64, zone=zone)).code == "NOT_FOUND"


async def test_an_applicant_who_opens_a_material_outside_reads_where_it_can_be_seen(glass: Glass):
    case = await glass.inner.accepted()
    with glass.pair.inner.here():
        await glass.inner.database.execute("UPDATE material SET sha256 = $1, file_name = 'a.pdf'", "a" * 64)
    await glass.carry()
    outer = glass.outer
    outer.services = replace(outer.services, missing_file=partial(why_missing, zone="outer"))
    outer.open_door()
    with glass.pair.outer.here():
        token = await log_in(outer, APPLICANT_PHONE)
    (material,) = await glass.pair.outer.rows("SELECT id FROM material")
    refused = await outer.get("ViewOwnMaterial", token, case=case, id=str(material["id"]))
    assert (refused["code"], "政务大厅窗口" in refused["message"]) == ("FILE_INSIDE", True)
