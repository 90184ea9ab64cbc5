"""What the exchange does by itself in a serving process: reports up, packages that came in parcels, fronts."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from casework.clock.working_days import day_of
from certs.encodings import spki_of
from certs.tables import IssuedCertificate
from certs.verification import UNREADABLE
from ferry.exchange import credentials, watching
from ferry.exchange.acts import AddSender
from ferry.exchange.fronts import RowTable, Signer, take_folder
from ferry.exchange.https import HttpsWay
from ferry.exchange.package import PackageUnfit
from ferry.exchange.parcels import ParcelWay, take_arrived
from ferry.exchange.refusals import SenderTaken
from ferry.exchange.reports import Speaker
from ferry.exchange.rules import Sender
from ferry.exchange.tables import ExchangeSender
from ferry.exchange.upward import Reporter, Way, consumer
from kernel.actor import THE_OPERATOR
from kernel.events import Event
from kernel.outbox import Consumer
from kernel.refusals import Refusal
from server.exchange_settings import FolderFront, TableFront
from server.ferry_stations import routes_of
from server.provisions import alert_rules
from server.settings import Settings

if TYPE_CHECKING:
    from server.processes import Pace
    from server.wiring import System

log = logging.getLogger(__name__)

#: Of ours, for what we send; the command line makes the request for its certificate.
OWN_KEY = "exchange.own"
#: Seconds until a report is looked for again, and until a certificate that cannot be read is tried again.
_REPORT_S, _BROKEN_S = 0.5, 30.0
#: Between looks at whether reports get through.
_WATCH_S = 15.0

Turn = Callable[[], Awaitable[bool]]


def consumers(settings: Settings, events: Sequence[type[Event]]) -> Sequence[Consumer]:
    """Who marks what is to be reported, where there is a level above."""
    return (consumer(events, own=settings.exchange.source_system),) if settings.exchange.reports else ()


def loops(system: "System", pace: "Pace") -> dict[str, tuple[Turn, float]]:
    """By name what runs beside the doors, and the seconds it rests when it found nothing."""
    settings, found = system.settings, dict[str, tuple[Turn, float]]()
    if settings.exchange.reports:
        found["reports"] = (_complaining(reporter(system).turn), min(_REPORT_S, pace.timer_s))
        found["reports watched"] = (_watch(system), _WATCH_S)
    if any(peer.relation == "below" for peer in settings.ferry.peers):
        found["reports in parcels"] = (_arrivals(system), min(_REPORT_S, pace.timer_s))
    for front in settings.exchange.fronts:
        found[f"front {front.name}"] = (_front(system, front), float(settings.exchange.front_seconds))
    return found


def reporter(system: "System") -> Reporter:
    return Reporter(system.database, system.clock, _way(system), lambda: speaker(system))


def speaker(system: "System") -> Speaker:
    """Raises OSError, ValueError, PackageUnfit when there is no certificate to speak with."""
    file = Path(system.settings.exchange.above_certificate)
    chain = x509.load_pem_x509_certificates(file.read_bytes())
    key = system.authority.keyring.key(OWN_KEY)
    if spki_of(chain[0].public_key()) != spki_of(key.public_key()):
        raise PackageUnfit("CERTIFICATE_OTHER", "not of our key")
    return Speaker(key=key, chain=tuple(chain[:3]))


def _way(system: "System") -> Way:
    chosen = system.settings.exchange
    if chosen.above_peer:
        return ParcelWay(system.database, routes_of(system.settings).to(chosen.above_peer), system.clock)
    return HttpsWay(chosen.above_url, ca_file=chosen.above_ca_file)


def _complaining(turn: Turn) -> Turn:
    """Says once what keeps us from speaking, not at every turn."""
    said = ""

    async def turned() -> bool:
        nonlocal said
        try:
            did = await turn()
        except (PackageUnfit, OSError, *UNREADABLE) as fault:
            if said != (why := f"{type(fault).__name__}: {fault}"):
                log.error("exchange: nothing can be reported: %s", why[:200])
                said = why
            return False
        said = ""
        return did

    return turned


def _watch(system: "System") -> Turn:
    async def turn() -> bool:
        await watching.look(system.database, alert_rules(system.settings), now=system.clock.now())
        return False

    return turn


def _arrivals(system: "System") -> Turn:
    routes = routes_of(system.settings)

    async def turn() -> bool:
        return await take_arrived(system.database, system.office, routes, now=system.clock.now()) > 0

    return turn


def _front(system: "System", front: FolderFront | TableFront) -> Turn:
    if isinstance(front, FolderFront):

        async def folder() -> bool:
            return await take_folder(system.office, Path(front.path)) > 0

        return folder
    made: list[RowTable] = []

    async def table() -> bool:
        if not made:
            made.append(await row_table(system, front))
        now = system.clock.now()
        return await made[0].take(system.office, now=now, name=lambda: _name(system)) > 0

    return table


def _name(system: "System") -> str:
    return f"T{day_of(system.clock.now()):%Y%m%d}-{secrets.token_hex(6)}"


async def row_table(system: "System", front: TableFront) -> RowTable:
    """The table, whose system is registered at the first look. Raises EXCHANGE_SENDER_TAKEN."""
    # The foreign drivers cost tens of megabytes, which only those who have such a front shall pay.
    from ferry.transports.databases import connection

    return RowTable(connection(front.url.get_secret_value()), front.table, await front_signer(system, front))


async def front_signer(system: "System", front: TableFront) -> Signer:
    """Our own key for the account at a front-end database, certified as its system's. Raises EXCHANGE_SENDER_TAKEN."""
    key = system.authority.keyring.key(f"exchange.front-{front.name}")
    row = await ExchangeSender.get_or_none(source_system=front.source_system)
    if row is None or row.revoked_at is not None:
        sender = Sender(source_system=front.source_system, org=front.org, region=front.region)
        act = AddSender(
            source_system=front.source_system,
            org=front.org,
            region=front.region,
            name=f"前置库{front.name}",
            request=credentials.request_of(sender, key, organisation=system.settings.certs.organisation),
            unit=front.unit,
        )
        outcome = await system.office.perform(act, THE_OPERATOR, key=None)
        if isinstance(outcome, Refusal):
            raise outcome
        row = await ExchangeSender.get(source_system=front.source_system)
    issued = await IssuedCertificate.get(fingerprint=row.fingerprint)
    certificate = x509.load_der_x509_certificate(issued.der)
    if spki_of(certificate.public_key()) != spki_of(key.public_key()):
        raise SenderTaken(system=front.source_system)
    return Signer(
        source_system=row.source_system,
        org=row.org,
        region=row.region,
        key=key,
        chain=(certificate, system.authority.issuing),
    )
