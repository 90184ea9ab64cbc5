"""Puts together what a zone of an isolated network needs for texts: inside a carrier, outside an inbox that relays."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from server.carrier_settings import FerryCarrier
from server.ferry_answers import AnswersAcross, goes_across
from server.ferry_carrier import Patience, TextFerry
from server.ferry_inbox import RelayInbox
from server.ferry_stations import routes_of
from server.provisions import alert_rules, inbox_rules, supervision_rules
from server.wiring import System
from server.zones import bells_of, inner_route
from sms.inbound import Inbox

#: Of the other side's heartbeats; and never less than a slow gap device takes.
_HEARTBEATS, _AT_LEAST = 3, timedelta(minutes=2)
#: What nobody rang for is found by looking.
_LOOK_S = 1.0


def carrier_of(chosen: FerryCarrier, system: System) -> TextFerry:
    heartbeat = timedelta(seconds=system.settings.ferry.heartbeat_seconds)
    return TextFerry(
        chosen.name,
        system.database,
        system.clock,
        system.secrets,
        routes_of(system.settings).to(chosen.peer),
        weight=chosen.weight,
        takes_codes=goes_across(system.settings),
        patience=Patience(silent=max(_HEARTBEATS * heartbeat, _AT_LEAST)),
        handed=bells_of(system).leaving.ring,
    )


def inbox_of(system: System) -> Inbox | RelayInbox:
    """Who takes texts from people: the outer zone hands them inside, every other performs them."""
    rules = inbox_rules(system.settings)
    if system.settings.ferry.zone == "outer":
        return RelayInbox(
            system.database,
            system.clock,
            system.secrets,
            inner_route(system.settings),
            rules=rules,
            handed=bells_of(system).leaving.ring,
        )
    return Inbox(
        system.office,
        system.database,
        system.clock,
        system.secrets,
        alert_rules=alert_rules(system.settings),
        rules=rules,
        believes=AnswersAcross(
            system.database,
            system.clock,
            system.secrets,
            goes_across=goes_across(system.settings),
            digits=supervision_rules(system.settings).code_digits,
        ),
    )


def waking(system: System, wakes: Sequence[Callable[[], None]]) -> Callable[[], Awaitable[bool]]:
    """A turn that wakes whoever works on what the ferry took in."""
    arrived = bells_of(system).arrived
    heard = arrived.rung

    async def turn() -> bool:
        nonlocal heard
        if await arrived.wait(heard, _LOOK_S):
            heard = arrived.rung
            for wake in wakes:
                wake()
        return True

    return turn
