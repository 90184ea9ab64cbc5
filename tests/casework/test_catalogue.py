"""The catalogue: what must be said before an item may be published, and what a version means for cases."""

import json

import pytest

from casework.acts import Channel, Decision, FileApplication, ItemView, PublishItem
from casework.catalogue.checks import ItemSecret
from casework.refusals import ItemRetired, UnknownItem
from casework.rules import CaseworkRules
from casework.tables import Case, Item, ItemVersion
from kernel.actor import ANYBODY
from tests.casework.changes import Changes
from tests.casework.town import Town, item, person

FOURTEEN = {
    "name": "事项名称",
    "certificate": "颁发的证件及有效期",
    "kind_and_effect": "审批类型及法律效力",
    "basis": "设定依据",
    "conditions": "审批条件",
    "accepting_office": "审批受理机构及地点",
    "deciding_authority": "审批决定机关",
    "forms": "审批表格",
    "inspection": "年审或年检",
    "enquiries_and_complaints": "受理咨询与投诉的机构和电话",
}


@pytest.mark.feature("CAT-02")
@pytest.mark.parametrize("field", FOURTEEN)
async def test_an_item_with_an_empty_element_is_refused_and_the_element_named(town, field):
    refused = await town.publish(item("ZJ-XK-009", changes={field: ""}))
    assert refused.code == "ITEM_INCOMPLETE"
    assert refused.details["missing"] == [FOURTEEN[field]]


async def test_an_item_has_one_of_three_classes(town):
    definition = json.loads(item("ZJ-XK-009"))
    del definition["item_class"]
    assert (await town.publish(json.dumps(definition).encode())).code == "ITEM_MALFORMED"
    assert (await town.publish(item("ZJ-XK-009", item_class="other"))).code == "ITEM_MALFORMED"
    for number, item_class in enumerate(("permit", "approval", "service"), 10):
        assert isinstance(await town.publish(item(f"ZJ-XK-0{number}", item_class=item_class)), ItemView)


@pytest.mark.feature("CAT-03")
async def test_codes_follow_the_pattern_and_a_retired_code_is_never_used_again(town):
    assert (await town.publish(item("住建-1"))).code == "ITEM_CODE_INVALID"
    await Changes(town).removed()
    assert await town.publish(item("ZJ-XK-001")) == ItemRetired(item="ZJ-XK-001")
    assert (await Item.get(code="ZJ-XK-001")).state == "retired"


@pytest.mark.feature("CAT-03")
async def test_a_region_sets_its_own_pattern_and_publishing_never_changes_a_code(database, clock):
    town = Town(database, clock, CaseworkRules(item_code_pattern=r"\d{4}"))
    await town.settle()
    assert isinstance(await town.publish(item("4301")), ItemView)
    assert (await town.publish(item("ZJ-XK-001"))).code == "ITEM_CODE_INVALID"
    renamed = await town.publish(item("4301", changes={"name": "新名称"}))
    assert renamed == ItemView(code="4301", version=2, state="published")
    assert [item.code for item in await Item.all()] == ["4301"]


@pytest.mark.feature("CAT-05")
async def test_a_promise_longer_than_the_law_is_refused_and_a_case_shows_both_dates(town):
    assert (await town.publish(item("ZJ-XK-009", statutory=20, committed=21))).code == "COMMITTED_OVER_STATUTORY"
    await town.publish(item(statutory=20, committed=10))
    case = await Case.get(number=await town.accepted())
    assert (str(case.statutory_due), str(case.committed_due)) == ("2026-10-22", "2026-10-09")


@pytest.mark.feature("CAT-04")
async def test_a_case_uses_the_values_of_its_own_stage(town):
    definition = json.loads(item())
    second = dict(definition["stages"][0], code="ZJ-XK-001-02", name="变更")
    second |= {"statutory_limit_days": 7, "committed_limit_days": 3, "materials": "无"}
    second["fees"] = [{"name": "工本费", "standard": "10元/证", "basis": "价费〔2020〕1号"}]
    definition["stages"].append(second)
    assert isinstance(await town.publish(json.dumps(definition).encode()), ItemView)
    change = await Case.get(number=await town.accepted(stage="ZJ-XK-001-02"))
    assert (change.statutory_days, change.committed_days) == (7, 3)
    unknown = FileApplication(
        item="ZJ-XK-001",
        stage="ZJ-XK-001-09",
        applicant_name="甲",
        applicant_id_number="1",
        applicant_phone="13800000001",
        channel=Channel.ONLINE,
    )
    assert (await town.do(unknown, ANYBODY)).code == "STAGE_UNKNOWN"


