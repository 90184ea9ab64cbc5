"""A disk that fails wherever the ferry touches one: at writing, syncing, renaming, copying, reading, making folders."""

import errno
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any


class FailingDisk:
    """Below `folders` only. `fails(place)` decides; a place is what was tried and by which function of the ferry."""

    def __init__(self, *folders: Path) -> None:
        self.folders = [str(folder) for folder in folders]
        self.faults: Iterator[int] = repeat(errno.ENOSPC)
        self.fails: Callable[[str], bool] = lambda place: False
        #: Every place that was come by, and how often it failed.
        self.failed: dict[str, int] = {}

    def install(self, monkeypatch) -> None:
        honest = {name: getattr(os, name) for name in ("fsync", "replace", "mkdir", "unlink")}
        opened, copied = io.open, shutil.copyfile

        def fsync(descriptor: int) -> None:
            self._try("fsync")
            honest["fsync"](descriptor)

        def on(name: str):
            def call(path, *more, **given):
                if self._is_ours(path):
                    self._try(name)
                return honest[name](path, *more, **given)

            return call

        def open_(file, mode="r", *more, **given):
            if not self._is_ours(file):
                return opened(file, mode, *more, **given)
            self._try("open" if "r" not in mode else "read")
            made = opened(file, mode, *more, **given)
            return made if "r" in mode else _Written(made, self)

        def copyfile(source, target, **given):
            if self._is_ours(source) or self._is_ours(target):
                self._try("copy")
            return copied(source, target, **given)

        monkeypatch.setattr(os, "fsync", fsync)
        for name in ("replace", "mkdir", "unlink"):
            monkeypatch.setattr(os, name, on(name))
        monkeypatch.setattr(io, "open", open_)
        monkeypatch.setattr(shutil, "copyfile", copyfile)

    def _is_ours(self, path: object) -> bool:
        return isinstance(path, str | Path) and any(str(path).startswith(folder) for folder in self.folders)

    def _try(self, what: str) -> None:
        place = f"{what} {_function()}"
        self.failed.setdefault(place, 0)
        if self.fails(place):
            self.failed[place] += 1
            fault = next(self.faults)
            raise OSError(fault, os.strerror(fault))


class _Written:
    """A file of which half of what is written gets there before the disk is full."""

    def __init__(self, file: Any, disk: FailingDisk) -> None:
        self._file, self._disk = file, disk

    def write(self, octets) -> int:
        try:
            self._disk._try("write")
        except OSError:
            self._file.write(octets[: len(octets) // 2])
            raise
        return self._file.write(octets)

    def __enter__(self):
        return self

    def __exit__(self, *fault: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _function() -> str:
    """Module and name of the nearest function of the ferry, or that of a thread it began."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if "ferry" in path.parts and "tests" not in path.parts:
            return f"{path.stem}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "thread"
