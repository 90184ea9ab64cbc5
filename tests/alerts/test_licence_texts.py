"""What holders of licences are told: that one ends soon, and that an authority ended one."""

import pytest

from casework.licences.acts import EndLicence, LicenceEnding, PrepareLicenceEnd, TendLicences
from casework.licences.tables import Licence
from kernel.acts import SignedBytes
from tests.alerts.county import APPLICANT, County
from tests.casework.licensed import Registry
from tests.casework.town import person


@pytest.fixture
async def registry(county: County) -> Registry:
    registry = Registry(county)
    await registry.publish()
    return registry


@pytest.mark.feature("CERT-03")
async def test_the_holder_is_reminded_by_text_before_the_end_and_a_lapsed_licence_is_flagged(registry, county):
    number = await registry.number_of(await registry.granted())
    county.at("2029-08-17")
    await county.do(TendLicences())
    await county.tell()
    assert await county.texts("T24") == []
    county.at("2029-08-18")
    await county.do(TendLicences())
    await county.do(TendLicences())
    await county.tell()
    [(phone, body)] = await county.texts("T24")
    assert phone == APPLICANT
    assert f"“建筑工程施工许可证”（{number}）有效期至9月17日" in body
    county.at("2029-09-17 23:59")
    await county.do(TendLicences())
    assert (await Licence.get(number=number)).state == "valid"
    county.at("2029-09-18 00:00")
    await county.do(TendLicences())
    assert (await Licence.get(number=number)).state == "expired"


async def test_whoever_took_over_a_licence_is_reminded_and_not_who_had_it(registry, county):
    number = await registry.number_of(await registry.granted())
    await registry.granted(stage="change", licence_number=number, applicant_phone="13800000077")
    county.at("2029-08-18")
    await county.do(TendLicences())
    await county.tell()
    assert [phone for phone, _ in await county.texts("T24")] == ["13800000077"]


async def test_the_holder_hears_of_a_revocation_and_of_the_remedies_but_not_of_what_they_asked_for(registry, county):
    number = await registry.number_of(await registry.granted())
    fields = {"licence": number, "revision": 1, "ending": LicenceEnding.REVOKE, "reason": "以欺骗手段取得。"}
    request = await county.do(PrepareLicenceEnd(**fields), person("LEADER"))
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    await county.do(EndLicence(**fields), person("LEADER"), proof=proof)
    await county.tell()
    [(phone, body)] = await county.texts("T25")
    assert phone == APPLICANT
    assert "已依法撤销" in body
    assert "行政复议" in body
    other = await registry.number_of(await registry.granted())
    await registry.granted(stage="cancel", licence_number=other)
    await county.tell()
    assert len(await county.texts("T25")) == 1
