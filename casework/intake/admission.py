"""Whether an application may come in, by this door and at this window; who asks, and for whom.

Source: Administrative Licensing Law, art. 29 (agents), 33 (online); the measures on online approval: one window per
unit (统一受理窗口), three modes of handling, same-day entry (当天录入) and second entry (二次录入).
"""

import re
from datetime import date

from casework.acts import Channel, FileApplication, MaterialGiven
from casework.catalogue.checks import ensure_files_online
from casework.catalogue.definitions import ItemDefinition, ServiceMode, Stage
from casework.catalogue.publishing import WINDOW_KINDS
from casework.clock.working_days import Calendar, day_of
from casework.intake.forms import ensure_valid
from casework.intake.refusals import (
    FormUnexpected,
    NotAWindow,
    NotOfferedHere,
    OnlineNotOffered,
    ReceivedTooLongAgo,
)
from casework.refusals import ReceivedInFuture
from casework.rules import CaseworkRules
from kernel.refusals import Invalid
from kernel.tables import Unit
from kernel.words import is_plain
from kernel.work import Work

_PHONE = re.compile(r"1\d{10}", re.ASCII)
_MOST_MATERIALS = 100
_LONGEST_SOURCE = 60


async def window_for(work: Work, act: FileApplication, item: ItemDefinition) -> str:
    """The hall, branch or centre whose window keeps the case.

    Raises NOT_ONLINE, ONLINE_NOT_OFFERED, NOT_A_WINDOW, NOT_OFFERED_HERE.
    """
    hall = work.given(CaseworkRules).hall_unit
    if act.channel == Channel.ONLINE:
        _check_online(item)
        window = act.window or (item.offered_at[0] if item.offered_at and hall not in item.offered_at else hall)
    else:
        window = work.actor.unit or ""
        if act.window not in ("", window):
            raise Invalid(field="受理窗口", why="窗口人员只能在本窗口收件")
    unit = await Unit.get_or_none(code=window)
    # The hall that settings name is a window, whatever the directory calls it.
    if window != hall and (unit is None or unit.kind not in WINDOW_KINDS):
        raise NotAWindow(unit=unit.name if unit else window)
    if item.offered_at and window not in item.offered_at:
        names = dict(await Unit.filter(code__in=item.offered_at).values_list("code", "name"))
        raise NotOfferedHere(item=item.code, offered_at=[str(names.get(code, code)) for code in item.offered_at])
    return window


def received_day(work: Work, act: FileApplication) -> date:
    """The day of receipt, which starts the clock, however late it is entered.

    A window may be late by `latest_entry_days`; what is older must own up to being a second entry, of another system.
    Raises RECEIVED_IN_FUTURE, RECEIVED_TOO_LONG_AGO, INVALID.
    """
    today = day_of(work.now)
    if act.channel == Channel.SECOND_ENTRY:
        if act.received_on is None:
            raise Invalid(field="收件日期", why="二次录入须填写原收件日期")
        if not act.source.strip() or len(act.source) > _LONGEST_SOURCE:
            raise Invalid(field="来源系统", why=f"二次录入须填写来源系统（不超过{_LONGEST_SOURCE}字）")
    received_on = act.received_on or today
    if received_on > today:
        raise ReceivedInFuture(day=received_on.isoformat())
    most = work.given(CaseworkRules).latest_entry_days
    late = work.given(Calendar).working_days_between(received_on, today)
    if act.channel == Channel.WINDOW and late > most:
        raise ReceivedTooLongAgo(day=received_on.isoformat(), most=most)
    return received_on


def check_people(act: FileApplication) -> None:
    """Raises INVALID, naming the field. An agent is named whole or not at all."""
    check_person("申请人", act.applicant_name, act.applicant_id_number, act.applicant_phone)
    if act.agent_name or act.agent_id_number or act.agent_phone:
        check_person("代理人", act.agent_name, act.agent_id_number, act.agent_phone)
    if len(act.licence_number) > 60:
        raise Invalid(field="证照编号", why="不超过60字")


def check_person(who: str, name: str, id_number: str, phone: str) -> None:
    if not _is_word(name, most=120):
        raise Invalid(field=who, why="请填写姓名或名称（不超过120字，不含换行和不可见字符）")
    if not _is_word(id_number, most=40):
        raise Invalid(field=f"{who}证件号码", why="请填写身份证号或统一社会信用代码")
    if not _PHONE.fullmatch(phone):
        raise Invalid(field=f"{who}手机号码", why="应为11位大陆手机号码")


def check_materials(materials: tuple[MaterialGiven, ...]) -> None:
    if len(materials) > _MOST_MATERIALS:
        raise Invalid(field="申请材料", why=f"不超过{_MOST_MATERIALS}份")
    if not all(_is_word(material.name, most=120) for material in materials):
        raise Invalid(field="申请材料", why="材料名称不能为空，不超过120字，不含换行和不可见字符")


def check_form(stage: Stage, channel: str, answers: str) -> None:
    """Online the stage's form is filled in; at a window it may be, and then as well. Raises FORM_ANSWERS_INVALID,
    FORM_UNEXPECTED.
    """
    if stage.form is None:
        if answers:
            raise FormUnexpected(stage=stage.code)
    elif answers or channel == Channel.ONLINE:
        ensure_valid(stage.form, answers or "{}")


def _is_word(text: str, *, most: int) -> bool:
    return bool(text.strip()) and len(text) <= most and is_plain(text)


def _check_online(item: ItemDefinition) -> None:
    ensure_files_online(item)
    if item.mode is ServiceMode.WINDOW:
        raise OnlineNotOffered(item=item.code, why="由窗口受理并核对材料")
    if item.deferral is not None:
        raise OnlineNotOffered(item=item.code, why=f"延期上网，{item.deferral.reason}")
