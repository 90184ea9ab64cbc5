"""One TCP connection of one session: octets in, octets out, one timer. Both ends use it, link.py and the simulator.

The asyncio part of SMPP and CMPP is here and nowhere else; what the events mean is its owner's business.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Protocol, cast

from sms.conversation import Conversation, Event, LinkDead, ProtocolViolation, State


class Owner(Protocol):
    """What a wire tells the one that opened it."""

    def opened(self, wire: "Wire", now: float) -> None:
        """The connection stands, and the session is begun."""

    def happened(self, wire: "Wire", event: Event, now: float) -> None:
        """The session says so. Everything put under way here is written at once."""

    def pump(self, wire: "Wire", now: float) -> float | None:
        """Last call before writing: send what may go. Returns when to be called again, unless something happens."""

    def ended(self, wire: "Wire") -> None:
        """The connection is gone, and its session closed."""


_FATAL = (LinkDead, ProtocolViolation)  # not `A | B`, which Python would build anew for every event
#: Octets read at once, some three hundred PDUs. Then the loop turns, and whoever waits for the database gets on.
_READ_OCTETS = 1 << 16


class Wire(asyncio.BufferedProtocol):
    transport: asyncio.Transport
    #: What may be sent over it is its owner's business, who made it.
    session: Conversation[Any]

    def __init__(self, open_session: Callable[[float], Conversation[Any]], owner: Owner) -> None:
        self._open_session, self._owner = open_session, owner
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.heard_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._is_turning_soon = False
        # A view: TLS reads record after record into slices of it, and a slice of a bytearray is a copy.
        self._read = memoryview(bytearray(_READ_OCTETS))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # no isinstance: uvloop's are no asyncio.Transport
        connection: socket.socket = transport.get_extra_info("socket")
        # Nagle's delay costs 40 ms a message at small windows; keepalive finds peers that vanished behind a firewall.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        now = self._loop.time()
        self.session = self._open_session(now)
        self._owner.opened(self, now)
        self.turn()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._read

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._read[:nbytes]))

    def data_received(self, data: bytes) -> None:
        now = self.heard_at = self._loop.time()
        self._tell(self.session.receive(data, now), now)
        self.turn()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        self._tell(self.session.connection_lost(), self._loop.time())
        self._owner.ended(self)
        if not self.ended.done():  # whoever waited for the end may have been cancelled, and this future with them
            self.ended.set_result(None)

    async def leave(self) -> None:
        """Unbind if that is still possible, and wait for the end, which a timer of the session bounds."""
        if self.session.state.is_bound:
            self.session.unbind(self._loop.time())
            self.turn()
        else:
            self.transport.abort()
        await self.ended

    def turn_soon(self) -> None:
        """One turn for all that happens in one pass of the event loop, so that PDUs share a packet."""
        if not self._is_turning_soon:
            self._is_turning_soon = True
            self._loop.call_soon(self.turn)

    def turn(self) -> None:
        self._is_turning_soon = False
        session, now = self.session, self._loop.time()
        again_at = self._owner.pump(self, now)
        if data := session.data_to_send():
            self.transport.write(data)
        if session.state is State.CLOSED:
            self.transport.close()
            return
        due = min((at for at in (again_at, session.next_timer()) if at is not None), default=None)
        # A timer that stands earlier is left alone: it finds nothing to do and sets the next.
        if due is not None and (self._timer is None or self._timer.when() > due):
            if self._timer:
                self._timer.cancel()
            self._timer = self._loop.call_at(due, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        now = self._loop.time()
        self._tell(self.session.handle_timer(now), now)
        self.turn()

    def _tell(self, events: list[Event], now: float) -> None:
        for event in events:
            self._owner.happened(self, event, now)
            if isinstance(event, _FATAL):
                # Not close(): a dead peer never lets the last octets go.
                self.transport.abort()
