"""Kannel, where it is installed, as a client of our simulated carrier: its texts, its receipts, texts from phones."""

import pytest

from sms.simulator import Smsc
from sms.simulator.smsc import IdStyle
from tests.peers.kannel import PATIENCE_S, kannel, program
from tests.sms.carrier_desk import wait_for

PHONE, OFFICE = "13800138000", "10690001"
LONG = "【衡江政务服务】" + "一二三四五六七八九十" * 9 + "𠮷"

needs_kannel = pytest.mark.skipif(
    not (program("bearerbox") and program("smsbox")), reason="Kannel is not installed (Debian: kannel)"
)


@needs_kannel
@pytest.mark.parametrize("ids", [IdStyle.HEX, IdStyle.DECIMAL])
async def test_its_texts_arrive_whole_and_its_receipts_come_back(clock, tmp_path, ids):
    async with Smsc({"zhangban": "secret"}, clock=clock, id_style=ids) as smsc, kannel(smsc.port, tmp_path) as boxes:
        phone = smsc.handset(PHONE)
        smsc.faults.undeliverable = {"13800138009"}
        for text in ("您好，Kannel", LONG, "x" * 70):
            await boxes.send(PHONE, text)
            assert (await phone.next_text(PATIENCE_S)).text == text
        await boxes.send("13800138009", "到不了")
        kinds = {call["to"]: call["kind"] for call in await boxes.until("/dlr", 4)}
        assert kinds == {PHONE: "1", "13800138009": "2"}  # 1 delivered, 2 not
        assert {text.sender for text in phone.inbox} == {OFFICE}
        assert smsc.counts["binds"] == 1
        assert smsc.counts["ProtocolViolation"] == 0


@needs_kannel
async def test_what_a_phone_says_reaches_its_service(clock, tmp_path):
    async with Smsc({"zhangban": "secret"}, clock=clock) as smsc, kannel(smsc.port, tmp_path) as boxes:
        await wait_for(lambda: _binds(smsc, 1))
        for text in ("同意 12345", LONG):
            await smsc.handset(PHONE).send(OFFICE, text, timeout_s=PATIENCE_S)
        first, second = await boxes.until("/mo", 2)
        assert (first["from"], first["to"], first["text"]) == (PHONE, OFFICE, "同意 12345")
        assert second["text"] == LONG


@needs_kannel
async def test_it_comes_back_when_the_line_breaks_and_loses_nothing(clock, tmp_path):
    async with Smsc({"zhangban": "secret"}, clock=clock) as smsc, kannel(smsc.port, tmp_path) as boxes:
        await wait_for(lambda: _binds(smsc, 1))
        smsc.faults.throttle_next = 2
        smsc.cut()
        await boxes.send(PHONE, "之后")
        assert (await smsc.handset(PHONE).next_text(PATIENCE_S)).text == "之后"
        assert smsc.counts["binds"] == 2


async def _binds(smsc, count):
    return smsc.counts["binds"] >= count
