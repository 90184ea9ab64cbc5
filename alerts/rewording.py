"""A text is worded otherwise: somebody proposes words, the legal office approves them over a signature, never its own.

Source: the formats of what the office says are reviewed by the legal office (文书格式由法制办审核); texts are such.
The approver signs the words together with a sample of how they will read. An approved version is in force at once for
new texts; those that were made before keep theirs (alerts/wordings.py). What words must have: alerts/wording_checks.py.
Limits: whether a carrier has the words registered is what the proposal says.
"""

import hashlib
import re
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from alerts.events import TextTemplateApproved, TextTemplateProposed, TextTemplateRejected
from alerts.samples import sample_of
from alerts.tables import TextTemplate
from alerts.templates import BY_ID
from alerts.wording_checks import TextTemplateMalformed, checked, parts_at_most
from alerts.wordings import PROGRAM
from casework.papers.tables import TemplateState
from casework.refusals import OpinionMissing, SignedSomethingElse
from kernel.acts import Act, DocumentDigest, SigningRequest, Statement, View
from kernel.refusals import Refusal
from kernel.work import Work


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """Under which number (报备编号, a MAS's templateId) `carrier`, as the settings call it, has exactly these words."""

    carrier: str
    number: str


class TextTemplateView(View, frozen=True, tag="text_template"):
    """`parts` at the greatest length; `sample` without the signature."""

    template: str
    version: int
    state: TemplateState
    parts: int
    sample: str


class ProposeTextTemplate(Act[TextTemplateView], frozen=True, tag="text_template.propose"):
    """`body` without the signature; places as in the version in force, such as {no}."""

    template: str
    body: str
    reason: str
    registrations: tuple[Registration, ...] = ()


class PrepareTextTemplateDecision(Act[SigningRequest], frozen=True, tag="text_template.prepare"):
    """Asks for the exact bytes to sign for the same decision."""

    template: str
    version: int
    approve: bool
    opinion: str


class DecideTextTemplate(Act[TextTemplateView], frozen=True, tag="text_template.decide"):
    """The legal office approves a version, of which texts are made from then on, or rejects it."""

    template: str
    version: int
    approve: bool
    opinion: str


class TextTemplateUnknown(Refusal):
    code = "TEXT_TEMPLATE_UNKNOWN"
    zh = "没有该短信模板或该版本。"
    en = "There is no such template of a text, or no such version: {template}."


class TextTemplateDecided(Refusal):
    code = "TEXT_TEMPLATE_DECIDED"
    zh = "该版短信模板已经审查，或已有更新的版本启用。"
    en = "This version has been decided, or a newer one is in force."


class TextTemplateOwn(Refusal):
    code = "TEXT_TEMPLATE_OWN"
    zh = "提出人不得审查自己提出的短信模板。"
    en = "Who proposed the words does not decide on them."


async def propose_text_template(work: Work, act: ProposeTextTemplate) -> TextTemplateView:
    """Raises TEXT_TEMPLATE_UNKNOWN, TEXT_TEMPLATE_MALFORMED."""
    own = BY_ID.get(act.template)
    if own is None:
        raise TextTemplateUnknown(template=act.template)
    proposed = checked(own, act.body)
    _check_particulars(act.reason, act.registrations)
    newest = await TextTemplate.filter(template=own.id).order_by("-version").first()
    row = await TextTemplate.create(
        template=own.id,
        version=max(newest.version if newest else 0, own.version) + 1,
        body=proposed.body,
        registrations=msgspec.json.encode({each.carrier: each.number for each in act.registrations}).decode(),
        reason=act.reason.strip(),
        state=TemplateState.DRAFT,
        author=work.actor.id,
        proposed_at=work.now,
    )
    digest = _sha256(row.body)
    work.record(
        TextTemplateProposed(text_template=own.id, version=row.version, body_sha256=digest, author=work.actor.id)
    )
    return _view(row)


async def prepare_text_template_decision(work: Work, act: PrepareTextTemplateDecision) -> SigningRequest:
    return await work.notary.prepare(work, _statement(await _open(work, act), act))


