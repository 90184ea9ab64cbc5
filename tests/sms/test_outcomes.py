"""From what became of parts to what became of a text."""

import pytest

from sms.carriers import Sent
from sms.outcomes import Gathering
from sms.pacing import LINK_GONE, Accepted, NotSent, OutcomeUnknown, Refused
from sms.receipts import plain_id
from sms.statuses import Fault, of_status

GONE, SILENT = NotSent(LINK_GONE), OutcomeUnknown("no response in time")
BUSY, FORBIDDEN = Refused(0x08), Refused(0x0B)


@pytest.mark.parametrize(
    ("parts", "fault", "is_unsent"),
    [
        ([GONE], Fault.TEMPORARY, True),
        ([GONE, GONE], Fault.TEMPORARY, True),
        ([GONE, GONE, GONE], Fault.TEMPORARY, True),
        ([Accepted("a"), GONE], Fault.TEMPORARY, True),  # what was taken is known, and the rest never left
        ([GONE, BUSY], Fault.TEMPORARY, False),
        ([BUSY, GONE], Fault.TEMPORARY, False),
        ([GONE, FORBIDDEN, GONE], Fault.PERMANENT, False),
        ([GONE, SILENT], Fault.UNKNOWN, False),
        ([SILENT, GONE], Fault.UNKNOWN, False),
        ([FORBIDDEN, SILENT], Fault.UNKNOWN, False),
        ([Accepted("a"), Accepted("b")], None, False),
    ],
)
def test_a_text_is_unsent_when_no_part_of_it_left_that_was_not_taken(parts, fault, is_unsent):
    told: list[Sent] = []
    gathering = Gathering(len(parts), told.append, of_status)
    for number, outcome in enumerate(parts, 1):
        assert told == []
        gathering.take(number, outcome)
    assert [(sent.fault, sent.is_unsent) for sent in told] == [(fault, is_unsent)]


def test_a_part_without_an_id_is_not_the_one_called_0():
    assert plain_id("") == plain_id(" ") == ""
    assert plain_id("000") == "0"
    assert plain_id("00A1") == "a1"
