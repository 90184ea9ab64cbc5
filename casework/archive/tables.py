"""The register of archives (审批文书档案)."""

from tortoise import fields

from kernel.models import Model


class ArchiveRecord(Model):
    """What a case's archive held when the case was closed: the manifest, sealed. Never changed.

    The package itself is made when it is asked for, from the rows and files that the manifest names by their SHA-256:
    whatever was changed since then cannot be put into it unnoticed.
    """

    id = fields.BigIntField(primary_key=True)
    number = fields.CharField(max_length=60, unique=True)  # without gaps per unit and year
    case_number = fields.CharField(max_length=40, unique=True)
    unit_code = fields.CharField(max_length=16)
    manifest = fields.TextField()  # canonical JSON
    sha256 = fields.CharField(max_length=64)
    seal_serial = fields.CharField(max_length=60)
    seal_signature = fields.BinaryField()
    archived_at = fields.DatetimeField()

    class Meta:
        table = "archive_record"
