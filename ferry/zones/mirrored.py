"""What the outer zone may know: every table of the office stands here once, and of a mirrored one every column.

A column that is not listed does not cross, and a row outside has a neutral value in its place; a new column or table
fails a test until somebody has decided. Officers' phones and mail, passwords and keys, texts and
whatever is secret never cross. Numbers of identity papers cross masked. The phone of an applicant crosses with the case
alone: people log in outside, by their phone, and see the cases that were filed from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from tortoise.models import Model

from alerts.tables import TextTemplate
from casework.catalogue.tables import ChangeComment, ChangeSignature, ItemChange
from casework.clock.tables import CalendarNotice, Hearing, Renewal, Stoppage
from casework.flow.tables import Branch, Delegation, Package, PackagePart
from casework.intake.tables import FeeBill, FeeLine, OriginalsCheck, PaperMove, PreReview, SecondEntry
from casework.licences.tables import AnnualReview, Licence, LicenceChange, PublicResult
from casework.papers.tables import DocumentTemplate
from casework.tables import CalendarDay, Case, ClockEntry, Document, Item, ItemVersion, Material, Step, Task
from certs.profiles import ProfileName
from certs.tables import IssuedCertificate
from hall.tables import Announcement, AnnouncementStep, Consultation, Rating
from kernel.tables import EventChain, EventRow, Officer, Unit
from supervision.tables import Card, Exemption, ExplanationTask, Finding, LightRow, SupervisionOrder


class Way(Enum):
    """How a column crosses that does not cross as it is."""

    MASKED = auto()  # the last four characters: a licence is checked by them
    CHECK = auto()  # the code that stands on the print of a document, which follows from the inner zone's key
    #: The row's number, negative outside, where the table has rows of its own.
    THEIRS = auto()
    SEALED = auto()  # octet for octet: somebody signed or chained it


@dataclass(frozen=True)
class Mirrored:
    """One row of the table. `by`: its column that says of which subject a row is; `of`: what that column holds.

    `of` is "key" or "subject" (of the state), "all", "year", or the table whose row's `id` it is. `only`: rows of one
    subject that cross. `withheld`: what stands outside in columns that do not cross; a name is another column.
    """

    model: type[Model]
    kind: str
    columns: str
    by: str = ""
    of: str | type[Model] = "key"
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ways: Mapping[str, Way] = field(default_factory=dict)
    withheld: Mapping[str, "Neutral"] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.model._meta.db_table)

    @property
    def crossing(self) -> tuple[str, ...]:
        return tuple(self.columns.split())


@dataclass(frozen=True)
class SameAs:
    """A neutral value that must be unique: the row's own other column."""

    column: str


Neutral = str | int | bytes | SameAs | None

_SEALED = {"content": Way.SEALED}
#: What the seal of a licence covers holds the number of its holder's identity paper.
_UNREAD: Mapping[str, Neutral] = {"content": "{}", "seal_signature": b""}
_THEIRS = {"id": Way.THEIRS}

