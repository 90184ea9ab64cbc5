"""Tables of keys: our own, by number, and the other zones' as they were pinned or announced. No private key is here."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class FerryOwnKeys(Model):
    """A pair of pairs, one to sign and one to unwrap; the private halves lie in the keyring for ever.

    `state`: requested (a CA has the request), ready. `introduction` is empty until it is ready.
    """

    id = fields.BigIntField(primary_key=True)
    zone = fields.CharField(max_length=16)
    number = fields.IntField()
    state = fields.CharField(max_length=10)
    certificate_sha256 = fields.CharField(max_length=64, default="")
    kem_sha256 = fields.CharField(max_length=64)
    introduction = fields.TextField()
    root = fields.BinaryField()
    not_after = fields.DatetimeField(null=True)
    made_at = fields.DatetimeField()

    class Meta:
        table = "ferry_own_keys"
        unique_together = (("zone", "number"),)


class FerryTrust(Model):
    """The root by which a peer is believed, which of our keys it knows, and its newest revocation list."""

    peer = fields.CharField(max_length=16, primary_key=True)
    root = fields.BinaryField()
    own_number = fields.IntField()
    pinned_at = fields.DatetimeField()
    pinned_by = fields.CharField(max_length=80)
    list_number = fields.BigIntField(default=0)
    list_until = fields.DatetimeField(null=True)
    #: The list this zone told the peer last, and how many certificates stood on it.
    told_at = fields.DatetimeField(null=True)
    told_revoked = fields.IntField(default=0)

    class Meta:
        table = "ferry_trust"


class FerryPin(Model):
    """A certificate of a peer with the key to wrap for. `state`: trusted, or withdrawn by a new pin of two persons."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    number = fields.IntField()
    certificate_sha256 = fields.CharField(max_length=64)
    serial = fields.CharField(max_length=40)
    introduction = fields.TextField()
    state = fields.CharField(max_length=10, default="trusted")
    at = fields.DatetimeField()
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "ferry_pin"
        indexes = (Index(fields=("peer", "state"), name="idx_ferry_pin_peer"),)
