"""Who may seal for whom: peers that people pinned, keys that peers announced, certificates that a CA took back."""

import hashlib
import json
from datetime import timedelta

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certs.encodings import spki_of
from certs.profiles import FERRY_SIGNING, SERVER_EVIDENCE, subject_name, uri_names
from certs.revocation import zone_revocations
from ferry.identity import introduction_of, kem_key, request_of, sign_key, take_certificate
from ferry.introductions import introduced, prove, read_peer_file, text_of, uri_of
from ferry.key_tables import FerryPin
from ferry.trust import _take_announcement, tell_list
from ferry.words import are_same, is_slip, words_of
from kernel.refusals import Refusal
from tests.ferry.keyed import KeyedPair, authority


@pytest.fixture
def keyed(pair, tmp_path):
    return KeyedPair(pair, tmp_path / "pki")


@pytest.fixture
async def met(keyed):
    await keyed.meet()
    return keyed


async def refused(awaitable) -> str:
    with pytest.raises(Refusal) as why:
        await awaitable
    return why.value.code


# ---- meeting


async def test_zones_that_pinned_each_other_exchange_records(met):
    await met.outer.side.hand_over("a", "b")
    await met.inner.side.hand_over("c")
    await met.settle()
    assert await met.inner.side.effects() == {"case.state/a": 1, "case.state/b": 1}
    assert await met.outer.side.effects() == {"case.state/c": 1}


async def test_a_certificate_says_which_zone_it_is_and_what_for(met):
    proved = prove(introduction_of(await met.outer.newest()), met.outer.root, zone="outer", at=met.pair.clock.now())
    assert uri_names(proved.certificate) == ["ferry:outer"]
    usage = proved.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert tuple(usage) == FERRY_SIGNING.purposes
    assert spki_of(proved.kem) != spki_of(proved.key)


async def test_private_keys_are_nowhere_but_in_the_keyring(met, tmp_path):
    file = await met.outer.file()
    for number in (sign_key, kem_key):
        secret = number(met.outer.authority.keyring, "outer", 1).private_numbers().private_value
        assert format(secret, "x") not in file.decode()
    assert "PRIVATE" not in file.decode()
    assert "ENCRYPTED" in next((tmp_path / "pki" / "outer").glob("ferrysign*.key.pem")).read_text()
    assert repr(met.outer.keys.sealing()) == "SealingKeys()"


async def test_before_anybody_is_pinned_nothing_can_be_sealed(keyed):
    await keyed.outer.make()
    assert await refused(keyed.outer.refresh()) == "FERRY_KEYS_MISSING"


# ---- what is no introduction


@pytest.fixture
async def pieces(keyed):
    """What a peer file of `outer` is made of, to be made wrong."""
    await keyed.outer.make()
    return keyed.outer, introduction_of(await keyed.outer.newest())


def issued(ca, *, spki, uri, profile, life=timedelta(days=30), now):
    """A certificate as a careless CA makes it."""
    key = ca.keyring.key("issuing")
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject_name("摆渡", organisation="某 CA"))
        .issuer_name(ca.issuing.subject)
        .public_key(spki)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(x509.KeyUsage(True, True, *[False] * 7), critical=True)
        .add_extension(x509.ExtendedKeyUsage(profile.purposes), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if uri:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False
        )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def introduction(keyed_side, ca=None, *, uri="ferry:outer", profile=FERRY_SIGNING, kem=None, own=None, **changes):
    ca = ca or keyed_side.authority
    own = own or ec.generate_private_key(ec.SECP256R1())
    kem = kem or ec.generate_private_key(ec.SECP256R1())
    now = keyed_side.side.clock.now()
    certificate = issued(ca, spki=own.public_key(), uri=uri, profile=profile, now=now, **changes)
    chain = [certificate, ca.issuing.public_bytes(Encoding.DER)]
    return introduced("outer", 7, chain, own=own, kem=kem.public_key())


def proof_refused(side, said, *, after=timedelta(0)) -> str:
    with pytest.raises(Refusal) as why:
        prove(said, side.root, zone="outer", at=side.side.clock.now() + after)
    return why.value.code


async def test_an_expired_certificate_introduces_nobody(pieces):
    side, _ = pieces
    assert proof_refused(side, introduction(side), after=timedelta(days=31)) == "CERTIFICATE_EXPIRED"


async def test_keys_that_a_clock_minutes_ahead_has_just_made_are_not_from_the_future(met):
    said = introduction_of(await met.outer.newest())
    made = prove(said, met.outer.root, zone="outer", at=met.pair.clock.now()).certificate.not_valid_before_utc
    assert prove(said, met.outer.root, zone="outer", at=made - timedelta(minutes=9)).introduction == said
    with pytest.raises(Refusal) as why:
        prove(said, met.outer.root, zone="outer", at=made - timedelta(minutes=11))
    assert why.value.code == "CERTIFICATE_NOT_YET_VALID"


