from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sms.carriers import MobileText
from sms.mas.hand import Hand, Message
from sms.mas.interface import Placement
from sms.pacing import Rate
from sms.statuses import Fault

NOW = datetime(2026, 9, 18, 1, tzinfo=UTC)


class Desk:
    """Messages by their number, and what each was told."""

    def __init__(self, parts_per_s: float | None = None) -> None:
        self.hand = Hand(Rate(parts_per_s))
        self.told: dict[int, list] = {}

    def message(self, number: int, *, priority=1, parts=1, skip=(), valid=timedelta(hours=1)) -> Message:
        text = MobileText(
            phone="1",
            words=str(number),
            reference=number,
            expires_at=NOW + valid,
            skip=frozenset(skip),
            priority=priority,
        )
        placement = Placement(id=str(number), phone="1", words=str(number), parts=parts)
        return Message(text, placement, f"s{number}", self.told.setdefault(number, []).append)

    def put(self, number: int, **changes) -> None:
        self.hand.put(self.message(number, **changes))

    def batch(self, most=100, now_s=0.0):
        batch, self.wait_s = self.hand.batch(most, NOW, now_s)
        return batch

    def numbers(self, batch) -> list[int]:
        return [message.text.reference for message in batch]


def test_the_urgent_go_first_and_the_others_in_their_order():
    desk = Desk()
    for number, priority in enumerate((2, 1, 0, 1, 0)):
        desk.put(number, priority=priority)
    assert desk.numbers(desk.batch(3)) == [2, 4, 1]
    assert desk.numbers(desk.batch(3)) == [3, 0]
    assert desk.hand.in_flight == 5


def test_what_is_news_no_more_goes_back_unsent():
    desk = Desk()
    desk.put(1, valid=timedelta())
    desk.put(2)
    assert desk.numbers(desk.batch()) == [2]
    assert [(sent.is_unsent, sent.error) for sent in desk.told[1]] == [(True, "expired")]


def test_parts_count_and_not_texts():
    desk = Desk(parts_per_s=20)  # in bursts of two
    for number in range(3):
        desk.put(number, parts=2)
    assert desk.numbers(desk.batch()) == [0]
    assert desk.wait_s
    assert 0 < desk.wait_s <= 0.1
    assert desk.numbers(desk.batch(now_s=0.1)) == [1]


def test_the_parts_that_were_not_taken_before_share_the_id_of_the_row():
    desk = Desk()
    desk.put(1, parts=3, skip={2})
    desk.hand.accepted(desk.batch())
    assert desk.told[1][0].accepted == ((1, "s1"), (3, "s1"))


def test_a_text_in_doubt_is_settled_by_what_is_heard_of_it():
    desk = Desk()
    desk.put(1)
    desk.put(2)
    desk.hand.doubt(desk.batch(), 5.0)
    desk.hand.heard_of("s1")
    desk.hand.heard_of("s1")
    desk.hand.heard_of("another")
    assert [sent.fault for sent in desk.told[1]] == [None]
    desk.hand.give_up_doubts(4.9, "nowhere")
    assert not desk.told[2]
    desk.hand.give_up_doubts(5.0, "nowhere")
    assert [sent.fault for sent in desk.told[2]] == [Fault.UNKNOWN]


@given(st.lists(st.integers(0, 6), max_size=60))
def test_whatever_happens_every_text_is_told_of_once(steps):
    desk = Desk()
    batch: list[Message] = []
    for number, step in enumerate(steps):
        match step:
            case 0 | 1:
                desk.put(number, priority=step)
            case 2:
                batch += desk.batch(3)
            case 3:
                desk.hand.accepted(batch)
                batch = []
            case 4:
                desk.hand.doubt(batch, float(number))
                batch = []
            case 5:
                desk.hand.give_back("down")
            case 6:
                desk.hand.give_up_doubts(number - 5.0, "nowhere")
    desk.hand.let_go()
    assert all(len(told) == 1 for told in desk.told.values())
    assert (desk.hand.waiting, desk.hand.in_flight) == (0, 0)
