"""The public hall: questions and answers, and announcements on their way to the public."""

from datetime import date, datetime
from typing import Annotated

import strawberry

from casework.intake.query_passwords import query_password
from casework.queries import Place
from hall import announcements as announcing
from hall import consultations as consulting
from hall.announcements import (
    AnnouncementView,
    DraftAnnouncement,
    PrepareAnnouncementStep,
    TakeAnnouncementStep,
)
from hall.consultations import AnswerQuestion, AskQuestion, ConsultationView, ReadAnswer
from mobile_api.context import Info, perform
from mobile_api.enums import AnnouncementKind, AnnouncementState, PublishingStep
from mobile_api.pages import cursor_after, cursor_of, id_after, place_of, shaped
from mobile_api.refusals import Refusal
from mobile_api.signing import SignedInput, SigningResult, signing_payload

# ---------------------------------------------------------------------------------------------------- what is shown


@strawberry.type(description="A question of the public, for whoever asked it.")
class Consultation:
    number: strawberry.ID
    unit: str
    title: str
    due_on: date
    revision: int
    answer: str | None
    answered_at: datetime | None
    announcement: strawberry.ID | None = strawberry.field(description="The draft that may make the answer public.")


@strawberry.type(description="Show the number and the query password once: they open the answer.")
class AskedPayload:
    consultation: Consultation
    query_password: str


@strawberry.type
class ConsultationPayload:
    consultation: Consultation


@strawberry.type(description="A question as the officers of the unit that was asked see it.")
class Question:
    number: strawberry.ID
    revision: int
    item_code: str
    item_name: str
    unit_code: str
    unit_name: str | None
    title: str
    question: str
    asked_at: datetime
    due_on: date
    days_left: int | None = strawberry.field(description="Working days; null once answered.")
    is_late: bool
    answered_at: datetime | None
    answer: str | None
    officer_name: str | None


@strawberry.type
class QuestionPage:
    nodes: list[Question]
    end_cursor: str | None


@strawberry.type(description="What is public. Answers come from questions, without the names of those who asked.")
class PublicAnnouncement:
    number: strawberry.ID
    kind: AnnouncementKind
    title: str
    body: str
    unit_name: str | None
    published_at: datetime


@strawberry.type
class PublicAnnouncementPage:
    nodes: list[PublicAnnouncement]
    end_cursor: str | None


@strawberry.type(description="A signed step of an announcement.")
class AnnouncementStep:
    step: PublishingStep
    step_name: str
    officer_name: str
    opinion: str
    evidence: str
    at: datetime


@strawberry.type(description="An announcement on its way to the public.")
class Announcement:
    number: strawberry.ID
    kind: AnnouncementKind
    state: AnnouncementState
    state_name: str
    revision: int
    title: str
    body: str
    unit_name: str | None
    consultation: strawberry.ID | None
    drafted_at: datetime
    published_at: datetime | None
    steps: list[AnnouncementStep]
    possible: list[PublishingStep] = strawberry.field(description="What the caller may do with it now.")


@strawberry.type
class AnnouncementPage:
    nodes: list[Announcement]
    end_cursor: str | None


@strawberry.type(description="An announcement as an act left it.")
class AnnouncementPayload:
    number: strawberry.ID
    state: AnnouncementState
    revision: int


AskedResult = Annotated[AskedPayload | Refusal, strawberry.union("AskedResult")]
ConsultationResult = Annotated[ConsultationPayload | Refusal, strawberry.union("ConsultationResult")]
AnnouncementResult = Annotated[AnnouncementPayload | Refusal, strawberry.union("AnnouncementResult")]


@strawberry.input(description="The same when preparing and when taking the step. RETURN and WITHDRAW need an opinion.")
class AnnouncementStepInput:
    number: strawberry.ID
    revision: int
    step: PublishingStep
    opinion: str = ""


# ---------------------------------------------------------------------------------------------------- consultations


async def _ask_question(
    info: Info, idempotency_key: str, title: str, question: str, item: str = "", phone: str = ""
) -> AskedResult:
    def asked(view: ConsultationView) -> AskedPayload:
        password = query_password(info.context.services.secrets, view.number)
        return AskedPayload(consultation=_consultation(view), query_password=password)

    act = AskQuestion(title=title, question=question, item=item, phone=phone)
    return await perform(info, act, asked, key=idempotency_key)


async def _answer_question(
    info: Info,
    idempotency_key: str,
    number: strawberry.ID,
    revision: int,
    answer: str,
    publish: bool = False,
    public_question: str = "",
) -> ConsultationResult:
    act = AnswerQuestion(
        number=number, revision=revision, answer=answer, publish=publish, public_question=public_question
    )
    return await perform(info, act, _consultation_payload, key=idempotency_key)


