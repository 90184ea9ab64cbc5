"""Tables of acts under way between the zones. Both zones have both; each uses its own."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class RelayedAct(Model):
    """Outside: an act that was sent inside, and what came back. `outcome` is empty until then.

    `given_at`: when somebody at a door was first told the outcome.
    """

    id = fields.BigIntField(primary_key=True)
    rid = fields.CharField(max_length=64, unique=True)
    actor = fields.CharField(max_length=60)
    key = fields.CharField(max_length=100)
    tag = fields.CharField(max_length=40)
    act_sha256 = fields.CharField(max_length=64)
    at = fields.DatetimeField()
    outcome = fields.TextField()
    answered_at = fields.DatetimeField(null=True)
    given_at = fields.DatetimeField(null=True)

    class Meta:
        table = "relayed_act"
        unique_together = (("actor", "key"),)
        indexes = (
            Index(fields=("at",), name="idx_relayed_act_at"),
            Index(fields=("answered_at", "at"), name="idx_relayed_act_waiting"),
            Index(fields=("actor", "answered_at"), name="idx_relayed_act_actor"),
        )


class ArrivedAct(Model):
    """Inside: an act that came from outside. `tries` counts before each try, so that a crash counts too."""

    id = fields.BigIntField(primary_key=True)
    rid = fields.CharField(max_length=64, unique=True)
    peer = fields.CharField(max_length=16)
    tag = fields.CharField(max_length=40)
    asked = fields.TextField()
    asked_at = fields.DatetimeField()
    at = fields.DatetimeField()
    tries = fields.IntField(default=0)
    due_at = fields.DatetimeField()
    #: Who asked, and the place in the line (turns.py); beyond the quota it is only answered.
    actor = fields.CharField(max_length=64, default="", db_default="")
    turn = fields.BigIntField(default=0, db_default=0)
    surplus = fields.BooleanField(default=False, db_default=False)
    #: The newest event of the log when it was first tried: what it caused comes behind.
    log_before = fields.BigIntField(null=True)
    #: The code of the refusal; "DONE" for a view; empty: still to do.
    outcome = fields.CharField(max_length=40, default="")
    done_at = fields.DatetimeField(null=True)

    class Meta:
        table = "arrived_act"
        indexes = (
            Index(fields=("outcome", "due_at", "id"), name="idx_arrived_act_due"),
            Index(fields=("outcome", "surplus", "turn", "id"), name="idx_arrived_act_turn"),
            Index(fields=("outcome", "actor", "turn"), name="idx_arrived_act_actor"),
        )
