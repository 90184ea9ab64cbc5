"""Tables of the kernel: the directory of units and officers, the event log, the outbox, remembered acts."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class Unit(Model):
    """An authority, hall, supervisory body or RA."""

    code = fields.CharField(max_length=16, primary_key=True)
    name = fields.CharField(max_length=80)
    short_name = fields.CharField(max_length=20)
    kind = fields.CharField(max_length=20)
    phone = fields.CharField(max_length=32, default="")

    class Meta:
        table = "unit"


class Officer(Model):
    """A person who acts for a unit. The phone number is where texts go and where replies must come from."""

    id = fields.CharField(max_length=20, primary_key=True)
    name = fields.CharField(max_length=40)
    unit_code = fields.CharField(max_length=16, db_index=True)
    phone = fields.CharField(max_length=20, unique=True)
    #: Another phone of the same person, for texts that the first did not get; nobody else's first or second.
    second_phone = fields.CharField(max_length=20, default="", db_default="")
    email = fields.CharField(max_length=120, default="")
    roles: fields.JSONField[list[str]] = fields.JSONField()
    active = fields.BooleanField(default=True)
    phone_since = fields.DatetimeField(null=True)  # when `phone` became theirs; null: when they were entered

    class Meta:
        table = "officer"


class EventRow(Model):
    id = fields.BigIntField(primary_key=True)
    subject = fields.CharField(max_length=80)
    seq = fields.IntField()
    tag = fields.CharField(max_length=40)
    at = fields.DatetimeField()
    actor = fields.CharField(max_length=60)
    body = fields.TextField()
    previous_hash = fields.CharField(max_length=64)
    hash = fields.CharField(max_length=64)

    class Meta:
        table = "event"
        unique_together = (("subject", "seq"),)


class EventChain(Model):
    """Length and head of each subject's chain: the writer's compare-and-swap, the verifier's witness."""

    subject = fields.CharField(max_length=80, primary_key=True)
    length = fields.IntField()
    head = fields.CharField(max_length=64)

    class Meta:
        table = "event_chain"


class OutboxEntry(Model):
    """One consumer's copy of one event, until it is handled. `parked` after too many failures: an operator's matter."""

    id = fields.BigIntField(primary_key=True)
    event_id = fields.BigIntField()
    consumer = fields.CharField(max_length=40)
    due_at = fields.DatetimeField()
    attempts = fields.IntField(default=0)
    last_error = fields.CharField(max_length=200, default="")
    parked = fields.BooleanField(default=False)

    class Meta:
        table = "outbox"
        indexes = (Index(fields=("parked", "due_at", "id"), name="idx_outbox_due"),)


class PerformedAct(Model):
    """An act that was performed under an idempotency key, and what was answered."""

    id = fields.BigIntField(primary_key=True)
    actor = fields.CharField(max_length=60)
    key = fields.CharField(max_length=100)
    tag = fields.CharField(max_length=40)
    act_sha256 = fields.CharField(max_length=64)
    outcome = fields.TextField()
    at = fields.DatetimeField()

    class Meta:
        table = "performed_act"
        unique_together = (("actor", "key"),)
        indexes = (Index(fields=("at",), name="idx_performed_act_at"),)


class NumberSeries(Model):
    """The last number given out in a series that may have no gaps."""

    name = fields.CharField(max_length=80, primary_key=True)
    reached = fields.BigIntField()

    class Meta:
        table = "number_series"
