"""The small town with an item whose grant makes a licence, and stages that change, renew, review and cancel it."""

import json
from typing import Any

from casework.acts import CaseView, Channel, Decision, FileApplication, FiledView, MaterialGiven
from casework.licences.tables import Licence
from kernel.actor import ANYBODY
from kernel.refusals import Refusal
from tests.casework.town import Town, item

KIND = "建筑工程施工许可证"
HOLDER_ID = "91430400MA4L000000"
#: The stages after the first, by what they do.
STAGES = {"change": "02", "renewal": "03", "annual_review": "04", "cancel": "05"}


class Registry:
    def __init__(self, town: Town) -> None:
        self.town = town

    async def publish(
        self, code: str = "ZJ-XK-001", *, results_public: bool = False, reuses: str = "", **terms: Any
    ) -> None:
        """The item with its licence, three years unless said otherwise; `reuses` a kind instead of one material."""
        definition = json.loads(item(code))
        (first,) = definition["stages"]
        if reuses:
            first["materials"].append({"name": "许可证复印件", "basis": "《建筑法》第八条", "licence": reuses})
        first["levels"] = [{"role": "deputy_leader"}]
        for kind, number in STAGES.items():
            definition["stages"].append({**first, "code": f"{code}-{number}", "name": kind, "kind": kind})
        definition["licence"] = {"name": KIND, "valid_months": 36, **terms}
        definition["results_public"] = results_public
        published = await self.town.publish(json.dumps(definition, ensure_ascii=False).encode())
        assert not isinstance(published, Refusal), published

    async def filing(self, *, stage: str = "ZJ-XK-001-01", **changes: Any) -> Any:
        """An application; `stage` is the stage's code, or what it does."""
        given = {
            "item": "ZJ-XK-001",
            "stage": f"ZJ-XK-001-{STAGES[stage]}" if stage in STAGES else stage,
            "applicant_name": "衡江建设有限公司",
            "applicant_id_number": HOLDER_ID,
            "applicant_phone": "13800000001",
            "channel": Channel.ONLINE,
            "materials": (MaterialGiven(name="申请表"),),
            **changes,
        }
        return await self.town.do(FileApplication(**given), ANYBODY)

    async def accepted(self, **changes: Any) -> str:
        """The number of a case that waits for its decision."""
        filed = await self.filing(**changes)
        assert isinstance(filed, FiledView), filed
        await self.town.decide("CLERK", filed.number, "accept", Decision.ACCEPT, "材料齐全，予以受理。")
        return filed.number

    async def grant(self, number: str) -> Any:
        return await self.town.decide("LEADER", number, "level:1", Decision.GRANT, "准予许可。")

    async def granted(self, **changes: Any) -> str:
        """The number of a granted case."""
        outcome = await self.grant(await self.accepted(**changes))
        assert isinstance(outcome, CaseView), outcome
        return outcome.number

    async def number_of(self, case: str) -> str:
        return str((await Licence.get(case_number=case)).number)

    async def tags(self) -> list[str]:
        """What happened to licences, in order."""
        rows = await self.town.database.rows("SELECT tag FROM event WHERE subject LIKE 'licence:%' ORDER BY id")
        return [str(row["tag"]) for row in rows]
