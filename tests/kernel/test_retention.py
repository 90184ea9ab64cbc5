"""Answers kept for retries are forgotten after a month; nothing else is."""

from datetime import timedelta

from kernel.actor import THE_CLOCK, Assurance
from kernel.acts import Done
from kernel.office import Office, Rule
from kernel.permissions import the_system
from kernel.retention import KEPT_FOR, ForgetAnswers, forget_answers
from kernel.tables import EventRow
from tests.kernel.conftest import Bump, Counted, officer


async def test_an_answer_is_kept_for_a_month_and_its_event_for_good(bench):
    await bench.office.perform(Bump(name="a"), officer(), key="k")
    clock = Office(
        bench.desk, outbox=bench.outbox, rules=[Rule(ForgetAnswers, forget_answers, the_system, Assurance.SYSTEM)]
    )
    bench.clock.advance(KEPT_FOR - timedelta(days=1))
    assert await clock.perform(ForgetAnswers(), THE_CLOCK, key=None) == Done(count=0)
    assert await bench.office.perform(Bump(name="a"), officer(), key="k") == Counted(total=1)
    bench.clock.advance(timedelta(days=2))
    assert await clock.perform(ForgetAnswers(), THE_CLOCK, key=None) == Done(count=1)
    assert await EventRow.all().count() == 1
