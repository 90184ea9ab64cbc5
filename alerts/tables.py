"""Tables of texts: messages, the parts that left, receipts that came before we knew their part, and their wordings."""

from tortoise import fields
from tortoise.indexes import Index

from casework.papers.tables import TemplateState
from kernel.models import Model


class Message(Model):
    """One text or mail to one person, and what became of it. The legal moves of `state` are in states.MOVES.

    No index holds what changes after it was queued, and pages keep room for the changed row: then PostgreSQL writes
    the end of a text beside its beginning and touches no index (docs/adr/0040). Who looks by state asks `Outstanding`.
    """

    id = fields.BigIntField(primary_key=True)
    dedupe_key = fields.CharField(max_length=120, unique=True)
    channel = fields.CharField(max_length=4)  # sms, mail
    message_class = fields.CharField(max_length=8)  # item, notice, warning
    priority = fields.SmallIntField()  # 0 goes first
    template = fields.CharField(max_length=24)
    template_version = fields.SmallIntField()
    to_phone = fields.CharField(max_length=20, default="")
    to_email = fields.CharField(max_length=120, default="")
    subject = fields.CharField(max_length=60, default="")
    body = fields.TextField()
    #: "purpose|value|digits" of the code that is derived when the text leaves; empty: the body is complete.
    secret = fields.CharField(max_length=80, default="")
    confirms = fields.BooleanField(default=False)
    parts = fields.SmallIntField(default=1)
    state = fields.CharField(max_length=10)
    case_number = fields.CharField(max_length=40, default="")
    unit_code = fields.CharField(max_length=16, default="")
    created_at = fields.DatetimeField()
    send_after = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    attempts = fields.SmallIntField(default=0)
    carrier = fields.CharField(max_length=20, default="")
    submitted_at = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)
    error = fields.CharField(max_length=80, default="")
    #: Digits behind the access number, by which an answer is known.
    extension = fields.CharField(max_length=10, default="", db_default="")
    #: The first message in whose place this one goes, by another number or another channel.
    stands_for = fields.BigIntField(null=True)
    #: When something was sent in its place.
    replaced_at = fields.DatetimeField(null=True)
    #: When the clock looked what could be done about a dead letter, and did it.
    followed_up_at = fields.DatetimeField(null=True)
    #: The digest that says what this one would have said.
    merged_into = fields.BigIntField(null=True)
    #: Whether it waits while people sleep, also when it is tried again.
    quiet = fields.BooleanField(default=False, db_default=False)
    #: When its words were struck out, because nobody needs them any more.
    masked_at = fields.DatetimeField(null=True)

    #: Of a page of PostgreSQL, by what was queued. The rest is for what became of it.
    fill_percent = 50

    class Meta:
        table = "message"
        indexes = (Index(fields=("to_phone", "created_at"), name="idx_message_phone"),)  # how often it was texted


class Outstanding(Model):
    """Where a message stands that has not arrived: what waits, what is waited for, and what was lost.

    Kept in step with `Message` by states.py alone, in the same transaction. What is being sent is named by a
    `MessageClaim` instead; what was delivered or merged, or mailed, by neither.
    """

    id = fields.BigIntField(primary_key=True, generated=False)  # the message's
    state = fields.CharField(max_length=10)
    channel = fields.CharField(max_length=4)
    priority = fields.SmallIntField()
    send_after = fields.DatetimeField()

    class Meta:
        table = "outstanding"
        indexes = (Index(fields=("state", "channel", "priority", "send_after", "id"), name="idx_outstanding_due"),)


class MessageClaim(Model):
    """A batch of messages that a gateway is sending, until its lease ends. What became known of leaves the list."""

    id = fields.BigIntField(primary_key=True)
    channel = fields.CharField(max_length=4)
    carrier = fields.CharField(max_length=20)
    until = fields.DatetimeField()
    messages = fields.TextField()  # JSON: their numbers

    class Meta:
        table = "message_claim"


class TextTemplate(Model):
    """One version of the words of one text. Decided once, then never changed: messages name it."""

    id = fields.BigIntField(primary_key=True)
    template = fields.CharField(max_length=24)
    version = fields.IntField()
    body = fields.TextField()
    #: JSON: the number under which a carrier has exactly these words, by the carrier's name.
    registrations = fields.TextField(default="{}")
    reason = fields.CharField(max_length=200, default="")
    state = fields.CharEnumField(TemplateState, max_length=10)
    author = fields.CharField(max_length=20)
    proposed_at = fields.DatetimeField()
    decided_by = fields.CharField(max_length=20, default="")
    decided_at = fields.DatetimeField(null=True)
    opinion = fields.CharField(max_length=500, default="")
    signature = fields.CharField(max_length=60, default="")  # the evidence number; empty for the program's own

    class Meta:
        table = "text_template"
        unique_together = (("template", "version"),)


class RetentionMark(Model):
    """How far the looks at old texts have come: `reached` is the number of the last one of that look."""

    name = fields.CharField(max_length=20, primary_key=True)
    reached = fields.BigIntField()

    class Meta:
        table = "retention_mark"


class MessagePart(Model):
    """A part whose submit_resp was recorded: it is never sent again."""

    id = fields.BigIntField(primary_key=True)
    message_id = fields.BigIntField(db_index=True)
    seq = fields.SmallIntField()  # from 1
    total = fields.SmallIntField()
    carrier = fields.CharField(max_length=20)
    sms_id = fields.CharField(max_length=64)
    state = fields.CharField(max_length=10)  # submitted, delivered, failed, expired
    error = fields.CharField(max_length=80, default="")
    submitted_at = fields.DatetimeField()
    done_at = fields.DatetimeField(null=True)

    class Meta:
        table = "message_part"
        indexes = (Index(fields=("sms_id", "carrier"), name="idx_part_receipt"),)


class WaitingReceipt(Model):
    """A receipt that came before its submit_resp, or for a part whose answer was lost."""

    id = fields.BigIntField(primary_key=True)
    carrier = fields.CharField(max_length=20)
    sms_id = fields.CharField(max_length=64)
    phone = fields.CharField(max_length=20, default="")
    state = fields.CharField(max_length=10)
    error = fields.CharField(max_length=80, default="")
    at = fields.DatetimeField()

    class Meta:
        table = "receipt"
        indexes = (
            Index(fields=("sms_id", "carrier"), name="idx_receipt_part"),
            Index(fields=("phone", "at"), name="idx_receipt_phone"),  # a text of unknown outcome asks for its phone's
            Index(fields=("at",), name="idx_receipt_at"),  # what is nobody's is dropped after two days
        )
