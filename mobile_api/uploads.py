"""The upload door: a file streamed to disk, hashed on the way, looked at, noted, and put into the store.

What a file is, its octets say, not the phone; its name must agree, because the name is what a browser will save.
Nothing is read into memory whole, nothing of a refused file stays on disk.

Limits: PDF, JPEG, PNG and OFD; contents are not scanned for what harms a reader's program.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

import anyio
import anyio.to_thread
import filetype

from casework.intake.acts import KeepUpload
from casework.intake.uploads import FileStore
from kernel.actor import Actor
from kernel.refusals import Refusal
from mobile_api.links import UploadReceipt
from mobile_api.refusals import BadRequest, FileTypeRefused, TooLarge
from mobile_api.services import Services

OFD = "application/ofd"
#: What is accepted, and the endings that a name of such a file may have.
ENDINGS = {
    "application/pdf": (".pdf",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
    OFD: (".ofd",),
}
_ALLOWED = "PDF、JPEG、PNG、OFD"
_LONGEST_NAME = 120
#: As much as the library looks at.
_HEAD_OCTETS = 8192
#: The list of a ZIP's files stands at its end; a hundred pages take 50 000. One of 20 MB takes seconds to read.
_TAIL_OCTETS = 1 << 20


async def store(
    services: Services, actor: Actor, chunks: AsyncIterator[bytes], name: str, *, declared: int | None = None
) -> UploadReceipt:
    """Keeps one file. `declared`: the length the caller announced, if any.

    Raises BAD_REQUEST, TOO_LARGE, FILE_TYPE_REFUSED; then nothing is left on disk.
    """
    name, limit = name.strip(), services.limits.file_octets
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise BadRequest(why=f"name must have 1 to {_LONGEST_NAME} printable characters")
    if declared is not None and declared > limit:
        raise TooLarge(limit=limit)
    files = FileStore(services.files)
    files.root.mkdir(parents=True, exist_ok=True)
    part = anyio.Path(files.part(services.secrets.token()))
    try:
        sha256, size, head = await _written(part, chunks, limit)
        media_type = await _looked_at(Path(part), head)
        if PurePosixPath(name.lower()).suffix not in ENDINGS.get(media_type, ()):
            raise FileTypeRefused(allowed=_ALLOWED)
        # Noted first: between this and the rename the clock may collect nothing, because the note is fresh.
        noted = await services.office.perform(
            KeepUpload(sha256=sha256, size=size, media_type=media_type), actor, key=None
        )
        if isinstance(noted, Refusal):
            raise noted
        kept = anyio.Path(files.path_of(sha256))
        await kept.parent.mkdir(exist_ok=True)
        await part.rename(kept)
    finally:
        await part.unlink(missing_ok=True)
    return UploadReceipt(
        until=services.clock.now() + services.limits.ticket_life,
        sha256=sha256,
        size=size,
        media_type=media_type,
        name=name,
    )


async def _written(part: anyio.Path, chunks: AsyncIterator[bytes], limit: int) -> tuple[str, int, bytes]:
    """SHA-256, size and first octets of what was written to `part`."""
    digest, size, head = hashlib.sha256(), 0, b""
    async with await anyio.open_file(part, "wb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise TooLarge(limit=limit)
            head += chunk[: _HEAD_OCTETS - len(head)]
            digest.update(chunk)
            await file.write(chunk)
    return digest.hexdigest(), size, head


async def _looked_at(part: Path, head: bytes) -> str:
    """The media type of a file by its octets; empty for what is none of ours."""
    media_type = str(filetype.guess_mime(head) or "")
    if media_type == "application/zip":
        return OFD if await anyio.to_thread.run_sync(_is_ofd, part) else ""
    return media_type


def _is_ofd(path: Path) -> bool:
    """OFD, the national document format (GB/T 33190), is a ZIP with OFD.xml at its root."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_OCTETS))
        tail = io.BytesIO(file.read())
    try:
        with zipfile.ZipFile(tail) as archive:
            return "OFD.xml" in archive.NameToInfo
    except (zipfile.BadZipFile, ValueError, OSError, RuntimeError):  # the last of a version it does not know
        return False
