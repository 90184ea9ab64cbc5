"""The library of licences: what a grant leaves behind, who may look it up, how it is changed, reviewed and ended."""

import json
from datetime import datetime
from typing import Any

import msgspec

from casework.acts import PublishItem
from casework.clock.working_days import CHINA
from casework.licences.tables import Licence
from casework.seed import items
from kernel.actor import THE_OPERATOR
from tests.contracts.flutter_spec_story import Recorder
from tests.mobile_api.stage import CLERK, HANDLER, HEAD, ITEM, LEADER, OTHER_HANDLER, SUPERVISOR, Stage

HOLDER = "91430400MA4L000000"


async def tell(record: Recorder) -> None:
    stage = record.stage
    await publish(stage)
    case = await granted(stage)
    await granted(stage, applicantName="李雷", applicantIdNumber="430400199001010017", applicantPhone="13800000002")
    number = await number_of(case)
    await _the_public(record, number)
    await _looking_up(record, number)
    await _changing(record, number)
    await _reviewing(record, number)
    await _ending(record, number)


async def publish(stage: Stage, *, results_public: bool = True) -> None:
    """The sample permit with a licence of three years, reviewed every year; what it grants is public."""
    definition = json.loads(msgspec.json.encode(next(item for item in items() if item.code == ITEM)))
    definition |= {
        "results_public": results_public,
        "licence": {"name": "建筑工程施工许可证", "valid_months": 36, "annual_review": True},
    }
    octets = json.dumps(definition, ensure_ascii=False).encode()
    await stage.office.perform(PublishItem(definition=octets), THE_OPERATOR, key=None)


async def granted(stage: Stage, **changes: Any) -> str:
    case = await stage.accepted(**changes)
    for officer, decision in ((HANDLER, "AGREE"), (HEAD, "AGREE"), (LEADER, "GRANT")):
        done = await stage.decide(officer, case, decision)
        assert done["__typename"] == "CasePayload", done
    return case


async def number_of(case: str) -> str:
    return str((await Licence.get(case_number=case)).number)


async def _the_public(record: Recorder, number: str) -> None:
    page = await record("GrantedDecisions/happy", first=1)
    await record("GrantedDecisions/last_page", first=1, after=page["endCursor"])
    await record("GrantedDecisions/empty", unit="GAJ")
    await record("GrantedDecisions/invalid_cursor", after="bm90IG91cnM")
    await record("LicenceCheck/happy", number=number, holderCheck="0000")
    await record("LicenceCheck/wrong", number=number, holderCheck="1234")


async def _looking_up(record: Recorder, number: str) -> None:
    case = await record.stage.accepted()
    asked = {"case": case, "holderIdNumber": HOLDER, "reason": "核对申请人是否已取得施工许可。"}
    await record("LicenceLookup/happy", HANDLER, **asked)
    await record("LicenceLookup/nothing", HANDLER, **asked, kind="安全生产许可证")
    await record("LicenceLookup/reason_missing", HANDLER, **{**asked, "reason": ""})
    await record("LicenceLookup/not_permitted", OTHER_HANDLER, **asked)
    page = await record("UnitLicences/happy", HEAD, first=1)
    await record("UnitLicences/last_page", HEAD, first=1, after=page["endCursor"])
    await record("UnitLicences/empty", HEAD, state="EXPIRED")
    await record("Licence/happy", HANDLER, number=number)
    await record("Licence/supervisor", SUPERVISOR, number=number)
    await record("Licence/not_visible", CLERK, number=number)


async def _changing(record: Recorder, number: str) -> None:
    change = {
        "licence": number,
        "revision": 1,
        "holderName": "衡江建设集团有限公司",
        "holderIdNumber": HOLDER,
        "holderPhone": "13800000009",
        "reason": "企业更名，见变更后的营业执照。",
    }
    await record("PrepareLicenceChange/not_permitted", HANDLER, change=change)
    await record(
        "PrepareLicenceChange/unchanged",
        HEAD,
        change={**change, "holderName": "衡江建设有限公司", "holderPhone": "13800000001"},
    )
    request = await record("PrepareLicenceChange/happy", HEAD, change=change)
    signed = (await record.stage.phone(HEAD)).signed(request)
    await record("ChangeLicence/happy", HEAD, idempotencyKey="1", change=change, signed=signed)
    await record("ChangeLicence/signature_used", HEAD, idempotencyKey="2", change=change, signed=signed)
    await record("PrepareLicenceChange/changed_meanwhile", HEAD, change=change)


async def _reviewing(record: Recorder, number: str) -> None:
    record.stage.clock.set(datetime(2027, 9, 10, 9, tzinfo=CHINA))
    review = {"licence": number, "passed": True, "opinion": "现场检查合格。"}
    await record("RecordAnnualReview/not_permitted", OTHER_HANDLER, idempotencyKey="1", **review)
    failed = {"licence": number, "passed": False, "opinion": "现场与许可内容不符，限期整改。"}
    await record("RecordAnnualReview/failed", HANDLER, idempotencyKey="2", **failed)
    await record("RecordAnnualReview/happy", HANDLER, idempotencyKey="3", **review)
    await record("Licence/reviewed", HANDLER, number=number)


async def _ending(record: Recorder, number: str) -> None:
    end = {"licence": number, "revision": 2, "ending": "REVOKE", "reason": "以欺骗手段取得行政许可，依法撤销。"}
    await record("PrepareLicenceEnd/not_permitted", HEAD, end=end)
    await record("PrepareLicenceEnd/reason_missing", LEADER, end={**end, "reason": " "})
    request = await record("PrepareLicenceEnd/happy", LEADER, end=end)
    signed = (await record.stage.phone(LEADER)).signed(request)
    other = {**end, "ending": "CANCEL"}
    await record("EndLicence/signed_something_else", LEADER, idempotencyKey="1", end=other, signed=signed)
    await record("EndLicence/happy", LEADER, idempotencyKey="2", end=end, signed=signed)
    await record("PrepareLicenceEnd/not_standing", LEADER, end={**end, "revision": 3, "ending": "WITHDRAW"})
    await record("Licence/revoked", LEADER, number=number)
    await record("LicenceCheck/revoked", number=number, holderCheck="0000")
    await record(
        "RecordAnnualReview/not_standing", HANDLER, idempotencyKey="4", licence=number, passed=True, opinion="合格"
    )
