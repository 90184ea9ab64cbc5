"""Kannel 1.4.5 as somebody else's SMPP: its bearerbox and smsbox as a client.

Everything listens on the loopback, on ports the system chose. Limits: between the choice of a port and its use another
program may take it.
"""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

PATIENCE_S = 60.0

BOXES = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = peer
smsbox-port = {inner}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
store-type = spool
store-location = {folder}/spool
dlr-storage = internal
log-file = {folder}/bearerbox.log
log-level = 1
sms-combine-concatenated-mo = true
sms-resend-freq = 1

group = smsc
smsc = smpp
smsc-id = peer
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = zhangban
smsc-password = secret
system-type = ""
enquire-link-interval = 1
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
mo-recode = true
log-file = {folder}/smsbox.log
log-level = 1

group = sendsms-user
username = peer
password = peer
max-messages = 5
concatenation = true

group = sms-service
keyword = default
get-url = "http://127.0.0.1:{callback}/mo?from=%p&to=%P&text=%a&charset=%C"
max-messages = 0
catch-all = true
"""


def program(name: str) -> str | None:
    """Debian puts them where only root looks."""
    return shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@dataclass
class Kannel:
    """Both boxes, running. `called` are the callbacks: path, and what stood behind it."""

    port: int
    called: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _callback: int = 0

    async def send(self, to: str, text: str, *, sender: str = "10690001") -> None:
        """One text, by its HTTP interface. It calls back for every receipt."""
        answer = quote(f"http://127.0.0.1:{self._callback}/dlr?to={to}&kind=%d", safe="")
        path = (
            f"/cgi-bin/sendsms?username=peer&password=peer&from={sender}&to={to}&coding=2&charset=UTF-8"
            f"&dlr-mask=3&dlr-url={answer}&text={quote(text)}"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        said = (await reader.read()).decode("latin-1")
        writer.close()
        assert " 202 " in said.split("\r\n", 1)[0], said

    def calls(self, path: str) -> list[dict[str, str]]:
        return [facts for called, facts in self.called if called == path]

    async def until(self, path: str, count: int = 1) -> list[dict[str, str]]:
        """Once it has called so often. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.calls(path)) < count:  # noqa: ASYNC110  the bell would be as long as the wait
                await asyncio.sleep(0.02)
        return self.calls(path)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                url = urlsplit(head.split(b" ", 2)[1].decode())
                self.called.append((url.path, {name: values[0] for name, values in parse_qs(url.query).items()}))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()


@asynccontextmanager
async def kannel(smsc: int, folder: Path) -> AsyncIterator[Kannel]:
    """bearerbox, bound to the SMSC on port `smsc`, and smsbox."""
    bearerbox, smsbox = program("bearerbox"), program("smsbox")
    assert bearerbox
    assert smsbox
    admin, inner, sendsms = free_ports(3)
    (folder / "spool").mkdir()
    boxes = Kannel(sendsms)
    server = await asyncio.start_server(boxes.answer, "127.0.0.1", 0)
    boxes._callback = server.sockets[0].getsockname()[1]
    config = folder / "kannel.conf"
    config.write_text(
        BOXES.format(admin=admin, inner=inner, sendsms=sendsms, smsc=smsc, folder=folder, callback=boxes._callback)
    )
    async with server, running(bearerbox, str(config)) as first:
        await listening(inner, first)
        async with running(smsbox, str(config)) as second:
            await listening(sendsms, second)
            yield boxes


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def listening(port: int, process: asyncio.subprocess.Process) -> None:
    """Returns when `process` listens there. Raises RuntimeError when it ends before, and TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"it ended with {process.returncode} before it listened")
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


def free_ports(count: int) -> Sequence[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
