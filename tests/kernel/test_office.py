"""The office: one way in, one transaction, one answer per key."""

import asyncio

import pytest

from kernel.actor import ANYBODY, Role
from kernel.acts import SignedBytes
from kernel.refusals import AssuranceTooLow, KeyReused, NotPermitted
from kernel.tables import EventRow, PerformedAct
from tests.kernel.conftest import Bump, Close, Counted, Tired, TooBig, officer


async def test_an_act_changes_rows_and_leaves_an_event(bench):
    assert await bench.office.perform(Bump(name="a"), officer(), key="k1") == Counted(total=1)
    event = await EventRow.get(subject="name:a")
    assert (event.seq, event.tag, event.actor) == (1, "test.bumped", "officer:OFF-1")


@pytest.mark.feature("MOB-14")
@pytest.mark.feature("FLOW-15")
async def test_a_retry_with_the_same_key_answers_the_same_and_does_nothing(bench):
    first = await bench.office.perform(Bump(name="a"), officer(), key="k1")
    again = await bench.office.perform(Bump(name="a"), officer(), key="k1")
    assert first == again == Counted(total=1)
    assert await bench.total("a") == 1
    assert await EventRow.all().count() == 1


async def test_without_a_key_nothing_is_remembered(bench):
    for total in (1, 2):
        assert await bench.office.perform(Bump(name="a"), officer(), key=None) == Counted(total=total)
    assert not await PerformedAct.exists()


async def test_a_key_belongs_to_its_actor(bench):
    await bench.office.perform(Bump(name="a"), officer("OFF-1"), key="k")
    assert await bench.office.perform(Bump(name="a"), officer("OFF-2"), key="k") == Counted(total=2)


async def test_a_key_used_for_another_act_is_refused(bench):
    await bench.office.perform(Bump(name="a"), officer(), key="k")
    assert await bench.office.perform(Bump(name="b"), officer(), key="k") == KeyReused()
    assert await bench.total("b") == 0


async def test_a_raised_refusal_undoes_everything_and_is_not_remembered(bench):
    assert await bench.office.perform(Bump(name="a", by=101), officer(), key="k") == TooBig(most=100)
    assert await bench.total("a") == 0
    assert not await EventRow.exists()
    assert not await PerformedAct.exists()


async def test_a_returned_refusal_keeps_what_was_written_and_is_remembered(bench):
    for _ in range(2):
        assert await bench.office.perform(Bump(name="a", then="tired"), officer(), key="k") == Tired()
    assert await bench.total("a") == 1


async def test_the_table_of_acts_decides_who_may(bench):
    refused = await bench.office.perform(Bump(name="a"), ANYBODY, key="k")
    assert refused == NotPermitted(act="test.bump", needs="any officer")
    assert isinstance(await bench.office.perform(Close(name="a"), officer(), key="k"), NotPermitted)


async def test_an_act_that_needs_a_signature_is_refused_on_a_session_alone(bench):
    supervisor = officer("OFF-1", Role.SUPERVISOR)
    assert isinstance(await bench.office.perform(Close(name="a"), supervisor, key="k"), AssuranceTooLow)
    signed = SignedBytes(nonce="n", signature=b"s")
    assert await bench.office.perform(Close(name="a"), supervisor, key="k2", proof=signed) == Counted(total=0)


async def test_the_same_request_many_times_at_once_is_performed_once(bench):
    answers = await asyncio.gather(*(bench.office.perform(Bump(name="a"), officer(), key="one") for _ in range(8)))
    assert set(answers) == {Counted(total=1)}
    assert await bench.total("a") == 1


async def test_first_events_of_one_subject_at_once_are_both_written(bench):
    answers = await asyncio.gather(
        *(bench.office.perform(Bump(name=f"n{n}"), officer(), key=f"{n}-{m}") for n in range(4) for m in range(4))
    )
    assert all(isinstance(answer, Counted) for answer in answers)
    assert await EventRow.all().count() == 16


async def test_different_requests_at_once_are_all_performed_and_chained(bench):
    answers = await asyncio.gather(
        *(bench.office.perform(Bump(name="a"), officer(f"OFF-{n}"), key="k") for n in range(8))
    )
    assert {answer.total for answer in answers} == set(range(1, 9))
    assert [row.seq for row in await EventRow.filter(subject="name:a").order_by("seq")] == list(range(1, 9))
