"""From the settings of an SMPP account to the carrier: where it listens, its binds, its contract.

Limits: certificates are read at the start; a renewed one is used after the next.
"""

import ssl
from collections.abc import Callable
from datetime import timedelta

from kernel.clock import Clock
from server.carrier_settings import SmppCarrier
from server.config_file import Problem, SettingsRefused
from sms.link import Target
from sms.receipts import ReceiptIds
from sms.smpp.carrier import Contract
from sms.smpp.carrier import SmppCarrier as SmppConnection
from sms.smpp.session import Terms
from sms.smpp.vocabulary import BindTransceiver, BindTransmitter
from sms.statuses import Fault, own_errors

_VERSIONS = {"3.3": 0x33, "3.4": 0x34}


def smpp_connection(carrier: SmppCarrier, clock: Clock, jitter: Callable[[], float]) -> SmppConnection:
    """Raises SettingsRefused for certificates that cannot be read."""
    tls = _tls(carrier) if carrier.tls else None

    def target(host: str, port: int) -> Target:
        return Target(
            host=host, port=port, tls=tls, server_hostname=carrier.server_name or None, connect_s=carrier.connect_s
        )

    bind = BindTransmitter if carrier.bind == "pair" else BindTransceiver
    return SmppConnection(
        carrier.name,
        target(carrier.host, carrier.port),
        bind(
            system_id=carrier.system_id,
            password=carrier.password.get_secret_value(),
            system_type=carrier.system_type,
            interface_version=_VERSIONS[carrier.interface_version],
        ),
        source=carrier.source_address,
        clock=clock,
        jitter=jitter,
        receiver=target(carrier.receiver_host or carrier.host, carrier.receiver_port or carrier.port),
        terms=Terms(
            window=carrier.window,
            bind_s=carrier.bind_s,
            response_s=carrier.response_s,
            enquire_after_s=carrier.enquire_after_s,
            enquire_answer_s=carrier.enquire_answer_s,
        ),
        contract=Contract(
            binds=carrier.binds,
            is_rate_per_bind=carrier.rate_per == "bind",
            service_type=carrier.service_type,
            source_ton=carrier.source_ton,
            source_npi=carrier.source_npi,
            destination_ton=carrier.destination_ton,
            destination_npi=carrier.destination_npi,
            destination_prefix=carrier.destination_prefix,
            longest_validity=timedelta(hours=carrier.validity_hours) if carrier.validity_hours else None,
            tells_priority=carrier.tells_priority,
            receipt_ids=ReceiptIds(carrier.receipt_ids),
            own_errors=own_errors({code: Fault(fault) for code, fault in carrier.own_errors.items()}),
        ),
        parts_per_s=carrier.parts_per_second,
        weight=carrier.weight,
    )


def _tls(carrier: SmppCarrier) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=carrier.ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        raise _unreadable(carrier, "ca_file", error) from None
    if carrier.client_certificate:
        try:
            context.load_cert_chain(carrier.client_certificate, carrier.client_key or None, password=_no_password)
        except OSError as error:
            raise _unreadable(carrier, "client_certificate", error) from None
    return context


def _no_password() -> str:
    """OpenSSL would ask the terminal for it, and the start would hang."""
    return ""


def _unreadable(carrier: SmppCarrier, setting: str, error: OSError) -> SettingsRefused:
    why = error.strerror or type(error).__name__
    where = f"sms.carriers.{carrier.name}.{setting}"
    return SettingsRefused([Problem(where, f"无法读取证书文件（{why}）", f"the file cannot be read ({why})")])
