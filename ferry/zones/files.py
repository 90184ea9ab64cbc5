"""Files between the zones: why one cannot be looked at here, and the look into it before its act is taken outside.

A file crosses inwards only, with the act that names it. What the content check refuses is told to whoever brings it,
at once, while they can bring another.
Limits: while the scanner does not answer an act is taken all the same; its file waits, and may be refused later.
"""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from casework.intake.tables import Upload
from ferry.inspecting import Inspector, judge_file
from ferry.refusals import AttachmentRefused, AttachmentUnchecked
from ferry.tables import FerryFile, FerryVerdict
from kernel import rows
from kernel.clock import Clock
from kernel.db import Database
from kernel.refusals import NotFound, Refusal

#: Raises AttachmentRefused for the file of this digest.
Judged = Callable[[str], Awaitable[None]]
_DIGEST = re.compile(r'"([0-9a-f]{64})"')


class FileInside(Refusal):
    code = "FILE_INSIDE"
    zh = "此文件存于内网，不能从外网查看：请在内网办公终端查看，或到政务大厅窗口查阅。"
    en = "The file lies in the inner network: look at it there, or at the window."


class FileOnItsWay(Refusal):
    code = "FILE_ON_ITS_WAY"
    zh = "此文件正在送往内网，请稍后再看。"
    en = "The file is on its way from the outer network."
    retryable = True


class FileNotTaken(Refusal):
    code = "FILE_NOT_TAKEN"
    zh = "此文件未通过网间内容检查（{why}），没有送达，须请申请人重新提交。"
    en = "The file was refused between the networks: {why}. It must be brought again."


async def named_in(act: str) -> list[Upload]:
    """The uploads that an act, as JSON, refers to: by the digests that stand in it."""
    digests = sorted(set(_DIGEST.findall(act)))
    return await Upload.filter(sha256__in=digests) if digests else []


async def why_missing(sha256: str, *, zone: Literal["single", "inner", "outer"]) -> Refusal:
    """Of a file that is known and does not lie here."""
    if zone == "outer":
        return FileInside()
    if zone == "inner":
        coming = await rows.one(FerryFile, sha256=sha256)
        if coming is not None and coming.state == "refused":
            verdict = await rows.one(FerryVerdict, sha256=sha256)
            return FileNotTaken(why=verdict.why if verdict else "—")
        if coming is not None and coming.state not in ("corrupt", "closed"):
            return FileOnItsWay()
        if coming is None and await rows.one(Upload, sha256=sha256) is not None:
            return FileOnItsWay()
    return NotFound(what="文件")


def judging(database: Database, clock: Clock, inspector: Inspector, path_of: Callable[[str], Path]) -> Judged:
    """The look into what an act refers to, before it is taken; once per file."""

    async def judged(sha256: str) -> None:
        verdict = await rows.one(FerryVerdict, sha256=sha256)
        if verdict is None:
            try:
                await judge_file(database, inspector, sha256, path_of(sha256), now=clock.now())
            except (AttachmentUnchecked, FileNotFoundError):
                return
        elif verdict.code == AttachmentRefused.code:
            raise AttachmentRefused(why=verdict.why)

    return judged
