from datetime import datetime
from typing import Any

import pytest

from casework.clock.working_days import CHINA
from kernel.acts import TextProof
from kernel.refusals import Refusal
from supervision.acts import ConfirmCard, TurnLights
from supervision.tables import ReplyCode
from tests.mobile_api.stage import CARD_LEADER, CHIEF, HANDLER, LEADER, OTHER_HANDLER, SUPERVISOR, Stage


async def overrun(stage: Stage) -> str:
    """A case past its limit, and the card that the sweep proposed for it."""
    await stage.accepted()
    stage.clock.set(datetime(2026, 9, 23, 9, tzinfo=CHINA))
    await stage.clock_does(TurnLights())
    (card,) = await stage.get("PendingCards", (await stage.phone(CARD_LEADER)).token)
    return str(card["id"])


async def answered(stage: Stage, decision: str, reason: str = "", *, revision: int = 1) -> Any:
    """The leader's signed answer in the app."""
    phone = await stage.phone(CARD_LEADER)
    chosen = {"card": "C000001", "revision": revision, "decision": decision, "reason": reason}
    request = await stage.get("PrepareCardDecision", phone.token, decision=chosen)
    if request["__typename"] == "Refusal":
        return request
    more = {"reason": reason} if decision == "REJECT" else {}
    return await stage.get(
        "ConfirmCard" if decision == "CONFIRM" else "RejectCard",
        phone.token,
        idempotencyKey=stage.secrets.token(),
        card="C000001",
        revision=revision,
        signed=phone.signed(request),
        **more,
    )


async def texted(stage: Stage, card: str) -> Any:
    """The leader's answer `1<code>` by text message."""
    code = await ReplyCode.get(card_id=card, purpose="confirm")
    digits = stage.secrets.derived_code("card-reply", f"{code.id}:{code.nonce}", 5)
    leader = await stage.services.authenticator.actor_of((await stage.phone(CARD_LEADER)).token or "")
    assert not isinstance(leader, Refusal)
    proof = TextProof(
        inbound=1,
        sender=code.phone,
        receiver="10690000",
        text=f"1{digits}",
        pdus=(b"raw",),
        received_at=stage.clock.now(),
        carrier="simulator",
    )
    return await stage.office.perform(ConfirmCard(code=digits), leader, key="mo:simulator:1", proof=proof)


@pytest.mark.feature("MOB-07")
async def test_the_app_confirms_a_card_and_a_second_confirmation_changes_nothing(stage: Stage) -> None:
    await overrun(stage)
    confirmed = await answered(stage, "CONFIRM")
    assert (confirmed["card"]["state"], confirmed["card"]["evidence"][:2]) == ("EFFECTIVE", "SG"), confirmed
    assert "黄牌" in confirmed["card"]["number"]
    assert await stage.get("PendingCards", (await stage.phone(CARD_LEADER)).token) == []
    phone = await stage.phone(CARD_LEADER)
    again = await answered(stage, "CONFIRM", revision=confirmed["card"]["revision"])
    assert again["code"] == "CARD_ALREADY_DECIDED"
    shown = await stage.get("Card", phone.token, id="C000001")
    assert (shown["number"], shown["revision"]) == (confirmed["card"]["number"], confirmed["card"]["revision"])


@pytest.mark.feature("MOB-07")
async def test_a_text_and_the_app_leave_the_card_in_the_same_state(stage: Stage) -> None:
    card = await overrun(stage)
    phone = await stage.phone(CARD_LEADER)
    chosen = {"card": card, "revision": 1, "decision": "CONFIRM"}
    request = await stage.get("PrepareCardDecision", phone.token, decision=chosen)
    by_text = await texted(stage, card)
    assert not isinstance(by_text, Refusal), by_text
    second = await stage.get(  # the signed answer was on its way when the text arrived
        "ConfirmCard",
        phone.token,
        idempotencyKey="second-confirmation",
        card=card,
        revision=1,
        signed=phone.signed(request),
    )
    assert (second["card"]["number"], second["card"]["state"]) == (by_text.number, "EFFECTIVE")
    assert second["card"]["evidence"] == by_text.evidence
    numbers = await stage.database.rows("SELECT number FROM card WHERE number IS NOT NULL")
    assert len(numbers) == 1


@pytest.mark.feature("MOB-07")
async def test_a_rejected_card_has_no_number_and_no_effect(stage: Stage) -> None:
    await overrun(stage)
    rejected = await answered(stage, "REJECT", "系统故障导致超期。")
    assert (rejected["card"]["state"], rejected["card"]["number"]) == ("REJECTED", None)


