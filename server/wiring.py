"""Puts the office together, once per process, from settings: nothing below this package knows the others.

`System` is what every process, command and door is given. Whoever opens one closes it.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from alerts import events as alert_events
from alerts.policy import consumer as alerts_consumer
from alerts.settings import AlertRules
from alerts.wordings import EnterTextTemplates
from casework import events as case_events
from casework.acts import FillCalendar
from casework.archive import events as archive_events
from casework.catalogue import events as catalogue_events
from casework.clock import events as clock_events
from casework.clock.calendars import calendar_version, read_calendar
from casework.clock.working_days import Calendar
from casework.flow import events as flow_events
from casework.intake import events as intake_events
from casework.intake.uploads import FileStore
from casework.licences import events as licence_events
from casework.papers import events as paper_events
from casework.papers.acts import EnterTemplates
from casework.rules import CaseworkRules
from certs import events as cert_events
from certs.authority import Authority
from certs.keyring import Keyring
from certs.notary import CertNotary
from ferry.exchange.events import EVENTS as EXCHANGE_EVENTS
from ferry.orders import EVENTS as FERRY_EVENTS
from ferry.orders import Routes
from ferry.reconciling import EVENTS as LEDGER_EVENTS
from ferry.reconciling import LedgerRules
from ferry.zones.bell import Bells
from ferry.zones.refused import EVENTS as ZONE_EVENTS
from hall import events as hall_events
from hall.rules import HallRules
from kernel import directory
from kernel.actor import THE_OPERATOR
from kernel.chance import Secrets
from kernel.clock import Clock, SystemClock
from kernel.db import Database
from kernel.events import Event, EventCodec
from kernel.office import Office
from kernel.outbox import Consumer, Courier, Outbox
from kernel.work import Desk
from server import exchange_loops, zones
from server.config_file import Problem, SettingsRefused
from server.ferry_stations import ledger_rules, routes_of
from server.key_material import KeyMaterial, key_material
from server.provisions import alert_rules, casework_rules, cert_settings, hall_rules, supervision_rules
from server.settings import Settings
from sms.orders import EVENTS as CARRIER_EVENTS
from supervision import events as supervision_events
from supervision.findings import consumer as findings_consumer
from supervision.rules import SupervisionRules

#: Modules with tables, lowest package first.
TABLES = (
    "kernel.tables",
    "casework.tables",
    "casework.clock.tables",
    "casework.flow.tables",
    "casework.intake.tables",
    "casework.licences.tables",
    "casework.papers.tables",
    "casework.archive.tables",
    "casework.catalogue.tables",
    "certs.tables",
    "supervision.tables",
    "hall.tables",
    "alerts.tables",
    "sms.tables",
    "ferry.exchange.tables",
    "ferry.exchange.upward_tables",
    "ferry.tables",
    "ferry.key_tables",
    "ferry.zones.tables",
    "ferry.alarm_tables",
    "ferry.ledger_tables",
    "ferry.zones.mirror_tables",
    "ferry.zones.text_tables",
)
EVENTS: tuple[type[Event], ...] = (
    *directory.EVENTS,
    *case_events.EVENTS,
    *catalogue_events.EVENTS,
    *intake_events.EVENTS,
    *flow_events.EVENTS,
    *clock_events.EVENTS,
    *paper_events.EVENTS,
    *licence_events.EVENTS,
    *archive_events.EVENTS,
    *cert_events.EVENTS,
    *supervision_events.EVENTS,
    *hall_events.EVENTS,
    *alert_events.EVENTS,
    *CARRIER_EVENTS,
    *FERRY_EVENTS,
    *LEDGER_EVENTS,
    *ZONE_EVENTS,
    *EXCHANGE_EVENTS,
)


def sqlite_file(url: str) -> Path | None:
    """The file behind a database's address, if it is one."""
    scheme, _, rest = url.partition("://")
    return Path(rest.split("?", 1)[0]) if scheme == "sqlite" and rest != ":memory:" else None


