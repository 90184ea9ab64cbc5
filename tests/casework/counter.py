"""The counter of the small town: definitions with other stages, more windows, and what clerks do beside decisions."""

import json
from typing import Any

from casework import files
from casework.acts import CaseView, MaterialGiven
from casework.intake.acts import (
    ConfirmPapers,
    CorrectOnSpot,
    HandOverPapers,
    PreReviewOutcome,
    RecordOriginals,
    ReviewMaterials,
    WaivePapers,
)
from kernel.actor import Actor, ActorKind, Assurance, Role
from kernel.acts import Done
from kernel.refusals import Refusal
from kernel.tables import EventRow, Officer, Unit
from tests.casework.town import Town, item, person

#: Beside the hall: three branches, fifteen centres of towns and streets, and a section that is no window.
BRANCHES = {"FT1": "国税分厅", "FT2": "地税分厅", "FT3": "车管所分厅"}
CENTRES = {f"XZ{n:02d}": f"第{n}乡镇便民服务中心" for n in range(1, 11)} | {
    f"JD{n}": f"第{n}街道便民服务中心" for n in range(1, 6)
}


def definition(*, stage: dict[str, Any] | None = None, **changes: Any) -> bytes:
    """The town's item with other top-level fields, and its only stage with other fields."""
    made: dict[str, Any] = json.loads(item())
    made |= changes
    made["stages"][0] |= stage or {}
    return json.dumps(made, ensure_ascii=False).encode()


def material(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "basis": "《建筑工程施工许可管理办法》第四条", **more}


class Counter:
    def __init__(self, town: Town) -> None:
        self.town = town

    async def open_windows(self) -> None:
        """A clerk `W-<unit>` at each branch and centre, and at the section KS, which is no window."""
        kinds = {code: "branch" for code in BRANCHES} | {code: "centre" for code in CENTRES} | {"KS": "section"}
        for n, (code, kind) in enumerate(kinds.items()):
            name = {**BRANCHES, **CENTRES, "KS": "建筑业管理科"}[code]
            await Unit.create(code=code, name=name, short_name=name[:10], kind=kind)
            await Officer.create(
                id=f"W-{code}", name=name[:6], unit_code=code, phone=f"1370000{n:04d}", roles=[Role.WINDOW_CLERK]
            )

    def clerk_of(self, unit: str) -> Actor:
        return Actor(
            kind=ActorKind.OFFICER,
            id=f"W-{unit}",
            roles=frozenset({Role.WINDOW_CLERK}),
            unit=unit,
            assurance=Assurance.SESSION,
        )

    async def publish(self, *, stage: dict[str, Any] | None = None, **changes: Any) -> None:
        published = await self.town.publish(definition(stage=stage, **changes))
        assert not isinstance(published, Refusal), published

    async def review(
        self, case: str, outcome: PreReviewOutcome, opinion: str = "材料齐全。", who: str = "HANDLER"
    ) -> CaseView | Refusal:
        act = ReviewMaterials(case=case, revision=await revision(case), outcome=outcome, opinion=opinion)
        return await self.town.do(act, person(who))

    async def see_originals(
        self, case: str, *, matches: bool = True, note: str = "", who: str = "CLERK"
    ) -> CaseView | Refusal:
        act = RecordOriginals(case=case, revision=await revision(case), matches=matches, note=note)
        return await self.town.do(act, person(who))

    async def correct(self, case: str, *corrected: str, who: str = "CLERK", **entries: Any) -> CaseView | Refusal:
        act = CorrectOnSpot(case=case, revision=await revision(case), corrected=corrected, **entries)
        return await self.town.do(act, person(who))

    async def hand_over(self, case: str, to_unit: str, who: str = "CLERK") -> Done | Refusal:
        return await self.town.do(HandOverPapers(case=case, to_unit=to_unit), person(who))

    async def confirm(self, case: str, who: str) -> Done | Refusal:
        return await self.town.do(ConfirmPapers(case=case), person(who))

    async def waive(self, case: str, reason: str, who: str) -> Done | Refusal:
        return await self.town.do(WaivePapers(case=case, reason=reason), person(who))


async def revision(case: str) -> int:
    return int((await files.find(case)).revision)


async def events(case: str, tag: str) -> list[dict[str, Any]]:
    rows = await EventRow.filter(subject=f"case:{case}", tag=tag).order_by("seq")
    return [json.loads(row.body) for row in rows]


def code_of(outcome: object) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def paper(name: str) -> MaterialGiven:
    return MaterialGiven(name=name)
