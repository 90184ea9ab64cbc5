"""Around the decision: urging, standing in for an absent officer, and packages of several items."""

from datetime import date, datetime
from functools import partial
from typing import Annotated

import strawberry

from casework.flow.acts import (
    Delegate,
    DelegationView,
    FilePackage,
    PackageView,
    PrepareDelegation,
    QueryPackage,
    RevokeDelegation,
    Urge,
)
from casework.flow.delegations import colleagues_of, delegations_of
from casework.intake.query_passwords import query_password
from kernel.acts import Done
from kernel.chance import Secrets
from mobile_api.context import Info, perform
from mobile_api.enums import CaseStatus, PartState, Role
from mobile_api.intake import ApplicationInput
from mobile_api.pages import shaped
from mobile_api.refusals import Refusal
from mobile_api.signing import SignedInput, SigningResult, signing_payload


@strawberry.type(description="How many open turns were urged.")
class UrgePayload:
    turns: int


UrgeResult = Annotated[UrgePayload | Refusal, strawberry.union("UrgeResult")]


@strawberry.type(description="代理授权: who acts in whose name, for which whole days, in what.")
class Delegation:
    id: strawberry.ID
    principal: strawberry.ID
    principal_name: str
    delegate: strawberry.ID
    delegate_name: str
    roles: list[Role]
    items: list[str] = strawberry.field(description="Codes of items; empty: every item.")
    first_day: date
    last_day: date
    reason: str
    in_force: bool = strawberry.field(description="Whether the delegate may act now.")
    revoked_at: datetime | None


@strawberry.type(description="An officer of the caller's unit.")
class Colleague:
    id: strawberry.ID
    name: str
    roles: list[Role]


@strawberry.type(description="A delegation as an act left it.")
class DelegationState:
    id: strawberry.ID
    principal: strawberry.ID
    delegate: strawberry.ID
    first_day: date
    last_day: date
    revoked: bool


@strawberry.type
class DelegationPayload:
    delegation: DelegationState


DelegationResult = Annotated[DelegationPayload | Refusal, strawberry.union("DelegationResult")]


@strawberry.input(
    description="The same to prepare and to delegate. Whole days; no roles and no items: every one of the principal's."
)
class DelegationInput:
    delegate: strawberry.ID
    first_day: date
    last_day: date
    reason: str
    principal: strawberry.ID | None = strawberry.field(default=None, description="Left out: the caller.")
    roles: list[Role] = strawberry.field(default_factory=list)
    items: list[str] = strawberry.field(default_factory=list)


@strawberry.type(description="One case of a package.")
class PackagePart:
    seq: int
    item: str
    item_name: str
    stage: str
    after: list[str] = strawberry.field(description="Codes of the stages that must be granted first.")
    state: PartState
    case: strawberry.ID | None = strawberry.field(description="Null until it is filed.")
    status: CaseStatus | None
    obstacle: str | None = strawberry.field(description="OBSTRUCTED: the code of the refusal, see errors.yaml.")


@strawberry.type(description="一条龙: several items asked for once, in the order of their cases.")
class Package:
    number: strawberry.ID
    name: str
    parts: list[PackagePart]


PackageResult = Annotated[Package | Refusal, strawberry.union("PackageResult")]


@strawberry.type(description="Show the number and the query password once; every case brings its own by text.")
class FiledPackagePayload:
    package: Package
    query_password: str


FiledPackageResult = Annotated[FiledPackagePayload | Refusal, strawberry.union("FiledPackageResult")]


async def _urge(info: Info, idempotency_key: str, case: strawberry.ID) -> UrgeResult:
    return await perform(info, Urge(case=case), _urged, key=idempotency_key)


async def _delegations(info: Info) -> list[Delegation]:
    services, officer = info.context.services, info.context.officer()
    rows = await delegations_of(services.database, officer.id, services.clock.now())
    return [shaped(Delegation, row) for row in rows]


async def _colleagues(info: Info) -> list[Colleague]:
    rows = await colleagues_of(info.context.services.database, info.context.officer().id)
    return [shaped(Colleague, row) for row in rows]


