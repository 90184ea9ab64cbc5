"""In which order and how fast messages enter a session: the window, the contract's rate, the pause after a throttle.

Without a socket and without a clock, like the sessions. One Pacer belongs to one link and outlives its connections.
Rules: order is kept, also for what was throttled, which goes back to its place with its receipt request; a throttle
stops the whole bind, twice as long each time (statuses.DEFAULT_POLICY), then one message alone tries the ground, and
nothing that came later leaves before all that was throttled is taken; parts are counted, not messages; what is news no
more by the time of its turn is handed back, never sent.
Limits: of the messages that were under way together when the carrier throttled, it may have taken later ones and turned
away earlier ones; nothing else is reordered, but for what is more urgent, and what was throttled twenty times, which
goes back to the queue. Of a long text whose time is up between two of its parts, the first has left and the second does
not follow.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Final, Generic

from msgspec import Struct

from sms.conversation import ROK, Answered, Conversation, Dialect, FieldRefused, Submitted, Unanswered
from sms.statuses import Fault, Policy, RetryIn, decide
from sms.tally import tally


class Accepted(Struct, frozen=True):
    message_id: str


class Refused(Struct, frozen=True):
    """The carrier said no, or our codec in its place; the dialect says what `status` means."""

    status: int


class OutcomeUnknown(Struct, frozen=True):
    """The carrier may have it. Sending it again may tell a person twice."""

    why: str


class NotSent(Struct, frozen=True):
    """The carrier has certainly not got it: it may go another way, unless it is EXPIRED."""

    why: str


#: Two reasons of NotSent that somebody answers for: trunk.py, and the queue's housekeeping.
LINK_GONE: Final = "the connection ended"
EXPIRED: Final = "its time was up before its turn came"


SubmitOutcome = Accepted | Refused | OutcomeUnknown | NotSent
OnOutcome = Callable[[SubmitOutcome], None]


class Submission(Generic[Submitted]):
    """One submission on its way. `withdraw()` takes it back unless it is already sent."""

    __slots__ = ("attempts", "expires_at", "is_withdrawn", "on_outcome", "pdu", "sent_at", "ticket")

    def __init__(
        self, ticket: tuple[int, int], pdu: Submitted, on_outcome: OnOutcome, expires_at: datetime | None
    ) -> None:
        self.ticket, self.pdu, self.on_outcome, self.expires_at = ticket, pdu, on_outcome, expires_at
        self.attempts, self.sent_at, self.is_withdrawn = 0, 0.0, False

    def withdraw(self) -> None:
        self.is_withdrawn = True


class Rate:
    """Parts per second, in bursts of a tenth of a second: carriers count whole seconds and refuse what exceeds them.

    Several links may draw on one.
    """

    def __init__(self, parts_per_s: float | None) -> None:
        self.per_s = parts_per_s
        self._burst = self._balance = max(1.0, (parts_per_s or 0) / 10)
        self._at = 0.0

    def take(self, parts: int, now: float) -> float:
        """0 if `parts` may go now, else the seconds to wait. A long message goes as soon as one part might."""
        if self.per_s is None:
            return 0.0
        wait_s = self._wait(self.per_s, now)
        if not wait_s:
            self._balance -= parts
        return wait_s

    def book(self, parts: int, now: float) -> float:
        """The seconds until `parts` may go, at most; their place is kept, so that of several links none starves."""
        if self.per_s is None:
            return 0.0
        wait_s = self._wait(self.per_s, now)
        self._balance -= parts
        return wait_s

    def _wait(self, per_s: float, now: float) -> float:
        self._balance = min(self._burst, self._balance + (now - self._at) * per_s)
        self._at = now
        return (1.0 - self._balance) / per_s if self._balance < 0.999 else 0.0  # a timer may fire a little early


_NO_TIME = timedelta()
#: A place is kept this long; a timer may fire a rounding error early.
_KEPT_S, _EARLY_S = 1.0, 0.0005


class Pacer(Generic[Submitted]):
    """`rate` is one that other links draw on, too; else this link has `parts_per_s` for itself."""

    def __init__(
        self, dialect: Dialect[Submitted], parts_per_s: float | None, policy: Policy, rate: Rate | None = None
    ) -> None:
        self._dialect, self._policy = dialect, policy
        self.rate = rate or Rate(parts_per_s)
        self._tickets = 0
        self._waiting: list[tuple[tuple[int, int], Submission[Submitted]]] = []  # a heap, by ticket
        self._under_way: dict[int, Submission[Submitted]] = {}
        #: Places of those under way that were throttled before.
        self._again: set[tuple[int, int]] = set()
        self._streak = 0
        self.paused_until = 0.0
        #: The place that the rate keeps for us.
        self._goes_at: float | None = None
        #: How long the carrier takes to answer, smoothed over the last dozen answers.
        self.answer_s: float | None = None
        self.counts: Counter[str] = Counter()
        #: By the name of the status.
        self.refusals: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def load(self) -> int:
        """How many submissions are in our hands, sent or not."""
        return len(self._waiting) + len(self._under_way)

    @property
    def is_empty(self) -> bool:
        return not self._waiting and not self._under_way

    def submission(
        self, pdu: Submitted, on_outcome: OnOutcome, priority: int = 0, expires_at: datetime | None = None
    ) -> Submission[Submitted]:
        """0 goes first; those of one priority keep their order."""
        self._tickets += 1
        return Submission((priority, self._tickets), pdu, on_outcome, expires_at)

    def put(self, submission: Submission[Submitted]) -> None:
        heappush(self._waiting, (submission.ticket, submission))

    def pump(self, session: Conversation[Submitted], now: float, today: datetime | None = None) -> float | None:
        """Send what may go. Returns when to come back, if neither an answer nor a new message brings us here.

        `now` is the session's steady clock, `today` the instant that `expires_at` is compared with.
        """
        leaving, room = self._dialect.leaving, session.room
        while self._waiting:
            submission = self._waiting[0][1]
            left = None if today is None or submission.expires_at is None else submission.expires_at - today
            if submission.is_withdrawn or (left is not None and left <= _NO_TIME):
                heappop(self._waiting)
                self.settle(submission, NotSent("withdrawn" if submission.is_withdrawn else EXPIRED))
                continue
            if not room:
                return None
            if now < self.paused_until:
                return self.paused_until
            if self._streak and self._under_way:
                return None  # after a throttle one message tries the ground, so that the others keep their order
            if self._again and not submission.attempts and min(self._again) < submission.ticket:
                return None  # what was throttled before it might be throttled once more
            if self.rate.per_s is not None:
                if now < (goes_at := self._place(self._dialect.parts(submission.pdu), now)):
                    return goes_at
                self._goes_at = None
            heappop(self._waiting)
            pdu = submission.pdu if leaving is None or left is None else leaving(submission.pdu, left)
            try:
                sequence = session.send(pdu, now)
            except FieldRefused:
                self.settle(submission, Refused(self._dialect.unfit))
                continue
            room -= 1
            submission.sent_at = now
            self._under_way[sequence] = submission
            if submission.attempts:
                self._again.add(submission.ticket)
        return None

    def take(self, outcome: Answered | Unanswered, now: float) -> None:
        """What the session says became of a submission."""
        submission = self._under_way.pop(outcome.sequence)
        if submission.attempts:
            self._again.discard(submission.ticket)
        took = now - submission.sent_at
        self.answer_s = took if self.answer_s is None else self.answer_s + (took - self.answer_s) / 12
        if isinstance(outcome, Unanswered):
            self.settle(submission, OutcomeUnknown(outcome.why))
        elif outcome.status == ROK:
            if submission.sent_at >= self.paused_until:
                self._streak = 0
            self.settle(submission, Accepted(outcome.message_id))
        elif self._dialect.meaning(outcome.status).fault is Fault.THROTTLED:
            self._throttled(submission, outcome.status, now)
        else:
            self.settle(submission, Refused(outcome.status))

    def abandon(self, why: str) -> None:
        """The connection is gone: nothing that waits was sent."""
        waiting, self._waiting = self._waiting, []
        for _, submission in sorted(waiting, key=lambda ticketed: ticketed[0]):
            self.settle(submission, NotSent(why))

    def settle(self, submission: Submission[Submitted], outcome: SubmitOutcome) -> None:
        self.counts[type(outcome).__name__] += 1
        if isinstance(outcome, Refused):
            tally(self.refusals, self._dialect.meaning(outcome.status).name)
        submission.on_outcome(outcome)

    def _place(self, parts: int, now: float) -> float:
        """When the next submission may go. What a pause let pass is no place any more."""
        if self._goes_at is None or now > self._goes_at + _KEPT_S:
            self._goes_at = now + self.rate.book(parts, now)
        return self._goes_at - _EARLY_S

    def _throttled(self, submission: Submission[Submitted], status: int, now: float) -> None:
        self.counts["throttled"] += 1
        if submission.sent_at >= self.paused_until:
            # Sent since the last pause ended, so still too fast. The rest of that window counts as the same mistake.
            self._streak += 1
            pause = decide(Fault.THROTTLED, self._streak, self._policy)
            longest_s = self._policy[Fault.THROTTLED].cap_s
            self.paused_until = now + (pause.seconds if isinstance(pause, RetryIn) else longest_s)
        submission.attempts += 1
        if isinstance(decide(Fault.THROTTLED, submission.attempts, self._policy), RetryIn):
            self.put(submission)
        else:
            self.settle(submission, Refused(status))
