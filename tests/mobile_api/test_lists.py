import time
from datetime import date, datetime, timedelta

import pytest

from casework.clock.working_days import CHINA
from kernel.tables import Officer
from tests.mobile_api.stage import (
    CARD_LEADER,
    CLERK,
    HALL,
    HANDLER,
    HEAD,
    ITEM,
    LEADER,
    OTHER_HANDLER,
    STAGE,
    SUPERVISOR,
    Stage,
)


def at(stage: Stage, when: str) -> None:
    stage.clock.set(datetime.fromisoformat(when).replace(tzinfo=CHINA))


@pytest.mark.feature("MOB-01")
async def test_a_todo_list_holds_only_what_its_owner_may_act_on(stage: Stage) -> None:
    case = await stage.accepted()
    mine = await stage.get("Todos", (await stage.phone(HANDLER)).token)
    assert [node["case"]["number"] for node in mine["nodes"]] == [case]
    for other in (CLERK, HEAD, LEADER, OTHER_HANDLER, SUPERVISOR):
        theirs = await stage.get("Todos", (await stage.phone(other)).token)
        assert theirs["nodes"] == [], other


@pytest.mark.feature("MOB-01")
async def test_a_task_shows_its_light_and_the_working_days_that_remain(stage: Stage) -> None:
    case = await stage.accepted()  # Friday 09-18; the first level has one working day, the case three
    for when, light, left in (
        ("2026-09-18 23:59", "GREEN", 1),
        ("2026-09-19 09:00", "YELLOW", 1),  # Saturday
        ("2026-09-20 23:59", "YELLOW", 0),  # worked Sunday
        ("2026-09-21 00:00", "RED", -1),
        ("2026-10-08 09:00", "RED", -8),  # Mid-Autumn and National Day do not count
    ):
        at(stage, when)
        (task,) = (await stage.get("Todos", (await stage.phone(HANDLER)).token))["nodes"]
        assert (task["light"], task["daysLeft"], task["dueOn"]) == (light, left, "2026-09-20"), when
        assert (task["case"]["number"], task["case"]["committedDue"]) == (case, "2026-09-22")


async def test_days_of_a_special_procedure_do_not_count_as_remaining(stage: Stage) -> None:
    case = await stage.accepted()
    token = (await stage.phone(HANDLER)).token
    stopped = await stage.get(
        "StopClock",
        token,
        idempotencyKey="stop-the-clock",
        case=case,
        revision=2,
        ground="HEARING",
        toldDays=5,
        reason="依申请举行听证",
    )
    assert stopped["case"]["committedDue"] == "2026-09-30"
    (task,) = (await stage.get("Todos", token))["nodes"]
    assert (task["daysLeft"], task["dueOn"]) == (1, "2026-09-28")  # the step's one day, after the five told


@pytest.mark.feature("MOB-01")
async def test_pages_follow_each_other_though_a_task_leaves_the_list_meanwhile(stage: Stage) -> None:
    cases = [await stage.accepted() for _ in range(5)]
    token = (await stage.phone(HANDLER)).token
    first = await stage.get("Todos", token, first=2)
    await stage.decide(HANDLER, cases[0], "AGREE")
    second = await stage.get("Todos", token, first=2, after=first["endCursor"])
    third = await stage.get("Todos", token, first=2, after=second["endCursor"])
    numbers = [node["case"]["number"] for page in (first, second, third) for node in page["nodes"]]
    assert numbers == cases
    assert third["endCursor"] is None


async def test_a_filter_narrows_by_light_step_and_words(stage: Stage) -> None:
    case = await stage.accepted()
    await stage.file()
    token, clerk = (await stage.phone(HANDLER)).token, (await stage.phone(CLERK)).token

    async def found(who: str | None, **only: str) -> int:
        return len((await stage.get("Todos", who, filter=only))["nodes"])

    assert (await found(token, light="GREEN"), await found(token, light="RED")) == (1, 0)
    assert (await found(clerk, step="accept"), await found(clerk, step="deliver")) == (1, 0)
    assert (await found(token, text=case), await found(token, text="施工许可"), await found(token, text="%")) == (
        1,
        1,
        0,
    )
    at(stage, "2026-09-20 09:00")
    assert await found((await stage.phone(HANDLER)).token, light="YELLOW") == 1


async def test_a_cursor_nobody_gave_out_is_refused_by_name(stage: Stage) -> None:
    answer = await stage.ask("Todos", (await stage.phone(HANDLER)).token, after="bm90LWEtY3Vyc29y")
    assert answer["errors"][0]["extensions"]["code"] == "INVALID"


async def test_a_page_larger_than_allowed_is_refused(stage: Stage) -> None:
    answer = await stage.ask("Todos", (await stage.phone(HANDLER)).token, first=51)
    assert answer["errors"][0]["extensions"]["code"] == "INVALID"


