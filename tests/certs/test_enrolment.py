import re
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certs import acts
from certs.encodings import spki_of
from certs.enrolment import enrolment_status, waiting_enrolments
from certs.profiles import OFFICER_SIGNING, faults
from certs.revocation import newest_list
from certs.settings import CertSettings
from certs.tables import CertificateState, Enrolment, IssuedCertificate
from kernel.actor import THE_CLOCK, THE_OPERATOR, Actor, Role
from kernel.acts import SignatureFormat
from kernel.log import verify
from kernel.refusals import NotFound, Refusal
from tests.certs.phones import Bench, Phone, openssl


@pytest.fixture
async def operators(bench: Bench):
    return [await bench.hire(number, Role.RA_OPERATOR) for number in (91, 92)]


@pytest.mark.feature("TRUST-01")
async def test_an_officer_is_enrolled_by_two_ra_operators_and_gets_a_certificate(bench: Bench, operators):
    officer = await bench.hire(1, Role.HANDLER)
    phone = Phone()
    opened = await phone.ask(bench, officer)
    assert await bench.refused(acts.ApproveEnrolment(enrolment=phone.enrolment), operators[0]) == "ENROLMENT_NOT_OPEN"
    await phone.prove(bench)
    approve = acts.ApproveEnrolment(enrolment=phone.enrolment)
    assert await bench.refused(approve, operators[0]) == "ENROLMENT_IDENTITY_UNCHECKED"
    await bench.done(acts.CheckIdentity(enrolment=phone.enrolment, document="身份证原件"), operators[0])
    assert await bench.refused(approve, operators[0]) == "ENROLMENT_IDENTITY_UNCHECKED"
    await bench.done(approve, operators[1])
    status = await phone.status(bench)
    leaf, issuing = (x509.load_der_x509_certificate(der) for der in status.chain)
    leaf.verify_directly_issued_by(issuing)
    assert status.check_code == opened.check_code
    assert spki_of(leaf.public_key()) == spki_of(phone.key.public_key())
    assert "OFF-0001" in leaf.subject.rfc4514_string()
    assert faults(leaf, OFFICER_SIGNING) == []
    assert (await verify(bench.database)).broken is None


async def test_the_certification_request_the_server_built_is_a_pkcs10_for_openssl(bench: Bench, tmp_path):
    phone = Phone()
    await phone.ask(bench, await bench.hire(1))
    await phone.prove(bench)
    (tmp_path / "r.der").write_bytes((await Enrolment.get(id=phone.enrolment)).csr or b"")
    checked = openssl(tmp_path, "req", "-inform", "DER", "-in", "r.der", "-verify", "-noout")
    assert "verify OK" in checked.stderr


async def test_nobody_handles_their_own_enrolment(bench: Bench):
    operator = await bench.hire(1, Role.RA_OPERATOR)
    phone = Phone()
    await phone.ask(bench, operator)
    await phone.prove(bench)
    for act in (
        acts.CheckIdentity(enrolment=phone.enrolment, document="身份证原件"),
        acts.ApproveEnrolment(enrolment=phone.enrolment),
        acts.RejectEnrolment(enrolment=phone.enrolment, reason="不办"),
    ):
        assert await bench.refused(act, operator) == "ENROLMENT_OWN"


async def test_one_operator_is_enough_where_the_settings_say_so(database, clock, authority):
    lone = CertSettings(two_persons=False)
    bench = Bench(database, clock, type(authority)(**{**authority.__dict__, "settings": lone}))
    operator, phone = await bench.hire(9, Role.RA_OPERATOR), Phone()
    await phone.ask(bench, await bench.hire(1))
    await phone.prove(bench)
    assert (await bench.done(acts.ApproveEnrolment(enrolment=phone.enrolment), operator)).state == "issued"


async def test_somebody_elses_signature_is_no_proof_of_possession(bench: Bench):
    phone, thief = Phone(), Phone()
    await phone.ask(bench, await bench.hire(1))
    act = acts.SubmitCsr(enrolment=phone.enrolment, signature=thief.sign(phone.to_sign))
    assert await bench.refused(act) == "SIGNATURE_INVALID"
    as_raw = acts.SubmitCsr(
        enrolment=phone.enrolment, signature=phone.sign(phone.to_sign), format=SignatureFormat.P1363
    )
    assert await bench.refused(as_raw) == "SIGNATURE_INVALID"
    raw = phone.sign(phone.to_sign, SignatureFormat.P1363)
    webcrypto = acts.SubmitCsr(enrolment=phone.enrolment, signature=raw, format=SignatureFormat.P1363)
    assert (await bench.done(webcrypto)).state == "proved"


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),  # strong, but no phone signs ES256 with it
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.SECP224R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 1024),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-384", "secp256k1", "P-224", "Ed25519", "RSA-1024", "RSA-2048"],
)
async def test_a_device_key_that_is_not_p256_is_refused(bench: Bench, key):
    officer = await bench.hire(1)
    act = acts.RequestEnrolment(officer=officer.id, device="手机", public_key=spki_of(key.public_key()))
    assert await bench.refused(act) == "CERTIFICATE_WEAK_KEY"


