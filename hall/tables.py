"""Tables of the public hall."""

from tortoise import fields
from tortoise.models import Model


class QueryAttempt(Model):
    """Wrong query passwords tried for one case on one local day."""

    id = fields.BigIntField(primary_key=True)
    case_number = fields.CharField(max_length=40)
    day = fields.DateField()
    wrong = fields.IntField(default=0)

    class Meta:
        table = "query_attempt"
        unique_together = (("case_number", "day"),)
