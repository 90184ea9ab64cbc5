"""Tables of casework: the catalogue, the calendar, cases with their clocks, steps, tasks and documents."""

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class CalendarDay(Model):
    """One day of the working-day calendar. `provisional`: no State Council notice covers it yet."""

    day = fields.DateField(primary_key=True)
    working = fields.BooleanField()
    provisional = fields.BooleanField(default=False)
    source = fields.CharField(max_length=120, default="")

    class Meta:
        table = "calendar_day"


class Item(Model):
    """A catalogue item (事项). `code` is never changed once published and never used again once retired."""

    code = fields.CharField(max_length=40, primary_key=True)
    state = fields.CharField(max_length=12)  # draft, published, retired
    version = fields.IntField(default=0)  # the published version; 0 before the first
    revision = fields.IntField(default=0)

    class Meta:
        table = "item"


class ItemVersion(Model):
    """What an item said when it was published; cases keep the version they were accepted under."""

    id = fields.BigIntField(primary_key=True)
    item_code = fields.CharField(max_length=40)
    version = fields.IntField()
    name = fields.CharField(max_length=120)
    unit_code = fields.CharField(max_length=16)
    secret = fields.BooleanField(default=False)
    definition = fields.TextField()  # JSON of casework.catalogue.definitions.ItemDefinition
    change_number = fields.CharField(max_length=20, default="", db_default="")  # the confirmed change; empty: the desk
    online_by = fields.DateField(null=True)  # 延期上网: the planned day
    published_at = fields.DatetimeField(null=True)

    class Meta:
        table = "item_version"
        unique_together = (("item_code", "version"),)


class Case(Model):
    """One application (办件). `revision` grows with every change: writers compare it and swap."""

    id = fields.BigIntField(primary_key=True)
    number = fields.CharField(max_length=40, unique=True)
    status = fields.CharField(max_length=20)
    revision = fields.IntField(default=1)
    channel = fields.CharField(max_length=12)  # online, window, self_built
    item_code = fields.CharField(max_length=40)
    item_version = fields.IntField()
    item_name = fields.CharField(max_length=120)
    stage_code = fields.CharField(max_length=40)
    secret = fields.BooleanField(default=False)
    unit_code = fields.CharField(max_length=16, db_index=True)
    applicant_name = fields.CharField(max_length=120, default="")
    applicant_id_number = fields.CharField(max_length=40, default="")
    applicant_phone = fields.CharField(max_length=20, default="", db_index=True)
    agent_name = fields.CharField(max_length=120, default="")  # 代理人 (art. 29)
    agent_id_number = fields.CharField(max_length=40, default="")
    agent_phone = fields.CharField(max_length=20, default="", db_index=True)
    form = fields.TextField(default="")  # JSON of the online form's answers
    window_unit = fields.CharField(max_length=16, default="")  # the hall, branch or centre whose window keeps the case
    package_number = fields.CharField(max_length=40, default="", db_index=True)  # the package case it belongs to
    licence_number = fields.CharField(max_length=60, default="")  # the licence to renew, change or cancel
    statutory_days = fields.IntField(default=0)
    committed_days = fields.IntField(default=0)
    yellow_before_days = fields.IntField(default=1)
    received_on = fields.DateField()
    entered_at = fields.DatetimeField()
    deemed_at = fields.DatetimeField(null=True)  # silence until then is acceptance; null once decided
    supplement_asked = fields.BooleanField(default=False)
    supplemented_on = fields.DateField(null=True)  # the day the last correction arrived
    accepted_on = fields.DateField(null=True)
    deemed_accepted = fields.BooleanField(default=False)
    statutory_due = fields.DateField(null=True)
    committed_due = fields.DateField(null=True)
    due_provisional = fields.BooleanField(default=False)
    calendar_version = fields.IntField(default=0, db_default=0)  # no date of the case is from an older calendar
    decided_at = fields.DatetimeField(null=True)
    outcome = fields.CharField(max_length=12, default="")  # granted, refused
    closed_at = fields.DatetimeField(null=True)
    returns = fields.IntField(default=0)  # roll-backs, counted for supervision
    archive_number = fields.CharField(
        max_length=60, default="", db_default=""
    )  # empty until it was closed and archived, or kept elsewhere
    urges = fields.IntField(default=0, db_default=0)  # 催办, counted for supervision
    urged_at = fields.DatetimeField(null=True)
    reported_up_at = fields.DatetimeField(null=True)  # 上报: the first review ended (art. 43)

    class Meta:
        table = "case_file"
        indexes = (
            Index(fields=("deemed_at",), name="idx_case_deemed"),
            Index(fields=("archive_number", "closed_at"), name="idx_case_to_archive"),
        )


