"""A flowchart shows what a case can do: walked by real cases, step for step, and drawn as text and as a picture."""

import json
import re
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from casework.acts import Channel, Decision, DeemAccepted, PrepareDecision
from casework.catalogue.current import chart_of
from casework.catalogue.definitions import ItemDefinition, StageUnknown, parse
from casework.catalogue.flowchart import ARCHIVED, FORK, JOIN, SPECIAL, Flowchart, Kind, flowchart, mermaid
from casework.catalogue.flowchart_svg import svg, wrapped
from casework.clock.ledger import GROUND_NAMES
from casework.files import find
from casework.flow.steps import DECISION_NAMES, branch_of
from casework.seed import county, items
from casework.tables import Task
from kernel.refusals import NotFound, Refusal
from tests.casework.flow import PARALLEL, levels, staged
from tests.casework.town import Town, item, person

NAMES = {unit.code: unit.short_name for unit in county().units}
CHARTS = [flowchart(item, stage.code, NAMES) for item in items() for stage in item.stages]
OFFICERS = {
    ("HALL", "window_clerk"): "CLERK",
    ("ZJ", "handler"): "HANDLER",
    ("ZJ", "section_head"): "HEAD",
    ("ZJ", "deputy_leader"): "LEADER",
    ("ZJ", "unit_head"): "CHIEF",
    ("XF", "handler"): "FIRE",
    ("XF", "section_head"): "FIRE_HEAD",
    ("RF", "handler"): "SHELTER",
    ("SZJ", "handler"): "CITY",
    ("SZJ", "deputy_leader"): "CITY_LEADER",
}
#: What goes on; the first of these that a step offers.
ONWARD = (
    *(Decision.ACCEPT, Decision.AGREE, Decision.REPORT_UP, Decision.CONCUR, Decision.GRANT, Decision.COMPLETE),
    Decision.DELIVER,
)
UP = {"unit": "SZJ", "review_limit_days": 5, "levels": levels("handler", "deputy_leader")}
ALL_FOUR = levels("handler", "section_head", "deputy_leader", "unit_head")
BOTH = [{"unit": "XF", "name": "消防意见", "limit_days": 5, "levels": levels("handler", "section_head")}]


class Walk:
    """One case that goes the ways its chart shows."""

    def __init__(self, town: Town, number: str, chart: Flowchart) -> None:
        self.town, self.number, self.chart = town, number, chart
        self.walked: set[str] = set()
        self.returned: set[str] = set()

    async def open_tasks(self) -> dict[str, Task]:
        case = await find(self.number)
        return {task.step: task for task in await Task.filter(case_id=case.id, closed_at=None).order_by("id")}

    async def to_the_end(self) -> None:
        while tasks := await self.open_tasks():
            # The co-units speak before the case's own line decides.
            step = next((step for step in tasks if branch_of(step)), next(iter(tasks)))
            await self.offers_just_what_the_chart_shows(tasks[step])
            await self.decide(tasks[step], self.decision_at(step))

    def decision_at(self, step: str) -> Decision:
        offered = self.chart.moves_from(step)
        if DECISION_NAMES[Decision.RETURN] in offered and step not in self.returned:
            self.returned.add(step)
            return Decision.RETURN
        return next(each for each in ONWARD if DECISION_NAMES[each] in offered)

    async def offers_just_what_the_chart_shows(self, task: Task) -> None:
        offered = self.chart.moves_from(task.step)
        for decision in Decision:
            act = PrepareDecision(
                case=self.number,
                revision=(await find(self.number)).revision,
                step=task.step,
                decision=decision,
                opinion="意见。",
                items=("一",),
            )
            answer = await self.town.do(act, person(OFFICERS[task.unit_code, task.role]))
            refused = isinstance(answer, Refusal) and answer.code == "ILLEGAL_STEP"
            assert refused is (DECISION_NAMES[decision] not in offered), (task.step, decision, answer)

    async def decide(self, task: Task, decision: Decision) -> None:
        before = await self.open_tasks()
        (node,) = [node for node in self.chart.nodes if node.id == task.step]
        assert node.kind is Kind.STEP
        assert node.unit in ("", task.unit_code)
        outcome = await self.town.decide(
            OFFICERS[task.unit_code, task.role], self.number, task.step, decision, "意见。", items=("一",)
        )
        assert not isinstance(outcome, Refusal), (task.step, decision, outcome)
        self.walked.add(task.step)
        target = self.chart.moves_from(task.step)[DECISION_NAMES[decision]]
        opened = set(await self.open_tasks()) - (set(before) - {task.step})
        assert opened == self.leads_to(target, task.step), (task.step, decision)

    def leads_to(self, target: str, source: str) -> set[str]:
        """The steps at which something waits for somebody, once a line has reached `target`."""
        if target == ARCHIVED or target.startswith("end:"):
            return set()
        if target == JOIN and branch_of(source):
            return set()  # the deciding level is reached by the case's own line
        if target in (FORK, JOIN):
            onward = [edge.target for edge in self.chart.edges if edge.source == target]
            return set().union(*(self.leads_to(each, target) for each in onward))
        return {target}


