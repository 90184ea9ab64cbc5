"""A version of an item of the sample county with everything that intake knows: form, paper, fees of both kinds."""

from typing import Any

import msgspec

from casework.acts import PublishItem
from casework.seed import items
from kernel.actor import THE_OPERATOR
from kernel.refusals import Refusal
from tests.mobile_api.stage import Stage

DEMANDING, DEMANDING_STAGE = "ZJ-XK-002", "ZJ-XK-002-01"
DEED, REQUEST = "房屋权属证明原件", "排水许可申请表"
FORM = {
    "type": "object",
    "properties": {
        "outlet": {"type": "string", "title": "排水口位置", "minLength": 2},
        "tons": {"type": "number", "title": "日排水量（吨）", "minimum": 0},
    },
    "required": ["outlet", "tons"],
    "additionalProperties": False,
}
ANSWERS = '{"outlet": "滨江路12号", "tons": 3.5}'


async def publish_demanding(stage: Stage) -> None:
    made = next(item for item in items() if item.code == DEMANDING)
    definition: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made))
    basis = "《城镇污水排入排水管网许可管理办法》第六条"
    definition["stages"][0] |= {
        "form": FORM,
        "materials": [
            {"name": REQUEST, "basis": basis},
            {"name": DEED, "basis": basis, "form": "paper"},
            {"name": "水质检测报告", "basis": basis},
        ],
        "fees": [
            {"name": "工本费", "standard": "每证10元", "basis": "价费〔2019〕1号", "amount_cents": 1000},
            {"name": "污水处理费", "standard": "按日排水量计", "basis": "价费〔2019〕2号"},
        ],
    }
    act = PublishItem(definition=msgspec.json.encode(definition))
    published = await stage.office.perform(act, THE_OPERATOR, key=None)
    assert not isinstance(published, Refusal), published


def application(**changes: Any) -> dict[str, Any]:
    return {
        "item": DEMANDING,
        "stage": DEMANDING_STAGE,
        "applicantName": "衡江酒店有限公司",
        "applicantIdNumber": "91430400MA4L000001",
        "applicantPhone": "13800000001",
        "materials": [{"name": REQUEST}, {"name": DEED}],
        "form": ANSWERS,
        **changes,
    }
