"""From the settings of a CMPP account to the carrier."""

from collections.abc import Callable
from datetime import timedelta

from kernel.clock import Clock
from server.carrier_settings import CmppCarrier
from sms.cmpp.carrier import CmppCarrier as CmppConnection
from sms.cmpp.carrier import Contract
from sms.cmpp.session import Terms
from sms.cmpp.statuses import own_errors
from sms.cmpp.vocabulary import Account, Version
from sms.link import Target
from sms.statuses import Fault

_VERSIONS = {"2.0": Version.V2, "3.0": Version.V3}


def cmpp_connection(carrier: CmppCarrier, clock: Clock, jitter: Callable[[], float]) -> CmppConnection:
    return CmppConnection(
        carrier.name,
        Target(host=carrier.host, port=carrier.port, connect_s=carrier.connect_s),
        Account(carrier.sp_id, carrier.shared_secret.get_secret_value()),
        source=carrier.access_number,
        clock=clock,
        jitter=jitter,
        terms=Terms(
            version=_VERSIONS[carrier.version],
            window=carrier.window,
            response_s=carrier.response_s,
            connect_s=carrier.connect_s,
            test_after_s=carrier.test_after_s,
            test_answer_s=carrier.test_answer_s,
            is_proof_wanted=carrier.verify_gateway,
        ),
        contract=Contract(
            connections=carrier.connections,
            service_id=carrier.service_id,
            fee_user_type=carrier.fee_user_type,
            fee_type=carrier.fee_type,
            fee_code=carrier.fee_code,
            destination_prefix=carrier.destination_prefix,
            longest_validity=timedelta(hours=carrier.validity_hours) if carrier.validity_hours else None,
            own_errors=own_errors({code: Fault(fault) for code, fault in carrier.own_errors.items()}),
        ),
        parts_per_s=carrier.parts_per_second,
        weight=carrier.weight,
    )
