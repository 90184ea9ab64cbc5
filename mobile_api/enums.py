"""The enums of the contract. Every one may grow: phones need a fallback for values they do not know."""

from enum import EnumMeta

import strawberry

from casework.acts import Channel, Decision
from casework.acts import Status as CaseStatus
from casework.catalogue.definitions import ItemClass, MaterialForm
from casework.clock.ledger import StopGround
from casework.clock.time_limits import Light
from casework.process_record import Group as RecordGroup
from casework.queries import Scope as OverdueScope
from certs.acts import RevocationReason
from certs.tables import EnrolmentState
from kernel.actor import Role
from kernel.acts import SignatureFormat
from supervision.acts import CardColour, CardDecision, CardState
from supervision.grounds import Ground as CardGround

__all__ = [
    "CardColour",
    "CardDecision",
    "CardGround",
    "CardState",
    "CaseStatus",
    "Channel",
    "Decision",
    "EnrolmentState",
    "ItemClass",
    "Light",
    "MaterialForm",
    "OverdueScope",
    "RecordGroup",
    "RevocationReason",
    "Role",
    "SignatureFormat",
    "StopGround",
]

#: Name in the schema, and what it means.
_NAMED: tuple[tuple[EnumMeta, str, str], ...] = (
    (CaseStatus, "CaseStatus", "Where a case stands."),
    (Decision, "Decision", "What an officer may decide at a step."),
    (Channel, "Channel", "How an application came in."),
    (StopGround, "StopGround", "The eight procedures whose time does not count (art. 45)."),
    (Light, "Light", "The warning light of a limit. OUT: the clock has ended."),
    (OverdueScope, "OverdueScope", "Whose overdue tasks."),
    (RecordGroup, "RecordGroup", "The six parts of the process record."),
    (ItemClass, "ItemClass", "The three classes of catalogue items."),
    (MaterialForm, "MaterialForm", "How a material may be handed in."),
    (Role, "Role", "What an officer is in their unit."),
    (SignatureFormat, "SignatureFormat", "DER: Android, iOS. P1363: WebCrypto."),
    (EnrolmentState, "EnrolmentState", "Where an application for a certificate stands."),
    (RevocationReason, "RevocationReason", "Why a certificate is revoked."),
    (CardColour, "CardColour", "Yellow and red cards; not to be mixed up with lights."),
    (CardState, "CardState", "A card has no effect until a supervision leader has confirmed it."),
    (CardDecision, "CardDecision", "What a supervision leader may decide about a proposed card."),
    (CardGround, "CardGround", "The published grounds on which a card may be issued."),
)

for _enum, _name, _description in _NAMED:
    strawberry.enum(_enum, name=_name, description=_description)
