"""The steps of a case and the legal moves between them, as tables.

Six signed links (受理、退（补）件、承办、批准、办结、送达); between handling and approval an item may have any
number of levels. In parallel handling each co-unit has a line of levels of its own, its branch; where a lower
authority reviews first, the levels of the upper one follow its own. Every move is here and nowhere else.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from casework.acts import Decision
from casework.refusals import IllegalStep
from kernel.actor import Role

ACCEPT = "accept"
SUPPLEMENT = "supplement"
COMPLETE = "complete"
DELIVER = "deliver"
FIRST_LEVEL = "level:1"


class Place(StrEnum):
    """Where a step stands in its flow; levels differ only by their place."""

    ACCEPT = "accept"
    SUPPLEMENT = "supplement"
    FIRST = "first"
    MIDDLE = "middle"
    LAST = "last"
    ONLY = "only"
    REVIEWED = "reviewed"  # the last level of a lower authority that reports up
    REVIEWED_ONLY = "reviewed_only"
    OPINION = "opinion"  # the last level of a branch
    OPINION_ONLY = "opinion_only"
    COMPLETE = "complete"
    DELIVER = "deliver"


class Move(StrEnum):
    """What a decision does to the case."""

    BEGIN_APPROVAL = "begin_approval"
    WAIT_FOR_SUPPLEMENT = "wait_for_supplement"
    CLOSE_UNACCEPTED = "close_unaccepted"
    CLOSE_NOT_NEEDED = "close_not_needed"
    CLOSE_NOT_OURS = "close_not_ours"
    UP = "up"
    BACK = "back"
    REPORT = "report"
    END_BRANCH = "end_branch"
    DECIDE = "decide"
    TO_DELIVERY = "to_delivery"
    CLOSE = "close"


MOVES: Mapping[Place, Mapping[Decision, Move]] = MappingProxyType(
    {
        Place.ACCEPT: {
            Decision.ACCEPT: Move.BEGIN_APPROVAL,
            Decision.ASK_SUPPLEMENT: Move.WAIT_FOR_SUPPLEMENT,
            Decision.REFUSE_ACCEPTANCE: Move.CLOSE_UNACCEPTED,
            Decision.NOT_NEEDED: Move.CLOSE_NOT_NEEDED,
            Decision.NOT_OURS: Move.CLOSE_NOT_OURS,
        },
        Place.SUPPLEMENT: {
            Decision.ACCEPT: Move.BEGIN_APPROVAL,
            Decision.REFUSE_ACCEPTANCE: Move.CLOSE_UNACCEPTED,
        },
        Place.FIRST: {Decision.AGREE: Move.UP},
        Place.MIDDLE: {Decision.AGREE: Move.UP, Decision.RETURN: Move.BACK},
        Place.LAST: {Decision.GRANT: Move.DECIDE, Decision.REFUSE: Move.DECIDE, Decision.RETURN: Move.BACK},
        Place.ONLY: {Decision.GRANT: Move.DECIDE, Decision.REFUSE: Move.DECIDE},
        Place.REVIEWED: {Decision.REPORT_UP: Move.REPORT, Decision.RETURN: Move.BACK},
        Place.REVIEWED_ONLY: {Decision.REPORT_UP: Move.REPORT},
        Place.OPINION: {
            Decision.CONCUR: Move.END_BRANCH,
            Decision.DISSENT: Move.END_BRANCH,
            Decision.RETURN: Move.BACK,
        },
        Place.OPINION_ONLY: {Decision.CONCUR: Move.END_BRANCH, Decision.DISSENT: Move.END_BRANCH},
        Place.COMPLETE: {Decision.COMPLETE: Move.TO_DELIVERY},
        Place.DELIVER: {Decision.DELIVER: Move.CLOSE},
    }
)

#: Decisions whose opinion is a statement of reasons. Source: Administrative Licensing Law, art. 32, 38.
NEED_REASONS = frozenset(
    {
        Decision.REFUSE_ACCEPTANCE,
        Decision.NOT_NEEDED,
        Decision.NOT_OURS,
        Decision.DISSENT,
        Decision.REFUSE,
        Decision.RETURN,
    }
)

#: What the list beside an opinion is called where it stands for more than a note.
ITEM_LABELS: Mapping[Decision, str] = MappingProxyType(
    {
        Decision.ASK_SUPPLEMENT: "补正内容",
        Decision.NOT_OURS: "有管辖权的机关",
        Decision.GRANT: "对会办不同意见的处理",
    }
)

DECISION_NAMES: Mapping[Decision, str] = MappingProxyType(
    {
        Decision.ACCEPT: "予以受理",
        Decision.ASK_SUPPLEMENT: "告知补正",
        Decision.REFUSE_ACCEPTANCE: "不予受理",
        Decision.NOT_NEEDED: "不需要许可",
        Decision.NOT_OURS: "不属本机关",
        Decision.AGREE: "同意，报上一级",
        Decision.REPORT_UP: "初审完毕，上报",
        Decision.CONCUR: "会办同意",
        Decision.DISSENT: "会办不同意",
        Decision.RETURN: "退回",
        Decision.GRANT: "准予许可",
        Decision.REFUSE: "不予许可",
        Decision.COMPLETE: "办结",
        Decision.DELIVER: "送达",
    }
)

ROLE_NAMES: Mapping[Role, str] = MappingProxyType(
    {
        Role.WINDOW_CLERK: "窗口人员",
        Role.HANDLER: "承办人",
        Role.SECTION_HEAD: "科室负责人",
        Role.DEPUTY_LEADER: "分管领导",
        Role.UNIT_HEAD: "单位主要负责人",
    }
)

_FIXED_NAMES = {ACCEPT: "受理", SUPPLEMENT: "补正", COMPLETE: "办结", DELIVER: "送达"}


def move_for(step: str, decision: Decision, *, levels: int, reviews: int = 0) -> Move:
    """What `decision` does at `step` of a line with `levels` levels, of which the first `reviews` are a lower
    authority's. Raises IllegalStep.
    """
    move = MOVES[place_of(step, levels=levels, reviews=reviews)].get(decision)
    if move is None:
        raise IllegalStep(step=step_name(step), decision=DECISION_NAMES[decision])
    return move


def place_of(step: str, *, levels: int, reviews: int = 0) -> Place:
    level = level_of(step)
    if level is None:
        return Place(step)
    if level == reviews and not branch_of(step):
        return Place.REVIEWED_ONLY if level == 1 else Place.REVIEWED
    if level < levels:
        return Place.FIRST if level == 1 else Place.MIDDLE
    if branch_of(step):
        return Place.OPINION_ONLY if level == 1 else Place.OPINION
    return Place.ONLY if level == 1 else Place.LAST


def level_of(step: str) -> int | None:
    """1 for `level:1` and for `branch:3:1`; None for a step that is not an approval level."""
    kind, _, place = step.partition(":")
    return int(place.rpartition(":")[2]) if kind in ("level", "branch") else None


def branch_of(step: str) -> int:
    """3 for `branch:3:1`; 0 for every step of the case's own line."""
    kind, _, place = step.partition(":")
    return int(place.partition(":")[0]) if kind == "branch" else 0


def at_level(level: int, branch: int = 0) -> str:
    return f"branch:{branch}:{level}" if branch else f"level:{level}"


def step_name(step: str, role: str = "") -> str:
    """The step as people call it: 受理, 承办, 审核, 批准 …, 会办审核 in a branch."""
    if step in _FIXED_NAMES:
        return _FIXED_NAMES[step]
    name = _LEVEL_NAMES.get(role) or f"第{level_of(step)}级审批"
    return f"会办{name}" if branch_of(step) else name


_LEVEL_NAMES: Mapping[str, str] = MappingProxyType(
    {
        Role.HANDLER: "承办",
        Role.SECTION_HEAD: "审核",
        Role.DEPUTY_LEADER: "批准",
        Role.UNIT_HEAD: "签发",
    }
)
