import asyncio
from datetime import timedelta

import jwt.api_jws
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from certs import acts
from certs.encodings import check_es256, sign_es256, signature_der
from certs.export import signature_files, signatures_of, write_files
from certs.refusals import SignatureInvalid
from certs.signatures import compact_jws, display_text, payload_of
from certs.tables import SignatureRow
from kernel.actor import THE_CLOCK, THE_OPERATOR, Assurance, Role
from kernel.acts import DocumentDigest, SignatureFormat, SignedBytes
from kernel.refusals import Invalid, Refusal
from tests.certs.phones import STATEMENT, Bench, Phone, Prepare, Sign, openssl

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
async def officer(bench: Bench):
    return await bench.hire(1, Role.HANDLER)


@pytest.fixture
async def phone(bench: Bench, officer):
    phone = await bench.enrolled(officer)
    await phone.log_in(bench)
    return phone


async def revoke(bench: Bench, phone: Phone) -> None:
    serial = f"{x509.load_der_x509_certificate(phone.certificate).serial_number:x}"
    await bench.done(acts.RevokeCertificate(serial=serial, reason=acts.RevocationReason.KEY_COMPROMISE), THE_OPERATOR)


@pytest.mark.feature("TRUST-03")
async def test_the_signed_bytes_hold_everything_that_was_decided(bench: Bench, officer, phone: Phone):
    document = DocumentDigest(name="申请表.pdf", sha256="a" * 64)
    statement = msgspec.structs.replace(STATEMENT, documents=(document,))
    request = await bench.done(Prepare(statement=statement), officer)
    payload = payload_of(request.payload)
    assert (payload["subject"], payload["revision"]) == ("粤建许〔2026〕0001号", 7)
    assert payload["facts"] == STATEMENT.facts
    assert payload["documents"] == [{"name": "申请表.pdf", "sha256": "a" * 64}]
    assert payload["display"] == request.display == display_text(statement)
    assert payload["signer"] == {"id": "OFF-0001", "name": "张三1"}
    assert (payload["issued_at"], payload["expires_at"]) == ("2026-09-18T01:00:00Z", "2026-09-18T01:05:00Z")
    assert payload["nonce"] == request.nonce
    assert "意见：材料齐全，同意，按程序办理。".encode() in request.payload


@pytest.mark.feature("TRUST-03")
@pytest.mark.parametrize("form", SignatureFormat)
async def test_a_signature_gives_the_assurance_of_a_certificate_and_is_kept_as_der(bench, officer, phone, form):
    request = await bench.done(Prepare(), officer)
    await bench.done(Sign(), officer, phone.proof(request, form))
    assert bench.signed.level is Assurance.CERTIFICATE
    assert bench.signed.statement == STATEMENT
    row = await SignatureRow.get(id=int(bench.signed.evidence.removeprefix("SG")))
    check_es256(phone.key.public_key(), request.payload, row.signature)


@pytest.mark.feature("TRUST-03")
async def test_an_exported_signature_verifies_with_plain_openssl_and_one_byte_breaks_it(
    bench, officer, phone, tmp_path
):
    request = await bench.done(Prepare(), officer)
    await bench.done(Sign(), officer, phone.proof(request))
    (kept,) = await signatures_of(STATEMENT.subject)
    write_files(await signature_files(bench.authority, kept.evidence), tmp_path / "out")
    folder = tmp_path / "out"
    public = openssl(folder, "x509", "-in", "signer.pem", "-pubkey", "-noout").stdout
    (folder / "signer.pub").write_text(public)
    digest = ("dgst", "-sha256", "-verify", "signer.pub", "-signature", "signature.der", "payload.bin")
    assert openssl(folder, *digest).stdout == "Verified OK\n"
    when = str(int(kept.signed_at.timestamp()))
    chain = ("-CAfile", "root.pem", "-untrusted", "chain.pem", "-purpose", "any", "-attime", when)
    assert openssl(folder, "verify", *chain, "signer.pem").stdout == "signer.pem: OK\n"
    payload = (folder / "payload.bin").read_bytes()
    assert "决定：同意" in payload.decode()
    (folder / "payload.bin").write_bytes(payload.replace("同意".encode(), "否决".encode()))
    assert openssl(folder, *digest).returncode != 0


