"""From what a link says of parts to what the gateway wants to know of messages, in SMPP as in CMPP. Pure."""

from collections.abc import Callable, Mapping

from alerts.settling import Heard
from alerts.states import State
from sms.carriers import OnSent, Sent
from sms.pacing import Accepted, NotSent, OutcomeUnknown, Refused, SubmitOutcome
from sms.receipts import MessageState, Receipt, plain_id
from sms.statuses import Fault, Meaning, of_receipt

_STATES = {MessageState.DELIVERED: State.DELIVERED, MessageState.EXPIRED: State.EXPIRED}


class Gathering:
    """The outcomes of one message's parts, until there is one for each."""

    __slots__ = ("_accepted", "_error", "_fault", "_is_unsent", "_meaning", "_missing", "_on_sent")

    def __init__(self, parts: int, on_sent: OnSent, meaning: Callable[[int], Meaning]) -> None:
        self._missing, self._on_sent, self._meaning = parts, on_sent, meaning
        self._accepted: list[tuple[int, str]] = []
        self._fault: Fault | None = None
        self._error = ""
        self._is_unsent = False

    def take(self, number: int, outcome: SubmitOutcome) -> None:
        match outcome:
            case Accepted(message_id):
                self._accepted.append((number, plain_id(message_id)))
            case Refused(status):
                meaning = self._meaning(status)
                self._note(meaning.fault or Fault.TECHNICAL, meaning.name)
            case OutcomeUnknown(why):
                self._note(Fault.UNKNOWN, why)
            case NotSent(why):
                self._note(Fault.TEMPORARY, why, is_unsent=True)
        self._missing -= 1
        if self._missing == 0:
            self._on_sent(Sent(tuple(self._accepted), self._fault, self._error, self._is_unsent))

    def _note(self, fault: Fault, error: str, *, is_unsent: bool = False) -> None:
        """The worst is told: what is unknown must not be taken for unsent, nor what is refused for good."""
        self._is_unsent = is_unsent and (self._fault is None or self._is_unsent)
        if self._fault is None or _GRAVITY[fault] > _GRAVITY[self._fault]:
            self._fault, self._error = fault, error


def alone(number: int, on_sent: OnSent, meaning: Callable[[int], Meaning], outcome: SubmitOutcome) -> None:
    """What a Gathering makes of a text of one part, without one where all went well: nearly all of the traffic."""
    if isinstance(outcome, Accepted):
        on_sent(Sent(((number, plain_id(outcome.message_id)),)))
    else:
        Gathering(1, on_sent, meaning).take(number, outcome)


_GRAVITY = {Fault.TEMPORARY: 0, Fault.THROTTLED: 1, Fault.TECHNICAL: 2, Fault.PERMANENT: 3, Fault.UNKNOWN: 4}


def heard_of(
    receipt: Receipt,
    phone: str,
    own: Mapping[str, Meaning] | None = None,
    read_id: Callable[[str], str] = plain_id,
) -> Heard:
    """`own`: the carrier's own list of errors. `read_id`: one of receipts.READ_ID."""
    state = _STATES.get(receipt.state, State.FAILED)
    error = "" if state is State.DELIVERED else f"{receipt.error or ''} {of_receipt(receipt, own).name}".strip()
    return Heard(read_id(receipt.message_id), state, phone, error)
