from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certs import acts
from certs.authority import Authority
from certs.evidence import SealedText, check_sealed, read_body, sealed_text
from certs.keyring import Keyring
from certs.notary import check_seal
from certs.profiles import SERVER_EVIDENCE
from certs.refusals import (
    CertificateRevoked,
    CertificateUnknownIssuer,
    EvidenceInvalid,
    SignatureInvalid,
)
from certs.revocation import newest_list_der
from certs.settings import CertSettings
from certs.tables import IssuedCertificate, SealUse
from certs.verification import RevocationList
from kernel.actor import THE_OPERATOR, Assurance, Role
from kernel.acts import TextProof
from kernel.refusals import NotFound, Refusal
from tests.certs.phones import Bench, Sign

MO = TextProof(
    inbound=41,
    sender="13800000001",
    receiver="106575",
    text="1 04821",
    pdus=(bytes.fromhex("0000002f00000005"), b"\xff\x00"),
    received_at=datetime(2026, 9, 18, 0, 59, 58, 250_000, tzinfo=UTC),
    carrier="cmcc",
    smsc_time="260918085957+32",
)


@pytest.fixture
async def sealed(bench: Bench) -> SealedText:
    leader = await bench.hire(5, Role.SUPERVISION_LEADER)
    await bench.done(Sign(note="发牌"), leader, MO)
    assert bench.signed is not None
    assert bench.signed.evidence is not None
    return await sealed_text(bench.signed.evidence)


def attested(sealed: SealedText) -> acts.Attestation:
    return acts.Attestation(signature=sealed.signature, certificate=sealed.certificate)


def check(bench: Bench, sealed: SealedText, **more) -> None:
    check_sealed(
        sealed.body,
        attested(sealed),
        bench.authority.verifier,
        at=bench.clock.now(),
        **more,
    )


async def test_a_text_is_sealed_with_all_that_the_carrier_delivered(bench: Bench, sealed: SealedText):
    assert bench.signed is not None
    assert bench.signed.level is Assurance.SMS_CODE
    check(bench, sealed)
    body = read_body(sealed.body)
    assert body.number == bench.signed.evidence == "EV00000001"
    assert (body.sender, body.receiver, body.text) == (MO.sender, MO.receiver, MO.text)
    assert (body.pdus, body.frames) == (("AAAALwAAAAU", "_wA"), list(MO.pdus))
    assert (body.smsc_time, body.received_at) == (MO.smsc_time, "2026-09-18T00:59:58.250000+00:00")
    assert body.sealed_at == "2026-09-18T01:00:00Z"
    assert body.act == {"act": "test.sign", "note": "发牌"}
    assert body.actor == {"kind": "officer", "id": "OFF-0005", "name": "张三5"}


async def test_evidence_is_found_as_a_person_writes_its_number_and_else_not(bench: Bench, sealed: SealedText):
    assert await sealed_text(" ev00000001 ") == sealed
    for number in ("EV00000002", "EV1", "SG00000001", "", "EV٠٠٠٠٠٠٠١", "EV" + "1" * 60):
        with pytest.raises(NotFound):
            await sealed_text(number)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
async def test_one_changed_bit_anywhere_in_what_was_sealed_is_found(
    bench: Bench, sealed: SealedText, at: int, bit: int
):
    whole = bytearray(sealed.body + sealed.signature)
    whole[at % len(whole)] ^= 1 << bit
    cut = len(sealed.body)
    with pytest.raises((SignatureInvalid, EvidenceInvalid)):
        check(bench, SealedText(sealed.number, bytes(whole[:cut]), bytes(whole[cut:]), sealed.certificate))


async def test_evidence_sealed_by_another_office_is_refused(bench: Bench, sealed: SealedText, tmp_path, clock):
    other = Authority.open(Keyring(tmp_path / "other", b"x"), CertSettings(), now=clock.now())
    with pytest.raises(CertificateUnknownIssuer):
        check_sealed(sealed.body, attested(sealed), other.verifier, at=bench.clock.now())


async def test_what_was_sealed_before_a_revocation_stands_and_after_it_does_not(bench: Bench, sealed: SealedText):
    row = await IssuedCertificate.get(profile=SERVER_EVIDENCE.name.value)
    before = bench.clock.now()
    bench.clock.advance(bench.authority.settings.crl_refresh)
    revoke = acts.RevokeCertificate(serial=row.serial, reason=acts.RevocationReason.KEY_COMPROMISE)
    await bench.done(revoke, THE_OPERATOR)
    der = await newest_list_der(bench.authority)
    assert der is not None
    revocations = RevocationList.read(der, bench.authority.issuing)
    seal = attested(sealed)
    check_sealed(sealed.body, seal, bench.authority.verifier, at=before, revocations=revocations)
    with pytest.raises(CertificateRevoked):
        check(bench, sealed, revocations=revocations)


@given(octets=st.binary(max_size=200) | st.from_regex(rb'\{"act":\{\},"v":[0-9]{1,20}\}', fullmatch=True))
def test_random_octets_are_no_evidence_and_never_crash(octets: bytes):
    with pytest.raises(Refusal):
        read_body(octets)


async def test_the_evidence_certificate_is_made_once(bench: Bench, sealed: SealedText):
    await bench.done(Sign(note="再发"), await bench.hire(6), MO)
    assert await IssuedCertificate.filter(profile=SERVER_EVIDENCE.name.value).count() == 1


async def test_a_unit_seal_verifies_and_one_byte_breaks_it(bench: Bench):
    clerk = await bench.hire(1, Role.WINDOW_CLERK)
    content = "受理通知书 建受〔2026〕1号".encode()
    (seal,) = await bench.notary.seal(await bench.in_work(clerk), "JSJ", [content])
    await check_seal(bench.authority, seal, content)
    with pytest.raises(SignatureInvalid):
        await check_seal(bench.authority, seal, content + b" ")
    use = await SealUse.get()
    assert (use.unit, use.actor, len(use.content_sha256)) == ("JSJ", "officer:OFF-0001", 64)


async def test_a_seal_is_made_on_first_use_and_an_unknown_unit_has_none(bench: Bench):
    work = await bench.in_work(await bench.hire(1))
    serials = {seal.serial for seal in await bench.notary.seal(work, "JSJ", [b"a", b"b"])}
    assert len(serials) == 1
    with pytest.raises(NotFound):
        await bench.notary.seal(work, "NONE", [b"a"])


async def test_after_a_seal_is_revoked_a_new_key_takes_over(bench: Bench):
    work = await bench.in_work(await bench.hire(1))
    (old,) = await bench.notary.seal(work, "JSJ", [b"a"])
    lost = acts.RevokeCertificate(serial=old.serial, reason=acts.RevocationReason.KEY_COMPROMISE)
    await bench.done(lost, THE_OPERATOR)
    (new,) = await bench.notary.seal(work, "JSJ", [b"a"])
    rows = {row.serial: row.spki_sha256 for row in await IssuedCertificate.all()}
    assert rows[old.serial] != rows[new.serial]
