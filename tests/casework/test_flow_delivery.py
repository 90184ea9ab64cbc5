"""Finish and delivery: the clock of delivery, its red light, its receipt."""

import pytest

from casework.acts import Decision
from casework.tables import Document, Task
from kernel.tables import EventRow
from supervision.acts import TurnLights
from supervision.rules import SupervisionRules
from supervision.tables import LightRow


@pytest.mark.feature("FLOW-11")
async def test_a_late_delivery_turns_red_and_its_receipt_is_kept(town):
    town.desk.provisions[SupervisionRules] = SupervisionRules()
    number = await town.granted()  # on Friday 09-18
    await town.decide("HANDLER", number, "complete", Decision.COMPLETE, "已制证，办结。")
    task = await Task.get(closed_at=None)
    assert (task.step, str(task.due_on)) == ("deliver", "2026-10-09")  # ten working days after the decision

    town.at("2026-10-09 23:59")
    await town.do(TurnLights())
    assert [light.colour for light in await LightRow.all()] == ["yellow"]
    town.at("2026-10-10 00:00")
    await town.do(TurnLights())
    red = await LightRow.get(colour="red")
    assert (red.step, red.unit_code) == ("deliver", "HALL")

    last = await town.decide("CLERK", number, "deliver", Decision.DELIVER, "申请人当面领取，已签收。")
    assert last.status == "delivered"
    receipt = await Document.get(kind="delivery")
    assert "申请人当面领取，已签收。" in receipt.content
    assert receipt.seal_signature
    delivered = await EventRow.get(tag="case.delivered")
    assert receipt.number in delivered.body


async def test_a_refusal_is_completed_and_delivered_like_a_grant(town):
    number = await town.accepted()
    await town.decide("HANDLER", number, "level:1", Decision.AGREE, "建议不予许可。")
    await town.decide("HEAD", number, "level:2", Decision.AGREE, "同意。")
    await town.decide("LEADER", number, "level:3", Decision.REFUSE, "未取得用地批准手续。")
    await town.decide("HANDLER", number, "complete", Decision.COMPLETE, "办结。")
    assert (await town.decide("CLERK", number, "deliver", Decision.DELIVER, "邮寄送达。")).status == "delivered"