async def test_the_certificate_is_handed_out_only_against_the_pickup_secret(bench: Bench):
    phone = await bench.enrolled(await bench.hire(1))
    with pytest.raises(NotFound):
        await enrolment_status(bench.authority, bench.secrets, phone.enrolment, "guess")
    with pytest.raises(NotFound):
        await enrolment_status(bench.authority, bench.secrets, "no such", phone.pickup)


async def test_a_new_key_on_the_same_device_supersedes_the_old_one_and_no_other(bench: Bench):
    officer = await bench.hire(1)
    old, tablet = await bench.enrolled(officer, "手机"), await bench.enrolled(officer, "平板")
    new = await bench.enrolled(officer, "手机")
    assert await bench.refused(acts.BeginLogin(certificate=old.certificate)) == "CERTIFICATE_REVOKED"
    await tablet.log_in(bench)
    await new.log_in(bench)
    newest = await newest_list(bench.authority)
    assert newest is not None
    assert set(newest.revoked) == {x509.load_der_x509_certificate(old.certificate).serial_number}


async def test_a_key_is_enrolled_once_and_never_again(bench: Bench):
    officer, other = await bench.hire(1), await bench.hire(2)
    phone = await bench.enrolled(officer)
    spki = spki_of(phone.key.public_key())
    again = acts.RequestEnrolment(officer=other.id, device="手机", public_key=spki)
    assert await bench.refused(again) == "ENROLMENT_KEY_USED"
    serial = f"{x509.load_der_x509_certificate(phone.certificate).serial_number:x}"
    await bench.done(acts.RevokeCertificate(serial=serial, reason=acts.RevocationReason.KEY_COMPROMISE), THE_OPERATOR)
    assert await bench.refused(again) == "ENROLMENT_KEY_USED"


def asking(officer: Actor, phone: Phone) -> acts.RequestEnrolment:
    return acts.RequestEnrolment(officer=officer.id, device="手机", public_key=spki_of(phone.key.public_key()))


def proving(phone: Phone) -> acts.SubmitCsr:
    return acts.SubmitCsr(enrolment=phone.enrolment, signature=phone.sign(phone.to_sign))


async def test_an_enrolment_expires_and_proved_ones_are_limited(bench: Bench):
    officer, phones = await bench.hire(1), [Phone() for _ in range(6)]
    for phone in phones:
        await phone.ask(bench, officer)
        bench.clock.advance(timedelta(seconds=1))
    for phone in phones[1:]:
        await phone.prove(bench)
    assert await bench.refused(asking(officer, Phone())) == "ENROLMENT_LIMIT"
    bench.clock.advance(bench.authority.settings.enrolment_life)
    assert await bench.refused(acts.CheckIdentity(enrolment=phones[1].enrolment, document="身份证")) == (
        "ENROLMENT_EXPIRED"
    )
    await bench.done(asking(officer, Phone()))


async def test_strangers_who_only_ask_keep_no_officer_from_enrolling(bench: Bench):
    officer, strangers = await bench.hire(1), [Phone() for _ in range(6)]
    for stranger in strangers:
        await stranger.ask(bench, officer)
        bench.clock.advance(timedelta(seconds=1))
    phone = Phone()
    await phone.ask(bench, officer)
    assert (await phone.prove(bench)).state == "proved"
    assert await Enrolment.filter(officer_id=officer.id).count() == bench.authority.settings.open_enrolments
    assert await bench.refused(proving(strangers[0])) == "NOT_FOUND"  # the oldest gave way


async def test_requests_that_were_let_in_before_the_limit_cannot_all_be_proved(bench: Bench):
    officer, early, late = await bench.hire(1), [Phone() for _ in range(4)], [Phone() for _ in range(2)]
    for phone in early:
        await phone.ask(bench, officer)
        await phone.prove(bench)
    for phone in late:
        await phone.ask(bench, officer)
    await late[0].prove(bench)
    assert await bench.refused(proving(late[1])) == "ENROLMENT_LIMIT"


