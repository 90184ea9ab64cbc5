"""What happens in the public hall. Numbers and codes: phones, questions and answers stay in rows."""

from datetime import date
from typing import ClassVar

from kernel.events import Event


class LoginCodeDrawn(Event, frozen=True, tag="hall.login_code_drawn"):
    """`code` is the row's id; the code itself follows from it as the text leaves."""

    about: ClassVar[str] = "applicant"
    applicant: str
    code: int


class ApplicantLoggedIn(Event, frozen=True, tag="hall.applicant_logged_in"):
    about: ClassVar[str] = "applicant"
    applicant: str


class QuestionAsked(Event, frozen=True, tag="hall.question_asked"):
    about: ClassVar[str] = "consultation"
    consultation: str
    unit: str
    item: str
    due_on: date


class QuestionAnswered(Event, frozen=True, tag="hall.question_answered"):
    about: ClassVar[str] = "consultation"
    consultation: str
    unit: str
    officer: str
    late: bool


class AnswerOverdue(Event, frozen=True, tag="hall.answer_overdue"):
    """Nobody answered in time: told to the unit and to supervision."""

    about: ClassVar[str] = "consultation"
    consultation: str
    unit: str
    due_on: date


class AnnouncementDrafted(Event, frozen=True, tag="hall.announcement_drafted"):
    """Written or rewritten; `sha256` is of title and body."""

    about: ClassVar[str] = "announcement"
    announcement: str
    unit: str
    officer: str
    sha256: str


class AnnouncementStepTaken(Event, frozen=True, tag="hall.announcement_step"):
    """A signed step: submit, review, approve, publish, return or withdraw."""

    about: ClassVar[str] = "announcement"
    announcement: str
    step: str
    state: str
    officer: str
    evidence: str
    sha256: str


EVENTS: tuple[type[Event], ...] = (
    LoginCodeDrawn,
    ApplicantLoggedIn,
    QuestionAsked,
    QuestionAnswered,
    AnswerOverdue,
    AnnouncementDrafted,
    AnnouncementStepTaken,
)
