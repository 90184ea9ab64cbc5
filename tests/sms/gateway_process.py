"""`python -m tests.sms.gateway_process URL PORT NOW`: a gateway for a test to kill."""

import asyncio
import sys
from datetime import datetime

from kernel.clock import FakeClock
from kernel.db import Database
from sms.gateway import Gateway
from sms.simulator import Smsc
from tests.sms.carrier_desk import QUICK, SECRETS, DeafInbox, smpp_carrier


async def main(url: str, port: int, now: str) -> None:
    clock = FakeClock(datetime.fromisoformat(now))
    database = await Database.open(url, modules=["alerts.tables"])
    smsc = Smsc({}, clock=clock, port=port)  # not started: only its address is wanted
    await Gateway(
        database, clock, SECRETS, carriers=[smpp_carrier(smsc)], inbox=DeafInbox(), alone=True, pace=QUICK
    ).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
