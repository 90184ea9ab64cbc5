"""From the settings of an account at an on-premise MAS to the carrier.

Limits: the CA's certificate is read at the start; a renewed one is used after the next.
"""

import ssl
from collections.abc import Callable
from datetime import timedelta

from kernel.clock import Clock
from server.carrier_settings import MasDatabaseCarrier
from server.config_file import Problem, SettingsRefused
from sms.mas.database import MasDatabaseCarrier as MasDatabaseConnection
from sms.mas.database import Pace
from sms.mas.emas import Emas
from sms.mas.interface import Interface
from sms.mas.jasson import Jasson
from sms.mas.mysql import Patience, Server


def mas_database_connection(
    carrier: MasDatabaseCarrier, clock: Clock, jitter: Callable[[], float]
) -> MasDatabaseConnection:
    """Raises SettingsRefused for a certificate that cannot be read."""
    return MasDatabaseConnection(
        carrier.name,
        Server(
            host=carrier.host,
            port=carrier.port,
            database=carrier.database,
            user=carrier.user,
            password=carrier.password.get_secret_value(),
            tls=_tls(carrier) if carrier.tls else None,
        ),
        _interface(carrier),
        clock=clock,
        jitter=jitter,
        parts_per_s=carrier.parts_per_second,
        pace=Pace(poll_s=carrier.poll_seconds),
        patience=Patience(connect_s=carrier.connect_s, answer_s=carrier.answer_s),
        weight=carrier.weight,
        needs_left=timedelta(seconds=carrier.needs_left_seconds),
    )


def _interface(carrier: MasDatabaseCarrier) -> Interface:
    if carrier.dialect == "jasson":
        return Jasson(
            carrier.application,
            access_number=carrier.access_number,
            extension=carrier.add_serial,
            charset=carrier.charset or "gbk-in-latin1",
        )
    return Emas(
        carrier.application,
        access_number=carrier.access_number,
        extension=carrier.add_serial,
        charset=carrier.charset or "utf8mb4",
    )


def _tls(carrier: MasDatabaseCarrier) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=carrier.ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or type(error).__name__
        where = f"sms.carriers.{carrier.name}.ca_file"
        wrong = Problem(where, f"无法读取证书文件（{why}）", f"the file cannot be read ({why})")
        raise SettingsRefused([wrong]) from None
