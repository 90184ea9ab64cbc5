"""One case, whole: materials, opinions, documents, clock, and the six-part process record.

The record (全过程详尽记录) has six groups: 申请人、经办人、收文、发文、回执、数据交换. Its entries are the case's own
events, each with its place and hash in the chain, so an entry cannot be dropped without `log verify` naming the gap.

Limits: texts sent to people are kept by the packages that send them, not here.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import msgspec

from casework.clock.ledger import Extended, Ledger, Recalculated, Resumed, Started, Stopped, excluded
from casework.clock.shown import hearing_of, renewal_of
from casework.clock.time_limits import Light
from casework.clock.working_days import Calendar, day_of
from casework.flow.steps import ROLE_NAMES, step_name
from casework.flow.turn import signed_by
from casework.queries import case_summary, day, days_left, ledgers_of, light_of, steps_of, visible_case
from kernel.actor import Actor, Role
from kernel.db import Database, Row, instant_of


class Group(StrEnum):
    """The six parts, in the order of the record."""

    APPLICANT = "applicant"
    HANDLERS = "handlers"
    INCOMING = "incoming"
    OUTGOING = "outgoing"
    RECEIPTS = "receipts"
    EXCHANGE = "exchange"


GROUP_NAMES: Mapping[Group, str] = MappingProxyType(
    {
        Group.APPLICANT: "申请人信息",
        Group.HANDLERS: "经办人信息",
        Group.INCOMING: "收文信息",
        Group.OUTGOING: "发文信息",
        Group.RECEIPTS: "回执信息",
        Group.EXCHANGE: "数据交换信息",
    }
)

#: What each event is called and which parts of the record it belongs to.
EVENT_NAMES: Mapping[str, tuple[str, tuple[Group, ...]]] = MappingProxyType(
    {
        "case.filed": ("接件", (Group.APPLICANT, Group.INCOMING, Group.RECEIPTS)),
        "case.supplement_asked": ("一次性告知补正", (Group.HANDLERS, Group.OUTGOING)),
        "case.supplement_received": ("收到补正材料", (Group.INCOMING,)),
        "case.accepted": ("受理", (Group.HANDLERS, Group.OUTGOING)),
        "case.acceptance_refused": ("不予受理", (Group.HANDLERS, Group.OUTGOING)),
        "case.pre_reviewed": ("材料预审", (Group.HANDLERS,)),
        "case.originals_asked": ("通知核对原件", (Group.HANDLERS, Group.OUTGOING)),
        "case.originals_checked": ("原件核对", (Group.HANDLERS, Group.INCOMING)),
        "case.corrected": ("当场更正", (Group.APPLICANT, Group.INCOMING)),
        "case.papers_handed_over": ("纸质材料移交", (Group.HANDLERS, Group.INCOMING)),
        "case.papers_received": ("纸质材料签收", (Group.HANDLERS, Group.INCOMING)),
        "case.papers_waived": ("纸质材料免收", (Group.HANDLERS,)),
        "case.second_entry": ("二次录入", (Group.INCOMING, Group.EXCHANGE)),
        "case.bill_issued": ("开具缴费单", (Group.OUTGOING,)),
        "case.fee_entered": ("填写收费金额", (Group.HANDLERS,)),
        "case.unlisted_fee": ("清单外收费", (Group.HANDLERS,)),
        "case.bill_settled": ("缴费结清", (Group.RECEIPTS,)),
        "case.task_opened": ("转入环节", ()),
        "case.advanced": ("同意，报上一级", (Group.HANDLERS,)),
        "case.returned": ("退回", (Group.HANDLERS,)),
        "case.decided": ("作出决定", (Group.HANDLERS, Group.OUTGOING)),
        "case.completed": ("办结", (Group.HANDLERS,)),
        "case.delivered": ("送达", (Group.HANDLERS, Group.RECEIPTS)),
        "case.rated": ("服务评价", (Group.APPLICANT, Group.RECEIPTS)),
        "case.signed_on_behalf": ("代理签署", (Group.HANDLERS,)),
        "case.branch_ended": ("并联会办意见", (Group.HANDLERS,)),
        "case.branches_joined": ("并联会办结束", ()),
        "case.dissent_answered": ("处理会办不同意见", (Group.HANDLERS,)),
        "case.reported_up": ("初审完毕，上报", (Group.HANDLERS, Group.OUTGOING)),
        "case.urged": ("催办", (Group.HANDLERS,)),
        "case.archived": ("归档", (Group.RECEIPTS,)),
        "case.withdrawn": ("申请人撤回", (Group.APPLICANT, Group.INCOMING)),
        "case.clock_stopped": ("特殊程序，停止计时", (Group.HANDLERS, Group.OUTGOING)),
        "case.clock_resumed": ("恢复计时", (Group.HANDLERS,)),
        "case.clock_extended": ("延长期限", (Group.HANDLERS, Group.OUTGOING)),
        "case.stoppage_told_longer": ("特殊程序，告知延长", (Group.HANDLERS, Group.OUTGOING)),
        "case.stoppage_overran": ("特殊程序超出告知时间，恢复计时", (Group.HANDLERS,)),
        "case.hearing_right_told": ("告知听证权利", (Group.HANDLERS, Group.OUTGOING)),
        "case.hearing_asked": ("申请听证，停止计时", (Group.APPLICANT, Group.INCOMING)),
        "case.hearing_announced": ("听证通知", (Group.HANDLERS, Group.OUTGOING)),
        "case.hearing_held": ("举行听证，恢复计时", (Group.HANDLERS,)),
        "case.hearing_light": ("听证期限预警", ()),
        "case.renewal_deemed": ("视为准予延续", (Group.OUTGOING,)),
        "case.due_moved": ("工作日历调整，期限改变", (Group.HANDLERS,)),
        "case.imported": ("自建系统报送", (Group.EXCHANGE,)),
        "case.foreign_step": ("自建系统环节", (Group.EXCHANGE,)),
        "case.foreign_end": ("自建系统办结", (Group.EXCHANGE,)),
    }
)

#: The fields of events that a reader needs, by their names on the page.
_LABELS = {
    "receipt": "接件凭证号",
    "document": "文书编号",
    "received_on": "收件日期",
    "accepted_on": "受理日期",
    "committed_due": "承诺办结日",
    "statutory_due": "法定办结日",
    "evidence": "签名存证号",
    "reason": "理由",
    "days": "工作日",
    "told_days": "告知工作日",
    "told_until": "告知截止日",
    "ask_by": "申请听证截止日",
    "hold_by": "听证截止日",
    "hearing_on": "听证日期",
    "place": "地点",
    "notice": "通知文号",
    "before": "原期限",
    "due": "新期限",
    "licence": "许可证件编号",
    "source": "来源系统",
    "activity": "环节",
}


async def case_detail(
    database: Database, actor: Actor, number: str, *, now: datetime, calendar: Calendar
) -> Row | None:
    """Everything about one case that this actor may see; None when they may not, or there is none."""
    row = await visible_case(database, actor, number)
    if row is None:
        return None
    case = int(str(row["case_id"]))
    steps = await steps_of(database, case)
    ledger = (await ledgers_of(database, [case])).get(case)
    today = day_of(now)
    due = day(row["committed_due"])
    gaps = excluded(ledger) if ledger else []
    open_tasks = await _open_tasks(database, case, now)
    signers = {
        step["evidence"]: signed_by(str(step["officer_name"]), str(step["on_behalf_of"] or ""))
        for step in steps
        if step["evidence"]
    }
    timeline = [_entry(event, signers) for event in await _events(database, number)]
    return {
        **case_summary(row, steps[:-4:-1]),
        "unit_name": row["unit_name"],
        "statutory_days": row["statutory_days"],
        "committed_days": row["committed_days"],
        "days_left": None if due is None or row["decided_at"] else days_left(due, today, calendar, gaps),
        "applicant": _applicant(row, whole=await _handles(database, row, actor)),
        "open_task": open_tasks[0] if open_tasks else None,
        "open_tasks": open_tasks,
        "branches": await _branches(database, case, now),
        "urges": row["urges"],
        "urged_at": None if row["urged_at"] is None else instant_of(row["urged_at"]),
        "reported_up_at": None if row["reported_up_at"] is None else instant_of(row["reported_up_at"]),
        "materials": await _materials(database, case),
        "steps": steps,
        "documents": await _documents(database, case),
        "clock": _clock(ledger) if ledger else [],
        "hearing": await hearing_of(database, case, now=now),
        "renewal": await renewal_of(database, case),
        "timeline": timeline,
        "record": [
            {
                "group": group,
                "title": title,
                "entries": [entry for entry in timeline if group in _groups(str(entry["tag"]))],
            }
            for group, title in GROUP_NAMES.items()
        ],
    }


async def _handles(database: Database, row: Row, actor: Actor) -> bool:
    """Whether the actor's unit handles the case: as its own, at the window, as a co-unit, as the authority above."""
    if actor.unit == row["case_unit"] or actor.has(Role.WINDOW_CLERK):
        return True
    return bool(
        await database.rows(
            "SELECT id FROM task WHERE case_id = $1 AND unit_code = $2 AND level > 0 LIMIT 1",
            int(str(row["case_id"])),
            actor.unit,
        )
    )


