"""A zone's own keys, and the keys that parcels are sealed and opened with now.

Each number is two P-256 keys in the keyring, one to sign and one to unwrap; they never leave it and are never deleted,
because a parcel of last week is wrapped for last week's key. New keys are announced in `ctl`, sealed with the old ones;
towards a peer they are used when it has acknowledged the announcement (one-way: when every repetition of it has long
been under way). What a peer may seal with is what was pinned by people or announced so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import Authority
from certs.encodings import device_key, sha256_hex, spki_of
from certs.keyring import Keyring
from certs.profiles import FERRY_SIGNING, subject_name
from certs.verification import UNREADABLE, read_certificate
from ferry.introductions import Introduction, Proved, introduced, octets_of, prove, uri_of
from ferry.key_tables import FerryOwnKeys, FerryPin, FerryTrust
from ferry.parcel import Header
from ferry.refusals import FerryKeysMissing, ParcelForeign, ParcelUntrusted, PeerFileRefused
from ferry.sealing import Addressed, SealingKeys
from kernel import rows
from kernel.clock import Clock
from kernel.db import Database, instant

REQUESTED, READY = "requested", "ready"
TRUSTED, WITHDRAWN = "trusted", "withdrawn"
#: Clocks of two zones differ, and a certificate that ended yesterday still sealed what arrives today.
GRACE = timedelta(days=1)
#: One-way: longer than the last repetition of the announcement.
OVERLAP = timedelta(days=3)


def sign_key(keyring: Keyring, zone: str, number: int) -> ec.EllipticCurvePrivateKey:
    return keyring.key(f"ferrysign.{zone}-{number}")


def kem_key(keyring: Keyring, zone: str, number: int) -> ec.EllipticCurvePrivateKey:
    return keyring.key(f"ferrykem.{zone}-{number}")


async def make_keys(authority: Authority, zone: str, *, own_ca: bool, now: datetime) -> FerryOwnKeys:
    """The next number: certified at once by this installation's CA, or requested of another. In a transaction."""
    newest = await newest_keys(zone)
    if newest is not None and newest.state == REQUESTED:
        number = newest.number
    else:
        number = newest.number + 1 if newest else 1
        newest = await FerryOwnKeys.create(
            zone=zone,
            number=number,
            state=REQUESTED,
            kem_sha256=sha256_hex(spki_of(kem_key(authority.keyring, zone, number).public_key())),
            introduction="",
            root=b"",
            made_at=now,
        )
    if own_ca:
        spki = spki_of(sign_key(authority.keyring, zone, number).public_key())
        name, uri = f"数据摆渡 {zone}", uri_of(zone)
        issued = await authority.issue(FERRY_SIGNING, name=name, holder=zone, spki=spki, now=now, uri=uri)
        chain = [bytes(issued.der), _der(authority.issuing)]
        await _complete(authority.keyring, newest, chain, _der(authority.root), now=now)
    return newest


def request_of(authority: Authority, zone: str, number: int) -> bytes:
    """PKCS#10 (PEM) for a CA that is not ours: the key, the zone as URI, the purpose."""
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject_name(f"数据摆渡 {zone}", organisation=authority.settings.organisation))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri_of(zone))]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(FERRY_SIGNING.purposes), critical=False)
    )
    request = builder.sign(sign_key(authority.keyring, zone, number), hashes.SHA256())
    return request.public_bytes(Encoding.PEM)


async def take_certificate(authority: Authority, zone: str, chain_pem: bytes, *, now: datetime) -> FerryOwnKeys:
    """Takes the answer of the CA: our certificate, its issuers, the root last, as PEM. In a transaction.

    Raises FERRY_KEYS_MISSING without a request, PEER_FILE_REFUSED or a CERTIFICATE_… for a chain that does not fit it.
    """
    wanted = await newest_keys(zone)
    if wanted is None or wanted.state != REQUESTED:
        raise FerryKeysMissing(what="request")
    try:
        chain = [read_certificate(_der(each)) for each in x509.load_pem_x509_certificates(chain_pem)]
    except UNREADABLE:
        raise PeerFileRefused(why="not a chain of certificates") from None
    if len(chain) < 2:
        raise PeerFileRefused(why="the certificate, its issuers and the root are needed")
    if spki_of(chain[0].public_key()) != spki_of(sign_key(authority.keyring, zone, wanted.number).public_key()):
        raise PeerFileRefused(why="the certificate is of another key")
    *certificates, root = map(_der, chain)
    await _complete(authority.keyring, wanted, certificates, root, now=now)
    return wanted


async def newest_keys(zone: str, state: str | None = None) -> FerryOwnKeys | None:
    found = FerryOwnKeys.filter(zone=zone) if state is None else FerryOwnKeys.filter(zone=zone, state=state)
    return await found.order_by("-number").first()


def introduction_of(row: FerryOwnKeys | FerryPin) -> Introduction:
    return msgspec.json.decode(row.introduction.encode(), type=Introduction)


@dataclass(frozen=True, kw_only=True)
class _Pinned:
    key: ec.EllipticCurvePublicKey
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class _Book:
    """What was true at the last refresh."""

    addressed: Addressed
    sealing: SealingKeys = field(repr=False)
    senders: Mapping[str, _Pinned]
    unwrapping: Mapping[str, int]


