"""Tables of change control: proposed changes of the catalogue, their signed steps, and what the public said."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class ItemChange(Model):
    """A change of the catalogue on its way. `document` is what is signed and sealed, octet for octet; the columns
    beside it are for finding.
    """

    number = fields.CharField(max_length=20, primary_key=True)
    kind = fields.CharField(max_length=10)
    state = fields.CharField(max_length=20)
    revision = fields.IntField(default=1)
    round = fields.IntField(default=1)  # grows when it is returned: earlier signatures then no longer count
    item_code = fields.CharField(max_length=40, db_index=True)
    item_name = fields.CharField(max_length=120)
    unit_code = fields.CharField(max_length=16)
    document = fields.TextField()  # JSON of casework.catalogue.proposals.Proposal
    has_fees = fields.BooleanField(default=False)
    effective_on = fields.DateField(null=True)
    authors: fields.JSONField[list[str]] = fields.JSONField()  # officers who wrote the draft: none of them confirms it
    saved_at = fields.DatetimeField()
    next_step = fields.CharField(max_length=10, default="")  # empty: waits for nobody
    notice_from = fields.DateField(null=True)
    notice_until = fields.DateField(null=True)  # 公示 ends with this day
    seal_serial = fields.CharField(max_length=60, default="")
    seal_signature = fields.BinaryField(null=True)
    effective_at = fields.DatetimeField(null=True)

    class Meta:
        table = "item_change"
        indexes = (
            Index(fields=("unit_code", "number"), name="idx_item_change_unit"),
            Index(fields=("next_step", "number"), name="idx_item_change_next"),
            Index(fields=("state", "effective_on"), name="idx_item_change_state"),
        )


class ChangeSignature(Model):
    """One signed step of a change: append-only."""

    id = fields.BigIntField(primary_key=True)
    change_number = fields.CharField(max_length=20, db_index=True)
    round = fields.IntField()
    step = fields.CharField(max_length=10)
    decision = fields.CharField(max_length=10)
    opinion = fields.TextField()
    officer = fields.CharField(max_length=20)
    officer_name = fields.CharField(max_length=40)
    evidence = fields.CharField(max_length=60)
    at = fields.DatetimeField()

    class Meta:
        table = "item_change_signature"


class ChangeComment(Model):
    """What somebody said about a change while it was on notice."""

    id = fields.BigIntField(primary_key=True)
    change_number = fields.CharField(max_length=20, db_index=True)
    name = fields.CharField(max_length=40, default="")
    phone = fields.CharField(max_length=20, default="")
    text = fields.TextField()
    at = fields.DatetimeField()

    class Meta:
        table = "item_change_comment"
