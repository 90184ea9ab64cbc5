from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from certs.authority import Authority
from certs.keyring import Keyring
from certs.profiles import ISSUING, OFFICER_SIGNING, ROOT, UNIT_SEAL, faults
from certs.refusals import CertificateStatusUnknown
from certs.settings import CertSettings
from certs.verification import RevocationList, Verifier
from kernel.refusals import Refusal
from tests.certs.made import NOW, Ca
from tests.certs.phones import openssl

ROOT_CA = Ca()
CA = Ca("试验签发 CA", ROOT_CA)
STRANGER = Ca("别的根 CA")
#: Carries the real issuing CA's name and none of its keys.
IMPOSTOR = Ca("试验签发 CA", STRANGER)
VERIFIER = Verifier([ROOT_CA.certificate], [CA.certificate])
LEAF = CA.leaf()
SERIAL = x509.load_der_x509_certificate(LEAF).serial_number


def judged(der: bytes, *, at=NOW, profile=OFFICER_SIGNING, revocations=None) -> str:
    try:
        VERIFIER.relied_on(der, profile, at=at, revocations=revocations)
    except Refusal as refusal:
        return refusal.code
    return "RELIED_ON"


def test_a_certificate_of_the_profile_is_relied_on_with_its_whole_chain():
    trusted = VERIFIER.relied_on(LEAF, OFFICER_SIGNING, at=NOW)
    assert trusted.chain == (CA.certificate, ROOT_CA.certificate)


def _rsa(bits: int):
    return rsa.generate_private_key(65537, bits).public_key()


