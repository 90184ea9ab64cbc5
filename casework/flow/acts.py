"""The acts of the approval flow, beside the decision itself (`casework.acts`), and what they answer."""

from datetime import date
from enum import StrEnum

import msgspec

from casework.acts import FileApplication, Status
from kernel.actor import Role
from kernel.acts import Act, Done, SigningRequest, View


class Urge(Act[Done], frozen=True, tag="case.urge"):
    """催办: asks everybody whose turn it is at the case to act."""

    case: str


class DelegationView(View, frozen=True, tag="delegation"):
    id: int
    principal: str
    delegate: str
    first_day: date
    last_day: date
    revoked: bool = False


class PrepareDelegation(Act[SigningRequest], frozen=True, tag="delegation.prepare"):
    """Asks for the exact bytes to sign for the same delegation."""

    delegate: str
    first_day: date
    last_day: date
    reason: str
    principal: str = ""
    roles: tuple[Role, ...] = ()
    items: tuple[str, ...] = ()


class Delegate(Act[DelegationView], frozen=True, tag="delegation.make"):
    """代理授权, for whole days. `principal` empty: the actor; no `roles`, no `items`: every one."""

    delegate: str
    first_day: date
    last_day: date
    reason: str
    principal: str = ""
    roles: tuple[Role, ...] = ()
    items: tuple[str, ...] = ()


class RevokeDelegation(Act[DelegationView], frozen=True, tag="delegation.revoke"):
    delegation: int


class PartState(StrEnum):
    """Where a part of a package stands."""

    WAITING = "waiting"  # 等待前置事项
    FILED = "filed"  # 已申报
    STOPPED = "stopped"  # 前置事项未获准予，不再申报
    OBSTRUCTED = "obstructed"  # 轮到时未能申报，待窗口处理


class PackagePartView(msgspec.Struct, frozen=True, kw_only=True):
    """One case of a package; `case` and `status` are null until it is filed, `obstacle` names why it was not."""

    seq: int
    item: str
    item_name: str
    stage: str
    after: tuple[str, ...]
    state: PartState
    case: str | None = None
    status: Status | None = None
    obstacle: str = ""


class PackageView(View, frozen=True, tag="package"):
    """Without the query password: see `FiledView`."""

    number: str
    name: str
    parts: tuple[PackagePartView, ...]


class FilePackage(Act[PackageView], frozen=True, tag="package.file"):
    """一条龙: one filing of several items. `application` names the package item; its `form` is a JSON object from
    stage code to that stage's answers, its materials are those of all parts together."""

    application: FileApplication


class QueryPackage(Act[PackageView], frozen=True, tag="package.query"):
    """Where a package stands: for its applicant, with the query password, or for an officer who may see its cases."""

    number: str
    password: str | None = None
