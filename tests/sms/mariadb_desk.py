"""A carrier that is a database, between a real MariaDB and the simulated MAS machine that empties its tables."""

from itertools import count

from sms.link import Backoff
from sms.mas.database import MasDatabaseCarrier, Pace
from sms.mas.emas import Emas
from sms.mas.interface import Statement
from sms.mas.jasson import Jasson
from sms.mas.mysql import Patience, Server, Session
from sms.simulator.mas_accounts import EmasAccount, JassonAccount
from sms.simulator.mas_database import MasMachine
from tests.sms.carrier_desk import ACCESS_NUMBER
from tests.sms.mariadb import MariaDb

APPLICATION = "APP056"
CODE = "zw1"
QUICK = Pace(poll_s=0.02, doubt_s=30.0)
PATIENT = Patience(connect_s=30.0, answer_s=30.0)

_names = count(1)


async def fresh_database(mariadb: MariaDb) -> Server:
    """The server with an empty database, which lasts as long as the server."""
    if mariadb.process.poll() is not None:
        mariadb.start_again()
    name = f"mas{next(_names)}"
    await asked(mariadb.server("mysql"), f"CREATE DATABASE {name}")
    return mariadb.server(name)


async def asked(server: Server, sql: str, *values: str | int):
    """The rows of the answer."""
    session = Session(server, PATIENT)
    await session.open()
    try:
        return await session.run(Statement(sql, values))
    finally:
        await session.close()


def emas(**changes) -> Emas:
    return Emas(APPLICATION, access_number=ACCESS_NUMBER, **changes)


def jasson(**changes) -> Jasson:
    return Jasson(CODE, access_number=ACCESS_NUMBER, **changes)


def emas_machine(server: Server, clock, **changes) -> MasMachine:
    account = EmasAccount(APPLICATION, charset=changes.pop("charset", "utf8mb4"))
    return MasMachine(server, account, clock=clock, access_number=ACCESS_NUMBER, **changes)


def jasson_machine(server: Server, clock, **changes) -> MasMachine:
    account = JassonAccount(CODE, charset=changes.pop("charset", "gbk-in-latin1"))
    return MasMachine(server, account, clock=clock, access_number=ACCESS_NUMBER, **changes)


def database_carrier(server: Server, interface, clock, name="city", **changes) -> MasDatabaseCarrier:
    return MasDatabaseCarrier(
        name,
        server,
        interface,
        clock=clock,
        jitter=lambda: 0.5,
        **{"pace": QUICK, "patience": PATIENT, "backoff": Backoff(first_s=0.02, cap_s=0.05), **changes},
    )
