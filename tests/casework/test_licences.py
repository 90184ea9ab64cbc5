"""A grant with a certificate enters the library: numbered, sealed, kept up to date; whoever reads leaves a trace."""

import hashlib
import json
from datetime import date

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from casework.acts import Decision
from casework.licences.acts import (
    CheckLicence,
    LicenceStanding,
    LicenceState,
    LicencesView,
    LookUpLicences,
    ViewLicence,
)
from casework.licences.library import satisfied_by
from casework.licences.tables import Licence, LicenceChange, LicenceRead
from casework.tables import Case, Document
from kernel.actor import ANYBODY, THE_CLOCK
from kernel.notary import Assured
from kernel.tables import Officer, Unit
from kernel.work import Work
from tests.casework.licensed import HOLDER_ID, KIND, Registry
from tests.casework.town import Town, item, person


async def read_for_intake(town: Town, *, kind: str = KIND, holder: str = HOLDER_ID) -> Licence | None:
    """What the intake asks when an application comes in."""
    async with town.database.transaction():
        work = Work(town.desk, now=town.clock.now(), actor=THE_CLOCK, assured=Assured(level=THE_CLOCK.assurance))
        return await satisfied_by(work, holder_id_number=holder, licence_kind=kind, case_number="N-1")


@pytest.mark.feature("CERT-01")
async def test_a_grant_with_a_certificate_writes_a_sealed_entry(registry: Registry):
    town = registry.town
    case = await registry.granted()
    licence = await Licence.get(case_number=case)
    assert licence.number == "ZJ-XK-001-2026-00001"
    assert (licence.kind, licence.state, licence.unit_code) == (KIND, LicenceState.VALID, "ZJ")
    assert (licence.valid_from, licence.valid_until) == (date(2026, 9, 18), date(2029, 9, 17))
    said = json.loads(licence.content)
    assert said["holder"] == licence.holder_name == "衡江建设有限公司"
    assert (said["number"], said["state_name"], said["valid_until"]) == (licence.number, "有效", "2029-09-17")
    assert licence.sha256 == hashlib.sha256(licence.content.encode()).hexdigest()
    key = town.notary.key.public_key()
    key.verify(licence.seal_signature, licence.content.encode(), ec.ECDSA(hashes.SHA256()))
    assert await registry.tags() == ["licence.issued"]


async def test_numbers_have_no_gaps_per_item_and_year(registry: Registry):
    first, second = await registry.granted(), await registry.granted()
    registry.town.at("2027-01-05")
    third = await registry.granted()
    assert [await registry.number_of(case) for case in (first, second, third)] == [
        "ZJ-XK-001-2026-00001",
        "ZJ-XK-001-2026-00002",
        "ZJ-XK-001-2027-00001",
    ]


async def test_a_refusal_and_an_item_without_a_certificate_write_nothing(registry: Registry):
    town = registry.town
    number = await town.accepted()
    await town.decide("LEADER", number, "level:1", Decision.REFUSE, "不符合条件。")
    await town.publish(item(levels=1))  # the next version has no licence
    await registry.granted()
    assert await Licence.all().count() == 0


async def test_a_licence_without_a_term_has_no_end(registry: Registry):
    await registry.publish(valid_months=None)
    licence = await Licence.get(case_number=await registry.granted())
    assert (licence.valid_until, licence.lapses_on, licence.remind_on) == (None, None, None)


# ------------------------------------------------------------------------------------- stages that touch a licence
async def test_a_granted_change_names_the_new_holder_and_keeps_what_was_said_before(registry: Registry):
    licence = await registry.number_of(await registry.granted())
    case = await registry.granted(stage="change", licence_number=licence, applicant_name="衡江建设集团有限公司")
    now = await Licence.get(number=licence)
    assert (now.holder_name, now.revision) == ("衡江建设集团有限公司", 2)
    history = await LicenceChange.filter(licence_id=now.id).order_by("revision")
    assert [(line.change, line.case_number) for line in history] == [("issued", now.case_number), ("changed", case)]
    assert json.loads(history[0].content)["holder"] == "衡江建设有限公司"
    assert history[1].content == now.content
    assert history[1].evidence.startswith("EV")


