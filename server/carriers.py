"""From the settings of a carrier to the carrier: one function, one branch per kind."""

import secrets
import ssl
from collections.abc import Mapping

from server.settings import MasCarrier, SimulatorCarrier, SmppCarrier
from sms.carriers import Carrier
from sms.link import Target
from sms.mas import messages as mas
from sms.mas.http import MasHttpCarrier
from sms.simulator import Smsc
from sms.smpp.carrier import SmppCarrier as SmppConnection
from sms.smpp.session import Terms
from sms.smpp.vocabulary import BindTransceiver

#: What the simulated carrier shows as our number; people answer to it.
SIMULATED_ACCESS_NUMBER = "10690000"
SIMULATED_ACCOUNT = ("zhangban", "demo")


def connection(carrier: SimulatorCarrier | SmppCarrier | MasCarrier, simulators: Mapping[str, Smsc]) -> Carrier:
    jitter = secrets.SystemRandom().random
    if isinstance(carrier, MasCarrier):
        account = mas.Account(
            ec_name=carrier.ec_name,
            ap_id=carrier.ap_id,
            secret_key=carrier.secret_key.get_secret_value(),
            sign=carrier.sign,
            add_serial=carrier.add_serial,
        )
        return MasHttpCarrier(
            carrier.name,
            carrier.url,
            account,
            jitter=jitter,
            parts_per_s=carrier.parts_per_second,
            weight=carrier.weight,
        )
    if isinstance(carrier, SimulatorCarrier):
        smsc = simulators[carrier.name]
        system_id, password = SIMULATED_ACCOUNT
        return SmppConnection(
            carrier.name,
            Target(host=smsc.host, port=smsc.port),
            BindTransceiver(system_id=system_id, password=password),
            source=SIMULATED_ACCESS_NUMBER,
            jitter=jitter,
            weight=carrier.weight,
        )
    return SmppConnection(
        carrier.name,
        Target(host=carrier.host, port=carrier.port, tls=ssl.create_default_context() if carrier.tls else None),
        BindTransceiver(system_id=carrier.system_id, password=carrier.password.get_secret_value()),
        source=carrier.source_address,
        jitter=jitter,
        terms=Terms(window=carrier.window),
        parts_per_s=carrier.parts_per_second,
        weight=carrier.weight,
    )
