"""What happens to a change of the catalogue, beside what happens to its items (`casework.events`)."""

from datetime import date
from typing import ClassVar

from kernel.events import Event


class ChangeSaved(Event, frozen=True, tag="change.saved"):
    """A draft was written or rewritten."""

    about: ClassVar[str] = "change"
    change: str
    kind: str
    item: str
    unit: str
    officer: str


class ChangeDiscarded(Event, frozen=True, tag="change.discarded"):
    about: ClassVar[str] = "change"
    change: str
    officer: str


class ChangeSubmitted(Event, frozen=True, tag="change.submitted"):
    """报审: signed by the unit's head, sealed by the unit, and on public notice (公示) from now on."""

    about: ClassVar[str] = "change"
    change: str
    kind: str
    item: str
    unit: str
    document_sha256: str
    officer: str
    evidence: str | None
    seal_serial: str
    notice_until: date


class ChangeCommented(Event, frozen=True, tag="change.commented"):
    """Somebody of the public said something; who and what stays in the row."""

    about: ClassVar[str] = "change"
    change: str
    comment: int


class ChangeConfirmed(Event, frozen=True, tag="change.confirmed"):
    about: ClassVar[str] = "change"
    change: str
    step: str
    officer: str
    evidence: str | None


class ChangeReturned(Event, frozen=True, tag="change.returned"):
    """退回: a draft again. `step` effect: the catalogue had changed when its day came."""

    about: ClassVar[str] = "change"
    change: str
    step: str
    officer: str
    evidence: str | None


class ChangeEffective(Event, frozen=True, tag="change.effective"):
    """生效, and filed (备案) with the offices named."""

    about: ClassVar[str] = "change"
    change: str
    kind: str
    item: str
    unit: str
    filed_to: tuple[str, ...]


EVENTS: tuple[type[Event], ...] = (
    ChangeSaved,
    ChangeDiscarded,
    ChangeSubmitted,
    ChangeCommented,
    ChangeConfirmed,
    ChangeReturned,
    ChangeEffective,
)
