"""A change of the catalogue, from the draft to its effect: with fees, a returned attempt, and what the public says."""

import json
from datetime import datetime
from typing import Any

import msgspec

from casework.clock.working_days import CHINA
from casework.seed import items
from certs.encodings import b64u
from tests.contracts.flutter_spec_story import Recorder
from tests.mobile_api.stage import CHIEF, CLERK, HANDLER, ITEM, OTHER_HANDLER

REFORM, LEGAL, PRICE, EFFICIENCY = "OFF-0081", "OFF-0082", "OFF-0083", "OFF-0084"
FEES = [{"name": "工本费", "standard": "每证10元", "basis": "湘发改价费〔2020〕1号", "amount_cents": 1000}]


async def tell(record: Recorder) -> None:
    number = await _a_draft_is_written(record)
    await _it_is_submitted(record, number)
    await _the_public_reads_and_says(record, number)
    await _it_is_confirmed(record, number)
    await _it_is_looked_at(record, number)


def definition(**stage: Any) -> str:
    """The sample permit with one stage changed, as the phone sends it."""
    item = json.loads(msgspec.json.encode(next(item for item in items() if item.code == ITEM)))
    item["stages"][0] |= stage
    return b64u(json.dumps(item, ensure_ascii=False).encode())


async def _a_draft_is_written(record: Recorder) -> str:
    draft = {"kind": "ADJUST", "item": ITEM, "reason": "依据新的收费标准调整。", "definitions": [definition(levels=[])]}
    saved = (await record("SaveChange/happy", HANDLER, idempotencyKey="1", change=draft))["change"]
    number = str(saved["number"])
    await record("SaveChange/malformed", HANDLER, idempotencyKey="2", change={**draft, "definitions": ["e30"]})
    await record("SaveChange/of_another_unit", OTHER_HANDLER, idempotencyKey="3", change=draft)
    await record("SaveChange/not_permitted", CLERK, idempotencyKey="4", change=draft)
    await record("ItemChange/incomplete", HANDLER, number=number)
    await record("ItemChange/not_visible", REFORM, number=number)
    await record("PrepareChangeDecision/incomplete", CHIEF, decision=_decision(number, 1, "SUBMIT"))
    mended = {**draft, "definitions": [definition(fees=FEES)], "change": number, "revision": 1}
    await record("SaveChange/rewritten", HANDLER, idempotencyKey="5", change=mended)
    await record("SaveChange/changed_meanwhile", HANDLER, idempotencyKey="6", change=mended)
    removal = {"kind": "REMOVE", "item": ITEM, "reason": "该事项已取消。"}
    other = (await record("SaveChange/removal", HANDLER, idempotencyKey="7", change=removal))["change"]["number"]
    await record("DiscardChange/happy", HANDLER, idempotencyKey="1", change=other, revision=1)
    await record("DiscardChange/discarded", HANDLER, idempotencyKey="2", change=other, revision=2)
    return number


async def _it_is_submitted(record: Recorder, number: str) -> None:
    await record("CatalogueTodos/head", CHIEF)
    chosen = _decision(number, 2, "SUBMIT", "同意报审。")
    request = await record("PrepareChangeDecision/happy", CHIEF, decision=chosen)
    await record("PrepareChangeDecision/not_permitted", HANDLER, decision=chosen)
    signed = (await record.stage.phone(CHIEF)).signed(request)
    await record("DecideChange/submitted", CHIEF, idempotencyKey="1", decision=chosen, signed=signed)
    early = _decision(number, 3, "PRICE")
    await record("PrepareChangeDecision/notice_running", PRICE, decision=early)


async def _the_public_reads_and_says(record: Recorder, number: str) -> None:
    await record("Notices/happy")
    said = {"change": number, "text": "建议将承诺时限压缩到两个工作日。", "name": "李先生"}
    await record("CommentOnChange/happy", idempotencyKey="1", comment=said)
    await record("CommentOnChange/empty", idempotencyKey="2", comment={**said, "text": " "})
    record.stage.clock.set(datetime(2026, 9, 28, 9, tzinfo=CHINA))
    await record("CommentOnChange/not_on_notice", idempotencyKey="3", comment=said)
    await record("Notices/empty")


async def _it_is_confirmed(record: Recorder, number: str) -> None:
    await record("CatalogueTodos/price_office", PRICE)
    await record("PrepareChangeDecision/wrong_order", REFORM, decision=_decision(number, 3, "REFORM"))
    await _signed(record, "DecideChange/priced", PRICE, _decision(number, 3, "PRICE", "收费依据和标准核定无误。"))
    await _signed(record, "DecideChange/reform_office", REFORM, _decision(number, 4, "REFORM", "意见已研究，同意。"))
    await record("PrepareChangeDecision/changed_meanwhile", REFORM, decision=_decision(number, 4, "REFORM"))
    await _signed(record, "DecideChange/effective", LEGAL, _decision(number, 5, "LEGAL", "合法性审查通过。"))
    await record("CatalogueTodos/empty", LEGAL)


async def _it_is_looked_at(record: Recorder, number: str) -> None:
    await record("ItemChanges/happy", EFFICIENCY, state="EFFECTIVE")
    await record("ItemChanges/empty", CLERK)
    await record("ItemChange/happy", EFFICIENCY, number=number)
    await record("CheckChange/intact", EFFICIENCY, number=number)
    await record("CheckChange/not_permitted", CLERK, number=number)
    again = {"kind": "ADJUST", "item": ITEM, "reason": "压缩时限。", "definitions": [definition()]}
    key = record.stage.secrets.token()
    handler = await record.stage.phone(HANDLER)
    other = (await record.stage.get("SaveChange", handler.token, idempotencyKey=key, change=again))["change"]["number"]
    await _signed(record, "DecideChange/submitted_again", CHIEF, _decision(other, 1, "SUBMIT", "同意报审。"))
    back = {**_decision(other, 2, "REFORM", "压缩幅度不足，请重新测算。"), "decision": "RETURN"}
    await _signed(record, "DecideChange/returned", REFORM, back)
    await record("CheckChange/draft", HANDLER, number=other)


async def _signed(record: Recorder, path: str, who: str, chosen: dict[str, Any]) -> None:
    phone = await record.stage.phone(who)
    request = await record.stage.get("PrepareChangeDecision", phone.token, decision=chosen)
    assert request["__typename"] == "SigningPayload", request
    await record(path, who, idempotencyKey="1", decision=chosen, signed=phone.signed(request))


def _decision(number: str, revision: int, step: str, opinion: str = "同意。") -> dict[str, Any]:
    return {"change": number, "revision": revision, "step": step, "decision": "AGREE", "opinion": opinion}