def _applicant(row: Row, *, whole: bool) -> Row:
    """Whole for those who handle the case; supervision has no need of the number."""
    id_number, phone = str(row["applicant_id_number"]), str(row["applicant_phone"])
    return {
        "name": row["applicant_name"],
        "id_number": id_number if whole else masked(id_number),
        "phone": phone if whole else masked(phone),
    }


def masked(secret: str) -> str:
    """All but the first three and last two characters as dots; short values entirely."""
    if len(secret) < 8:
        return "•" * len(secret)
    return secret[:3] + "•" * (len(secret) - 5) + secret[-2:]


async def _open_tasks(database: Database, case: int, now: datetime) -> list[Row]:
    """Whose turns it is: the case's own line first, then its branches."""
    found = await database.rows(
        "SELECT id, step, role, unit_code, opened_at, due_on, yellow_at, red_at FROM task"
        " WHERE case_id = $1 AND closed_at IS NULL ORDER BY branch, id",
        case,
    )
    return [_open_task(row, now) for row in found]


def _open_task(row: Row, now: datetime) -> Row:
    return {
        "id": row["id"],
        "step": row["step"],
        "step_name": step_name(str(row["step"]), str(row["role"])),
        "role": row["role"],
        "unit": row["unit_code"],
        "opened_at": instant_of(row["opened_at"]),
        "due_on": day(row["due_on"]),
        "light": light_of(row, now),
    }