async def _prepare_delegation(info: Info, delegation: DelegationInput) -> SigningResult:
    act = PrepareDelegation(
        delegate=delegation.delegate,
        first_day=delegation.first_day,
        last_day=delegation.last_day,
        reason=delegation.reason,
        principal=delegation.principal or "",
        roles=tuple(delegation.roles),
        items=tuple(delegation.items),
    )
    return await perform(info, act, signing_payload)


async def _delegate(
    info: Info, idempotency_key: str, delegation: DelegationInput, signed: SignedInput
) -> DelegationResult:
    act = Delegate(
        delegate=delegation.delegate,
        first_day=delegation.first_day,
        last_day=delegation.last_day,
        reason=delegation.reason,
        principal=delegation.principal or "",
        roles=tuple(delegation.roles),
        items=tuple(delegation.items),
    )
    return await perform(info, act, _delegated, key=idempotency_key, proof=signed.to_proof())


async def _revoke_delegation(info: Info, idempotency_key: str, delegation: strawberry.ID) -> DelegationResult:
    number = int(delegation) if delegation.isascii() and delegation.isdigit() and len(delegation) < 19 else 0
    return await perform(info, RevokeDelegation(delegation=number), _delegated, key=idempotency_key)


async def _file_package(info: Info, idempotency_key: str, application: ApplicationInput) -> FiledPackageResult:
    act = FilePackage(application=application.to_act(info.context))
    shown, is_late = partial(_filed, info.context.services.secrets), application.is_late(info.context)
    return await perform(info, act, shown, key=idempotency_key, is_late=is_late)


async def _package(info: Info, number: strawberry.ID, password: str | None = None) -> PackageResult:
    return await perform(info, QueryPackage(number=number, password=password), _shown)


def _urged(view: Done) -> UrgePayload:
    return UrgePayload(turns=view.count)


def _delegated(view: DelegationView) -> DelegationPayload:
    return DelegationPayload(
        delegation=DelegationState(
            id=strawberry.ID(str(view.id)),
            principal=strawberry.ID(view.principal),
            delegate=strawberry.ID(view.delegate),
            first_day=view.first_day,
            last_day=view.last_day,
            revoked=view.revoked,
        )
    )


def _filed(secrets: Secrets, view: PackageView) -> FiledPackagePayload:
    return FiledPackagePayload(package=_shown(view), query_password=query_password(secrets, view.number))


def _shown(view: PackageView) -> Package:
    return Package(
        number=strawberry.ID(view.number),
        name=view.name,
        parts=[
            PackagePart(
                seq=part.seq,
                item=part.item,
                item_name=part.item_name,
                stage=part.stage,
                after=list(part.after),
                state=part.state,
                case=strawberry.ID(part.case) if part.case else None,
                status=part.status,
                obstacle=part.obstacle or None,
            )
            for part in view.parts
        ],
    )


@strawberry.type
class FlowQueries:
    delegations: list[Delegation] = strawberry.field(
        resolver=_delegations, description="Given and received by the caller, newest first."
    )
    colleagues: list[Colleague] = strawberry.field(
        resolver=_colleagues, description="Whom the caller may ask to stand in."
    )
    package: PackageResult = strawberry.field(
        resolver=_package, description="With its query password; officers of its cases need none."
    )


@strawberry.type
class FlowMutations:
    urge: UrgeResult = strawberry.field(
        resolver=_urge, description="催办: a text and a mark for everybody whose turn it is; once in some hours."
    )
    prepare_delegation: SigningResult = strawberry.field(
        resolver=_prepare_delegation, description="The exact bytes to sign for `delegate` with the same input."
    )
    delegate: DelegationResult = strawberry.field(
        resolver=_delegate, description="Signed by the absent officer, or by the head of their unit."
    )
    revoke_delegation: DelegationResult = strawberry.field(resolver=_revoke_delegation)
    file_package: FiledPackageResult = strawberry.field(
        resolver=_file_package,
        description="`application.item` is the package, `stage` is empty; `form` is an object from stage to answers.",
    )
