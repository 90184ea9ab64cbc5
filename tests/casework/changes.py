"""Changes of the catalogue as the officers of the small town make them: drafts, signatures, days that pass."""

from typing import Any

from casework.catalogue.acts import (
    ChangeDecision,
    ChangeKind,
    ChangeStep,
    ChangeView,
    DecideChange,
    PrepareChangeDecision,
    SaveChange,
)
from casework.catalogue.tables import ItemChange
from kernel.acts import SignedBytes, SigningRequest
from tests.casework.town import Town, item, person

SUBMIT, PRICE, REFORM, LEGAL = ChangeStep
#: Whose step it is, in the town.
SIGNERS = {SUBMIT: "CHIEF", PRICE: "PRICE", REFORM: "REFORM", LEGAL: "LEGAL"}
#: The town's clock stands on Friday 2026-09-18; 公示 ends five working days later, of which one is a make-up Sunday.
LAST_DAY, DAY_AFTER = "2026-09-24", "2026-09-25"


class Changes:
    def __init__(self, town: Town) -> None:
        self.town = town

    async def save(
        self, *definitions: bytes, kind: ChangeKind = ChangeKind.ADJUST, who: str = "HANDLER", **more: Any
    ) -> Any:
        fields = {"item": "ZJ-XK-001", "reason": "依据调整", **more}
        return await self.town.do(SaveChange(kind=kind, definitions=definitions, **fields), person(who))

    async def decide(
        self,
        change: str,
        step: ChangeStep,
        decision: ChangeDecision = ChangeDecision.AGREE,
        opinion: str = "同意。",
        *,
        who: str = "",
        revision: int = 0,
    ) -> Any:
        """Prepares, signs and submits, as a phone does."""
        actor = person(who or SIGNERS[step])
        row = await ItemChange.get_or_none(number=change)
        fields: dict[str, Any] = {
            "change": change,
            "revision": revision or (row.revision if row else 0),
            "step": step,
            "decision": decision,
            "opinion": opinion,
        }
        request = await self.town.do(PrepareChangeDecision(**fields), actor)
        if not isinstance(request, SigningRequest):
            return request
        return await self.town.do(DecideChange(**fields), actor, proof=SignedBytes(nonce=request.nonce, signature=b"s"))

    async def on_notice(self, *definitions: bytes, **more: Any) -> str:
        """The number of a change that was submitted just now."""
        saved = await self.save(*(definitions or (item(committed=10),)), **more)
        assert isinstance(saved, ChangeView), saved
        submitted = await self.decide(saved.number, SUBMIT)
        assert isinstance(submitted, ChangeView), submitted
        return saved.number

    async def confirmed(self, *definitions: bytes, **more: Any) -> Any:
        """All the way; the clock then stands on the day after the notice."""
        number = await self.on_notice(*definitions, **more)
        self.town.at(DAY_AFTER)
        outcome = None
        for step in (PRICE, REFORM, LEGAL):
            if (await ItemChange.get(number=number)).next_step == step:
                outcome = await self.decide(number, step)
        return outcome

    async def removed(self) -> Any:
        saved = await self.save(kind=ChangeKind.REMOVE)
        await self.decide(saved.number, SUBMIT)
        self.town.at(DAY_AFTER)
        await self.decide(saved.number, REFORM)
        return await self.decide(saved.number, LEGAL)
