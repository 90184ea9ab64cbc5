"""一单式收费: one bill per case, from the approved list of its stage."""

from typing import Any

import pytest

from casework.acts import Decision, DeemAccepted, Withdraw
from casework.intake.acts import ChargeUnlisted, EnterFee, SettleBill
from casework.intake.records import intake_of
from casework.intake.tables import FeeBill
from casework.tables import Document
from kernel.actor import ANYBODY
from tests.casework.counter import Counter, code_of, events
from tests.casework.town import Town, person

FEES = [
    {"name": "工本费", "standard": "每证10元", "basis": "价费〔2019〕1号", "amount_cents": 1000},
    {"name": "配套费", "standard": "每平方米60元", "basis": "价费〔2019〕2号"},
]


@pytest.fixture
async def charging(town: Town, counter: Counter) -> Town:
    await counter.publish(stage={"fees": FEES})
    return town


async def bill_of(town: Town, case: str) -> Any:
    record = await intake_of(town.database, person("CLERK"), case)
    assert record is not None
    return record["bill"]


@pytest.mark.feature("CAT-17")
async def test_a_case_has_one_bill_with_all_its_fees(charging):
    town = charging
    case = await town.accepted()
    bill = await bill_of(town, case)
    assert bill["number"] == "衡住建缴〔2026〕1号"
    assert [(line["name"], line["amount_cents"], line["listed"]) for line in bill["lines"]] == [
        ("工本费", 1000, True),
        ("配套费", None, True),
    ]
    assert not await Document.filter(kind="payment").exists()  # not before every amount is known
    assert code_of(await town.do(SettleBill(case=case), person("CLERK"))) == "FEE_AMOUNT_MISSING"
    entered = await town.do(EnterFee(case=case, line=2, amount_cents=1_234_560), person("CLERK"))
    assert (entered.total_cents, entered.open_lines) == (1_235_560, 0)
    assert "12355.60元" in (await Document.get(kind="payment")).content
    settled = await town.do(SettleBill(case=case), person("CLERK"))
    assert settled.settled
    (event,) = await events(case, "case.bill_settled")
    assert event["total_cents"] == 1_235_560
    assert await FeeBill.all().count() == 1


@pytest.mark.feature("CAT-17")
async def test_a_charge_outside_the_list_is_an_explicit_act_and_an_irregularity(charging):
    """That supervision finds it is shown in tests/supervision/test_findings.py."""
    town = charging
    case = await town.accepted()
    act = ChargeUnlisted(case=case, name="资料费", amount_cents=5000, reason="收费员误收，已告知退还。")
    charged = await town.do(act, person("CLERK"))
    assert charged.total_cents == 6000
    line = (await bill_of(town, case))["lines"][-1]
    assert (line["name"], line["listed"], line["reason"]) == ("资料费", False, "收费员误收，已告知退还。")
    (event,) = await events(case, "case.unlisted_fee")
    assert (event["line"], event["amount_cents"], event["officer"]) == (3, 5000, "CLERK")


async def test_what_the_law_accepts_by_silence_has_its_bill_too(charging):
    filed = await charging.file()
    charging.at("2026-09-25 00:00")
    await charging.do(DeemAccepted())
    assert (await bill_of(charging, filed.number))["lines"][0]["name"] == "工本费"


async def test_no_fees_no_bill_unless_somebody_charges_something(town):
    case = await town.accepted()
    assert await bill_of(town, case) is None
    assert code_of(await town.do(SettleBill(case=case), person("CLERK"))) == "NO_BILL"
    act = ChargeUnlisted(case=case, name="资料费", amount_cents=5000, reason="误收。")
    assert (await town.do(act, person("CLERK"))).total_cents == 5000
    assert not await Document.filter(kind="payment").exists()


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (EnterFee(case="", line=1, amount_cents=1), "FEE_FIXED"),
        (EnterFee(case="", line=9, amount_cents=1), "NOT_FOUND"),
        (EnterFee(case="", line=2, amount_cents=-1), "INVALID"),
        (EnterFee(case="", line=2, amount_cents=10_000_000_001), "INVALID"),
        (ChargeUnlisted(case="", name=" ", amount_cents=1, reason="误收"), "INVALID"),
        (ChargeUnlisted(case="", name="资料费", amount_cents=1, reason=" "), "INVALID"),
        (ChargeUnlisted(case="", name="工本费", amount_cents=1, reason="重复"), "FEE_IS_LISTED"),
    ],
)
async def test_what_a_bill_does_not_take(charging, act, code):
    case = await charging.accepted()
    outcome = await charging.do(type(act)(**{**_fields(act), "case": case}), person("CLERK"))
    assert code_of(outcome) == code


