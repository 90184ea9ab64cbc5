"""Three levels, told by the real command: three processes, three databases, HTTP between them, one killed and back."""

import pytest

from tests.scenarios.test_demo import demo


@pytest.mark.timeout(300)
@pytest.mark.feature("EXCH-07")
async def test_a_countys_red_light_stands_on_the_provinces_board_and_each_level_sees_its_subordinates():
    code, report = await demo("--levels")
    assert [step for step in report["steps"] if not step["ok"]] == []
    assert code == 0
    told = [step["name"] for step in report["steps"]]
    for name in (
        "a county's red light is on the province's board",
        "the county sees its own cases only",
        "nobody but supervision sees the board",
        "the missing day is alarmed at the city",
        "reconciliation proves completeness at every level",
    ):
        assert name in told
    county, city, province = (report["levels"][name] for name in ("HENGJIANG", "HENGYANG", "HUNAN"))
    late = next(number for number, light in county["cases"].items() if light == "RED")
    assert province["cases"][f"HENGYANG:HENGJIANG.{late}"] == "RED"
    assert (list(county["systems"]), list(city["systems"]), list(province["systems"])) == (
        [],
        ["HENGJIANG"],
        ["HENGYANG"],
    )
    assert {system["missingDays"] for level in (city, province) for system in level["systems"].values()} == {0}
