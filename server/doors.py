"""Opens the doors of one system: HTTP for phones, SMPP and MAS for texts, mail; and closes them in good order.

A carrier of kind `simulator` brings its own simulated SMSC, on a loopback port the system chooses.
"""

import fcntl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_network

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alerts.mail import Mailer
from certs.revocation import newest_list_der
from mobile_api.authentication import CertificateSessions
from mobile_api.services import Services
from server import exchange_loops, texts_across, zones
from server.carrier_settings import FerryCarrier, MasCarrier, SimulatorCarrier
from server.carriers import SIMULATED_ACCOUNT, connection
from server.config_file import Problem, SettingsRefused
from server.exchange_door import ExchangeDoor
from server.ferry_carrier import TextFerry
from server.ferry_desk import overviews
from server.metrics import Metrics
from server.metrics import door as metrics_door
from server.processes import (
    Pace,
    Stop,
    deliver_events,
    follow_calendar,
    http_door,
    keep_time,
    listening,
    running,
    until_stopped,
)
from server.provisions import alert_rules, api_limits, casework_rules, mail_server
from server.wiring import System, sqlite_file
from sms.carriers import Carrier
from sms.gateway import Gateway
from sms.lane import Inbox
from sms.mas import push as mas_push
from sms.mas.http import MasHttpCarrier
from sms.simulator import Smsc
from sms.smpp.carrier import SmppCarrier as SmppConnection


@dataclass(kw_only=True)
class Doors:
    """What is open: the HTTP port, the carriers that bind, and the simulated SMSC by the name of its carrier."""

    http_port: int
    carriers: Sequence[SmppConnection] = ()
    simulators: dict[str, Smsc] = field(default_factory=dict)


@asynccontextmanager
async def open_doors(system: System, *, stop: Stop, pace: Pace | None = None) -> AsyncIterator[Doors]:
    """Runs everything of `system` while the block runs: doors, gateway, courier and timer.

    At the end HTTP stops first, then the loops, then the gateway finishes what is under way.
    """
    pace = pace or Pace()
    settings = system.settings
    async with AsyncExitStack() as stack:
        door = stack.enter_context(listening(settings.http.host, settings.http.port))
        stack.enter_context(_only_server(system))
        simulators = {
            carrier.name: await stack.enter_async_context(_simulated(system))
            for carrier in settings.sms.carriers
            if isinstance(carrier, SimulatorCarrier)
        }
        carriers = [
            texts_across.carrier_of(carrier, system)
            if isinstance(carrier, FerryCarrier)
            else connection(carrier, simulators, system.clock)
            for carrier in settings.sms.carriers
        ]
        inbox = texts_across.inbox_of(system)
        gateway = await stack.enter_async_context(_gateway(system, carriers, inbox))
        wakes = [gateway.wake, inbox.wake, *(each.wake for each in carriers if isinstance(each, TextFerry))]
        await stack.enter_async_context(
            running(
                deliver_events(system, stop, pace, delivered=gateway.wake),
                keep_time(system, stop, pace),
                follow_calendar(system, stop, pace),
                until_stopped(stop, "texts across", texts_across.waking(system, wakes), pause_s=0),
                *(until_stopped(stop, name, turn, pause_s=0) for name, turn in zones.loops(system, pace).items()),
                *(
                    until_stopped(stop, name, turn, pause_s=rest)
                    for name, (turn, rest) in exchange_loops.loops(system, pace).items()
                ),
                stop=stop,
            )
        )
        if settings.mail.enabled:
            await stack.enter_async_context(_mailer(system))
        app = build_app(system, carriers, gateway)
        served = http_door(app, door=door, trusted=settings.http.trusted_proxies)
        port = await stack.enter_async_context(served)
        binding = [carrier for carrier in carriers if isinstance(carrier, SmppConnection)]
        yield Doors(http_port=port, carriers=binding, simulators=simulators)