async def decide_text_template(work: Work, act: DecideTextTemplate) -> TextTemplateView:
    """Raises TEXT_TEMPLATE_UNKNOWN, TEXT_TEMPLATE_DECIDED, TEXT_TEMPLATE_OWN, OPINION_MISSING, SIGNED_SOMETHING_ELSE.

    TEXT_TEMPLATE_MALFORMED for words that a later program has no use for.
    """
    row = await _open(work, act)
    if work.assured.statement != _statement(row, act):
        raise SignedSomethingElse(case=f"{act.template}/{act.version}")
    state = TemplateState.APPROVED if act.approve else TemplateState.REJECTED
    # By compare-and-swap: of two who decide at once one is first.
    decided = await TextTemplate.filter(id=row.id, state=TemplateState.DRAFT).update(
        state=state,
        decided_by=work.actor.id,
        decided_at=work.now,
        opinion=act.opinion,
        signature=work.assured.evidence or "",
    )
    if decided != 1:
        raise TextTemplateDecided()
    work.record(_decided(work, row, approved=act.approve))
    return replace(_view(row), state=state)


# ------------------------------------------------------------------------------------------------------------ below

_CARRIER = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")
_NUMBER = re.compile(r"[!-~]{1,64}")
_LONGEST_REASON, _MOST_CARRIERS = 200, 20


def _check_particulars(reason: str, registrations: Sequence[Registration]) -> None:
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        raise TextTemplateMalformed(why=f"修改理由须为1至{_LONGEST_REASON}字")
    carriers = {each.carrier for each in registrations}
    if len(carriers) < len(registrations) or len(carriers) > _MOST_CARRIERS:
        raise TextTemplateMalformed(why="同一通道只能有一个报备编号")
    if not all(_CARRIER.fullmatch(each.carrier) and _NUMBER.fullmatch(each.number) for each in registrations):
        raise TextTemplateMalformed(why="通道名称或报备编号有误")


async def _open(work: Work, act: PrepareTextTemplateDecision | DecideTextTemplate) -> TextTemplate:
    row = await TextTemplate.get_or_none(template=act.template, version=act.version)
    if row is None or row.template not in BY_ID:
        raise TextTemplateUnknown(template=act.template)
    later = TextTemplate.filter(template=row.template, version__gt=row.version, state=TemplateState.APPROVED)
    if row.state is not TemplateState.DRAFT or (act.approve and await later.exclude(author=PROGRAM).exists()):
        raise TextTemplateDecided()
    if row.author == work.actor.id:
        raise TextTemplateOwn()
    if not act.opinion.strip():
        raise OpinionMissing()
    if act.approve:
        checked(BY_ID[row.template], row.body)  # the program may have changed since
    return row


def _statement(row: TextTemplate, act: PrepareTextTemplateDecision | DecideTextTemplate) -> Statement:
    """The words and their sample are shown: what is approved is what was read."""
    own = BY_ID[row.template]
    view = _view(row)
    registered = msgspec.json.decode(row.registrations, type=dict[str, str])
    return Statement(
        kind="text_template.decision",
        subject=f"text_template:{row.template}",
        revision=row.version,
        title=f"短信模板审查·{own.title}",
        lines=(
            ("模板", f"{own.title}（{row.template}，第{row.version}版）"),
            ("内容", row.body),
            ("示例", view.sample),
            ("最多条数", str(view.parts)),
            ("报备编号", "；".join(f"{carrier} {number}" for carrier, number in sorted(registered.items())) or "无"),
            ("修改理由", row.reason),
            ("结论", "同意使用" if act.approve else "不同意使用"),
            ("意见", act.opinion),
        ),
        facts={"approve": "yes" if act.approve else "no", "opinion": act.opinion},
        documents=(DocumentDigest(name=f"短信模板{row.template}第{row.version}版", sha256=_sha256(row.body)),),
    )


def _decided(work: Work, row: TextTemplate, *, approved: bool) -> TextTemplateApproved | TextTemplateRejected:
    officer, evidence = work.actor.id, work.assured.evidence
    if not approved:
        return TextTemplateRejected(text_template=row.template, version=row.version, officer=officer, evidence=evidence)
    return TextTemplateApproved(
        text_template=row.template,
        version=row.version,
        body_sha256=_sha256(row.body),
        officer=officer,
        evidence=evidence,
    )


def _sha256(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _view(row: TextTemplate) -> TextTemplateView:
    worded = replace(BY_ID[row.template], body=row.body, version=row.version)
    return TextTemplateView(
        template=row.template,
        version=row.version,
        state=row.state,
        parts=parts_at_most(worded),
        sample=sample_of(worded),
    )
