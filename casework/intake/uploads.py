"""Files that came in: noted before they lie in the store, kept once something refers to them, else collected.

A file is named by its SHA-256, so the same file twice is one file. It is noted in the database first and put into the
store afterwards; collecting takes the note away first and the file with it. Whoever brings a file while it is being
collected waits for the note and then brings it anew: no note ever stands for a file that is gone for good.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from casework.intake.acts import CollectUploads, KeepUpload
from casework.intake.refusals import LinkInvalid
from casework.intake.tables import Upload
from casework.rules import CaseworkRules
from kernel.acts import Done
from kernel.refusals import Invalid
from kernel.work import Work

log = logging.getLogger(__name__)

_PART = ".part"


class FileStore:
    """A folder of files by their SHA-256, two letters deep, so that no folder gets too full."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path_of(self, sha256: str) -> Path:
        return self.root / sha256[:2] / sha256

    def part(self, name: str) -> Path:
        """Where a file is written until it is whole."""
        return self.root / f"{name}{_PART}"

    def discard(self, sha256: str) -> None:
        self.path_of(sha256).unlink(missing_ok=True)

    def discard_parts(self, *, before: datetime) -> int:
        """Removes what interrupted uploads left behind; how many there were."""
        left = [part for part in self.root.glob(f"*{_PART}") if part.stat().st_mtime < before.timestamp()]
        for part in left:
            part.unlink(missing_ok=True)
        return len(left)


async def keep_upload(work: Work, act: KeepUpload) -> Done:
    """Notes the file; a second time only when it was brought last."""
    if len(act.sha256) != 64 or act.size < 0:
        raise Invalid(field="文件", why="摘要或大小有误")
    noted = await Upload.filter(sha256=act.sha256).update(uploaded_at=work.now)
    if not noted:
        await Upload.create(sha256=act.sha256, size=act.size, media_type=act.media_type, uploaded_at=work.now)
    return Done()


async def keep_for_good(digests: Iterable[str]) -> None:
    """Something refers to these files now: the clock leaves them alone.

    Raises LINK_INVALID for one that is not known here: it was collected, or came after the backup that was put back.
    """
    wanted = sorted({digest for digest in digests if digest})
    if wanted and await Upload.filter(sha256__in=wanted).update(kept=True) < len(wanted):
        raise LinkInvalid()


async def collect_uploads(work: Work, act: CollectUploads) -> Done:
    """Removes files that nobody filed within `unfiled_upload_hours`, and what interrupted uploads left behind."""
    store, before = work.given(FileStore), work.now - work.given(CaseworkRules).unfiled_upload_life
    stale = await Upload.filter(kept=False, uploaded_at__lt=before).order_by("uploaded_at").limit(act.limit)
    count = store.discard_parts(before=before)
    for upload in stale:
        # Asked again in the statement itself: somebody may have brought or filed it this very moment.
        if await Upload.filter(sha256=upload.sha256, kept=False, uploaded_at__lt=before).delete():
            store.discard(upload.sha256)
            count += 1
    if count:
        log.info("collected %s uploads that nobody filed", count)
    return Done(count=count)
