"""Tables of the approval flow: branches of parallel handling, delegations, packages."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class Branch(Model):
    """A co-unit's part in a case (并联会办): its levels are tasks and steps of the same number, its end is here."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField()
    number = fields.IntField()  # 1 … in the order of the definition
    unit_code = fields.CharField(max_length=16)
    name = fields.CharField(max_length=120)
    opened_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)
    verdict = fields.CharField(max_length=12, default="")  # concur, dissent
    opinion = fields.TextField(default="")
    officer_name = fields.CharField(max_length=90, default="")  # who signed: X, or X 代 Y
    evidence = fields.CharField(max_length=60, default="")
    answer = fields.TextField(default="")  # how the lead unit dealt with a dissent

    class Meta:
        table = "case_branch"
        unique_together = (("case_id", "number"),)


class Delegation(Model):
    """代理授权: who may act in an absent officer's name, from when until when, and in what."""

    id = fields.BigIntField(primary_key=True)
    principal = fields.CharField(max_length=20, db_index=True)
    delegate = fields.CharField(max_length=20, db_index=True)
    roles: fields.JSONField[list[str]] = fields.JSONField()
    items: fields.JSONField[list[str]] = fields.JSONField()  # codes of items; none: every item
    starts_at = fields.DatetimeField()
    ends_at = fields.DatetimeField()  # the first instant after
    reason = fields.CharField(max_length=200)
    made_by = fields.CharField(max_length=20)
    made_at = fields.DatetimeField()
    revoked_at = fields.DatetimeField(null=True)
    revoked_by = fields.CharField(max_length=20, default="")

    class Meta:
        table = "delegation"


class Package(Model):
    """One filing of a package item (一条龙): what was asked for once, to be filed part by part."""

    number = fields.CharField(max_length=40, primary_key=True)
    item_code = fields.CharField(max_length=40)
    item_version = fields.IntField()
    name = fields.CharField(max_length=120)
    applicant_name = fields.CharField(max_length=120)
    application = fields.TextField()  # JSON of casework.acts.FileApplication, with every material given
    filed_at = fields.DatetimeField()

    class Meta:
        table = "package"


class PackagePart(Model):
    """One case of a package, filed when everything it waits for has been granted."""

    id = fields.BigIntField(primary_key=True)
    package_number = fields.CharField(max_length=40)
    seq = fields.IntField()
    item_code = fields.CharField(max_length=40)
    stage_code = fields.CharField(max_length=40)
    after: fields.JSONField[list[str]] = fields.JSONField()  # codes of the stages that must be granted first
    case_number = fields.CharField(max_length=40, null=True)
    obstacle = fields.CharField(max_length=60, default="")  # the code of the refusal that kept it from being filed

    class Meta:
        table = "package_part"
        unique_together = (("package_number", "seq"),)
        indexes = (Index(fields=("case_number",), name="idx_package_part_case"),)
