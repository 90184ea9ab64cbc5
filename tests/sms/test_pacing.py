"""Which text goes next, when, and which goes no more: the pacer and a session without a socket; time is a number."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sms.conversation import Answered, Role, Unanswered
from sms.pacing import EXPIRED, Accepted, NotSent, OutcomeUnknown, Pacer, Rate, Refused, SubmitOutcome
from sms.smpp.carrier import CONTRACT, Contract, dialect, validity_period
from sms.smpp.pdus import Framer, decode, encode
from sms.smpp.session import Session, Terms
from sms.smpp.vocabulary import BindTransceiver, BindTransceiverResp, SubmitSm, SubmitSmResp
from sms.statuses import DEFAULT_POLICY, Fault, Retry
from sms.tally import MOST_CODES, OTHERS

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
BIND = BindTransceiver(system_id="zhangban", password="secret")
THROTTLED, QUEUE_FULL = 0x58, 0x14


class Counter:
    """A pacer with a session of its own, and what its texts came to."""

    def __init__(
        self, *, window: int = 1, contract: Contract = CONTRACT, rate: Rate | None = None, policy=DEFAULT_POLICY
    ) -> None:
        self.session = Session(Role.ESME, 0.0, Terms(window=window, response_s=1e6, enquire_after_s=1e9))
        self.session.bind(BIND, 0.0)
        self.session.receive(encode(BindTransceiverResp(system_id="S"), 1), 0.0)
        self.session.data_to_send()
        self.pacer = Pacer(dialect(BIND, contract=contract), None, policy, rate)
        self.outcomes: dict[str, list[SubmitOutcome]] = {}
        self.sent: list[tuple[int, SubmitSm]] = []

    def put(self, words: str, priority: int = 0, expires_at: datetime | None = None) -> None:
        self.outcomes[words] = []
        pdu = SubmitSm(source="1069", destination="138", registered_delivery=1, short_message=words.encode())
        self.pacer.put(self.pacer.submission(pdu, self.outcomes[words].append, priority, expires_at))

    def pump(self, now: float = 0.0, today: datetime = NOON) -> float | None:
        """What the pacer says, and what it has sent is at the end of `sent`."""
        again_at = self.pacer.pump(self.session, now, today)
        for frame in Framer().feed(self.session.data_to_send()):
            sequence, pdu = decode(frame)
            assert isinstance(pdu, SubmitSm)
            self.sent.append((sequence, pdu))
        return again_at

    def answer(self, number: int = -1, status: int = 0, now: float = 0.0) -> None:
        """The carrier answers what was sent as number `number`."""
        sequence, _ = self.sent[number]
        for event in self.session.receive(encode(SubmitSmResp(status=status, message_id="A"), sequence), now):
            assert isinstance(event, Answered | Unanswered)
            self.pacer.take(event, now)

    @property
    def words(self) -> list[str]:
        return [pdu.short_message.decode() for _, pdu in self.sent]


def test_an_urgent_text_overtakes_those_that_wait():
    counter = Counter()
    for words, priority in [("under way", 2), ("bulk 1", 2), ("bulk 2", 2), ("answer", 1)]:
        counter.put(words, priority)
        counter.pump()
    counter.put("deadline", 0)
    for _ in range(4):
        counter.answer()
        counter.pump()
    assert counter.words == ["under way", "deadline", "answer", "bulk 1", "bulk 2"]


def test_an_urgent_text_overtakes_those_that_were_throttled():
    counter = Counter()
    counter.put("bulk", 2)
    counter.pump()
    counter.answer(status=THROTTLED)
    counter.put("deadline", 0)
    assert counter.pump(0.5) == 1.0
    counter.pump(1.0)
    assert counter.words == ["bulk", "deadline"]


def test_a_full_queue_at_the_carrier_is_waited_for_like_a_throttle():
    counter = Counter(window=2)
    for words in ("1", "2", "3"):
        counter.put(words)
    counter.pump()
    counter.answer(0, QUEUE_FULL)
    counter.answer(1, QUEUE_FULL)
    assert counter.pump(0.5) == 1.0
    counter.pump(1.0)
    assert counter.words == ["1", "2", "1"]
    assert counter.sent[-1][1].registered_delivery == 1
    counter.answer(now=1.1)
    counter.pump(1.1)
    assert counter.words == ["1", "2", "1", "2"]  # and 3 when 2 is taken: it might be turned away once more
    counter.answer(now=1.2)
    counter.pump(1.2)
    assert counter.words == ["1", "2", "1", "2", "3"]


# ---- news that is news no more


def test_what_expires_while_it_waits_is_never_sent():
    counter = Counter()
    counter.put("under way")
    counter.put("code", expires_at=NOON + timedelta(minutes=10))
    counter.put("notice", expires_at=NOON + timedelta(days=1))
    counter.pump()
    counter.answer()
    counter.pump(600.0, NOON + timedelta(minutes=10))
    assert counter.words == ["under way", "notice"]
    assert counter.outcomes["code"] == [NotSent(EXPIRED)]


def test_a_pause_does_not_keep_what_expires_in_it():
    counter = Counter(policy={**DEFAULT_POLICY, Fault.THROTTLED: Retry(tries=5, first_s=60.0, factor=1, cap_s=60.0)})
    counter.put("code", expires_at=NOON + timedelta(seconds=30))
    counter.pump()
    counter.answer(status=THROTTLED)
    assert counter.pump(30.0, NOON + timedelta(seconds=29)) == 60.0
    assert counter.pump(31.0, NOON + timedelta(seconds=30)) is None
    assert counter.outcomes["code"] == [NotSent(EXPIRED)]
    assert counter.pacer.is_empty


def test_without_a_calendar_nothing_expires():
    counter = Counter()
    counter.put("code", expires_at=NOON - timedelta(days=1))
    counter.pacer.pump(counter.session, 0.0)
    assert counter.session.in_flight == 1


def test_the_carrier_is_told_how_long_the_text_is_news():
    counter = Counter(window=9)
    for words, left in [("a", timedelta(seconds=90.9)), ("b", timedelta(hours=2)), ("c", timedelta(days=9))]:
        counter.put(words, expires_at=NOON + left)
    counter.put("d")
    counter.pump()
    # Whole seconds, never more than there are; at most the 72 hours of the contract; nothing if nothing is known.
    assert [pdu.validity_period for _, pdu in counter.sent] == [
        "000000000130000R",
        "000000020000000R",
        "000003000000000R",
        "",
    ]


def test_the_time_in_the_pacer_counts_too_and_again_after_a_throttle():
    counter = Counter()
    counter.put("code", expires_at=NOON + timedelta(minutes=10))
    counter.pump()
    counter.answer(status=THROTTLED)
    counter.pump(60.0, NOON + timedelta(minutes=1))
    assert [pdu.validity_period for _, pdu in counter.sent] == ["000000001000000R", "000000000900000R"]


def test_a_contract_may_forbid_the_validity_period():
    counter = Counter(contract=Contract(longest_validity=None))
    counter.put("code", expires_at=NOON + timedelta(minutes=10))
    counter.pump()
    assert counter.sent[0][1].validity_period == ""


@given(st.integers(0, 30 * 86400))
def test_a_validity_period_says_its_seconds(seconds):
    written = validity_period(seconds)
    years, months, days, hours, minutes, whole = (int(written[at : at + 2]) for at in range(0, 12, 2))
    assert (len(written), written[12:], years, months) == (16, "000R", 0, 0)
    assert timedelta(days=days, hours=hours, minutes=minutes, seconds=whole).total_seconds() == max(1, seconds)
    assert hours < 24
    assert minutes < 60
    assert whole < 60


# ---- several that draw on one rate


def test_two_binds_share_the_rate_of_their_account():
    rate = Rate(10.0)
    first, second = Counter(window=9, rate=rate), Counter(window=9, rate=rate)
    for counter in (first, second):
        for number in range(50):
            counter.put(str(number))
    now, waits = 0.0, [0.0, 0.0]
    while now < 2.0:
        for place, counter in enumerate((first, second)):
            if waits[place] <= now:
                waits[place] = counter.pump(now) or now
                for number in range(len(counter.sent) - counter.session.in_flight, len(counter.sent)):
                    counter.answer(number, now=now)
        now += 0.05
    assert 19 <= len(first.sent) + len(second.sent) <= 21
    assert min(len(first.sent), len(second.sent)) >= 5  # nobody starves


# ---- whatever happens

ops = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 2), st.integers(1, 40)),
        st.tuples(st.just("answer"), st.sampled_from([0, 0, 0, THROTTLED, QUEUE_FULL, 0x0B, 0x08]), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.integers(1, 70), st.just(0)),
        st.tuples(st.just("lose"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@given(ops, st.integers(1, 4))
def test_every_text_has_one_outcome_and_what_was_expired_was_not_sent(steps, window):
    counter, now, expiries = Counter(window=window), 0.0, dict[str, float]()
    unanswered: list[int] = []
    for kind, one, other in steps:
        match kind:
            case "put":
                words = str(len(counter.outcomes))
                expiries[words] = now + other
                counter.put(words, one, NOON + timedelta(seconds=now + other))
            case "answer" if unanswered:
                counter.answer(unanswered.pop(other % len(unanswered)), one, now)
            case "wait":
                now += one
            case "lose":
                counter.pacer.abandon("the connection ended")
        known = len(counter.sent)
        counter.pump(now, NOON + timedelta(seconds=now))
        unanswered += range(known, len(counter.sent))
        assert all(expiries[words] > now for words in counter.words[known:])
        assert counter.session.in_flight == len(unanswered) <= window
    counter.pacer.abandon("the connection ended")
    for event in counter.session.connection_lost():
        if isinstance(event, Unanswered):
            counter.pacer.take(event, now)
    assert counter.pacer.is_empty
    for words, outcomes in counter.outcomes.items():
        assert len(outcomes) == 1
        if isinstance(outcomes[0], Accepted | Refused | OutcomeUnknown):
            assert words in counter.words


@given(st.lists(st.sampled_from([0, THROTTLED, QUEUE_FULL]), max_size=40))
def test_one_at_a_time_nothing_overtakes_whatever_is_throttled(answers):
    counter, now = Counter(), 0.0
    for number in range(10):
        counter.put(f"{number}")
    for status in [*answers, *[0] * 10]:
        while not counter.session.in_flight and not counter.pacer.is_empty:
            now = counter.pump(now) or now
        if counter.session.in_flight:
            counter.answer(status=status, now=now)
    accepted = [words for words, outcomes in counter.outcomes.items() if outcomes == [Accepted("A")]]
    first_sent = list(dict.fromkeys(counter.words))
    assert first_sent == sorted(first_sent, key=int)
    assert set(accepted) <= set(first_sent)


def test_a_carrier_that_invents_codes_fills_no_memory():
    counter = Counter()
    for code in range(0x400, 0x400 + 3 * MOST_CODES):
        counter.put(f"{code:x}")
        counter.pump()
        counter.answer(status=code)
    refusals = counter.pacer.refusals
    assert len(refusals) == MOST_CODES + 1
    assert (refusals["0x00000400"], refusals[OTHERS]) == (1, 2 * MOST_CODES)
    counter.put("again")
    counter.pump()
    counter.answer(status=0x400)
    assert refusals["0x00000400"] == 2  # what is known keeps its name


class Wire(Counter):
    """A carrier with a window that throttles whom it likes and answers in its own order; who it took when."""

    def __init__(self, window: int) -> None:
        super().__init__(window=window)
        self.now, self.waiting_s = 0.0, 0.0
        #: Of each submission that was answered: its words, when it was sent and answered, and whether it was taken.
        self.story: list[tuple[str, float, float, bool]] = []
        self._unanswered: dict[int, tuple[str, float]] = {}

    def go_on(self) -> bool:
        """Time passes until something was sent or everything is settled."""
        before = len(self.sent)
        again_at = self.pump(self.now)
        while again_at is not None and not self._unanswered and len(self.sent) == before:
            self.now = max(self.now, again_at)
            again_at = self.pump(self.now)
        for number in range(before, len(self.sent)):
            self._unanswered[number] = (self.words[number], self.now)
        return bool(self._unanswered)

    def say(self, which: int, *, is_throttled: bool) -> None:
        """Answers one of those that wait for an answer."""
        number = sorted(self._unanswered)[which % len(self._unanswered)]
        words, sent_at = self._unanswered.pop(number)
        self.now += 0.01
        self.answer(number, THROTTLED if is_throttled else 0, self.now)
        self.story.append((words, sent_at, self.now, not is_throttled))


@given(
    st.integers(1, 6),
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40),
)
def test_a_later_text_overtakes_a_throttled_one_only_out_of_the_window_that_was_throttled(window, texts, answers):
    wire = Wire(window)
    for number in range(texts):
        wire.put(f"{number:03}", priority=5)
    said = iter(answers)
    while wire.go_on():
        which, is_throttled = next(said, (0, False))
        wire.say(which, is_throttled=is_throttled)
    assert all(outcomes == [Accepted("A")] for outcomes in wire.outcomes.values())
    first_told: dict[str, float] = {}
    first_sent: dict[str, float] = {}
    for words, sent_at, answered_at, is_taken in wire.story:
        first_sent.setdefault(words, sent_at)
        if not is_taken:
            first_told.setdefault(words, answered_at)
    taken_at = {words: answered_at for words, _, answered_at, is_taken in wire.story if is_taken}
    for earlier, told_at in first_told.items():
        for later, sent_at in first_sent.items():
            if later > earlier and sent_at >= told_at:
                assert taken_at[earlier] <= sent_at, "it left while an earlier one was still turned away"
