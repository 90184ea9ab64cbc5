"""一条龙: one filing, ordered cases, materials passed on."""

import asyncio
import json
from typing import Any

import pytest

from casework.acts import Channel, Decision, FileApplication, MaterialGiven, ReceiveSupplement
from casework.flow.acts import FilePackage, PackageView, QueryPackage
from casework.flow.tables import PackagePart
from casework.intake.query_passwords import query_password
from casework.intake.tables import Upload
from casework.tables import Case, Item, Material
from kernel.actor import ANYBODY
from kernel.tables import EventRow
from tests.casework.flow import levels, staged
from tests.casework.town import Town, item, person


def part(code: str, *materials: str) -> bytes:
    return staged(
        code,
        levels=levels("deputy_leader"),
        materials=[{"name": name, "basis": "《办法》第五条"} for name in materials],
    )


#: What the applicant scanned, and what they handed in later.
SCANNED, NEWER = "a" * 64, "b" * 64


async def chain(town: Town) -> None:
    """开办餐饮: registration first, then hygiene and fire at once, the sign when both are granted."""
    for definition in (
        part("ZJ-XK-041", "申请表", "身份证明"),
        part("ZJ-XK-042", "身份证明", "场所平面图"),
        part("ZJ-XK-043", "场所平面图"),
        part("ZJ-XK-044", "申请表"),
    ):
        await town.publish(definition)
    await town.knows(SCANNED, NEWER)
    first, hygiene, fire, sign = (f"ZJ-XK-{n:03d}-01" for n in range(41, 45))
    package = [
        {"item": "ZJ-XK-041", "stage": first},
        {"item": "ZJ-XK-042", "stage": hygiene, "after": [first]},
        {"item": "ZJ-XK-043", "stage": fire, "after": [first]},
        {"item": "ZJ-XK-044", "stage": sign, "after": [hygiene, fire]},
    ]
    await town.publish(item("ZJ-FW-040", name="开办餐饮一条龙", item_class="service", package=package))


def application(**changes) -> FilePackage:
    fields = {
        "item": "ZJ-FW-040",
        "stage": "",
        "applicant_name": "衡江饭店",
        "applicant_id_number": "91430400MA4L000001",
        "applicant_phone": "13800000002",
        "channel": Channel.ONLINE,
        "materials": tuple(
            MaterialGiven(name=name, file_name=f"{name}.pdf", media_type="application/pdf", sha256=SCANNED, size=9)
            for name in ("申请表", "身份证明", "场所平面图")
        ),
        **changes,
    }
    return FilePackage(application=FileApplication(**fields))


async def grant(town: Town, number: Any) -> None:
    await town.decide("CLERK", number, "accept", Decision.ACCEPT, "受理。")
    granted: Any = await town.decide("LEADER", number, "level:1", Decision.GRANT, "准予。")
    assert granted.status == "granted", granted


def states(view: PackageView) -> list[str]:
    return [each.state.value for each in view.parts]


async def asked(town: Town, number: str) -> Any:
    return await town.do(QueryPackage(number=number, password=query_password(town.secrets, number)), ANYBODY)


@pytest.mark.feature("FLOW-07")
async def test_a_package_spawns_its_cases_in_order_and_passes_shared_materials_on(town):
    await chain(town)
    filed = await town.do(application(), ANYBODY)
    assert states(filed) == ["filed", "waiting", "waiting", "waiting"]
    first = filed.parts[0].case
    assert [row.name for row in await Material.all().order_by("id")] == ["申请表", "身份证明"]

    await grant(town, first)
    view = await asked(town, filed.number)
    assert states(view) == ["filed", "filed", "filed", "waiting"]
    second, third = view.parts[1].case, view.parts[2].case
    for number, names in ((second, {"身份证明", "场所平面图"}), (third, {"场所平面图"})):
        case = await Case.get(number=number)
        given = await Material.filter(case_id=case.id)
        assert {row.name for row in given} == names
        assert all((row.sha256, row.size) == (SCANNED, 9) for row in given)
        assert (case.package_number, case.applicant_name, case.status) == (filed.number, "衡江饭店", "received")

    await grant(town, second)
    assert states(await asked(town, filed.number)) == ["filed", "filed", "filed", "waiting"]
    await grant(town, third)
    view = await asked(town, filed.number)
    assert states(view) == ["filed"] * 4
    assert [each.status.value for each in view.parts] == ["granted", "granted", "granted", "received"]
    assert await EventRow.filter(tag="package.part_filed", subject=f"package:{filed.number}").count() == 4
    assert {case.package_number for case in await Case.all()} == {filed.number}


async def test_what_was_corrected_in_one_part_is_passed_on_corrected(town):
    await chain(town)
    filed = await town.do(application(), ANYBODY)
    number = filed.parts[0].case
    await town.decide("CLERK", number, "accept", Decision.ASK_SUPPLEMENT, "证明过期。", items=("身份证明",))
    newer = MaterialGiven(name="身份证明", file_name="新.pdf", media_type="application/pdf", sha256=NEWER, size=8)
    await town.do(ReceiveSupplement(case=number, revision=2, materials=(newer,), complete=True), person("CLERK"))
    await town.decide("CLERK", number, "supplement", Decision.ACCEPT, "受理。")
    await town.decide("LEADER", number, "level:1", Decision.GRANT, "准予。")
    second = (await asked(town, filed.number)).parts[1].case
    passed_on = await Material.get(case_id=(await Case.get(number=second)).id, name="身份证明")
    assert passed_on.sha256 == NEWER


