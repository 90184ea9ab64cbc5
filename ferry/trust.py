"""Whom this zone believes: pinned by people once, then kept up to date by records in `ctl`, or pinned anew by two.

`ctl.keys` announces a peer's next keys: a certificate under the root that was pinned, a proof of possession, a higher
number. `ctl.revocations` carries the list of the CA (RFC 5280) with every parcel certificate it took back. A list that
is out of date stops nothing, because its successor comes by the same way; what was once revoked stays revoked.
"""

import logging
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from cryptography import x509
from msgspec import Meta, Struct

from certs.authority import Authority
from certs.encodings import sha256_hex
from certs.profiles import ProfileName
from certs.refusals import CertificateStatusUnknown
from certs.revocation import zone_revocations
from certs.tables import CertificateState, IssuedCertificate
from certs.verification import UNREADABLE, RevocationList, read_certificate, serial_hex
from ferry.identity import (
    READY,
    TRUSTED,
    WITHDRAWN,
    announcement_rid,
    introduction_of,
    newest_keys,
)
from ferry.introductions import (
    Introduction,
    PeerFile,
    Proved,
    octets_of,
    prove,
    root_of,
    text_of,
    uri_of,
)
from ferry.key_tables import FerryPin, FerryTrust
from ferry.lanes import Lane
from ferry.outgoing import hand_over
from ferry.records import Direction, Envelope, RecordType
from ferry.refusals import FerryKeysMissing, PeerFileRefused
from ferry.station import Route
from kernel import rows
from kernel.db import Database

log = logging.getLogger(__name__)

KEYS, REVOCATIONS = "ctl.keys", "ctl.revocations"
#: As base64 in one record; a list of parcel certificates alone has a few hundred octets.
MAX_LIST_OCTETS = 44_000
TELL_AGAIN = timedelta(hours=12)


