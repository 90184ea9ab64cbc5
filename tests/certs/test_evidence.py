import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certs import acts
from certs.authority import Authority
from certs.evidence import evidence_bundle, verified
from certs.keyring import Keyring
from certs.notary import check_seal
from certs.profiles import SERVER_EVIDENCE
from certs.refusals import EvidenceInvalid, SignatureInvalid
from certs.settings import CertSettings
from certs.tables import IssuedCertificate, SealUse
from kernel.actor import THE_OPERATOR, Assurance, Role
from kernel.acts import TextProof
from kernel.refusals import NotFound
from tests.certs.made import Ca
from tests.certs.phones import Bench, Sign

SOME_ROOT = Ca().certificate
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
async def bundle(bench: Bench) -> bytes:
    leader = await bench.hire(5, Role.SUPERVISION_LEADER)
    await bench.done(Sign(note="发牌"), leader, MO)
    assert bench.signed is not None
    assert bench.signed.evidence is not None
    return await evidence_bundle(bench.authority, bench.signed.evidence)


@pytest.mark.feature("SMS-08")
async def test_a_text_confirmation_is_sealed_with_all_that_the_carrier_delivered(bench: Bench, bundle: bytes):
    assert bench.signed is not None
    assert bench.signed.level is Assurance.SMS_CODE
    body = verified(bundle, bench.authority.root)
    assert body["number"] == bench.signed.evidence == "EV00000001"
    assert (body["sender"], body["receiver"], body["text"]) == (MO.sender, MO.receiver, MO.text)
    assert body["pdus"] == ["AAAALwAAAAU", "_wA"]
    assert (body["smsc_time"], body["received_at"]) == (MO.smsc_time, "2026-09-18T00:59:58.250000+00:00")
    assert body["sealed_at"] == "2026-09-18T01:00:00Z"
    assert body["act"] == {"act": "test.sign", "note": "发牌"}
    assert body["actor"] == {"kind": "officer", "id": "OFF-0005", "name": "张三5"}


@pytest.mark.feature("SMS-08")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), change=st.integers(1, 255))
async def test_one_changed_byte_anywhere_in_the_evidence_is_found(bench: Bench, bundle: bytes, at: int, change: int):
    altered = bytearray(bundle)
    altered[at % len(altered)] ^= change
    with pytest.raises(EvidenceInvalid):
        verified(bytes(altered), bench.authority.root)


async def test_evidence_sealed_by_another_office_is_refused(bench: Bench, bundle: bytes, tmp_path, clock):
    other = Authority.open(Keyring(tmp_path / "other", b"x"), CertSettings(), now=clock.now())
    with pytest.raises(EvidenceInvalid, match="CERTIFICATE_UNKNOWN_ISSUER"):
        verified(bundle, other.root)


ANY_JSON = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["v", "body", "signature", "chain"]), inner, max_size=4)
    ),
).map(lambda value: json.dumps(value).encode())


@given(octets=st.binary(max_size=200) | ANY_JSON)
def test_random_bundles_are_refused_and_never_crash(octets: bytes):
    with pytest.raises(EvidenceInvalid):
        verified(octets, SOME_ROOT)


async def test_the_evidence_certificate_is_made_once(bench: Bench, bundle: bytes):
    await bench.done(Sign(note="再发"), await bench.hire(6), MO)
    assert await IssuedCertificate.filter(profile=SERVER_EVIDENCE.name.value).count() == 1
    with pytest.raises(NotFound):
        await evidence_bundle(bench.authority, "EV99999999")


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
