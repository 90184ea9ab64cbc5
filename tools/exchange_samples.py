"""The sample pack of case-exchange/1: what is good in three forms, and one file for everything that can be wrong.

A file in bad/ is called after the code that the conformance suite must find in it. Keys, certificates and signatures
are the same every time, so that the pack can be compared with what is checked in; they protect nothing.
"""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, cast

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from ferry.exchange import credentials
from ferry.exchange.codes import Table
from ferry.exchange.package import MANIFEST, SIGNATURE, Package, read_manifest, written
from ferry.exchange.standard import TABLES, Envelope, Read
from ferry.exchange.writing import Order, as_lines, as_xml, write_batch
from tools.exchange_sample_ca import SENDER, authority, key

_DAY = date(2026, 9, 17)
_MADE = datetime.fromisoformat("2026-09-18T06:00:00+08:00")
Said = dict[str, Any]  # a row as JSON has it

_ROWS: tuple[tuple[Table, str, Said], ...] = (
    (
        Table.APPLY,
        "08:30",
        {
            "item_code": "SJ-XK-001",
            "item_name": "食品经营许可",
            "project_name": "城关小吃店食品经营许可",
            "applicant_kind": "enterprise",
            "applicant_name": "城关小吃店",
            "applicant_id_kind": "credit_code",
            "applicant_id": "91350100M000100Y43",
            "channel": "pc",
            "item_kind": "permit",
            "handling": "promised",
            "contact_name": "赵申请",
            "contact_id_kind": "id_card",
            "contact_id": "11010519491231002X",
            "contact_phone": "13800000001",
            "contact_mail": "zhao@example.cn",
            "legal_person": "赵申请",
            "address": "衡江县城关镇人民路1号",
            "postcode": "421200",
            "receipt_no": "SJJ-2026-000001",
            "result_way": "collect",
            "materials": ["申请表", "健康证明"],
        },
    ),
    (Table.MATERIAL, "08:30", {"name": "申请表", "form": "electronic", "copies": 1, "file_name": "申请表.pdf"}),
    (Table.PREACCEPT, "09:00", {"state": "supplement", "officer_name": "何受理", "opinion": "缺健康证明。"}),
    (Table.SUPPLEMENT_NOTICE, "09:05", {"officer_name": "何受理", "items": ["健康证明"], "reason": "缺少"}),
    (Table.SUPPLEMENT_ACCEPT, "09:40", {"officer_name": "何受理", "items": ["健康证明"], "complete": True}),
    (
        Table.ACCEPT,
        "10:00",
        {
            "state": "accepted",
            "officer_name": "何受理",
            "org_name": "衡江县市场监督管理局",
            "receipt_no": "SJJ-SL-000001",
            "statutory_days": 20,
            "promise_days": 5,
            "promise_date": "2026-09-23",
        },
    ),
    (
        Table.STEP,
        "11:00",
        {
            "kind": "review",
            "name": "审核",
            "officer_name": "李审核",
            "org_name": "衡江县市场监督管理局",
            "result": "agreed",
            "opinion": "同意。",
            "started_at": "2026-09-17T10:30:00+08:00",
        },
    ),
    (
        Table.SPECIAL_APPLY,
        "11:30",
        {
            "kind": "statutory",
            "ground": "inspection",
            "reason": "现场检验",
            "days": 3,
            "days_unit": "working",
            "approver_name": "王局长",
            "document_no": "衡市监检〔2026〕1号",
        },
    ),
    (Table.SPECIAL_RESULT, "14:00", {"outcome": "ended", "result_date": "2026-09-17", "explanation": "合格"}),
    (Table.SUPERVISE_NOTE, "14:30", {"kind": "remark", "content": "已现场核查。"}),
    (
        Table.FINISH,
        "15:00",
        {
            "result": "granted",
            "org_name": "衡江县市场监督管理局",
            "officer_name": "王局长",
            "explanation": "准予许可",
            "certificate_name": "食品经营许可证",
            "certificate_no": "JY24304210000001",
            "valid_until": "2031-09-16",
            "fee_cents": 0,
        },
    ),
    (Table.RESULT_FILE, "15:00", {"kind": "licence", "name": "食品经营许可证", "document_no": "JY24304210000001"}),
    (Table.PICKUP, "16:00", {"way": "collect", "person_name": "赵申请"}),
    (Table.COMPLAINT, "16:30", {"complaint_no": "TS2026000001", "kind": "attitude", "content": "等候时间长。"}),
)