#: Kind of state by kind, tables in the order in which they are written.
# fmt: off
MIRRORED: tuple[Mirrored, ...] = (
    # ------------------------------------------------------------------------------------------------------- a case
    Mirrored(Case, "case", by="number",
             columns="id number status revision channel item_code item_version item_name stage_code secret"
                     " unit_code applicant_name applicant_id_number applicant_phone agent_name agent_id_number"
                     " agent_phone window_unit package_number licence_number statutory_days committed_days"
                     " yellow_before_days received_on entered_at supplement_asked supplemented_on accepted_on"
                     " deemed_accepted statutory_due committed_due due_provisional calendar_version decided_at"
                     " outcome closed_at returns archive_number urges urged_at reported_up_at",
             ways={"applicant_id_number": Way.MASKED, "agent_id_number": Way.MASKED},
             withheld={"form": "", "deemed_at": None}),  # what people typed; what only the clock inside reads
    Mirrored(ClockEntry, "case", by="case_id", of=Case,
             columns="id case_id seq entry actor at",
             ways={"entry": Way.SEALED}),
    Mirrored(Task, "case", by="case_id", of=Case,
             columns="id case_id step branch level role unit_code assignee opened_at closed_at limit_days"
                     " line_days due_on yellow_at red_at case_due_on case_yellow_at case_red_at"
                     " calendar_version sort_at",
             withheld={"next_light_at": None}),  # lights are turned inside
    Mirrored(Step, "case", by="case_id", of=Case,
             columns="id case_id seq step branch level decision opinion officer officer_name principal"
                     " principal_name role signature at"),
    Mirrored(Material, "case", by="case_id", of=Case,
             columns="id case_id name file_name media_type sha256 size received_at"),
    Mirrored(Document, "case", by="case_id", of=Case,
             columns="id case_id kind number title template_version content sha256 unit_code seal_serial"
                     " seal_signature issued_at check_code",
             ways={**_SEALED, "check_code": Way.CHECK}),
    Mirrored(Stoppage, "case", by="case_id", of=Case,
             columns="id case_id notice ground told_until",
             withheld={"overruns_at": None}),
    Mirrored(Hearing, "case", by="case_id", of=Case,
             columns="id case_id state subject told_on ask_by asked_on announce_by hold_by announced_on"
                     " hearing_on place presider held_on yellow_at red_at",
             withheld={"asked_by": "", "next_light_at": None}),
    Mirrored(Renewal, "case", by="case_id", of=Case,
             columns="id case_id licence_number valid_until deemed_at",
             withheld={"silent_at": None}),
    Mirrored(Branch, "case", by="case_id", of=Case,
             columns="id case_id number unit_code name opened_at ended_at verdict opinion officer_name"
                     " evidence answer"),
    Mirrored(PreReview, "case", by="case_id", of=Case,
             columns="id case_id outcome opinion officer officer_name at"),
    Mirrored(OriginalsCheck, "case", by="case_id", of=Case,
             columns="id case_id unit_code notice asked_at checked_at matches note officer"),
    Mirrored(PaperMove, "case", by="case_id", of=Case,
             columns="id case_id material_id from_unit to_unit handed_by handed_at received_by received_at"
                     " waived_reason"),
    Mirrored(SecondEntry, "case", by="case_id", of=Case,
             columns="id case_id case_number unit_code source operator received_on entered_on"
                     " late_working_days"),
    Mirrored(FeeBill, "case", by="case_id", of=Case,
             columns="id case_id number unit_code issued_at settled_at settled_by"),
    Mirrored(FeeLine, "case", by="bill_id", of=FeeBill,
             columns="id bill_id seq name standard basis amount_cents fixed listed reason entered_by"),
    Mirrored(LightRow, "case", by="case_id", of=Case,
             columns="id case_id task_id colour at noticed_at unit_code step branch role of_step due_on",
             withheld={"order_due_at": None}),
    Mirrored(SupervisionOrder, "case", by="case_id", of=Case,
             columns="number case_id unit_code issued_at limit_on reason html sha256 seal_serial"
                     " seal_signature",
             ways={"html": Way.SEALED}),
    Mirrored(ExplanationTask, "case", by="case_id", of=Case,
             columns="id order_number case_id unit_code limit_on opened_at closed_at"),
    Mirrored(Rating, "case", by="case_number",
             columns="id case_number unit_code score rated_at",
             withheld={"rated_by": "", "evidence": ""}),
    Mirrored(PublicResult, "case", by="case_number",
             columns="id case_number item_code item_name unit_code holder holder_id document_number"
                     " licence_number decided_on",
             ways={"holder_id": Way.MASKED}),
    Mirrored(Finding, "case", by="case_number",
             columns="id event_id case_number unit_code kind at",
             ways={"event_id": Way.THEIRS}),
    Mirrored(EventRow, "case", by="subject", of="subject",
             columns="id subject seq tag at actor body previous_hash hash",
             ways={**_THEIRS, "body": Way.SEALED}),
    Mirrored(EventChain, "case", by="subject", of="subject",
             columns="subject length head"),
    # ------------------------------------------------------------------------------------------------ what is about it
    Mirrored(Card, "card", by="id",
             columns="id number colour ground facts state revision fact_key case_id case_number item_name"
                     " unit_code officer proposed_at proposed_by reminders escalated_at decided_at decided_by"
                     " reason evidence served_at acknowledged_at acknowledged_by receipt_evidence html sha256"
                     " seal_serial seal_signature",
             ways={"html": Way.SEALED},
             withheld={"remind_at": None}),
    Mirrored(Licence, "licence", by="number",
             columns="id number kind item_code item_version case_number secret unit_code holder_name"
                     " holder_id_number issued_on valid_from valid_until state sha256 seal_serial revision",
             ways={"holder_id_number": Way.MASKED},
             withheld={**_UNREAD, "holder_phone": "", "remind_on": None, "lapses_on": None}),
    Mirrored(LicenceChange, "licence", by="licence_id", of=Licence,
             columns="id licence_id revision change case_number reason sha256 seal_serial actor evidence at",
             withheld=_UNREAD),
    Mirrored(AnnualReview, "licence", by="licence_id", of=Licence,
             columns="id licence_id licence_number unit_code due_on state opinion officer case_number"
                     " reviewed_at",
             withheld={"clock_on": None}),
    Mirrored(Package, "package", by="number",
             columns="number item_code item_version name applicant_name filed_at",
             withheld={"application": "{}"}),
    Mirrored(PackagePart, "package", by="package_number",
             columns="id package_number seq item_code stage_code after case_number obstacle"),
    # --------------------------------------------------------------------------------------------------- the catalogue
    Mirrored(Item, "item", by="code",
             columns="code state version revision"),
    Mirrored(ItemVersion, "item", by="item_code",
             columns="id item_code version name unit_code secret definition change_number online_by"
                     " published_at",
             ways={"definition": Way.SEALED}),
    Mirrored(ItemChange, "change", by="number",
             columns="number kind state revision round item_code item_name unit_code document has_fees"
                     " effective_on authors saved_at next_step notice_from notice_until seal_serial"
                     " seal_signature effective_at",
             ways={"document": Way.SEALED}),
    Mirrored(ChangeSignature, "change", by="change_number",
             columns="id change_number round step decision opinion officer officer_name evidence at"),
    Mirrored(ChangeComment, "change", by="change_number",
             columns="id change_number text at",
             withheld={"name": "", "phone": ""}),
    # ----------------------------------------------------------------------------------------------- people and seals
    Mirrored(Unit, "units", by="code", of="all",
             columns="code name short_name kind phone"),
    Mirrored(Exemption, "units", by="id", of="all",
             columns="id unit_code document granted_on until entered_at"),
    Mirrored(Officer, "officer", by="id",
             columns="id name unit_code roles active",
             withheld={"phone": SameAs("id"), "second_phone": "", "email": "", "phone_since": None}),
    Mirrored(Delegation, "officer", by="principal",
             columns="id principal delegate roles items starts_at ends_at reason made_by made_at revoked_at"
                     " revoked_by"),
    Mirrored(IssuedCertificate, "officer", by="holder",
             columns="id issuer serial profile holder device spki_sha256 fingerprint der not_before not_after"
                     " state used_at revoked_at reason",
             only={"profile": (ProfileName.OFFICER_SIGNING,)},
             ways=_THEIRS),
    Mirrored(IssuedCertificate, "seals", by="id", of="all",
             columns="id issuer serial profile holder device spki_sha256 fingerprint der not_before not_after"
                     " state used_at revoked_at reason",
             only={"profile": (ProfileName.UNIT_SEAL, ProfileName.SERVER_EVIDENCE)},
             ways=_THEIRS),
    # ------------------------------------------------------------------------------------------- words, days, the hall
    Mirrored(DocumentTemplate, "wordings", by="id", of="all",
             columns="id kind version wording state author drafted_at decided_by decided_at opinion signature",
             ways=_THEIRS),
    Mirrored(TextTemplate, "texts", by="id", of="all",
             columns="id template version body registrations reason state author proposed_at decided_by"
                     " decided_at opinion signature",
             ways=_THEIRS),
    Mirrored(CalendarDay, "calendar", by="day", of="year",
             columns="day working provisional source"),
    Mirrored(CalendarNotice, "calendar", by="year",
             columns="id year is_local number source holidays workdays first_officer second_officer"
                     " changed_days imported_at"),
    Mirrored(Consultation, "consultation", by="number",
             columns="id number revision item_code item_name unit_code title question asked_at due_on"
                     " answered_at answered_by answer",
             withheld={"phone": "", "call_at": None}),
    Mirrored(Announcement, "announcement", by="number",
             columns="id number revision kind state title body unit_code author consultation drafted_at"
                     " published_at"),
    Mirrored(AnnouncementStep, "announcement", by="announcement_id", of=Announcement,
             columns="id announcement_id seq step officer officer_name opinion content_sha256 evidence at"),
)
# fmt: on

