"""The same work done by Jasmin 0.11.0, which is installed on the way: HTTP in, SMPP out, a callback for every receipt.

Not 0.11.1, whose look-up of receipts fails on every text of one part (its issue 1236). It goes into an environment of
its own among the user's caches, once; RabbitMQ and Redis must be the system's.

One jasmind with its own DLR look-up and thrower, a RabbitMQ and a Redis of its own behind it; every text goes in by
`/send` with a `dlr-url` on this process, 16 requests at once. The rate is that of receipts called back. All ports are
on the loopback; the connector's throughput is unlimited and nothing is logged below errors.
Jasmin's wheel has no configuration and no AMQP specification: what differs from its defaults is written here, and the
specification is the one that txAMQP, which it requires, brings along.
"""

import asyncio
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter
from urllib.parse import quote

from bench._peers import Counted, free_ports, process, reachable

AT_ONCE = 16
PATIENCE_S = 120.0
VERSION = "0.11.0"
HOME = Path.home() / ".cache" / "zhangban-bench" / f"jasmin-{VERSION}-{sys.implementation.cache_tag}"
INSTALLING_S = 600.0
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

CONFIG = """
[smpp-server]
bind = 127.0.0.1
port = {smpp}
[smpp-server-pb]
bind = 127.0.0.1
port = {smpp_pb}
[client-management]
bind = 127.0.0.1
port = {clients}
store_path = {home}/store
[router]
bind = 127.0.0.1
port = {router}
store_path = {home}/store
[http-api]
bind = 127.0.0.1
port = {http}
log_level = ERROR
[jcli]
bind = 127.0.0.1
port = {jcli}
authentication = False
[amqp-broker]
host = 127.0.0.1
port = {amqp}
spec = {spec}
[redis-client]
host = 127.0.0.1
port = {redis}
[service-smppclient]
log_level = ERROR
[sm-listener]
log_level = ERROR
[dlr]
log_level = ERROR
[dlr-thrower]
log_level = ERROR
"""
CONNECTOR = """smppccm -a
cid bench
host 127.0.0.1
port {smsc}
username {account}
password {password}
bind transceiver
submit_throughput 0
coding 8
logfile {home}/bench.log
loglevel 40
ok
smppccm -1 bench
group -a
gid bench
ok
user -a
username bench
password bench
uid bench
gid bench
ok
mtrouter -a
type defaultroute
connector smppc(bench)
rate 0.00
ok"""


