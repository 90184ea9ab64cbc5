"""What `zhangban simulate mas --database` makes of its options: the machine over the tables of a real database.

Limits: a server that asks for TLS is not served; a machine to rehearse with stands beside its database.
"""

from enum import StrEnum
from urllib.parse import unquote, urlsplit

from kernel.clock import Clock
from sms.mas.mysql import Server
from sms.simulator.mas_accounts import EmasAccount, JassonAccount
from sms.simulator.mas_database import MachineFaults, MasMachine

#: The machine looks so often: quick enough for whoever watches, easy on a database that is not ours.
ROUND_S = 0.2
_SCHEMES = ("mysql", "mariadb")
_PORT = 3306


class Tables(StrEnum):
    """Whose tables they are; the names of the setting `dialect`."""

    EMAS = "emas"
    JASSON = "jasson"


def server_of(url: str) -> Server:
    """Raises ValueError, which never repeats the URL: a password stands in it."""
    try:
        said = urlsplit(url)
        port = said.port or _PORT
    except ValueError:
        raise ValueError("the port is no number") from None
    database = unquote(said.path.removeprefix("/"))
    if said.scheme not in _SCHEMES or not said.hostname or not database or "/" in database:
        raise ValueError("write it as mysql://USER:PASSWORD@HOST:3306/DATABASE")
    return Server(
        host=said.hostname,
        port=port,
        database=database,
        user=unquote(said.username or "root"),
        password=unquote(said.password or ""),
    )


def machine_over(
    server: Server,
    tables: Tables,
    *,
    application: str,
    charset: str = "",
    access_number: str,
    clock: Clock,
    faults: MachineFaults,
) -> MasMachine:
    """`application` is the APPLICATIONID of EMAS or the interface code of 嘉讯; `charset` as in the settings."""
    account = (
        JassonAccount(application, charset=charset or "gbk-in-latin1")
        if tables is Tables.JASSON
        else EmasAccount(application, charset=charset or "utf8mb4")
    )
    return MasMachine(server, account, clock=clock, access_number=access_number, round_s=ROUND_S, faults=faults)