def files() -> dict[str, bytes]:
    """Path below docs/exchange/samples to octets."""
    good = good_rows()
    pack = {
        "root.pem": authority()[0].public_bytes(Encoding.PEM),
        "good.jsonl": b"".join(as_lines(good)),
        "good.xml": b"".join(as_xml(good)),
        "good.zip": package(good),
        "good-xml.zip": package(good, form="xml"),
    }
    for code, change in _BAD_ROWS.items():
        pack[f"bad/{code}.jsonl"] = b"".join(_line(row) for row in change(_plain_rows()))
    for code, change in _BAD_SIGNED.items():
        pack[f"bad/{code}.zip"] = package([_read(row) for row in change(_plain_rows())])
    for code, made in _BAD_FILES.items():
        pack[f"bad/{code}.zip"] = made()
    return pack


def good_rows() -> list[Read]:
    """One case from application to collection, with everything that may accompany it."""
    return [_read(row) for row in _plain_rows()]


def package(rows: list[Read], form: str = "jsonl") -> bytes:
    out = io.BytesIO()
    order = Order(sender=SENDER, batch="B20260917", day=_DAY, created_at=_MADE, form=form)
    _, issuing, leaf = authority()
    write_batch(out, rows, order, key(3), (leaf, issuing))
    return out.getvalue()


def _plain_rows() -> list[Said]:
    return [_row(table, at, payload) for table, at, payload in _ROWS]


def _row(table: Table, at: str, payload: Said, **more: object) -> Said:
    return {
        "std": "case-exchange/1",
        "table": str(table),
        "rid": f"SJJ2026000001.{table}.{more.get('no', 1)}.{more.get('version', 1)}",
        "projid": "SJJ2026000001",
        "op": "I",
        "org": "SJJ",
        "region": "430421",
        "source_system": "SJJ-YWXT",
        "event_time": f"2026-09-17T{at}:00+08:00",
        "sent_time": "2026-09-17T18:00:00+08:00",
        "batch": "B20260917",
        "no": 1,
        "version": 1,
        "table_version": 1,
        **more,
        "payload": dict(payload),
    }


def _read(row: Said) -> Read:
    envelope = {name: value for name, value in row.items() if name != "payload"}
    return Read(
        envelope=msgspec.convert(envelope, Envelope),
        payload=msgspec.convert(row["payload"], TABLES[Table(row["table"])].struct),
    )


def _line(row: Said | bytes) -> bytes:
    return row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() + b"\n"


# --------------------------------------------------------------------------------------------------- what is wrong
Rows = Callable[[list[Said]], list[Any]]


def _with(table: Table, **columns: object) -> Rows:
    """Columns of the payload changed; None takes one out."""

    def change(rows: list[Said]) -> list[Said]:
        for row in rows:
            if row["table"] == table:
                changed = {**row["payload"], **columns}
                row["payload"] = {name: value for name, value in changed.items() if value is not None}
        return rows

    return change


def _enveloped(table: Table, **columns: object) -> Rows:
    def change(rows: list[Said]) -> list[Said]:
        return [{**row, **columns} if row["table"] == table else row for row in rows]

    return change


