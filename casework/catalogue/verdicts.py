"""Whether a change is what was signed and sealed (签字盖章报审), found by verifying everything again.

Every signature of the present round must still verify over its own octets and name the digest of the proposal as it is
kept; the unit's seal must verify over the same octets; what is in force must be what was proposed, word for word. One
altered element shows.
"""

from casework.catalogue.acts import ChangeState, ChangeStep, ChangeVerdict, CheckChange, SignatureSeen
from casework.catalogue.change_control import STEP_NAMES
from casework.catalogue.proposals import digest_of, find_change, proposal_of
from casework.catalogue.tables import ChangeSignature, ItemChange
from casework.tables import ItemVersion
from kernel.notary import Seal
from kernel.refusals import Refusal
from kernel.work import Work


async def check_change(work: Work, act: CheckChange) -> ChangeVerdict:
    """Raises UNKNOWN_CHANGE; everything that is wrong with a change is in the verdict."""
    change = await find_change(act.change)
    rows = await ChangeSignature.filter(change_number=change.number, round=change.round).order_by("id")
    faults = [] if rows else ["尚未报审，没有签名和印章"]
    for row in rows:
        faults += await _signature_faults(work, change, row)
    if rows:
        faults += await _seal_faults(work, change)
    if change.state == ChangeState.EFFECTIVE:
        faults += await _faults_in_force(change)
    return ChangeVerdict(
        number=change.number,
        faults=tuple(faults),
        signatures=tuple(
            SignatureSeen(
                step=ChangeStep(row.step),
                officer=row.officer,
                officer_name=row.officer_name,
                signed_at=row.at,
                evidence=row.evidence,
            )
            for row in rows
        ),
        seal_serial=change.seal_serial,
    )


async def _signature_faults(work: Work, change: ItemChange, row: ChangeSignature) -> list[str]:
    label = f"{STEP_NAMES[ChangeStep(row.step)]}（{row.officer_name}）"
    try:
        kept = await work.notary.reread(work, row.evidence)
    except Refusal as refusal:
        return [f"{label}签名无效：{refusal.text}"]
    signed = (kept.subject, kept.officer, kept.facts["step"], kept.facts["decision"], kept.facts["opinion"])
    if signed != (change.number, row.officer, row.step, row.decision, row.opinion):
        return [f"{label}签名与登记的环节不一致"]
    if digest_of(change.document) not in {document.sha256 for document in kept.documents}:
        return [f"{label}所签内容与现存内容不一致"]
    return []


async def _seal_faults(work: Work, change: ItemChange) -> list[str]:
    seal = Seal(unit=change.unit_code, serial=change.seal_serial, signature=bytes(change.seal_signature or b""))
    try:
        await work.notary.check_seal(work, seal, change.document.encode())
    except Refusal as refusal:
        return [f"单位印章与现存内容不一致：{refusal.text}"]
    return []


async def _faults_in_force(change: ItemChange) -> list[str]:
    proposal = proposal_of(change)
    in_force = await ItemVersion.filter(change_number=change.number).values_list("definition", flat=True)
    if sorted(map(str, in_force)) != sorted(proposal.definitions):
        return ["生效的事项定义与签字盖章的定义不一致"]
    return []
