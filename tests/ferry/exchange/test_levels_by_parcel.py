"""A county's reports cross to its city inside sealed parcels: the package up, its answer down."""

from ferry.epochs import EPOCH_RECORD
from ferry.exchange.codes import Table
from ferry.exchange.parcels import ParcelWay, level_records, take_arrived
from ferry.exchange.reports import Speaker
from ferry.exchange.rules import Sender
from ferry.exchange.tables import ExchangeCase
from ferry.exchange.upward import Reporter
from ferry.exchange.upward_tables import ExchangeReport
from ferry.orders import Routes
from ferry.records import Direction, Registry
from ferry.station import Route
from tests.ferry.conftest import pair
from tests.ferry.exchange.systems import SendingSystem, deliver, register
from tests.ferry.pair import Pair, Side
from tests.mobile_api.stage import Stage

__all__ = ["pair"]

COUNTY = Sender(source_system="HENGJIANG", org="ALL", region="430421")


def route(side: Side, sends: Direction, takes: Direction) -> Route:
    types = Registry([EPOCH_RECORD, *level_records(side.peer)])
    return Route(own=side.own, peer=side.peer, sends=sends, takes=takes, types=types)


async def test_a_countys_report_crosses_in_a_parcel_and_its_answer_comes_back(pair: Pair, authority, tmp_path):
    county, city = pair.outer, pair.inner
    county.changes["route"] = up = route(county, Direction.UPWARD, Direction.DOWNWARD)
    city.changes["route"] = route(city, Direction.DOWNWARD, Direction.UPWARD)
    await pair.start()
    above = SendingSystem(COUNTY)
    with city.here():
        there = Stage(city.database, pair.clock, authority, tmp_path / "city")
        await register(there, above)
    with county.here():
        here, market = Stage(county.database, pair.clock, authority, tmp_path / "county"), SendingSystem()
        await register(here, market)
        await deliver(here, market.package([*market.case(), market.row(Table.ACCEPT, case="A2")]))
        reporter = Reporter(
            county.database,
            pair.clock,
            ParcelWay(county.database, up, pair.clock),
            lambda: Speaker(key=above.key, chain=above.certificates),
        )
        while await reporter.turn():
            pass
        assert (await ExchangeReport.get()).state == "under_way"
    routes = Routes(zone=city.own, routes=(city.changes["route"],))
    for _ in range(60):
        await pair.step()
        with city.here():
            await take_arrived(city.database, there.office, routes, now=pair.clock.now())
        with county.here():
            if await ExchangeReport.exists(state="taken"):
                break
    with county.here():
        report = await ExchangeReport.get()
    assert (report.state, report.rows, report.rejected, report.drifts, report.package) == ("taken", 8, 0, 0, b"")
    with city.here():
        cases = {case.projid: case.state for case in await ExchangeCase.filter(source_system="HENGJIANG")}
        assert cases == {"SJJ-YWXT.A1": "finished"}  # the other waits for its application
        assert await city.database.rows("SELECT id FROM exchange_arrival") == []
