"""Tables of the mirror: inside, what was told of each subject and what has changed since; outside, what was heard."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class MirrorSubject(Model):
    """Inside: one subject and one peer. `revision` grows with every state told; `digest` is of the last one."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    subject = fields.CharField(max_length=100)  # "case:…"
    revision = fields.BigIntField(default=0)
    digest = fields.CharField(max_length=64, default="")
    dirty_since = fields.DatetimeField(null=True)  # the oldest change not told yet; null: none
    #: To be told even if it says nothing new, after what does: a snapshot.
    is_forced = fields.BooleanField(default=False)

    class Meta:
        table = "ferry_mirror_subject"
        unique_together = (("peer", "subject"),)
        indexes = (Index(fields=("peer", "is_forced", "dirty_since"), name="idx_ferry_mirror_dirty"),)


class MirrorHeard(Model):
    """Outside: the revision of a subject that stands in the tables."""

    subject = fields.CharField(max_length=100, primary_key=True)
    revision = fields.BigIntField()
    at = fields.DatetimeField()

    class Meta:
        table = "ferry_mirror_heard"


class MirrorPart(Model):
    """Outside: a part of a state whose other parts have not come yet."""

    id = fields.BigIntField(primary_key=True)
    subject = fields.CharField(max_length=100)
    revision = fields.BigIntField()
    part = fields.IntField()
    parts = fields.IntField()
    body = fields.TextField()

    class Meta:
        table = "ferry_mirror_part"
        unique_together = (("subject", "revision", "part"),)


class MirrorAge(Model):
    """Up to which instant everything was told to a peer (inside), or heard from it (outside)."""

    peer = fields.CharField(max_length=16, primary_key=True)
    as_of = fields.DatetimeField()
    at = fields.DatetimeField()

    class Meta:
        table = "ferry_mirror_age"
