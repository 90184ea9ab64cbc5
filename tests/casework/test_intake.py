"""Receipt and acceptance (Administrative Licensing Law, art. 32)."""

from datetime import date
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from casework.acts import Channel, Decision, DeemAccepted, FileApplication, MaterialGiven, ReceiveSupplement, Withdraw
from casework.events import CaseAccepted, CaseFiled
from casework.tables import Case, Document, Material, Task
from kernel.actor import ANYBODY
from kernel.acts import Done
from kernel.refusals import Refusal
from kernel.tables import EventRow
from tests.casework.town import person


async def events(number: str, tag: str) -> list[dict]:
    import json

    return [json.loads(row.body) for row in await EventRow.filter(subject=f"case:{number}", tag=tag).order_by("seq")]


@pytest.mark.feature("INT-01")
async def test_online_and_window_filings_make_the_same_kind_of_case(town):
    online, window = await town.file(), await town.file(channel=Channel.WINDOW)
    for filed, channel in ((online, "online"), (window, "window")):
        case = await Case.get(number=filed.number)
        task = await Task.get(case_id=case.id)
        assert (case.channel, case.status, task.step) == (channel, "received", "accept")


@pytest.mark.feature("INT-02")
async def test_late_entry_is_recorded_and_costs_the_applicant_no_day(town):
    filed = await town.file(channel=Channel.WINDOW, received_on=date(2026, 9, 16))
    assert (await events(filed.number, "case.filed"))[0]["late_entry"] is True
    await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT)
    assert (await Case.get(number=filed.number)).accepted_on == date(2026, 9, 16)
    same_day = await town.file(channel=Channel.WINDOW)
    assert (await events(same_day.number, "case.filed"))[0]["late_entry"] is False


async def test_only_the_window_may_date_a_receipt_and_never_into_the_future(town):
    fields: dict[str, Any] = {
        "item": "ZJ-XK-001",
        "stage": "ZJ-XK-001-01",
        "applicant_name": "甲",
        "applicant_id_number": "1",
        "applicant_phone": "13800000001",
    }
    online = FileApplication(**fields, channel=Channel.ONLINE, received_on=date(2026, 9, 1))
    assert (await town.do(online, ANYBODY)).code == "NOT_PERMITTED"
    ahead = FileApplication(**fields, channel=Channel.WINDOW, received_on=date(2026, 9, 19))
    assert (await town.do(ahead, person("CLERK"))).code == "RECEIVED_IN_FUTURE"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("applicant_name", " "),
        ("applicant_id_number", ""),
        ("applicant_phone", "12345"),
        ("applicant_phone", "１３８００００００００1"),
        ("materials", (MaterialGiven(name=""),)),
    ],
)
async def test_an_incomplete_applicant_is_refused_by_field(town, field, value):
    with pytest.raises(AssertionError, match="INVALID"):
        await town.file(**{field: value})
    assert not await Case.exists()


@pytest.mark.feature("INT-03")
async def test_every_filing_has_a_numbered_dated_sealed_receipt_with_the_query_password(town):
    first, second = await town.file(), await town.file()
    document = await Document.get(number=first.receipt)
    assert document.title == "接件凭证"
    assert (first.receipt, second.receipt) == ("衡政务接〔2026〕1号", "衡政务接〔2026〕2号")
    for expected in (first.number, town.password_of(first), "申请表", "2026-09-18"):
        assert expected in document.content
    key = town.notary.key.public_key()
    key.verify(bytes(document.seal_signature or b""), document.content.encode(), ec.ECDSA(hashes.SHA256()))
    assert await Document.filter(kind="receipt").count() == await Case.all().count()


async def test_the_query_password_stands_on_the_receipt_and_nowhere_else(town):
    filed = await town.file()
    tables = ("performed_act", "event", "outbox", "case_file", "material", "task", "query_attempt")
    rows = [row for table in tables for row in await town.database.rows(f"SELECT * FROM {table}")]
    assert not any(town.password_of(filed) in str(value) for row in rows for value in row.values())
    assert town.password_of(filed) in (await Document.get(number=filed.receipt)).content


