"""Statutory documents: numbers without gaps, what the decision signs, and wording that the legal office approved."""

import asyncio
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from casework.acts import Decide, Decision, PrepareDecision
from casework.papers.acts import DecideTemplate, DraftTemplate, EnterTemplates, PrepareTemplateDecision
from casework.papers.documents import Content, draft_sha256, issue
from casework.papers.kinds import FORMS, DocumentKind
from casework.papers.tables import DocumentTemplate
from casework.papers.wordings import BUILT_IN, canonical, check
from casework.tables import Case, Document, Step, Task
from kernel.actor import THE_CLOCK, THE_OPERATOR, Actor, ActorKind, Assurance, Role
from kernel.acts import Done, SignedBytes, SigningRequest
from kernel.notary import Assured
from kernel.refusals import NotFound
from kernel.tables import EventRow, NumberSeries
from kernel.work import Work
from tests.casework.town import person

#: 接件凭证, 补正告知书, 受理通知书, 不予受理通知书, 特殊程序告知书, 延期告知书, 准予/不予行政许可决定书, 送达回证
STATUTORY = (
    DocumentKind.RECEIPT,
    DocumentKind.SUPPLEMENT_NOTICE,
    DocumentKind.ACCEPTANCE,
    DocumentKind.NON_ACCEPTANCE,
    DocumentKind.SPECIAL_PROCEDURE,
    DocumentKind.EXTENSION,
    DocumentKind.GRANT,
    DocumentKind.REFUSAL,
    DocumentKind.DELIVERY,
)


def legal(id: str = "LEGAL") -> Actor:
    return Actor(
        kind=ActorKind.OFFICER,
        id=id,
        name="法制员",
        roles=frozenset({Role.LEGAL_OFFICE}),
        unit="HALL",
        assurance=Assurance.SESSION,
    )


@asynccontextmanager
async def working(town):
    """A unit of work of the clock's, committed at the end."""
    async with town.database.transaction():
        yield Work(town.desk, now=town.clock.now(), actor=THE_CLOCK, assured=Assured(level=Assurance.SYSTEM))


def test_every_kind_has_a_sound_wording_and_a_mark_of_its_own():
    assert set(BUILT_IN) == set(FORMS) == set(DocumentKind)
    for kind, wording in BUILT_IN.items():
        check(wording)
        assert wording.title == FORMS[kind].title
    assert len({form.mark for form in FORMS.values()}) == len(FORMS)


@pytest.mark.feature("INT-15")
async def test_the_eight_statutory_documents_are_versioned_numbered_without_gaps_and_sealed(town):
    await town.do(EnterTemplates())
    case = await Case.get(number=(await town.file()).number)
    for kind in STATUTORY:
        taken = await Document.filter(kind=kind, unit_code="HALL").count()
        async with working(town) as work:
            for _ in range(2):
                await issue(work, case, kind, lines=(("说明", "依法告知。"),), unit="HALL")
        numbered = await Document.filter(kind=kind, unit_code="HALL").order_by("id")
        expected = [f"衡政务{FORMS[kind].mark}〔2026〕{serial}号" for serial in range(1, taken + 3)]
        assert [document.number for document in numbered] == expected
        for document in numbered:
            content = msgspec.json.decode(document.content, type=Content)
            assert (content.number, content.issued_on) == (document.number, date(2026, 9, 18))
            assert await DocumentTemplate.exists(kind=kind, version=document.template_version, state="approved")
            town.notary.key.public_key().verify(
                document.seal_signature, document.content.encode(), ec.ECDSA(hashes.SHA256())
            )


async def test_numbers_have_no_gaps_whoever_is_refused_and_however_many_come_at_once(town, monkeypatch):
    seal = town.notary.seal

    async def seal_or_fail(work, unit, contents):
        if any("无印章".encode() in content for content in contents):
            raise NotFound(what="印章")
        return await seal(work, unit, contents)

    monkeypatch.setattr(town.notary, "seal", seal_or_fail)

    async def file(name: str) -> bool:
        try:
            await town.file(applicant_name=name)
        except AssertionError:
            return False
        return True

    filed = await asyncio.gather(*(file("无印章公司" if n % 3 == 0 else f"第{n}公司") for n in range(12)))
    assert filed.count(True) == 8
    numbers = {document.number for document in await Document.filter(kind="receipt")}
    assert numbers == {f"衡政务接〔2026〕{n}号" for n in range(1, 9)}