class ClockEntry(Model):
    """One line of a case's clock ledger; the due date is derived from all of them, never stored by hand."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField()
    seq = fields.IntField()
    entry = fields.TextField()  # JSON of casework.clock.ledger.Entry
    actor = fields.CharField(max_length=60)
    at = fields.DatetimeField()

    class Meta:
        table = "clock_entry"
        unique_together = (("case_id", "seq"),)


class Task(Model):
    """Who must do the next step of a case, and when its lights turn.

    A light shown is a comparison of `yellow_at` and `red_at` with now. `next_light_at` is the next turn that has not
    been announced yet (null: none, or the clock stands still): the sweep reads this index and nothing else.
    """

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(db_index=True)
    step = fields.CharField(max_length=12)  # accept, supplement, level:1 …, branch:1:1 …, complete, deliver
    branch = fields.IntField(default=0, db_default=0)  # 0: the case's own line, which has one open task at most
    level = fields.IntField(default=0, db_default=0)  # of its line; 0: not an approval level
    role = fields.CharField(max_length=20)
    unit_code = fields.CharField(max_length=16)
    assignee = fields.CharField(max_length=20, null=True)  # one officer only; null: any holder of the role
    opened_at = fields.DatetimeField()
    closed_at = fields.DatetimeField(null=True)
    limit_days = fields.IntField(null=True)  # 环节时限: working days of this step alone
    line_days = fields.IntField(null=True)  # of a co-unit's line or a lower authority's review, from acceptance
    due_on = fields.DateField(null=True)
    yellow_at = fields.DatetimeField(null=True)
    red_at = fields.DatetimeField(null=True)
    # The case's own day and lights, where the step's limit ends sooner than the case's.
    case_due_on = fields.DateField(null=True)
    case_yellow_at = fields.DatetimeField(null=True)
    case_red_at = fields.DatetimeField(null=True)
    next_light_at = fields.DatetimeField(null=True)
    calendar_version = fields.IntField(default=0, db_default=0)  # no date of the task is from an older calendar
    #: Keyset of the to-do page: the red instant, or the far future, so that open tasks sort without nulls.
    sort_at = fields.DatetimeField()

    class Meta:
        table = "task"
        indexes = (
            Index(fields=("next_light_at",), name="idx_task_light"),
            Index(fields=("closed_at", "sort_at", "id"), name="idx_task_open"),
            Index(fields=("closed_at", "calendar_version", "case_id"), name="idx_task_calendar"),
            Index(fields=("unit_code", "role", "closed_at", "sort_at", "id"), name="idx_task_todo"),
        )


class Step(Model):
    """One signed opinion (环节意见): append-only."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(db_index=True)
    seq = fields.IntField()
    step = fields.CharField(max_length=12)
    branch = fields.IntField(default=0, db_default=0)
    level = fields.IntField(default=0, db_default=0)
    decision = fields.CharField(max_length=20)
    opinion = fields.TextField()
    officer = fields.CharField(max_length=20, db_index=True)
    officer_name = fields.CharField(max_length=40)
    principal = fields.CharField(max_length=20, default="", db_default="")  # 代理: on whose behalf the officer signed
    principal_name = fields.CharField(max_length=40, default="", db_default="")
    role = fields.CharField(max_length=20)
    signature = fields.CharField(max_length=60, default="")  # the evidence number of the signature
    at = fields.DatetimeField()

    class Meta:
        table = "case_step"
        unique_together = (("case_id", "seq"),)


class Material(Model):
    """A document the applicant handed in (申请材料)."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(db_index=True)
    name = fields.CharField(max_length=120)
    file_name = fields.CharField(max_length=200, default="")
    media_type = fields.CharField(max_length=100, default="")
    sha256 = fields.CharField(max_length=64, default="")  # of the stored file; empty: paper only
    size = fields.BigIntField(default=0)
    received_at = fields.DatetimeField()

    class Meta:
        table = "material"


class Document(Model):
    """A statutory document (文书) the office issued: numbered without gaps per unit, kind and year, and sealed."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(db_index=True)
    kind = fields.CharField(max_length=24)
    number = fields.CharField(max_length=60, unique=True)
    title = fields.CharField(max_length=120)
    template_version = fields.IntField(default=1, db_default=1)  # of the wording it was issued in
    content = fields.TextField()  # canonical JSON of casework.papers.documents.Content: the octets that are sealed
    sha256 = fields.CharField(max_length=64)  # of the content
    unit_code = fields.CharField(max_length=16)
    seal_serial = fields.CharField(max_length=60, default="")
    seal_signature = fields.BinaryField(null=True)
    issued_at = fields.DatetimeField()
    #: In the outer zone, which does not have the key it follows from; empty: it follows from the key here.
    check_code = fields.CharField(max_length=16, default="", db_default="")

    class Meta:
        table = "document"


class QueryAttempt(Model):
    """Wrong query passwords tried for one case on one local day."""

    id = fields.BigIntField(primary_key=True)
    case_number = fields.CharField(max_length=40)
    day = fields.DateField()
    wrong = fields.IntField(default=0)

    class Meta:
        table = "query_attempt"
        unique_together = (("case_number", "day"),)


class ViewLog(Model):
    """Who looked at which case or file, and when."""

    id = fields.BigIntField(primary_key=True)
    case_id = fields.BigIntField(db_index=True)
    what = fields.CharField(max_length=120)
    viewer = fields.CharField(max_length=60)
    at = fields.DatetimeField()

    class Meta:
        table = "view_log"
