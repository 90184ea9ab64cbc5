"""From the settings of a carrier to the carrier: one function, one branch per kind."""

import secrets
from collections.abc import Mapping
from datetime import timedelta

from kernel.clock import Clock
from server.carrier_settings import CmppCarrier, MasCarrier, MasDatabaseCarrier, SimulatorCarrier, SmppCarrier
from server.cmpp_carrier import cmpp_connection
from server.smpp_carrier import smpp_connection
from sms.carriers import Carrier
from sms.link import Target
from sms.mas import messages as mas
from sms.mas.http import MasHttpCarrier
from sms.mas.templates import Templates
from sms.simulator import Smsc
from sms.smpp.carrier import SmppCarrier as SmppConnection
from sms.smpp.vocabulary import BindTransceiver

#: What the simulated carrier shows as our number; people answer to it.
SIMULATED_ACCESS_NUMBER = "10690000"
SIMULATED_ACCOUNT = ("zhangban", "demo")


def connection(
    carrier: SimulatorCarrier | SmppCarrier | MasCarrier | CmppCarrier | MasDatabaseCarrier,
    simulators: Mapping[str, Smsc],
    clock: Clock,
) -> Carrier:
    jitter = secrets.SystemRandom().random
    if isinstance(carrier, MasDatabaseCarrier):
        # Its driver costs 15 MB and a tenth of a second, which only those who have such a carrier shall pay.
        from server.mas_database_carrier import mas_database_connection

        return mas_database_connection(carrier, clock, jitter)
    if isinstance(carrier, CmppCarrier):
        return cmpp_connection(carrier, clock, jitter)
    if isinstance(carrier, MasCarrier):
        account = mas.Account(
            ec_name=carrier.ec_name,
            ap_id=carrier.ap_id,
            secret_key=carrier.secret_key.get_secret_value(),
            sign=carrier.sign,
            add_serial=carrier.add_serial,
            access_number=carrier.access_number,
        )
        return MasHttpCarrier(
            carrier.name,
            carrier.url,
            account,
            clock=clock,
            jitter=jitter,
            connections=carrier.connections,
            parts_per_s=carrier.parts_per_second,
            templates=Templates(ids=carrier.templates, only=carrier.only_templates),
            pull_every_s=0 if carrier.receive == "push" else carrier.pull_every_seconds,
            weight=carrier.weight,
            needs_left=timedelta(seconds=carrier.needs_left_seconds),
        )
    if isinstance(carrier, SimulatorCarrier):
        smsc = simulators[carrier.name]
        system_id, password = SIMULATED_ACCOUNT
        return SmppConnection(
            carrier.name,
            Target(host=smsc.host, port=smsc.port),
            BindTransceiver(system_id=system_id, password=password),
            source=SIMULATED_ACCESS_NUMBER,
            clock=clock,
            jitter=jitter,
            weight=carrier.weight,
        )
    return smpp_connection(carrier, clock, jitter)
