"""Papers that travel beside the electronic case: who has them, who gave them to whom, and who went on without them.

Source: 电子材料与纸质跟随: what cannot be digitised goes on paper in step with the online flow.
Only materials whose definition demands paper are followed; a paper copy of something digital is no paper here.
"""

from collections.abc import Iterable, Sequence

from casework.catalogue.definitions import NONE, MaterialForm, Stage
from casework.files import find
from casework.intake.acts import ConfirmPapers, HandOverPapers, WaivePapers
from casework.intake.events import PapersHandedOver, PapersReceived, PapersWaived
from casework.intake.refusals import NoPapersHere
from casework.intake.tables import PaperMove
from casework.tables import Case, Material
from kernel.acts import Done
from kernel.refusals import Invalid, NotFound
from kernel.rows import one
from kernel.tables import Unit
from kernel.work import Work

_LONGEST_REASON = 200


async def follow(work: Work, case: Case, stage: Stage, *, window: str, at_window: bool) -> None:
    """Begins the log of those of the case's materials that exist on paper only and are not followed yet.

    `at_window`: they were handed over there; otherwise they are on their way to it, in the applicant's hands.
    """
    demanded = () if stage.materials == NONE else stage.materials
    on_paper = [material.name for material in demanded if material.form is MaterialForm.PAPER]
    if not on_paper:
        return
    followed = set(await PaperMove.filter(case_id=case.id).values_list("material_id", flat=True))
    given = await Material.filter(case_id=case.id, name__in=on_paper, sha256="").order_by("id")
    fresh = [material for material in given if material.id not in followed]
    if not fresh:
        return
    await PaperMove.bulk_create(
        [
            PaperMove(
                case_id=case.id,
                material_id=material.id,
                to_unit=window,
                handed_at=work.now,
                received_by=work.actor.id if at_window else "",
                received_at=work.now if at_window else None,
            )
            for material in fresh
        ]
    )
    names = tuple(material.name for material in fresh)
    work.record(PapersHandedOver(case=case.number, materials=names, from_unit="", to_unit=window))
    if at_window:
        work.record(PapersReceived(case=case.number, materials=names, unit=window, officer=work.actor.id))


async def missing_at(case: Case, unit: str) -> list[str]:
    """The papers of the case that `unit` has neither received nor waived, by name."""
    if await one(PaperMove, case_id=case.id) is None:
        return []  # as of nearly every case, and asked at every signature
    return await _names(_absent(await PaperMove.filter(case_id=case.id).order_by("id"), unit))


async def hand_over(work: Work, act: HandOverPapers) -> Done:
    """交接: the papers leave the actor's unit. Raises NO_PAPERS_HERE, NOT_FOUND for a unit that is not there."""
    case, here = await find(act.case), work.actor.unit or ""
    if act.to_unit == here or not await Unit.exists(code=act.to_unit):
        raise NotFound(what=f"可交接的单位{act.to_unit}")
    places = _places(await PaperMove.filter(case_id=case.id).order_by("id"))
    leaving = [material for material, move in places.items() if move.to_unit == here and move.received_at is not None]
    if not leaving:
        raise NoPapersHere()
    await PaperMove.bulk_create(
        [
            PaperMove(
                case_id=case.id,
                material_id=material,
                from_unit=here,
                to_unit=act.to_unit,
                handed_by=work.actor.id,
                handed_at=work.now,
            )
            for material in leaving
        ]
    )
    names = tuple(await _names(leaving))
    work.record(PapersHandedOver(case=case.number, materials=names, from_unit=here, to_unit=act.to_unit))
    return Done(count=len(leaving))


async def confirm(work: Work, act: ConfirmPapers) -> Done:
    """签收: what was on its way to the actor's unit is there. Raises NO_PAPERS_HERE."""
    case, here = await find(act.case), work.actor.unit or ""
    places = _places(await PaperMove.filter(case_id=case.id).order_by("id"))
    coming = [move for move in places.values() if move.to_unit == here and move.received_at is None]
    if not coming:
        raise NoPapersHere()
    waiting = PaperMove.filter(id__in=[move.id for move in coming], received_at=None)
    if not await waiting.update(received_by=work.actor.id, received_at=work.now):
        raise NoPapersHere()  # a colleague was first
    names = tuple(await _names([move.material_id for move in coming]))
    work.record(PapersReceived(case=case.number, materials=names, unit=here, officer=work.actor.id))
    return Done(count=len(coming))


async def waive(work: Work, act: WaivePapers) -> Done:
    """免收: the actor's unit goes on without them, for a reason that stays. Raises INVALID, NO_PAPERS_HERE.

    The papers stay where they are; should they come after all, they are received as usual.
    """
    case, here, reason = await find(act.case), work.actor.unit or "", act.reason.strip()
    if not reason or len(reason) > _LONGEST_REASON:
        raise Invalid(field="免收理由", why=f"请写明理由（不超过{_LONGEST_REASON}字）")
    absent = _absent(await PaperMove.filter(case_id=case.id).order_by("id"), here)
    if not absent:
        raise NoPapersHere()
    await PaperMove.bulk_create(
        [
            PaperMove(
                case_id=case.id,
                material_id=material,
                to_unit=here,
                handed_at=work.now,
                received_by=work.actor.id,
                waived_reason=reason,
            )
            for material in absent
        ]
    )
    names = tuple(await _names(absent))
    work.record(PapersWaived(case=case.number, materials=names, unit=here, officer=work.actor.id, reason=reason))
    return Done(count=len(absent))


def _places(moves: Iterable[PaperMove]) -> dict[int, PaperMove]:
    """The last hand-over of each paper, by material; a waiver moves nothing."""
    return {move.material_id: move for move in moves if not move.waived_reason}


def _absent(moves: Sequence[PaperMove], unit: str) -> list[int]:
    waived = {move.material_id for move in moves if move.waived_reason and move.to_unit == unit}
    return [
        material
        for material, move in _places(moves).items()
        if material not in waived and (move.to_unit != unit or move.received_at is None)
    ]


async def _names(materials: Sequence[int]) -> list[str]:
    return [str(name) for name in await Material.filter(id__in=materials).order_by("id").values_list("name", flat=True)]
