"""Where a gateway can be killed: named points of the paths of texts to people and from them, and how they are reached.

A point is a function of the program; `die` wraps it so that the process kills itself (SIGKILL, as `kill -9`) at the
n-th passage, before or after it. What is written "in the transaction" is the last call before the commit.
"""

import asyncio
import functools
import importlib
import inspect
import os
import signal
from collections.abc import Callable
from typing import Any

from msgspec import Struct


class Point(Struct, frozen=True):
    """`function` of `module`, a name or Class.name; `passage` is the first at which a process may die here."""

    module: str
    function: str
    is_before: bool = False
    passage: int = 1


POINTS = {
    # ---- texts to people: queue, carrier, receipt
    "claiming": Point("alerts.outgoing", "accepted_parts"),  # in the transaction
    "claimed": Point("sms.gateway", "claim"),
    "given": Point("sms.lane", "Lane.give"),  # to the link; its octets may have left or not
    "answered": Point("sms.lane", "Lane._sent", is_before=True, passage=5),
    "recording": Point("alerts.settling", "_settle_long"),  # in the transaction
    "recorded": Point("sms.lane", "record"),
    "receipt came": Point("sms.lane", "Lane.heard", is_before=True, passage=3),
    "receipt acknowledged": Point("sms.smpp.session", "Session.acknowledge", passage=3),
    "taking over": Point("alerts.outgoing", "_taken_over"),  # in the transaction
    "housekeeping": Point("alerts.settling", "_settle_unknown"),  # in the transaction
    # ---- texts from people: part, text, act, answer
    "arrived": Point("sms.inbound", "Inbox.take", is_before=True),
    "keeping": Point("sms.mo_parts", "Parts.keep"),  # in the transaction
    "kept": Point("sms.inbound", "Inbox.take"),
    "performing": Point("kernel.office", "Office._remember"),  # in the transaction
    "performed": Point("sms.inbound", "Inbox._judged"),
    "answering": Point("sms.inbound", "Inbox._reply"),  # in the transaction
    "answered the person": Point("sms.inbound", "Inbox._settle"),
    "keeping proofs": Point("sms.mo_parts", "Parts._keep_proofs"),  # in the transaction
}
#: Half of a message has been written to the carrier.
MID_PDU = "in the middle of a PDU"
NAMES = (*POINTS, MID_PDU)


def die_at(name: str, more: int = 0) -> None:
    """This process will kill itself at `name`, `more` passages later than the first that fits."""
    if name == MID_PDU:
        _die_mid_pdu(3 + more)
        return
    point = POINTS[name]
    owner, attribute = place_of(point.module, point.function)
    setattr(owner, attribute, dying(getattr(owner, attribute), point, point.passage + more))


def place_of(module: str, function: str) -> tuple[Any, str]:
    """Who holds the function, and under which name."""
    owner: Any = importlib.import_module(module)
    *classes, attribute = function.split(".")
    for name in classes:
        owner = getattr(owner, name)
    return owner, attribute


def dying(function: Callable[..., Any], point: Point, passage: int) -> Callable[..., Any]:
    passages = iter(range(1, passage + 1))

    def dies() -> bool:
        return next(passages, passage) == passage

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*given: Any, **named: Any) -> Any:
            is_last = dies()
            if is_last and point.is_before:
                _die()
            result = await function(*given, **named)
            if is_last:
                _die()
            return result

        return awaited

    @functools.wraps(function)
    def called(*given: Any, **named: Any) -> Any:
        is_last = dies()
        if is_last and point.is_before:
            _die()
        result = function(*given, **named)
        if is_last:
            _die()
        return result

    return called


def _die_mid_pdu(writes: int) -> None:
    """The n-th writing to a carrier gets as far as its middle."""
    from sms.wire import Wire

    plain, left = Wire.connection_made, writes

    def connection_made(self: Wire, transport: asyncio.BaseTransport) -> None:
        plain(self, transport)
        whole = self.transport.write

        def half(octets: bytes) -> None:
            nonlocal left
            left -= 1
            if left <= 0 and len(octets) > 32:
                whole(octets[: len(octets) // 2])
                _die()
            whole(octets)

        self.transport.write = half  # type: ignore[method-assign,assignment]  # the socket's own class, in a test

    Wire.connection_made = connection_made  # type: ignore[method-assign]  # in the process that dies of it


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