@pytest.mark.feature("MOB-04")
async def test_done_keeps_the_own_opinion_of_cases_others_returned_or_decided_later(stage: Stage) -> None:
    returned, granted = await stage.accepted(), await stage.accepted()
    await stage.decide(HANDLER, returned, "AGREE", "初审同意。")
    await stage.decide(HEAD, returned, "RETURN", "缺少规划许可证。")
    await stage.decide(HANDLER, granted, "AGREE", "符合条件。")
    await stage.decide(HEAD, granted, "AGREE", "审核同意。")
    await stage.decide(LEADER, granted, "GRANT", "准予许可。")
    nodes = (await stage.get("Done", (await stage.phone(HANDLER)).token))["nodes"]
    by_case = {node["case"]["number"]: node for node in nodes}
    assert by_case[returned]["own"]["opinion"] == "初审同意。"
    assert by_case[returned]["case"]["returns"] == 1
    assert by_case[returned]["case"]["recentSteps"][0]["decision"] == "RETURN"
    assert by_case[granted]["own"]["opinion"] == "符合条件。"
    assert by_case[granted]["case"]["outcome"] == "granted"


@pytest.mark.feature("MOB-05")
async def test_overdue_is_sorted_by_days_and_limited_to_the_own_unit_or_the_supervised(stage: Stage) -> None:
    early = await stage.accepted()
    at(stage, "2026-09-21 09:00")
    late = await stage.accepted()
    at(stage, "2026-09-30 09:00")
    own = await stage.get("Overdue", (await stage.phone(HEAD)).token)
    assert [node["case"]["number"] for node in own["nodes"]] == [early, late]
    days = [-node["daysLeft"] for node in own["nodes"]]
    assert days == sorted(days, reverse=True)
    assert all(node["light"] == "RED" for node in own["nodes"])
    assert (await stage.get("Overdue", (await stage.phone(OTHER_HANDLER)).token))["nodes"] == []
    supervised = await stage.get("Overdue", (await stage.phone(CARD_LEADER)).token, scope="SUPERVISED")
    assert len(supervised["nodes"]) == 2
    refused = await stage.ask("Overdue", (await stage.phone(HEAD)).token, scope="SUPERVISED")
    assert refused["errors"][0]["extensions"]["code"] == "NOT_PERMITTED"


@pytest.mark.feature("MOB-01")
async def test_a_page_of_ten_thousand_open_tasks_takes_less_than_300_ms(stage: Stage) -> None:
    await fill(stage, cases=10_000)
    token = (await stage.phone(HANDLER)).token
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        page = await stage.get("Todos", token)
        seconds.append(time.perf_counter() - started)
        assert len(page["nodes"]) == 20
    assert sorted(seconds)[18] < 0.3  # 95 %


async def fill(stage: Stage, *, cases: int) -> None:
    """Open tasks of the handler, written as the office would have left them."""
    now, today = stage.clock.now(), date(2026, 9, 18)
    database = stage.database
    async with database.transaction():
        await database.insert(
            "case_file",
            (
                *("number", "status", "revision", "channel", "item_code", "item_version", "item_name", "stage_code"),
                *("secret", "unit_code", "applicant_name", "applicant_id_number", "applicant_phone", "statutory_days"),
                *("committed_days", "yellow_before_days", "received_on", "entered_at", "supplement_asked"),
                *("deemed_accepted", "due_provisional", "outcome", "returns"),
                *("agent_name", "agent_id_number", "agent_phone", "form", "window_unit", "package_number"),
                "licence_number",
            ),
            [
                (
                    *(f"X{n:08d}", "in_approval", 2, "online", ITEM, 1, "建筑工程施工许可证核发", STAGE),
                    *(
                        False,
                        "ZJJ",
                        "某公司",
                        "",
                        "",
                        7,
                        3,
                        1,
                        day_value(stage, today),
                        now,
                        False,
                        False,
                        False,
                        "",
                        0,
                    ),
                    *("", "", "", "", "", "", ""),
                )
                for n in range(cases)
            ],
        )
        await database.execute(
            "INSERT INTO task (case_id, step, role, unit_code, opened_at, due_on, yellow_at, red_at, sort_at)"
            " SELECT id, 'level:1', 'handler', 'ZJJ', $1, received_on, $2, $3, $3 FROM case_file",
            now,
            now + timedelta(days=2),
            now + timedelta(days=3),
        )


def day_value(stage: Stage, day: date):
    return day if stage.database.dialect == "postgres" else day.isoformat()


async def test_the_window_sees_applications_that_wait_for_it(stage: Stage) -> None:
    filed = await stage.file()
    (task,) = (await stage.get("Todos", (await stage.phone(CLERK)).token))["nodes"]
    assert (task["case"]["number"], task["unit"], task["light"], task["dueOn"]) == (
        filed["number"],
        HALL,
        "GREEN",
        None,
    )


async def test_an_officer_of_two_levels_is_not_shown_the_level_above_their_own_opinion(stage: Stage) -> None:
    await Officer.filter(id=HANDLER).update(roles=["handler", "section_head"])
    mine, others = await stage.accepted(), await stage.accepted()
    await stage.decide(HANDLER, mine, "AGREE")
    nodes = (await stage.get("Todos", (await stage.phone(HANDLER)).token))["nodes"]
    assert [node["case"]["number"] for node in nodes] == [others]
    nodes = (await stage.get("Todos", (await stage.phone(HEAD)).token))["nodes"]
    assert [node["case"]["number"] for node in nodes] == [mine]
