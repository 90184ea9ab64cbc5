"""What `make fuzz` has found, once each."""

import asyncio
from datetime import UTC, datetime

import pytest

from kernel.clock import FakeClock
from sms.cmpp import pdus as cmpp_pdus
from sms.cmpp.vocabulary import Account, Version
from sms.simulator import Smsc
from sms.simulator.cmpp import Ismg
from sms.smpp import pdus as smpp_pdus
from sms.smpp.vocabulary import BindTransceiver

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
NO_FRAME = b"\0\0\0\1"


@pytest.mark.parametrize("protocol", ["smpp", "cmpp"])
async def test_nobody_is_let_in_who_introduces_themselves_and_goes_on_with_nonsense(protocol):
    """Both came in one packet: the session was closed by the time its host said welcome."""
    broken: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context["message"]))
    clock = FakeClock(NOON)
    if protocol == "smpp":
        carrier: Smsc | Ismg = Smsc({"zhangban": "secret"}, clock=clock)
        hello = smpp_pdus.encode(BindTransceiver(system_id="zhangban", password="secret"), 1)
    else:
        carrier = Ismg({"901234": "secret"}, clock=clock)
        hello = cmpp_pdus.encode(Account("901234", "secret").introduction(NOON, Version.V3), 1, Version.V3)
    async with carrier as listening:
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.port)
        writer.write(hello + NO_FRAME)
        async with asyncio.timeout(30):
            await reader.read()
        writer.close()
        assert broken == []
        assert listening.counts["binds"] == 0
