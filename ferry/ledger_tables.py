"""Tables of the ledgers: a row for every day, peer and direction, and what came of the other side's account of it."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class FerryLedger(Model):
    """A day of one direction. `way`: out, we send; in, they do. The day is the sender's, a range of its numbers.

    `ours` and `theirs` are accounts, `differences` and `reached` (how far each lane's numbers are in some ledger) JSON.
    `state`: open, equal, different, accepted, alone (one-way: only the other side can compare). `seal` is in the log.
    """

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    way = fields.CharField(max_length=4)
    day = fields.DateField()
    opened_at = fields.DatetimeField()
    spans = fields.TextField(default="[]")
    reached = fields.TextField(default="{}")
    ours = fields.TextField(default="")
    theirs = fields.TextField(default="")
    their_stamp = fields.BigIntField(default=0)
    told = fields.CharField(max_length=64, default="")  # the digest of what they were told
    told_at = fields.DatetimeField(null=True)
    state = fields.CharField(max_length=10, default="open")
    differences = fields.TextField(default="[]")
    accepted = fields.CharField(max_length=64, default="")  # the digest of the differences that two officers accepted
    compared_at = fields.DatetimeField(null=True)
    looks = fields.IntField(default=0)
    seal = fields.CharField(max_length=64, default="")

    class Meta:
        table = "ferry_ledger"
        unique_together = (("peer", "way", "day"),)
        indexes = (Index(fields=("state", "day"), name="idx_ferry_ledger_state"),)


class FerryLedgerPart(Model):
    """A part of an account that came, until all of it is there. `account`: sent, or taken."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    account = fields.CharField(max_length=5)
    day = fields.DateField()
    stamp = fields.BigIntField()
    part = fields.IntField()
    parts = fields.IntField()
    body = fields.TextField()

    class Meta:
        table = "ferry_ledger_part"
        unique_together = (("peer", "account", "day", "stamp", "part"),)
