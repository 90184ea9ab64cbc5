"""代理授权: an absent officer's turns are taken by another for a while, in the absent officer's name.

Who stands in is asked at the moment of the act, so a delegation ends with its period, its revocation, or the office of
either person. Handing over one's signature takes a signature; ending it takes none. A delegate acts for the
principal's own roles and never passes on what was delegated to them. Nobody acts on two adjacent levels, in whoever's
name: substitution must not undo the separation of levels.

Limits: both officers serve in the same unit, because who may see a case goes by unit.
"""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta

import msgspec

from casework.clock.working_days import day_of, end_of_day, start_of_day
from casework.flow.acts import Delegate, DelegationView, PrepareDelegation, RevokeDelegation
from casework.flow.events import AuthorityDelegated, DelegationRevoked
from casework.flow.refusals import DelegateUnfit, DelegationEmpty, UnknownDelegation
from casework.flow.steps import ROLE_NAMES
from casework.flow.tables import Delegation
from casework.refusals import ReasonMissing, SamePersonTwice, SignedSomethingElse
from casework.rules import CaseworkRules
from casework.tables import Case, Item, Task
from kernel.actor import ActorKind, Role
from kernel.acts import SigningRequest, Statement
from kernel.db import Database, Row, instant_of
from kernel.permissions import permission
from kernel.tables import Officer
from kernel.work import Work

#: Roles that have turns: only these can be delegated.
DELEGABLE = frozenset(ROLE_NAMES)

#: How far ahead a delegation may reach; nobody delegates their office for good, or after the fact.
_LONGEST = timedelta(days=366)
_LONGEST_REASON = 200

_names = msgspec.json.Decoder(list[str])


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """A delegation that is in force for its delegate: whose turns, in which roles, of which items (none: of all)."""

    delegation: int
    principal: str
    name: str
    unit: str
    roles: frozenset[str]
    items: tuple[str, ...]

    def covers(self, task: Task, item: str) -> bool:
        return (
            task.unit_code == self.unit
            and task.role in self.roles
            and task.assignee in (None, self.principal)
            and (not self.items or item in self.items)
        )


class _Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """A delegation as it is signed and kept: nothing left out, nothing cut off afterwards."""

    principal: Officer
    delegate: Officer
    first_day: date
    last_day: date
    roles: list[Role]
    items: list[str]
    reason: str


# --------------------------------------------------------------------------------------------------- who stands in


async def mandates_of(database: Database, officer: str, now: datetime) -> tuple[list[Mandate], bool]:
    """What `officer` may do in other people's names now, oldest first, and whether they ever delegated or stood in."""
    rows = await database.rows(
        "SELECT d.id, d.principal, d.delegate, d.starts_at, d.ends_at, d.revoked_at, CAST(d.roles AS TEXT) AS roles,"
        " CAST(d.items AS TEXT) AS items, o.name, o.unit_code, o.active AND s.unit_code = o.unit_code AS standing,"
        " CAST(o.roles AS TEXT) AS held FROM delegation d JOIN officer o ON o.id = d.principal"
        " JOIN officer s ON s.id = d.delegate WHERE d.delegate = $1 OR d.principal = $1"
        " ORDER BY d.id",
        officer,
    )
    standing = [row for row in rows if row["delegate"] == officer and row["standing"] and _in_force(row, now)]
    return [_mandate(row) for row in standing], bool(rows)


async def in_whose_name(work: Work, officer: Officer, task: Task, item: str) -> Officer | None:
    """The principal in whose name `officer` takes this turn; None when they take it in their own, or not at all."""
    if is_own(officer, task):
        return None
    mandates, _ = await mandates_of(work.database, officer.id, work.now)
    mandate = next((each for each in mandates if each.covers(task, item)), None)
    return None if mandate is None else await Officer.get(id=mandate.principal)


def is_own(officer: Officer, task: Task) -> bool:
    """Whether the turn is the officer's by office."""
    return task.unit_code == officer.unit_code and task.role in officer.roles and task.assignee in (None, officer.id)


async def ensure_not_adjacent(work: Work, case: Case, task: Task, principal: Officer | None) -> None:
    """Raises SAME_PERSON_TWICE when the actor, or whom they stand in for, acted on the level below or above, or has
    the turn there.
    """
    if not task.level or work.given(CaseworkRules).same_person_adjacent:
        return
    people = [work.actor.id, *([principal.id] if principal else [])]
    near = "case_id = $1 AND branch = $2 AND level IN ($3, $4) AND level > 0"
    neighbours = await work.database.rows(
        f"SELECT officer, principal FROM case_step WHERE {near}"
        f" UNION ALL SELECT assignee AS officer, '' AS principal FROM task WHERE {near} AND assignee IS NOT NULL",
        case.id,
        task.branch,
        task.level - 1,
        task.level + 1,
    )
    if any(row["officer"] in people or row["principal"] in people for row in neighbours):
        raise SamePersonTwice(case=case.number)


