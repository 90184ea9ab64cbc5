"""Tables of the text door: every part as it came, and the whole texts made of them."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class CarrierRow(Model):
    """One carrier as the operator wants it and as the gateway last saw it: how two processes talk about it.

    `wanted`: running, paused (nothing is sent, texts from people are still taken), drained (no bind either).
    `condition`: carriers.Condition as JSON, written every few seconds with `seen_at` by the process that speaks to it.
    """

    name = fields.CharField(max_length=20, primary_key=True)
    kind = fields.CharField(max_length=12)
    wanted = fields.CharField(max_length=8, default="running")
    #: Its configured share, and what its health has made of it.
    weight = fields.SmallIntField(default=10)
    effective_weight = fields.FloatField(default=0)
    condition = fields.TextField(default="{}")
    seen_at = fields.DatetimeField(null=True)
    down_since = fields.DatetimeField(null=True)
    #: When the officer on duty was told that it is down; empty again once it is up.
    alarmed_at = fields.DatetimeField(null=True)
    #: The gateway that wrote this. Of two on one account the one that is up is believed.
    seen_by = fields.CharField(max_length=40, default="")

    class Meta:
        table = "carrier"


class InboundPdu(Model):
    """A part of a text from a person as the carrier delivered it, stored before it was acknowledged: evidence."""

    id = fields.BigIntField(primary_key=True)
    carrier = fields.CharField(max_length=20)
    sender = fields.CharField(max_length=32)
    receiver = fields.CharField(max_length=32)
    data_coding = fields.SmallIntField()
    octets = fields.BinaryField()
    frame = fields.BinaryField()
    concat = fields.CharField(max_length=8, default="")  # udh8, udh16, sar; empty: a whole text
    reference = fields.IntField(default=0)
    total = fields.SmallIntField(default=1)
    number = fields.SmallIntField(default=1)
    #: Of the frame without its sequence number, and of the gateway's run: a carrier repeats what was not acknowledged.
    digest = fields.CharField(max_length=64, db_index=True)
    run = fields.CharField(max_length=40)
    received_at = fields.DatetimeField()
    #: When the carrier last said it, which is before it was kept; a repetition over another connection moves it.
    said_at = fields.DatetimeField(null=True)
    #: A `said_at` of this row, if the carrier has certainly read our answer to what it said then.
    read_at = fields.DatetimeField(null=True)
    message_id = fields.BigIntField(null=True, db_index=True)

    class Meta:
        table = "inbound_pdu"
        indexes = (Index(fields=("sender", "reference", "message_id"), name="idx_inbound_join"),)


class InboundMessage(Model):
    """A whole text and what became of it. `outcome`: a view's tag, a refusal's code, HELP or COMMANDS."""

    id = fields.BigIntField(primary_key=True)
    carrier = fields.CharField(max_length=20)
    sender = fields.CharField(max_length=32)  # national number
    receiver = fields.CharField(max_length=32)
    text = fields.TextField()
    is_complete = fields.BooleanField(default=True)
    received_at = fields.DatetimeField()
    tries = fields.SmallIntField(default=0)
    handled_at = fields.DatetimeField(null=True, db_index=True)
    command = fields.CharField(max_length=4, default="")
    outcome = fields.CharField(max_length=40, default="")
    is_answered = fields.BooleanField(default=True, db_default=True)  # false: its phone had been told often enough
    masked_at = fields.DatetimeField(null=True)  # when number and words were struck out
    via = fields.CharField(max_length=16, default="", db_default="")  # another zone, whose carrier it was

    class Meta:
        table = "inbound_message"
        indexes = (Index(fields=("sender", "received_at"), name="idx_inbound_sender"),)
