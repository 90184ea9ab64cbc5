"""Who brings an announcement to the public: draft → 审核 → 批准 → 发布, as a table. Pure.

Source: the rule that what goes on the network is reviewed and approved first (信息上网审核审批制度). The author
submits, the unit's section head reviews, its leader approves, the information centre publishes; nobody takes two of
the first three. What is public can be taken down by those who may publish, never changed.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from hall.tables import Announcement, AnnouncementStep
from kernel.actor import Role
from kernel.tables import Officer


class AnnouncementKind(StrEnum):
    NOTICE = "notice"  # 通知公告
    POLICY = "policy"  # 政策法规
    ANSWER = "answer"  # 咨询答复


class AnnouncementState(StrEnum):
    DRAFT = "draft"  # 草稿
    SUBMITTED = "submitted"  # 待审核
    REVIEWED = "reviewed"  # 待批准
    APPROVED = "approved"  # 待发布
    PUBLISHED = "published"  # 已发布
    WITHDRAWN = "withdrawn"  # 已撤下


class PublishingStep(StrEnum):
    SUBMIT = "submit"  # 送审
    REVIEW = "review"  # 审核
    APPROVE = "approve"  # 批准
    PUBLISH = "publish"  # 发布
    RETURN = "return"  # 退回
    WITHDRAW = "withdraw"  # 撤下


STATE_NAMES = MappingProxyType(
    dict(zip(AnnouncementState, ("草稿", "待审核", "待批准", "待发布", "已发布", "已撤下"), strict=True))
)
STEP_NAMES = MappingProxyType(dict(zip(PublishingStep, ("送审", "审核", "批准", "发布", "退回", "撤下"), strict=True)))

_REVIEWERS = (Role.SECTION_HEAD,)
_APPROVERS = (Role.DEPUTY_LEADER, Role.UNIT_HEAD)
PUBLISHERS = (Role.INFORMATION_CENTRE, Role.EGOVERNMENT_OFFICE)


class Move(msgspec.Struct, frozen=True):
    """From a state to another by holders of one of `roles`; `own_unit`: of the unit that wrote it. No roles: the
    author alone."""

    to: AnnouncementState
    roles: tuple[Role, ...] = ()
    own_unit: bool = True


_S, _P = AnnouncementState, PublishingStep
#: Every legal move.
MOVES: Mapping[tuple[AnnouncementState, PublishingStep], Move] = MappingProxyType(
    {
        (_S.DRAFT, _P.SUBMIT): Move(_S.SUBMITTED),
        (_S.SUBMITTED, _P.REVIEW): Move(_S.REVIEWED, _REVIEWERS),
        (_S.SUBMITTED, _P.RETURN): Move(_S.DRAFT, _REVIEWERS),
        (_S.REVIEWED, _P.APPROVE): Move(_S.APPROVED, _APPROVERS),
        (_S.REVIEWED, _P.RETURN): Move(_S.DRAFT, _APPROVERS),
        (_S.APPROVED, _P.PUBLISH): Move(_S.PUBLISHED, PUBLISHERS, own_unit=False),
        (_S.APPROVED, _P.RETURN): Move(_S.DRAFT, PUBLISHERS, own_unit=False),
        (_S.PUBLISHED, _P.WITHDRAW): Move(_S.WITHDRAWN, PUBLISHERS, own_unit=False),
    }
)
#: Steps that need their reasons said.
WITH_REASONS = (PublishingStep.RETURN, PublishingStep.WITHDRAW)
#: Of these nobody takes two for the same text.
_APART = (PublishingStep.SUBMIT, PublishingStep.REVIEW, PublishingStep.APPROVE)


def may_take(officer: Officer, row: Announcement, move: Move) -> bool:
    if move.own_unit and officer.unit_code != row.unit_code:
        return False
    return officer.id == row.author if not move.roles else not set(move.roles).isdisjoint(officer.roles)


def took_another(officer: str, row: Announcement, step: PublishingStep, steps: Iterable[AnnouncementStep]) -> bool:
    """Whether the officer wrote the text, or had another of the steps that must be different people's."""
    if step not in _APART:
        return False
    others = {PublishingStep(taken.step) for taken in steps if taken.officer == officer} & set(_APART)
    if officer == row.author:
        others.add(PublishingStep.SUBMIT)
    return bool(others - {step})
