"""`zhangban case show`: everything about one case on one sheet, for an operator at the server.

Names and numbers of people are on it, as they are in the database the operator keeps; that it was read is logged like
any officer's view.
"""

from datetime import datetime

from alerts.outgoing import being_sent
from alerts.states import State
from casework.acts import Status, ViewCase
from casework.archive.tables import ArchiveRecord
from casework.clock.ledger import Ended, Extended, Resumed, Started, Stopped
from casework.clock.working_days import CHINA
from casework.files import find
from casework.flow.steps import DECISION_NAMES, step_name
from casework.flow.turn import signed_by
from casework.licences.acts import LicenceState
from casework.licences.register import STATE_NAMES
from casework.process_record import EVENT_NAMES
from casework.queries import ledgers_of
from kernel.actor import THE_OPERATOR
from kernel.db import Row
from kernel.refusals import Refusal
from server.archive.filing import changed_since
from server.wiring import System

Sheet = dict[str, list[Row]]

STATUS_NAMES = {
    Status.RECEIVED: "已接件，待受理",
    Status.AWAITING_SUPPLEMENT: "待补正",
    Status.NOT_ACCEPTED: "不予受理",
    Status.IN_APPROVAL: "审批中",
    Status.GRANTED: "准予许可，待送达",
    Status.REFUSED: "不予许可，待送达",
    Status.DELIVERED: "已送达",
    Status.WITHDRAWN: "申请人撤回",
    Status.FOREIGN_OPEN: "自建系统办理中",
    Status.FOREIGN_ENDED: "自建系统已办结",
}
OUTCOME_NAMES = {"granted": "准予许可", "refused": "不予许可", "": "—"}
CHANNEL_NAMES = {"online": "网上", "window": "窗口", "self_built": "自建系统", "second_entry": "二次录入"}
_DECISIONS = {str(decision): name for decision, name in DECISION_NAMES.items()}


async def case_sheet(system: System, number: str) -> Sheet:
    """Section to rows, each a mapping of Chinese labels to text. Raises UNKNOWN_CASE; the view is logged."""
    case = await find(number)
    seen = await system.office.perform(ViewCase(case=number, what="case show"), THE_OPERATOR, key=None)
    if isinstance(seen, Refusal):
        raise seen
    return {
        "办件": [await _facts(system, number)],
        "时限": await _clock(system, case.id),
        "环节意见": await _steps(system, case.id),
        "任务": await _tasks(system, case.id),
        "材料": await _materials(system, case.id),
        "文书": await _documents(system, case.id),
        "短信": await _texts(system, number),
        "异常": await _findings(system, number),
        "证照": await _licences(system, number, case.licence_number),
        "事件": await _events(system, number),
        "查阅": await _views(system, case.id),
        "档案": await _archive(system, number),
    }


async def _facts(system: System, number: str) -> Row:
    (row,) = await system.database.rows(
        "SELECT c.*, u.name AS unit_name FROM case_file c LEFT JOIN unit u ON u.code = c.unit_code WHERE c.number = $1",
        number,
    )
    return {
        "办件编号": row["number"],
        "状态": STATUS_NAMES[Status(str(row["status"]))],
        "修订": row["revision"],
        "事项": f"{row['item_name']}（{row['item_code']} 第{row['item_version']}版，{row['stage_code']}）",
        "承办单位": f"{row['unit_name']}（{row['unit_code']}）",
        "渠道": CHANNEL_NAMES.get(str(row["channel"]), row["channel"]),
        "涉密": "是" if row["secret"] else "否",
        "申请人": _person(row, "applicant"),
        "代理人": _person(row, "agent") if row["agent_name"] else "—",
        "收件日期": _said(row["received_on"]),
        "受理日期": _said(row["accepted_on"]) + ("（视为受理）" if row["deemed_accepted"] else ""),
        "承诺办结日": f"{_said(row['committed_due'])}（{row['committed_days']}个工作日）",
        "法定办结日": f"{_said(row['statutory_due'])}（{row['statutory_days']}个工作日）",
        "决定": f"{OUTCOME_NAMES[str(row['outcome'])]} {_at(row['decided_at'])}",
        "办结": _at(row["closed_at"]),
        "退回次数": row["returns"],
        "催办次数": row["urges"],
    }


async def _clock(system: System, case: int) -> list[Row]:
    ledger = (await ledgers_of(system.database, [case])).get(case)
    lines: list[Row] = []
    for entry in ledger.entries if ledger else ():
        match entry:
            case Started():
                said = "开始计时"
            case Stopped():
                said = f"停止计时：{entry.ground}，至{entry.told_until}（{entry.notice}）"
            case Resumed():
                said = f"恢复计时（{entry.notice}）"
            case Extended():
                said = f"延长{entry.working_days}个工作日（{entry.notice}）"
            case Ended():
                said = "停止计时：已作出决定"
            case _:
                said = type(entry).__name__
        lines.append({"日期": entry.day.isoformat(), "内容": said})
    return lines


async def _steps(system: System, case: int) -> list[Row]:
    rows = await system.database.rows(
        "SELECT seq, step, role, decision, opinion, officer, officer_name, principal_name, signature, at FROM case_step"
        " WHERE case_id = $1 ORDER BY seq",
        case,
    )
    return [
        {
            "序": row["seq"],
            "环节": step_name(str(row["step"]), str(row["role"])),
            "决定": _DECISIONS.get(str(row["decision"]), row["decision"]),
            "意见": row["opinion"],
            "经办人": f"{signed_by(str(row['officer_name']), str(row['principal_name']))}（{row['officer']}）",
            "签名存证": row["signature"] or "—",
            "时间": _at(row["at"]),
        }
        for row in rows
    ]