@pytest.mark.parametrize(
    ("der", "code"),
    [
        (b"", "CERTIFICATE_MALFORMED"),
        (b"0" * 9000, "CERTIFICATE_MALFORMED"),
        (LEAF[:-1], "CERTIFICATE_MALFORMED"),
        (LEAF + b"\0", "CERTIFICATE_MALFORMED"),
        (STRANGER.leaf(), "CERTIFICATE_UNKNOWN_ISSUER"),
        # The right name over the wrong key: only the signature tells.
        (IMPOSTOR.leaf(), "CERTIFICATE_UNKNOWN_ISSUER"),
        (CA.leaf(start=NOW + timedelta(seconds=1)), "CERTIFICATE_NOT_YET_VALID"),
        (CA.leaf(end=NOW - timedelta(seconds=1)), "CERTIFICATE_EXPIRED"),
        (CA.leaf(profile=UNIT_SEAL), "CERTIFICATE_WRONG_PURPOSE"),
        (CA.leaf(without=(x509.ExtendedKeyUsage,)), "CERTIFICATE_WRONG_PURPOSE"),
        (CA.leaf(without=(x509.CertificatePolicies,)), "CERTIFICATE_WRONG_PURPOSE"),
        (CA.leaf(without=(x509.KeyUsage,)), "CERTIFICATE_WRONG_PURPOSE"),
        # digitalSignature alone authenticates, it does not commit to a content.
        (
            CA.leaf(usage=x509.KeyUsage(True, False, False, False, False, False, False, False, False)),
            "CERTIFICATE_WRONG_PURPOSE",
        ),
        (CA.leaf(ca=True), "CERTIFICATE_WRONG_PURPOSE"),
        (CA.leaf(_rsa(1024)), "CERTIFICATE_WEAK_KEY"),
        (CA.leaf(_rsa(2048)), "CERTIFICATE_WEAK_KEY"),
        (CA.leaf(ec.generate_private_key(ec.SECP256K1()).public_key()), "CERTIFICATE_WEAK_KEY"),
        (CA.leaf(ec.generate_private_key(ec.SECP384R1()).public_key()), "CERTIFICATE_WEAK_KEY"),
        (CA.leaf(ed25519.Ed25519PrivateKey.generate().public_key()), "CERTIFICATE_WEAK_KEY"),
        # A critical extension that nobody here understands.
        (
            CA.leaf(extra=x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")),
            "CERTIFICATE_MALFORMED",
        ),
    ],
)
def test_a_certificate_is_refused_with_the_reason(der, code):
    assert judged(der) == code


def test_a_certificate_is_valid_from_its_first_to_its_last_second_and_the_cache_forgets_no_time():
    der = CA.leaf(start=NOW, end=NOW + timedelta(days=1))
    seconds = (-1, 0, 86_400, 86_401, 0)
    assert [judged(der, at=NOW + timedelta(seconds=s)) for s in seconds] == [
        "CERTIFICATE_NOT_YET_VALID",
        "RELIED_ON",
        "RELIED_ON",
        "CERTIFICATE_EXPIRED",
        "RELIED_ON",
    ]


def test_a_revocation_counts_from_its_instant_on_and_not_before():
    since = NOW + timedelta(hours=2)
    listed = RevocationList.read(CA.revocation_list(SERIAL, since=since), CA.certificate)
    assert judged(LEAF, at=since - timedelta(seconds=1), revocations=listed) == "RELIED_ON"
    assert judged(LEAF, at=since, revocations=listed) == "CERTIFICATE_REVOKED"


def test_an_outdated_list_proves_nothing():
    listed = RevocationList.read(CA.revocation_list(), CA.certificate)
    assert judged(LEAF, at=NOW + timedelta(hours=24), revocations=listed) == "CERTIFICATE_STATUS_UNKNOWN"


@pytest.mark.parametrize("der", [b"", b"\x30\x00", STRANGER.revocation_list(), IMPOSTOR.revocation_list()])
def test_a_list_that_is_not_the_issuers_is_refused(der):
    with pytest.raises(CertificateStatusUnknown):
        RevocationList.read(der, CA.certificate)


@given(at=st.integers(0, len(LEAF) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_in_a_certificate_is_refused(at, bit):
    der = bytearray(LEAF)
    der[at] ^= 1 << bit
    assert judged(bytes(der)) != "RELIED_ON"


def test_a_negative_serial_number_is_no_certificates():
    der, number = bytearray(LEAF), SERIAL.to_bytes((SERIAL.bit_length() + 8) // 8, "big")
    der[der.index(number)] |= 0x80
    assert judged(bytes(der)) == "CERTIFICATE_MALFORMED"


@given(octets=st.binary(max_size=300))
def test_random_octets_are_refused_and_never_crash(octets):
    assert judged(octets) == "CERTIFICATE_MALFORMED"
    with pytest.raises(CertificateStatusUnknown):
        RevocationList.read(octets, CA.certificate)


def test_the_ceremony_is_held_once_and_its_certificates_satisfy_openssl(tmp_path):
    keyring = Keyring(tmp_path / "keys", b"secret")
    first = Authority.open(keyring, CertSettings(), now=NOW)
    again = Authority.open(Keyring(tmp_path / "keys", b"secret"), CertSettings(), now=NOW + timedelta(days=9))
    assert (first.root, first.issuing) == (again.root, again.issuing)
    assert faults(first.root, ROOT) == faults(first.issuing, ISSUING) == []
    when = str(int(NOW.timestamp()) + 60)
    arguments = ("verify", "-x509_strict", "-CAfile", "root.pem", "-attime", when, "issuing.pem")
    assert openssl(tmp_path / "keys", *arguments).stdout == "issuing.pem: OK\n"


def test_private_keys_are_encrypted_owner_only_and_closed_to_a_wrong_passphrase(tmp_path):
    Keyring(tmp_path / "keys", b"right").key("root")
    (path,) = (tmp_path / "keys").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert b"ENCRYPTED" in path.read_bytes()
    with pytest.raises(ValueError, match="password"):
        Keyring(tmp_path / "keys", b"wrong").key("root")


def test_a_keys_name_cannot_leave_its_folder(tmp_path):
    with pytest.raises(ValueError, match="not a key's name"):
        Keyring(tmp_path, b"x").key("../root")
