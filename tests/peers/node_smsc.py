"""npm's `smpp` as an SMSC in a process of its own: installed once on demand, spoken to in lines of JSON."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE_S = 60.0
INSTALL_S = 90.0


class NoPeer(Exception):
    """It is not here; the words say why."""


def installed() -> Path:
    """The folder with node_modules, among the user's caches. Raises NoPeer."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise NoPeer("Node.js with npm is not installed (Debian: nodejs npm)")
    package = (HERE / "package.json").read_bytes()
    folder = _caches() / f"peer-{hashlib.sha256(package).hexdigest()[:12]}"
    if not folder.is_dir():
        _install(folder, package)
    return folder


def _caches() -> Path:
    """Without a home that can be written to, a folder that the next restart clears."""
    for caches in (Path("~/.cache/zhangban"), Path(tempfile.gettempdir()) / "zhangban-cache"):
        with suppress(OSError, RuntimeError):
            made = caches.expanduser()
            made.mkdir(parents=True, exist_ok=True)
            if os.access(made, os.W_OK):
                return made
    raise NoPeer("there is no folder for npm's packages")


def _install(folder: Path, package: bytes) -> None:
    """Beside it first: of two test workers one wins."""
    making = Path(tempfile.mkdtemp(prefix="peer-", dir=folder.parent))
    (making / "package.json").write_bytes(package)
    quick = (
        "--fetch-retries=0",
        "--fetch-timeout=20000",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--ignore-scripts",
    )
    try:
        subprocess.run(("npm", "install", *quick), cwd=making, check=True, capture_output=True, timeout=INSTALL_S)
        with suppress(OSError):
            os.rename(making, folder)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failed:
        raise NoPeer(f"npm could not install smpp: {type(failed).__name__}") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)


class NodeSmsc:
    """`said` is everything it told, in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.port = 0
        self.said: list[dict[str, object]] = []
        self._process = process
        self._news = asyncio.Condition()
        self._hearing = asyncio.create_task(self._hear())

    def do(self, what: str, **facts: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"do": what, **facts}).encode() + b"\n")

    def heard(self, what: str) -> list[dict[str, object]]:
        return [each for each in self.said if each["what"] == what]

    async def until(self, what: str, count: int = 1) -> list[dict[str, object]]:
        """Once it has happened so often: all of them. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: len(self.heard(what)) >= count)
        return self.heard(what)

    async def _hear(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            async with self._news:
                self.said.append(json.loads(line))
                self._news.notify_all()

    async def close(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._hearing


@asynccontextmanager
async def node_smsc(port: int = 0) -> AsyncIterator[NodeSmsc]:
    """Raises NoPeer."""
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / "smsc.js"), str(port),
        cwd=installed(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    smsc = NodeSmsc(process)
    try:
        [listening] = await smsc.until("listening")
        smsc.port = int(str(listening["port"]))
        yield smsc
    finally:
        await smsc.close()
