"""电子送达: a case of an item that is handled online from end to end ends without anybody coming to the window.

Source: the three modes of handling (办理模式): only the third, 网上受理、核对、审批、发证, needs no window to issue.
An application that came in at a window is issued at that window, whatever the item's mode.
"""

from casework.acts import Channel, Status
from casework.catalogue.definitions import ServiceMode
from casework.catalogue.publishing import version_of
from casework.events import CaseDelivered
from casework.files import swap
from casework.papers.documents import issue
from casework.papers.kinds import DocumentKind
from casework.tables import Case, Document
from kernel.work import Work


async def is_electronic(case: Case) -> bool:
    """Whether the result reaches the applicant over the network and needs no step at the window."""
    if case.channel != Channel.ONLINE:
        return False
    _, definition = await version_of(case.item_code, case.item_version)
    return definition.mode is ServiceMode.ONLINE


async def deliver_electronically(work: Work, case: Case) -> None:
    """Closes the case with its receipt of delivery, at the instant it was completed."""
    how = "电子送达：决定文书可凭办件编号和查询密码在网上查看"
    receipt = await issue(work, case, DocumentKind.DELIVERY, lines=await receipt_lines(case, how=how, by="系统"))
    await swap(case, case.revision, status=Status.DELIVERED, closed_at=work.now)
    work.record(
        CaseDelivered(case=case.number, officer=work.actor.id, evidence=work.assured.evidence, document=receipt.number)
    )


async def receipt_lines(case: Case, *, how: str, by: str) -> tuple[tuple[str, str], ...]:
    """What the receipt says: which documents, to whom, how, by whom; its date is the day of delivery."""
    decisions = Document.filter(case_id=case.id, kind__in=(DocumentKind.GRANT, DocumentKind.REFUSAL)).order_by("id")
    delivered = [f"{title} {number}" for title, number in await decisions.values_list("title", "number")]
    return (
        ("送达文书", "\n".join(delivered)),
        ("受送达人", case.applicant_name),
        ("送达情况", how),
        ("送达人", by),
    )
