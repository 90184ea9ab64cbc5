"""How two zones begin: keys, each other's file and words, the county inside; and what must never be seen outside.

The canary stands in a secret item and a secret case, and in the phone of an officer whom nobody has reason to text.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from casework.acts import Channel, FileApplication, MaterialGiven
from casework.tables import ItemVersion
from kernel.tables import Officer
from server import ferry_desk
from server.desk import done, load_county
from server.ferry_desk import Why
from server.settings import read
from server.wiring import System, open_system
from tests.chaos.ferry_zones import Neighbour, Zone
from tests.chaos.world import Victims
from tests.mobile_api.stage import RA

#: No compression, masking or escaping makes these look otherwise.
CANARY, CANARY_PHONE = "KANARIE7Q4X", "19977553311"
SECRET_ITEM = "ZJ-XK-002"

_Name = Literal["outer", "inner"]


async def meet(made: Mapping[_Name, tuple[str, Path]], servers: Victims) -> None:
    """At a new installation of each: URL and folder."""
    introduced = {}
    zones = {
        own: Zone(own, await Neighbour.opened(url), folder, servers, random.Random(0), folder.parent / "meeting.box")
        for own, (url, folder) in made.items()
    }
    for own, zone in zones.items():
        await zone.database.close()
        zone.settle_in()
        async with open_system(read(zone.config.read_bytes(), {})) as system:
            keys = await ferry_desk.make_keys(system, own_ca=True)
            introduced[own] = keys
            if own == "inner":
                await load_county(system)
                await _plant(system)
    for zone in zones.values():
        async with open_system(read(zone.config.read_bytes(), {})) as system:
            other = introduced[zone.peer]
            await ferry_desk.pin_peer(system, zone.peer, other.file, words=other.words, why=Why(reason="chaos"))


async def _plant(system: System) -> None:
    """Filed as any other; that it is secret somebody found out before the zones began."""
    filing = FileApplication(
        item=SECRET_ITEM,
        stage=f"{SECRET_ITEM}-01",
        applicant_name=CANARY,
        applicant_id_number="91430400MA4L000000",
        applicant_phone="13500000000",
        channel=Channel.ONLINE,
        materials=(MaterialGiven(name="申请表"),),
    )
    await done(system, filing)
    await system.database.execute("UPDATE case_file SET secret = TRUE, item_name = $1", CANARY)
    for row in await ItemVersion.filter(item_code=SECRET_ITEM):
        definition = {**msgspec.json.decode(row.definition), "name": CANARY, "secret": True}
        await ItemVersion.filter(id=row.id).update(
            secret=True, name=CANARY, definition=msgspec.json.encode(definition).decode()
        )
    await Officer.filter(id=RA).update(phone=CANARY_PHONE)
