"""The acts of supervision and what they answer."""

from datetime import datetime
from enum import StrEnum

from kernel.acts import Act, Done, SigningRequest, View
from supervision.grounds import Ground


class CardColour(StrEnum):
    """黄牌, 红牌: issued by people. Not to be mixed up with a light's colour."""

    YELLOW = "yellow"
    RED = "red"


class CardState(StrEnum):
    PROPOSED = "proposed"
    EFFECTIVE = "effective"
    REJECTED = "rejected"


class CardDecision(StrEnum):
    CONFIRM = "confirm"
    REJECT = "reject"


class CardView(View, frozen=True, tag="card"):
    """A card as an act left it. `number` is None until it is confirmed; `evidence` proves the last answer."""

    id: str
    number: str | None
    colour: CardColour
    ground: Ground
    state: CardState
    revision: int
    unit: str
    case: str
    evidence: str
    decided_at: datetime | None = None
    acknowledged_at: datetime | None = None


class TurnLights(Act[Done], frozen=True, tag="supervision.turn_lights"):
    """The clock's: announces up to `limit` due lights and proposes their cards. Done.count < limit: none are left."""

    limit: int = 500


class IssueOrders(Act[Done], frozen=True, tag="supervision.issue_orders"):
    """The clock's: makes the orders of up to `limit` red lights that wait for theirs. Done.count as above."""

    limit: int = 500


class RemindUnconfirmed(Act[Done], frozen=True, tag="supervision.remind_unconfirmed"):
    """The clock's: reminds of cards nobody answered, then asks those above."""

    limit: int = 200


class ProposeCard(Act[CardView], frozen=True, tag="card.propose"):
    """A supervisor proposes a card by hand. `facts` says what happened; needed for the ground "other"."""

    case: str
    colour: CardColour
    ground: Ground
    facts: str = ""


class ConfirmCard(Act[CardView], frozen=True, tag="card.confirm"):
    """`1<code>` by text: agrees to what the code was sent for, a proposed card or a served one."""

    code: str
    card: str | None = None


class RejectCard(Act[CardView], frozen=True, tag="card.reject"):
    """`2<code>` by text: does not agree to the proposed card."""

    code: str
    card: str | None = None
    reason: str = ""


class AcknowledgeCard(Act[CardView], frozen=True, tag="card.acknowledge"):
    """签收 by the unit's leader: in the app (`card`) or by text (`code`). A receipt, not an admission."""

    card: str | None = None
    code: str | None = None


class NoteRefusedText(Act[Done], frozen=True, tag="text.note_refused"):
    """Seals and logs a text that was refused as `why` (a refusal's code), where the act it asked for kept nothing."""

    why: str


class PrepareCardDecision(Act[SigningRequest], frozen=True, tag="card.prepare"):
    """Asks for the exact bytes to sign for the same decision."""

    card: str
    revision: int
    decision: CardDecision
    reason: str = ""


class DecideCard(Act[CardView], frozen=True, tag="card.decide"):
    """A leader's signed decision about a proposed card; the signature is the act's proof."""

    card: str
    revision: int
    decision: CardDecision
    reason: str = ""