def install() -> str | None:
    """Once for this user: afterwards its programs are in HOME / "bin". Why that cannot be."""
    if not RABBITMQ.is_file() or shutil.which("redis-server") is None:
        return "rabbitmq-server or redis-server is not installed"
    done = HOME / "installed"
    if done.is_file():
        return None
    try:
        venv.create(HOME, clear=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as failed:
        return f"no environment can be made in {HOME}: {type(failed).__name__}; Debian: python3-venv"
    # setuptools for pkg_resources, which a Python from 3.12 on does not bring along.
    wanted = [str(HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", f"jasmin=={VERSION}", "setuptools<81"]
    try:
        subprocess.run(wanted, check=True, capture_output=True, text=True, timeout=INSTALLING_S)
    except subprocess.TimeoutExpired:
        return f"pip has not installed jasmin {VERSION} in {INSTALLING_S:.0f} s"
    except subprocess.CalledProcessError as failed:
        said = [line for line in failed.stderr.splitlines() if line.strip()] or ["nothing"]
        return f"pip cannot install jasmin {VERSION} for Python {sys.version.split()[0]}; it says: {said[-1]}"
    done.touch()
    return None


async def jasmin_rate(
    smsc: int,
    programs: Path,
    folder: Path,
    messages: int,
    *,
    receipt_delay_s: float,
    account: str,
    password: str,
    body: str,
) -> float:
    """Messages per second through Jasmin to the SMSC at port `smsc`; its delay is not counted. Raises TimeoutError."""
    home = folder / "jasmin"
    for each in ("store", "log", "rabbit", "redis"):
        (home / each).mkdir(parents=True)
    names = ("smpp", "smpp_pb", "clients", "router", "http", "jcli", "amqp", "redis", "epmd", "nodes")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    (home / "jasmin.cfg").write_text(CONFIG.format(home=home, spec=_spec(programs), **ports))
    async with AsyncExitStack() as stack:
        await _started(stack, home, programs, ports)
        await _told(ports["jcli"], CONNECTOR.format(smsc=smsc, account=account, password=password, home=home))
        await _timed(ports["http"], 20, body)  # until the bind stands
        return messages / (await _timed(ports["http"], messages, body) - receipt_delay_s)


async def _started(stack: AsyncExitStack, home: Path, programs: Path, ports: dict[str, int]) -> None:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    await stack.enter_async_context(
        process("redis-server", "--port", str(ports["redis"]), "--bind", "127.0.0.1", "--dir", str(home / "redis"))
    )
    broker = {
        "PATH": path,
        "HOME": str(home / "rabbit"),
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "bench@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(ports["amqp"]),
        "RABBITMQ_DIST_PORT": str(ports["nodes"]),
        "RABBITMQ_MNESIA_BASE": str(home / "rabbit"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "rabbit" / "no-plugins"),
    }
    if (epmd := shutil.which("epmd")) is not None:  # else one of nobody's would outlive us
        await stack.enter_async_context(process(epmd, "-port", str(ports["epmd"]), env=broker))
    await stack.enter_async_context(process(str(RABBITMQ), env=broker))
    await stack.enter_async_context(reachable(ports["redis"]))
    await stack.enter_async_context(reachable(ports["amqp"]))
    jasmin = {"PATH": path, "ROOT_PATH": str(home), "LOG_PATH": str(home / "log"), "CONFIG_PATH": str(home)}
    command = (str(programs / "jasmind.py"), "-c", str(home / "jasmin.cfg"))
    python = str(programs / "python")
    switches = ("--enable-dlr-lookup", "--enable-dlr-thrower")
    await stack.enter_async_context(process(python, *command, *switches, env=jasmin))
    await stack.enter_async_context(reachable(ports["jcli"]))
    await stack.enter_async_context(reachable(ports["http"]))


def _spec(programs: Path) -> Path:
    return next(programs.parent.glob("lib/python*/site-packages/txamqp/specs/standard/amqp0-9-1.stripped.xml"))


async def _told(jcli: int, script: str) -> None:
    """Types `script` into Jasmin's console, each line when the last one was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", jcli)
    async with asyncio.timeout(60):
        for line in script.splitlines():
            writer.write(f"{line}\r\n".encode())
            heard = await _prompted(reader)
            assert not any(word in heard for word in ("Error", "Unknown", "invalid")), heard
    writer.close()


async def _prompted(reader: asyncio.StreamReader) -> str:
    heard = b""
    while not heard.endswith((b"jcli : ", b"> ")):
        some = await reader.read(4096)
        assert some, heard
        heard += some
    return heard.decode("latin-1")


async def _timed(http: int, messages: int, body: str) -> float:
    """Seconds until the last receipt was called back."""
    numbers = iter(range(messages))
    begun = perf_counter()
    async with Counted(messages, b"ACK/Jasmin") as receipts, asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(_send(http, numbers, body, receipts.url) for _ in range(AT_ONCE)))
        await receipts.all_here.wait()
        return perf_counter() - begun


async def _send(port: int, numbers: Iterator[int], body: str, callback: str) -> None:
    for number in numbers:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        path = (
            f"/send?username=bench&password=bench&from=10690001&to=138{number:08d}&coding=8"
            f"&hex-content={body.encode('utf-16-be').hex()}"
            f"&dlr=yes&dlr-level=2&dlr-method=GET&dlr-url={quote(callback, safe='')}"
        )
        writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        answer = await reader.read()
        assert b" 200 " in answer.split(b"\r\n", 1)[0], answer
        writer.close()
