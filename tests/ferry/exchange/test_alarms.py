"""Who hears by text that a system is silent, or holds something else than it sent."""

from datetime import date

import pytest

from supervision.events import ReportDrifted, ReportMissing
from tests.alerts.conftest import county  # noqa: F401  a fixture
from tests.alerts.county import County


@pytest.mark.feature("EXCH-05")
async def test_the_unit_and_supervision_hear_of_a_missing_day(county: County):  # noqa: F811
    await county.happened(ReportMissing(report="SJJ-YWXT", unit="SJJ", day=date(2026, 9, 18)))
    await county.tell()
    texts = await county.texts()
    assert len(texts) >= 2
    assert all("SJJ-YWXT“数据交换”未报送9月18日数据" in body for _, body in texts)


@pytest.mark.feature("EXCH-08")
async def test_the_unit_and_supervision_hear_of_a_difference(county: County):  # noqa: F811
    await county.happened(ReportDrifted(report="SJJ-YWXT", unit="SJJ", batch="B1", day=date(2026, 9, 18), places=3))
    await county.tell()
    assert all("对账不符3处" in body for _, body in await county.texts())
    assert await county.texts()
