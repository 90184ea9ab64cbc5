"""What the office makes public (信息发布): drafts, the signed steps that bring them out, and what is public.

Each signature is over title and body as they are then; only a draft can be changed. `hall.publishing` says who takes
which step. Limits: plain text, no pictures and no attachments.
"""

import hashlib
from datetime import datetime

from tortoise.expressions import Q

from casework.clock.working_days import day_of
from hall.events import AnnouncementDrafted, AnnouncementStepTaken
from hall.publishing import (
    MOVES,
    PUBLISHERS,
    STATE_NAMES,
    STEP_NAMES,
    WITH_REASONS,
    AnnouncementKind,
    AnnouncementState,
    Move,
    PublishingStep,
    may_take,
    took_another,
)
from hall.refusals import (
    AnnouncementSignedDifferently,
    AnnouncementStepClosed,
    OwnAnnouncement,
    UnknownAnnouncement,
)
from hall.tables import Announcement, AnnouncementStep
from kernel.actor import Actor, ActorKind
from kernel.acts import Act, DocumentDigest, SigningRequest, Statement, View
from kernel.db import Database, Row, SqlValue, instant_of
from kernel.numbers import next_number
from kernel.permissions import permission
from kernel.refusals import ChangedMeanwhile, Invalid
from kernel.tables import Officer, Unit
from kernel.work import Work

_LONGEST_TITLE, _LONGEST_BODY, _LONGEST_OPINION = 120, 20_000, 400


class AnnouncementView(View, frozen=True, tag="announcement"):
    number: str
    state: AnnouncementState
    revision: int


class DraftAnnouncement(Act[AnnouncementView], frozen=True, tag="hall.draft_announcement"):
    """Begins a draft, or with `number` and `revision` rewrites one's own."""

    kind: AnnouncementKind
    title: str
    body: str
    number: str = ""
    revision: int = 0


class PrepareAnnouncementStep(Act[SigningRequest], frozen=True, tag="hall.prepare_announcement_step"):
    """Asks for the exact bytes to sign for the same step."""

    number: str
    revision: int
    step: PublishingStep
    opinion: str = ""


class TakeAnnouncementStep(Act[AnnouncementView], frozen=True, tag="hall.take_announcement_step"):
    """A signed step on the way to the public; the signature is the act's proof."""

    number: str
    revision: int
    step: PublishingStep
    opinion: str = ""


AnyStep = PrepareAnnouncementStep | TakeAnnouncementStep


@permission("whose step it is: author, section head, leader of the unit, information centre")
async def whose_step(work: Work, act: AnyStep) -> bool:
    """Asked whatever the announcement's state, so that who comes late hears that, not that they never might."""
    officer = await _officer(work.actor)
    row = await Announcement.get_or_none(number=act.number)
    if officer is None or row is None:
        return False
    moves = [move for (_, step), move in MOVES.items() if step is act.step]
    return any(may_take(officer, row, move) for move in moves)


async def draft_announcement(work: Work, act: DraftAnnouncement) -> AnnouncementView:
    """Raises INVALID, UNKNOWN_ANNOUNCEMENT, ANNOUNCEMENT_STEP_CLOSED, CHANGED_MEANWHILE."""
    title, body = act.title.strip(), act.body.strip()
    if not act.number:
        number = await open_draft(work, kind=act.kind, title=title, body=body, unit=work.actor.unit or "")
        return _view(await _find(number))
    _check(title, body)
    row = await _find(act.number)
    if row.author != work.actor.id:
        raise UnknownAnnouncement(number=act.number)
    if row.state != AnnouncementState.DRAFT:
        raise AnnouncementStepClosed(state=STATE_NAMES[AnnouncementState(row.state)], step="修改")
    await _swap(row, act.revision, kind=act.kind, title=title, body=body)
    _record_draft(work, row)
    return _view(row)


async def open_draft(
    work: Work, *, kind: AnnouncementKind, title: str, body: str, unit: str, consultation: str = ""
) -> str:
    """The number of a new draft by the actor."""
    _check(title, body)
    year = day_of(work.now).year
    row = await Announcement.create(
        number=f"XX{year}{await next_number(f'announcement:{year}'):06d}",
        kind=kind,
        state=AnnouncementState.DRAFT,
        title=title,
        body=body,
        unit_code=unit,
        author=work.actor.id,
        consultation=consultation,
        drafted_at=work.now,
    )
    _record_draft(work, row)
    return str(row.number)


