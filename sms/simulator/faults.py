"""What can be made to go wrong at the simulated carrier. Every knob may be turned while it runs."""

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Faults:
    #: The next so many submit_sm are answered ESME_RTHROTTLED.
    throttle_next: int = 0
    #: Every so-manieth submit_sm is answered `error_status`; 0 is never.
    error_every: int = 0
    error_status: int = 0x08
    #: submit_sm_resp comes so much later.
    response_delay_s: float = 0.0
    #: The next so many submit_sm are taken, but not answered: the sender cannot know.
    lose_responses: int = 0
    #: Half-dead: the connection stands, nothing that comes is read.
    is_deaf: bool = False
    #: Receipts overtake the submit_sm_resp of their message.
    receipt_first: bool = False
    duplicate_receipts: bool = False
    no_receipts: bool = False
    #: Numbers that get UNDELIV, with the error of an empty number.
    undeliverable: set[str] = field(default_factory=set)