@pytest.mark.feature("CARD-05")
async def test_an_effective_card_is_numbered_served_and_acknowledged_in_the_app(stage: Stage) -> None:
    await overrun(stage)
    chief = await stage.phone(CHIEF)
    assert await stage.get("Card", chief.token, id="C000001") is None  # proposed: no effect, not shown
    confirmed = await answered(stage, "CONFIRM")
    served = await stage.get("Card", chief.token, id="C000001")
    assert served["number"] == confirmed["card"]["number"]
    assert served["servedAt"] is not None
    receipt = await stage.get("AcknowledgeCard", chief.token, idempotencyKey="acknowledge-1", card="C000001")
    assert receipt["card"]["acknowledgedAt"] == "2026-09-23T01:00:00+00:00"
    (row,) = await stage.database.rows("SELECT html, sha256, seal_signature FROM card")
    assert confirmed["card"]["number"] in str(row["html"])
    assert row["seal_signature"]


@pytest.mark.feature("CARD-04")
async def test_a_supervisor_proposes_a_card_on_a_ground_and_a_leader_confirms_it(stage: Stage) -> None:
    case = await stage.accepted()
    token = (await stage.phone(SUPERVISOR)).token
    about = {"case": case, "colour": "RED", "ground": "ILLEGAL_FEE", "facts": "窗口收取工本费50元。"}
    proposed = await stage.get("ProposeCard", token, idempotencyKey="propose-1", **about)
    standing = proposed["card"]
    assert (standing["state"], standing["number"], standing["unit"]) == ("PROPOSED", None, "ZJJ")
    assert await stage.get("ProposeCard", token, idempotencyKey="propose-1", **about) == proposed
    (waiting,) = await stage.get("PendingCards", (await stage.phone(CARD_LEADER)).token)
    assert (waiting["id"], waiting["why"], waiting["facts"]) == (standing["id"], "违法收费", "窗口收取工本费50元。")
    confirmed = await answered(stage, "CONFIRM")
    assert "红牌" in confirmed["card"]["number"]
    (row,) = await stage.database.rows("SELECT html FROM card")
    assert "《行政许可法》第五十八条、第七十五条" in str(row["html"])


@pytest.mark.feature("CARD-04")
async def test_a_proposal_is_refused_by_what_is_wrong_with_it(stage: Stage) -> None:
    case = await stage.accepted()
    token = (await stage.phone(SUPERVISOR)).token
    about = {"case": case, "colour": "YELLOW", "ground": "NO_REASONS", "facts": ""}

    async def refusal(key: str, **changes: Any) -> str:
        answer = await stage.get("ProposeCard", token, idempotencyKey=f"propose-{key}", **{**about, **changes})
        return str(answer["code"])

    assert await refusal("1", case="202699999999") == "UNKNOWN_CASE"
    assert await refusal("2", ground="OTHER") == "CARD_FACTS_MISSING"
    assert await refusal("3", facts="长" * 201) == "INVALID"
    await stage.get("ProposeCard", token, idempotencyKey="propose-4", **about)
    assert await refusal("5") == "CARD_EXISTS"
    groundless = await stage.ask("ProposeCard", token, idempotencyKey="propose-6", **{**about, "ground": "BAD_MOOD"})
    assert groundless["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_who_proposed_a_card_may_not_decide_about_it_even_as_a_leader(stage: Stage) -> None:
    case = await stage.accepted()
    roles = '["supervisor", "supervision_leader"]'
    await stage.database.execute("UPDATE officer SET roles = $1 WHERE id = $2", roles, CARD_LEADER)
    phone = await stage.phone(CARD_LEADER)
    about = {"case": case, "colour": "RED", "ground": "NO_REASONS", "facts": ""}
    await stage.get("ProposeCard", phone.token, idempotencyKey="propose-1", **about)
    assert (await answered(stage, "CONFIRM"))["code"] == "PROPOSER_MAY_NOT_DECIDE"
    assert await stage.get("PendingCards", phone.token) == []


async def test_pending_cards_are_the_supervision_leaders_matter(stage: Stage) -> None:
    await overrun(stage)
    for who in (SUPERVISOR, HANDLER, LEADER):
        answer = await stage.ask("PendingCards", (await stage.phone(who)).token)
        assert answer["errors"][0]["extensions"]["code"] == "NOT_PERMITTED"


async def test_a_card_is_hidden_from_other_units(stage: Stage) -> None:
    await overrun(stage)
    await answered(stage, "CONFIRM")
    assert await stage.get("Card", (await stage.phone(OTHER_HANDLER)).token, id="C000001") is None
    assert await stage.get("Card", (await stage.phone(SUPERVISOR)).token, id="C000001") is not None


async def test_a_card_does_not_tell_the_item_of_a_case_that_its_reader_may_not_see(stage: Stage) -> None:
    card = await overrun(stage)
    token = (await stage.phone(CARD_LEADER)).token
    (open_card,) = await stage.get("PendingCards", token)
    assert open_card["itemName"] == "建筑工程施工许可证核发"
    await stage.database.execute("UPDATE case_file SET secret = TRUE")
    (pending,) = await stage.get("PendingCards", token)
    assert (pending["id"], pending["itemName"]) == (card, "（不公开）")
    assert (await stage.get("Card", token, id=card))["itemName"] == "（不公开）"