async def test_a_settled_bill_is_closed_and_only_the_window_touches_it(charging):
    town = charging
    case = await town.accepted()
    entry = EnterFee(case=case, line=2, amount_cents=100)
    assert code_of(await town.do(entry, person("HANDLER"))) == "NOT_PERMITTED"
    await town.do(entry, person("CLERK"))
    await town.do(SettleBill(case=case), person("CLERK"))
    for act in (entry, SettleBill(case=case), ChargeUnlisted(case=case, name="资料费", amount_cents=1, reason="误收")):
        assert code_of(await town.do(act, person("CLERK"))) == "BILL_CLOSED"


async def test_a_stage_s_fees_are_its_own(town, counter):
    """CAT-04 on the side of filing: nothing of another stage reaches the case."""
    import json

    from tests.casework.counter import definition, material

    made = json.loads(definition(stage={"fees": FEES}))
    (first,) = made["stages"]
    other = {**first, "code": "ZJ-XK-001-02", "name": "变更", "fees": "无", "committed_limit_days": 5}
    made["stages"].append({**other, "materials": [material("变更申请书"), material("原许可证", required=False)]})
    await town.publish(json.dumps(made, ensure_ascii=False).encode())
    filed = await town.file(stage="ZJ-XK-001-02")
    assert filed.missing == ("变更申请书",)
    await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT)
    assert await bill_of(town, filed.number) is None


async def test_nothing_is_charged_before_acceptance_or_after_the_end(charging):
    """A bill made too early would have kept the case from ever being accepted, even by silence."""
    town = charging
    filed = await town.file()
    charge = ChargeUnlisted(case=filed.number, name="加急费", amount_cents=1, reason="申请人要求")
    assert code_of(await town.do(charge, person("CLERK"))) == "NO_BILL"
    town.at("2026-09-25 00:00")
    assert (await town.do(DeemAccepted())).count == 1
    await town.do(Withdraw(case=filed.number, password=town.password_of(filed)), ANYBODY)
    assert code_of(await town.do(charge, person("CLERK"))) == "NO_BILL"


async def test_the_bill_of_a_case_that_has_ended_is_neither_filled_in_nor_settled(charging):
    town = charging
    filed = await town.file()
    await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT)
    entry, settlement = EnterFee(case=filed.number, line=2, amount_cents=100), SettleBill(case=filed.number)
    await town.do(entry, person("CLERK"))
    await town.do(Withdraw(case=filed.number, password=town.password_of(filed)), ANYBODY)
    for act in (entry, settlement):
        assert code_of(await town.do(act, person("CLERK"))) == "NO_BILL"
    assert (await bill_of(town, filed.number))["settled_at"] is None

    delivered = await town.granted()
    await town.decide("HANDLER", delivered, "complete", Decision.COMPLETE)
    await town.do(EnterFee(case=delivered, line=2, amount_cents=100), person("CLERK"))  # not ended yet
    await town.decide("CLERK", delivered, "deliver", Decision.DELIVER)
    assert code_of(await town.do(SettleBill(case=delivered), person("CLERK"))) == "NO_BILL"


async def test_an_amount_that_is_entered_anew_is_told_anew(charging):
    town = charging
    case = await town.accepted()
    for cents in (100, 99_900):
        await town.do(EnterFee(case=case, line=2, amount_cents=cents), person("CLERK"))
    notices = await Document.filter(kind="payment").order_by("id")
    assert ["11.00元" in notices[0].content, "1009.00元" in notices[1].content] == [True, True]


def _fields(act: Any) -> dict[str, Any]:
    return {name: getattr(act, name) for name in act.__struct_fields__}