@dataclass(frozen=True, kw_only=True)
class System:
    settings: Settings
    clock: Clock
    database: Database
    desk: Desk
    office: Office
    courier: Courier
    codec: EventCodec
    provisions: dict[type, object]
    secrets: Secrets
    authority: Authority

    @property
    def calendar(self) -> Calendar:
        """The calendar in force: it changes while the program runs, so nobody keeps it."""
        calendar = self.provisions[Calendar]
        assert isinstance(calendar, Calendar)
        return calendar

    async def renew_calendar(self) -> bool:
        """Takes up the calendar that somebody imported, here or in another process, for every act from now on."""
        if await calendar_version(self.database) == self.calendar.version:
            return False
        self.provisions[Calendar] = await read_calendar(self.database)
        return True

    @property
    def files(self) -> Path:
        """Where uploaded files are kept, by their SHA-256."""
        return self.settings.data_dir / "files"


@asynccontextmanager
async def open_system(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[System]:
    """Opens the database (migrated to the newest version), the CA and the office of these settings."""
    clock = clock or SystemClock()
    # Ours alone: it holds keys, and the names and numbers of people.
    with _usable(settings.data_dir):
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = await Database.open(settings.database.url, modules=TABLES)
    try:
        await database.migrate()
        await database.refuse_unfit()
        yield await _assemble(settings, clock, database)
    finally:
        await database.close()


async def _assemble(settings: Settings, clock: Clock, database: Database) -> System:
    with _usable(settings.data_dir):
        keys = _keys(settings)
        authority = _authority(settings, keys.ca_passphrase, clock)
    secrets = zones.secrets_of(settings, keys.hmac_key)
    consumers: Sequence[Consumer] = (
        *(() if settings.ferry.zone == "outer" else (findings_consumer(),)),  # breaches are found inside
        alerts_consumer(),
        *zones.consumers(settings, EVENTS),
        *exchange_loops.consumers(settings, EVENTS),
    )
    codec = EventCodec(EVENTS)
    outbox = Outbox(database, codec, consumers)
    provisions: dict[type, object] = {
        Authority: authority,
        CaseworkRules: casework_rules(settings),
        SupervisionRules: supervision_rules(settings),
        AlertRules: alert_rules(settings),
        HallRules: hall_rules(settings),
        FileStore: FileStore(settings.data_dir / "files"),
        Routes: routes_of(settings),
        LedgerRules: ledger_rules(settings),
        Bells: Bells(),
    }
    desk = Desk(database=database, clock=clock, notary=CertNotary(), secrets=secrets, provisions=provisions)
    office = zones.office_of(settings, desk, outbox)
    await office.perform(FillCalendar(), THE_OPERATOR, key=None)  # a new installation gets the built-in years
    await office.perform(EnterTemplates(), THE_OPERATOR, key=None)  # and the program's own wording of its documents
    await office.perform(EnterTextTemplates(), THE_OPERATOR, key=None)  # and of its texts
    provisions[Calendar] = await read_calendar(database)
    return System(
        settings=settings,
        clock=clock,
        database=database,
        desk=desk,
        office=office,
        courier=Courier(desk, outbox=outbox, codec=codec, consumers=consumers),
        codec=codec,
        provisions=provisions,
        secrets=secrets,
        authority=authority,
    )


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        path, reason = str(error.filename or folder), error.strerror or "unusable"
        raise SettingsRefused([Problem(path, f"无法读写（{reason}）", f"cannot be used ({reason})")]) from None


def _keys(settings: Settings) -> KeyMaterial:
    """A kept secret may have been cut short by a full disk or a careless copy."""
    keys = key_material(settings)
    for name, secret in (("hmac-key", keys.hmac_key), ("ca-passphrase", keys.ca_passphrase)):
        if len(secret) < 16:
            where = str(settings.data_dir / "secrets" / name)
            raise SettingsRefused(
                [Problem(where, "内容不完整，请从备份恢复", "is cut short; restore it from a backup")]
            )
    return keys


def _authority(settings: Settings, passphrase: bytes, clock: Clock) -> Authority:
    keyring = Keyring(settings.data_dir / "pki", passphrase)
    try:
        authority = Authority.open(keyring, cert_settings(settings), now=clock.now())
        keyring.key("issuing")  # asked for now: a wrong passphrase shall not wait for the first certificate
    except ValueError:
        raise SettingsRefused(
            [
                Problem(
                    "secrets.ca_passphrase",
                    f"不能打开 {settings.data_dir / 'pki'} 中的私钥",
                    f"does not open the private keys in {settings.data_dir / 'pki'}",
                )
            ]
        ) from None
    return authority
