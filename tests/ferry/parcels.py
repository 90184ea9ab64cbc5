"""Parcels between two zones, made for tests."""

import hashlib
import io

from cryptography.hazmat.primitives.asymmetric import ec

from ferry.opening import Unsealed, check, unseal
from ferry.parcel import Label, Piece, json_lines
from ferry.sealing import Addressed, Sealed, SealingKeys, seal

OUTER, INNER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
ADDRESSED = Addressed(sender="outer", receiver="inner", sender_certificate="a" * 64, receiver_key="b" * 64)
EPOCH = "0123456789abcdef" * 2


def label(seq: int = 1, **changes) -> Label:
    return Label(**{"channel": "outer-inner.case", "epoch": EPOCH, "seq": seq, **changes})


def pieces_of(content: bytes, step: int):
    sha256 = hashlib.sha256(content).hexdigest()
    for at in range(0, len(content), step):
        part = content[at : at + step]
        yield Piece(sha256=sha256, size=len(content), offset=at, octets=len(part)), lambda part=part: part


def sealed(clock, records, pieces=(), *, target=None, own=OUTER, receiver=INNER, **changes) -> tuple[bytes, Sealed]:
    target = target or io.BytesIO()
    keys = SealingKeys(own=own, receiver=receiver.public_key())
    lines, told = json_lines(records), changes.pop("label", label())
    done = seal(target, told, lines, pieces, schema=1, addressed=ADDRESSED, keys=keys, clock=clock)
    return target.getvalue(), done


def opened(octets: bytes, *, own=INNER, sender=OUTER, keep=lambda *_: None) -> Unsealed:
    source = io.BytesIO(octets)
    checked = check(source, lambda header: sender.public_key())
    return unseal(source, checked, own, sender.public_key(), keep)