async def test_an_introduction_by_another_ca_of_the_same_root_is_good(pieces):
    side, _ = pieces
    assert prove(introduction(side), side.root, zone="outer", at=side.side.clock.now()).introduction.number == 7


async def test_a_certificate_of_another_root_is_refused(pieces, tmp_path):
    side, _ = pieces
    foreign = authority(tmp_path / "foreign", side.side.clock.now(), side.side.own)
    assert proof_refused(side, introduction(side, foreign)) == "CERTIFICATE_UNKNOWN_ISSUER"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"profile": SERVER_EVIDENCE}, "CERTIFICATE_WRONG_PURPOSE", id="another purpose"),
        pytest.param({"uri": "ferry:inner"}, "CERTIFICATE_WRONG_PURPOSE", id="another zone"),
        pytest.param({"uri": ""}, "CERTIFICATE_WRONG_PURPOSE", id="no zone"),
    ],
)
async def test_a_certificate_that_is_not_for_this_is_refused(pieces, changes, code):
    side, _ = pieces
    assert proof_refused(side, introduction(side, **changes)) == code


async def test_one_key_for_both_purposes_is_refused(pieces):
    side, _ = pieces
    one = ec.generate_private_key(ec.SECP256R1())
    assert proof_refused(side, introduction(side, own=one, kem=one)) == "PEER_FILE_REFUSED"


async def test_a_kem_key_that_the_signing_key_did_not_vouch_for_is_refused(pieces):
    side, said = pieces
    other = text_of(spki_of(ec.generate_private_key(ec.SECP256R1()).public_key()))
    assert proof_refused(side, msgspec.structs.replace(said, kem=other)) == "SIGNATURE_INVALID"
    assert proof_refused(side, msgspec.structs.replace(said, number=2)) == "SIGNATURE_INVALID"


async def test_any_change_of_a_peer_file_is_refused(keyed):
    await keyed.outer.make()
    await keyed.inner.make()
    file = json.loads(await keyed.outer.file())
    for change in (
        {"form": "something/1"},
        {"root": text_of(keyed.inner.root)},
        {"root": "!"},
        {"surplus": 1},
        {"introduction": {**file["introduction"], "zone": "inner"}},
        {"introduction": {**file["introduction"], "certificates": []}},
        {"introduction": {**file["introduction"], "signature": ""}},
    ):
        code = await refused(keyed.inner.pin(json.dumps({**file, **change}).encode()))
        assert code in {"PEER_FILE_REFUSED", "CERTIFICATE_UNKNOWN_ISSUER", "SIGNATURE_INVALID"}
    for octets in (b"", b"{}", b"[" * 5000, b"\xff", b"x" * 100_000):
        with pytest.raises(Refusal):
            read_peer_file(octets)


# ---- words


def test_a_fingerprint_is_24_characters_that_two_people_compare():
    fingerprint = hashlib.sha256(b"root").digest()
    words = words_of(fingerprint)
    assert [len(group) for group in words.split()] == [6, 6, 6, 6]
    assert are_same(words.replace(" ", ""), fingerprint)
    assert are_same("，".join(words), fingerprint)
    assert not is_slip(words)


def test_a_slip_of_the_tongue_is_told_from_another_fingerprint():
    words = words_of(hashlib.sha256(b"root").digest())
    slip = ("一" if words[0] != "一" else "二") + words[1:]
    assert not are_same(slip, hashlib.sha256(b"root").digest())
    assert is_slip(slip) or words_of(hashlib.sha256(b"root").digest()) != slip
    assert not is_slip(words_of(hashlib.sha256(b"another").digest()))
    assert is_slip("没有这些词")


# ---- another CA


async def test_a_zone_may_have_its_certificate_from_a_ca_elsewhere(keyed, tmp_path):
    side, clock = keyed.outer, keyed.pair.clock
    made = await side.make(own_ca=False)
    assert (made.state, made.introduction) == ("requested", "")
    request = x509.load_pem_x509_csr(request_of(side.authority, "outer", 1))
    assert request.is_signature_valid
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [uri_of("outer")]
    ca = authority(tmp_path / "licensed", clock.now(), "某省 CA")
    der = issued(ca, spki=request.public_key(), uri="ferry:outer", profile=FERRY_SIGNING, now=clock.now())
    chain = [x509.load_der_x509_certificate(der), ca.issuing, ca.root]
    with side.side.here():
        taken = await take_certificate(
            side.authority, "outer", b"".join(c.public_bytes(Encoding.PEM) for c in chain), now=clock.now()
        )
    assert taken.state == "ready"
    await keyed.inner.make()
    proved = await keyed.inner.pin(await side.file())
    assert proved.certificate_sha256 == hashlib.sha256(der).hexdigest()


async def test_a_certificate_of_another_key_is_not_taken(keyed):
    side, clock = keyed.outer, keyed.pair.clock
    await side.make(own_ca=False)
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = issued(side.authority, spki=stranger, uri="ferry:outer", profile=FERRY_SIGNING, now=clock.now())
    chain = [x509.load_der_x509_certificate(der), side.authority.issuing, side.authority.root]
    pem = b"".join(c.public_bytes(Encoding.PEM) for c in chain)
    with side.side.here():
        for content in (pem, b"nothing", pem[:900]):
            assert await refused(take_certificate(side.authority, "outer", content, now=clock.now())) in {
                "PEER_FILE_REFUSED", "CERTIFICATE_MALFORMED"
            }  # fmt: skip


