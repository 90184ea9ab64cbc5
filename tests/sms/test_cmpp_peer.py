"""CMPP against a codec we did not write: the client of PyPI's cmppy (CMPP 3.0), octet by octet and over a socket.

cmppy is old and small: it connects, submits and terminates. Where it is not installed these tests say so and skip.
"""

import asyncio
from datetime import UTC, datetime

import pytest

from kernel.clock import FakeClock
from sms.cmpp.pdus import decode, encode
from sms.cmpp.vocabulary import Account, Connect, ConnectResp, Submit, SubmitResp, Terminate, Version
from tests.sms.cmpp_desk import SECRET, SP_ID, ismg_of

cmppy = pytest.importorskip("cmppy", reason="the third-party codec cmppy is not installed")

V3 = Version.V3
PHONE = "13800138000"
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def submission(words="【衡江政务服务】您好", **fields):
    return cmppy.SubmitReq(SP_ID, words, src_id="10690000", dest_terminal_id=[PHONE], feecode="000000", **fields)


def test_its_submission_is_read_and_written_again_octet_by_octet():
    theirs = submission(registered_delivery=1, service_id="ZWFW", linkid="LINK")
    sequence, read = decode(theirs.message, V3)
    assert read == Submit(
        registered_delivery=1,
        service_id="ZWFW",
        fee_user_type=2,
        account=SP_ID,
        fee_type="01",
        fee_code="000000",
        source="10690000",
        destinations=(PHONE,),
        content="【衡江政务服务】您好".encode("utf-16-be"),
        link_id="LINK",
    )
    assert encode(read, sequence, V3) == theirs.message


def test_its_introduction_and_its_goodbye_are_read_and_written_again():
    hello = cmppy.ConnectReq(SP_ID, SECRET)
    sequence, connect = decode(hello.message, V3)
    assert isinstance(connect, Connect)
    assert Account(SP_ID, SECRET).made(connect)
    assert encode(connect, sequence, V3) == hello.message
    goodbye = cmppy.TerminateReq()
    assert decode(goodbye.message, V3) == (goodbye.sequence, Terminate())
    assert encode(Terminate(), goodbye.sequence, V3) == goodbye.message


def test_our_answers_are_read_by_it():
    read = cmppy.parse_response(encode(SubmitResp(message_id="b2b9da8000010000", status=8), 5, V3))
    assert (read.sequence, read.msg_id, read.result) == (5, 0xB2B9DA8000010000, 8)
    read = cmppy.parse_response(encode(ConnectResp(status=3, authenticator=bytes(range(16))), 6, V3))
    assert (read.sequence, read.status, read.authenticator_ISMG, read.version) == (6, 3, bytes(range(16)), 0x30)


async def test_its_client_sends_a_text_through_the_simulated_gateway(capfd):
    async with ismg_of(FakeClock(NOON)) as ismg:
        client = cmppy.Cmppy(ismg.host, ismg.port, SP_ID, SECRET)
        answer = await asyncio.to_thread(client.request, submission())
        [(message_id, submit)] = ismg.accepted
        assert (answer.result, f"{answer.msg_id:016x}") == (0, message_id)
        assert submit.account == SP_ID
        assert (await ismg.handset(PHONE).next_text()).text == "【衡江政务服务】您好"


async def test_its_client_is_refused_with_a_wrong_secret(capfd):
    async with ismg_of(FakeClock(NOON)) as ismg:
        client = cmppy.Cmppy(ismg.host, ismg.port, SP_ID, "999999")
        assert await asyncio.to_thread(client.request, submission()) is None
        assert ismg.counts["connect refused"] == 1