async def test_a_case_keeps_the_version_it_was_accepted_under(town):
    number = await town.accepted()
    await town.publish(item(committed=5, levels=1))
    case = await Case.get(number=number)
    assert (case.item_version, case.committed_days) == (1, 20)
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)  # still three levels
    assert await ItemVersion.filter(item_code="ZJ-XK-001").count() == 2


async def test_a_secret_item_is_never_published(town):
    assert await town.publish(item("ZJ-XK-009", secret=True)) == ItemSecret(item="ZJ-XK-009")
    assert not await Item.exists(code="ZJ-XK-009")


async def test_nothing_can_be_filed_that_is_not_in_the_catalogue(town):
    act = FileApplication(
        item="ZJ-XK-404",
        stage="x",
        applicant_name="甲",
        applicant_id_number="1",
        applicant_phone="13800000001",
        channel=Channel.ONLINE,
    )
    assert await town.do(act, ANYBODY) == UnknownItem(item="ZJ-XK-404")


async def test_nobody_publishes_but_the_operator_at_the_desk(town):
    for who in ("HANDLER", "CHIEF", "REFORM", "LEGAL"):
        refused = await town.do(PublishItem(definition=item("ZJ-XK-009")), person(who))
        assert refused.code == "NOT_PERMITTED"


@pytest.mark.feature("CAT-03")
async def test_the_code_of_a_stage_that_was_given_up_is_never_used_again(town):
    definition = json.loads(item())
    renewal = dict(definition["stages"][0], code="ZJ-XK-001-02", name="延续")
    two = json.dumps({**definition, "stages": [*definition["stages"], renewal]}).encode()
    assert (await town.publish(two)).version == 2
    assert (await town.publish(item())).version == 3
    refused = await town.publish(two)
    assert (refused.code, refused.details["stages"]) == ("STAGE_RETIRED", ["ZJ-XK-001-02"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"unit": "NIX"}, "NOT_FOUND"),
        ({"offered_at": ["HALL"]}, None),
        ({"offered_at": ["ZJ"]}, "NO_WINDOW_THERE"),  # an authority, not a hall, branch or centre
        ({"offered_at": ["HALL", "NIX"]}, "NO_WINDOW_THERE"),
    ],
)
async def test_the_units_of_an_item_exist_and_its_windows_are_windows(town, changes, code):
    outcome = await town.publish(item("ZJ-XK-009", **changes))
    assert getattr(outcome, "code", None) == (code or "ZJ-XK-009")


async def test_every_unit_that_must_act_exists(town):
    definition = json.loads(item("ZJ-XK-009"))
    definition["stages"][0]["report_up"] = {"unit": "NIX", "review_limit_days": 10}
    assert (await town.publish(json.dumps(definition).encode())).code == "NOT_FOUND"
    del definition["stages"][0]["report_up"]
    definition["stages"][0] |= {
        "handling": "parallel",
        "branches": [{"unit": "NIX", "name": "意见", "limit_days": 5}],
    }
    assert (await town.publish(json.dumps(definition).encode())).code == "NOT_FOUND"


async def test_an_item_that_is_only_shown_online_is_filed_at_the_window(town):
    await town.publish(item("ZJ-XK-009", online_level="display", mode="window"))
    online = FileApplication(
        item="ZJ-XK-009",
        stage="ZJ-XK-009-01",
        applicant_name="甲",
        applicant_id_number="1",
        applicant_phone="13800000001",
        channel=Channel.ONLINE,
    )
    refused = await town.do(online, ANYBODY)
    assert refused.code == "NOT_ONLINE"
    assert "窗口" in refused.text
    assert await town.file(channel=Channel.WINDOW, item="ZJ-XK-009", stage="ZJ-XK-009-01")
