"""A text on its way to a cloud MAS, as one POST.

Its place in the line is its priority and its number: what was throttled keeps it.
"""

from alerts.texts import parts_needed
from sms.carriers import MobileText, OnSent, Sent
from sms.statuses import Fault


class Message:
    """A text in our hands. `seqs` are the numbers of its parts that were not taken before; `url` is where it goes."""

    __slots__ = ("attempts", "body", "on_sent", "parts", "sent_at", "seqs", "text", "ticket", "url")

    def __init__(self, text: MobileText, on_sent: OnSent, ticket: int, url: str, body: bytes) -> None:
        self.text, self.on_sent, self.url, self.body = text, on_sent, url, body
        self.ticket = (text.priority, ticket)
        self.parts = parts_needed(text.words)
        self.seqs = [number for number in range(1, self.parts + 1) if number not in text.skip]
        self.attempts, self.sent_at = 0, 0.0

    def settle(self, fault: Fault, error: str) -> None:
        self.on_sent(Sent((), fault, error))


def unsent(on_sent: OnSent, why: str) -> None:
    """It certainly never left."""
    on_sent(Sent((), Fault.TEMPORARY, why, is_unsent=True))
