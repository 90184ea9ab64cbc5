from datetime import timedelta

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from certs import acts
from certs.refusals import CertificateRevoked, OfficerInactive, TokenExpired, TokenInvalid
from certs.revocation import is_revoked, newest_list_der
from certs.tables import PublishedList
from kernel.actor import THE_CLOCK, THE_OPERATOR, Assurance, Role
from kernel.acts import SignatureFormat
from tests.certs.made import Ca
from tests.certs.phones import Bench, Phone, openssl


def serial_of(phone: Phone) -> str:
    return f"{x509.load_der_x509_certificate(phone.certificate).serial_number:x}"


async def revoke(bench: Bench, phone: Phone) -> acts.CertificateView:
    act = acts.RevokeCertificate(serial=serial_of(phone), reason=acts.RevocationReason.KEY_COMPROMISE)
    return await bench.done(act, THE_OPERATOR)


@pytest.mark.feature("TRUST-02")
async def test_an_officer_logs_in_by_certificate_challenge_and_the_token_names_them(bench: Bench):
    officer = await bench.hire(1, Role.HANDLER)
    phone = await bench.enrolled(officer)
    session = await phone.log_in(bench)
    actor = await bench.sessions.actor_from(bench.tokens.issue(session), bench.clock.now())
    assert actor == officer
    assert actor.assurance is Assurance.SESSION


@pytest.mark.feature("TRUST-02")
async def test_a_foreign_certificate_cannot_log_in(bench: Bench):
    await bench.enrolled(await bench.hire(1))
    assert await bench.refused(acts.BeginLogin(certificate=Ca().leaf())) == "CERTIFICATE_UNKNOWN_ISSUER"
    assert await bench.refused(acts.BeginLogin(serial="1234")) == "CERTIFICATE_UNKNOWN_ISSUER"


@pytest.mark.feature("TRUST-02")
async def test_an_expired_certificate_cannot_log_in(bench: Bench):
    phone = await bench.enrolled(await bench.hire(1))
    bench.clock.advance(timedelta(days=365, seconds=1))
    assert await bench.refused(acts.BeginLogin(certificate=phone.certificate)) == "CERTIFICATE_EXPIRED"
    assert await bench.refused(acts.BeginLogin(serial=serial_of(phone))) == "CERTIFICATE_EXPIRED"


@pytest.mark.feature("TRUST-02")
async def test_a_certificate_revoked_between_challenge_and_answer_cannot_log_in(bench: Bench):
    phone = await bench.enrolled(await bench.hire(1))
    challenge = await bench.done(acts.BeginLogin(serial=serial_of(phone)))
    await revoke(bench, phone)
    answer = acts.FinishLogin(nonce=challenge.nonce, signature=phone.sign(challenge.payload))
    assert await bench.refused(answer) == "CERTIFICATE_REVOKED"
    assert await bench.refused(acts.BeginLogin(serial=serial_of(phone))) == "CERTIFICATE_REVOKED"


async def test_a_challenge_is_good_for_one_login(bench: Bench):
    phone = await bench.enrolled(await bench.hire(1))
    challenge = await bench.done(acts.BeginLogin(certificate=phone.certificate))
    raw = phone.sign(challenge.payload, SignatureFormat.P1363)
    answer = acts.FinishLogin(nonce=challenge.nonce, signature=raw, format=SignatureFormat.P1363)
    await bench.done(answer)
    assert await bench.refused(answer) == "LOGIN_CHALLENGE_USED"


async def test_a_challenge_expires_after_a_minute(bench: Bench):
    phone = await bench.enrolled(await bench.hire(1))
    challenge = await bench.done(acts.BeginLogin(certificate=phone.certificate))
    bench.clock.advance(timedelta(seconds=61))
    answer = acts.FinishLogin(nonce=challenge.nonce, signature=phone.sign(challenge.payload))
    assert await bench.refused(answer) == "LOGIN_CHALLENGE_EXPIRED"


async def test_another_phone_cannot_answer_a_challenge(bench: Bench):
    mine, yours = await bench.enrolled(await bench.hire(1)), await bench.enrolled(await bench.hire(2))
    challenge = await bench.done(acts.BeginLogin(certificate=mine.certificate))
    answer = acts.FinishLogin(nonce=challenge.nonce, signature=yours.sign(challenge.payload))
    assert await bench.refused(answer) == "SIGNATURE_INVALID"
    unknown = acts.FinishLogin(nonce="guess", signature=mine.sign(challenge.payload))
    assert await bench.refused(unknown) == "LOGIN_CHALLENGE_UNKNOWN"


@pytest.mark.feature("TRUST-02")
async def test_a_token_dies_with_its_certificate_within_the_configured_seconds(bench: Bench):
    phone = await bench.enrolled(await bench.hire(1))
    token = bench.tokens.issue(await phone.log_in(bench))
    await bench.sessions.actor_from(token, bench.clock.now())
    await revoke(bench, phone)
    assert bench.authority.settings.status_life <= timedelta(seconds=60)
    bench.clock.advance(bench.authority.settings.status_life)
    with pytest.raises(CertificateRevoked):
        await bench.sessions.actor_from(token, bench.clock.now())


