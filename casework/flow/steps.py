"""The steps of a case and the legal moves between them, as tables.

Six signed links (受理、退（补）件、承办、批准、办结、送达); between handling and approval an item may have any
number of levels. Every move is here and nowhere else.
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
    COMPLETE = "complete"
    DELIVER = "deliver"


class Move(StrEnum):
    """What a decision does to the case."""

    BEGIN_APPROVAL = "begin_approval"
    WAIT_FOR_SUPPLEMENT = "wait_for_supplement"
    CLOSE_UNACCEPTED = "close_unaccepted"
    UP = "up"
    BACK = "back"
    DECIDE = "decide"
    TO_DELIVERY = "to_delivery"
    CLOSE = "close"


MOVES: Mapping[Place, Mapping[Decision, Move]] = MappingProxyType(
    {
        Place.ACCEPT: {
            Decision.ACCEPT: Move.BEGIN_APPROVAL,
            Decision.ASK_SUPPLEMENT: Move.WAIT_FOR_SUPPLEMENT,
            Decision.REFUSE_ACCEPTANCE: Move.CLOSE_UNACCEPTED,
        },
        Place.SUPPLEMENT: {
            Decision.ACCEPT: Move.BEGIN_APPROVAL,
            Decision.REFUSE_ACCEPTANCE: Move.CLOSE_UNACCEPTED,
        },
        Place.FIRST: {Decision.AGREE: Move.UP},
        Place.MIDDLE: {Decision.AGREE: Move.UP, Decision.RETURN: Move.BACK},
        Place.LAST: {Decision.GRANT: Move.DECIDE, Decision.REFUSE: Move.DECIDE, Decision.RETURN: Move.BACK},
        Place.ONLY: {Decision.GRANT: Move.DECIDE, Decision.REFUSE: Move.DECIDE},
        Place.COMPLETE: {Decision.COMPLETE: Move.TO_DELIVERY},
        Place.DELIVER: {Decision.DELIVER: Move.CLOSE},
    }
)

#: Decisions whose opinion is a statement of reasons. Source: Administrative Licensing Law, art. 32, 38.
NEED_REASONS = frozenset({Decision.REFUSE_ACCEPTANCE, Decision.REFUSE, Decision.RETURN})

DECISION_NAMES: Mapping[Decision, str] = MappingProxyType(
    {
        Decision.ACCEPT: "予以受理",
        Decision.ASK_SUPPLEMENT: "告知补正",
        Decision.REFUSE_ACCEPTANCE: "不予受理",
        Decision.AGREE: "同意，报上一级",
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


def move_for(step: str, decision: Decision, *, levels: int) -> Move:
    """What `decision` does at `step` of a flow with `levels` approval levels. Raises IllegalStep."""
    move = MOVES[place_of(step, levels=levels)].get(decision)
    if move is None:
        raise IllegalStep(step=step_name(step), decision=DECISION_NAMES[decision])
    return move


def place_of(step: str, *, levels: int) -> Place:
    level = level_of(step)
    if level is None:
        return Place(step)
    if levels == 1:
        return Place.ONLY
    if level == 1:
        return Place.FIRST
    return Place.LAST if level == levels else Place.MIDDLE


def level_of(step: str) -> int | None:
    """1 for `level:1`; None for a step that is not an approval level."""
    kind, _, number = step.partition(":")
    return int(number) if kind == "level" else None


def at_level(level: int) -> str:
    return f"level:{level}"


def step_name(step: str, role: str = "") -> str:
    """The step as people call it: 受理, 承办, 审核, 批准 …"""
    if step in _FIXED_NAMES:
        return _FIXED_NAMES[step]
    if role in _LEVEL_NAMES:
        return _LEVEL_NAMES[role]
    return f"第{level_of(step)}级审批"


_LEVEL_NAMES: Mapping[str, str] = MappingProxyType(
    {
        Role.HANDLER: "承办",
        Role.SECTION_HEAD: "审核",
        Role.DEPUTY_LEADER: "批准",
        Role.UNIT_HEAD: "签发",
    }
)
