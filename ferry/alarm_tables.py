"""The table of what is wrong with a ferry and lasts."""

from tortoise import fields

from kernel.models import Model


class FerryAlarm(Model):
    """A concern of `ferry/overview.py`. `gone_at`: since when it is away, before the row is."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    concern = fields.CharField(max_length=20)
    lane = fields.CharField(max_length=12)
    since = fields.DatetimeField()
    told_at = fields.DatetimeField(null=True)
    gone_at = fields.DatetimeField(null=True)

    class Meta:
        table = "ferry_alarm"
        unique_together = (("peer", "concern", "lane"),)