# ---- rolling


async def test_new_keys_are_announced_with_the_old_and_used_when_that_is_acknowledged(met):
    outer, inner = met.outer, met.inner
    before = outer.keys.addressed()
    await outer.side.hand_over("before")
    await outer.make()
    await outer.refresh()
    assert outer.keys.addressed() == before, "nobody knows the new keys yet"
    await outer.side.hand_over("during")
    await met.settle()
    await outer.refresh()
    await inner.refresh()
    assert outer.keys.addressed().sender_certificate != before.sender_certificate
    assert inner.keys.addressed().receiver_key != outer.keys.addressed().receiver_key
    await outer.side.hand_over("after")
    await inner.side.hand_over("back")
    await met.settle()
    assert set(await inner.side.effects()) == {"case.state/before", "case.state/during", "case.state/after"}
    assert await outer.side.effects() == {"case.state/back": 1}
    assert await inner.side.quarantined() == {}


async def test_a_parcel_wrapped_for_the_old_key_is_opened_after_the_roll(met):
    """The peer hears of new keys later than parcels of it are under way."""
    outer, inner = met.outer, met.inner
    await met.settle()
    old = inner.keys.addressed().receiver_key
    await inner.side.hand_over("under-way")
    with inner.side.here():
        await inner.side.engine.turn(met.pair.clock.now())
    await outer.make()
    await outer.refresh()
    await met.settle()
    assert await outer.side.effects() == {"case.state/under-way": 1}
    await inner.refresh()
    assert inner.keys.addressed().receiver_key != old


async def test_old_keys_cannot_be_announced_again(met):
    outer, inner = met.outer, met.inner
    first = introduction_of(await outer.newest())
    for _ in range(2):
        await outer.make()
        await met.settle()
        await outer.refresh()
    with inner.side.here():
        await FerryPin.filter(peer="outer", number=1).delete()
        assert await refused(_take_announcement("outer", first, met.pair.clock.now())) == "PEER_FILE_REFUSED"
        assert {pin.number for pin in await FerryPin.filter(peer="outer")} == {2, 3}


# ---- taken back


async def test_a_revoked_certificate_seals_nothing_more(met):
    outer, inner = met.outer, met.inner
    await outer.make()
    await met.settle()
    await met.step()
    await outer.revoke(2)
    # The list travels sealed with the very keys it names: the CA's word counts, not the messenger's.
    assert await outer.tell()
    assert not await outer.tell(), "told already"
    await met.settle()
    await outer.side.hand_over("stolen")
    for _ in range(6):
        await met.step()
    assert await inner.side.effects() == {}
    assert "PARCEL_UNTRUSTED" in await inner.side.quarantined()


async def test_a_list_of_another_ca_or_an_older_one_changes_nothing(met, tmp_path):
    outer, inner = met.outer, met.inner
    foreign = authority(tmp_path / "foreign", met.pair.clock.now(), "别家")
    with outer.side.here():
        async with outer.side.database.transaction():
            number, der = await zone_revocations(foreign, uri="ferry:outer", now=met.pair.clock.now())
            await tell_list(outer.side.database, outer.route, der, number=number, now=met.pair.clock.now())
    await met.settle()
    poison = await inner.side.rows("SELECT code FROM ferry_poison")
    assert [row["code"] for row in poison] == ["CERTIFICATE_STATUS_UNKNOWN"]


async def test_an_expired_certificate_seals_nothing_more_after_a_day_of_grace(met):
    outer, inner = met.outer, met.inner
    await outer.side.hand_over("late")
    with outer.side.here():
        await outer.side.engine.turn(met.pair.clock.now())
    met.pair.there.sweep()
    await met.later(days=2 * 365 + 2)
    await inner.side.turn()
    assert await inner.side.effects() == {}
    assert await inner.side.quarantined() == {"PARCEL_UNTRUSTED": "kept"}


async def test_a_peer_that_is_pinned_anew_is_not_believed_by_its_old_keys(met, tmp_path):
    """Its keys were stolen: two people on each side begin again, and what was under way is sealed anew."""
    outer, inner = met.outer, met.inner
    await outer.side.hand_over("under-way")
    await outer.make()
    await outer.refresh()
    with outer.side.here():
        await outer.side.engine.turn(met.pair.clock.now())
    await inner.pin(await outer.file())
    await outer.pin(await inner.file())
    await outer.refresh()
    await inner.refresh()
    met.pair.there.sweep()
    await inner.side.turn()
    assert await inner.side.effects() == {}
    assert await inner.side.quarantined() == {"PARCEL_FOREIGN": "kept"}
    await met.settle()
    assert await inner.side.effects() == {"case.state/under-way": 1}
