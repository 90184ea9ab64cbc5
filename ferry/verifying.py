"""What can be said about one parcel file without taking it in: who sealed it, whether it is whole, what it holds.

With the sender's certificate alone the outer signature is proved; with our keys besides it is opened, and thrown away.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct
from msgspec.structs import replace

from certs.encodings import sha256_hex
from certs.keyring import Keyring
from certs.verification import read_certificate
from ferry.identity import introduction_of, kem_key
from ferry.introductions import octets_of
from ferry.key_tables import FerryOwnKeys, FerryPin
from ferry.opening import check, look, unseal
from ferry.parcel import Header
from ferry.refusals import ParcelForeign, ParcelRefused


class Report(Struct, frozen=True, kw_only=True):
    """`code` empty: nothing is wrong with it. Of a refused parcel the rest is only what it says about itself."""

    file: str
    code: str = ""
    why: str = ""
    sender: str = ""
    receiver: str = ""
    channel: str = ""
    epoch: str = ""
    seq: int = 0
    prev: str = ""
    created: datetime | None = None
    suite: str = ""
    sender_certificate: str = ""
    #: What is known of that certificate: trusted, withdrawn, revoked, our own, given; empty: nothing.
    standing: str = ""
    octets: int = 0
    sha256: str = ""
    is_opened: bool = False
    content_id: str = ""
    records: int = 0
    pieces: int = 0


class KeyChest:
    """The certificates to judge by, and our own keys, if there are any."""

    def __init__(self) -> None:
        self.senders: dict[str, tuple[ec.EllipticCurvePublicKey, str]] = {}
        self.unwrapping: dict[str, Callable[[], ec.EllipticCurvePrivateKey]] = {}

    @classmethod
    def given(cls, der: bytes) -> "KeyChest":
        """One certificate that somebody vouches for: what a guard at the border has."""
        chest = cls()
        chest._know(der, "given")
        return chest

    @classmethod
    async def of_tables(cls, keyring: Keyring) -> "KeyChest":
        chest = cls()
        for pin in await FerryPin.all():
            standing = "revoked" if pin.revoked_at is not None else pin.state
            chest._know(octets_of(introduction_of(pin).certificates[0]), standing)
        for own in await FerryOwnKeys.all():
            if own.introduction:
                chest._know(octets_of(introduction_of(own).certificates[0]), "our own")
            chest.unwrapping[own.kem_sha256] = partial(kem_key, keyring, own.zone, own.number)
        return chest

    def sender(self, header: Header) -> ec.EllipticCurvePublicKey:
        if header.sender_certificate not in self.senders:
            raise ParcelForeign(why="unknown certificate")
        return self.senders[header.sender_certificate][0]

    def _know(self, der: bytes, standing: str) -> None:
        key = read_certificate(der).public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            self.senders[sha256_hex(der)] = key, standing


def verify(path: Path, chest: KeyChest) -> Report:
    """Never raises for what is in the file; OSError when it cannot be read."""
    report = Report(file=path.name)
    try:
        with path.open("rb") as source:
            header = look(source)
            report = _said(path, header, chest)
            checked = check(source, chest.sender)
            report = _with(report, octets=checked.octets, sha256=checked.sha256)
            key = chest.unwrapping.get(header.receiver_key)
            if key is None:
                return report
            unsealed = unseal(source, checked, key(), chest.sender(header), lambda *_: None)
            return _with(
                report,
                is_opened=True,
                content_id=unsealed.manifest.content_id,
                records=len(unsealed.records),
                pieces=len(unsealed.manifest.pieces),
            )
    except ParcelRefused as refusal:
        return _with(report, code=refusal.code, why=refusal.text_en)


def _said(path: Path, header: Header, chest: KeyChest) -> Report:
    known = chest.senders.get(header.sender_certificate)
    return Report(
        file=path.name,
        sender=header.sender,
        receiver=header.receiver,
        channel=header.label.channel,
        epoch=header.label.epoch,
        seq=header.label.seq,
        prev=header.label.prev,
        created=header.created,
        suite=header.suite,
        sender_certificate=header.sender_certificate,
        standing=known[1] if known else "",
    )


def _with(report: Report, **found: object) -> Report:
    return replace(report, **found)
