"""Tables of the ferry. Both zones have them all: each side sends and receives.

Sending: records and pieces wait without a number; a parcel is a number with a content, committed before its file is
written. Receiving: a cursor per lane moves in the same transaction as the effects of the records.
"""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model

#: In `epoch` of a piece that waits to be numbered, that never will be, and of whose file nobody knows the content yet.
WAITING, DROPPED, UNJUDGED = "", "-", "?"
#: Instead of a parcel, where a record will never be in one.
LEFT_OUT = 0


class FerryPeer(Model):
    """The other zone, and what both know of each other's word."""

    peer = fields.CharField(max_length=16, primary_key=True)
    epoch = fields.CharField(max_length=32, default="")  # ours
    former = fields.CharField(max_length=32, default="")  # ours before
    status_no = fields.BigIntField(default=0)  # the last status we numbered in `epoch`
    status_at = fields.DatetimeField(null=True)  # when it was numbered, by our clock
    status_file = fields.CharField(max_length=80, default="")
    their_epoch = fields.CharField(max_length=32, default="")
    their_status_no = fields.BigIntField(default=0)
    heard_at = fields.DatetimeField(null=True)  # by our clock
    #: Milliseconds by which our clock is ahead of theirs, at most: the way took some of them.
    skew_ms = fields.BigIntField(default=0)
    #: From leaving to acknowledgement, smoothed.
    round_trip_ms = fields.BigIntField(default=0)

    class Meta:
        table = "ferry_peer"


class FerryEpoch(Model):
    """Every epoch the peer has ever used towards us: an ended one never comes back."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    epoch = fields.CharField(max_length=32)
    at = fields.DatetimeField()

    class Meta:
        table = "ferry_epoch"
        unique_together = (("peer", "epoch"),)


class FerryRecord(Model):
    """A record handed over, in the transaction of what it tells; kept until it is acknowledged and old.

    It is never moved: where it stands, which changes, is its FerryPlace.
    """

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    rid = fields.CharField(max_length=64)
    line = fields.TextField()
    at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)
    refused = fields.CharField(max_length=40, default="")  # the code the source was told

    class Meta:
        table = "ferry_record"
        unique_together = (("peer", "rid"),)


class FerryPlace(Model):
    """Where a record stands. A row of its own, because with a number every index of its table gets a new entry."""

    id = fields.BigIntField(primary_key=True, generated=False)  # of the record
    peer = fields.CharField(max_length=16)
    lane = fields.CharField(max_length=12)
    parcel = fields.BigIntField(null=True)  # FerryParcel; empty while it waits to be numbered; or LEFT_OUT

    class Meta:
        table = "ferry_place"
        indexes = (Index(fields=("peer", "lane", "parcel", "id"), name="idx_ferry_place_due"),)


class FerryPiece(Model):
    """A stretch of a file that goes beside the records, content-addressed: twice the same is once."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    sha256 = fields.CharField(max_length=64)
    size = fields.BigIntField()
    start = fields.BigIntField()
    octets = fields.IntField()
    at = fields.DatetimeField()
    epoch = fields.CharField(max_length=32, default=WAITING)
    seq = fields.BigIntField(null=True)

    class Meta:
        table = "ferry_piece"
        unique_together = (("peer", "sha256", "start"),)
        indexes = (Index(fields=("peer", "epoch", "seq", "id"), name="idx_ferry_piece_due"),)


class FerryChannel(Model):
    """The head of a lane towards the peer: between two sealers its compare-and-swap decides."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    lane = fields.CharField(max_length=12)
    epoch = fields.CharField(max_length=32)
    head_seq = fields.BigIntField(default=0)
    head_id = fields.CharField(max_length=64)
    wanted = fields.CharField(max_length=8, default="running")  # paused: by an operator; stuck: rows are gone

    class Meta:
        table = "ferry_channel"
        unique_together = (("peer", "lane"),)


class FerryParcel(Model):
    """A parcel of ours. `state`: assigned, sealed (offered), acked, spent (one-way: repeated often enough), retired."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    lane = fields.CharField(max_length=12)
    epoch = fields.CharField(max_length=32)
    seq = fields.BigIntField()
    prev = fields.CharField(max_length=64)
    content_id = fields.CharField(max_length=64)
    count = fields.IntField()
    octets = fields.BigIntField()  # before compression
    sorts = fields.TextField(default="", db_default="")  # records by type, as `ferry/ledger.py` counts them
    state = fields.CharField(max_length=8)
    file = fields.CharField(max_length=80, default="")
    offers = fields.IntField(default=0)
    assigned_at = fields.DatetimeField()
    offered_at = fields.DatetimeField(null=True)
    again_at = fields.DatetimeField(null=True)  # when it is offered again unless acknowledged
    acked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "ferry_parcel"
        unique_together = (("peer", "lane", "epoch", "seq"),)
        indexes = (Index(fields=("peer", "state", "lane", "seq"), name="idx_ferry_parcel_state"),)


