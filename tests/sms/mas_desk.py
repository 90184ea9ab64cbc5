"""A MAS carrier between a simulated cloud MAS and a door for its pushes, all over HTTP."""

from contextlib import asynccontextmanager
from ipaddress import ip_network

from starlette.applications import Starlette

from sms.link import Backoff
from sms.mas import messages as mas
from sms.mas.http import MasHttpCarrier, Patience
from sms.mas.push import routes
from sms.simulator.mas import CloudMas, serving

SIGNATURE = "衡江政务服务"
PUSH_SECRET = "an-address-nobody-guesses"
ACCOUNT = mas.Account(ec_name="衡江市政务服务中心", ap_id="hjzw", secret_key="k3y-of-hengjiang", sign="sGn0hJ7Qx")
LOOPBACK = ip_network("127.0.0.0/8")


def mas_carrier(cloud: CloudMas, name="cloud", *, account=ACCOUNT, **changes) -> MasHttpCarrier:
    patience = Patience(**{"connect_s": 30.0, "answer_s": 30.0, "record_s": 30.0, **changes.pop("patience", {})})
    return MasHttpCarrier(
        name,
        cloud.url,
        account,
        jitter=lambda: 0.5,
        patience=patience,
        backoff=Backoff(first_s=0.02, cap_s=0.05),
        **changes,
    )


@asynccontextmanager
async def cloud_mas(clock, **changes):
    async with CloudMas(ACCOUNT, signature=SIGNATURE, clock=clock, **changes) as cloud:
        yield cloud


@asynccontextmanager
async def push_door(carrier: MasHttpCarrier, *, allowed=(LOOPBACK,)):
    """Yields the address under which the MAS pushes."""
    app = Starlette(routes=routes(carrier, secret=PUSH_SECRET, allowed=allowed))
    async with serving(app, host="127.0.0.1", port=0) as port:
        yield f"http://127.0.0.1:{port}/mas/{carrier.name}/{PUSH_SECRET}"