def build_app(system: System, carriers: Sequence[Carrier], gateway: Gateway | None = None) -> Starlette:
    """The HTTP door of this process: for phones, for whoever checks certificates or measures, for what a MAS pushes."""

    async def revocation_list(request: Request) -> Response:
        der = await newest_list_der(system.authority)
        return Response(der or b"", status_code=200 if der else 404, media_type="application/pkix-crl")

    services = Services(
        database=system.database,
        office=system.office,
        clock=system.clock,
        calendars=lambda: system.calendar,
        authenticator=CertificateSessions.of(system.authority, system.clock),
        authority=system.authority,
        secrets=system.secrets,
        files=system.files,
        mirrored_until=zones.mirrored_until(system),
        missing_file=zones.missing_file(system),
        rules=casework_rules(system.settings),
        limits=api_limits(system.settings),
        portals=system.settings.http.portals,
        demo=system.settings.demo,
    )
    crl = Route("/pki/issuing.crl", revocation_list, methods=["GET"])
    ferries = partial(overviews, system)
    measured = Metrics(system.database, system.clock, lambda: gateway.lanes if gateway else (), ferries)
    monitors = [ip_network(address) for address in system.settings.http.metrics_from]
    metrics = Route("/metrics", metrics_door(measured, monitors), methods=["GET"])
    # Half a program, the schema with it, which a command that opens no door shall not wait for.
    from mobile_api.app import routes

    return Starlette(routes=[*routes(services), crl, metrics, *_exchange(system), *_push_routes(system, carriers)])


def _exchange(system: System) -> list[Route]:
    """Where registered systems push their case data, if they may."""
    chosen = system.settings.exchange
    if not chosen.accept_pushes:
        return []
    return ExchangeDoor(
        system.office,
        system.database,
        system.authority,
        system.clock,
        most_octets=chosen.push_mebibytes << 20,
        per_minute=chosen.pushes_per_minute,
    ).routes()


def _push_routes(system: System, carriers: Sequence[Carrier]) -> Iterator[Route]:
    for chosen, carrier in zip(system.settings.sms.carriers, carriers, strict=True):
        if isinstance(chosen, MasCarrier) and isinstance(carrier, MasHttpCarrier) and chosen.receive != "pull":
            allowed = [ip_network(address) for address in chosen.allowed_addresses]
            yield from mas_push.routes(carrier, secret=chosen.push_path.get_secret_value(), allowed=allowed)


@contextmanager
def _only_server(system: System) -> Iterator[None]:
    """Holds SQLite for one server: a second gateway would send again what the first has under way."""
    file = sqlite_file(system.database.url)
    if file is None:
        yield
        return
    # A file of its own: closing the database's file would drop the locks SQLite holds on it.
    with file.with_name(f"{file.name}-serving").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            wrong = Problem("database.url", "另一个服务进程正在使用此数据库", "another server is using this database")
            raise SettingsRefused([wrong]) from None
        yield


@asynccontextmanager
async def _simulated(system: System) -> AsyncIterator[Smsc]:
    async with Smsc(dict([SIMULATED_ACCOUNT]), clock=system.clock) as smsc:
        yield smsc


@asynccontextmanager
async def _mailer(system: System) -> AsyncIterator[None]:
    mailer = Mailer(system.database, system.clock, mail_server(system.settings))
    stop = Stop()

    async def run() -> bool:
        await mailer.run()
        return False

    async with running(until_stopped(stop, "mailer", run, pause_s=1.0), stop=stop):
        try:
            yield
        finally:
            stop()
            mailer.stop()


@asynccontextmanager
async def _gateway(system: System, carriers: Sequence[Carrier], inbox: Inbox) -> AsyncIterator[Gateway]:
    # SQLite serves one process only (_only_server), so whatever lies claimed there is an orphan of the last run.
    alone = system.database.dialect == "sqlite"
    gateway = Gateway(
        system.database,
        system.clock,
        system.secrets,
        carriers=carriers,
        inbox=inbox,
        alone=alone,
        rules=alert_rules(system.settings),
        kinds={carrier.name: carrier.kind for carrier in system.settings.sms.carriers},
        no_codes=[each.name for each in carriers if isinstance(each, TextFerry) and not each.takes_codes],
    )
    stop = Stop()

    async def run() -> bool:
        await gateway.run()
        return False

    async with running(until_stopped(stop, "gateway", run, pause_s=1.0), stop=stop):
        try:
            yield gateway
        finally:
            stop()
            await gateway.drain()
