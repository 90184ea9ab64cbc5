"""case-exchange/1: the envelope of a row, the register of its tables, and the one spelling of a row.

A row says one thing about one case at one instant. Its natural key is (source system, case, table, number); of several
versions of one key the highest holds. Rows travel one a line (JSON) or one an element (XML), 64 KiB at most.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from ferry.exchange import payloads
from ferry.exchange.codes import Op, Table
from ferry.exchange.payloads import CODE, Payload

STANDARD: Final = "case-exchange/1"
MAX_ROW_OCTETS = 64 << 10

RID = r"^[0-9A-Za-z][0-9A-Za-z:._-]*$"
REGION = r"^[0-9]{6}$"

Rid = Annotated[
    str, Meta(title="数据编号", max_length=64, pattern=RID, description="每条数据每个版本一个，永不重复使用")
]
CaseNumber = Annotated[str, Meta(title="申办流水号", max_length=40, pattern=CODE, description="全系统唯一；办件的主键")]
Region = Annotated[str, Meta(title="行政区划", max_length=6, pattern=REGION, description="GB/T 2260 六位代码")]
OrgCode = Annotated[str, Meta(title="部门编码", max_length=18, pattern=CODE, description="统一社会信用代码或部门代码")]
SystemName = Annotated[str, Meta(title="来源系统", max_length=20, pattern=CODE, description="登记数据报送证书时确定")]
BatchName = Annotated[str, Meta(title="批次号", max_length=40, pattern=CODE)]
Instant = Annotated[datetime, Meta(tz=True)]


class Envelope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The columns that every row has, `payload` apart."""

    std: Annotated[Literal["case-exchange/1"], Meta(title="标准")]
    table: Annotated[Table, Meta(title="数据表")]
    rid: Rid
    projid: CaseNumber
    op: Annotated[Op, Meta(title="操作")]
    org: OrgCode
    region: Region
    source_system: SystemName
    event_time: Annotated[datetime, Meta(title="业务发生时间", tz=True)]
    sent_time: Annotated[datetime, Meta(title="数据报送时间", tz=True)]
    batch: BatchName
    #: Of steps, supplements, special procedures, materials …: which of the case's, from 1.
    no: Annotated[int, Meta(title="序号", ge=1, le=9999, description="同一办件同一数据表内的序号")] = 1
    version: Annotated[int, Meta(title="数据版本", ge=1, le=9999, description="更正时加1，以最高版本为准")] = 1
    table_version: Annotated[Literal[1], Meta(title="数据表版本")] = 1


class Row(Envelope, frozen=True, kw_only=True):
    payload: msgspec.Raw


class Definition(Struct, frozen=True, kw_only=True):
    """One table: its columns, its version, and whether a case may have several rows of it (`no` from 1)."""

    struct: type[Payload]
    version: int = 1
    many: bool = False


TABLES: Mapping[Table, Definition] = MappingProxyType(
    {
        Table.APPLY: Definition(struct=payloads.Apply),
        Table.PREACCEPT: Definition(struct=payloads.Preaccept, many=True),
        Table.ACCEPT: Definition(struct=payloads.Accept),
        Table.STEP: Definition(struct=payloads.Step, many=True),
        Table.SUPPLEMENT_NOTICE: Definition(struct=payloads.SupplementNotice, many=True),
        Table.SUPPLEMENT_ACCEPT: Definition(struct=payloads.SupplementAccept, many=True),
        Table.SPECIAL_APPLY: Definition(struct=payloads.SpecialApply, many=True),
        Table.SPECIAL_RESULT: Definition(struct=payloads.SpecialResult, many=True),
        Table.FINISH: Definition(struct=payloads.Finish),
        Table.PICKUP: Definition(struct=payloads.Pickup, many=True),
        Table.MATERIAL: Definition(struct=payloads.Material, many=True),
        Table.RESULT_FILE: Definition(struct=payloads.ResultFile, many=True),
        Table.COMPLAINT: Definition(struct=payloads.Complaint, many=True),
        Table.SUPERVISE_NOTE: Definition(struct=payloads.SuperviseNote, many=True),
    }
)

#: The ten that say how a case moves; the others accompany it.
CASE_TABLES = frozenset(list(Table)[:10])

#: What must have been said of a case before: the table, and whether under the same number.
NEEDS: Mapping[Table, tuple[Table, bool]] = MappingProxyType(
    {
        Table.PREACCEPT: (Table.APPLY, False),
        Table.ACCEPT: (Table.APPLY, False),
        Table.STEP: (Table.ACCEPT, False),
        Table.SUPPLEMENT_NOTICE: (Table.APPLY, False),
        Table.SUPPLEMENT_ACCEPT: (Table.SUPPLEMENT_NOTICE, True),
        Table.SPECIAL_APPLY: (Table.ACCEPT, False),
        Table.SPECIAL_RESULT: (Table.SPECIAL_APPLY, True),
        Table.FINISH: (Table.ACCEPT, False),
        Table.PICKUP: (Table.FINISH, False),
        Table.MATERIAL: (Table.APPLY, False),
        Table.RESULT_FILE: (Table.FINISH, False),
        Table.COMPLAINT: (Table.APPLY, False),
        Table.SUPERVISE_NOTE: (Table.APPLY, False),
    }
)

Key = tuple[Table, int]


class Read(Struct, frozen=True, kw_only=True):
    """A row that keeps to the standard. `line` is its one spelling, `digest` of what it says without how it came."""

    envelope: Envelope
    payload: Payload

    @property
    def key(self) -> Key:
        return self.envelope.table, self.envelope.no

    @property
    def digest(self) -> str:
        """The same for the same statement, whoever sends it when under which batch."""
        envelope = self.envelope
        said = (
            envelope.projid,
            envelope.table,
            envelope.no,
            envelope.version,
            envelope.op,
            envelope.org,
            envelope.region,
            envelope.event_time.astimezone(UTC),
            self.payload,
        )
        return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


_row = msgspec.json.Decoder(Row)
_payloads = {table: msgspec.json.Decoder(definition.struct) for table, definition in TABLES.items()}


def decode(line: bytes) -> Read:
    """Raises what msgspec raises: `reading` says in words and codes what was wrong."""
    row = _row.decode(line)
    return Read(envelope=_envelope(row), payload=_payloads[row.table].decode(row.payload))


def decode_payload(table: Table, octets: bytes) -> Payload:
    return _payloads[table].decode(octets)


def encode(envelope: Envelope, payload: Payload) -> bytes:
    """The row as a line: columns that say nothing are left out, times keep their offset."""
    row = Row(**msgspec.structs.asdict(envelope), payload=msgspec.Raw(encode_payload(payload)))
    return msgspec.json.encode(row)


def encode_payload(payload: Payload) -> bytes:
    return msgspec.json.encode(payload)


def plain(envelope: Envelope, payload: Payload) -> dict[str, object]:
    """The row as plain values, for the XML form and the profiles."""
    said: dict[str, object] = msgspec.to_builtins(envelope)
    return {**said, "payload": msgspec.to_builtins(payload)}


def _envelope(row: Row) -> Envelope:
    return Envelope(**{name: getattr(row, name) for name in Envelope.__struct_fields__})
