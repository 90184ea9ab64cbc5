"""办理覆盖面: units that work here, whose own system reports, that are exempted, and many that show nothing."""

from datetime import date

from kernel.actor import THE_OPERATOR
from supervision.coverage import RegisterExemption
from tests.contracts.flutter_spec_story import Recorder
from tests.ferry.exchange.systems import SendingSystem, deliver, register
from tests.mobile_api.stage import HANDLER, SUPERVISOR


async def tell(record: Recorder) -> None:
    stage = record.stage
    await stage.accepted()
    system = SendingSystem()
    await register(stage, system, unit="SJJ")
    await deliver(stage, system.package(system.case()))
    exempt = RegisterExemption(
        unit="GAJ", document="湘政办函〔2026〕18号", granted_on=date(2026, 9, 1), until=date(2027, 8, 31)
    )
    await stage.office.perform(exempt, THE_OPERATOR, key=None)
    await record("Coverage/happy", SUPERVISOR, silentAfter=5)
    await record("Coverage/one_unit", SUPERVISOR, unit="SJJ")
    await record("Coverage/invalid", SUPERVISOR, silentAfter=0)
    await record("Coverage/not_permitted", HANDLER)
    await record("RegionCases/happy", SUPERVISOR)
    await record("RegionCases/reported", SUPERVISOR, own=False, regionCode="4304")
    await record("RegionCases/invalid", SUPERVISOR, regionCode="x")
    await record("RegionCases/not_permitted", HANDLER)
    await record("ReportingSystems/happy", SUPERVISOR)
    await record("ReportingSystems/not_permitted", HANDLER)
