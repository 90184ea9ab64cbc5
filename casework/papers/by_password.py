"""The documents of a case for whoever has its number and query password. Secret cases do not exist here."""

from casework.intake.query_passwords import objection
from casework.papers.acts import IssuedDocument, IssuedDocumentsView, OpenDocuments, ViewByPassword
from casework.papers.kinds import DocumentKind
from casework.refusals import UnknownCase
from casework.tables import Case, Document, ViewLog
from kernel.actor import Actor, ActorKind
from kernel.acts import Done
from kernel.permissions import permission
from kernel.refusals import NotFound, Refusal
from kernel.work import Work


def bearer(case: str) -> Actor:
    """Whoever follows a link that the query password of `case` opened."""
    return Actor(kind=ActorKind.APPLICANT, id=f"password of {case}")


@permission("whoever opened the case by its query password")
async def opened_by_password(work: Work, act: ViewByPassword) -> bool:
    return work.actor == bearer(act.case)


async def open_documents(work: Work, act: OpenDocuments) -> IssuedDocumentsView | Refusal:
    """Raises UNKNOWN_CASE; a wrong password is returned, so that its count is kept."""
    number = act.case.strip()
    case = await Case.get_or_none(number=number, secret=False)
    if case is None:
        raise UnknownCase(case=number)
    if (refusal := await objection(work, case.number, act.password)) is not None:
        return refusal
    documents = await Document.filter(case_id=case.id).order_by("id")
    return IssuedDocumentsView(
        case=case.number,
        documents=tuple(
            IssuedDocument(
                id=document.id,
                kind=DocumentKind(document.kind),
                number=document.number,
                title=document.title,
                issued_at=document.issued_at,
            )
            for document in documents
        ),
    )


async def view_by_password(work: Work, act: ViewByPassword) -> Done:
    case = await Case.get_or_none(number=act.case, secret=False)
    if case is None:
        raise NotFound(what="办件")
    viewer = f"{work.actor.kind}:password"
    await ViewLog.create(case_id=case.id, what=act.what, viewer=viewer, at=work.now)
    return Done()
