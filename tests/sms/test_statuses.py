"""Every code has one meaning, and every meaning one consequence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib import consts

from sms.receipts import MessageState, Receipt
from sms.statuses import (
    COMMAND_STATUSES,
    DEFAULT_POLICY,
    FAMILIES,
    RECEIPT_ERRORS,
    RECEIPT_STATES,
    Fault,
    GiveUp,
    Meaning,
    Retry,
    RetryIn,
    decide,
    of_receipt,
    of_status,
    own_errors,
)


def test_the_table_names_every_status_of_the_standard_as_smpplib_does():
    theirs = {
        getattr(consts, name): name.removeprefix("SMPP_") for name in dir(consts) if name.startswith("SMPP_ESME_")
    }
    assert {code: meaning.name for code, meaning in COMMAND_STATUSES.items()} == theirs


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (0x00, None),
        (0x08, Fault.TEMPORARY),  # the gateway's own trouble
        (0x0B, Fault.PERMANENT),  # the number will not become valid
        (0x0A, Fault.TECHNICAL),  # our access code is wrong: somebody must look
        (0x14, Fault.THROTTLED),
        (0x58, Fault.THROTTLED),
        (0x4FF, Fault.TECHNICAL),  # a vendor's own code
    ],
)
def test_a_status_has_a_class(status, fault):
    meaning = of_status(status)
    assert meaning.fault is fault
    assert meaning.zh
    assert meaning.en


def test_every_receipt_state_has_a_meaning():
    assert set(RECEIPT_STATES) == set(MessageState)


@pytest.mark.parametrize(
    ("state", "error", "fault", "zh"),
    [
        (MessageState.DELIVERED, "000", None, "已送达"),
        (MessageState.DELIVERED, "001", None, "已送达"),  # what arrived has arrived, whatever err says
        (MessageState.UNDELIVERABLE, "001", Fault.PERMANENT, "空号"),
        (MessageState.UNDELIVERABLE, "1", Fault.PERMANENT, "空号"),
        (MessageState.UNDELIVERABLE, "3:27", Fault.TEMPORARY, "用户不在线"),  # from network_error_code
        (MessageState.UNDELIVERABLE, "MK:0001", Fault.PERMANENT, "短信中心返回失败（如空号、停机）"),
        (MessageState.UNDELIVERABLE, "weird", Fault.PERMANENT, "无法送达"),
        (MessageState.EXPIRED, None, Fault.TEMPORARY, "有效期内未送达"),
        (MessageState.UNKNOWN, None, Fault.UNKNOWN, "结果未知"),
    ],
)
def test_a_receipt_has_the_most_exact_reason(state, error, fault, zh):
    meaning = of_receipt(Receipt("1", state, error=error))
    assert (meaning.fault, meaning.zh) == (fault, zh)


def test_a_carriers_own_list_comes_first():
    own = {"MK:0001": Meaning("MK:0001", Fault.TEMPORARY, "关机", "off")}
    assert of_receipt(Receipt("1", MessageState.UNDELIVERABLE, error="MK:0001"), own).zh == "关机"


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        (Fault.TEMPORARY, [60, 180, 540, 1620, 3600, 3600, 3600, None]),  # a phone is off for hours
        (Fault.PERMANENT, [None]),
        (Fault.THROTTLED, [1, 2, 4, 8, 16, 32, 60, 60]),  # doubling, at most a minute
        (Fault.TECHNICAL, [300, 900, None]),  # somebody has half an hour
        (Fault.UNKNOWN, [None]),  # never twice to one person by the machine
    ],
)
def test_the_policy_says_when_to_try_again(fault, waits):
    decided = [decide(fault, attempt) for attempt in range(1, len(waits) + 1)]
    assert decided == [GiveUp() if wait is None else RetryIn(wait) for wait in waits]


def test_every_class_has_a_policy_that_ends():
    for fault in Fault:
        assert isinstance(decide(fault, DEFAULT_POLICY[fault].tries + 10_000), GiveUp)


def test_every_code_leads_to_a_consequence():
    meanings = [*COMMAND_STATUSES.values(), *RECEIPT_STATES.values(), *RECEIPT_ERRORS.values(), *FAMILIES.values()]
    assert {meaning.fault for meaning in meanings} - {None} == set(DEFAULT_POLICY)
    for meaning in meanings:
        assert meaning.name
        assert meaning.zh
        assert meaning.en


def test_what_throttles_is_waited_for_longest():
    """The pause of a bind never gives a text up before its own expiry does: twenty tries are a quarter of an hour."""
    waits = [decide(Fault.THROTTLED, attempt) for attempt in range(1, DEFAULT_POLICY[Fault.THROTTLED].tries)]
    assert sum(wait.seconds for wait in waits if isinstance(wait, RetryIn)) >= 14 * 60


@given(
    st.builds(
        Retry,
        tries=st.integers(1, 200),
        first_s=st.floats(0, 1e4),
        factor=st.floats(1, 10),
        cap_s=st.floats(0, 1e5),
    )
)
def test_any_policy_waits_ever_longer_up_to_its_cap_and_then_gives_up(retry):
    decided = [retry.after(attempt) for attempt in range(1, retry.tries + 3)]
    assert decided[retry.tries - 1 :] == [GiveUp()] * 3
    waits = [again.seconds for again in decided[: retry.tries - 1] if isinstance(again, RetryIn)]
    assert len(waits) == retry.tries - 1
    assert waits == sorted(waits)
    assert all(0 <= wait <= retry.cap_s for wait in waits)


@given(st.sampled_from(Fault), st.integers(1, 10**9))
def test_any_failure_has_an_answer(fault, attempt):
    assert isinstance(decide(fault, attempt), RetryIn | GiveUp)


@given(st.integers(0, 0xFFFFFFFF))
def test_any_status_has_a_meaning(status):
    assert (of_status(status).fault is None) == (status == 0)


@given(st.sampled_from(MessageState), st.none() | st.text(max_size=12))
def test_any_receipt_has_a_meaning(state, error):
    meaning = of_receipt(Receipt("1", state, error=error))
    assert (meaning.fault is None) == (state in (MessageState.DELIVERED, MessageState.ENROUTE, MessageState.ACCEPTED))


def test_the_settings_list_is_read_as_answers_and_as_receipts():
    own = own_errors({"0x440": Fault.THROTTLED, "0x0b": Fault.TEMPORARY, "MK:0010": Fault.TEMPORARY})
    assert of_status(0x440, own.statuses).fault is Fault.THROTTLED
    assert (of_status(0x0B, own.statuses).name, of_status(0x0B, own.statuses).fault) == (
        "ESME_RINVDSTADR",
        Fault.TEMPORARY,
    )
    assert of_status(0x58, own.statuses) == of_status(0x58)
    refused = Receipt("1", MessageState.UNDELIVERABLE, error="MK:0010")
    assert of_receipt(refused, own.receipts).fault is Fault.TEMPORARY
    assert of_receipt(refused).fault is Fault.PERMANENT
