"""Tables of the exchange: who may send, what came in which batch, every row that was taken, and the cases they tell of.

Rows are never changed: a higher version supersedes, a lower one is not kept. A case here is a projection of its rows.
"""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class ExchangeSender(Model):
    """A system that may send, by its certificate. `watched_day`: the next day whose batch is asked for."""

    id = fields.BigIntField(primary_key=True)
    source_system = fields.CharField(max_length=20, unique=True)
    org = fields.CharField(max_length=18)
    region = fields.CharField(max_length=6)
    unit_code = fields.CharField(max_length=16, default="")  # of our directory; empty: the rows' own organisation
    name = fields.CharField(max_length=120)
    fingerprint = fields.CharField(max_length=43, unique=True)
    serial = fields.CharField(max_length=40)
    registered_at = fields.DatetimeField()
    revoked_at = fields.DatetimeField(null=True)
    closed_on = fields.DateField(null=True)  # the last day reconciled with us
    watched_day = fields.DateField()
    watch_due_at = fields.DatetimeField(null=True, db_index=True)  # null: revoked

    class Meta:
        table = "exchange_sender"


class ExchangeBatch(Model):
    id = fields.BigIntField(primary_key=True)
    source_system = fields.CharField(max_length=20)
    batch = fields.CharField(max_length=40)
    day = fields.DateField()
    manifest = fields.BinaryField()
    signature = fields.TextField()
    sha256 = fields.CharField(max_length=64)  # of the manifest
    made_at = fields.DatetimeField()
    received_at = fields.DatetimeField()
    complete_at = fields.DatetimeField(null=True)
    rows = fields.IntField()
    parts = fields.IntField()
    accepted = fields.IntField(default=0)
    flagged = fields.IntField(default=0)
    held = fields.IntField(default=0)
    ignored = fields.IntField(default=0)
    rejected = fields.IntField(default=0)
    drifts = fields.IntField(default=0)

    class Meta:
        table = "exchange_batch"
        unique_together = (("source_system", "batch"),)
        indexes = (Index(fields=("source_system", "day"), name="idx_exchange_batch_day"),)


class ExchangePart(Model):
    """A part that the manifest names, until it is taken and since."""

    id = fields.BigIntField(primary_key=True)
    batch_id = fields.BigIntField()
    number = fields.IntField()
    path = fields.CharField(max_length=24)
    rows = fields.IntField()
    size = fields.IntField()
    sha256 = fields.CharField(max_length=64)
    taken_at = fields.DatetimeField(null=True)

    class Meta:
        table = "exchange_part"
        unique_together = (("batch_id", "number"),)


class ExchangeReceipt(Model):
    """What was answered for a row that was not simply accepted. `codes`: of faults, by commas."""

    id = fields.BigIntField(primary_key=True)
    batch_id = fields.BigIntField()
    part = fields.IntField()
    line = fields.IntField()
    rid = fields.CharField(max_length=64)
    verdict = fields.CharField(max_length=8)
    codes = fields.CharField(max_length=400)

    class Meta:
        table = "exchange_receipt"
        indexes = (Index(fields=("batch_id", "part", "line"), name="idx_exchange_receipt"),)


class ExchangeRecord(Model):
    """A row that was taken. `state`: kept, or held until what must come before it has come."""

    id = fields.BigIntField(primary_key=True)
    source_system = fields.CharField(max_length=20)
    projid = fields.CharField(max_length=40)
    table_name = fields.CharField(max_length=20)
    number = fields.IntField()
    version = fields.IntField()
    rid = fields.CharField(max_length=64)
    op = fields.CharField(max_length=1)
    org = fields.CharField(max_length=18)
    region = fields.CharField(max_length=6)
    event_time = fields.DatetimeField()
    sent_time = fields.DatetimeField()
    day = fields.DateField()  # the local day of the event
    batch_id = fields.BigIntField()
    received_at = fields.DatetimeField()
    digest = fields.CharField(max_length=64)
    payload = fields.TextField()
    flags = fields.CharField(max_length=400, default="")
    state = fields.CharField(max_length=4)
    held_until = fields.DatetimeField(null=True, db_index=True)
    superseded = fields.BooleanField(default=False)

    class Meta:
        table = "exchange_record"
        unique_together = (
            ("source_system", "rid"),
            ("source_system", "projid", "table_name", "number", "version"),
        )
        indexes = (Index(fields=("source_system", "day", "org", "table_name", "rid"), name="idx_exchange_record_day"),)


class ExchangeCase(Model):
    """A case of another system, as its rows tell it: the law's days and lights are reckoned here, not taken over."""

    id = fields.BigIntField(primary_key=True)
    source_system = fields.CharField(max_length=20)
    projid = fields.CharField(max_length=40)
    org = fields.CharField(max_length=18)
    region = fields.CharField(max_length=6)
    unit_code = fields.CharField(max_length=18)
    item_code = fields.CharField(max_length=40, default="")
    item_name = fields.CharField(max_length=200, default="")
    state = fields.CharField(max_length=10)  # applied, refused, accepted, finished
    handling = fields.CharField(max_length=12, default="")
    applied_at = fields.DatetimeField(null=True)
    accepted_at = fields.DatetimeField(null=True)
    promise_date = fields.DateField(null=True)  # as they said
    due_on = fields.DateField(null=True)  # as the law's days amount to, special procedures left out
    extended_no = fields.IntField(null=True)
    ended_at = fields.DatetimeField(null=True)
    result = fields.CharField(max_length=20, default="")
    last_event_at = fields.DatetimeField()
    yellow_at = fields.DatetimeField(null=True)
    red_at = fields.DatetimeField(null=True)
    said_at = fields.DatetimeField(null=True)  # the last turn that was announced
    next_light_at = fields.DatetimeField(null=True, db_index=True)

    class Meta:
        table = "exchange_case"
        unique_together = (("source_system", "projid"),)
        indexes = (Index(fields=("unit_code", "last_event_at"), name="idx_exchange_case_unit"),)


class ExchangeTally(Model):
    """What a sender says it holds for a day, and what we held when we last looked."""

    id = fields.BigIntField(primary_key=True)
    source_system = fields.CharField(max_length=20)
    org = fields.CharField(max_length=18)
    table_name = fields.CharField(max_length=20)
    day = fields.DateField()
    count = fields.IntField()
    cases = fields.IntField()
    digest = fields.CharField(max_length=64)
    said_at = fields.DatetimeField()

    class Meta:
        table = "exchange_tally"
        unique_together = (("source_system", "org", "table_name", "day"),)


class ExchangeGap(Model):
    """A day without its batch by the hour it was due."""

    id = fields.BigIntField(primary_key=True)
    source_system = fields.CharField(max_length=20)
    day = fields.DateField()
    noticed_at = fields.DatetimeField()
    healed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "exchange_gap"
        unique_together = (("source_system", "day"),)
