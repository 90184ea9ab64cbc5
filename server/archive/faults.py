"""What may be wrong with an archive package, as data; and the verdict that names it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec


class FaultCode(StrEnum):
    """The codes are stable."""

    FILE_CHANGED = "FILE_CHANGED"
    FILE_MISSING = "FILE_MISSING"
    FILE_ADDED = "FILE_ADDED"
    ORDER_CHANGED = "ORDER_CHANGED"
    ROOT_DIGEST_WRONG = "ROOT_DIGEST_WRONG"
    MANIFEST_SEAL_INVALID = "MANIFEST_SEAL_INVALID"
    REVOCATIONS_INVALID = "REVOCATIONS_INVALID"
    PAPER_SEAL_INVALID = "PAPER_SEAL_INVALID"
    DECISION_INVALID = "DECISION_INVALID"
    DECISION_MISSING = "DECISION_MISSING"
    SIGNED_DOCUMENT_MISSING = "SIGNED_DOCUMENT_MISSING"
    EVENT_CHAIN_BROKEN = "EVENT_CHAIN_BROKEN"


FAULT_NAMES: Mapping[FaultCode, str] = MappingProxyType(
    {
        FaultCode.FILE_CHANGED: "文件内容被改动",
        FaultCode.FILE_MISSING: "文件缺失",
        FaultCode.FILE_ADDED: "多出文件",
        FaultCode.ORDER_CHANGED: "文件次序被改动",
        FaultCode.ROOT_DIGEST_WRONG: "清单总摘要不符",
        FaultCode.MANIFEST_SEAL_INVALID: "清单印章无效",
        FaultCode.REVOCATIONS_INVALID: "证书吊销列表无效",
        FaultCode.PAPER_SEAL_INVALID: "文书印章无效",
        FaultCode.DECISION_INVALID: "审批签名无效",
        FaultCode.DECISION_MISSING: "事件所引用的审批签名缺失",
        FaultCode.SIGNED_DOCUMENT_MISSING: "签名所列附件不在档案中",
        FaultCode.EVENT_CHAIN_BROKEN: "事件链断裂",
    }
)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """`where`: a path, an evidence number or an event's place. `why`: the code of the check that failed, or a word."""

    code: FaultCode
    where: str
    why: str = ""


class ArchiveVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """`record`: how many entries each part of the six-part process record has."""

    archive: str
    case: str
    unit: str
    archived_at: str
    sha256: str
    files: int
    papers: int
    decisions: int
    events: int
    record: dict[str, int]
    faults: tuple[Fault, ...]

    @property
    def intact(self) -> bool:
        return not self.faults
