"""A department's own system that keeps to the standard: it builds rows and signs batches; the office registers it."""

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ferry.exchange.acts import AddSender, BatchView, ImportBatch, ImportPart, PartView, SenderView
from ferry.exchange.codes import Table
from ferry.exchange.package import Package
from ferry.exchange.rules import Sender
from ferry.exchange.standard import TABLES, Envelope, Read
from ferry.exchange.writing import Order, write_batch
from kernel.actor import THE_CLOCK, THE_OPERATOR
from tests.mobile_api.stage import Stage

SENDER = Sender(source_system="SJJ-YWXT", org="SJJ", region="430421")
CREDIT_CODE, ID_CARD = "91350100M000100Y43", "11010519491231002X"
PAYLOADS: dict[Table, dict[str, Any]] = {
    Table.APPLY: {
        "item_code": "SJ-XK-001",
        "item_name": "食品经营许可",
        "project_name": "城关小吃店食品经营许可",
        "applicant_kind": "enterprise",
        "applicant_name": "城关小吃店",
        "applicant_id_kind": "id_card",
        "applicant_id": ID_CARD,
        "channel": "window",
        "handling": "promised",
    },
    Table.PREACCEPT: {"state": "passed", "officer_name": "何受理"},
    Table.ACCEPT: {
        "state": "accepted",
        "officer_name": "何受理",
        "org_name": "衡江县市场监督管理局",
        "promise_days": 5,
        "promise_date": "2026-09-23",
    },
    Table.STEP: {"kind": "review", "name": "审核", "officer_name": "李审核", "result": "agreed", "opinion": "同意。"},
    Table.SUPPLEMENT_NOTICE: {"officer_name": "何受理", "items": ["健康证明"]},
    Table.SUPPLEMENT_ACCEPT: {"officer_name": "何受理", "items": ["健康证明"], "complete": True},
    Table.SPECIAL_APPLY: {
        "kind": "extension",
        "reason": "案情复杂",
        "days": 5,
        "days_unit": "working",
        "approver_name": "王局长",
    },
    Table.SPECIAL_RESULT: {"outcome": "allowed", "result_date": "2026-09-21"},
    Table.FINISH: {"result": "granted", "org_name": "衡江县市场监督管理局"},
    Table.PICKUP: {"way": "collect", "person_name": "赵申请"},
    Table.MATERIAL: {"name": "申请表", "form": "original"},
    Table.RESULT_FILE: {"kind": "licence", "name": "食品经营许可证"},
    Table.COMPLAINT: {"complaint_no": "TS-1", "kind": "delay"},
    Table.SUPERVISE_NOTE: {"kind": "yellow_light"},
}


class SendingSystem:
    """Rows are of one case unless said otherwise, an hour apart from the morning of 2026-09-17, sent in the evening."""

    def __init__(self, sender: Sender = SENDER) -> None:
        self.sender = sender
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificates: tuple[x509.Certificate, ...] = ()
        self.batch = "B1"

    def request(self) -> bytes:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.sender.source_system)])
        return (
            x509.CertificateSigningRequestBuilder()
            .subject_name(name)
            .sign(self.key, hashes.SHA256())
            .public_bytes(Encoding.PEM)
        )

    def row(
        self,
        table: Table,
        at: str = "2026-09-17T09:00",
        *,
        case: str = "A1",
        sent: str = "",
        payload: Any = None,
        **more: Any,
    ) -> Read:
        """`payload`: what differs. `at`, `sent`: local time."""
        happened = _local(at)
        envelope = {
            "std": "case-exchange/1",
            "table": table,
            "rid": f"{case}.{table}.{more.get('no', 1)}.{more.get('version', 1)}",
            "projid": case,
            "op": "I",
            "org": "SJJ" if self.sender.org == "ALL" else self.sender.org,
            "region": self.sender.region,
            "source_system": self.sender.source_system,
            "event_time": happened.isoformat(),
            "sent_time": (_local(sent) if sent else happened + timedelta(hours=1)).isoformat(),
            "batch": self.batch,
            **more,
        }
        said = {name: value for name, value in {**PAYLOADS[table], **(payload or {})}.items() if value is not None}
        return Read(envelope=msgspec.convert(envelope, Envelope), payload=msgspec.convert(said, TABLES[table].struct))

    def case(self, number: str = "A1", **changes: Any) -> list[Read]:
        """A whole case of one day."""
        return [
            self.row(Table.APPLY, "2026-09-17T08:00", case=number, sent="2026-09-17T18:00"),
            self.row(Table.MATERIAL, "2026-09-17T08:00", case=number, sent="2026-09-17T18:00"),
            self.row(Table.ACCEPT, "2026-09-17T09:00", case=number, sent="2026-09-17T18:00"),
            self.row(Table.STEP, "2026-09-17T10:00", case=number, sent="2026-09-17T18:00"),
            self.row(Table.FINISH, "2026-09-17T15:00", case=number, sent="2026-09-17T18:00", **changes),
            self.row(Table.RESULT_FILE, "2026-09-17T15:00", case=number, sent="2026-09-17T18:00"),
            self.row(Table.PICKUP, "2026-09-17T16:00", case=number, sent="2026-09-17T18:00"),
        ]

    def package(
        self, rows: list[Read], *, day: date = date(2026, 9, 17), made: str = "2026-09-17T20:00", form: str = "jsonl"
    ) -> bytes:
        out = io.BytesIO()
        order = Order(sender=self.sender, batch=self.batch, day=day, created_at=_local(made), form=form)
        write_batch(out, rows, order, self.key, self.certificates)
        return out.getvalue()


async def register(stage: Stage, system: SendingSystem, **changes: Any) -> SenderView:
    sender = system.sender
    act = AddSender(
        source_system=sender.source_system,
        org=sender.org,
        region=sender.region,
        name="审批业务系统",
        request=system.request(),
        **changes,
    )
    view = await stage.office.perform(act, THE_OPERATOR, key=None)
    assert isinstance(view, SenderView), view
    certificate = x509.load_pem_x509_certificate(view.certificate.encode())
    system.certificates = (certificate, stage.authority.issuing)
    return view


async def deliver(stage: Stage, octets: bytes) -> tuple[BatchView, list[PartView]]:
    """Takes a whole package in and answers how it stands, and the parts' receipts."""
    package = Package(io.BytesIO(octets))
    opening = ImportBatch(manifest=package.octets, signature=package.signature)
    opened = await stage.office.perform(opening, THE_OPERATOR, key=None)
    assert isinstance(opened, BatchView), opened
    answers = []
    for number, (_, part) in enumerate(package.parts(), 1):
        manifest = package.manifest
        act = ImportPart(source_system=manifest.source_system, batch=manifest.batch, number=number, octets=part)
        answer = await stage.office.perform(act, THE_OPERATOR, key=None)
        assert isinstance(answer, PartView), answer
        answers.append(answer)
    closed = await stage.office.perform(opening, THE_OPERATOR, key=None)
    assert isinstance(closed, BatchView), closed
    return closed, answers


async def clock_does(stage: Stage, act: Any) -> Any:
    return await stage.office.perform(act, THE_CLOCK, key=None)


def _local(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+08:00")


def utc(text: str) -> datetime:
    return _local(text).astimezone(UTC)
