"""The same work done by Kannel 1.4.5, where it is installed: HTTP in, SMPP out, a callback for every receipt.

bearerbox with the spool store (durable, as our queue is) and one smsbox; every text goes in by `cgi-bin/sendsms` with
a `dlr-url` on this process, 64 requests at once. The rate is that of receipts called back. All ports are on the
loopback. dlr-mask 1|2 asks for the final receipt only: 31 would call back twice for every message.
"""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from urllib.parse import quote

from bench._peers import Counted, free_ports, process, reachable

AT_ONCE = 64
PATIENCE_S = 120.0

CONFIG = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = bench
smsbox-port = {smsbox}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
store-type = spool
store-location = {folder}/spool
dlr-storage = internal
log-file = {folder}/bearerbox.log
log-level = 3

group = smsc
smsc = smpp
smsc-id = bench
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = {account}
smsc-password = {password}
system-type = ""
source-addr-ton = 0
source-addr-npi = 0
dest-addr-ton = 0
dest-addr-npi = 0
max-pending-submits = 64

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-file = {folder}/smsbox.log
log-level = 3

group = sendsms-user
username = bench
password = bench
max-messages = 3
"""


def kannel_is_here() -> bool:
    return _program("bearerbox") is not None and _program("smsbox") is not None


async def kannel_rate(smsc: int, home: Path, messages: int, *, account: str, password: str, body: str) -> float:
    """Messages per second through Kannel to the SMSC on port `smsc`. Its files go to `home`. Raises TimeoutError."""
    bearerbox, smsbox = _program("bearerbox"), _program("smsbox")
    assert bearerbox is not None, "ask kannel_is_here"
    assert smsbox is not None, "ask kannel_is_here"
    admin, inner, sendsms = free_ports(3)
    (home / "spool").mkdir(parents=True)
    config = home / "kannel.conf"
    config.write_text(
        CONFIG.format(
            admin=admin, smsbox=inner, sendsms=sendsms, smsc=smsc, folder=home, account=account, password=password
        )
    )
    async with process(bearerbox, str(config)), reachable(inner), process(smsbox, str(config)), reachable(sendsms):
        await _timed(sendsms, 100, body)  # until the bind stands and every thread runs
        return await _timed(sendsms, messages, body)


def _program(name: str) -> str | None:
    """Debian puts them where only root looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


async def _timed(sendsms: int, messages: int, body: str) -> float:
    numbers = iter(range(messages))
    begun = perf_counter()
    async with Counted(messages) as receipts, asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(_send(sendsms, numbers, body, receipts.url) for _ in range(AT_ONCE)))
        await receipts.all_here.wait()
        return messages / (perf_counter() - begun)


async def _send(port: int, numbers: Iterator[int], body: str, callback: str) -> None:
    """One connection that puts texts in, one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        path = (
            f"/cgi-bin/sendsms?username=bench&password=bench&from=10690001&to=138{number:08d}&coding=2&charset=UTF-8"
            f"&dlr-mask=3&dlr-url={quote(callback, safe='')}&text={quote(body)}"
        )
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        assert " 202 " in head.split("\r\n", 1)[0], head
        length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
        await reader.readexactly(length)
    writer.close()
