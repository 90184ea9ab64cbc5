"""The phone's statistics are the command line's, and the search finds what the officer may see."""

import asyncio
import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from casework.acts import FillCalendar
from casework.clock.working_days import day_of
from server.__main__ import app
from supervision.acts import TurnLights
from supervision.statistics import NUMBERS
from tests.mobile_api.stage import HANDLER, HEAD, ITEM, LEADER, OTHER_HANDLER, SUPERVISOR, Stage

OTHER_ITEM = {"item": "SJ-XK-001", "stage": "SJ-XK-001-01"}


async def a_week(stage: Stage) -> None:
    await stage.clock_does(FillCalendar())
    for outcome in ("GRANT", "REFUSE"):
        number = await stage.accepted()
        for officer, decision in ((HANDLER, "AGREE"), (HEAD, "AGREE"), (LEADER, outcome)):
            await stage.decide(officer, number, decision, "意见。")
        stage.clock.advance(timedelta(days=3))
    await stage.accepted()
    await stage.accepted(**OTHER_ITEM)
    stage.clock.advance(timedelta(days=14))
    await stage.clock_does(TurnLights())


async def command(stage: Stage, *arguments: str) -> str:
    """What `zhangban statistics` prints. A process opens one database at a time, so the stage is asked no more."""
    await stage.database.close()
    today = day_of(stage.clock.now()).isoformat()
    words = ("statistics", "--database", stage.database.url, "--today", today, *arguments)
    result = await asyncio.get_running_loop().run_in_executor(None, CliRunner().invoke, app, words)
    assert result.exit_code == 0, result.stderr
    return str(result.stdout)


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


#: GraphQL filter, the same for the command line, and the dimensions.
QUESTIONS: tuple[tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]], ...] = (
    ({"light": "RED"}, ("--light", "red"), ("unit", "result", "month", "item_class")),
    (
        {"since": "2026-09-18", "until": "2026-09-22", "periodOf": "CLOSED", "itemClass": "PERMIT"},
        *(("--since", "2026-09-18", "--until", "2026-09-22", "--period-of", "closed", "--item-class", "permit"),),
        ("item",),
    ),
)


@pytest.mark.feature("MOB-06")
@pytest.mark.feature("STAT-01")
async def test_the_phone_and_the_command_line_show_the_same_numbers_for_the_same_filter(stage: Stage) -> None:
    await a_week(stage)
    token = (await stage.phone(SUPERVISOR)).token
    answers = [
        await stage.get("Statistics", token, filter=wanted, by=[name.upper() for name in by])
        for wanted, _, by in QUESTIONS
    ]
    everything = (await stage.get("Statistics", token))["total"]
    for (_, options, by), answer in zip(QUESTIONS, answers, strict=True):
        phones = [
            {
                **{name: key["value"] for name, key in zip(by, row["keys"], strict=True)},
                **{name: "" if row[camel(name)] is None else str(row[camel(name)]) for name in NUMBERS},
            }
            for row in answer["rows"]
        ]
        groups = [each for name in by for each in ("--by", name)]
        printed = await command(stage, *options, *groups, "--csv")
        lines = list(csv.reader(io.StringIO(printed.removeprefix("\ufeff"))))
        assert lines[0][len(by) :] == list(NUMBERS.values())
        exported = [dict(zip((*by, *NUMBERS), line, strict=True)) for line in lines[1:]]
        assert exported == phones
        assert phones
    (total,) = json.loads(await command(stage, "--json"))["rows"]
    assert {name: total[name] for name in NUMBERS} == {name: everything[camel(name)] for name in NUMBERS}
    # Decided in time, but not brought to the applicant: a red light all the same.
    assert (total["received"], total["closed"], total["on_time"], total["red_lights"]) == (4, 2, 2, 3)


@pytest.mark.feature("STAT-05")
async def test_an_officer_counts_their_own_unit_and_names_are_shown(stage: Stage) -> None:
    await a_week(stage)
    token = (await stage.phone(HANDLER)).token
    mine = await stage.get("Statistics", token, by=["UNIT", "ITEM_CLASS"])
    (row,) = mine["rows"]
    assert [(key["value"], key["label"]) for key in row["keys"]] == [
        ("ZJJ", "衡江县住房和城乡建设局"),
        ("permit", "行政许可"),
    ]
    assert mine["total"]["received"] == row["received"] == 3
    refused = await stage.ask("Statistics", token, filter={"unit": "SJJ"})
    assert refused["errors"][0]["extensions"]["code"] == "NOT_PERMITTED"
    refused = await stage.ask("Statistics", token, by=["UNIT", "ITEM", "STAGE", "MONTH", "LIGHT"])
    assert refused["errors"][0]["extensions"]["code"] == "INVALID"


@pytest.mark.feature("STAT-08")
async def test_cases_are_found_by_number_applicant_and_state_among_those_one_may_see(stage: Stage) -> None:
    first = await stage.accepted(applicantName="衡江建设有限公司")
    second = str((await stage.file(applicantName="李四", applicantPhone="13800000099"))["number"])
    other = str((await stage.file(applicantName="李四", **OTHER_ITEM))["number"])

    async def found(officer: str, **search: Any) -> list[str]:
        page = await stage.get("SearchCases", (await stage.phone(officer)).token, search=search)
        return [node["number"] for node in page["nodes"]]

    assert await found(HANDLER) == [second, first]
    assert await found(SUPERVISOR) == [other, second, first]
    assert await found(OTHER_HANDLER, applicant="李四") == [other]
    assert await found(HANDLER, number=first) == [first]
    assert await found(HANDLER, number=first[:6]) == [second, first]
    assert await found(HANDLER, applicant="建设") == [first]
    assert await found(HANDLER, applicant="13800000099") == [second]
    assert await found(HANDLER, applicant="91430400MA4L000000") == [second, first]
    assert await found(HANDLER, statuses=["RECEIVED"]) == [second]
    assert await found(HANDLER, statuses=["RECEIVED", "IN_APPROVAL"], item=ITEM) == [second, first]
    for nothing in ({"applicant": "%"}, {"number": "_"}, {"unit": "SJJ"}, {"item": "SJ-XK-001"}):
        assert await found(HANDLER, **nothing) == []
    await stage.database.execute("UPDATE case_file SET secret = TRUE WHERE number = $1", first)
    assert first not in await found(SUPERVISOR)


async def test_a_search_is_paged_newest_first(stage: Stage) -> None:
    numbers = [str((await stage.file())["number"]) for _ in range(3)]
    token = (await stage.phone(HANDLER)).token
    page = await stage.get("SearchCases", token, search={}, first=2)
    rest = await stage.get("SearchCases", token, search={}, first=2, after=page["endCursor"])
    assert [node["number"] for node in (*page["nodes"], *rest["nodes"])] == numbers[::-1]
    assert rest["endCursor"] is None
