"""The texts in the hands of a carrier that is a database: waiting, in a statement, in doubt. Each is told of once.

In doubt is a text whose statement was sent and not answered: its row may be there. Without a socket, and time is an
argument.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from heapq import heappop, heappush

from sms.carriers import MobileText, OnSent, Sent
from sms.mas.interface import Placement
from sms.pacing import Rate
from sms.statuses import Fault


class Message:
    """`seqs` are the numbers of its parts that were not taken before; the machine divides, so they share one id."""

    __slots__ = ("on_sent", "part_id", "placement", "seqs", "since", "text")

    def __init__(self, text: MobileText, placement: Placement, part_id: str, on_sent: OnSent) -> None:
        self.text, self.placement, self.part_id, self.on_sent, self.since = text, placement, part_id, on_sent, 0.0
        self.seqs = [number for number in range(1, placement.parts + 1) if number not in text.skip]


class Hand:
    """Calls `on_sent` of each message once, and counts what became of them."""

    def __init__(self, rate: Rate) -> None:
        self.counts: Counter[str] = Counter()
        self._rate = rate
        self._tickets = 0
        self._waiting: list[tuple[int, int, Message]] = []  # a heap, the urgent first
        self._under_way: dict[Message, None] = {}
        self._doubts: dict[str, Message] = {}

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        return len(self._under_way) + len(self._doubts)

    @property
    def doubts(self) -> Collection[Message]:
        return tuple(self._doubts.values())

    def put(self, message: Message) -> None:
        self._tickets += 1
        heappush(self._waiting, (message.text.priority, self._tickets, message))

    def batch(self, most: int, alive_at: datetime, now_s: float) -> tuple[list[Message], float | None]:
        """What may go now; it is under way then. If that is nothing, the seconds after which to look again.

        `alive_at`: what will have expired by then does not go.
        """
        batch: list[Message] = []
        wait_s: float | None = None
        while self._waiting and len(batch) < most and not wait_s:
            message = self._waiting[0][2]
            if message.text.expires_at <= alive_at:
                heappop(self._waiting)
                self.unsent([message], "expired")
            elif not (wait_s := self._rate.take(message.placement.parts, now_s)):
                heappop(self._waiting)
                batch.append(message)
        self._under_way.update(dict.fromkeys(batch))
        return batch, wait_s

    def doubt(self, messages: Iterable[Message], now_s: float) -> None:
        for message in messages:
            message.since = now_s
            self._under_way.pop(message, None)
            self._doubts[message.part_id] = message

    # ---- what became of them

    def accepted(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._tell(message, "accepted", Sent(tuple((seq, message.part_id) for seq in message.seqs)))

    def heard_of(self, part_id: str) -> None:
        """Of a text in doubt that settles it: the machine had it."""
        if part_id in self._doubts:
            self.accepted([self._doubts[part_id]])

    def refused(self, message: Message, why: str) -> None:
        self._tell(message, "refused", Sent((), Fault.PERMANENT, why))

    def unsent(self, messages: Iterable[Message], why: str) -> None:
        for message in messages:
            self._tell(message, "unsent", Sent((), Fault.TEMPORARY, why, is_unsent=True))

    def unknown(self, messages: Iterable[Message], why: str) -> None:
        for message in messages:
            self._tell(message, "unknown", Sent((), Fault.UNKNOWN, why))

    def give_back(self, why: str) -> None:
        """Everything that waits, in its order: it may go another way."""
        waiting, self._waiting = self._waiting, []
        self.unsent([message for *_, message in sorted(waiting, key=lambda ticketed: ticketed[:2])], why)

    def give_up_doubts(self, before_s: float, why: str) -> None:
        self.unknown([message for message in self.doubts if message.since <= before_s], why)

    def let_go(self) -> None:
        """Nobody will ask for any of them again."""
        self.give_back("the carrier was stopped")
        self.unknown([*self._under_way, *self.doubts], "no answer: stopped waiting")

    def _tell(self, message: Message, outcome: str, sent: Sent) -> None:
        self._under_way.pop(message, None)
        self._doubts.pop(message.part_id, None)
        self.counts[outcome] += 1
        message.on_sent(sent)