async def prepare_announcement_step(work: Work, act: PrepareAnnouncementStep) -> SigningRequest:
    """The bytes to sign. Raises what `take_announcement_step` would."""
    row, _ = await _legal(work, act)
    return await work.notary.prepare(work, await _statement(row, act))


async def take_announcement_step(work: Work, act: TakeAnnouncementStep) -> AnnouncementView:
    """Raises ANNOUNCEMENT_STEP_CLOSED, OWN_ANNOUNCEMENT, ANNOUNCEMENT_SIGNED_DIFFERENTLY, CHANGED_MEANWHILE."""
    row, move = await _legal(work, act)
    if work.assured.statement != await _statement(row, act):
        raise AnnouncementSignedDifferently()
    changes: dict[str, object] = {"state": move.to}
    if move.to is AnnouncementState.PUBLISHED:
        changes["published_at"] = work.now
    await _swap(row, act.revision, **changes)
    digest, evidence = content_sha256(row.title, row.body), work.assured.evidence or ""
    await AnnouncementStep.create(
        announcement_id=row.id,
        seq=await AnnouncementStep.filter(announcement_id=row.id).count() + 1,
        step=act.step,
        officer=work.actor.id,
        officer_name=work.actor.name,
        opinion=act.opinion.strip(),
        content_sha256=digest,
        evidence=evidence,
        at=work.now,
    )
    work.record(
        AnnouncementStepTaken(
            announcement=row.number,
            step=act.step,
            state=move.to,
            officer=work.actor.id,
            evidence=evidence,
            sha256=digest,
        )
    )
    return _view(row)


def content_sha256(title: str, body: str) -> str:
    return hashlib.sha256(f"{title}\n{body}".encode()).hexdigest()


# ------------------------------------------------------------------------------------------------------- reading


async def published(
    database: Database,
    *,
    kind: AnnouncementKind | None = None,
    first: int = 20,
    after: tuple[datetime, int] | None = None,
) -> tuple[list[Row], tuple[datetime, int] | None]:
    """What is public, newest first; the key of the last row when there is more. No person is named."""
    values: list[SqlValue] = [AnnouncementState.PUBLISHED]
    where = "a.state = $1"
    if kind is not None:
        values.append(kind)
        where += f" AND a.kind = ${len(values)}"
    if after is not None:
        values += after
        where += f" AND (a.published_at, a.id) < (${len(values) - 1}, ${len(values)})"
    found = await database.rows(
        "SELECT a.id, a.number, a.kind, a.title, a.body, a.published_at, u.name AS unit_name FROM announcement a"
        f" LEFT JOIN unit u ON u.code = a.unit_code WHERE {where}"
        f" ORDER BY a.published_at DESC, a.id DESC LIMIT {int(first) + 1}",
        *values,
    )
    rows: list[Row] = [{**row, "published_at": instant_of(row["published_at"])} for row in found[:first]]
    last = found[first - 1] if len(found) > first else None
    return rows, (instant_of(last["published_at"]), int(str(last["id"]))) if last else None


async def announcements(
    database: Database,
    officer: Actor,
    *,
    state: AnnouncementState | None = None,
    first: int = 20,
    after: int = 0,
) -> tuple[list[Row], int | None]:
    """Those of the officer's unit, and for publishers what waits for them or is public, with the steps they may take.

    In the order in which they were begun.
    """
    person = await _officer(officer)
    if person is None:
        return [], None
    mine = Announcement.filter(id__gt=after)
    seen = Q(unit_code=person.unit_code)
    if not set(PUBLISHERS).isdisjoint(person.roles):
        seen |= Q(state__in=(AnnouncementState.APPROVED, AnnouncementState.PUBLISHED, AnnouncementState.WITHDRAWN))
    if state is not None:
        mine = mine.filter(state=state)
    found = await mine.filter(seen).order_by("id").limit(first + 1)
    steps: dict[int, list[AnnouncementStep]] = {row.id: [] for row in found[:first]}
    for taken in await AnnouncementStep.filter(announcement_id__in=list(steps)).order_by("announcement_id", "seq"):
        steps[taken.announcement_id].append(taken)
    units = dict(await Unit.filter(code__in={row.unit_code for row in found}).values_list("code", "name"))
    rows = [_shown(row, units.get(row.unit_code), steps[row.id], person) for row in found[:first]]
    return rows, found[first - 1].id if len(found) > first else None


