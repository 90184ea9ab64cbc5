"""The enums of the contract. Every one may grow: phones need a fallback for values they do not know."""

from enum import EnumMeta

import strawberry

from alerts.texts import MessageClass
from casework.acts import Channel, Decision
from casework.acts import Status as CaseStatus
from casework.catalogue.acts import ChangeDecision, ChangeKind, ChangeState, ChangeStep
from casework.catalogue.definitions import Grade, ItemClass, MaterialForm, OnlineLevel, ServiceMode, StageKind
from casework.catalogue.reports import ReportKind as CatalogueReportKind
from casework.clock.acts import HearingState
from casework.clock.ledger import StopGround
from casework.clock.time_limits import Light
from casework.flow.acts import PartState
from casework.intake.acts import PreReviewOutcome
from casework.licences.acts import LicenceChangeKind, LicenceEnding, LicenceState, ReviewState
from casework.papers.kinds import DocumentKind
from casework.papers.tables import TemplateState
from casework.process_record import Group as RecordGroup
from casework.queries import Scope as OverdueScope
from certs.acts import RevocationReason
from certs.tables import EnrolmentState
from hall.publishing import AnnouncementKind, AnnouncementState, PublishingStep
from kernel.actor import Role
from kernel.acts import SignatureFormat
from supervision.acts import CardColour, CardDecision, CardState
from supervision.complaints import ComplaintAbout, ComplaintState
from supervision.findings import FindingKind
from supervision.grounds import Ground as CardGround
from supervision.statistics import Colour as WorstColour
from supervision.statistics import Dimension as StatisticsDimension
from supervision.statistics import PeriodOf
from supervision.statistics import Result as CaseOutcome

__all__ = [
    "AnnouncementKind",
    "AnnouncementState",
    "CardColour",
    "CardDecision",
    "CardGround",
    "CardState",
    "CaseOutcome",
    "CaseStatus",
    "CatalogueReportKind",
    "ChangeDecision",
    "ChangeKind",
    "ChangeState",
    "ChangeStep",
    "Channel",
    "ComplaintAbout",
    "ComplaintState",
    "Decision",
    "DocumentKind",
    "EnrolmentState",
    "FindingKind",
    "Grade",
    "HearingState",
    "ItemClass",
    "LicenceChangeKind",
    "LicenceEnding",
    "LicenceState",
    "Light",
    "MaterialForm",
    "MessageClass",
    "OnlineLevel",
    "OverdueScope",
    "PartState",
    "PeriodOf",
    "PreReviewOutcome",
    "PublishingStep",
    "RecordGroup",
    "ReviewState",
    "RevocationReason",
    "Role",
    "ServiceMode",
    "SignatureFormat",
    "StageKind",
    "StatisticsDimension",
    "StopGround",
    "TemplateState",
    "WorstColour",
]

#: Name in the schema, and what it means.
_NAMED: tuple[tuple[EnumMeta, str, str], ...] = (
    (CaseStatus, "CaseStatus", "Where a case stands."),
    (Decision, "Decision", "What an officer may decide at a step."),
    (Channel, "Channel", "How an application came in."),
    (DocumentKind, "DocumentKind", "The kinds of statutory documents."),
    (TemplateState, "TemplateState", "The newest approved version of a wording is the one in use."),
    (PreReviewOutcome, "PreReviewOutcome", "What was found in the materials before acceptance."),
    (FindingKind, "FindingKind", "What supervision writes down by itself: irregularities and key matters."),
    (StopGround, "StopGround", "The eight procedures whose time does not count (art. 45)."),
    (HearingState, "HearingState", "Where a hearing stands (art. 46 to 48)."),
    (Light, "Light", "The warning light of a limit. OUT: the clock has ended."),
    (OverdueScope, "OverdueScope", "Whose overdue tasks."),
    (RecordGroup, "RecordGroup", "The six parts of the process record."),
    (ItemClass, "ItemClass", "The three classes of catalogue items."),
    (ChangeKind, "ChangeKind", "What is to happen to the catalogue."),
    (ChangeState, "ChangeState", "How far a change of the catalogue has come."),
    (ChangeStep, "ChangeStep", "Whose signature a change needs, in this order; PRICE only where there are fees."),
    (ChangeDecision, "ChangeDecision", "What an officer may decide about a change."),
    (Grade, "Grade", "The four grades of going online; what a letter means is the region's."),
    (OnlineLevel, "OnlineLevel", "How much of an item is online, in rising order."),
    (ServiceMode, "ServiceMode", "How an item is handled between network and window."),
    (StageKind, "StageKind", "What a stage of an item is for."),
    (CatalogueReportKind, "CatalogueReportKind", "The first four are filed with the efficiency office."),
    (MaterialForm, "MaterialForm", "How a material may be handed in."),
    (MessageClass, "MessageClass", "The three classes of texts: about a case, notices, warnings."),
    (PartState, "PartState", "Where a part of a package stands."),
    (Role, "Role", "What an officer is in their unit."),
    (SignatureFormat, "SignatureFormat", "DER: Android, iOS. P1363: WebCrypto."),
    (LicenceState, "LicenceState", "有效、过期、注销、撤销（granted unlawfully）、吊销（as a punishment）."),
    (LicenceEnding, "LicenceEnding", "How an authority ends a licence."),
    (LicenceChangeKind, "LicenceChangeKind", "What a line of a licence's history says."),
    (ReviewState, "ReviewState", "Where one year's review of a licence stands."),
    (EnrolmentState, "EnrolmentState", "Where an application for a certificate stands."),
    (RevocationReason, "RevocationReason", "Why a certificate is revoked."),
    (CardColour, "CardColour", "Yellow and red cards; not to be mixed up with lights."),
    (CardState, "CardState", "A card has no effect until a supervision leader has confirmed it."),
    (CardDecision, "CardDecision", "What a supervision leader may decide about a proposed card."),
    (CardGround, "CardGround", "The published grounds on which a card may be issued."),
    (AnnouncementKind, "AnnouncementKind", "What is made public: notices, policies, answers of general interest."),
    (AnnouncementState, "AnnouncementState", "Where an announcement stands on its way to the public."),
    (PublishingStep, "PublishingStep", "A signed step on that way."),
    (ComplaintAbout, "ComplaintAbout", "What a complaint is about."),
    (ComplaintState, "ComplaintState", "Where a complaint stands."),
    (StatisticsDimension, "StatisticsDimension", "What statistics can be grouped by."),
    (PeriodOf, "PeriodOf", "Which day of a case a period asks about."),
    (CaseOutcome, "CaseOutcome", "What became of a case. UNDECIDED: it ended without a decision."),
    (WorstColour, "WorstColour", "The worst light, or the worst card in effect, of a case."),
)

for _enum, _name, _description in _NAMED:
    strawberry.enum(_enum, name=_name, description=_description)
