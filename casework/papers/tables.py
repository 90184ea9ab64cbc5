"""Tables of the statutory documents: versions of their wording, and their prints."""

from enum import StrEnum

from tortoise import fields

from kernel.models import Model


class TemplateState(StrEnum):
    DRAFT = "draft"  # waits for the legal office; no document can be issued with it
    APPROVED = "approved"  # the newest approved version of a kind is the one in use
    REJECTED = "rejected"


class DocumentTemplate(Model):
    """One version of the wording of one kind of document. Decided once, then never changed."""

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(max_length=24)
    version = fields.IntField()
    wording = fields.TextField()  # JSON of casework.papers.wordings.Wording
    state = fields.CharEnumField(TemplateState, max_length=10)
    author = fields.CharField(max_length=20)
    drafted_at = fields.DatetimeField()
    decided_by = fields.CharField(max_length=20, default="")
    decided_at = fields.DatetimeField(null=True)
    opinion = fields.CharField(max_length=500, default="")
    signature = fields.CharField(max_length=60, default="")  # the evidence number; empty for version 1

    class Meta:
        table = "document_template"
        unique_together = (("kind", "version"),)


class DocumentPrint(Model):
    """A PDF that was made of a document: what it weighs is how a copy is recognised. Kept by its SHA-256."""

    id = fields.BigIntField(primary_key=True)
    document_id = fields.BigIntField(db_index=True)
    sha256 = fields.CharField(max_length=64, unique=True)
    size = fields.IntField()
    made_with = fields.CharField(max_length=40)  # the typesetter and its version
    made_at = fields.DatetimeField()

    class Meta:
        table = "document_print"
