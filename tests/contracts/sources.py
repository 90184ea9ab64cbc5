"""The project's own files, for the tests of its conventions."""

import ast
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ("kernel", "casework", "certs", "supervision", "hall", "alerts", "sms", "ferry", "mobile_api", "server")
PACKAGES = tuple(name for name in NAMES if (ROOT / name / "__init__.py").exists())


@cache
def modules() -> Sequence[tuple[Path, ast.Module]]:
    """Every module of the program: path below the root, and its syntax tree."""
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return [(path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the project: what git tracks, or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in sorted(set(listed.stdout.splitlines())):
        try:
            yield Path(name), (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