async def test_expired_enrolments_hide_no_new_one_from_the_ra_operator(bench: Bench):
    for number in range(1, 4):
        phone, officer = Phone(), await bench.hire(number)
        await phone.ask(bench, officer)
        await phone.prove(bench)
    bench.clock.advance(bench.authority.settings.enrolment_life)
    new = Phone()
    await new.ask(bench, await bench.hire(9))
    await new.prove(bench)
    waiting = await waiting_enrolments(now=bench.clock.now(), limit=3)
    assert [each.enrolment for each in waiting] == [new.enrolment]


async def test_a_crowd_of_others_hides_no_officer_who_stands_at_the_desk(bench: Bench):
    phones = [Phone() for _ in range(4)]
    for number, phone in enumerate(phones, 1):
        await phone.ask(bench, await bench.hire(number))
        await phone.prove(bench)
        bench.clock.advance(timedelta(seconds=1))
    waiting = await waiting_enrolments(now=bench.clock.now(), officer="OFF-0004", limit=3)
    assert [each.enrolment for each in waiting] == [phones[3].enrolment]


async def test_a_key_whose_request_expired_may_be_asked_for_again(bench: Bench):
    officer, phone = await bench.hire(1), Phone()
    await phone.ask(bench, officer)
    assert await bench.refused(asking(officer, phone)) == "ENROLMENT_KEY_USED"
    bench.clock.advance(bench.authority.settings.enrolment_life)
    await bench.done(asking(officer, phone))


async def test_expired_requests_are_forgotten_after_a_day_and_decided_ones_kept(bench: Bench):
    officer, asked, proved = await bench.hire(1), Phone(), Phone()
    await bench.enrolled(officer)
    for phone in (asked, proved):
        await phone.ask(bench, officer)
    await proved.prove(bench)
    bench.clock.advance(bench.authority.settings.enrolment_life)
    assert (await bench.done(acts.PruneRequests(), THE_CLOCK)).count == 0
    bench.clock.advance(timedelta(days=1, seconds=1))
    assert (await bench.done(acts.PruneRequests(), THE_CLOCK)).count == 2
    assert [row.state for row in await Enrolment.all()] == ["issued"]


async def test_the_id_of_an_enrolment_is_hex_and_never_reads_as_an_option(bench: Bench):
    officer = await bench.hire(1)
    for _ in range(20):
        phone = Phone()
        await phone.ask(bench, officer)
        assert re.fullmatch("[0-9a-f]{32}", phone.enrolment)


async def test_an_enrolment_that_no_column_could_hold_is_not_found(bench: Bench):
    with pytest.raises(NotFound):
        await enrolment_status(bench.authority, bench.secrets, "x" * 500, "guess")


async def test_a_rejected_enrolment_says_why_and_stays_closed(bench: Bench, operators):
    phone = Phone()
    await phone.ask(bench, await bench.hire(1))
    await phone.prove(bench)
    assert [waiting.enrolment for waiting in await waiting_enrolments(now=bench.clock.now())] == [phone.enrolment]
    await bench.done(acts.RejectEnrolment(enrolment=phone.enrolment, reason="身份不符"), operators[0])
    status = await phone.status(bench)
    assert (status.state, status.reason, status.chain) == ("rejected", "身份不符", ())
    assert await bench.refused(acts.ApproveEnrolment(enrolment=phone.enrolment), THE_OPERATOR) == "ENROLMENT_NOT_OPEN"
    assert await waiting_enrolments(now=bench.clock.now()) == []


async def test_an_officer_out_of_service_gets_no_certificate(bench: Bench):
    officer, phone = await bench.hire(1), Phone()
    await phone.ask(bench, officer)
    await phone.prove(bench)
    await bench.database.execute("UPDATE officer SET active = FALSE")
    assert await bench.refused(acts.ApproveEnrolment(enrolment=phone.enrolment), THE_OPERATOR) == "OFFICER_INACTIVE"


async def test_every_certificate_in_the_register_is_numbered_and_signed(bench: Bench):
    await bench.enrolled(await bench.hire(1))
    row = await IssuedCertificate.get()
    certificate = x509.load_der_x509_certificate(row.der)
    assert row.state is CertificateState.ISSUED
    assert (row.serial, row.holder) == (f"{certificate.serial_number:x}", "OFF-0001")
    assert certificate.serial_number.bit_length() > 64


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=200), form=st.sampled_from(SignatureFormat))
async def test_random_octets_at_the_doors_are_refused_and_nothing_breaks(bench: Bench, octets, form):
    for act in (
        acts.RequestEnrolment(officer="OFF-0001", device="手机", public_key=octets),
        acts.SubmitCsr(enrolment="x", signature=octets, format=form),
        acts.BeginLogin(certificate=octets or b"\0"),
        acts.FinishLogin(nonce="x", signature=octets, format=form),
    ):
        assert isinstance(await bench.perform(act), Refusal)
