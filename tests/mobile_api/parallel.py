"""Items of the sample county that the flow's own tests and stories need: one for several units, one package."""

import msgspec

from casework.acts import PublishItem
from casework.catalogue.definitions import Branch, Handling, ItemDefinition, PackagePart
from casework.seed import items
from kernel.actor import THE_OPERATOR
from kernel.refusals import Refusal
from tests.mobile_api.stage import ITEM, Stage

#: Lead: the housing bureau; co-unit: the market bureau, whose handler is the stage's OTHER_HANDLER.
PARALLEL, PARALLEL_STAGE = "ZJ-XK-901", "ZJ-XK-901-01"
PACKAGE = "ZJ-FW-902"


async def publish_parallel(stage: Stage) -> None:
    model = _model()
    only = msgspec.structs.replace(
        model.stages[0],
        code=PARALLEL_STAGE,
        statutory_limit_days=45,
        committed_limit_days=20,
        handling=Handling.PARALLEL,
        return_anywhere=True,
        branches=(Branch(unit="SJJ", name="主体资格核查", limit_days=5),),
    )
    await _publish(stage, msgspec.structs.replace(model, code=PARALLEL, stages=(only,)))


async def publish_package(stage: Stage) -> None:
    """The sample's own item first, then the parallel one."""
    await publish_parallel(stage)
    model = _model()
    first = model.stages[0].code
    only = msgspec.structs.replace(model.stages[0], code=f"{PACKAGE}-01")
    parts = (
        PackagePart(item=ITEM, stage=first),
        PackagePart(item=PARALLEL, stage=PARALLEL_STAGE, after=(first,)),
    )
    await _publish(
        stage, msgspec.structs.replace(model, code=PACKAGE, name="开工建设一条龙", stages=(only,), package=parts)
    )


def _model() -> ItemDefinition:
    return next(item for item in items() if item.code == ITEM)


async def _publish(stage: Stage, definition: ItemDefinition) -> None:
    act = PublishItem(definition=msgspec.json.encode(definition))
    outcome = await stage.office.perform(act, THE_OPERATOR, key=f"publish {definition.code}")
    assert not isinstance(outcome, Refusal), outcome