async def walk(town: Town, definition: bytes, **filed: Any) -> Walk:
    town.at("2026-09-18")
    await town.publish(definition)
    code = json.loads(definition)["code"]
    number = (await town.file(item=code, stage=f"{code}-01", **filed)).number
    return Walk(town, number, await chart_of(town.database, code, f"{code}-01"))


@pytest.mark.feature("CAT-14")
@pytest.mark.parametrize(
    "definition",
    [
        item("ZJ-XK-040"),
        item("ZJ-XK-041", levels=1),
        staged("ZJ-XK-042", levels=ALL_FOUR),
        PARALLEL,
        staged("ZJ-XK-044", levels=levels("handler"), handling="parallel", branches=BOTH),
        staged("ZJ-XK-045", report_up=UP),
        staged("ZJ-XK-046", levels=levels("handler"), report_up=UP),
        staged(
            "ZJ-XK-047",
            levels=levels("handler", "deputy_leader"),
            handling="parallel",
            branches=BOTH,
            report_up=UP,
        ),
    ],
    ids=["three levels", "one", "four", "parallel", "parallel, one", "reported up", "after one", "both"],
)
async def test_a_case_walks_the_chart_of_its_stage_step_for_step(town, definition):
    """Every step of the chart is walked, forward and back, and at none is more or less possible than it shows."""
    walked = await walk(town, definition)
    await walked.to_the_end()
    assert (await find(walked.number)).status == "delivered"
    assert walked.walked == set(walked.chart.steps) - {"supplement"}

    second = await walk(town, definition)
    await second.decide((await second.open_tasks())["accept"], Decision.ASK_SUPPLEMENT)
    await second.offers_just_what_the_chart_shows((await second.open_tasks())["supplement"])


@pytest.mark.parametrize("decision", [Decision.REFUSE_ACCEPTANCE, Decision.NOT_NEEDED, Decision.NOT_OURS])
async def test_what_is_not_accepted_ends_as_the_chart_shows(town, decision):
    walked = await walk(town, item("ZJ-XK-040"))
    await walked.decide((await walked.open_tasks())["accept"], decision)
    assert await walked.open_tasks() == {}


async def test_silence_leads_where_the_dashed_line_leads(town):
    walked = await walk(town, PARALLEL)
    (edge,) = [edge for edge in walked.chart.edges if edge.automatic and edge.source == "accept"]
    town.at("2026-10-20")
    await town.do(DeemAccepted())
    assert set(await walked.open_tasks()) == walked.leads_to(edge.target, "accept")


async def test_what_is_handled_online_ends_without_a_window_when_it_was_filed_online(town):
    definition = item("ZJ-XK-048", changes={"mode": "online"})
    walked = await walk(town, definition)
    (edge,) = [edge for edge in walked.chart.edges if edge.automatic and edge.source == "complete"]
    assert (edge.target, edge.label) == (ARCHIVED, "网上申请的：电子送达")
    for step, decision in (
        ("accept", Decision.ACCEPT),
        ("level:1", Decision.AGREE),
        ("level:2", Decision.AGREE),
        ("level:3", Decision.GRANT),
    ):
        await walked.decide((await walked.open_tasks())[step], decision)
    await town.decide("HANDLER", walked.number, "complete", Decision.COMPLETE, "已办结。")
    assert await walked.open_tasks() == {}
    at_window = await walk(town, definition, channel=Channel.WINDOW)
    assert at_window.chart == walked.chart