def _and(table: Table, at: str, **more: object) -> Rows:
    """One row more, like that of the good case."""

    def change(rows: list[Said]) -> list[Said]:
        payload = next(payload for each, _, payload in _ROWS if each is table)
        columns = cast(Said, more.get("payload", {}))
        envelope = {name: value for name, value in more.items() if name != "payload"}
        return [*rows, _row(table, at, {**payload, **columns}, **envelope)]

    return change


def _without(*tables: Table) -> Rows:
    return lambda rows: [row for row in rows if row["table"] not in tables]


_EXTENSION = {"kind": "extension", "ground": None, "days": 5, "document_no": None}

_BAD_ROWS: dict[str, Rows] = {
    "ROW_UNREADABLE": lambda rows: [*rows, b'{"std": "case-exchange/1", "table": \n'],
    "ROW_TOO_LARGE": _with(Table.FINISH, remark="长" * 30_000),
    "COLUMN_MISSING": _with(Table.APPLY, item_code=None),
    "COLUMN_UNKNOWN": _with(Table.APPLY, applicant_weight="70"),
    "TEXT_TOO_LONG": _with(Table.APPLY, postcode="42120000000"),
    "TEXT_UNFIT": _with(Table.APPLY, applicant_name=""),
    "TEXT_UNCLEAN": _with(Table.APPLY, applicant_name="城关\u202e小吃店"),
    "NUMBER_UNFIT": _with(Table.ACCEPT, statutory_days=0),
    "TIME_UNFIT": _enveloped(Table.APPLY, event_time="2026-09-17 08:30:00"),
    "CODE_UNKNOWN": _with(Table.APPLY, applicant_kind="1"),
    "ID_CARD_WRONG": _with(Table.APPLY, contact_id="110105194912310021"),
    "CREDIT_CODE_WRONG": _with(Table.APPLY, applicant_id="91350100M000100Y44"),
    "ORG_CODE_WRONG": _with(Table.APPLY, applicant_id_kind="org_code", applicant_id="MA4L16JP-7"),
    "NUMBER_NOT_ONE": _enveloped(Table.FINISH, no=2),
    "LIMIT_MISSING": _with(Table.ACCEPT, promise_date=None),
    "GROUND_MISSING": _with(Table.SPECIAL_APPLY, ground=None),
    "EVENT_AFTER_SENT": _enveloped(Table.PICKUP, sent_time="2026-09-17T15:00:00+08:00"),
    "RID_REUSED": _enveloped(Table.PICKUP, rid="SJJ2026000001.apply.1.1"),
    "VERSION_CONFLICT": _and(Table.FINISH, "15:00", rid="another", payload={"result": "refused"}),
    "DUPLICATE": _and(Table.FINISH, "15:00"),
    "VERSION_LOWER": lambda rows: [{**row, "version": 2} for row in rows] + [_plain_rows()[0] | {"rid": "older"}],
    "ORDER_HELD": _without(Table.ACCEPT),
    "TIME_BACKWARDS": _enveloped(Table.FINISH, event_time="2026-09-17T09:50:00+08:00"),
    "OLDER_THAN_KNOWN": _and(Table.STEP, "10:30", no=2),
    "BACK_DATED": _and(Table.FINISH, "14:50", version=2),
    "LATE_REPORT": _enveloped(Table.PICKUP, sent_time="2026-09-19T09:00:00+08:00"),
    "PROMISE_DATE_WRONG": _with(Table.ACCEPT, promise_date="2026-09-24"),
    "CALENDAR_UNKNOWN": lambda rows: [
        {**row, "event_time": "2126-09-17T08:30:00+08:00", "sent_time": "2126-09-17T18:00:00+08:00"}
        for row in rows
        if row["table"] in (Table.APPLY, Table.ACCEPT)
    ],
    "EXTENSION_TOO_LONG": _with(Table.SPECIAL_APPLY, **_EXTENSION | {"days": 11}),
    "EXTENSION_TWICE": lambda rows: [
        *_with(Table.SPECIAL_APPLY, **_EXTENSION)(rows),
        _row(Table.SPECIAL_APPLY, "14:40", _EXTENSION_PAYLOAD, no=2),
    ],
    "SPECIAL_UNPAIRED": _without(Table.SPECIAL_RESULT),
    "AFTER_FINISH": _and(Table.STEP, "15:30", no=2),
}
_EXTENSION_PAYLOAD: Said = {
    "kind": "extension",
    "reason": "案情复杂",
    "days": 5,
    "days_unit": "working",
    "approver_name": "王局长",
}
#: Only a signed batch can say these.
_BAD_SIGNED: dict[str, Rows] = {
    "REGION_FOREIGN": _enveloped(Table.APPLY, region="430422"),
    "ORG_FOREIGN": _enveloped(Table.APPLY, org="WJJ"),
    "SYSTEM_FOREIGN": _enveloped(Table.APPLY, source_system="WJJ-YWXT"),
    "BATCH_FOREIGN": _enveloped(Table.APPLY, batch="B1"),
    "SENT_STALE": _enveloped(
        Table.APPLY, sent_time="2026-09-16T18:00:00+08:00", event_time="2026-09-16T08:30:00+08:00"
    ),
}