async def test_a_granted_renewal_adds_a_term_to_the_old_end(registry: Registry):
    licence = await registry.number_of(await registry.granted())
    registry.town.at("2029-08-01")
    await registry.granted(stage="renewal", licence_number=licence)
    now = await Licence.get(number=licence)
    assert (now.valid_until, now.state, now.valid_from) == (date(2032, 9, 17), "valid", date(2026, 9, 18))
    assert await registry.tags() == ["licence.issued", "licence.renewed"]


async def test_a_granted_cancellation_ends_it_and_what_was_asked_of_it_meanwhile_is_not_granted(registry: Registry):
    licence = await registry.number_of(await registry.granted())
    renewal = await registry.accepted(stage="renewal", licence_number=licence)
    await registry.granted(stage="cancel", licence_number=licence)
    now = await Licence.get(number=licence)
    assert (now.state, now.lapses_on) == ("cancelled", None)
    assert (await registry.grant(renewal)).code == "LICENCE_NOT_STANDING"
    assert (await registry.filing(stage="renewal", licence_number=licence)).code == "LICENCE_NOT_STANDING"
    assert (await Licence.get(number=licence)).revision == 2


async def test_somebody_elses_licence_is_not_renewed(registry: Registry):
    licence = await registry.number_of(await registry.granted())
    renewal = await registry.accepted(stage="renewal", licence_number=licence)
    await registry.granted(stage="change", licence_number=licence, applicant_id_number="91430400MA4L999999")
    assert (await registry.grant(renewal)).code == "LICENCE_OF_ANOTHER_HOLDER"


async def test_a_licence_of_another_item_is_not_touched(registry: Registry):
    await registry.publish(code="ZJ-XK-002")
    licence = await registry.number_of(await registry.granted(item="ZJ-XK-002", stage="ZJ-XK-002-01"))
    assert (await registry.filing(stage="renewal", licence_number=licence)).code == "LICENCE_OF_ANOTHER_ITEM"


@pytest.mark.parametrize("number", ["", "衡住建许字〔2019〕7号"])
async def test_renewing_a_licence_from_before_the_library_makes_its_entry(registry: Registry, number: str):
    licence = await Licence.get(case_number=await registry.granted(stage="renewal", licence_number=number))
    assert (licence.revision, licence.state) == (1, "valid")


async def test_cancelling_a_licence_from_before_the_library_writes_nothing(registry: Registry):
    await registry.granted(stage="cancel", licence_number="衡住建许字〔2019〕7号")
    assert await Licence.all().count() == 0


# ------------------------------------------------------------------------------------------------------- reading
@pytest.mark.feature("CERT-02")
async def test_a_material_that_the_library_satisfies_is_not_asked_for_and_the_read_is_logged(registry: Registry):
    number = await registry.number_of(await registry.granted())
    await registry.publish(code="ZJ-XK-002", reuses=KIND)
    theirs = {"item": "ZJ-XK-002", "stage": "ZJ-XK-002-01"}
    holder = await registry.filing(**theirs)
    assert (holder.missing, holder.reused) == ((), ("许可证复印件",))
    other = await registry.filing(**theirs, applicant_id_number="91430400MA4L999999")
    assert (other.missing, other.reused) == (("许可证复印件",), ())
    reads = await LicenceRead.all().order_by("id")
    assert [(read.case_number, read.kind, read.licence_number) for read in reads] == [
        (holder.number, KIND, number),
        (other.number, KIND, ""),
    ]
    case = await Case.get(number=holder.number)
    receipt = await Document.get(case_id=case.id, kind="receipt")
    assert f"许可证复印件（{number}，免于提交）" in receipt.content


async def test_what_the_library_holds_need_not_be_asked_for_and_every_read_is_logged(registry: Registry):
    number = await registry.number_of(await registry.granted())
    found = await read_for_intake(registry.town)
    assert found is not None
    assert found.number == number
    assert await read_for_intake(registry.town, kind="安全生产许可证") is None
    assert await read_for_intake(registry.town, holder="430400199001010017") is None
    reads = await LicenceRead.all().order_by("id")
    assert [(read.kind, read.licence_number, read.case_number) for read in reads] == [
        (KIND, number, "N-1"),
        ("安全生产许可证", "", "N-1"),
        (KIND, "", "N-1"),
    ]
    assert {read.reason for read in reads} == {"免于重复提交材料"}