class FerryCursor(Model):
    """How far a lane of the peer is applied here. `head_…`: how far the peer says it goes."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    lane = fields.CharField(max_length=12)
    epoch = fields.CharField(max_length=32)
    applied = fields.BigIntField(default=0)
    content_id = fields.CharField(max_length=64)
    frozen_why = fields.CharField(max_length=40, default="")
    head_seq = fields.BigIntField(default=0)
    head_id = fields.CharField(max_length=64, default="")
    #: One-way: up to here the sender's history names exactly what was applied.
    proved = fields.BigIntField(default=0)

    class Meta:
        table = "ferry_cursor"
        unique_together = (("peer", "lane"),)


class FerryInbox(Model):
    """A parcel that was applied, with the sender's signed manifest: evidence of what was said."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    lane = fields.CharField(max_length=12)
    epoch = fields.CharField(max_length=32)
    seq = fields.BigIntField()
    prev = fields.CharField(max_length=64)
    content_id = fields.CharField(max_length=64)
    count = fields.IntField()
    octets = fields.BigIntField(default=0, db_default=0)  # as the sender counts them, before compression
    sorts = fields.TextField(default="", db_default="")
    file = fields.CharField(max_length=80)
    sha256 = fields.CharField(max_length=64)
    manifest = fields.TextField()
    at = fields.DatetimeField()

    class Meta:
        table = "ferry_inbox"
        unique_together = (("peer", "lane", "epoch", "seq"),)


class FerryApplied(Model):
    """The number of a record that was applied: the second line of defence, and the first after a disaster."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    rid = fields.CharField(max_length=64)
    at = fields.DatetimeField()

    class Meta:
        table = "ferry_applied"
        unique_together = (("peer", "rid"),)
        indexes = (Index(fields=("at",), name="idx_ferry_applied_at"),)


class FerryHeld(Model):
    """A sound parcel that waits for one before it; the file lies in `held`."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    lane = fields.CharField(max_length=12)
    epoch = fields.CharField(max_length=32)
    seq = fields.BigIntField()
    prev = fields.CharField(max_length=64)
    content_id = fields.CharField(max_length=64)
    file = fields.CharField(max_length=80)
    octets = fields.BigIntField()
    at = fields.DatetimeField()

    class Meta:
        table = "ferry_held"
        unique_together = (("peer", "lane", "epoch", "seq"),)


class FerryGap(Model):
    """One-way only: a parcel that never came and was passed over. `filled_at`: it came after all."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    lane = fields.CharField(max_length=12)
    epoch = fields.CharField(max_length=32)
    seq = fields.BigIntField()
    passed_at = fields.DatetimeField()
    filled_at = fields.DatetimeField(null=True)

    class Meta:
        table = "ferry_gap"
        unique_together = (("peer", "lane", "epoch", "seq"),)


class FerryQuarantine(Model):
    """A file that was refused. It is kept until a person discards it."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    sha256 = fields.CharField(max_length=64)
    file = fields.CharField(max_length=120)  # its name as it came
    octets = fields.BigIntField()
    code = fields.CharField(max_length=40)
    why = fields.CharField(max_length=200)
    state = fields.CharField(max_length=10, default="kept")  # kept, noted (no octets kept), retried, discarded
    times = fields.IntField(default=1)
    at = fields.DatetimeField()
    closed_at = fields.DatetimeField(null=True)
    closed_why = fields.CharField(max_length=200, default="")

    class Meta:
        table = "ferry_quarantine"
        unique_together = (("peer", "sha256"),)


class FerryPoison(Model):
    """A record in a good parcel that could not be applied. Told to its source in each status until that was heard."""

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    lane = fields.CharField(max_length=12)
    epoch = fields.CharField(max_length=32)
    seq = fields.BigIntField()
    place = fields.IntField()  # in its parcel
    rid = fields.CharField(max_length=64)
    line = fields.TextField()
    code = fields.CharField(max_length=40)
    at = fields.DatetimeField()
    #: The first status that told it, and whether the source is known to have heard that one.
    told_in = fields.BigIntField(null=True)
    heard = fields.BooleanField(default=False)
    closed_at = fields.DatetimeField(null=True)
    closed_why = fields.CharField(max_length=200, default="")

    class Meta:
        table = "ferry_poison"
        unique_together = (("peer", "lane", "epoch", "seq", "place"),)
        indexes = (Index(fields=("peer", "heard", "id"), name="idx_ferry_poison_untold"),)


class FerryFile(Model):
    """A file that comes piece by piece.

    `state`: coming, waiting (for the scanner), whole, corrupt, refused, closed (corrupt or refused; a person knows).
    """

    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    sha256 = fields.CharField(max_length=64)
    size = fields.BigIntField()
    here = fields.BigIntField(default=0)  # octets that arrived
    state = fields.CharField(max_length=8, default="coming")
    at = fields.DatetimeField()

    class Meta:
        table = "ferry_file"
        unique_together = (("peer", "sha256"),)
        indexes = (Index(fields=("peer", "state"), name="idx_ferry_file_state"),)


class FerryArrivedPiece(Model):
    id = fields.BigIntField(primary_key=True)
    peer = fields.CharField(max_length=16)
    sha256 = fields.CharField(max_length=64)
    start = fields.BigIntField()
    octets = fields.IntField()

    class Meta:
        table = "ferry_arrived_piece"
        unique_together = (("peer", "sha256", "start"),)


class FerryVerdict(Model):
    """What was found out about the content of a file, and by which rules and scanner. `code` empty: it may cross."""

    sha256 = fields.CharField(max_length=64, primary_key=True)
    code = fields.CharField(max_length=40)
    why = fields.CharField(max_length=200)
    media_type = fields.CharField(max_length=100)
    engine = fields.CharField(max_length=200)
    at = fields.DatetimeField()

    class Meta:
        table = "ferry_verdict"