async def test_the_same_signature_is_a_detached_jws(bench, officer, phone):
    request = await bench.done(Prepare(), officer)
    compact = compact_jws(request.payload, phone.sign(request.payload))
    body = request.payload.partition(b".")[2]
    key = phone.key.public_key()
    decoded = jwt.api_jws.PyJWS().decode_complete(compact, key, algorithms=["ES256"], detached_payload=body)
    assert decoded["header"]["b64"] is False
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.api_jws.PyJWS().decode(
            compact, key, algorithms=["ES256"], detached_payload=body.replace(b"agree", b"grant")
        )


async def test_a_nonce_is_good_for_one_signature(bench, officer, phone):
    request = await bench.done(Prepare(), officer)
    await bench.done(Sign(), officer, phone.proof(request))
    assert await bench.refused(Sign(note="again"), officer, phone.proof(request)) == "SIGNING_REQUEST_USED"


async def test_of_two_simultaneous_signatures_over_one_nonce_one_counts(bench, officer, phone):
    request = await bench.done(Prepare(), officer)
    proofs = [phone.proof(request) for _ in range(4)]
    outcomes = await asyncio.gather(*(bench.perform(Sign(), officer, proof) for proof in proofs))
    refused = [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)]
    assert len(outcomes) - len(refused) == 1
    assert set(refused) <= {"SIGNING_REQUEST_USED", "BUSY"}


async def test_a_retry_with_the_same_key_gets_the_same_answer_and_one_signature(bench, officer, phone):
    request = await bench.done(Prepare(), officer)
    proof = phone.proof(request)
    answers = [await bench.office.perform(Sign(), officer, key="k", proof=proof) for _ in range(2)]
    assert answers[0] == answers[1]
    assert await SignatureRow.all().count() == 1


async def test_a_request_expires_after_five_minutes(bench, officer, phone):
    request = await bench.done(Prepare(), officer)
    bench.clock.advance(timedelta(minutes=5, seconds=1))
    assert await bench.refused(Sign(), officer, phone.proof(request)) == "SIGNING_REQUEST_EXPIRED"


async def test_a_request_is_the_officers_own(bench, officer, phone):
    colleague = await bench.hire(2)
    await bench.enrolled(colleague)
    request = await bench.done(Prepare(), officer)
    assert await bench.refused(Sign(), colleague, phone.proof(request)) == "SIGNATURE_NOT_YOURS"
    unknown = SignedBytes(nonce="guess", signature=phone.sign(b"x"))
    assert await bench.refused(Sign(), officer, unknown) == "SIGNING_REQUEST_UNKNOWN"


@pytest.mark.feature("TRUST-05")
async def test_a_revoked_officer_cannot_sign_but_what_was_signed_stays_verifiable(bench, officer, phone, tmp_path):
    before, pending = await bench.done(Prepare(), officer), await bench.done(Prepare(), officer)
    await bench.done(Sign(), officer, phone.proof(before))
    bench.clock.advance(timedelta(seconds=1))
    await revoke(bench, phone)
    assert await bench.refused(Sign(), officer, phone.proof(pending)) == "CERTIFICATE_REVOKED"
    assert await bench.refused(Prepare(), officer) == "CERTIFICATE_NONE"
    (kept,) = await signatures_of(STATEMENT.subject)
    files = await signature_files(bench.authority, kept.evidence)
    signer = x509.load_pem_x509_certificate(files["signer.pem"]).public_key()
    assert isinstance(signer, ec.EllipticCurvePublicKey)
    check_es256(signer, files["payload.bin"], files["signature.der"])


async def test_a_certificate_that_expires_before_the_signature_arrives_is_refused(bench, officer, phone):
    bench.clock.advance(timedelta(days=365) - timedelta(minutes=1))
    request = await bench.done(Prepare(), officer)
    bench.clock.advance(timedelta(minutes=2))
    assert await bench.refused(Sign(), officer, phone.proof(request)) == "CERTIFICATE_EXPIRED"