def _rewritten(change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The good package with its entries changed and nothing signed anew."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package(good_rows()))) as good:
        entries = {name: good.read(name) for name in good.namelist()}
    change(entries)
    with zipfile.ZipFile(out, "w") as made:
        for name, octets in entries.items():
            made.writestr(zipfile.ZipInfo(name), octets)
    return out.getvalue()


def _signed_anew(change: Callable[[Said], Said]) -> bytes:
    """The good package with another manifest, signed."""
    good = Package(io.BytesIO(package(good_rows())))
    _, issuing, leaf = authority()
    manifest = read_manifest(written(msgspec.convert(change(msgspec.to_builtins(good.manifest)), type(good.manifest))))
    octets = written(manifest)

    def put(entries: dict[str, bytes]) -> None:
        entries[MANIFEST] = octets
        entries[SIGNATURE] = credentials.signed(octets, key(3), (leaf, issuing)).encode()

    return _rewritten(put)


_PART = "rows/00001.jsonl"


def _count_wrong(said: Said) -> Said:
    (part,) = said["parts"]
    return {**said, "rows": said["rows"] + 1, "parts": [{**part, "rows": part["rows"] + 1}]}


def _tally_wrong(said: Said) -> Said:
    first, *rest = said["tallies"]
    return {**said, "tallies": [{**first, "digest": "0" * 64}, *rest]}


_BAD_FILES: dict[str, Callable[[], bytes]] = {
    "FILE_UNREADABLE": lambda: package(good_rows())[:600],
    "MANIFEST_UNREADABLE": lambda: _rewritten(lambda entries: entries.update({MANIFEST: b"{}"})),
    "SIGNATURE_MISSING": lambda: _rewritten(lambda entries: entries.__delitem__(SIGNATURE)),
    "SIGNATURE_WRONG": lambda: _rewritten(
        lambda entries: entries.update({MANIFEST: entries[MANIFEST].replace(b'"B20260917"', b'"B20260918"', 1)})
    ),
    "CERTIFICATE_OTHER": lambda: _signed_anew(lambda said: {**said, "org": "WJJ"}),
    "PART_MISSING": lambda: _rewritten(lambda entries: entries.__delitem__(_PART)),
    "PART_CHANGED": lambda: _rewritten(
        lambda entries: entries.update({_PART: entries[_PART].replace("城关".encode(), "城东".encode())})
    ),
    "PART_ADDED": lambda: _rewritten(lambda entries: entries.update({"rows/00002.jsonl": b""})),
    "COUNT_WRONG": lambda: _signed_anew(_count_wrong),
    "TALLY_WRONG": lambda: _signed_anew(_tally_wrong),
}