async def test_only_what_is_published_and_not_secret_has_a_chart(town):
    with pytest.raises(StageUnknown):
        await chart_of(town.database, "ZJ-XK-001", "ZJ-XK-001-09")
    await town.database.execute("UPDATE item_version SET secret = TRUE")
    with pytest.raises(NotFound):
        await chart_of(town.database, "ZJ-XK-001", "ZJ-XK-001-01")


# --------------------------------------------------------------------------------------------------------- drawing
def test_special_procedures_and_extensions_stand_beside_the_levels():
    for chart in CHARTS:
        (note,) = [node for node in chart.nodes if node.id == SPECIAL]
        words = "".join(note.lines)
        assert all(name in words for name in GROUND_NAMES.values())
        joint = chart.title.startswith("房屋建筑和市政基础设施工程") or any(node.id == FORK for node in chart.nodes)
        assert ("15个工作日" if joint else "10个工作日") in words


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.subtitle[:12])
def test_every_line_of_every_seeded_chart_leads_from_box_to_box_and_every_box_is_reached(chart):
    boxes = {node.id for node in chart.nodes}
    assert len(boxes) == len(chart.nodes)
    assert {edge.source for edge in chart.edges} | {edge.target for edge in chart.edges} == boxes - {SPECIAL}
    picture = ElementTree.fromstring(svg(chart))
    assert not [each for each in picture.iter() if each.tag.endswith(("script", "foreignObject", "image", "use"))]
    words = "".join(picture.itertext())
    assert all(node.title in words for node in chart.nodes)
    for node in chart.nodes:
        assert all(sign in words for line in node.lines for sign in line)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.subtitle[:12])
def test_no_two_boxes_of_a_picture_lie_on_each_other(chart):
    picture = ElementTree.fromstring(svg(chart))
    area = [float(picture.attrib[name]) for name in ("width", "height")]
    rects = [each.attrib for each in picture if each.tag.endswith("rect") and each.attrib["width"] != "100%"]
    places = [tuple(float(each[name]) for name in ("x", "y", "width", "height")) for each in rects]
    assert len(places) == len(chart.nodes)
    for number, (x, y, width, height) in enumerate(places):
        assert x >= 0
        assert y >= 0
        assert x + width <= area[0]
        assert y + height <= area[1]
        for x2, y2, width2, height2 in places[:number]:
            apart = x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y
            assert apart, (chart.subtitle, (x, y), (x2, y2))


def test_mermaid_names_every_step_and_every_line():
    chart = next(chart for chart in CHARTS if chart.subtitle.startswith("JY-XK-002-01"))
    text = mermaid(chart)
    assert text.splitlines()[:4] == ["---", 'title: "校车使用许可（核发）办理流程图"', "---", "flowchart TD"]
    for step in chart.steps:
        assert re.search(rf"^  {step.replace(':', '_')}\[\"", text, re.MULTILINE), step
    assert '  level_3 -->|"初审完毕，上报"| level_4' in text
    assert '  accept -.->|"5个工作日内未一次告知：视为受理"| fork' in text
    assert not re.search(r"^  end\b", text, re.MULTILINE)


def test_words_of_a_definition_break_neither_text_nor_picture():
    nasty = '名"] --> x|<script>alert(1)</script>&\x00\n#end'
    made = parse(item("ZJ-XK-001", name=nasty))
    named = msgspec.structs.replace(made.stages[0], name=nasty, process=(nasty,))
    chart = flowchart(msgspec.structs.replace(made, stages=(named,)), named.code, {"ZJ": nasty})
    lines = mermaid(chart).splitlines()
    assert all(line.count('"') % 2 == 0 for line in lines)
    assert len(lines) == len(mermaid(flowchart(made, named.code, {})).splitlines())
    assert "<script" not in "".join(lines)
    picture = ElementTree.fromstring(svg(chart))
    assert not [each for each in picture.iter() if each.tag.endswith("script")]


def test_a_picture_is_the_same_octets_every_time():
    first = flowchart(items()[0], "ZJ-XK-001-01", NAMES)
    assert svg(first) == svg(flowchart(items()[0], "ZJ-XK-001-01", NAMES))
    assert isinstance(items()[0], ItemDefinition)


def test_lines_break_before_they_are_too_long_and_not_before_a_full_stop():
    assert wrapped("一二三四五", 10, 30) == ["一二三", "四五"]
    assert wrapped("一二三。四", 10, 30) == ["一二三。", "四"]
    assert wrapped("一二（三四", 10, 30) == ["一二", "（三四"]
    assert wrapped("", 10, 30) == []