async def test_a_token_lives_fifteen_minutes(bench: Bench):
    phone = await bench.enrolled(await bench.hire(1))
    token = bench.tokens.issue(await phone.log_in(bench))
    bench.clock.advance(timedelta(minutes=15) - timedelta(seconds=1))
    await bench.sessions.actor_from(token, bench.clock.now())
    bench.clock.advance(timedelta(seconds=1))
    with pytest.raises(TokenExpired):
        await bench.sessions.actor_from(token, bench.clock.now())


async def test_an_officer_out_of_service_is_shut_out(bench: Bench):
    phone = await bench.enrolled(await bench.hire(1))
    session = await phone.log_in(bench)
    challenge = await bench.done(acts.BeginLogin(certificate=phone.certificate))
    await bench.database.execute("UPDATE officer SET active = FALSE")
    with pytest.raises(OfficerInactive):
        await bench.sessions.actor_from(bench.tokens.issue(session), bench.clock.now())
    answer = acts.FinishLogin(nonce=challenge.nonce, signature=phone.sign(challenge.payload))
    assert await bench.refused(answer) == "OFFICER_INACTIVE"


async def test_forged_and_altered_tokens_are_refused(bench: Bench):
    phone = await bench.enrolled(await bench.hire(1))
    token = bench.tokens.issue(await phone.log_in(bench))
    claims = jwt.decode(token, options={"verify_signature": False})
    header = jwt.get_unverified_header(token)
    ours = bench.authority.keyring.key("token")
    stranger = ec.generate_private_key(ec.SECP256R1())
    forged = [
        jwt.encode(claims, stranger, algorithm="ES256", headers=header),
        jwt.encode(claims, "", algorithm="none"),  # the classic downgrade
        jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"typ": header["typ"]}),
        jwt.encode(claims | {"aud": "elsewhere"}, ours, algorithm="ES256", headers=header),
        jwt.encode(claims | {"iss": "elsewhere"}, ours, algorithm="ES256", headers=header),
        jwt.encode(claims | {"sub": "OFF-0002"}, ours, algorithm="ES256", headers=header),
        jwt.encode(claims | {"cnf": "x"}, ours, algorithm="ES256", headers=header),
        jwt.encode(claims | {"exp": "soon"}, ours, algorithm="ES256", headers=header),
        jwt.encode(claims, ours, algorithm="ES256"),  # another kind of token of ours
        jwt.encode({k: v for k, v in claims.items() if k != "jti"}, ours, algorithm="ES256", headers=header),
        token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        "",
        "a.b.c",
        "令牌",
        "x" * 5000,
    ]
    for token in forged:
        with pytest.raises(TokenInvalid):
            await bench.sessions.actor_from(token, bench.clock.now())


async def test_no_token_and_no_key_stands_in_the_database(bench: Bench):
    phone = await bench.enrolled(await bench.hire(1))
    token = bench.tokens.issue(await phone.log_in(bench))
    remembered = await bench.database.rows("SELECT outcome FROM performed_act")
    assert all(token not in str(row["outcome"]) for row in remembered)


async def test_a_revocation_is_in_the_published_list_at_once_and_openssl_sees_it(bench: Bench, tmp_path):
    lost, kept = await bench.enrolled(await bench.hire(1)), await bench.enrolled(await bench.hire(2))
    bench.clock.advance(timedelta(minutes=1))
    await revoke(bench, lost)
    now = bench.clock.now()
    certificates = [x509.load_der_x509_certificate(phone.certificate) for phone in (lost, kept)]
    assert [await is_revoked(bench.authority, certificate, at=now) for certificate in certificates] == [True, False]
    (tmp_path / "crl.der").write_bytes(await newest_list_der(bench.authority) or b"")
    for name, der in (("lost", lost.certificate), ("kept", kept.certificate), ("chain", lost.chain[1])):
        (tmp_path / f"{name}.der").write_bytes(der)
        openssl(tmp_path, "x509", "-inform", "DER", "-in", f"{name}.der", "-out", f"{name}.pem")
    openssl(tmp_path, "crl", "-inform", "DER", "-in", "crl.der", "-out", "crl.pem")
    checks = ("verify", "-crl_check", "-CRLfile", "crl.pem", "-untrusted", "chain.pem", "-purpose", "any")
    when = ("-attime", str(int(now.timestamp()) + 1), "-CAfile", str(tmp_path / "keys" / "root.pem"))
    assert "certificate revoked" in openssl(tmp_path, *checks, *when, "lost.pem").stderr
    assert openssl(tmp_path, *checks, *when, "kept.pem").stdout == "kept.pem: OK\n"


async def test_lists_are_numbered_without_gaps_and_renewed_by_the_clock_when_old(bench: Bench):
    phone = await bench.enrolled(await bench.hire(1))
    publish = acts.PublishRevocationList()
    assert (await bench.done(publish, THE_CLOCK)).count == 1
    assert (await bench.done(publish, THE_CLOCK)).count == 0
    bench.clock.advance(timedelta(hours=1))
    assert (await bench.done(publish, THE_CLOCK)).count == 1
    first = await revoke(bench, phone)
    bench.clock.advance(timedelta(minutes=1))
    assert await revoke(bench, phone) == first  # revoked once, with its first date
    lists = await PublishedList.all().order_by("id")
    assert [row.number for row in lists] == [1, 2, 3]
    crls = [x509.load_der_x509_crl(row.der) for row in lists]
    assert [len(list(crl)) for crl in crls] == [0, 0, 1]
    assert crls[2].extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