class RevocationsTold(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`der`: the list in base64, as its CA signed it."""

    number: Annotated[int, Meta(ge=1, lt=1 << 53)]
    der: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]+={0,2}\Z", max_length=60_000)]


def key_records(peer: str) -> list[RecordType]:
    """The two record types, as they come from `peer`: whose keys they are says the channel, not the record."""

    async def announced(database: Database, now: datetime, envelope: Envelope) -> None:
        assert isinstance(envelope.body, Introduction)
        await _take_announcement(peer, envelope.body, now)

    async def revoked(database: Database, now: datetime, envelope: Envelope) -> None:
        assert isinstance(envelope.body, RevocationsTold)
        await _take_list(peer, envelope.body, now)

    return [
        RecordType(name=KEYS, direction=Direction.EITHER, lane=Lane.CTL, struct=Introduction, apply=announced),
        RecordType(
            name=REVOCATIONS, direction=Direction.EITHER, lane=Lane.CTL, struct=RevocationsTold, apply=revoked
        ),
    ]  # fmt: skip


async def is_pinned(peer: str) -> bool:
    return await rows.one(FerryTrust, peer=peer) is not None


async def authorities_of(peer: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The root (DER) by which a peer is believed, and the CAs between it and the peer's own certificates."""
    trust = await rows.one(FerryTrust, peer=peer)
    pins = await rows.many(FerryPin, peer=peer, state=TRUSTED)
    between = {octets_of(each) for found in pins for each in introduction_of(found).certificates[1:]}
    return ((bytes(trust.root),) if trust else ()), tuple(sorted(between))


async def pin(file: PeerFile, *, own: str, peer: str, by: str, now: datetime) -> Proved:
    """Believes the peer by the root in its file from now on, and nothing it was believed by before. In a transaction.

    Raises FERRY_KEYS_MISSING before this zone has keys, PEER_FILE_REFUSED, or what is wrong with the certificate.
    """
    root = root_of(file)
    proved = prove(file.introduction, root, zone=peer, at=now)
    ours = await newest_keys(own, READY)
    if ours is None:
        raise FerryKeysMissing(what=own)
    await rows.change(FerryPin, {"peer": peer, "state": TRUSTED}, state=WITHDRAWN)
    await FerryTrust.filter(peer=peer).delete()
    await FerryTrust.create(peer=peer, root=root, own_number=ours.number, pinned_at=now, pinned_by=by[:80])
    await _enter(peer, proved, now)
    return proved


async def announce(database: Database, route: Route, zone: str, *, now: datetime) -> bool:
    """Tells a peer of our newest keys, in the caller's transaction; False if it was told or needs not be."""
    newest, trust = await newest_keys(zone, READY), await rows.one(FerryTrust, peer=route.peer)
    if newest is None or trust is None or newest.number <= trust.own_number:
        return False
    envelope = Envelope(
        rid=announcement_rid(zone, newest.number), type=KEYS, key=zone, at=now, body=introduction_of(newest)
    )
    return bool(await hand_over(database, route, [envelope], now=now))


async def tell_revocations(database: Database, route: Route, authority: Authority, *, now: datetime) -> bool:
    """Tells a peer which parcel certificates of this installation's CA are revoked, in the caller's transaction.

    At once when there is a new one, else twice a day, so that the peer sees the list is alive. False: nothing to tell.
    """
    trust = await rows.one(FerryTrust, peer=route.peer)
    if trust is None:
        return False
    revoked = await IssuedCertificate.filter(
        issuer=authority.issuer, profile=ProfileName.FERRY_SIGNING.value, state=CertificateState.REVOKED
    ).count()
    if trust.told_at is not None and trust.told_revoked == revoked and now - trust.told_at < TELL_AGAIN:
        return False
    number, der = await zone_revocations(authority, uri=uri_of(route.own), now=now)
    await tell_list(database, route, der, number=number, now=now)
    await rows.change(FerryTrust, {"peer": route.peer}, told_at=now, told_revoked=revoked)
    return True


async def tell_list(database: Database, route: Route, der: bytes, *, number: int | None = None, now: datetime) -> None:
    """Tells a peer a list as its CA signed it, in the caller's transaction. Raises CertificateStatusUnknown."""
    if len(der) > MAX_LIST_OCTETS:
        raise CertificateStatusUnknown(at="a list too long to cross")
    number = _number_of(der) if number is None else number
    body = RevocationsTold(number=number, der=text_of(der))
    rid = f"revocations:{sha256_hex(der)[:40]}"
    envelope = Envelope(rid=rid, type=REVOCATIONS, key=route.own, at=now, body=body)
    await hand_over(database, route, [envelope], now=now)


# ------------------------------------------------------------------------------------------------------------ below


async def _take_announcement(peer: str, said: Introduction, now: datetime) -> None:
    trust = await rows.one(FerryTrust, peer=peer)
    if trust is None:
        raise FerryKeysMissing(what=peer)
    proved = prove(said, bytes(trust.root), zone=peer, at=now)
    known = await rows.many(FerryPin, peer=peer, state=TRUSTED)
    if any(pin.certificate_sha256 == proved.certificate_sha256 for pin in known):
        return
    if any(pin.number >= said.number for pin in known):
        raise PeerFileRefused(why="older than the keys that are known")
    await _enter(peer, proved, now)
    log.warning("ferry: %s announced its keys number %s", peer, said.number)


async def _enter(peer: str, proved: Proved, now: datetime) -> None:
    await FerryPin.create(
        peer=peer,
        number=proved.introduction.number,
        certificate_sha256=proved.certificate_sha256,
        serial=serial_hex(proved.certificate),
        introduction=msgspec.json.encode(proved.introduction).decode(),
        at=now,
    )


async def _take_list(peer: str, told: RevocationsTold, now: datetime) -> None:
    """Marks what the list revokes. Raises CertificateStatusUnknown for a list that no issuer of a pin signed."""
    trust = await rows.one(FerryTrust, peer=peer)
    if trust is None:
        raise FerryKeysMissing(what=peer)
    der = octets_of(told.der)
    number = _number_of(der)
    if number <= trust.list_number:
        return
    is_known = False
    for pin_row in await rows.many(FerryPin, peer=peer, state=TRUSTED):
        certificate, issuer = _leaf_and_issuer(introduction_of(pin_row), bytes(trust.root))
        try:
            listed = RevocationList.read(der, issuer)
        except CertificateStatusUnknown:
            continue
        is_known = True
        since = listed.revoked.get(certificate.serial_number)
        if since is not None and pin_row.revoked_at is None:
            await rows.change(FerryPin, {"id": pin_row.id}, revoked_at=since)
            log.error("ferry: a certificate of %s is revoked", peer)
        await rows.change(FerryTrust, {"peer": peer}, list_number=number, list_until=listed.next_update)
    if not is_known:
        raise CertificateStatusUnknown(at=now.isoformat())


def _leaf_and_issuer(said: Introduction, root: bytes) -> tuple[x509.Certificate, x509.Certificate]:
    chain = [*map(octets_of, said.certificates), root]
    return read_certificate(chain[0]), read_certificate(chain[1])


def _number_of(der: bytes) -> int:
    try:
        crl = x509.load_der_x509_crl(der)
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (*UNREADABLE, x509.ExtensionNotFound):
        raise CertificateStatusUnknown(at="an unreadable list") from None
