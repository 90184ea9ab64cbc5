"""Legal time through the contract's operations: a procedure told too short, an extension refused, a hearing."""

from datetime import datetime

from casework.clock.working_days import CHINA
from tests.contracts.flutter_spec_story import Recorder
from tests.mobile_api.stage import CHIEF, CLERK, HANDLER

#: Of the service centre; has examined nothing.
PRESIDER = "OFF-0031"


async def tell(record: Recorder) -> None:
    await _a_procedure_takes_longer(record)
    await _an_extension_is_refused(record)
    await _a_hearing_is_held(record)


async def _a_procedure_takes_longer(record: Recorder) -> None:
    case = await record.stage.accepted()
    review = {"case": case, "ground": "EXPERT_REVIEW", "toldDays": 3, "reason": "需专家评审。"}
    await record("StopClock/no_time_told", HANDLER, idempotencyKey="1", revision=2, **{**review, "toldDays": 0})
    await record("StopClock/expert_review", HANDLER, idempotencyKey="2", revision=2, **review)
    longer = {"case": case, "toldDays": 5, "reason": "专家意见分歧，需补充评审。"}
    await record("TellLonger/happy", HANDLER, idempotencyKey="1", revision=3, **longer)
    await record("ResumeClock/after_longer", HANDLER, idempotencyKey="1", case=case, revision=4)
    await record("TellLonger/nothing_stopped", HANDLER, idempotencyKey="2", revision=5, **longer)
    await record("ResumeClock/nothing_stopped", HANDLER, idempotencyKey="2", case=case, revision=5)


async def _an_extension_is_refused(record: Recorder) -> None:
    case = await record.stage.accepted()
    longer = {"case": case, "revision": 2, "days": 11, "reason": "案情复杂。"}
    await record("PrepareExtension/too_long", CHIEF, **longer)
    await record("PrepareExtension/not_permitted", HANDLER, **longer)
    request = await record.stage.get(
        "PrepareExtension", (await record.stage.phone(CHIEF)).token, **{**longer, "days": 10}
    )
    signed = (await record.stage.phone(CHIEF)).signed(request)
    changed = {**longer, "days": 9}
    await record("ExtendClock/signed_something_else", CHIEF, idempotencyKey="1", signed=signed, **changed)


async def _a_hearing_is_held(record: Recorder) -> None:
    filed = await record.stage.file()
    case = str(filed["number"])
    await record.stage.decide(CLERK, case, "ACCEPT", "材料齐全，予以受理。")
    asked = {"case": case, "password": filed["queryPassword"]}
    await record("AskHearing/not_told", idempotencyKey="1", **asked)
    right = {"case": case, "revision": 2, "subject": "施工噪声直接影响相邻居民。"}
    await record("TellHearingRight/happy", HANDLER, idempotencyKey="1", **right)
    await record("TellHearingRight/already_told", HANDLER, idempotencyKey="2", **{**right, "revision": 3})
    await record("AskHearing/wrong_password", idempotencyKey="2", **{**asked, "password": "000000"})
    await record("AskHearing/happy", idempotencyKey="3", **asked)
    await record("AskHearing/already_asked", CLERK, idempotencyKey="4", case=case, onBehalfOf="相邻住户代表")
    hearing = {"case": case, "revision": 4, "place": "政务大厅三楼听证室", "presider": PRESIDER}
    await record("AnnounceHearing/too_soon", HANDLER, idempotencyKey="1", hearingOn="2026-09-21", **hearing)
    examined = {**hearing, "presider": CLERK}
    await record("AnnounceHearing/presider_examined", HANDLER, idempotencyKey="2", hearingOn="2026-09-30", **examined)
    await record("AnnounceHearing/happy", HANDLER, idempotencyKey="3", hearingOn="2026-09-30", **hearing)
    said = {"case": case, "record": "双方陈述完毕，核对笔录无误。"}
    await record("HoldHearing/not_yet", HANDLER, idempotencyKey="1", revision=5, **said)
    await record("Case/hearing", HANDLER, number=case)
    record.stage.clock.set(datetime(2026, 9, 30, 9, tzinfo=CHINA))
    await record("HoldHearing/happy", HANDLER, idempotencyKey="2", revision=5, **said)