@pytest.mark.feature("INT-04")
async def test_corrections_are_asked_for_once_and_all_together(town):
    filed = await town.file()
    empty = await town.decide("CLERK", filed.number, "accept", Decision.ASK_SUPPLEMENT, "缺材料")
    assert empty.code == "SUPPLEMENT_EMPTY"
    asked = await town.decide(
        "CLERK", filed.number, "accept", Decision.ASK_SUPPLEMENT, "缺材料", items=("用地批准书", "中标通知书")
    )
    assert asked.status == "awaiting_supplement"
    notice = await Document.get(kind="supplement_notice")
    assert r"1. 用地批准书\n2. 中标通知书" in notice.content
    again = await town.decide("CLERK", filed.number, "supplement", Decision.ASK_SUPPLEMENT, "还缺", items=("施工图",))
    assert again.code == "ILLEGAL_STEP"


@pytest.mark.feature("INT-05")
async def test_silence_for_five_working_days_is_acceptance_as_of_receipt(town):
    filed = await town.file()
    town.at("2026-09-24 23:59")
    assert await town.do(DeemAccepted()) == Done(count=0)
    town.at("2026-09-25 00:00")
    assert await town.do(DeemAccepted()) == Done(count=1)
    case = await Case.get(number=filed.number)
    assert (case.status, case.deemed_accepted) == ("in_approval", True)
    assert (case.accepted_on, case.committed_due) == (date(2026, 9, 18), date(2026, 10, 22))
    accepted = (await events(filed.number, "case.accepted"))[0]
    assert accepted["deemed"] is True
    assert "视为受理" in (await Document.get(kind="acceptance")).content
    assert await town.do(DeemAccepted()) == Done(count=0)
    assert CaseFiled.about == CaseAccepted.about == "case"


async def test_an_officer_who_speaks_after_the_fifth_day_is_too_late(town):
    filed = await town.file()
    town.at("2026-09-25 08:00")
    refused = await town.decide("CLERK", filed.number, "accept", Decision.ASK_SUPPLEMENT, "缺", items=("图纸",))
    assert refused.code == "TOLD_TOO_LATE"


@pytest.mark.feature("INT-06")
@pytest.mark.parametrize(
    ("decision", "title"),
    [(Decision.ACCEPT, "受理通知书"), (Decision.REFUSE_ACCEPTANCE, "不予受理通知书")],
)
async def test_acceptance_and_refusal_leave_a_numbered_dated_sealed_document(town, decision, title):
    filed = await town.file()
    await town.decide("CLERK", filed.number, "accept", decision, "依法办理，理由充分。")
    document = await Document.get(title=title)
    assert document.number.endswith("〔2026〕1号")
    assert "2026-09-18" in document.content
    key = town.notary.key.public_key()
    key.verify(bytes(document.seal_signature or b""), document.content.encode(), ec.ECDSA(hashes.SHA256()))


async def test_a_refusal_to_accept_needs_its_reasons_and_tells_the_remedy(town):
    filed = await town.file()
    bare = await town.decide("CLERK", filed.number, "accept", Decision.REFUSE_ACCEPTANCE, " ")
    assert bare.code == "REASON_MISSING"
    await town.decide("CLERK", filed.number, "accept", Decision.REFUSE_ACCEPTANCE, "不符合规划条件。")
    document = await Document.get(kind="non_acceptance")
    assert "不符合规划条件。" in document.content
    assert "行政复议" in document.content
    assert (await Case.get(number=filed.number)).closed_at is not None


@pytest.mark.feature("INT-09")
async def test_the_day_the_last_correction_arrives_is_the_day_of_acceptance(town):
    filed = await town.file()
    town.at("2026-09-24")
    await town.decide("CLERK", filed.number, "accept", Decision.ASK_SUPPLEMENT, "缺", items=("用地批准书",))
    early = await town.decide("CLERK", filed.number, "supplement", Decision.ACCEPT)
    assert early.code == "SUPPLEMENT_OUTSTANDING"
    town.at("2026-10-09")
    revision = (await Case.get(number=filed.number)).revision
    given = (MaterialGiven(name="用地批准书"),)
    await town.do(
        ReceiveSupplement(case=filed.number, revision=revision, materials=given, complete=True), person("CLERK")
    )
    town.at("2026-10-12")
    await town.decide("CLERK", filed.number, "supplement", Decision.ACCEPT)
    case = await Case.get(number=filed.number)
    assert (case.accepted_on, case.committed_due) == (date(2026, 10, 9), date(2026, 11, 5))
    assert await Material.filter(case_id=case.id).count() == 2