async def delegates_of(principals: Iterable[Officer], role: str, item: str, now: datetime) -> list[Officer]:
    """The active officers who stand in for any of `principals` in `role`, for cases of `item`."""
    unit_of = {officer.id: officer.unit_code for officer in principals}
    rows = await Delegation.filter(
        principal__in=list(unit_of), revoked_at=None, starts_at__lte=now, ends_at__gt=now
    ).order_by("id")
    fit = [row for row in rows if role in row.roles and (not row.items or item in row.items)]
    if not fit:
        return []
    units = {row.delegate: {unit_of[each.principal] for each in fit if each.delegate == row.delegate} for row in fit}
    delegates = await Officer.filter(id__in=list(units), active=True).order_by("id")
    return [officer for officer in delegates if officer.unit_code in units[officer.id]]


# ------------------------------------------------------------------------------------------------------------ acts


@permission("the absent officer, or the head of their unit")
async def may_delegate(work: Work, act: PrepareDelegation | Delegate) -> bool:
    return await _answers_for(work, act.principal or work.actor.id)


@permission("the officer who delegated, or the head of their unit")
async def may_revoke(work: Work, act: RevokeDelegation) -> bool:
    """Also true of a delegation that is not there, so that the use-case can say so."""
    delegation = await Delegation.get_or_none(id=act.delegation)
    return work.actor.kind is ActorKind.OFFICER and (
        delegation is None or await _answers_for(work, delegation.principal)
    )


async def prepare_delegation(work: Work, act: PrepareDelegation) -> SigningRequest:
    """The exact bytes to sign. Refuses now what `delegate` would refuse later."""
    return await work.notary.prepare(work, _statement(await _proposed(work, act)))


async def delegate(work: Work, act: Delegate) -> DelegationView:
    """Gives the principal's turns to a delegate for whole days, as signed by who gives them. Raises DELEGATE_UNFIT,
    DELEGATION_EMPTY, REASON_MISSING, SIGNED_SOMETHING_ELSE.
    """
    proposed = await _proposed(work, act)
    if work.assured.statement != _statement(proposed):
        raise SignedSomethingElse()
    row = await Delegation.create(
        principal=proposed.principal.id,
        delegate=proposed.delegate.id,
        roles=[role.value for role in proposed.roles],
        items=proposed.items,
        starts_at=start_of_day(act.first_day),
        ends_at=end_of_day(act.last_day),
        reason=proposed.reason,
        made_by=work.actor.id,
        made_at=work.now,
    )
    work.record(
        AuthorityDelegated(
            officer=row.principal,
            delegation=row.id,
            delegate=row.delegate,
            roles=tuple(row.roles),
            items=tuple(row.items),
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            evidence=work.assured.evidence,
        )
    )
    return _view(row)


async def revoke_delegation(work: Work, act: RevokeDelegation) -> DelegationView:
    """收回: at once. Raises UNKNOWN_DELEGATION when there is none or it was revoked before."""
    row = await Delegation.get_or_none(id=act.delegation)
    revoked = await Delegation.filter(id=act.delegation, revoked_at=None).update(
        revoked_at=work.now, revoked_by=work.actor.id
    )
    if row is None or revoked != 1:
        raise UnknownDelegation()
    work.record(DelegationRevoked(officer=row.principal, delegation=row.id, delegate=row.delegate))
    return msgspec.structs.replace(_view(row), revoked=True)


async def delegations_of(database: Database, officer: str, now: datetime) -> list[Row]:
    """The delegations that `officer` gave or was given, newest first, with the names of both."""
    rows = await database.rows(
        "SELECT d.id, d.principal, p.name AS principal_name, d.delegate, s.name AS delegate_name,"
        " CAST(d.roles AS TEXT) AS roles, CAST(d.items AS TEXT) AS items, d.starts_at, d.ends_at, d.reason,"
        " d.revoked_at FROM delegation d JOIN officer p ON p.id = d.principal JOIN officer s ON s.id = d.delegate"
        " WHERE d.delegate = $1 OR d.principal = $1 ORDER BY d.id DESC LIMIT 50",
        officer,
    )
    return [
        {
            **row,
            "roles": _names.decode(str(row["roles"])),
            "items": _names.decode(str(row["items"])),
            "first_day": day_of(instant_of(row["starts_at"])),
            "last_day": _last_day(instant_of(row["ends_at"])),
            "in_force": _in_force(row, now),
            "revoked_at": instant_of(row["revoked_at"]) if row["revoked_at"] else None,
        }
        for row in rows
    ]


