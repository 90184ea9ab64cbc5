"""What a newcomer relies on: the commands, the locks, the package, the licence."""

import re
import subprocess
import tomllib
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

from tests.contracts.sources import PACKAGES, ROOT, texts

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINNED = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>\S+)(?: ; \S.*?)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")
REGISTRIES = ("pypi.org", "pythonhosted", "npmjs.", "debian.org", "goproxy")


def pinned(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return {found["name"]: found["version"] for line in lines if (found := PINNED.match(line))}


def test_the_locks_hold_nothing_but_pinned_versions_and_hashes():
    for name in ("runtime.txt", "dev.txt"):
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        for line in lines:
            assert not line or line.lstrip().startswith("#") or PINNED.match(line) or HASH.match(line), line
        for above, below in pairwise(lines):
            assert not PINNED.match(above) or HASH.match(below), above


def test_both_locks_agree():
    assert pinned("runtime.txt").items() <= pinned("dev.txt").items()


def test_the_locks_follow_their_sources():
    """What a .in file asks for is locked; renew with `make lock`."""
    for source, lock in (("runtime.in", "runtime.txt"), ("dev.in", "dev.txt")):
        for line in (ROOT / "requirements" / source).read_text().splitlines():
            if line and line[0].isalpha():
                name = re.split(r"[><=;\s]", line)[0]
                assert name in pinned(lock), name
                assert "#" in line, f"{name}: say why"


def test_no_registry_is_named():
    for path, text in texts():
        if path != Path(__file__).relative_to(ROOT):
            assert not any(host in text for host in REGISTRIES), path


def test_make_alone_explains_every_target():
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in [
        "setup",
        "demo",
        "serve",
        "test",
        "test-sqlite",
        "test-postgres",
        "check",
        "format",
        "features",
        "bench",
        "schema",
        "lock",
        "clean",
    ]:
        assert re.search(rf"^  make {target} +\S", shown, re.MULTILINE), target


def test_the_integration_script_is_sound():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o100
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_everything_beside_the_code_is_packaged():
    """A catalogue or template that is not in the wheel is missed only by those who install it."""
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    included = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    for path, _ in texts():
        if path.parts[0] in PACKAGES and path.suffix == ".py":
            assert (ROOT / path.parent / "__init__.py").exists(), f"{path.parent} is no package"
        elif path.parts[0] in PACKAGES:
            assert any(fnmatch(f"/{path}", pattern) for pattern in patterns), path
    assert {pattern.rstrip("*") for pattern in included} >= set(PACKAGES)


def test_the_licence_is_the_one_that_is_declared():
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
