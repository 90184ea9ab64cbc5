"""To-do, done and overdue: the three lists an officer opens the app for."""

from datetime import date, datetime

import strawberry

from casework import queries
from casework.flow.waiting import EVERYTHING, TodoFilter
from casework.queries import Page
from mobile_api.context import Info
from mobile_api.enums import CaseStatus, Channel, Decision, Light, OverdueScope, Role
from mobile_api.pages import cursor_of, place_of, shaped


@strawberry.type(description="One signed opinion.")
class SignedStep:
    id: strawberry.ID
    step: str
    step_name: str
    decision: Decision
    decision_name: str
    opinion: str
    officer_name: str | None
    on_behalf_of: str | None = strawberry.field(description="代理: the absent officer in whose name it was signed.")
    evidence: str | None = strawberry.field(description="The number under which the signature is kept.")
    at: datetime


@strawberry.type(description="A case as lists show it.")
class CaseSummary:
    number: strawberry.ID
    status: CaseStatus
    revision: int = strawberry.field(description="Send it back with every act on the case.")
    channel: Channel
    item_code: str
    item_name: str
    stage: str
    unit: str
    applicant_name: str
    received_on: date
    accepted_on: date | None
    deemed_accepted: bool
    committed_due: date | None
    statutory_due: date | None
    due_provisional: bool = strawberry.field(description="Some days on the way have no official arrangement yet.")
    decided_at: datetime | None
    outcome: str | None
    closed_at: datetime | None
    returns: int
    recent_steps: list[SignedStep] = strawberry.field(description="The three newest opinions, newest first.")


@strawberry.type(description="Somebody's turn at a case.")
class Task:
    id: strawberry.ID
    step: str
    step_name: str
    role: Role
    unit: str
    opened_at: datetime
    due_on: date | None
    light: Light
    days_left: int | None = strawberry.field(description="Counted working days; negative when overdue.")
    on_behalf_of: str | None = strawberry.field(description="代理: the absent officer whose turn the caller takes.")
    urges: int = strawberry.field(description="催办: how often the case was urged.")
    urged_at: datetime | None = strawberry.field(description="When it was last urged, since this turn began.")
    case: CaseSummary


@strawberry.type
class TaskPage:
    nodes: list[Task]
    end_cursor: str | None = strawberry.field(description="Null on the last page.")


@strawberry.type(description="A case the caller decided on, with their own last opinion.")
class DoneCase:
    id: strawberry.ID
    at: datetime
    own: SignedStep
    case: CaseSummary


@strawberry.type
class DonePage:
    nodes: list[DoneCase]
    end_cursor: str | None


@strawberry.input(description="Every field left out or null narrows nothing.")
class TodoFilterInput:
    light: Light | None = None
    step: str | None = None
    text: str | None = strawberry.field(default=None, description="A case number, or a part of the item's name.")

    def to_filter(self) -> TodoFilter:
        return TodoFilter(light=self.light, step=self.step, text=(self.text or "").strip())


async def _todos(
    info: Info, first: int = 20, after: str | None = None, filter: TodoFilterInput | None = None
) -> TaskPage:
    context = info.context
    page = await queries.todos(
        context.services.database,
        context.officer(),
        now=context.services.clock.now(),
        calendar=context.services.calendar,
        first=context.page(first),
        after=place_of(after),
        only=filter.to_filter() if filter else EVERYTHING,
        same_person_adjacent=context.services.rules.same_person_adjacent,
    )
    return shaped(TaskPage, _page(page))


async def _done(info: Info, first: int = 20, after: str | None = None) -> DonePage:
    context = info.context
    page = await queries.done(
        context.services.database, context.officer(), first=context.page(first), after=place_of(after)
    )
    return shaped(DonePage, _page(page))


async def _overdue(
    info: Info, scope: OverdueScope = OverdueScope.OWN_UNIT, first: int = 20, after: str | None = None
) -> TaskPage:
    context = info.context
    page = await queries.overdue(
        context.services.database,
        context.officer(),
        scope=scope,
        now=context.services.clock.now(),
        calendar=context.services.calendar,
        first=context.page(first),
        after=place_of(after),
    )
    return shaped(TaskPage, _page(page))


def _page(page: Page) -> dict[str, object]:
    return {"nodes": page.rows, "end_cursor": cursor_of(page.next)}


@strawberry.type
class TaskQueries:
    todos: TaskPage = strawberry.field(resolver=_todos, description="What the caller may act on, most urgent first.")
    done: DonePage = strawberry.field(
        resolver=_done, description="Cases the caller has decided on, latest first, whatever became of them."
    )
    overdue: TaskPage = strawberry.field(
        resolver=_overdue, description="Tasks past their limit, longest overdue first."
    )
