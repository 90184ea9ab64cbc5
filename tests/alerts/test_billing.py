"""Parts counted by unit, month, carrier and class; the property: a bill has every part exactly once."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.billing import NO_UNIT, Charge, bill, month_of
from alerts.tables import Message, MessagePart
from kernel.refusals import Invalid
from kernel.tables import Unit

#: 2026-10-01 00:00 in Shanghai.
OCTOBER = datetime(2026, 9, 30, 16, tzinfo=UTC)


async def sent(*, unit="ZJJ", at=OCTOBER, parts=1, states=(), carrier="east", message_class="item", number=[0]) -> int:  # noqa: B006
    number[0] += 1
    message = await Message.create(
        dedupe_key=f"bill:{number[0]}",
        channel="sms",
        message_class=message_class,
        priority=4,
        template="T11_ACCEPTED",
        template_version=1,
        to_phone="13800138000",
        body="【衡江】测试",
        parts=parts,
        state="submitted",
        unit_code=unit,
        created_at=at,
        send_after=at,
        expires_at=at + timedelta(days=3),
        carrier=carrier,
    )
    for seq in range(1, parts + 1):
        state = states[seq - 1] if seq <= len(states) else "delivered"
        await MessagePart.create(
            message_id=message.id,
            seq=seq,
            total=parts,
            carrier=carrier,
            sms_id=f"{number[0]}-{seq}",
            state=state,
            submitted_at=at,
        )
    return message.id


def found(bill_) -> dict[tuple[str, str, str], Charge]:
    return {(line.unit, line.carrier, line.message_class): line.charge for line in bill_.lines}


async def test_parts_are_counted_by_unit_carrier_and_class(database):
    await Unit.create(code="ZJJ", name="住房和城乡建设局", short_name="住建局", kind="authority")
    await sent(parts=2, states=("delivered", "failed"))
    await sent(states=("submitted",))
    await sent(carrier="west")
    await sent(unit="", message_class="notice", states=("expired",))
    made = await bill(database, date(2026, 10, 1))
    assert found(made) == {
        ("", "east", "notice"): Charge(texts=1, parts=1, delivered=0, failed=1, open=0),
        ("ZJJ", "east", "item"): Charge(texts=2, parts=3, delivered=1, failed=1, open=1),
        ("ZJJ", "west", "item"): Charge(texts=1, parts=1, delivered=1, failed=0, open=0),
    }
    assert [line.unit_name for line in made.lines] == [NO_UNIT, "住房和城乡建设局", "住房和城乡建设局"]
    assert made.total == Charge(texts=4, parts=5, delivered=2, failed=2, open=1)


async def test_the_month_is_the_offices_own_and_that_of_the_carriers_answer(database):
    instant = timedelta(microseconds=1)
    december_ends = datetime(2026, 12, 31, 16, tzinfo=UTC)
    await sent(at=OCTOBER - instant)
    await sent(at=OCTOBER)
    await sent(at=december_ends - instant)
    await sent(at=december_ends)
    counted = [(await bill(database, month_of(month))).total.parts for month in ("2026-09", "2026-10", "2026-11")]
    assert counted == [1, 1, 0]
    assert (await bill(database, month_of("2026-12"))).total.parts == 1
    assert (await bill(database, month_of("2027-01"))).total.parts == 1


async def test_a_bill_stays_the_same_after_words_and_numbers_were_struck_out_and_messages_deleted(database):
    message = await sent()
    before = await bill(database, date(2026, 10, 1))
    await Message.filter(id=message).update(body="", to_phone="", masked_at=OCTOBER)
    assert await bill(database, date(2026, 10, 1)) == before
    await Message.filter(id=message).delete()
    assert (await bill(database, date(2026, 10, 1))).total == before.total


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-1", "26-10", "2026-10-01", "", "2026-00", "２０２６-10"])
def test_only_a_month_is_a_month(text):
    with pytest.raises(Invalid):
        month_of(text)


SENDINGS = st.lists(
    st.tuples(
        st.sampled_from(["", "ZJJ", "SJJ"]),
        st.sampled_from(["east", "west"]),
        st.sampled_from(["item", "notice", "warning"]),
        st.integers(0, 100),
        st.lists(st.sampled_from(["submitted", "delivered", "failed", "expired"]), min_size=1, max_size=3),
    ),
    max_size=12,
)


@given(SENDINGS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_bills_of_all_months_are_all_parts(database, sendings):
    await MessagePart.all().delete()
    await Message.all().delete()
    expected: Counter[str] = Counter()
    for unit, carrier, message_class, days, states in sendings:
        at = OCTOBER + timedelta(days=days, hours=days % 24)
        await sent(
            unit=unit, carrier=carrier, message_class=message_class, at=at, parts=len(states), states=tuple(states)
        )
        expected += Counter(states)
    bills = [await bill(database, date(2026 + (month > 12), (month - 1) % 12 + 1, 1)) for month in range(10, 15)]
    lines = [line.charge for each in bills for line in each.lines]
    for charges in (lines, [each.total for each in bills]):
        assert sum(charge.parts for charge in charges) == await MessagePart.all().count()
        assert sum(charge.delivered for charge in charges) == expected["delivered"]
        assert sum(charge.failed for charge in charges) == expected["failed"] + expected["expired"]
        assert sum(charge.open for charge in charges) == expected["submitted"]
    assert all(charge.parts == charge.delivered + charge.failed + charge.open for charge in lines)