async def colleagues_of(database: Database, officer: str) -> list[Row]:
    """The other active officers of the officer's unit: whom they may ask to stand in."""
    rows = await database.rows(
        "SELECT o.id, o.name, CAST(o.roles AS TEXT) AS roles FROM officer o"
        " JOIN officer me ON me.unit_code = o.unit_code WHERE me.id = $1 AND o.id <> me.id AND o.active ORDER BY o.id",
        officer,
    )
    return [{**row, "roles": _names.decode(str(row["roles"]))} for row in rows]


# ----------------------------------------------------------------------------------------------------------- below


def _view(row: Delegation) -> DelegationView:
    return DelegationView(
        id=row.id,
        principal=row.principal,
        delegate=row.delegate,
        first_day=day_of(row.starts_at),
        last_day=_last_day(row.ends_at),
        revoked=row.revoked_at is not None,
    )


def _last_day(ends_at: datetime) -> date:
    return day_of(ends_at - timedelta(seconds=1))


def _in_force(row: Row, now: datetime) -> bool:
    return row["revoked_at"] is None and instant_of(row["starts_at"]) <= now < instant_of(row["ends_at"])


def _mandate(row: Row) -> Mandate:
    return Mandate(
        delegation=int(str(row["id"])),
        principal=str(row["principal"]),
        name=str(row["name"]),
        unit=str(row["unit_code"]),
        # A role that the principal has lost since cannot be exercised in their name.
        roles=frozenset(_names.decode(str(row["roles"]))) & frozenset(_names.decode(str(row["held"]))),
        items=tuple(_names.decode(str(row["items"]))),
    )


async def _answers_for(work: Work, principal: str) -> bool:
    if work.actor.kind is not ActorKind.OFFICER:
        return False
    actor, absent = await Officer.get_or_none(id=work.actor.id, active=True), await Officer.get_or_none(id=principal)
    if actor is None or absent is None or not absent.active:
        return False
    return actor.id == absent.id or (Role.UNIT_HEAD in actor.roles and actor.unit_code == absent.unit_code)


async def _proposed(work: Work, act: PrepareDelegation | Delegate) -> _Proposed:
    """The delegation, if it is possible now, with everything that the act left out."""
    if not act.reason.strip():
        raise ReasonMissing()
    principal = await Officer.get(id=act.principal or work.actor.id)
    roles, items = _scope(act.roles, principal), await _items(act.items)
    if not day_of(work.now) <= act.first_day <= act.last_day <= day_of(work.now + _LONGEST):
        raise DelegationEmpty(why="应自今天或以后开始，结束日期不早于开始日期，且不晚于一年后")
    stand_in = await Officer.get_or_none(id=act.delegate, active=True)
    if stand_in is None or stand_in.id == principal.id or stand_in.unit_code != principal.unit_code:
        raise DelegateUnfit(why="代理人应为本单位其他在岗人员")
    if not await work.notary.can_sign(work, stand_in.id):
        raise DelegateUnfit(why="代理人没有有效的签名证书")
    return _Proposed(
        principal=principal,
        delegate=stand_in,
        first_day=act.first_day,
        last_day=act.last_day,
        roles=roles,
        items=items,
        reason=act.reason.strip()[:_LONGEST_REASON],
    )


def _statement(proposed: _Proposed) -> Statement:
    """What is shown and signed; generated alike when preparing and when performing."""
    principal, stand_in = proposed.principal, proposed.delegate
    return Statement(
        kind="delegation",
        subject=f"delegation:{principal.id}",
        revision=1,
        title=f"代理授权·{principal.name}委托{stand_in.name}",
        lines=(
            ("委托人", f"{principal.name}（{principal.id}）"),
            ("代理人", f"{stand_in.name}（{stand_in.id}）"),
            ("起止", f"{proposed.first_day.isoformat()}至{proposed.last_day.isoformat()}"),
            ("角色", "、".join(ROLE_NAMES[role] for role in proposed.roles)),
            ("事项", "、".join(proposed.items) or "全部事项"),
            ("理由", proposed.reason),
        ),
        facts={
            "principal": principal.id,
            "delegate": stand_in.id,
            "first_day": proposed.first_day.isoformat(),
            "last_day": proposed.last_day.isoformat(),
            "roles": msgspec.json.encode(proposed.roles).decode(),
            "items": msgspec.json.encode(proposed.items).decode(),
            "reason": proposed.reason,
        },
    )


def _scope(asked: Collection[Role], principal: Officer) -> list[Role]:
    held = {Role(role) for role in principal.roles} & DELEGABLE
    roles = sorted(role for role in held if not asked or role in asked)
    if not roles or not set(asked) <= held:
        raise DelegationEmpty(why="只能委托本人担任的审批角色")
    return roles


async def _items(asked: tuple[str, ...]) -> list[str]:
    """The codes, each once. Codes alone are shown: the name of a secret item is not for everybody who delegates."""
    codes = list(dict.fromkeys(asked))
    if codes and await Item.filter(code__in=codes).count() != len(codes):
        raise DelegationEmpty(why="事项编码有误")
    return codes
