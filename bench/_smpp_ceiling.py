"""How many messages a second an SMSC can take at all: the ceiling against which the gateway is measured.

A blaster that does next to nothing itself: one pre-encoded submit_sm (60 Chinese characters, receipt asked for) whose
sequence number and phone alone change, a window of 500, every deliver_sm acknowledged with five constants. A message
counts when its submit_sm_resp and its receipt are both here.
"""

import argparse
import asyncio
import socket
import struct
from time import perf_counter

from sms.smpp.pdus import encode
from sms.smpp.vocabulary import BindTransceiver, SubmitSm

WINDOW = 500
_HEADER = struct.Struct(">LLLL")
_DELIVER_RESP = struct.Struct(">LLLLB")
_SUBMIT_RESP_ID, _DELIVER_ID, _BIND_RESP_ID = 0x80000004, 0x00000005, 0x80000009


class _Blaster(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, bind: BindTransceiver, messages: int, window: int) -> None:
        self._bind, self._messages, self._window = bind, messages, window
        pdu = SubmitSm(
            source="10690001",
            destination="13800138000",
            data_coding=8,
            validity_period="000001000000000R",  # as the gateway says
            registered_delivery=1,
            short_message=("掌办提醒" * 15).encode("utf-16-be"),
        )
        frame = encode(pdu, 0)
        phone = frame.index(b"13800138000")
        self._head, self._middle, self._tail = frame[:12], frame[16 : phone + 3], frame[phone + 11 :]
        self._rest = b""
        self._sent = self._answered = self._receipts = 0
        self._began = 0.0
        self.seconds: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.write(encode(self._bind, 1))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.seconds.done():
            self.seconds.set_exception(ConnectionError("the SMSC hung up"))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at, out = 0, []
        while len(data) - at >= 16:
            length, command_id, status, sequence = _HEADER.unpack_from(data, at)
            if len(data) - at < length:
                break
            at += length
            if command_id == _SUBMIT_RESP_ID:
                assert status == 0, f"submit_sm_resp {status:#x}"
                self._answered += 1
            elif command_id == _DELIVER_ID:
                self._receipts += 1
                out.append(_DELIVER_RESP.pack(17, 0x80000005, 0, sequence, 0))
            elif command_id == _BIND_RESP_ID:
                assert status == 0, f"bind refused {status:#x}"
                self._began = perf_counter()
        self._rest = data[at:]
        if self._began:
            out += self._more()
        self.transport.write(b"".join(out))
        if self._answered >= self._messages and self._receipts >= self._messages and not self.seconds.done():
            self.seconds.set_result(perf_counter() - self._began)

    def _more(self) -> list[bytes]:
        first = self._sent + 1
        # Receipts are waited for, too: an SMSC that answers fast and reports slowly has no higher ceiling.
        self._sent = min(self._messages, min(self._answered, self._receipts) + self._window)
        head, middle, tail = self._head, self._middle, self._tail
        return [
            b"%b%b%b%08d%b" % (head, sequence.to_bytes(4, "big"), middle, sequence, tail)
            for sequence in range(first, self._sent + 1)
        ]


async def ceiling(host: str, port: int, system_id: str, password: str, messages: int, *, window: int = WINDOW) -> float:
    """Messages per second, each with submit_sm_resp and receipt. Raises TimeoutError after two minutes."""
    bind = BindTransceiver(system_id=system_id, password=password)
    loop = asyncio.get_running_loop()
    transport, blaster = await loop.create_connection(lambda: _Blaster(bind, messages, window), host, port)
    try:
        async with asyncio.timeout(120):
            return messages / await blaster.seconds
    finally:
        transport.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2775)
    parser.add_argument("--account", default="zhangban:secret", help="system_id:password")
    parser.add_argument("--messages", type=int, default=20_000)
    arguments = parser.parse_args()
    system_id, password = arguments.account.split(":", 1)
    measured = ceiling(arguments.host, arguments.port, system_id, password, arguments.messages)
    print(f"{asyncio.run(measured):,.0f} messages/s with receipts, window {WINDOW}")


if __name__ == "__main__":
    main()