async def test_a_licence_that_lapsed_at_midnight_satisfies_nothing_even_before_the_clock_says_so(registry: Registry):
    await registry.granted()
    registry.town.at("2029-09-17 23:59")
    assert await read_for_intake(registry.town) is not None
    registry.town.at("2029-09-18 00:00")
    assert await read_for_intake(registry.town) is None


async def test_units_look_up_a_holder_for_a_case_and_a_reason_and_the_log_names_both(registry: Registry):
    town = registry.town
    number = await registry.number_of(await registry.granted())
    case = (await town.file()).number
    asked = LookUpLicences(case=case, holder_id_number=HOLDER_ID, reason="核对申请人资质")
    found = await town.do(asked, person("HANDLER"))
    assert isinstance(found, LicencesView)
    assert [(each.number, each.unit_name, each.state) for each in found.licences] == [
        (number, "住房和城乡建设局", LicenceState.VALID)
    ]
    nothing = await town.do(
        LookUpLicences(case=case, holder_id_number=HOLDER_ID, reason="核对", kind="其他"), person("CLERK")
    )
    assert nothing.licences == ()
    reads = await LicenceRead.all().order_by("id")
    assert [(read.reader, read.licence_number, read.case_number, read.reason) for read in reads] == [
        ("officer:HANDLER", number, case, "核对申请人资质"),
        ("officer:CLERK", "", case, "核对"),
    ]


async def test_looking_up_needs_a_case_of_ones_own_and_a_reason(registry: Registry):
    town = registry.town
    case = await registry.granted()
    await Unit.create(code="GA", name="公安局", short_name="衡公安", kind="authority")
    await Officer.create(id="STRANGER", name="外单位", unit_code="GA", phone="13911110000", roles=["handler"])
    stranger = replace(person("HANDLER"), id="STRANGER")
    asked = LookUpLicences(case=case, holder_id_number=HOLDER_ID, reason="好奇")
    assert (await town.do(asked, stranger)).code == "NOT_PERMITTED"
    assert (await town.do(asked, person("REFORM"))).code == "NOT_PERMITTED"
    assert (await town.do(asked, ANYBODY)).code == "NOT_PERMITTED"
    without = LookUpLicences(case=case, holder_id_number=HOLDER_ID, reason=" ")
    assert (await town.do(without, person("HANDLER"))).code == "LICENCE_REASON_MISSING"
    assert await LicenceRead.all().count() == 0


async def test_opening_a_licence_with_its_history_is_logged_and_only_for_its_unit(registry: Registry):
    number = await registry.number_of(await registry.granted())
    assert (await registry.town.do(ViewLicence(licence=number), person("CLERK"))).code == "NOT_PERMITTED"
    await registry.town.do(ViewLicence(licence=number), person("HEAD"))
    (read,) = await LicenceRead.all()
    assert (read.reader, read.reason, read.licence_number) == ("officer:HEAD", "查阅", number)


# --------------------------------------------------------------------------------------------- the public's check
async def test_the_public_check_shows_the_state_and_nothing_else(registry: Registry):
    number = await registry.number_of(await registry.granted())
    standing = await registry.town.do(CheckLicence(licence=number, holder_check="0000"), ANYBODY)
    assert standing == LicenceStanding(
        number=number, kind=KIND, state=LicenceState.VALID, valid_until=date(2029, 9, 17)
    )


async def test_an_unknown_number_and_a_wrong_check_are_told_alike(registry: Registry):
    number = await registry.number_of(await registry.granted())
    wrong = await registry.town.do(CheckLicence(licence=number, holder_check="1234"), ANYBODY)
    unknown = await registry.town.do(CheckLicence(licence="ZJ-XK-001-2026-00009", holder_check="1234"), ANYBODY)
    assert wrong == unknown
    assert wrong.code == "LICENCE_CHECK_FAILED"


async def test_guessing_the_check_is_locked_for_the_day(registry: Registry):
    town = registry.town
    number = await registry.number_of(await registry.granted())
    for guess in range(1, 11):
        await town.do(CheckLicence(licence=number, holder_check=f"{guess:04d}"), ANYBODY)
    right = CheckLicence(licence=number, holder_check="0000")
    assert (await town.do(right, ANYBODY)).code == "LICENCE_CHECK_LOCKED"
    town.at("2026-09-21")
    assert isinstance(await town.do(right, ANYBODY), LicenceStanding)