@pytest.mark.feature("INT-05")
@pytest.mark.parametrize("decision", [Decision.ACCEPT, Decision.ASK_SUPPLEMENT, Decision.REFUSE_ACCEPTANCE])
async def test_what_the_law_accepted_by_silence_no_clerk_can_decide_otherwise(town, decision):
    filed = await town.file()
    town.at("2026-09-25 00:00")
    late = await town.decide("CLERK", filed.number, "accept", decision, "理由充分。", items=("图纸",))
    assert late.code == "TOLD_TOO_LATE"
    await town.do(DeemAccepted())
    assert (await Case.get(number=filed.number)).accepted_on == date(2026, 9, 18)


async def test_corrections_are_complete_once_so_that_silence_cannot_be_put_off(town):
    filed = await town.file()
    await town.decide("CLERK", filed.number, "accept", Decision.ASK_SUPPLEMENT, "缺", items=("用地批准书",))

    async def receive() -> Any:
        revision = (await Case.get(number=filed.number)).revision
        act = ReceiveSupplement(case=filed.number, revision=revision, materials=(), complete=True)
        return await town.do(act, person("CLERK"))

    town.at("2026-09-21")
    assert (await receive()).status == "awaiting_supplement"
    task = await Task.get(closed_at=None)
    assert task.sort_at == (await Case.get(number=filed.number)).deemed_at
    town.at("2026-09-28")
    assert (await receive()).code == "NOT_AWAITING_SUPPLEMENT"
    town.at("2026-09-30")
    assert await town.do(DeemAccepted()) == Done(count=1)
    assert (await Case.get(number=filed.number)).accepted_on == date(2026, 9, 21)


async def test_one_broken_case_does_not_keep_the_law_from_the_others(town):
    broken, sound = await town.file(), await town.file()
    await Case.filter(number=broken.number).update(unit_code="GONE")
    town.at("2026-09-25 00:00")
    assert await town.do(DeemAccepted()) == Done(count=1)
    assert (await Case.get(number=sound.number)).status == "in_approval"
    assert (await Case.get(number=broken.number)).status == "received"
    assert not await EventRow.filter(subject=f"case:{broken.number}", tag="case.accepted").exists()


async def test_waiting_for_the_applicants_corrections_accepts_nothing_by_silence(town):
    filed = await town.file()
    await town.decide("CLERK", filed.number, "accept", Decision.ASK_SUPPLEMENT, "缺", items=("用地批准书",))
    town.at("2026-11-20")
    assert await town.do(DeemAccepted()) == Done(count=0)


async def test_the_applicant_withdraws_with_the_query_password_and_every_clock_ends(town):
    filed = await town.file()
    await town.decide("CLERK", filed.number, "accept", Decision.ACCEPT)
    wrong = await town.do(Withdraw(case=filed.number, password="000000x"), ANYBODY)
    assert wrong.code == "QUERY_PASSWORD_WRONG"
    await town.do(Withdraw(case=filed.number, password=town.password_of(filed)), ANYBODY)
    assert (await Case.get(number=filed.number)).status == "withdrawn"
    assert not await Task.filter(next_light_at__isnull=False).exists()
    again = await town.do(Withdraw(case=filed.number, password=town.password_of(filed)), ANYBODY)
    assert again.code == "INVALID"


@pytest.mark.parametrize(
    "hidden", ["衡江\u202e公司", "衡江\n决定：不予许可", "衡江\x1b公司", "衡江\u200b公司", "\u2028"]
)
async def test_nobody_files_what_no_officer_could_be_shown_for_signing(town, hidden):
    """Hidden in a name, it would leave a case that nobody can decide."""
    fields: dict[str, Any] = {
        "item": "ZJ-XK-001",
        "stage": "ZJ-XK-001-01",
        "applicant_name": "张\u3000三",
        "applicant_id_number": "91430400MA4L000000",
        "applicant_phone": "13800000001",
        "channel": Channel.ONLINE,
    }
    assert not isinstance(await town.do(FileApplication(**fields), ANYBODY), Refusal)
    for field in ("applicant_name", "applicant_id_number"):
        assert (await town.do(FileApplication(**{**fields, field: hidden}), ANYBODY)).code == "INVALID"
    material = MaterialGiven(name=hidden, sha256="a" * 64)
    assert (await town.do(FileApplication(**fields, materials=(material,)), ANYBODY)).code == "INVALID"