# --------------------------------------------------------------------------------------------------------- below


def _shown(row: Announcement, unit_name: str | None, steps: list[AnnouncementStep], person: Officer) -> Row:
    return {
        "number": row.number,
        "kind": row.kind,
        "state": row.state,
        "state_name": STATE_NAMES[AnnouncementState(row.state)],
        "revision": row.revision,
        "title": row.title,
        "body": row.body,
        "unit_name": unit_name,
        "consultation": row.consultation or None,
        "drafted_at": row.drafted_at,
        "published_at": row.published_at,
        "steps": [
            {
                "step": taken.step,
                "step_name": STEP_NAMES[PublishingStep(taken.step)],
                "officer_name": taken.officer_name,
                "opinion": taken.opinion,
                "evidence": taken.evidence,
                "at": taken.at,
            }
            for taken in steps
        ],
        "possible": [
            step
            for (state, step), move in MOVES.items()
            if state == row.state and may_take(person, row, move) and not took_another(person.id, row, step, steps)
        ],
    }


async def _legal(work: Work, act: AnyStep) -> tuple[Announcement, Move]:
    row = await _find(act.number)
    if row.revision != act.revision:
        raise ChangedMeanwhile(subject=f"announcement:{row.number}")
    state = AnnouncementState(row.state)
    move = MOVES.get((state, act.step))
    if move is None:
        raise AnnouncementStepClosed(state=STATE_NAMES[state], step=STEP_NAMES[act.step])
    steps = await AnnouncementStep.filter(announcement_id=row.id)
    if took_another(work.actor.id, row, act.step, steps):
        raise OwnAnnouncement()
    officer = await _officer(work.actor)
    if officer is None or not may_take(officer, row, move):
        raise AnnouncementStepClosed(state=STATE_NAMES[state], step=STEP_NAMES[act.step])
    if len(act.opinion) > _LONGEST_OPINION or (act.step in WITH_REASONS and not act.opinion.strip()):
        raise Invalid(field="意见", why=f"退回和撤下须写明理由，且不超过{_LONGEST_OPINION}字")
    return row, move


async def _statement(row: Announcement, act: AnyStep) -> Statement:
    """What the officer is shown and signs; generated alike when preparing and when performing."""
    unit = await Unit.get_or_none(code=row.unit_code)
    return Statement(
        kind="hall.announcement",
        subject=row.number,
        revision=act.revision,
        title=f"信息发布·{STEP_NAMES[act.step]}",
        lines=(
            ("信息编号", row.number),
            ("起草单位", unit.name if unit else row.unit_code),
            ("标题", row.title),
            ("环节", STEP_NAMES[act.step]),
            ("意见", act.opinion.strip() or "无"),
        ),
        facts={"step": act.step.value, "opinion": act.opinion},
        documents=(DocumentDigest(name="标题和正文", sha256=content_sha256(row.title, row.body)),),
    )


async def _officer(actor: Actor) -> Officer | None:
    return await Officer.get_or_none(id=actor.id, active=True) if actor.kind is ActorKind.OFFICER else None


async def _find(number: str) -> Announcement:
    row = await Announcement.get_or_none(number=number)
    if row is None:
        raise UnknownAnnouncement(number=number)
    return row


async def _swap(row: Announcement, revision: int, **changes: object) -> None:
    changed = await Announcement.filter(id=row.id, revision=revision).update(revision=revision + 1, **changes)
    if changed != 1:
        raise ChangedMeanwhile(subject=f"announcement:{row.number}")
    row.update_from_dict({"revision": revision + 1, **changes})


def _check(title: str, body: str) -> None:
    if not title or len(title) > _LONGEST_TITLE:
        raise Invalid(field="标题", why=f"应为1至{_LONGEST_TITLE}字")
    if not body or len(body) > _LONGEST_BODY:
        raise Invalid(field="正文", why=f"应为1至{_LONGEST_BODY}字")


def _record_draft(work: Work, row: Announcement) -> None:
    work.record(
        AnnouncementDrafted(
            announcement=row.number,
            unit=row.unit_code,
            officer=work.actor.id,
            sha256=content_sha256(row.title, row.body),
        )
    )


def _view(row: Announcement) -> AnnouncementView:
    return AnnouncementView(number=row.number, state=AnnouncementState(row.state), revision=row.revision)
