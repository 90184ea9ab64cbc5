"""流程图: how one stage of an item is handled, drawn from the tables that handle it and from nothing else.

The steps are the stage's levels and branches, the lines between them the moves that the flow allows (`MOVES`): what
the chart shows is what a case can do, and nobody uploads a picture. `mermaid` gives it as text, `flowchart_svg` as a
picture.

Source: the supervision rules want a flowchart of every item (符合电子监察要求的运行流程图); Administrative Licensing
Law, art. 32 (acceptance by silence), 42 (extension), 43 (reporting up), 45 (special procedures).
Limits: pure. What an applicant may do at any time (withdraw) is not drawn; special procedures stand beside the levels.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from casework.acts import Decision
from casework.catalogue.definitions import Handling, ItemDefinition, Level, OnlineLevel, ServiceMode, Stage
from casework.clock.ledger import GROUND_NAMES
from casework.flow import steps
from casework.flow.steps import Move
from kernel.actor import Role

START, FORK, JOIN, ARCHIVED, SPECIAL = "start", "fork", "join", "archived", "special"
#: Lanes: what waits beside the line, the line itself, then the co-units one by one.
BESIDE, MAIN = -1, 0

_ENDINGS = {
    Move.CLOSE_UNACCEPTED: "书面告知理由和救济途径",
    Move.CLOSE_NOT_NEEDED: "即时告知不需要许可",
    Move.CLOSE_NOT_OURS: "即时告知有管辖权的机关",
}
_ANYWHERE = "各环节可以退回以前的任一环节"
_EXTENSION = "经本机关负责人批准可延长10个工作日，一次为限（第四十二条）"
_JOINT_EXTENSION = "经本级人民政府负责人批准可延长15个工作日，一次为限（第四十二条）"


class Kind(StrEnum):
    START = "start"
    STEP = "step"
    END = "end"
    BAR = "bar"  # a fork or a join
    NOTE = "note"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A box. A step's `id` is the step's own code in the flow; `unit`: whose it is, where it is a level."""

    id: str
    kind: Kind
    title: str = ""
    lines: tuple[str, ...] = ()
    lane: int = MAIN
    row: int = 0
    unit: str = ""


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """From box to box. `automatic`: by the law or by the office itself, without anybody's decision."""

    source: str
    target: str
    label: str = ""
    automatic: bool = False


class Flowchart(msgspec.Struct, frozen=True, kw_only=True):
    """`own_unit`: the authority whose item it is; other units' boxes look different."""

    title: str
    subtitle: str
    own_unit: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[str, ...]:
        """The codes of the steps a case of this stage can stand at."""
        return tuple(node.id for node in self.nodes if node.kind is Kind.STEP)

    def moves_from(self, node: str) -> dict[str, str]:
        """What leads on from a box by somebody's decision: label to box."""
        return {edge.label: edge.target for edge in self.edges if edge.source == node and not edge.automatic}


def flowchart(item: ItemDefinition, stage_code: str, unit_names: Mapping[str, str]) -> Flowchart:
    """The chart of one stage. `unit_names` by code; a unit that is not there shows its code. Raises StageUnknown."""
    stage = item.stage(stage_code)
    drawing = _Drawing(item, stage, unit_names)
    limits = f"法定时限{stage.statutory_limit_days}个工作日　承诺时限{stage.committed_limit_days}个工作日"
    return Flowchart(
        title=f"{item.name}（{stage.name}）办理流程图",
        subtitle=f"{stage.code}　{limits}",
        own_unit=item.unit,
        nodes=tuple(drawing.nodes()),
        edges=tuple(drawing.edges()),
        notes=(*stage.process, *([_ANYWHERE] if stage.return_anywhere else [])),
    )


def mermaid(chart: Flowchart) -> str:
    """The chart as Mermaid text; a step keeps its code, with `_` for `:`."""
    lines = ["---", f"title: {_quoted(chart.title)}", "---", "flowchart TD"]
    lines += [f"  {_name(node.id)}{_shape(node)}" for node in chart.nodes]
    for edge in chart.edges:
        arrow = "-.->" if edge.automatic else "-->"
        label = f"|{_quoted(edge.label)}|" if edge.label else ""
        lines.append(f"  {_name(edge.source)} {arrow}{label} {_name(edge.target)}")
    lines += [
        f"  {SPECIAL} -.- {_name(node.id)}" for node in chart.nodes if node.lane == MAIN and steps.level_of(node.id)
    ]
    return "\n".join(lines) + "\n"


