"""Tables of what goes on between systems that stay in touch: answers that are remembered, and what is reported above.

A row reported is never reported again under its number; what is due, what is on its way and what was answered outlive
every crash, because each step is one transaction.
"""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class ExchangePush(Model):
    """What was answered to a package under its key: the same key again gets the same octets."""

    id = fields.BigIntField(primary_key=True)
    fingerprint = fields.CharField(max_length=43)  # of the sender's certificate
    key = fields.CharField(max_length=64)
    sha256 = fields.CharField(max_length=64)  # of the package
    answer = fields.TextField()
    at = fields.DatetimeField(db_index=True)

    class Meta:
        table = "exchange_push"
        unique_together = (("fingerprint", "key"),)


class ExchangeDue(Model):
    """Something to report: one of our cases (`case`, its number), or a batch from below (`batch`, its id and place)."""

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(max_length=8)
    name = fields.CharField(max_length=64)
    at = fields.DatetimeField()

    class Meta:
        table = "exchange_due"
        unique_together = (("kind", "name"),)


class ExchangeSaid(Model):
    """A row that was reported, or is on its way: for the tallies, and so that none is reported twice."""

    id = fields.BigIntField(primary_key=True)
    rid = fields.CharField(max_length=64, unique=True)
    projid = fields.CharField(max_length=40)
    table_name = fields.CharField(max_length=20)
    number = fields.IntField()
    version = fields.IntField()
    org = fields.CharField(max_length=18)
    day = fields.DateField()  # of the event
    said_at = fields.DatetimeField(db_index=True)

    class Meta:
        table = "exchange_said"
        indexes = (Index(fields=("day", "projid", "table_name", "number"), name="idx_exchange_said_day"),)


class ExchangeReport(Model):
    """A package for the level above. `state`: waiting, under_way (in a parcel), taken, refused (to be made anew).

    One is on its way at a time. `closes`: the day it proves by its tallies. `package` is emptied once it is taken.
    """

    id = fields.BigIntField(primary_key=True)
    batch = fields.CharField(max_length=40, unique=True)
    day = fields.DateField()
    closes = fields.DateField(null=True)
    package = fields.BinaryField()
    sha256 = fields.CharField(max_length=64, db_index=True)
    rows = fields.IntField()
    made_at = fields.DatetimeField()
    state = fields.CharField(max_length=10)
    attempts = fields.IntField(default=0)
    due_at = fields.DatetimeField()
    error = fields.CharField(max_length=60, default="")
    answered_at = fields.DatetimeField(null=True)
    rejected = fields.IntField(default=0)
    flagged = fields.IntField(default=0)
    drifts = fields.IntField(default=0)
    reasons = fields.TextField(default="")  # of the rows that were rejected: JSON, at most a thousand

    class Meta:
        table = "exchange_report"
        indexes = (Index(fields=("state", "id"), name="idx_exchange_report"),)


class ExchangeArrival(Model):
    """A piece of a package that came in a parcel, until the whole is taken in."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    sha256 = fields.CharField(max_length=64)
    number = fields.IntField()
    of = fields.IntField()
    octets = fields.TextField()  # base64
    at = fields.DatetimeField()

    class Meta:
        table = "exchange_arrival"
        unique_together = (("peer", "sha256", "number"),)
