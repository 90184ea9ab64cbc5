"""What supervision writes down by itself when it hears of an event: nobody types anything in.

Source: Administrative Licensing Law, art. 32(1)(4): who does not tell in five working days has accepted; that the law
had to speak for the office is itself a finding. The whole course of a case needs no copy: `queries.course_of` reads
it from the log.
"""

from casework.events import CaseAccepted
from kernel.events import Recorded
from kernel.outbox import Consumer
from kernel.work import Work
from supervision.events import IrregularityFound
from supervision.tables import Finding

SILENCE = "silence"


async def note(work: Work, recorded: Recorded) -> None:
    event = recorded.event
    if isinstance(event, CaseAccepted) and event.deemed:
        await Finding.create(
            event_id=recorded.id, case_number=event.case, unit_code=event.unit, kind=SILENCE, at=recorded.at
        )
        work.record(IrregularityFound(case=event.case, unit=event.unit, kind=SILENCE))


def consumer() -> Consumer:
    return Consumer(name="supervision", wants=(CaseAccepted,), handle=note)
