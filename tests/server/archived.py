"""A case of the sample county taken to its end through the GraphQL door, with a file in it, and archived."""

import io
from typing import Any

from casework.archive.acts import ArchiveCases
from casework.archive.tables import ArchiveRecord
from server.archive.filing import package, write_package
from tests.mobile_api.stage import CLERK, HANDLER, HEAD, LEADER, Stage

PDF = b"%PDF-1.7\n" + b"0" * 3000
_TURNS = (
    (HANDLER, "AGREE", "同意，报科室负责人。"),
    (HEAD, "AGREE", "同意，报分管领导。"),
    (LEADER, "GRANT", "准予许可。"),
    (HANDLER, "COMPLETE", "办结。"),
    (CLERK, "DELIVER", "申请人当面领取。"),
)


async def uploaded(stage: Stage, content: bytes = PDF, name: str = "申请表.pdf") -> str:
    ticket = (await stage.get("OpenFiling"))["ticket"]
    response = await stage.http.post(
        "/files", params={"name": name}, content=content, headers={"authorization": f"Ticket {ticket}"}
    )
    return str(response.json()["upload"])


async def delivered(stage: Stage, **changes: Any) -> str:
    """The number of a case that was filed with one file and one paper, granted and delivered."""
    materials = [{"name": "申请表", "upload": await uploaded(stage)}, {"name": "用地批准手续"}]
    case = await stage.accepted(materials=materials, **changes)
    for officer, decision, opinion in _TURNS:
        done = await stage.decide(officer, case, decision, opinion)
        assert done["__typename"] == "CasePayload", (officer, decision, done)
    return case


async def archived(stage: Stage) -> str:
    """The number of a case whose archive record is made."""
    case = await delivered(stage)
    await stage.clock_does(ArchiveCases())
    assert await ArchiveRecord.exists(case_number=case)
    return case


async def packed(stage: Stage, case: str) -> bytes:
    """The octets of its package."""
    out = io.BytesIO()
    write_package(await package(stage.authority, stage.database, case, stage.services.files), out)
    return out.getvalue()
