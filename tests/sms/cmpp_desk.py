"""A CMPP carrier and the simulated gateway behind it."""

from contextlib import asynccontextmanager

from sms.cmpp.carrier import CmppCarrier, Contract
from sms.cmpp.session import Terms
from sms.cmpp.vocabulary import Account, Version
from sms.link import Backoff, Target
from sms.simulator.cmpp import Ismg
from tests.sms.carrier_desk import ACCESS_NUMBER

SP_ID, SECRET = "900001", "888888"


def cmpp_carrier(ismg: Ismg, name="gateway", *, secret=SECRET, version=Version.V3, **changes) -> CmppCarrier:
    terms = Terms(**{"version": version, "window": 16, "response_s": 30.0, **changes.pop("terms", {})})
    return CmppCarrier(
        name,
        Target(host=ismg.host, port=ismg.port),
        Account(SP_ID, secret),
        source=ACCESS_NUMBER,
        clock=ismg.clock,
        jitter=lambda: 0.5,
        terms=terms,
        contract=Contract(**{"service_id": "ZWFW", **changes.pop("contract", {})}),
        backoff=Backoff(first_s=0.02, cap_s=0.05),
        **changes,
    )


@asynccontextmanager
async def ismg_of(clock, **changes):
    async with Ismg({SP_ID: SECRET}, clock=clock, **changes) as ismg:
        yield ismg
