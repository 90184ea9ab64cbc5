"""Tables of texts that cross: inside what was handed over, outside what was taken. Neither holds a number or a word."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class TextAcross(Model):
    """Inside: a text of our queue that was handed to the outer zone, and what is known of it. One row per message."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    reference = fields.BigIntField()  # the message
    tries = fields.SmallIntField(default=1)
    rid = fields.CharField(max_length=64, unique=True)  # of the last try
    state = fields.CharField(max_length=10, default="queued")  # there; refused: its record was
    taken = fields.BooleanField(default=False)  # a real carrier has all its parts
    error = fields.CharField(max_length=80, default="")
    via = fields.CharField(max_length=20, default="")  # that carrier
    number = fields.IntField(default=0)  # of the newest report
    news = fields.BooleanField(default=False)  # the gateway has not been told
    handed_at = fields.DatetimeField()
    reported_at = fields.DatetimeField(null=True)

    class Meta:
        table = "text_across"
        unique_together = (("peer", "reference"),)
        indexes = (Index(fields=("peer", "news"), name="idx_text_across_news"),)


class TextFerried(Model):
    """Outside: a text that was taken from inside, the message it became here, and what was told of it last."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    rid = fields.CharField(max_length=64, unique=True)
    message_id = fields.BigIntField(unique=True)
    number = fields.IntField(default=0)  # of the last report
    state = fields.CharField(max_length=10)
    error = fields.CharField(max_length=80, default="")
    is_open = fields.BooleanField(default=True)  # more may be heard of it
    taken_at = fields.DatetimeField()

    class Meta:
        table = "text_ferried"
        indexes = (Index(fields=("peer", "is_open"), name="idx_text_ferried_open"),)
