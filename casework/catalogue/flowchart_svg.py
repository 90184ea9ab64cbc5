"""A flowchart as a picture: one SVG without scripts, fonts or links to anything outside, the same octets every time.

Boxes stand where the chart puts them, in lanes and rows; this module gives them sizes and draws the lines at right
angles. Units of length are SVG user units, about one pixel.
Limits: pure. Text is measured by rule of thumb (a Chinese character is as wide as it is high), not by a font.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from casework.catalogue.flowchart import ARCHIVED, BESIDE, FORK, JOIN, MAIN, SPECIAL, Edge, Flowchart, Kind, Node
from casework.flow import steps

_FONT = "Noto Sans CJK SC, Source Han Sans SC, Microsoft YaHei, PingFang SC, sans-serif"
_MARGIN = 32
_WIDTHS = {BESIDE: 236, MAIN: 250}
_BRANCH_WIDTH = 216
_LEFT_GAP, _RIGHT_GAP, _BRANCH_GAP = 96, 84, 64
_PAD, _TITLE, _LINE, _SMALL = 10, 22, 18, 13
_GAP, _LABEL = 30, 17
_BAR, _BAR_LABEL = 7, 40
_LOOP = 20

#: Fill, line and text of each kind of box.
_COLOURS = {
    "start": ("#e8f1ec", "#2f7d56", "#1d3b2c"),
    "window": ("#eef3fb", "#3b6fb6", "#16325c"),
    "own": ("#ffffff", "#3b6fb6", "#16325c"),
    "other": ("#fdf4e7", "#c07a1d", "#5a3606"),
    "end": ("#f3f3f5", "#7b7f88", "#33363c"),
    "note": ("#fbfbf4", "#a9a36a", "#4c4a2c"),
    "bar": ("#3f4752", "#3f4752", "#3f4752"),
}


@dataclass(frozen=True)
class _Box:
    node: Node
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def right(self) -> float:
        return self.x + self.width


def svg(chart: Flowchart) -> str:
    """The whole picture."""
    return _Picture(chart).drawn()


class _Picture:
    def __init__(self, chart: Flowchart) -> None:
        self._chart = chart
        lanes = max(node.lane for node in chart.nodes)
        self._left = {BESIDE: float(_MARGIN)}
        self._left[MAIN] = _MARGIN + _WIDTHS[BESIDE] + _LEFT_GAP
        for lane in range(1, lanes + 1):
            before = self._left[lane - 1] + _WIDTHS.get(lane - 1, _BRANCH_WIDTH)
            self._left[lane] = before + (_RIGHT_GAP if lane == 1 else _BRANCH_GAP)
        bars = any(node.kind is Kind.BAR for node in chart.nodes)
        self._width = self._left[lanes] + _BRANCH_WIDTH + _MARGIN + (_BAR_LABEL if bars else 0)
        self._head = wrapped(chart.title, 19, self._width - 2 * _MARGIN)
        self._labels = _labels(chart.edges)
        self._boxes = self._placed()

    # ---------------------------------------------------------------------------------------------------- placing
    def _placed(self) -> dict[str, _Box]:
        rows: dict[int, list[Node]] = {}
        for node in self._chart.nodes:
            if node.id != SPECIAL:
                rows.setdefault(node.row, []).append(node)
        boxes: dict[str, _Box] = {}
        y = _MARGIN + len(self._head) * 28 + 40.0
        tops: dict[int, float] = {}
        for row in sorted(rows):
            tops[row] = y
            height = self._row(rows[row], y, boxes)
            y += height + _GAP + _LABEL * self._label_lines(row)
        self._beside_levels(boxes, tops)
        return boxes

    def _row(self, nodes: Sequence[Node], y: float, boxes: dict[str, _Box]) -> float:
        """Places one row; what stands in one lane of one row (endings) is stacked. Returns the row's height."""
        lanes: dict[int, list[_Box]] = {}
        for node in nodes:
            stack = lanes.setdefault(node.lane, [])
            top = stack[-1].bottom + 10 if stack else y
            stack.append(self._box(node, top))
        height = max(stack[-1].bottom for stack in lanes.values()) - y
        for stack in lanes.values():
            lower = (height - (stack[-1].bottom - y)) / 2
            for box in stack:
                boxes[box.node.id] = _Box(box.node, box.x, box.y + lower, box.width, box.height, box.lines)
        return height

    def _box(self, node: Node, y: float) -> _Box:
        x, width = self._left[node.lane], float(_WIDTHS.get(node.lane, _BRANCH_WIDTH))
        if node.kind is Kind.BAR:
            last = max(each.lane for each in self._chart.nodes if steps.branch_of(each.id))
            start = x + width / 2 - 30
            end = self._left[last] + _BRANCH_WIDTH / 2 + 30
            return _Box(node, start, y, end - start, _BAR, ())
        lines = tuple(part for line in node.lines for part in wrapped(line, _SMALL, width - 2 * _PAD))
        return _Box(node, x, y, width, 2 * _PAD + _TITLE + _LINE * len(lines) - 2, lines)

    def _beside_levels(self, boxes: dict[str, _Box], tops: Mapping[int, float]) -> None:
        """The special procedures stand beside the levels, in the height that these take."""
        node = next(node for node in self._chart.nodes if node.id == SPECIAL)
        box = self._box(node, tops[node.row])
        levels = self._levels(boxes)
        centre = (min(each.y for each in levels) + max(each.bottom for each in levels)) / 2
        y = max(centre - box.height / 2, boxes[steps.SUPPLEMENT].bottom + 44)
        boxes[SPECIAL] = _Box(node, box.x, y, box.width, box.height, box.lines)

    def _label_lines(self, row: int) -> int:
        """How many lines of labels stand below `row`."""
        here = {node.id for node in self._chart.nodes if node.row == row}
        below = {node.id for node in self._chart.nodes if node.row > row}
        counts = [len(words) for (source, target), words in self._labels.items() if source in here and target in below]
        return max(counts, default=0)

    def _levels(self, boxes: Mapping[str, _Box]) -> list[_Box]:
        return [box for box in boxes.values() if box.node.lane == MAIN and steps.level_of(box.node.id)]

    # ---------------------------------------------------------------------------------------------------- drawing
    def drawn(self) -> str:
        foot = max(box.bottom for box in self._boxes.values()) + 28
        notes = [
            part
            for number, note in enumerate(self._chart.notes, 1)
            for part in wrapped(f"{number}. {note}", _SMALL, self._width - 2 * _MARGIN)
        ]
        height = foot + (28 + _LINE * len(notes) if notes else 0) + 12
        size = f'width="{self._width:.0f}" height="{height:.0f}" viewBox="0 0 {self._width:.0f} {height:.0f}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{_FONT}" role="img">',
            f"<title>{_safe(self._chart.title)}</title>",
            '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
            ' orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="#3f4752"/></marker></defs>',
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *(
                _text(line, _MARGIN, _MARGIN + 20 + 28 * number, size=19, weight="600", colour="#16202c")
                for number, line in enumerate(self._head)
            ),
            _text(self._chart.subtitle, _MARGIN, _MARGIN + 18 + 28 * len(self._head), size=_SMALL, colour="#5a626e"),
        ]
        for (source, target), words in self._labels.items():
            parts += self._edge(self._boxes[source], self._boxes[target], words)
        parts += self._stoppages()
        for box in self._boxes.values():
            parts += self._drawn_box(box)
        if notes:
            parts.append(_text("说明", _MARGIN, foot + 16, size=14, weight="600", colour="#16202c"))
            parts += [
                _text(line, _MARGIN, foot + 16 + _LINE * number, size=_SMALL, colour="#33363c")
                for number, line in enumerate(notes, 1)
            ]
        return "\n".join([*parts, "</svg>"]) + "\n"

    def _drawn_box(self, box: _Box) -> Iterable[str]:
        fill, line, ink = _COLOURS[self._colour(box.node)]
        place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
        if box.node.kind is Kind.BAR:
            yield f'<rect {place} rx="3" fill="{fill}"/>'
            x, y = box.right + 8, box.y + box.height / 2 + 5
            yield _text(box.node.title, x, y, size=_SMALL, colour=ink)
            return
        rounded = box.height / 2 if box.node.kind in (Kind.START, Kind.END) and not box.lines else 8
        dashed = ' stroke-dasharray="5 4"' if box.node.kind is Kind.NOTE else ""
        yield f'<rect {place} rx="{min(rounded, 18):.0f}" fill="{fill}" stroke="{line}" stroke-width="1.5"{dashed}/>'
        y = box.y + _PAD + 15
        yield _text(box.node.title, box.middle, y, size=15, weight="600", colour=ink, anchor="middle")
        for number, words in enumerate(box.lines, 1):
            yield _text(words, box.middle, y + 2 + _LINE * number, size=_SMALL, colour=ink, anchor="middle")

    def _colour(self, node: Node) -> str:
        if node.kind is not Kind.STEP:
            return node.kind.value
        if not node.unit:
            return "window"
        return "own" if node.unit == self._chart.own_unit else "other"

    # ------------------------------------------------------------------------------------------------------- lines
    def _edge(self, source: _Box, target: _Box, words: Sequence[tuple[str, bool]]) -> Iterable[str]:
        dashed = all(automatic for _, automatic in words) and any(label for label, _ in words)
        labels = [label for label, _ in words if label]
        if target.node.id == steps.SUPPLEMENT:
            yield _path([(source.x, _mid(source)), (target.right, _mid(source))])
            yield from _above(labels, (source.x + target.right) / 2, _mid(source))
        elif source.node.id == steps.SUPPLEMENT and target.node.kind is Kind.END:
            yield from self._over_acceptance(source, target, labels)
        elif source.node.id == steps.SUPPLEMENT:
            x, y = self._boxes[steps.ACCEPT].middle, max(source.bottom, self._boxes[steps.ACCEPT].bottom) + 16
            yield _path([(source.middle, source.bottom), (source.middle, y), (x, y)], arrow=False)
            yield from _above(labels, (source.right + self._boxes[steps.ACCEPT].x) / 2, y)
        elif source.node.id == steps.ACCEPT and target.node.kind is Kind.END:
            x = source.right + 34
            yield _path([(source.right, _mid(source)), (x, _mid(source)), (x, _mid(target)), (target.x, _mid(target))])
        elif target.node.row < source.node.row:
            yield from self._back(source, target, labels)
        elif target.node.id == ARCHIVED and source.node.id == steps.COMPLETE:
            x = source.right + 30
            points = [(source.right, _mid(source)), (x, _mid(source)), (x, _mid(target)), (target.right, _mid(target))]
            yield _path(points, dashed=True)
            yield from _beside(labels, x + 8, (_mid(source) + _mid(target)) / 2)
        else:
            yield from self._down(source, target, labels, dashed)

    def _down(self, source: _Box, target: _Box, labels: Sequence[str], dashed: bool) -> Iterable[str]:
        """Straight down the lane; from a fork and to a join wherever the other box stands."""
        x = (target if source.node.kind is Kind.BAR else source).middle
        if target.node.id in (FORK, JOIN) or source.node.id in (FORK, JOIN):
            lane = target.node.lane if source.node.kind is Kind.BAR else source.node.lane
            x = self._left[lane] + _WIDTHS.get(lane, _BRANCH_WIDTH) / 2
        yield _path([(x, source.bottom), (x, target.y)], arrow=target.node.id not in (FORK, JOIN), dashed=dashed)
        gap = target.y - source.bottom
        room = _GAP + _LABEL * len(labels)
        # Where another line joins on the way, the words stand below it.
        centre = source.bottom + min(gap, room) / 2 + (14 if source.node.id == steps.ACCEPT else 0)
        yield from _beside(labels, x + 8, centre)

    def _back(self, source: _Box, target: _Box, labels: Sequence[str]) -> Iterable[str]:
        """A return runs up on the left."""
        x = source.x - _LOOP
        low, high = source.y + source.height * 0.4, target.y + target.height * 0.6
        yield _path([(source.x, low), (x, low), (x, high), (target.x, high)])
        for label in labels:
            yield _text(label, x - 6, (low + high) / 2 + 4, size=12, colour="#3f4752", anchor="end")

    def _over_acceptance(self, source: _Box, target: _Box, labels: Sequence[str]) -> Iterable[str]:
        y = min(source.y, target.y, self._boxes[steps.ACCEPT].y) - 14
        points = [(source.middle, source.y), (source.middle, y), (target.middle, y), (target.middle, target.y)]
        yield _path(points)
        yield from _above(labels, (source.middle + self._boxes[steps.ACCEPT].x) / 2 + 20, y)

    def _stoppages(self) -> Iterable[str]:
        """The special procedures may begin at any level: one dashed line along all of them."""
        box, levels = self._boxes[SPECIAL], self._levels(self._boxes)
        x = box.right + 22
        heights = [level.y + level.height * 0.82 for level in levels]
        ends = [*heights, _mid(box)]
        yield _path([(x, min(ends)), (x, max(ends))], arrow=False, dashed=True)
        yield _path([(box.right, _mid(box)), (x, _mid(box))], arrow=False, dashed=True)
        for level, height in zip(levels, heights, strict=True):
            yield _path([(x, height), (level.x, height)], arrow=False, dashed=True)


