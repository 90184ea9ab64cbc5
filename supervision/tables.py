"""Tables of supervision: lights, orders with the explanations they ask for, cards with their reply codes, findings.

A light is a signal about a case and turns by itself; a card is issued to a unit by a person. They are kept apart and
never added up.
"""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class LightRow(Model):
    """A case's light that turned (黄灯、红灯): each colour once per instant, whoever had the case then."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField()
    task_id = fields.BigIntField()
    colour = fields.CharField(max_length=8)  # yellow, red
    at = fields.DatetimeField()  # the task's own yellow or red instant
    noticed_at = fields.DatetimeField()
    unit_code = fields.CharField(max_length=16, db_index=True)
    step = fields.CharField(max_length=12)
    branch = fields.IntField(default=0, db_default=0)  # each line of a parallel case has lights of its own
    role = fields.CharField(max_length=20)
    of_step = fields.BooleanField(default=False, db_default=False)  # 环节超时: by the step's own limit, not the case's
    due_on = fields.DateField(null=True)
    order_due_at = fields.DatetimeField(null=True, db_index=True)  # a red light's, until its order is made

    class Meta:
        table = "light"
        unique_together = (("case_id", "branch", "colour", "at"),)


class SupervisionOrder(Model):
    """督办单: to the unit whose case is over its limit, with the day by which it must finish and explain."""

    number = fields.CharField(max_length=60, primary_key=True)
    case_id = fields.BigIntField(db_index=True)
    unit_code = fields.CharField(max_length=16, db_index=True)
    issued_at = fields.DatetimeField()
    limit_on = fields.DateField()
    reason = fields.CharField(max_length=200)
    html = fields.TextField()
    sha256 = fields.CharField(max_length=64)
    seal_serial = fields.CharField(max_length=60)
    seal_signature = fields.BinaryField()

    class Meta:
        table = "supervision_order"


class ExplanationTask(Model):
    """责令说明理由: the unit's head must state the reasons by the order's limit."""

    id = fields.BigIntField(primary_key=True)
    order_number = fields.CharField(max_length=60, unique=True)
    case_id = fields.BigIntField(db_index=True)
    unit_code = fields.CharField(max_length=16)
    limit_on = fields.DateField()
    opened_at = fields.DatetimeField()
    closed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "explanation_task"
        indexes = (Index(fields=("unit_code", "closed_at", "limit_on", "id"), name="idx_explanation_open"),)


class Card(Model):
    """黄牌、红牌. Without number and without effect until a supervision leader has confirmed it."""

    id = fields.CharField(max_length=12, primary_key=True)  # C000001
    number = fields.CharField(max_length=60, null=True, unique=True)
    colour = fields.CharField(max_length=8)
    ground = fields.CharField(max_length=40)
    facts = fields.CharField(max_length=200, default="")
    state = fields.CharField(max_length=12)  # proposed, effective, rejected
    revision = fields.IntField(default=1)
    fact_key = fields.CharField(
        max_length=80, null=True, unique=True
    )  # null once it does not stand: one fact, one card
    case_id = fields.BigIntField(db_index=True)
    case_number = fields.CharField(max_length=40)
    item_name = fields.CharField(max_length=120)
    unit_code = fields.CharField(max_length=16, db_index=True)
    officer = fields.CharField(max_length=20, null=True)
    proposed_at = fields.DatetimeField()
    proposed_by = fields.CharField(max_length=60)
    remind_at = fields.DatetimeField(null=True, db_index=True)  # null: nobody need be reminded any more
    reminders = fields.IntField(default=0)
    escalated_at = fields.DatetimeField(null=True)  # from then on those above may decide too
    decided_at = fields.DatetimeField(null=True)
    decided_by = fields.CharField(max_length=60, default="")
    reason = fields.CharField(max_length=200, default="")
    evidence = fields.CharField(max_length=60, default="")
    served_at = fields.DatetimeField(null=True)
    acknowledged_at = fields.DatetimeField(null=True)
    acknowledged_by = fields.CharField(max_length=60, default="")
    receipt_evidence = fields.CharField(max_length=60, default="")
    html = fields.TextField(default="")
    sha256 = fields.CharField(max_length=64, default="")
    seal_serial = fields.CharField(max_length=60, default="")
    seal_signature = fields.BinaryField(null=True)

    class Meta:
        table = "card"
        indexes = (Index(fields=("state", "proposed_at", "id"), name="idx_card_pending"),)


class ReplyCode(Model):
    """A one-time code texted to one officer about one card. The code itself follows from id and nonce, never stored."""

    id = fields.BigIntField(primary_key=True)
    card_id = fields.CharField(max_length=12, db_index=True)
    purpose = fields.CharField(max_length=12)  # confirm, acknowledge
    officer_id = fields.CharField(max_length=20)
    phone = fields.CharField(max_length=20)
    nonce = fields.CharField(max_length=40, unique=True)
    drawn_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    attempts = fields.IntField(default=0)
    locked_at = fields.DatetimeField(null=True)
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "reply_code"
        indexes = (Index(fields=("phone", "expires_at"), name="idx_reply_code_phone"),)


class Finding(Model):
    """What supervision noticed in a case without anybody typing it in."""

    id = fields.BigIntField(primary_key=True)
    event_id = fields.BigIntField(unique=True)
    case_number = fields.CharField(max_length=40, db_index=True)
    unit_code = fields.CharField(max_length=16)
    kind = fields.CharField(max_length=20)  # FindingKind
    at = fields.DatetimeField()

    class Meta:
        table = "finding"


class Complaint(Model):
    """A complaint of the public (投诉举报). Who filed it is supervision's alone to read; no name: anonymous."""

    id = fields.BigIntField(primary_key=True)
    number = fields.CharField(max_length=16, unique=True)
    revision = fields.IntField(default=1)
    state = fields.CharField(max_length=12, db_index=True)
    about = fields.CharField(max_length=8)  # case, unit, officer, other
    subject = fields.CharField(max_length=80)  # as it was typed
    text = fields.TextField()
    name = fields.CharField(max_length=40, default="")
    phone = fields.CharField(max_length=20, default="")
    filed_at = fields.DatetimeField()
    decide_by = fields.DateField()
    decided_at = fields.DatetimeField(null=True)
    decided_by = fields.CharField(max_length=60, default="")
    reason = fields.CharField(max_length=400, default="")

    class Meta:
        table = "complaint"


class ReportedDay(Model):
    """What a department's own system reported for a day: for coverage, beside what is done here."""

    id = fields.BigIntField(primary_key=True)
    source = fields.CharField(max_length=20)
    unit_code = fields.CharField(max_length=18)
    day = fields.DateField()  # of the events
    rows = fields.IntField()
    flagged = fields.IntField()

    class Meta:
        table = "reported_day"
        unique_together = (("source", "unit_code", "day"),)
        indexes = (Index(fields=("unit_code", "day"), name="idx_reported_day_unit"),)


class Exemption(Model):
    """使用豁免: a unit need not use the unified system, by the consent `document`, until `until` (included)."""

    id = fields.BigIntField(primary_key=True)
    unit_code = fields.CharField(max_length=16)
    document = fields.CharField(max_length=80)
    granted_on = fields.DateField()
    until = fields.DateField()
    entered_at = fields.DatetimeField()

    class Meta:
        table = "exemption"
        unique_together = (("unit_code", "document"),)
