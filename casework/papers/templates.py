"""Versions of the documents' wording: drafted, approved by the legal office over a signature, in use.

Source: the formats of the documents of the approval process are reviewed by the legal office (文书格式由法制办审核).
The newest approved version of a kind is the one in use; nobody approves what they drafted. Version 1 is the
program's own, entered as approved when an installation is set up.
"""

import msgspec

from casework.papers.acts import DecideTemplate, DraftTemplate, EnterTemplates, PrepareTemplateDecision, TemplateView
from casework.papers.events import TemplateApproved, TemplateDrafted, TemplateRejected
from casework.papers.kinds import FORMS, DocumentKind
from casework.papers.refusals import TemplateDecided, TemplateOwn, TemplateUnknown
from casework.papers.tables import DocumentTemplate, TemplateState
from casework.papers.wordings import BUILT_IN, Wording, check
from casework.refusals import OpinionMissing, SignedSomethingElse
from kernel.acts import DocumentDigest, Done, SigningRequest, Statement
from kernel.db import Database, Row, instant
from kernel.work import Work

#: Who entered version 1.
SETUP = "system"


async def in_use(database: Database, kind: DocumentKind) -> tuple[int, Wording]:
    """The version that documents of `kind` are issued in."""
    found = await database.rows(
        "SELECT version, wording FROM document_template WHERE kind = $1 AND state = $2 ORDER BY version DESC LIMIT 1",
        kind.value,
        TemplateState.APPROVED.value,
    )
    if not found:
        return 1, BUILT_IN[kind]
    return int(str(found[0]["version"])), msgspec.json.decode(str(found[0]["wording"]), type=Wording)


async def enter_templates(work: Work, act: EnterTemplates) -> Done:
    """Version 1 of each kind, so that the register names every wording that documents were issued in."""
    known = {str(kind) for kind in await DocumentTemplate.all().distinct().values_list("kind", flat=True)}
    missing = [kind for kind in DocumentKind if kind.value not in known]
    await DocumentTemplate.bulk_create(
        [
            DocumentTemplate(
                kind=kind,
                version=1,
                wording=msgspec.json.encode(BUILT_IN[kind]).decode(),
                state=TemplateState.APPROVED,
                author=SETUP,
                drafted_at=work.now,
                decided_by=SETUP,
                decided_at=work.now,
            )
            for kind in missing
        ]
    )
    for kind in missing:
        digest = BUILT_IN[kind].sha256
        work.record(TemplateApproved(template=kind, version=1, wording_sha256=digest, officer=SETUP, evidence=None))
    return Done(count=len(missing))


async def draft_template(work: Work, act: DraftTemplate) -> TemplateView:
    """Raises TEMPLATE_MALFORMED."""
    wording = Wording(title=act.title, opening=act.opening, closing=act.closing)
    check(wording)
    newest = await DocumentTemplate.filter(kind=act.kind).order_by("-version").first()
    row = await DocumentTemplate.create(
        kind=act.kind,
        version=(newest.version if newest else 1) + 1,
        wording=msgspec.json.encode(wording).decode(),
        state=TemplateState.DRAFT,
        author=work.actor.id,
        drafted_at=work.now,
    )
    work.record(
        TemplateDrafted(template=act.kind, version=row.version, wording_sha256=wording.sha256, author=work.actor.id)
    )
    return _view(row)


async def prepare_template_decision(work: Work, act: PrepareTemplateDecision) -> SigningRequest:
    return await work.notary.prepare(work, _statement(await _open(work, act), act))


async def decide_template(work: Work, act: DecideTemplate) -> TemplateView:
    """Raises TEMPLATE_UNKNOWN, TEMPLATE_DECIDED, TEMPLATE_OWN, OPINION_MISSING, SIGNED_SOMETHING_ELSE."""
    row = await _open(work, act)
    if work.assured.statement != _statement(row, act):
        raise SignedSomethingElse(case=f"{act.kind}/{act.version}")
    state = TemplateState.APPROVED if act.approve else TemplateState.REJECTED
    # By compare-and-swap: of two who decide at once one is first.
    decided = await DocumentTemplate.filter(id=row.id, state=TemplateState.DRAFT).update(
        state=state,
        decided_by=work.actor.id,
        decided_at=work.now,
        opinion=act.opinion,
        signature=work.assured.evidence or "",
    )
    if decided != 1:
        raise TemplateDecided(kind=act.kind, version=act.version)
    work.record(_decided(work, act, _wording(row)))
    return TemplateView(kind=act.kind, version=act.version, state=state)


async def templates(database: Database, kind: DocumentKind | None = None) -> list[Row]:
    """Every version, of one kind or of all, newest first."""
    where, values = ("WHERE t.kind = $1", [kind.value]) if kind else ("", [])
    found = await database.rows(
        "SELECT t.kind, t.version, t.state, t.wording, t.author, t.drafted_at, t.decided_by, t.decided_at, t.opinion,"
        f" t.signature FROM document_template t {where} ORDER BY t.kind, t.version DESC",
        *values,
    )
    return [
        {
            **row,
            **msgspec.to_builtins(msgspec.json.decode(str(row["wording"]), type=Wording)),
            "name": FORMS[DocumentKind(str(row["kind"]))].title,
            "drafted_at": instant(row["drafted_at"]),
            "decided_at": instant(row["decided_at"]),
            "decided_by": row["decided_by"] or None,
            "evidence": row["signature"] or None,
        }
        for row in found
    ]


async def _open(work: Work, act: PrepareTemplateDecision | DecideTemplate) -> DocumentTemplate:
    row = await DocumentTemplate.get_or_none(kind=act.kind, version=act.version)
    if row is None:
        raise TemplateUnknown(kind=act.kind, version=act.version)
    if row.state is not TemplateState.DRAFT:
        raise TemplateDecided(kind=act.kind, version=act.version)
    if row.author == work.actor.id:
        raise TemplateOwn(kind=act.kind, version=act.version)
    if not act.opinion.strip():
        raise OpinionMissing()
    return row


def _statement(row: DocumentTemplate, act: PrepareTemplateDecision | DecideTemplate) -> Statement:
    """The whole wording is shown: what is approved is what was read."""
    wording, name = _wording(row), FORMS[act.kind].title
    return Statement(
        kind="template.decision",
        subject=f"template:{act.kind}",
        revision=act.version,
        title=f"文书格式审查·{name}",
        lines=(
            ("文书", f"{name}（第{act.version}版）"),
            ("标题", wording.title),
            ("开头", "\n".join(wording.opening)),
            ("结尾", "\n".join(wording.closing) or "无"),
            ("结论", "同意使用" if act.approve else "不同意使用"),
            ("意见", act.opinion),
        ),
        facts={"approve": "yes" if act.approve else "no", "opinion": act.opinion},
        documents=(DocumentDigest(name=f"{name}格式第{act.version}版", sha256=wording.sha256),),
    )


def _decided(work: Work, act: DecideTemplate, wording: Wording) -> TemplateApproved | TemplateRejected:
    evidence = work.assured.evidence
    if not act.approve:
        return TemplateRejected(template=act.kind, version=act.version, officer=work.actor.id, evidence=evidence)
    return TemplateApproved(
        template=act.kind,
        version=act.version,
        wording_sha256=wording.sha256,
        officer=work.actor.id,
        evidence=evidence,
    )


def _wording(row: DocumentTemplate) -> Wording:
    return msgspec.json.decode(row.wording, type=Wording)


def _view(row: DocumentTemplate) -> TemplateView:
    return TemplateView(kind=DocumentKind(row.kind), version=row.version, state=row.state)
