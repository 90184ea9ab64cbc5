"""The acts of change control (事项增减调整拆分) and what they answer."""

from datetime import date, datetime
from enum import StrEnum

import msgspec

from kernel.acts import Act, Done, SigningRequest, View


class ChangeKind(StrEnum):
    """What is to happen to the catalogue."""

    ADD = "add"  # 新增
    ADJUST = "adjust"  # 调整
    SPLIT = "split"  # 拆分
    REMOVE = "remove"  # 取消


class ChangeState(StrEnum):
    """How far a change has come."""

    DRAFT = "draft"  # 草案
    ON_NOTICE = "on_notice"  # 公示
    PRICE_CONFIRMED = "price_confirmed"  # 物价确认
    REFORM_CONFIRMED = "reform_confirmed"  # 审改办确认
    LEGAL_CONFIRMED = "legal_confirmed"  # 法制确认
    EFFECTIVE = "effective"  # 生效
    DISCARDED = "discarded"  # 撤销


class ChangeStep(StrEnum):
    """Whose signature a change needs, in this order."""

    SUBMIT = "submit"  # 单位主要负责人签字盖章报审
    PRICE = "price"  # 物价核定收费
    REFORM = "reform"  # 审改办确认
    LEGAL = "legal"  # 法制确认


class ChangeDecision(StrEnum):
    AGREE = "agree"  # 同意
    RETURN = "return"  # 退回


class ChangeView(View, frozen=True, tag="change"):
    """A change as an act left it. `next_step`: what it waits for; None when it waits for nobody."""

    number: str
    state: ChangeState
    revision: int
    next_step: ChangeStep | None
    notice_until: date | None = None


class SignatureSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One signature over a change, verified anew."""

    step: ChangeStep
    officer: str
    officer_name: str
    signed_at: datetime
    evidence: str


class ChangeVerdict(View, frozen=True, tag="change_verdict"):
    """Whether what is kept is what was signed and sealed. `faults`: in Chinese, empty when it is."""

    number: str
    faults: tuple[str, ...]
    signatures: tuple[SignatureSeen, ...]
    seal_serial: str


class SaveChange(Act[ChangeView], frozen=True, tag="change.save"):
    """Writes a draft, or changes it. ADD and ADJUST bring one definition (JSON) with the code of `item`, SPLIT two or
    more, REMOVE none. `effective_on`: None takes effect with the last confirmation.
    """

    kind: ChangeKind
    item: str
    definitions: tuple[bytes, ...]
    reason: str
    effective_on: date | None = None
    #: The draft to change, at this revision; None: a new one.
    change: str | None = None
    revision: int = 0


class DiscardChange(Act[ChangeView], frozen=True, tag="change.discard"):
    change: str
    revision: int


class PrepareChangeDecision(Act[SigningRequest], frozen=True, tag="change.prepare"):
    """Asks for the exact bytes to sign for the same decision."""

    change: str
    revision: int
    step: ChangeStep
    decision: ChangeDecision
    opinion: str


class DecideChange(Act[ChangeView], frozen=True, tag="change.decide"):
    """An officer's signed decision at the change's open step; the signature is the act's proof."""

    change: str
    revision: int
    step: ChangeStep
    decision: ChangeDecision
    opinion: str


class CommentOnChange(Act[Done], frozen=True, tag="change.comment"):
    """公示意见: what anybody says about a change on notice. Name and phone are asked for and not demanded."""

    change: str
    text: str
    name: str = ""
    phone: str = ""


class CheckChange(Act[ChangeVerdict], frozen=True, tag="change.check"):
    """Verifies every signature and the seal over a change again, and compares what is in force with it."""

    change: str


class BringChangesIntoEffect(Act[Done], frozen=True, tag="change.bring_into_effect"):
    """The clock's: up to `limit` confirmed changes whose day has come. Done.count < limit: none are left."""

    limit: int = 50
