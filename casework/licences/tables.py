"""Tables of the shared library of licences and approvals (证照批文共享数据库)."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class Licence(Model):
    """One licence as it stands now. `content` is what the unit's seal covers; earlier contents are in the history.

    `revision` grows with every change: writers compare it and swap.
    """

    id = fields.BigIntField(primary_key=True)
    number = fields.CharField(max_length=60, unique=True)  # without gaps per unit, item and year
    kind = fields.CharField(max_length=120)  # the certificate's name, as the catalogue item gives it
    item_code = fields.CharField(max_length=40)
    item_version = fields.IntField()
    case_number = fields.CharField(max_length=40)  # the case that granted it
    secret = fields.BooleanField(default=False)
    unit_code = fields.CharField(max_length=16)
    holder_name = fields.CharField(max_length=120)
    holder_id_number = fields.CharField(max_length=40)
    holder_phone = fields.CharField(max_length=20, default="")
    issued_on = fields.DateField()
    valid_from = fields.DateField()
    valid_until = fields.DateField(null=True)  # the last day of validity; null: without end
    state = fields.CharField(max_length=12)  # LicenceState
    content = fields.TextField()  # JSON
    sha256 = fields.CharField(max_length=64)
    seal_serial = fields.CharField(max_length=60)
    seal_signature = fields.BinaryField()
    revision = fields.IntField(default=1)
    #: The day from which the holder is reminded of the end; null: reminded, or nothing to remind of.
    remind_on = fields.DateField(null=True)
    #: The day after the last valid one, on which it lapses; null: without end, or not valid any more.
    lapses_on = fields.DateField(null=True)

    class Meta:
        table = "licence"
        indexes = (
            Index(fields=("holder_id_number", "kind"), name="idx_licence_holder"),
            Index(fields=("unit_code", "id"), name="idx_licence_unit"),
            Index(fields=("remind_on",), name="idx_licence_remind"),
            Index(fields=("lapses_on",), name="idx_licence_lapse"),
        )


class LicenceChange(Model):
    """What happened to a licence and how it read afterwards: append-only, one line per revision."""

    id = fields.BigIntField(primary_key=True)
    licence_id = fields.BigIntField()
    revision = fields.IntField()
    change = fields.CharField(max_length=16)  # LicenceChangeKind
    case_number = fields.CharField(max_length=40, default="")  # the case it followed from, if any
    reason = fields.CharField(max_length=500, default="")
    content = fields.TextField()
    sha256 = fields.CharField(max_length=64)
    seal_serial = fields.CharField(max_length=60)
    seal_signature = fields.BinaryField()
    actor = fields.CharField(max_length=60)
    evidence = fields.CharField(max_length=60, default="")  # the evidence number of the officer's signature
    at = fields.DatetimeField()

    class Meta:
        table = "licence_change"
        unique_together = (("licence_id", "revision"),)


class LicenceRead(Model):
    """Who asked the library for whose licence, for which case and why; also when nothing was found."""

    id = fields.BigIntField(primary_key=True)
    holder_id_number = fields.CharField(max_length=40)
    kind = fields.CharField(max_length=120, default="")  # empty: of every kind
    licence_number = fields.CharField(max_length=60, default="")  # empty: nothing was found
    case_number = fields.CharField(max_length=40, default="")
    reason = fields.CharField(max_length=200)
    reader = fields.CharField(max_length=60)
    at = fields.DatetimeField()

    class Meta:
        table = "licence_read"
        indexes = (
            Index(fields=("licence_number", "id"), name="idx_licence_read_licence"),
            Index(fields=("case_number", "id"), name="idx_licence_read_case"),
        )


class AnnualReview(Model):
    """One year's review (年检、年审) of one licence, from the day it is announced."""

    id = fields.BigIntField(primary_key=True)
    licence_id = fields.BigIntField()
    licence_number = fields.CharField(max_length=60)
    unit_code = fields.CharField(max_length=16)
    due_on = fields.DateField()
    state = fields.CharField(max_length=8)  # ReviewState
    opinion = fields.CharField(max_length=500, default="")
    officer = fields.CharField(max_length=20, default="")
    case_number = fields.CharField(max_length=40, default="")
    reviewed_at = fields.DatetimeField(null=True)
    #: The next day on which the clock has something to do about it: open it, or call it overdue; null: nothing more.
    clock_on = fields.DateField(null=True)

    class Meta:
        table = "annual_review"
        unique_together = (("licence_id", "due_on"),)
        indexes = (Index(fields=("clock_on",), name="idx_annual_review_clock"),)


class PublicResult(Model):
    """One granted decision as the public may see it: masked before it is kept."""

    id = fields.BigIntField(primary_key=True)
    case_number = fields.CharField(max_length=40, unique=True)
    item_code = fields.CharField(max_length=40)
    item_name = fields.CharField(max_length=120)
    unit_code = fields.CharField(max_length=16)
    holder = fields.CharField(max_length=120)
    holder_id = fields.CharField(max_length=20)
    document_number = fields.CharField(max_length=60)
    licence_number = fields.CharField(max_length=60, default="")
    decided_on = fields.DateField()

    class Meta:
        table = "public_result"
        indexes = (
            Index(fields=("unit_code", "id"), name="idx_public_result_unit"),
            Index(fields=("item_code", "id"), name="idx_public_result_item"),
        )