class ZoneKeys:
    """`ferry.station.Keys` of one zone towards one peer, from the keyring and the tables; renewed by `refresh`."""

    def __init__(self, keyring: Keyring, database: Database, clock: Clock, *, own: str, peer: str) -> None:
        self._keyring, self._database, self._clock = keyring, database, clock
        self._own, self._peer = own, peer
        self._book: _Book | None = None

    async def refresh(self) -> None:
        """Reads what was pinned, announced, revoked and acknowledged since. Before every turn; some small queries.

        Raises FERRY_KEYS_MISSING.
        """
        trust = await rows.one(FerryTrust, peer=self._peer)
        pins = [pin for pin in await rows.many(FerryPin, peer=self._peer, state=TRUSTED)]
        theirs = max((pin for pin in pins if pin.revoked_at is None), key=lambda pin: pin.number, default=None)
        ours = await rows.many(FerryOwnKeys, zone=self._own)
        if trust is None or not pins:
            raise FerryKeysMissing(what=self._peer)
        number = await self._advanced(trust, ours)
        used = next((keys for keys in ours if keys.number == number and keys.state == READY), None)
        if used is None:
            raise FerryKeysMissing(what=self._own)
        # Where every key of the peer is revoked nothing can be sealed that it should read; the last one is as good.
        kem = octets_of(introduction_of(theirs or pins[-1]).kem)
        self._book = _Book(
            addressed=Addressed(
                sender=self._own,
                receiver=self._peer,
                sender_certificate=used.certificate_sha256,
                receiver_key=sha256_hex(kem),
            ),
            sealing=SealingKeys(own=sign_key(self._keyring, self._own, number), receiver=device_key(kem)),
            senders={pin.certificate_sha256: _pinned(pin) for pin in pins},
            unwrapping={keys.kem_sha256: keys.number for keys in ours},
        )

    def addressed(self) -> Addressed:
        return self._known.addressed

    def sealing(self) -> SealingKeys:
        return self._known.sealing

    def sender(self, header: Header) -> ec.EllipticCurvePublicKey:
        pinned = self._known.senders.get(header.sender_certificate)
        if pinned is None:
            raise ParcelForeign(why="unknown certificate")
        now = self._clock.now()
        if pinned.revoked_at is not None:
            raise ParcelUntrusted(why="revoked")
        if now > pinned.not_after + GRACE:
            raise ParcelUntrusted(why="expired")
        if now < pinned.not_before - GRACE:
            raise ParcelUntrusted(why="not yet valid")
        return pinned.key

    def own(self, header: Header) -> ec.EllipticCurvePrivateKey:
        number = self._known.unwrapping.get(header.receiver_key)
        if number is None:
            raise ParcelForeign(why="wrapped for a key that is not ours")
        return kem_key(self._keyring, self._own, number)

    @property
    def _known(self) -> _Book:
        if self._book is None:
            raise FerryKeysMissing(what="refresh")
        return self._book

    async def _advanced(self, trust: FerryTrust, ours: list[FerryOwnKeys]) -> int:
        """Which of our keys the peer knows by now; a newer one is noted."""
        newest = max((keys.number for keys in ours if keys.state == READY), default=trust.own_number)
        known = trust.own_number
        for number in range(newest, known, -1):
            if await self._is_announced(number):
                async with self._database.transaction():
                    await rows.change(FerryTrust, {"peer": self._peer, "own_number": known}, own_number=number)
                return number
        return known

    async def _is_announced(self, number: int) -> bool:
        found = await self._database.rows(
            "SELECT p.state, p.offered_at FROM ferry_record r JOIN ferry_place s ON s.id = r.id"
            " JOIN ferry_parcel p ON p.id = s.parcel"
            " WHERE r.peer = $1 AND r.rid = $2 AND r.refused = ''",
            self._peer,
            announcement_rid(self._own, number),
        )
        for row in found:
            offered = instant(row["offered_at"])
            if row["state"] in ("acked", "retired"):
                return True
            if row["state"] == "spent" and offered is not None and self._clock.now() - offered >= OVERLAP:
                return True
        return False


async def lives(own: str, peer: str) -> list[tuple[datetime, datetime]]:
    """From when and until when the newest certificates hold: this zone's, and the peer's; those there are."""
    ours = await newest_keys(own, READY)
    pins = await FerryPin.filter(peer=peer, state=TRUSTED, revoked_at__isnull=True).order_by("-number").limit(1)
    found = [read_certificate(octets_of(introduction_of(row).certificates[0])) for row in (ours, *pins) if row]
    return [(each.not_valid_before_utc, each.not_valid_after_utc) for each in found]


def announcement_rid(zone: str, number: int) -> str:
    return f"keys:{zone}:{number}"


# ------------------------------------------------------------------------------------------------------------ below


async def _complete(
    keyring: Keyring, row: FerryOwnKeys, certificates: list[bytes], root: bytes, *, now: datetime
) -> None:
    """Introduces the keys, and proves them as a stranger would before anybody else has to."""
    own, kem = (make(keyring, row.zone, row.number) for make in (sign_key, kem_key))
    said = introduced(row.zone, row.number, certificates, own=own, kem=kem.public_key())
    proved: Proved = prove(said, root, zone=row.zone, at=now)
    row.state, row.introduction, row.root = READY, msgspec.json.encode(said).decode(), root
    row.certificate_sha256, row.not_after = proved.certificate_sha256, proved.certificate.not_valid_after_utc
    await row.save(update_fields=["state", "introduction", "root", "certificate_sha256", "not_after"])


def _pinned(pin: FerryPin) -> _Pinned:
    certificate = read_certificate(octets_of(introduction_of(pin).certificates[0]))
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)  # proved when it was pinned
    return _Pinned(
        key=key,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        revoked_at=pin.revoked_at,
    )


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
