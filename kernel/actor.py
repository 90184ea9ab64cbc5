"""Who acts, in which roles, and how sure the office is of it."""

from enum import IntEnum, StrEnum

import msgspec


class Role(StrEnum):
    """The roles of one city's approval and supervision (organisation and duties, 组织与角色)."""

    APPLICANT = "applicant"  # 申请人
    WINDOW_CLERK = "window_clerk"  # 窗口人员
    HANDLER = "handler"  # 承办人
    SECTION_HEAD = "section_head"  # 科室负责人
    DEPUTY_LEADER = "deputy_leader"  # 分管领导
    UNIT_HEAD = "unit_head"  # 单位主要负责人
    GOVERNMENT_HEAD = "government_head"  # 本级人民政府负责人
    SUPERVISOR = "supervisor"  # 监察员
    SUPERVISION_LEADER = "supervision_leader"  # 监察领导
    REFORM_OFFICE = "reform_office"  # 审改办
    LEGAL_OFFICE = "legal_office"  # 法制办
    EFFICIENCY_OFFICE = "efficiency_office"  # 效能办
    PRICE_OFFICE = "price_office"  # 物价
    SERVICE_CENTRE = "service_centre"  # 政务中心
    INFORMATION_CENTRE = "information_centre"  # 信息中心
    EGOVERNMENT_OFFICE = "egovernment_office"  # 电子政务办
    RA_OPERATOR = "ra_operator"  # RA 操作员
    LIAISON = "liaison"  # 联络员


class ActorKind(StrEnum):
    OFFICER = "officer"
    APPLICANT = "applicant"
    ANONYMOUS = "anonymous"
    SYSTEM = "system"


class Assurance(IntEnum):
    """How sure the office is that the actor wills this act. Higher includes lower."""

    NONE = 0
    SESSION = 10  # a token obtained by certificate challenge
    SMS_CODE = 20  # a one-time code answered from the registered number: acknowledgement, not a signature
    CERTIFICATE = 30  # the exact act signed with a CA-issued key
    SYSTEM = 40  # the office's own clock or command line


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    kind: ActorKind
    id: str
    name: str = ""
    roles: frozenset[Role] = frozenset()
    unit: str | None = None
    phone: str | None = None
    assurance: Assurance = Assurance.NONE

    def has(self, *roles: Role) -> bool:
        """Whether the actor holds any of `roles`."""
        return not self.roles.isdisjoint(roles)


ANYBODY = Actor(kind=ActorKind.ANONYMOUS, id="anonymous")
#: The office's own clock: deadlines, sweeps, deemed acceptance.
THE_CLOCK = Actor(kind=ActorKind.SYSTEM, id="clock", name="系统时钟", assurance=Assurance.SYSTEM)
#: An IT operator at the command line of the server itself.
THE_OPERATOR = Actor(kind=ActorKind.SYSTEM, id="operator", name="系统运维", assurance=Assurance.SYSTEM)
