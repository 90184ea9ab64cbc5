"""A folder that something else carries: a shared directory, a gap device's outbox, a USB stick.

A file appears under its name whole and synced, or not at all. What somebody else puts there may be partial, renamed
or gone at any moment, and is no worse for it. No subfolders, no other metadata than name and octets.
A folder that was there once is not made again: where a stick should be is the disk below it, and nobody carries that.
"""

import asyncio
import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ferry.transports.names import UNFINISHED


class FolderGone(OSError):
    """The folder was there once. Perhaps something is not mounted."""


class Folder:
    """`noted_in`: a file that remembers, from process to process, that the folder has been there."""

    def __init__(self, path: Path, *, noted_in: Path | None = None) -> None:
        self._path, self._noted_in, self._is_noted = path, noted_in, False

    @property
    def is_gone(self) -> bool:
        return not self._path.is_dir() and self._was_there()

    async def put(self, name: str, path: Path) -> None:
        await asyncio.to_thread(self._put, name, path)

    async def names(self) -> list[str]:
        return await asyncio.to_thread(self._names)

    async def get(self, name: str, path: Path) -> None:
        await asyncio.to_thread(shutil.copyfile, self._path / name, path)

    async def remove(self, name: str) -> None:
        await asyncio.to_thread((self._path / name).unlink, missing_ok=True)

    def _put(self, name: str, path: Path) -> None:
        if self.is_gone:
            raise FolderGone(errno.ENOENT, "was there once and is not now", str(self._path))
        self._path.mkdir(parents=True, exist_ok=True)
        self._note()
        target = self._path / name
        try:
            path.replace(target)
        except OSError as fault:
            if fault.errno != errno.EXDEV:
                raise
            # Another file system: the stick. Only what was synced there may get its name.
            unfinished = self._path / f"{UNFINISHED}{name}"
            copy(path, unfinished)
            with _nothing_left_of(unfinished):
                unfinished.replace(target)
            path.unlink()
        with _nothing_left_of(target):
            sync(self._path)

    def _names(self) -> list[str]:
        if not self._path.is_dir():
            return []
        self._note()
        return [entry.name for entry in os.scandir(self._path) if entry.is_file() and not entry.name.startswith(".")]

    def _was_there(self) -> bool:
        """This folder, and not another one that the settings named before."""
        if self._noted_in is None or not self._noted_in.exists():
            return self._is_noted
        return self._noted_in.read_text(encoding="utf-8") == str(self._path)

    def _note(self) -> None:
        if not self._is_noted and self._noted_in is not None:
            self._noted_in.parent.mkdir(parents=True, exist_ok=True)
            self._noted_in.write_text(str(self._path), encoding="utf-8")
        self._is_noted = True


def copy(source: Path, target: Path) -> None:
    """Copies a file durably, or not at all: a full stick is not filled with beginnings."""
    with _nothing_left_of(target):
        shutil.copyfile(source, target)
        sync(target)


def sync(path: Path) -> None:
    """Makes a file's octets, or a folder's names, outlive a power cut."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextlib.contextmanager
def _nothing_left_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError:
        with contextlib.suppress(OSError):
            if path.is_file():  # and no device that somebody named
                path.unlink()
        raise
