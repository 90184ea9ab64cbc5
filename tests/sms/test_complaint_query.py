"""`CX` and the number of a complaint: the answer that the text about its registration promises."""

from kernel.actor import ANYBODY
from supervision.complaints import ComplaintAbout, FileComplaint
from tests.alerts.county import County
from tests.sms.text_desk import TextDesk

COMPLAINANT, STRANGER = "13800000006", "13800000007"


async def test_the_phone_that_complained_learns_where_its_complaint_stands(county: County) -> None:
    desk = TextDesk(county)
    act = FileComplaint(about=ComplaintAbout.UNIT, subject="住建局", text="重复收取材料。", phone=COMPLAINANT)
    filed = await county.do(act, ANYBODY)
    answer = await desk.text(COMPLAINANT, f"cx {filed.number}")
    assert f"{filed.number}“投诉举报”现处登记（待决定受理）" in answer
    assert "查询密码" in await desk.text(STRANGER, f"CX{filed.number}")
    assert "未识别的指令" in await desk.text(COMPLAINANT, "CXTS2026999999")
    assert await desk.outcomes() == ["progress", "QUERY_PASSWORD_NEEDED", "UNKNOWN_COMPLAINT"]
