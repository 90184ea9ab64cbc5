"""What can be made to go wrong at the simulated carrier. Every knob may be turned while it runs."""

from dataclasses import dataclass, field, fields
from enum import StrEnum


class ReceiptIds(StrEnum):
    """How receipts write the id of their message."""

    AGREED = "agreed"  # as the id style says
    OTHER = "other"  # hexadecimal for decimal and the reverse
    UNKNOWN = "unknown"  # one that nobody was given


@dataclass(kw_only=True)
class Faults:
    """The knobs, by what they spoil. Numbers called `…_next` and `…_after` count down to 0, which is "no more"."""

    # ---- binds
    #: Every bind is answered so; 0: as the password says.
    bind_status: int = 0
    #: More binds of one account are answered ESME_RALYBND; 0: as many as like.
    max_binds: int = 0

    # ---- submissions that are refused
    #: The next so many submit_sm, and every so-manieth, are answered `throttle_status`; 0x14 is a full queue.
    throttle_next: int = 0
    throttle_every: int = 0
    throttle_status: int = 0x58
    #: What one account submits beyond so many parts in one second is answered ESME_RTHROTTLED; 0: no limit.
    max_parts_per_s: int = 0
    #: Every so-manieth submit_sm is answered `error_status`; 0 is never.
    error_every: int = 0
    error_status: int = 0x08
    #: Only from access numbers that begin so; others are answered ESME_RINVSRCADR. Empty: from all.
    sources: set[str] = field(default_factory=set)

    # ---- responses
    #: submit_sm_resp comes so much later.
    response_delay_s: float = 0.0
    #: The next so many submit_sm are taken, but not answered: the sender cannot know.
    lose_responses: int = 0
    #: Every submit_sm is answered twice.
    duplicate_responses: bool = False
    #: The next so many submit_sm, and every so-manieth, vanish: neither taken nor answered.
    drop_next: int = 0
    drop_every: int = 0

    # ---- connections
    #: At the so-manieth submit_sm from now, which is still taken, its connection is cut: before its response, or in
    #: the middle of it.
    cut_after: int = 0
    cuts_mid_pdu: bool = False
    #: Half-dead: the connections stand, nothing that comes is read.
    is_deaf: bool = False
    #: Half-open: the connections stand, nothing is read and nothing is said. New ones meet the same.
    is_half_open: bool = False

    # ---- receipts
    #: Receipts come so much later than their message was taken.
    receipt_delay_s: float = 0.0
    #: Receipts overtake the submit_sm_resp of their message.
    receipt_first: bool = False
    duplicate_receipts: bool = False
    no_receipts: bool = False
    #: Every so-manieth receipt is lost.
    lose_receipt_every: int = 0
    receipt_ids: ReceiptIds = ReceiptIds.AGREED
    #: Numbers that get UNDELIV, with the error of an empty number.
    undeliverable: set[str] = field(default_factory=set)
    #: Numbers that get EXPIRED, with the error of an absent subscriber.
    switched_off: set[str] = field(default_factory=set)

    def clear(self) -> None:
        """All is well again."""
        healthy = Faults()
        for knob in fields(self):
            setattr(self, knob.name, getattr(healthy, knob.name))