async def test_two_grants_at_once_free_the_part_that_waits_for_both(town):
    """Of two units: on PostgreSQL neither sees the other's grant before it is committed."""
    await chain(town)
    fire = json.loads(staged("ZJ-XK-043", levels=levels("handler")))
    await town.publish(json.dumps({**fire, "unit": "XF"}, ensure_ascii=False).encode())
    filed = await town.do(application(), ANYBODY)
    await grant(town, filed.parts[0].case)
    both = [each.case for each in (await asked(town, filed.number)).parts[1:3]]
    for number in both:
        await town.decide("CLERK", number, "accept", Decision.ACCEPT, "受理。")
    leads = zip(("LEADER", "FIRE"), both, strict=True)
    await asyncio.gather(*(town.decide(who, number, "level:1", Decision.GRANT, "准予。") for who, number in leads))
    assert states(await asked(town, filed.number)) == ["filed"] * 4


async def test_a_refused_part_stops_those_that_wait_for_it(town):
    await chain(town)
    filed = await town.do(application(), ANYBODY)
    number = filed.parts[0].case
    await town.decide("CLERK", number, "accept", Decision.ACCEPT, "受理。")
    await town.decide("LEADER", number, "level:1", Decision.REFUSE, "不符合条件。")
    assert states(await asked(town, filed.number)) == ["filed", "stopped", "stopped", "stopped"]


async def test_a_part_that_cannot_be_filed_does_not_undo_the_grant_that_freed_it(town):
    await chain(town)
    filed = await town.do(application(), ANYBODY)
    await Item.filter(code="ZJ-XK-042").update(state="retired")
    await grant(town, filed.parts[0].case)
    view = await asked(town, filed.number)
    assert states(view) == ["filed", "obstructed", "filed", "waiting"]
    assert view.parts[1].obstacle == "UNKNOWN_ITEM"
    assert await EventRow.filter(tag="package.part_obstructed").count() == 1


async def test_at_the_window_the_whole_chain_stays_at_the_window(town):
    await chain(town)
    filed = await town.do(application(channel=Channel.WINDOW), person("CLERK"))
    await grant(town, filed.parts[0].case)
    assert {case.window_unit for case in await Case.all()} == {"HALL"}
    assert (await town.do(application(channel=Channel.WINDOW), ANYBODY)).code == "NOT_PERMITTED"


async def test_a_form_is_divided_among_the_parts(town):
    await chain(town)
    schema = {"type": "object", "properties": {"area": {"type": "integer"}}, "required": ["area"]}
    definition = json.loads(part("ZJ-XK-041", "申请表"))
    definition["stages"][0]["form"] = schema
    await town.publish(json.dumps(definition, ensure_ascii=False).encode())
    answered = application(form=json.dumps({"ZJ-XK-041-01": {"area": 120}}))
    filed = await town.do(answered, ANYBODY)
    assert json.loads((await Case.get(number=filed.parts[0].case)).form) == {"area": 120}
    assert (await town.do(application(form="{}"), ANYBODY)).code == "FORM_ANSWERS_INVALID"
    assert await PackagePart.all().count() == 4


async def test_the_answers_of_every_part_are_looked_at_when_the_package_is_filed(town):
    """When a later part's turn comes, nobody is there to mend them."""
    await chain(town)
    schema = {"type": "object", "properties": {"seats": {"type": "integer"}}, "required": ["seats"]}
    definition = json.loads(part("ZJ-XK-042", "身份证明"))
    definition["stages"][0]["form"] = schema
    await town.publish(json.dumps(definition, ensure_ascii=False).encode())
    for form in ("", json.dumps({"ZJ-XK-042-01": {"seats": "forty"}})):
        assert (await town.do(application(form=form), ANYBODY)).code == "FORM_ANSWERS_INVALID"
    filed = await town.do(application(form=json.dumps({"ZJ-XK-042-01": {"seats": 40}})), ANYBODY)
    await grant(town, filed.parts[0].case)
    second = (await asked(town, filed.number)).parts[1].case
    assert json.loads((await Case.get(number=second)).form) == {"seats": 40}


async def test_only_its_applicant_and_officers_of_its_cases_may_ask_about_a_package(town):
    await chain(town)
    filed = await town.do(application(), ANYBODY)
    assert isinstance(await town.do(QueryPackage(number=filed.number), person("HANDLER")), PackageView)
    for who in (ANYBODY, person("FIRE")):
        assert (await town.do(QueryPackage(number=filed.number), who)).code == "QUERY_PASSWORD_NEEDED"
    wrong = await town.do(QueryPackage(number=filed.number, password="000000"), ANYBODY)
    assert wrong.code == "QUERY_PASSWORD_WRONG"
    assert (await town.do(QueryPackage(number="YTL2026999999"), ANYBODY)).code == "UNKNOWN_PACKAGE"


async def test_an_ordinary_item_is_no_package(town):
    assert (await town.do(application(item="ZJ-XK-001"), ANYBODY)).code == "NOT_A_PACKAGE"
    assert (await town.do(application(item="ZJ-XK-404"), ANYBODY)).code == "UNKNOWN_ITEM"


async def test_what_a_later_part_will_need_is_kept_until_it_is_filed(town):
    await chain(town)
    await town.knows("c" * 64)
    plan = MaterialGiven(name="场所平面图", file_name="图.pdf", media_type="application/pdf", sha256="c" * 64, size=9)
    await town.do(application(materials=(plan,)), ANYBODY)
    assert (await Upload.get(sha256="c" * 64)).kept


async def test_a_form_without_end_is_a_mistake_of_whoever_sent_it(town):
    await chain(town)
    definition = json.loads(part("ZJ-XK-041", "申请表"))
    definition["stages"][0]["form"] = {"type": "object", "properties": {}}
    await town.publish(json.dumps(definition, ensure_ascii=False).encode())
    assert (await town.do(application(form='{"a":' * 20_000), ANYBODY)).code == "FORM_ANSWERS_INVALID"