async def _branches(database: Database, case: int, now: datetime) -> list[Row]:
    """The co-units' parts in the order of the item, each with the opinion that ended it."""
    found = await database.rows(
        "SELECT b.id, b.number, b.unit_code, b.name, b.ended_at, b.verdict, b.opinion, b.officer_name, b.evidence,"
        " b.answer, t.step, t.role, t.due_on, t.yellow_at, t.red_at, t.closed_at FROM case_branch b"
        " JOIN task t ON t.id = (SELECT MAX(o.id) FROM task o WHERE o.case_id = b.case_id AND o.branch = b.number)"
        " WHERE b.case_id = $1 ORDER BY b.number",
        case,
    )
    return [
        {
            "id": row["id"],
            "number": row["number"],
            "unit": row["unit_code"],
            "name": row["name"],
            "step_name": step_name(str(row["step"]), str(row["role"])),
            "due_on": day(row["due_on"]),
            # Its last turn is over: it has spoken, or the case ended without it.
            "light": Light.OUT if row["closed_at"] else light_of(row, now),
            "ended_at": instant_of(row["ended_at"]) if row["ended_at"] else None,
            "verdict": row["verdict"] or None,
            "opinion": row["opinion"],
            "officer_name": row["officer_name"],
            "evidence": row["evidence"] or None,
            "answer": row["answer"],
        }
        for row in found
    ]


async def _materials(database: Database, case: int) -> list[Row]:
    found = await database.rows(
        "SELECT id, name, file_name, media_type, sha256, size, received_at FROM material WHERE case_id = $1"
        " ORDER BY id",
        case,
    )
    return [{**row, "received_at": instant_of(row["received_at"]), "on_paper": not row["sha256"]} for row in found]


async def _documents(database: Database, case: int) -> list[Row]:
    found = await database.rows(
        "SELECT id, kind, number, title, template_version, sha256, seal_serial, issued_at FROM document"
        " WHERE case_id = $1 ORDER BY id",
        case,
    )
    return [{**row, "issued_at": instant_of(row["issued_at"])} for row in found]


def _clock(ledger: Ledger) -> list[Row]:
    """The ledger's lines: what happened on which day, under which notice."""
    lines: list[Row] = []
    for entry in ledger.entries:
        line: Row = {"kind": "end", "day": entry.day, "ground": None, "until": None, "days": None, "document": None}
        match entry:
            case Started():
                line |= {"kind": "start"}
            case Stopped():
                line |= {"kind": "stop", "ground": entry.ground, "until": entry.told_until, "document": entry.notice}
            case Resumed():
                line |= {"kind": "resume", "document": entry.notice}
            case Extended():
                line |= {"kind": "extend", "days": entry.working_days, "document": entry.notice}
            case Recalculated():
                line |= {"kind": "recalculate", "until": entry.committed[1], "document": entry.notice}
            case _:
                pass
        lines.append(line)
    return lines


async def _events(database: Database, number: str) -> list[Row]:
    return await database.rows(
        "SELECT e.seq, e.tag, e.at, e.actor, e.body, e.hash, o.name AS officer_name FROM event e"
        " LEFT JOIN officer o ON 'officer:' || o.id = e.actor WHERE e.subject = $1 ORDER BY e.seq",
        f"case:{number}",
    )


def _entry(event: Row, signers: Mapping[object, str]) -> Row:
    """`signers`: who signed what, by the number of the signature: X, or X 代 Y."""
    body: dict[str, object] = msgspec.json.decode(str(event["body"]))
    tag = str(event["tag"])
    return {
        "seq": event["seq"],
        "tag": tag,
        "at": instant_of(event["at"]),
        "title": _title(tag, body),
        "officer_name": signers.get(body.get("evidence"), event["officer_name"]),
        "facts": [{"label": label, "value": str(body[field])} for field, label in _LABELS.items() if body.get(field)],
        "hash": event["hash"],
    }


def _title(tag: str, body: Mapping[str, object]) -> str:
    title = EVENT_NAMES[tag][0] if tag in EVENT_NAMES else tag
    if tag == "case.task_opened":
        role = str(body.get("role", ""))
        return f"{title}：{step_name(str(body['step']), role)}（{_ROLES.get(role, role)}）"
    if body.get("deemed"):
        return "视为受理"
    if tag == "case.decided":
        return "准予许可" if body.get("outcome") == "granted" else "不予许可"
    return title


def _groups(tag: str) -> tuple[Group, ...]:
    return EVENT_NAMES[tag][1] if tag in EVENT_NAMES else ()


_ROLES = {str(role): name for role, name in ROLE_NAMES.items()}