async def _consultation_read(info: Info, number: strawberry.ID, password: str) -> ConsultationResult:
    return await perform(info, ReadAnswer(number=number, password=password), _consultation_payload)


async def _questions(
    info: Info,
    supervised: bool = False,
    late_only: bool = False,
    answered: bool = False,
    first: int = 20,
    after: str | None = None,
) -> QuestionPage:
    context = info.context
    rows, end = await consulting.consultations(
        context.services.database,
        context.officer(),
        now=context.services.clock.now(),
        calendar=context.services.calendar,
        supervised=supervised,
        late_only=late_only,
        answered=answered,
        first=context.page(first),
        after=id_after(after) or 0,
    )
    return shaped(QuestionPage, {"nodes": rows, "end_cursor": cursor_after(end)})


def _consultation(view: ConsultationView) -> Consultation:
    return Consultation(
        number=strawberry.ID(view.number),
        unit=view.unit,
        title=view.title,
        due_on=view.due_on,
        revision=view.revision,
        answer=view.answer or None,
        answered_at=view.answered_at,
        announcement=strawberry.ID(view.announcement) if view.announcement else None,
    )


def _consultation_payload(view: ConsultationView) -> ConsultationPayload:
    return ConsultationPayload(consultation=_consultation(view))


# ---------------------------------------------------------------------------------------------------- announcements


async def _public_announcements(
    info: Info, kind: AnnouncementKind | None = None, first: int = 20, after: str | None = None
) -> PublicAnnouncementPage:
    context = info.context
    rows, end = await announcing.published(
        context.services.database, kind=kind, first=context.page(first), after=place_of(after)
    )
    return shaped(PublicAnnouncementPage, {"nodes": rows, "end_cursor": cursor_of(Place(*end) if end else None)})


async def _announcement_desk(
    info: Info, state: AnnouncementState | None = None, first: int = 20, after: str | None = None
) -> AnnouncementPage:
    context = info.context
    rows, end = await announcing.announcements(
        context.services.database,
        context.officer(),
        state=state,
        first=context.page(first),
        after=id_after(after) or 0,
    )
    return shaped(AnnouncementPage, {"nodes": rows, "end_cursor": cursor_after(end)})


async def _draft_announcement(
    info: Info,
    idempotency_key: str,
    kind: AnnouncementKind,
    title: str,
    body: str,
    number: str = "",
    revision: int = 0,
) -> AnnouncementResult:
    act = DraftAnnouncement(kind=kind, title=title, body=body, number=number, revision=revision)
    return await perform(info, act, _announcement, key=idempotency_key)


async def _prepare_announcement_step(info: Info, step: AnnouncementStepInput) -> SigningResult:
    act = PrepareAnnouncementStep(number=step.number, revision=step.revision, step=step.step, opinion=step.opinion)
    return await perform(info, act, signing_payload)


async def _take_announcement_step(
    info: Info, idempotency_key: str, step: AnnouncementStepInput, signed: SignedInput
) -> AnnouncementResult:
    act = TakeAnnouncementStep(number=step.number, revision=step.revision, step=step.step, opinion=step.opinion)
    return await perform(info, act, _announcement, key=idempotency_key, proof=signed.to_proof())


def _announcement(view: AnnouncementView) -> AnnouncementPayload:
    return AnnouncementPayload(number=strawberry.ID(view.number), state=view.state, revision=view.revision)


@strawberry.type
class HallQueries:
    consultation: ConsultationResult = strawberry.field(
        resolver=_consultation_read, description="With the query password that came with the question's number."
    )
    questions: QuestionPage = strawberry.field(
        resolver=_questions,
        description="For officers: what their unit was asked; for supervisors also every unit's. Oldest first.",
    )
    announcements: PublicAnnouncementPage = strawberry.field(
        resolver=_public_announcements, description="What is public, newest first."
    )
    announcement_desk: AnnouncementPage = strawberry.field(
        resolver=_announcement_desk, description="For officers: announcements of their unit, or to be published."
    )


@strawberry.type
class HallMutations:
    ask_question: AskedResult = strawberry.field(
        resolver=_ask_question, description="`item`: its unit answers; left out, the hall does."
    )
    answer_question: ConsultationResult = strawberry.field(
        resolver=_answer_question, description="`publish` also drafts an announcement, which is reviewed first."
    )
    draft_announcement: AnnouncementResult = strawberry.field(
        resolver=_draft_announcement, description="With `number` and `revision` rewrites one's own draft."
    )
    prepare_announcement_step: SigningResult = strawberry.field(
        resolver=_prepare_announcement_step, description="The exact bytes to sign for `takeAnnouncementStep`."
    )
    take_announcement_step: AnnouncementResult = strawberry.field(resolver=_take_announcement_step)