#: Tables in which each zone keeps its own rows, and why. By name, or all of a module.
LOCAL: Mapping[str, str] = {
    "outbox": "each zone hands out its own events",
    "performed_act": "each zone remembers what it was asked",
    "number_series": "each zone counts its own",
    "view_log": "who looked, where they looked",
    "upload": "what phones bring arrives outside, and crosses with the act that names it",
    "document_print": "a print is made of the sealed content wherever somebody wants it",
    "applicant": "people log in outside; their cases they see by their phone",
    "login_code": "with their account",
    "query_attempt": "each door counts who guesses there",
    "login_challenge": "officers log in where their phone is",
    "crl": "each zone publishes the list of its own CA",
    "message": "texts cross one by one, with the fewest fields",
    "outstanding": "with its text",
    "message_claim": "each zone claims what its own carriers send",
    "message_part": "with its text",
    "receipt": "with its text",
    "retention_mark": "each zone forgets its own",
    "carrier": "the carriers of this zone",
    "inbound_pdu": "what this zone's carriers brought",
    "inbound_message": "likewise",
    "ferry_*": "the ferry's own, at either end",
    "ferry.zones.*": "likewise",
}
#: Tables of the inner zone alone, and why.
INSIDE: Mapping[str, str] = {
    "enrolment": "a device is enrolled in front of a person, and its pickup secret is checked where the key is",
    "signing_request": "what is signed is prepared and verified inside",
    "signature": "evidence",
    "evidence_record": "evidence",
    "seal_use": "seals lie inside",
    "reply_code": "codes, and phones of leaders",
    "complaint": "who complained of whom",
    "licence_read": "who looked up whose licences",
    "archive_record": "the archive",
    "reported_day": "what other systems report comes in inside",
    "ferry.exchange.*": "likewise: by the module of their tables",
}

#: What an event is about, and the kind of state it concerns; None: nothing that crosses.
KIND_OF: Mapping[str, str | None] = {
    "case": "case",
    "card": "card",
    "licence": "licence",
    "package": "package",
    "item": "item",
    "change": "change",
    "officer": "officer",
    "unit": "units",
    "template": "wordings",
    "text_template": "texts",
    "calendar": "calendar",
    "consultation": "consultation",
    "announcement": "announcement",
    "applicant": None,
    "complaint": None,
    "evidence": None,
    "carrier": None,
    "text": None,
    "phone": None,
    "report": None,
    "exchange": None,
    "ferry": None,
}
#: Kinds of one subject, which is looked at again every so often, because not all that changes it is an event.
WHOLE = ("units", "seals", "wordings", "texts")
ALL = "all"

KINDS: Mapping[str, tuple[Mirrored, ...]] = {
    kind: tuple(each for each in MIRRORED if each.kind == kind) for kind in dict.fromkeys(e.kind for e in MIRRORED)
}
#: In these both zones write: a state leaves the zone's own rows alone.
SHARED = frozenset({"certificate"})
