"""Tables of legal time: imported notices, special procedures under way, hearings, renewals that silence would grant.

Each row that the clock must look at carries the instant at which it must, indexed; null once there is nothing to do.
"""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class CalendarNotice(Model):
    """A notice that changed the calendar, approved by two persons. Its id is the calendar's version."""

    id = fields.BigIntField(primary_key=True)
    year = fields.IntField(db_index=True)
    is_local = fields.BooleanField()  # a city's own days, laid over the State Council's arrangement
    number = fields.CharField(max_length=100)
    source = fields.CharField(max_length=200)
    holidays = fields.TextField()  # JSON: dates
    workdays = fields.TextField()  # JSON: dates
    first_officer = fields.CharField(max_length=20)
    second_officer = fields.CharField(max_length=20)
    changed_days = fields.IntField()
    imported_at = fields.DatetimeField()

    class Meta:
        table = "calendar_notice"


class Stoppage(Model):
    """A special procedure (特殊程序) whose result is not in yet: the ledger's line, findable by the end it told."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(db_index=True)
    notice = fields.CharField(max_length=60, unique=True)
    ground = fields.CharField(max_length=20)
    told_until = fields.DateField()
    overruns_at = fields.DatetimeField(null=True, db_index=True)  # the end of the told time; null: told, or ended

    class Meta:
        table = "stoppage"


class Hearing(Model):
    """听证 in one case, from the notice of the right to the record (art. 46 to 48)."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(unique=True)
    state = fields.CharField(max_length=10)  # HearingState
    subject = fields.CharField(max_length=500)  # what it is about
    told_on = fields.DateField()
    ask_by = fields.DateField()
    asked_on = fields.DateField(null=True)
    asked_by = fields.CharField(max_length=60, default="")
    announce_by = fields.DateField(null=True)
    hold_by = fields.DateField(null=True)
    announced_on = fields.DateField(null=True)
    hearing_on = fields.DateField(null=True)
    place = fields.CharField(max_length=100, default="")
    presider = fields.CharField(max_length=20, default="")
    held_on = fields.DateField(null=True)
    yellow_at = fields.DatetimeField(null=True)  # of the next thing the authority must do
    red_at = fields.DatetimeField(null=True)
    next_light_at = fields.DatetimeField(null=True)

    class Meta:
        table = "hearing"
        indexes = (Index(fields=("next_light_at",), name="idx_hearing_light"),)


class Renewal(Model):
    """A case that renews a licence: not decided by `silent_at`, it is granted by law (art. 50)."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(unique=True)
    licence_number = fields.CharField(max_length=60)
    valid_until = fields.DateField()
    silent_at = fields.DatetimeField(null=True)  # null: decided, withdrawn or granted by law
    deemed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "renewal"
        indexes = (Index(fields=("silent_at",), name="idx_renewal_silent"),)