class _Drawing:
    """One stage on its grid of lanes and rows: line 0 is the case's own, the others the co-units'."""

    def __init__(self, item: ItemDefinition, stage: Stage, unit_names: Mapping[str, str]) -> None:
        self._item, self._stage, self._names = item, stage, unit_names
        above = stage.report_up
        own = [(item.unit, level) for level in stage.levels]
        up = [(above.unit, level) for level in above.levels] if above else []
        self._lines: list[list[tuple[str, Level]]] = [
            own + up,
            *([(branch.unit, level) for level in branch.levels] for branch in stage.branches),
        ]
        self._first_row = 3 if stage.branches else 2
        # The deciding level waits below the join until every co-unit has spoken.
        beside = max((len(line) for line in self._lines[1:]), default=0)
        self._join_row = self._first_row + max(len(self._lines[0]) - 1, beside)

    # ------------------------------------------------------------------------------------------------------- boxes
    def nodes(self) -> Iterator[Node]:
        yield Node(id=START, kind=Kind.START, title="申请", lines=(self._ways_in(), "发给接件凭证"))
        yield Node(
            id=steps.ACCEPT, kind=Kind.STEP, title="受理", lines=("窗口人员", "当场或者5个工作日内一次告知"), row=1
        )
        yield Node(
            id=steps.SUPPLEMENT,
            kind=Kind.STEP,
            title="补正",
            lines=("申请人补齐全部内容", "窗口人员核对"),
            lane=BESIDE,
            row=1,
        )
        for decision, move in steps.MOVES[steps.Place.ACCEPT].items():
            if move in _ENDINGS:
                title, words = steps.DECISION_NAMES[decision], (_ENDINGS[move],)
                yield Node(id=_ending(decision), kind=Kind.END, title=title, lines=words, lane=1, row=1)
        if self._stage.branches:
            yield Node(id=FORK, kind=Kind.BAR, title="同时办理", row=2)
            yield Node(id=JOIN, kind=Kind.BAR, title="会办意见齐备", row=self._join_row)
        yield Node(
            id=SPECIAL, kind=Kind.NOTE, title="特殊程序", lines=self._special(), lane=BESIDE, row=self._first_row
        )
        for number, line in enumerate(self._lines):
            yield from self._levels(number, line)
        yield from self._ending_nodes()

    def _levels(self, number: int, line: list[tuple[str, Level]]) -> Iterator[Node]:
        for place, (unit, level) in enumerate(line, 1):
            step = steps.at_level(place, number)
            days = (f"{level.limit_days}个工作日",) if level.limit_days else ()
            yield Node(
                id=step,
                kind=Kind.STEP,
                title=steps.step_name(step, level.role),
                lines=(self._who(unit, level.role), *days),
                lane=number,
                row=self._row(number, place),
                unit=unit,
            )

    def _ending_nodes(self) -> Iterator[Node]:
        decider, _ = self._lines[0][-1]
        row = self._row(0, len(self._lines[0]))
        licence = self._item.licence
        issued = f"《{licence.name}》或者不予许可决定书" if licence else "决定文书"
        yield Node(
            id=steps.COMPLETE,
            kind=Kind.STEP,
            title="办结",
            lines=(self._who(decider, Role.HANDLER),),
            row=row + 1,
            unit=decider,
        )
        yield Node(id=steps.DELIVER, kind=Kind.STEP, title="送达", lines=("窗口人员", issued), row=row + 2)
        yield Node(id=ARCHIVED, kind=Kind.END, title="归档", row=row + 3)

    def _row(self, number: int, place: int) -> int:
        if number == 0 and self._stage.branches and place == len(self._lines[0]):
            return self._join_row + 1
        return self._first_row + place - 1

    def _who(self, unit: str, role: Role) -> str:
        return f"{self._names.get(unit, unit)}·{steps.ROLE_NAMES.get(role, role.value)}"

    def _ways_in(self) -> str:
        online = self._item.online_level.reaches(OnlineLevel.ACCEPTANCE)
        return "网上或者到窗口提交" if online else "到窗口提交"

    def _special(self) -> tuple[str, ...]:
        grounds = "、".join(GROUND_NAMES.values())
        joint = self._stage.handling is not Handling.SINGLE
        return (
            f"依法需要{grounds}的，书面告知所需时间，不计入办理时限（第四十五条）",
            f"延期：{_JOINT_EXTENSION if joint else _EXTENSION}",
        )

    # ------------------------------------------------------------------------------------------------------- lines
    def edges(self) -> Iterator[Edge]:
        yield Edge(source=START, target=steps.ACCEPT)
        yield from self._from(steps.ACCEPT, 0)
        begin = FORK if self._stage.branches else steps.FIRST_LEVEL
        silence = "5个工作日内未一次告知：视为受理"
        yield Edge(source=steps.ACCEPT, target=begin, label=silence, automatic=True)
        yield from self._from(steps.SUPPLEMENT, 0)
        if self._stage.branches:
            firsts = [self._after(0, 0), *(steps.at_level(1, number) for number in range(1, len(self._lines)))]
            yield from (Edge(source=FORK, target=first, automatic=True) for first in firsts)
        for number, line in enumerate(self._lines):
            for place in range(1, len(line) + 1):
                yield from self._from(steps.at_level(place, number), number)
        if self._stage.branches:
            yield Edge(source=JOIN, target=steps.at_level(len(self._lines[0])), automatic=True)
        yield from self._from(steps.COMPLETE, 0)
        if self._item.mode is ServiceMode.ONLINE:
            yield Edge(source=steps.COMPLETE, target=ARCHIVED, label="网上申请的：电子送达", automatic=True)
        yield from self._from(steps.DELIVER, 0)

    def _from(self, step: str, number: int) -> Iterator[Edge]:
        """One line for every decision that the flow allows at `step`."""
        above = self._stage.report_up is not None and number == 0
        place = steps.place_of(step, levels=len(self._lines[number]), reviews=len(self._stage.levels) if above else 0)
        for decision, move in steps.MOVES[place].items():
            label, target = steps.DECISION_NAMES[decision], self._target(step, number, decision, move)
            yield Edge(source=step, target=target, label=label)

    def _target(self, step: str, number: int, decision: Decision, move: Move) -> str:
        if move in _ENDINGS:
            return _ending(decision)
        level = steps.level_of(step) or 0
        if move in (Move.UP, Move.REPORT):
            return self._after(number, level)
        if move is Move.BACK:
            return steps.at_level(level - 1, number)
        return {
            Move.BEGIN_APPROVAL: FORK if self._stage.branches else steps.FIRST_LEVEL,
            Move.WAIT_FOR_SUPPLEMENT: steps.SUPPLEMENT,
            Move.END_BRANCH: JOIN,
            Move.DECIDE: steps.COMPLETE,
            Move.TO_DELIVERY: steps.DELIVER,
            Move.CLOSE: ARCHIVED,
        }[move]

    def _after(self, number: int, level: int) -> str:
        """Where a line goes on after `level`: the join stands before the deciding level."""
        deciding = number == 0 and level + 1 == len(self._lines[0])
        return JOIN if deciding and self._stage.branches else steps.at_level(level + 1, number)


def _ending(decision: Decision) -> str:
    return f"end:{decision.value}"


# ---------------------------------------------------------------------------------------------------------- Mermaid
_BRACKETS = {
    Kind.START: ("([", "])"),
    Kind.STEP: ("[", "]"),
    Kind.END: ("([", "])"),
    Kind.BAR: ("[[", "]]"),
    Kind.NOTE: ("[/", "/]"),
}


def _shape(node: Node) -> str:
    left, right = _BRACKETS[node.kind]
    return left + _quoted("<br>".join(_plain(line) for line in (node.title, *node.lines)), plain=False) + right


def _name(node: str) -> str:
    """`end` is a word of Mermaid's own, and so is a colon."""
    return node.replace(":", "_").replace("end_", "stop_")


def _quoted(text: str, *, plain: bool = True) -> str:
    return f'"{_plain(text) if plain else text}"'


def _plain(text: str) -> str:
    """Text that ends no quotation and begins no tag, on one line."""
    one_line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    for sign, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("|", "#124;")):
        one_line = one_line.replace(sign, entity)
    return one_line