async def test_every_unit_kind_and_year_counts_for_itself(town):
    async def numbers(unit: str, kind: DocumentKind) -> str:
        async with working(town) as work:
            return (await issue(work, case, kind, lines=(), unit=unit)).number

    case = await Case.get(number=(await town.file()).number)
    assert await numbers("ZJ", DocumentKind.ACCEPTANCE) == "衡住建受〔2026〕1号"
    assert await numbers("ZJ", DocumentKind.GRANT) == "衡住建准〔2026〕1号"
    assert await numbers("HALL", DocumentKind.GRANT) == "衡政务准〔2026〕1号"
    assert await numbers("ZJ", DocumentKind.GRANT) == "衡住建准〔2026〕2号"
    town.at("2027-01-04")
    assert await numbers("ZJ", DocumentKind.GRANT) == "衡住建准〔2027〕1号"


# ------------------------------------------------------------------------------------------------- what is signed
@pytest.mark.parametrize(
    ("decision", "kind"),
    [
        (Decision.ACCEPT, "acceptance"),
        (Decision.ASK_SUPPLEMENT, "supplement_notice"),
        (Decision.REFUSE_ACCEPTANCE, "non_acceptance"),
    ],
)
async def test_whoever_decides_about_acceptance_signs_the_document_that_tells_it(town, decision, kind):
    filed = await town.file()
    items = ("施工图",) if decision is Decision.ASK_SUPPLEMENT else ()
    await town.decide("CLERK", filed.number, "accept", decision, "依法办理。", items=items)
    await _signed(town, "accept", await Document.get(kind=kind))


@pytest.mark.parametrize(("decision", "kind"), [(Decision.GRANT, "grant"), (Decision.REFUSE, "refusal")])
async def test_the_written_decision_is_exactly_what_the_last_level_signed(town, decision, kind):
    number = await town.accepted()
    await town.decide("HANDLER", number, "level:1", Decision.AGREE)
    await town.decide("HEAD", number, "level:2", Decision.AGREE)
    await town.decide("LEADER", number, "level:3", decision, "未取得用地批准手续。")
    document = await Document.get(kind=kind)
    await _signed(town, "level:3", document)
    said = msgspec.json.decode(document.content, type=Content).draft
    assert "未取得用地批准手续。" in str(said.lines)
    assert said.addressee == "衡江建设有限公司"
    assert ("行政诉讼" in str(said.lines)) is (decision is Decision.REFUSE)


async def test_the_receipt_of_delivery_is_signed_and_names_what_was_delivered(town):
    number = await town.granted()
    await town.decide("HANDLER", number, "complete", Decision.COMPLETE, "办结。")
    await town.decide("CLERK", number, "deliver", Decision.DELIVER, "当面领取。")
    receipt = await Document.get(kind="delivery")
    await _signed(town, "deliver", receipt)
    assert (await Document.get(kind="grant")).number in receipt.content


async def _signed(town, step: str, document: Document) -> None:
    evidence = (await Step.get(step=step)).signature
    signature = await town.notary.reread(None, evidence)
    drafts = [each.sha256 for each in signature.documents if each.name == f"拟发《{document.title}》"]
    assert drafts == [draft_sha256(document.content.encode())]


async def test_a_content_of_another_spelling_has_no_draft():
    assert draft_sha256(b"{}") is None
    assert draft_sha256(b"\xff") is None


async def test_preparing_a_decision_issues_nothing_and_moves_nothing(town):
    filed = await town.file()
    fields = {"case": filed.number, "revision": 1, "step": "accept", "decision": Decision.ACCEPT, "opinion": "同意"}
    before = [await model.all().count() for model in (Document, Step, EventRow, NumberSeries)]
    request = await town.do(PrepareDecision(**fields), person("CLERK"))
    assert isinstance(request, SigningRequest)
    assert [await model.all().count() for model in (Document, Step, EventRow, NumberSeries)] == before
    case = await Case.get(number=filed.number)
    assert (case.status, case.revision, (await Task.get(closed_at=None)).step) == ("received", 1, "accept")
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    assert (await town.do(Decide(**fields), person("CLERK"), proof=proof)).status == "in_approval"
    assert (await Document.get(kind="acceptance")).number == "衡住建受〔2026〕1号"


async def test_a_wording_that_changed_between_showing_and_signing_has_to_be_shown_again(town):
    filed = await town.file()
    fields = {"case": filed.number, "revision": 1, "step": "accept", "decision": Decision.ACCEPT, "opinion": "同意"}
    request = await town.do(PrepareDecision(**fields), person("CLERK"))
    await _approved(town, await _drafted(town))
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    refused = await town.do(Decide(**fields), person("CLERK"), proof=proof)
    assert refused.code == "SIGNED_SOMETHING_ELSE"
    assert not await Document.exists(kind="acceptance")


# ------------------------------------------------------------------------------------------------------- wordings
async def _drafted(town, opening: str = "{item}（{case}）已受理。") -> int:
    act = DraftTemplate(kind=DocumentKind.ACCEPTANCE, title="受理通知书", opening=(opening,))
    drafted = await town.do(act, person("REFORM"))
    return drafted.version