def wrapped(text: str, size: float, width: float) -> list[str]:
    """`text` in lines no wider than `width` at font size `size`."""
    lines, line, used = [], "", 0.0
    for sign in text:
        wide = size if unicodedata.east_asian_width(sign) in "WFA" else size * 0.56
        if used + wide > width and line:
            # Closing marks do not begin a line.
            if sign in "，。；：、）》”":
                lines.append(line + sign)
                line, used = "", 0.0
                continue
            # Opening marks do not end one.
            kept = line.rstrip("（《“")
            lines.append(kept)
            line = line[len(kept) :]
            used = size * len(line)
        line, used = line + sign, used + wide
    return [*lines, line] if line else lines


def _labels(edges: Iterable[Edge]) -> dict[tuple[str, str], list[tuple[str, bool]]]:
    """Lines between the same two boxes are drawn once, with all their words."""
    found: dict[tuple[str, str], list[tuple[str, bool]]] = {}
    for edge in edges:
        found.setdefault((edge.source, edge.target), []).append((edge.label, edge.automatic))
    return found


def _mid(box: _Box) -> float:
    return box.y + box.height / 2


def _path(points: Sequence[tuple[float, float]], *, arrow: bool = True, dashed: bool = False) -> str:
    course = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    marks = ' marker-end="url(#arrow)"' if arrow else ""
    if dashed:
        marks += ' stroke-dasharray="5 4"'
    colour = "#a9a36a" if dashed and not arrow else "#3f4752"
    return f'<path d="{course}" fill="none" stroke="{colour}" stroke-width="1.5"{marks}/>'


def _beside(labels: Sequence[str], x: float, centre: float) -> Iterable[str]:
    top = centre - _LABEL * (len(labels) - 1) / 2
    for number, label in enumerate(labels):
        yield _text(label, x, top + _LABEL * number + 4, size=12, colour="#3f4752")


def _above(labels: Sequence[str], x: float, y: float) -> Iterable[str]:
    for number, label in enumerate(reversed(labels)):
        yield _text(label, x, y - 6 - _LABEL * number, size=12, colour="#3f4752", anchor="middle")


def _text(words: str, x: float, y: float, *, size: int, colour: str, weight: str = "400", anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}"'
    return f'<text {place} font-weight="{weight}" fill="{colour}" text-anchor="{anchor}">{_safe(words)}</text>'


def _safe(text: str) -> str:
    """Escaped, and without signs that XML does not allow."""
    return escape("".join(sign if sign.isprintable() or sign == "　" else " " for sign in text))