async def _tasks(system: System, case: int) -> list[Row]:
    rows = await system.database.rows(
        "SELECT step, role, unit_code, assignee, opened_at, closed_at, due_on, red_at FROM task"
        " WHERE case_id = $1 ORDER BY id",
        case,
    )
    return [
        {
            "环节": step_name(str(row["step"]), str(row["role"])),
            "单位": row["unit_code"],
            "指定": row["assignee"] or "—",
            "开始": _at(row["opened_at"]),
            "结束": _at(row["closed_at"]),
            "限期": _said(row["due_on"]),
        }
        for row in rows
    ]


async def _materials(system: System, case: int) -> list[Row]:
    rows = await system.database.rows(
        "SELECT name, file_name, sha256, size FROM material WHERE case_id = $1 ORDER BY id", case
    )
    return [
        {"名称": row["name"], "文件": row["file_name"] or "纸质", "大小": row["size"], "SHA-256": _short(row["sha256"])}
        for row in rows
    ]


async def _documents(system: System, case: int) -> list[Row]:
    rows = await system.database.rows(
        "SELECT number, title, sha256, seal_serial, issued_at FROM document WHERE case_id = $1 ORDER BY id", case
    )
    return [
        {
            "文号": row["number"],
            "名称": row["title"],
            "签发": _at(row["issued_at"]),
            "印章": _short(row["seal_serial"]),
            "SHA-256": _short(row["sha256"]),
        }
        for row in rows
    ]


async def _texts(system: System, number: str) -> list[Row]:
    sending = {
        row["id"]
        for row in await system.database.rows(
            f"SELECT m.id FROM {being_sent(system.database)} WHERE m.case_number = $1", number
        )
    }
    rows = await system.database.rows(
        "SELECT id, template, channel, state, carrier, attempts, error, created_at, finished_at FROM message"
        " WHERE case_number = $1 ORDER BY id",
        number,
    )
    return [
        {
            "模板": row["template"],
            "通道": f"{row['channel']} {row['carrier']}".strip(),
            "状态": State.SENDING if row["id"] in sending else row["state"],
            "次数": row["attempts"],
            "生成": _at(row["created_at"]),
            "终结": _at(row["finished_at"]),
            "错误": row["error"] or "—",
        }
        for row in rows
    ]


async def _findings(system: System, number: str) -> list[Row]:
    rows = await system.database.rows(
        "SELECT kind, unit_code, at FROM finding WHERE case_number = $1 ORDER BY id", number
    )
    return [{"类型": row["kind"], "单位": row["unit_code"], "时间": _at(row["at"])} for row in rows]


async def _licences(system: System, number: str, about: str) -> list[Row]:
    """What the case granted, and what it was about."""
    rows = await system.database.rows(
        "SELECT number, kind, state, valid_from, valid_until, revision FROM licence WHERE case_number = $1"
        " OR number = $2 ORDER BY id",
        number,
        about,
    )
    return [
        {
            "编号": row["number"],
            "证照": row["kind"],
            "状态": STATE_NAMES[LicenceState(str(row["state"]))],
            "有效期": f"{_said(row['valid_from'])}至{_said(row['valid_until']) if row['valid_until'] else '长期'}",
            "修订": row["revision"],
        }
        for row in rows
    ]


async def _events(system: System, number: str) -> list[Row]:
    rows = await system.database.rows(
        "SELECT seq, tag, actor, at, hash FROM event WHERE subject = $1 ORDER BY seq", f"case:{number}"
    )
    return [
        {
            "序": row["seq"],
            "事件": EVENT_NAMES[str(row["tag"])][0] if str(row["tag"]) in EVENT_NAMES else row["tag"],
            "行为人": row["actor"],
            "时间": _at(row["at"]),
            "摘要": _short(row["hash"]),
        }
        for row in rows
    ]


async def _views(system: System, case: int) -> list[Row]:
    rows = await system.database.rows("SELECT what, viewer, at FROM view_log WHERE case_id = $1 ORDER BY id", case)
    return [{"查阅人": row["viewer"], "内容": row["what"], "时间": _at(row["at"])} for row in rows]


async def _archive(system: System, number: str) -> list[Row]:
    record = await ArchiveRecord.get_or_none(case_number=number)
    if record is None:
        return []
    differing = await changed_since(system.authority, system.database, record, system.files)
    return [
        {
            "档号": record.number,
            "归档": _at(record.archived_at),
            "清单SHA-256": record.sha256,
            "核对": "与归档时一致" if not differing else f"归档后改动或丢失：{'、'.join(differing)}",
        }
    ]


def _person(row: Row, who: str) -> str:
    return f"{row[f'{who}_name']}（{row[f'{who}_id_number']}，{row[f'{who}_phone']}）"


def _said(value: object) -> str:
    return "—" if value is None or value == "" else str(value)[:10]


def _at(value: object) -> str:
    """Local time, to the second."""
    if value is None or value == "":
        return "—"
    instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return instant.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:16]}…" if len(text) > 16 else text or "—"
