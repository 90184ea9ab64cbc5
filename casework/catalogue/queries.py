"""Reading changes of the catalogue: who sees which, what waits for whom, and what lies open to the public (公示)."""

from collections.abc import Mapping
from datetime import date

from tortoise.expressions import Q

from casework.catalogue.acts import ChangeState, ChangeStep
from casework.catalogue.change_control import ROLE_OF
from casework.catalogue.checks import check
from casework.catalogue.elements import elements_in_order
from casework.catalogue.permissions import DRAFTERS, OVERSEERS, OWN
from casework.catalogue.proposals import Proposal, digest_of, proposal_of
from casework.catalogue.publishing import PUBLISHED, standing_problems
from casework.catalogue.tables import ChangeComment, ChangeSignature, ItemChange
from casework.rules import CaseworkRules
from casework.tables import Item, ItemVersion
from kernel.actor import Actor, Role
from kernel.db import Row
from kernel.refusals import Refusal
from kernel.tables import Unit


async def changes(
    officer: Actor, *, state: ChangeState | None = None, first: int, after: str = ""
) -> tuple[list[Row], str | None]:
    """The changes the officer may see, youngest first, and the number after which the next page begins."""
    shown = _visible(officer)
    if state is not None:
        shown &= Q(state=state)
    if after:
        shown &= Q(number__lt=after)
    found = await ItemChange.filter(shown).order_by("-number").limit(first + 1)
    return await _page(found, first)


async def change(officer: Actor, number: str, rules: CaseworkRules) -> tuple[Row, list[Refusal]] | None:
    """The whole of one change, and what keeps a draft from being submitted; None when it is not there or not to be
    seen.
    """
    row = await ItemChange.filter(_visible(officer), number=number).first()
    if row is None:
        return None
    proposal = proposal_of(row)
    signatures = ChangeSignature.filter(change_number=number).order_by("id")
    comments = ChangeComment.filter(change_number=number).order_by("id")
    shown = _summary(row, await _unit_names()) | {
        "round": row.round,
        "document_sha256": digest_of(row.document),
        "seal_serial": row.seal_serial,
        "proposed": _proposed(proposal, rules),
        "signatures": await signatures.values(
            "round", "step", "decision", "opinion", "officer", "officer_name", "evidence", "at"
        ),
        "comments": await comments.values("name", "phone", "text", "at"),
    }
    return shown, await _problems(proposal, rules) if row.state == ChangeState.DRAFT else []


async def waiting_for(officer: Actor, *, today: date, first: int, after: str = "") -> Row:
    """What the officer is to sign now, oldest first; for the reform office also the deferrals that are overdue."""
    steps = [step for step, role in ROLE_OF.items() if officer.has(role) and step is not ChangeStep.SUBMIT]
    mine = Q(next_step__in=steps) & (Q(notice_until__isnull=True) | Q(notice_until__lt=today))
    if officer.has(ROLE_OF[ChangeStep.SUBMIT]):
        mine |= Q(next_step=ChangeStep.SUBMIT, unit_code=officer.unit or "")
    found = await ItemChange.filter(mine, number__gt=after).order_by("number").limit(first + 1)
    rows, end = await _page(found, first)
    return {
        "changes": rows,
        "end_cursor": end,
        "overdue_deferrals": await overdue_deferrals(today) if officer.has(Role.REFORM_OFFICE) else [],
    }


async def overdue_deferrals(today: date) -> list[Row]:
    """延期上网: published items whose planned day has passed, longest first."""
    late = await ItemVersion.filter(online_by__lt=today, secret=False).order_by("online_by", "item_code")
    codes = [version.item_code for version in late]
    current = dict(await Item.filter(code__in=codes, state=PUBLISHED).values_list("code", "version"))
    units = await _unit_names()
    return [
        {
            "code": version.item_code,
            "name": version.name,
            "unit": version.unit_code,
            "unit_name": units.get(version.unit_code),
            "planned_on": version.online_by,
        }
        for version in late
        if current.get(version.item_code) == version.version
    ]


async def notices(rules: CaseworkRules, *, today: date, first: int, after: str = "") -> tuple[list[Row], str | None]:
    """公示: the changes that lie open today, oldest first, with all that is proposed."""
    found = await (
        ItemChange.filter(state=ChangeState.ON_NOTICE, notice_until__gte=today, number__gt=after)
        .order_by("number")
        .limit(first + 1)
    )
    rows, end = await _page(found, first)
    return [
        row | {"proposed": _proposed(proposal_of(each), rules)} for row, each in zip(rows, found, strict=False)
    ], end


def _visible(officer: Actor) -> Q:
    """THE rule of who sees a change: officers of the proposing unit, and the offices once it is submitted."""
    shown = Q(number="")
    if officer.has(*DRAFTERS):
        shown |= Q(unit_code=officer.unit or "")
    if officer.has(*OVERSEERS):
        shown |= Q(state__not_in=OWN)
    return shown


async def _page(found: list[ItemChange], first: int) -> tuple[list[Row], str | None]:
    names = await _unit_names()
    return [_summary(row, names) for row in found[:first]], found[first - 1].number if len(found) > first else None


async def _unit_names() -> dict[str, str]:
    return dict(await Unit.all().values_list("code", "name"))


def _summary(row: ItemChange, unit_names: Mapping[str, str]) -> Row:
    return {
        "number": row.number,
        "kind": row.kind,
        "state": row.state,
        "revision": row.revision,
        "item_code": row.item_code,
        "item_name": row.item_name,
        "unit": row.unit_code,
        "unit_name": unit_names.get(row.unit_code),
        "reason": proposal_of(row).reason,
        "has_fees": row.has_fees,
        "effective_on": row.effective_on,
        "notice_from": row.notice_from,
        "notice_until": row.notice_until,
        "next_step": row.next_step or None,
        "saved_at": row.saved_at,
        "effective_at": row.effective_at,
    }


def _proposed(proposal: Proposal, rules: CaseworkRules) -> list[Row]:
    return [
        {
            "code": item.code,
            "name": item.name,
            "class_name": rules.class_names[item.item_class],
            "sha256": digest_of(text),
            "json": text,
            "elements": elements_in_order(item),
        }
        for item, text in zip(proposal.items(), proposal.definitions, strict=True)
    ]


async def _problems(proposal: Proposal, rules: CaseworkRules) -> list[Refusal]:
    """What would be refused if the draft were submitted now."""
    problems: list[Refusal] = []
    for item in proposal.items():
        problems += [*check(item, rules), *await standing_problems(item)]
    return problems
