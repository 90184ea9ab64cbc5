"""The catalogue from other sides: a flowchart, 百件实事, windows, and the reports of the reform office."""

import msgspec

from casework.acts import PublishItem
from casework.seed import items
from kernel.actor import THE_OPERATOR
from tests.contracts.flutter_spec_story import Recorder
from tests.mobile_api.stage import HANDLER, ITEM, STAGE

REFORM = "OFF-0081"
#: Beside what every office of the contract has: one of a branch hall, one that two deeds' items share.
PUBLISHED = ("GA-XK-003", "ZR-SP-001")


async def tell(record: Recorder) -> None:
    for item in items():
        if item.code in PUBLISHED:
            await record.stage.office.perform(
                PublishItem(definition=msgspec.json.encode(item)), THE_OPERATOR, key=f"publish {item.code}"
            )
    await record("Flowchart/happy", item=ITEM, stage=STAGE)
    await record("Flowchart/unknown", item=ITEM, stage="ZJ-XK-001-99")
    page = await record("Deeds/happy", first=1)
    await record("Deeds/last_page", first=1, after=page["endCursor"])
    await record("Windows/happy")
    page = await record("OfferedAt/happy", window="FT-BDC", first=1)
    await record("OfferedAt/next_page", window="FT-BDC", first=50, after=page["endCursor"])
    await record("OfferedAt/no_window", window="ZJJ")
    await record("CatalogueReport/compression", REFORM, kind="COMPRESSION")
    await record("CatalogueReport/grades", REFORM, kind="GRADES")
    await record("CatalogueReport/not_permitted", HANDLER, kind="STATISTICS")
