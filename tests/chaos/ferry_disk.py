"""A disk that is full, on which nothing can be synced, or where nothing is renamed: by errors in the victim.

What needs no root and no disk of its own. A disk that is really full is in ferry_storage.py, where one can be mounted.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: As they stand in the file that says what fails at the moment.
FSYNC, RENAME = "fsync", "rename"


def fail_while(told: Path) -> None:
    """From now on, while the file `told` names an operation, it fails with ENOSPC in this process."""
    os.fsync = _failing(os.fsync, FSYNC, told)
    for name in ("rename", "replace"):
        setattr(os, name, _failing(getattr(os, name), RENAME, told))
        setattr(Path, name, _failing(getattr(Path, name), RENAME, told))


def _failing(plain: Callable[..., Any], name: str, told: Path) -> Callable[..., Any]:
    def failing(*given: Any, **named: Any) -> Any:
        if told.exists() and name in told.read_text():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return plain(*given, **named)

    return failing