async def _decided(town, version: int, *, approve: bool = True, who: Actor | None = None, opinion: str = "符合规定。"):
    fields: dict[str, Any] = {
        "kind": DocumentKind.ACCEPTANCE,
        "version": version,
        "approve": approve,
        "opinion": opinion,
    }
    request = await town.do(PrepareTemplateDecision(**fields), who or legal())
    if not isinstance(request, SigningRequest):
        return request
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    return await town.do(DecideTemplate(**fields), who or legal(), proof=proof)


async def _approved(town, version: int) -> None:
    assert (await _decided(town, version)).state == "approved"


@pytest.mark.feature("FLOW-12")
async def test_a_version_is_used_once_the_legal_office_has_approved_it_and_not_before(town):
    await town.do(EnterTemplates(), THE_OPERATOR)
    version = await _drafted(town)
    await town.accepted()
    first = await Document.get(kind="acceptance")
    assert (version, first.template_version) == (2, 1)
    assert "第三十二条" in first.content
    await _approved(town, version)
    await town.accepted()
    second = await Document.get(kind="acceptance", template_version=2)
    assert "建筑工程施工许可证核发（202600000002）已受理。" in second.content
    row = await DocumentTemplate.get(version=2)
    assert (row.author, row.decided_by, bool(row.signature)) == ("REFORM", "LEGAL", True)
    events = await EventRow.filter(subject="template:acceptance").order_by("seq")
    assert [event.tag for event in events] == ["template.approved", "template.drafted", "template.approved"]


@pytest.mark.feature("FLOW-12")
async def test_only_the_legal_office_approves_with_its_signature_and_never_its_own(town):
    version = await _drafted(town)
    assert (await _decided(town, version, who=person("REFORM"))).code == "NOT_PERMITTED"
    unsigned = DecideTemplate(kind=DocumentKind.ACCEPTANCE, version=version, approve=True, opinion="同意")
    assert (await town.do(unsigned, legal())).code == "ASSURANCE_TOO_LOW"
    own = await town.do(DraftTemplate(kind=DocumentKind.ACCEPTANCE, title="受理通知书", opening=("受理。",)), legal())
    assert (await _decided(town, own.version)).code == "TEMPLATE_OWN"
    assert (await _decided(town, own.version, who=legal("LEGAL2"))).state == "approved"
    assert (await _decided(town, own.version, who=legal("LEGAL2"))).code == "TEMPLATE_DECIDED"
    assert (await _decided(town, 9)).code == "TEMPLATE_UNKNOWN"
    assert (await _decided(town, version, opinion=" ")).code == "OPINION_MISSING"


async def test_a_rejected_version_is_never_used(town):
    version = await _drafted(town)
    assert (await _decided(town, version, approve=False, opinion="引用条款有误。")).state == "rejected"
    await town.accepted()
    assert (await Document.get(kind="acceptance")).template_version == 1
    assert await EventRow.exists(tag="template.rejected")


async def test_what_was_shown_for_approval_cannot_be_answered_as_a_rejection(town):
    version = await _drafted(town)
    fields: dict[str, Any] = {"kind": DocumentKind.ACCEPTANCE, "version": version, "opinion": "同意"}
    request = await town.do(PrepareTemplateDecision(**fields, approve=True), legal())
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    refused = await town.do(DecideTemplate(**fields, approve=False), legal(), proof=proof)
    assert refused.code == "SIGNED_SOMETHING_ELSE"


@pytest.mark.parametrize("opening", ["", "{applicant.name}", "{password}", "{", "{{item}}", "行\n行", "长" * 1001])
async def test_a_wording_that_could_not_be_printed_is_refused(town, opening):
    act = DraftTemplate(kind=DocumentKind.ACCEPTANCE, title="受理通知书", opening=(opening,))
    assert (await town.do(act, person("REFORM"))).code == "TEMPLATE_MALFORMED"


async def test_setup_enters_version_one_of_every_kind_once(town):
    assert await town.do(EnterTemplates(), THE_OPERATOR) == Done(count=len(DocumentKind))
    assert await town.do(EnterTemplates(), THE_OPERATOR) == Done(count=0)
    assert set(await DocumentTemplate.all().values_list("version", "state")) == {(1, "approved")}


async def test_what_people_write_is_never_taken_for_a_field(town):
    await town.file(applicant_name="{case}公司")
    said = msgspec.json.decode((await Document.get(kind="receipt")).content, type=Content).draft
    assert "{case}公司" in said.opening[0]
    assert canonical(said) in (await Document.get(kind="receipt")).content.encode()
