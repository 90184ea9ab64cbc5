"""重点监察 and irregularities of intake: found by themselves, listed, counted."""

from datetime import date

import pytest

from casework.acts import Channel, Decision
from casework.clock.calendars import builtin_calendar
from casework.clock.working_days import Calendar
from casework.intake.acts import ChargeUnlisted
from casework.rules import CaseworkRules
from hall.rules import HallRules
from kernel.chance import Secrets
from kernel.clock import FakeClock
from kernel.db import Database
from kernel.events import EventCodec
from kernel.office import Office
from kernel.outbox import Courier, Outbox
from kernel.work import Desk
from server.acts import RULES
from server.wiring import EVENTS
from supervision.findings import FindingKind, consumer
from supervision.queries import finding_tallies, findings
from supervision.tables import Finding
from tests.casework.town import Town, person
from tests.fakes.notary import FakeNotary


class Watched(Town):
    """The small town, with supervision listening."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock, self.notary = database, clock, FakeNotary()
        self.secrets = Secrets(b"k" * 32)
        provisions = {Calendar: builtin_calendar(), CaseworkRules: CaseworkRules(), HallRules: HallRules()}
        self.desk = Desk(
            database=database, clock=clock, notary=self.notary, secrets=self.secrets, provisions=provisions
        )
        codec, consumers = EventCodec(EVENTS), (consumer(),)
        outbox = Outbox(database, codec, consumers)
        self.office = Office(self.desk, outbox=outbox, rules=RULES)
        self.courier = Courier(self.desk, outbox=outbox, codec=codec, consumers=consumers)
        self._keys = 0

    async def hears(self) -> None:
        while await self.courier.deliver():
            pass


@pytest.fixture
async def watched(database: Database, clock: FakeClock) -> Watched:
    town = Watched(database, clock)
    await town.settle()
    await town.publish()
    return town


async def announced(town: Watched) -> list[str]:
    rows = await town.database.rows("SELECT body FROM event WHERE tag = 'supervision.finding' ORDER BY id")
    return [str(row["body"]) for row in rows]


@pytest.mark.feature("INT-07")
async def test_a_refusal_to_accept_has_reason_and_remedy_and_goes_to_the_key_list(watched: Watched) -> None:
    filed = await watched.file()
    bare = await watched.decide("CLERK", filed.number, "accept", Decision.REFUSE_ACCEPTANCE, "  ")
    assert getattr(bare, "code", None) == "REASON_MISSING"
    await watched.decide("CLERK", filed.number, "accept", Decision.REFUSE_ACCEPTANCE, "不符合规划条件。")
    (document,) = await watched.database.rows("SELECT content FROM document WHERE kind = 'non_acceptance'")
    assert "不符合规划条件。" in str(document["content"])
    assert "行政复议" in str(document["content"])
    await watched.hears()
    (row,) = await findings(watched.database, kind=FindingKind.NOT_ACCEPTED)
    assert (row["case_number"], row["unit_code"]) == (filed.number, "ZJ")
    assert await announced(watched) == []  # lawful, and watched all the same


async def test_every_way_not_to_accept_is_on_the_list(watched: Watched) -> None:
    for decision in (Decision.NOT_NEEDED, Decision.NOT_OURS, Decision.REFUSE_ACCEPTANCE):
        filed = await watched.file()
        await watched.decide("CLERK", filed.number, "accept", decision, "依法说明理由。", items=("城管局",))
    await watched.hears()
    assert len(await findings(watched.database, kind=FindingKind.NOT_ACCEPTED)) == 3


async def test_corrections_and_refusals_to_grant_are_on_their_lists(watched: Watched) -> None:
    asked = await watched.file()
    await watched.decide("CLERK", asked.number, "accept", Decision.ASK_SUPPLEMENT, "缺", items=("图纸",))
    refused = await watched.accepted()
    await watched.decide("HANDLER", refused, "level:1", Decision.AGREE)
    await watched.decide("HEAD", refused, "level:2", Decision.AGREE)
    await watched.decide("LEADER", refused, "level:3", Decision.REFUSE, "不符合安全条件。")
    await watched.hears()
    kinds = {str(row["kind"]): row["case_number"] for row in await findings(watched.database)}
    assert kinds == {"supplement": asked.number, "not_granted": refused}
    tallies = await finding_tallies(watched.database, since=watched.clock.now())
    assert [(each.kind, each.unit, each.findings) for each in tallies] == [
        ("not_granted", "ZJ", 1),
        ("supplement", "ZJ", 1),
    ]


@pytest.mark.feature("CAT-17")
async def test_a_charge_outside_the_list_raises_an_abnormal_warning(watched: Watched) -> None:
    case = await watched.accepted()
    charged = ChargeUnlisted(case=case, name="资料费", amount_cents=5000, reason="误收。")
    await watched.do(charged, person("CLERK"))
    await watched.hears()
    (row,) = await findings(watched.database, kind=FindingKind.UNLISTED_FEE)
    assert (row["case_number"], row["unit_code"]) == (case, "HALL")
    assert len(await announced(watched)) == 1


@pytest.mark.feature("INT-02")
async def test_an_entry_on_a_later_day_is_an_irregularity(watched: Watched) -> None:
    await watched.file(channel=Channel.WINDOW, received_on=date(2026, 9, 17))
    await watched.file(channel=Channel.WINDOW)
    await watched.hears()
    assert await Finding.filter(kind=FindingKind.LATE_ENTRY).count() == 1


async def test_pages_follow_each_other_without_gaps(watched: Watched) -> None:
    for _ in range(3):
        filed = await watched.file()
        await watched.decide("CLERK", filed.number, "accept", Decision.NOT_NEEDED, "不需要。")
    await watched.hears()
    first = await findings(watched.database, unit="ZJ", first=2)
    rest = await findings(watched.database, unit="ZJ", first=2, before=int(str(first[-1]["id"])))
    assert len({str(row["id"]) for row in (*first, *rest)}) == 3
    assert await findings(watched.database, unit="XF") == []
