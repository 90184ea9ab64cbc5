"""Tables of intake: uploads, pre-reviews, originals, papers on their way, second entries, bills."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class Upload(Model):
    """A file that came in, by its SHA-256. `kept`: it belongs to something; until then the clock may collect it."""

    sha256 = fields.CharField(max_length=64, primary_key=True)
    size = fields.BigIntField()
    media_type = fields.CharField(max_length=100)
    uploaded_at = fields.DatetimeField()  # the last time somebody brought it
    kept = fields.BooleanField(default=False)

    class Meta:
        table = "upload"
        indexes = (Index(fields=("kept", "uploaded_at"), name="idx_upload_unfiled"),)


class PreReview(Model):
    """材料预审: what an officer found in the materials before acceptance; append-only."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(db_index=True)
    outcome = fields.CharField(max_length=12)  # PreReviewOutcome
    opinion = fields.CharField(max_length=500)
    officer = fields.CharField(max_length=20)
    officer_name = fields.CharField(max_length=40)
    at = fields.DatetimeField()

    class Meta:
        table = "pre_review"


class OriginalsCheck(Model):
    """原件核对: asked of the applicant at `asked_at`, done at the window at `checked_at`. Open: the window's to-do."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(unique=True)
    unit_code = fields.CharField(max_length=16)
    notice = fields.CharField(max_length=60, default="")  # empty: never asked, seen at the window all the same
    asked_at = fields.DatetimeField(null=True)
    checked_at = fields.DatetimeField(null=True)
    matches = fields.BooleanField(null=True)
    note = fields.CharField(max_length=500, default="")
    officer = fields.CharField(max_length=20, default="")

    class Meta:
        table = "originals_check"
        indexes = (Index(fields=("unit_code", "checked_at", "id"), name="idx_originals_open"),)


class PaperMove(Model):
    """One hand-over of one paper material (纸质材料交接). The newest without a waiver says where the paper is.

    `from_unit` is empty when the applicant brings it. `waived_reason`: `to_unit` goes on without it, nothing moved.
    """

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(db_index=True)
    material_id = fields.BigIntField()
    from_unit = fields.CharField(max_length=16, default="")
    to_unit = fields.CharField(max_length=16)
    handed_by = fields.CharField(max_length=20, default="")
    handed_at = fields.DatetimeField()
    received_by = fields.CharField(max_length=20, default="")
    received_at = fields.DatetimeField(null=True)
    waived_reason = fields.CharField(max_length=200, default="")

    class Meta:
        table = "paper_move"
        indexes = (Index(fields=("to_unit", "received_at", "id"), name="idx_paper_on_its_way"),)


class SecondEntry(Model):
    """二次录入: a case that began in a system that cannot interface, typed in again by `operator`."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(unique=True)
    case_number = fields.CharField(max_length=40)
    unit_code = fields.CharField(max_length=16)
    source = fields.CharField(max_length=60)
    operator = fields.CharField(max_length=20)
    received_on = fields.DateField()
    entered_on = fields.DateField()
    late_working_days = fields.IntField()

    class Meta:
        table = "second_entry"
        indexes = (Index(fields=("unit_code", "entered_on", "id"), name="idx_second_entry_unit"),)


class FeeBill(Model):
    """一单式收费: the one bill of a case."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(unique=True)
    number = fields.CharField(max_length=60, unique=True)
    unit_code = fields.CharField(max_length=16)
    issued_at = fields.DatetimeField()
    settled_at = fields.DatetimeField(null=True)
    settled_by = fields.CharField(max_length=20, default="")

    class Meta:
        table = "fee_bill"


class FeeLine(Model):
    """One charge. `listed`: it stands in the item's approved list; else `reason` says why it was charged."""

    id = fields.BigIntField(primary_key=True)
    bill_id = fields.BigIntField()
    seq = fields.IntField()
    name = fields.CharField(max_length=120)
    standard = fields.CharField(max_length=500, default="")
    basis = fields.CharField(max_length=500, default="")
    amount_cents = fields.BigIntField(null=True)  # null: by a formula, not entered yet
    fixed = fields.BooleanField(default=False)
    listed = fields.BooleanField(default=True)
    reason = fields.CharField(max_length=200, default="")
    entered_by = fields.CharField(max_length=20, default="")

    class Meta:
        table = "fee_line"
        unique_together = (("bill_id", "seq"),)
