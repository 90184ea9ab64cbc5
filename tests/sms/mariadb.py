"""A throw-away MariaDB for tests: the machine's own server binary, one per process, its files in memory.

It listens on 127.0.0.1, with TLS on offer and a password, and can be killed and started again over the same files.
Where there is no mariadbd, tests that need one skip and say so.
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
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kernel.clock import SystemClock
from sms.mas.mysql import Server

MEMORY_DISK = Path("/dev/shm")
START_TIMEOUT_S = 60.0
ENVIRONMENT = {"LC_ALL": "C", "TZ": "Asia/Shanghai", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
#: Every commit reaches the system, small files, no thread more than needed.
OPTIONS = (
    "--innodb-log-file-size=4M",
    "--innodb-data-file-path=ibdata1:4M:autoextend",
    "--innodb-temp-data-file-path=ibtmp1:4M:autoextend",
    "--innodb-buffer-pool-size=8M",
)
SERVING = ("--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=2")
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class NoMariaDb(RuntimeError):
    """Why there is none here."""


@dataclass
class MariaDb:
    folder: Path
    port: int
    password: str = field(repr=False)
    process: "subprocess.Popen[bytes]"

    @classmethod
    def start(cls) -> "MariaDb":
        """Raises NoMariaDb."""
        for program in ("mariadbd", "mariadb-install-db"):
            if _found(program) is None:
                raise NoMariaDb(f"no {program} on this machine: install mariadb-server-core")
        folder = Path(tempfile.mkdtemp(prefix="zb-mariadb-", dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None))
        password = secrets.token_hex(12)
        try:
            _certify(folder)
            _run("mariadb-install-db", *_ours(folder), "--auth-root-authentication-method=normal", "--skip-test-db")
            (folder / "first.sql").write_text(
                f"CREATE USER 'mas'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
                "GRANT ALL ON *.* TO 'mas'@'127.0.0.1' WITH GRANT OPTION;\n"
            )
            port = _free_port()
            process = _serve(folder, port)
        except (OSError, NoMariaDb) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise NoMariaDb(f"mariadbd does not run here: {error}") from error
        return cls(folder, port, password, process)

    def server(self, database: str, **changes) -> Server:
        return Server(
            **{
                "host": "127.0.0.1",
                "port": self.port,
                "database": database,
                "user": "mas",
                "password": self.password,
                **changes,
            }
        )

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def kill(self) -> None:
        """As when somebody pulls the plug of the program, not of the machine."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        self.process = _serve(self.folder, self.port)

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _ours(folder: Path) -> tuple[str, ...]:
    user = pwd.getpwuid(os.geteuid()).pw_name  # root must say that it means it
    return ("--no-defaults", f"--user={user}", f"--datadir={folder / 'data'}", *OPTIONS)


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(_found(program)), *arguments], env=ENVIRONMENT, capture_output=True, text=True, timeout=START_TIMEOUT_S
    )
    if done.returncode:
        raise NoMariaDb(f"{program}: {done.stderr[-500:] or done.stdout[-500:]}")


def _serve(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    log = folder / "log"
    log.write_bytes(b"")
    first = folder / "first.sql"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [
                str(_found("mariadbd")),
                *_ours(folder),
                *SERVING,
                f"--port={port}",
                f"--socket={folder / 'socket'}",
                f"--ssl-cert={folder / 'cert.pem'}",
                f"--ssl-key={folder / 'key.pem'}",
                *([f"--init-file={first}"] if first.exists() else []),
            ],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        words = log.read_text(errors="replace")
        if "ready for connections" in words:
            first.unlink(missing_ok=True)
            return process
        if process.poll() is not None:
            raise NoMariaDb(words[-500:])
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise NoMariaDb("it does not become ready")


def _found(program: str) -> str | None:
    return shutil.which(program, path=ENVIRONMENT["PATH"]) or shutil.which(program)


def _certify(folder: Path) -> None:
    """A certificate for 127.0.0.1 that nobody but its own file vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mas")])
    now = SystemClock().now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    """In the child, on Linux: no server outlives the tests."""
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
