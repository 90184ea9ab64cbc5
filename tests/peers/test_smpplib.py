"""smpplib's client, which is not ours, at the simulated carrier: a long text, its receipts, a text from a phone."""

import asyncio

from smpplib import consts, gsm
from smpplib.client import Client
from smpplib.command import DeliverSM, SubmitSMResp

from sms.simulator import Smsc

PHONE, OFFICE = "13800138000", "10690001"
LONG = "【衡江政务服务】" + "一二三四五六七八九十" * 9
PATIENCE_S = 60
#: Of esm_class: an SMSC delivery receipt.
RECEIPT = 0x04


class Desk:
    """The client in a thread, because it waits where it stands."""

    def __init__(self, port: int) -> None:
        self.ids: list[str] = []
        self.receipts: list[str] = []
        self.texts: list[str] = []
        self.client = Client("127.0.0.1", port, timeout=PATIENCE_S, allow_unknown_opt_params=True)
        self.client.set_message_sent_handler(self._sent)
        self.client.set_message_received_handler(self._received)

    def bind(self) -> None:
        self.client.connect()
        self.client.bind_transceiver(system_id="zhangban", password="secret")

    def send(self, text: str) -> None:
        parts, coding, esm_class = gsm.make_parts(text, consts.SMPP_ENCODING_ISO10646)
        for part in parts:
            self.client.send_message(
                source_addr=OFFICE,
                destination_addr=PHONE,
                short_message=part,
                data_coding=coding,
                esm_class=esm_class,
                registered_delivery=True,
            )

    def listen(self, *, ids: int = 0, receipts: int = 0, texts: int = 0) -> None:
        while len(self.ids) < ids or len(self.receipts) < receipts or len(self.texts) < texts:
            self.client.read_once(auto_send_enquire_link=False)

    def leave(self) -> None:
        self.client.unbind()
        self.client.disconnect()

    def _sent(self, pdu: SubmitSMResp) -> None:
        self.ids.append(pdu.message_id.decode())

    def _received(self, pdu: DeliverSM) -> int:
        if pdu.esm_class & RECEIPT:
            self.receipts.append(pdu.receipted_message_id.decode())
        else:
            self.texts.append(pdu.short_message.decode("utf-16-be"))
        return 0


async def test_its_texts_arrive_whole_its_receipts_come_back_and_it_hears_a_phone(clock):
    async with Smsc({"zhangban": "secret"}, clock=clock) as smsc:
        desk, phone = Desk(smsc.port), smsc.handset(PHONE)
        await asyncio.to_thread(desk.bind)
        await asyncio.to_thread(desk.send, LONG)
        await asyncio.to_thread(desk.listen, ids=2, receipts=2)
        assert (await phone.next_text(PATIENCE_S)).text == LONG
        assert sorted(desk.receipts) == sorted(desk.ids)
        texting = asyncio.create_task(phone.send(OFFICE, "同意 12345", timeout_s=PATIENCE_S))
        await asyncio.to_thread(desk.listen, texts=1)
        assert desk.texts == ["同意 12345"]
        await texting
        await asyncio.to_thread(desk.leave)
        assert smsc.counts["ProtocolViolation"] == 0