async def test_pruning_forgets_what_expired_and_keeps_what_was_signed(bench, officer, phone):
    used, unused = await bench.done(Prepare(), officer), await bench.done(Prepare(), officer)
    await bench.done(Sign(), officer, phone.proof(used))
    assert (await bench.done(acts.PruneRequests(), THE_CLOCK)).count == 0
    bench.clock.advance(timedelta(days=1, minutes=6))
    assert (await bench.done(acts.PruneRequests(), THE_CLOCK)).count == 2  # the login challenge and one request
    assert await bench.refused(Sign(), officer, phone.proof(unused)) == "SIGNING_REQUEST_UNKNOWN"
    assert await bench.refused(Sign(), officer, phone.proof(used)) == "SIGNING_REQUEST_USED"


async def test_a_signature_by_another_key_is_refused_and_burns_no_nonce(bench, officer, phone):
    request = await bench.done(Prepare(), officer)
    assert await bench.refused(Sign(), officer, Phone().proof(request)) == "SIGNATURE_INVALID"
    await bench.done(Sign(), officer, phone.proof(request))


async def test_a_login_answer_cannot_pass_for_a_signature(bench, officer, phone):
    request = await bench.done(Prepare(), officer)
    challenge = await bench.done(acts.BeginLogin(certificate=phone.certificate))
    proof = SignedBytes(nonce=request.nonce, signature=phone.sign(challenge.payload))
    assert await bench.refused(Sign(), officer, proof) == "SIGNATURE_INVALID"


async def test_an_officer_without_a_certificate_has_nothing_to_sign_with(bench):
    assert await bench.refused(Prepare(), await bench.hire(3)) == "CERTIFICATE_NONE"


async def test_the_device_that_logged_in_last_is_asked_to_sign(bench, officer, phone):
    bench.clock.advance(timedelta(seconds=1))
    tablet = await bench.enrolled(officer, "平板")
    bench.clock.advance(timedelta(seconds=1))
    await phone.log_in(bench)
    request = await bench.done(Prepare(), officer)
    assert await bench.refused(Sign(), officer, tablet.proof(request)) == "SIGNATURE_INVALID"
    await bench.done(Sign(), officer, phone.proof(request))


async def test_high_s_is_as_good_because_secure_hardware_promises_no_low_s(bench, officer, phone):
    request = await bench.done(Prepare(), officer)
    r, s = decode_dss_signature(phone.sign(request.payload))
    proof = SignedBytes(nonce=request.nonce, signature=encode_dss_signature(r, ORDER - s))
    await bench.done(Sign(), officer, proof)


@pytest.mark.parametrize(
    "text", ["同意\u202e不", "同意\u200b", "a\x00b", "\ud800"], ids=["reordering", "zero width", "NUL", "surrogate"]
)
def test_text_that_would_not_be_shown_as_signed_is_refused(text):
    with pytest.raises(Invalid):
        display_text(msgspec.structs.replace(STATEMENT, lines=(("意见", text),)))


def test_a_value_cannot_fake_a_line_of_its_own():
    shown = display_text(msgspec.structs.replace(STATEMENT, lines=(("意见", "好\n决定：不同意"),)))
    assert "\n决定" not in shown


KEY = ec.derive_private_key(20260918, ec.SECP256R1())
CONTENT = 'eyJ9.{"意见":"同意"}'.encode()
SIGNATURE = sign_es256(KEY, CONTENT)


@given(at=st.integers(0, len(CONTENT) - 1), change=st.integers(1, 255))
def test_any_changed_byte_of_the_content_breaks_the_signature(at, change):
    content = bytearray(CONTENT)
    content[at] ^= change
    with pytest.raises(SignatureInvalid):
        check_es256(KEY.public_key(), bytes(content), SIGNATURE)


@given(at=st.integers(0, 200), change=st.integers(1, 255), form=st.sampled_from(SignatureFormat))
def test_any_changed_byte_of_the_signature_breaks_it(at, change, form):
    signature = bytearray(SIGNATURE if form is SignatureFormat.DER else _raw(SIGNATURE))
    signature[at % len(signature)] ^= change
    with pytest.raises(SignatureInvalid):
        check_es256(KEY.public_key(), CONTENT, signature_der(bytes(signature), form))


@given(octets=st.binary(max_size=100), form=st.sampled_from(SignatureFormat))
def test_random_octets_are_no_signature(octets, form):
    with pytest.raises(SignatureInvalid):
        check_es256(KEY.public_key(), CONTENT, signature_der(octets, form))


def _raw(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
