"""Several units at one case, a leader who urges, an officer who is away, a package: told for the fixtures."""

from typing import Any

from tests.contracts.flutter_spec_story import Recorder, application
from tests.mobile_api.parallel import PACKAGE, PARALLEL, PARALLEL_STAGE, publish_package
from tests.mobile_api.stage import CHIEF, CLERK, HANDLER, HEAD, LEADER, OTHER_HANDLER


async def tell(record: Recorder) -> None:
    await publish_package(record.stage)
    case = await _several_units(record)
    await _urging(record, case)
    await _standing_in(record)
    await _a_package(record)


async def _several_units(record: Recorder) -> str:
    stage = record.stage
    case = await stage.accepted(item=PARALLEL, stage=PARALLEL_STAGE)
    await record("Todos/branch", OTHER_HANDLER)
    await stage.decide(HANDLER, case, "AGREE", "初审同意。")
    await stage.decide(HEAD, case, "AGREE", "审核同意。")
    grant = _decision(case, 4, "level:3", "GRANT")
    await record("PrepareDecision/branches_open", LEADER, decision=grant)
    await stage.decide(OTHER_HANDLER, case, "DISSENT", "主体资格存疑。")
    await record("Case/parallel", LEADER, number=case)
    await record("PrepareDecision/dissent_unanswered", LEADER, decision={**grant, "revision": 5})
    answered = {**grant, "revision": 5, "items": ["已补充核查，主体资格无误。"]}
    await record("PrepareDecision/dissent_answered", LEADER, decision=answered)
    further = {**_decision(case, 5, "level:3", "RETURN"), "opinion": "请重新勘查。", "returnTo": "level:1"}
    await record("PrepareDecision/return_further", LEADER, decision=further)
    await record("PrepareDecision/return_impossible", LEADER, decision={**further, "returnTo": "level:3"})
    return case


async def _urging(record: Recorder, case: str) -> None:
    await record("Urge/happy", CHIEF, idempotencyKey="1", case=case)
    await record("Urge/urged_recently", CHIEF, idempotencyKey="2", case=case)
    await record("Urge/not_permitted", HANDLER, idempotencyKey="3", case=case)
    await record("Todos/urged", LEADER)


async def _standing_in(record: Recorder) -> None:
    stage = record.stage
    case = await stage.accepted()
    await stage.decide(HANDLER, case, "AGREE", "初审同意。")
    await record("Colleagues/happy", HEAD)
    await record("Delegations/empty", HEAD)
    away = {"delegate": CHIEF, "firstDay": "2026-09-18", "lastDay": "2026-09-25", "reason": "赴省厅培训。"}
    await record("PrepareDelegation/unfit", HEAD, delegation={**away, "delegate": CLERK})
    await record("PrepareDelegation/empty", HEAD, delegation={**away, "lastDay": "2026-09-17"})
    await record("PrepareDelegation/not_permitted", HANDLER, delegation={**away, "principal": HEAD})
    phone = await stage.phone(HEAD)
    request = await stage.get("PrepareDelegation", phone.token, delegation=away)
    longer = {**away, "lastDay": "2026-10-09"}
    sent = {"idempotencyKey": "1", "signed": phone.signed(request)}
    await record("Delegate/signed_something_else", HEAD, delegation=longer, **sent)
    signed = phone.signed(await record("PrepareDelegation/happy", HEAD, delegation=away))
    made = await record("Delegate/happy", HEAD, idempotencyKey="2", delegation=away, signed=signed)
    await record("Delegate/signing_request_used", HEAD, idempotencyKey="3", delegation=away, signed=signed)
    await record("Delegations/happy", CHIEF)
    await record("Todos/delegated", CHIEF)
    await record("PrepareDecision/on_behalf", CHIEF, decision=_decision(case, 3, "level:2", "AGREE"))
    await stage.decide(CHIEF, case, "AGREE", "审核同意。")
    await record("Case/signed_on_behalf", HANDLER, number=case)
    identity = made["delegation"]["id"]
    await record("RevokeDelegation/happy", HEAD, idempotencyKey="1", delegation=identity)
    await record("RevokeDelegation/unknown", HEAD, idempotencyKey="2", delegation=identity)


async def _a_package(record: Recorder) -> None:
    asked = application(item=PACKAGE, stage="")
    filed = await record("FilePackage/happy", idempotencyKey="1", application=asked)
    await record("FilePackage/not_a_package", idempotencyKey="2", application=application(item=PARALLEL, stage=""))
    about = {"number": filed["package"]["number"], "password": filed["queryPassword"]}
    await record("Package/happy", **about)
    await record("Package/wrong_password", number=about["number"], password="000000")
    await record("Package/unknown", number="YTL2026999999", password="000000")


def _decision(case: str, revision: int, step: str, decision: str) -> dict[str, Any]:
    return {"case": case, "revision": revision, "step": step, "decision": decision, "opinion": "同意。"}
