"""Tables of the public hall: applicants and their login codes, questions, ratings, announcements with their steps."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class Applicant(Model):
    """An account: a phone number that its holder proves by a code at every login. The id is what events name."""

    id = fields.CharField(max_length=20, primary_key=True)
    phone = fields.CharField(max_length=20, unique=True)
    opened_at = fields.DatetimeField()
    last_login_at = fields.DatetimeField(null=True)

    class Meta:
        table = "applicant"


class LoginCode(Model):
    """A code texted for one login. The code itself follows from id and nonce and is stored nowhere."""

    id = fields.BigIntField(primary_key=True)
    applicant_id = fields.CharField(max_length=20)
    nonce = fields.CharField(max_length=40)
    drawn_at = fields.DatetimeField(db_index=True)
    expires_at = fields.DatetimeField()
    attempts = fields.IntField(default=0)
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "login_code"
        indexes = (Index(fields=("applicant_id", "drawn_at"), name="idx_login_code_applicant"),)


class Consultation(Model):
    """A question of the public (咨询) and its answer. Who asked is known by a phone number, or not at all."""

    id = fields.BigIntField(primary_key=True)
    number = fields.CharField(max_length=16, unique=True)
    revision = fields.IntField(default=1)
    item_code = fields.CharField(max_length=40, default="")
    item_name = fields.CharField(max_length=120, default="")
    unit_code = fields.CharField(max_length=16)
    phone = fields.CharField(max_length=20, default="")
    title = fields.CharField(max_length=80)
    question = fields.TextField()
    asked_at = fields.DatetimeField()
    due_on = fields.DateField()
    call_at = fields.DatetimeField(null=True, db_index=True)  # first instant too late; null once called or answered
    answered_at = fields.DatetimeField(null=True)
    answered_by = fields.CharField(max_length=20, default="")
    answer = fields.TextField(default="")

    class Meta:
        table = "consultation"
        indexes = (Index(fields=("unit_code", "answered_at", "due_on", "id"), name="idx_consultation_open"),)


class Rating(Model):
    """How content somebody was with one case (评价): the first answer, which stands."""

    id = fields.BigIntField(primary_key=True)
    case_number = fields.CharField(max_length=40, unique=True)
    unit_code = fields.CharField(max_length=16)
    score = fields.SmallIntField()  # 1 to 5; 5 is best
    rated_at = fields.DatetimeField()
    rated_by = fields.CharField(max_length=60)
    evidence = fields.CharField(max_length=60, default="")  # of the text that said so; empty: in the app

    class Meta:
        table = "rating"


class Announcement(Model):
    """Something made public (信息发布): notices, policies, and answers of general interest."""

    id = fields.BigIntField(primary_key=True)
    number = fields.CharField(max_length=16, unique=True)
    revision = fields.IntField(default=1)
    kind = fields.CharField(max_length=12)  # notice, policy, answer
    state = fields.CharField(max_length=12)
    title = fields.CharField(max_length=120)
    body = fields.TextField()
    unit_code = fields.CharField(max_length=16)
    author = fields.CharField(max_length=20)
    consultation = fields.CharField(max_length=16, default="")  # the question that an answer came from
    drafted_at = fields.DatetimeField()
    published_at = fields.DatetimeField(null=True)

    class Meta:
        table = "announcement"
        indexes = (
            Index(fields=("state", "kind", "published_at", "id"), name="idx_announcement_public"),
            Index(fields=("unit_code", "state", "id"), name="idx_announcement_unit"),
        )


class AnnouncementStep(Model):
    """One signed step on the way to the public: append-only."""

    id = fields.BigIntField(primary_key=True)
    announcement_id = fields.BigIntField()
    seq = fields.IntField()
    step = fields.CharField(max_length=12)
    officer = fields.CharField(max_length=20)
    officer_name = fields.CharField(max_length=40)
    opinion = fields.CharField(max_length=400, default="")
    content_sha256 = fields.CharField(max_length=64)
    evidence = fields.CharField(max_length=60)
    at = fields.DatetimeField()

    class Meta:
        table = "announcement_step"
        unique_together = (("announcement_id", "seq"),)
