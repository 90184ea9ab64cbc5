"""The event log: any edit, deletion or swap is found and named."""

import pytest

from kernel.log import BrokenLink, verify
from tests.kernel.conftest import Bump, officer


async def _history(bench) -> None:
    for name in ("a", "b"):
        for n in range(3):
            await bench.office.perform(Bump(name=name, by=n + 1), officer(), key=f"{name}{n}")


async def test_an_untouched_log_verifies(bench):
    await _history(bench)
    verdict = await verify(bench.database)
    assert (verdict.events, verdict.chains, verdict.broken) == (6, 2, None)


async def test_an_empty_log_verifies(bench):
    assert (await verify(bench.database)).broken is None


#: What somebody with the database's password might do, and what the verifier answers.
B2 = "WHERE subject = 'name:b' AND seq = 2"
CHANGED, MISSING = "its content was changed", "the event is missing"
TAMPERING = {
    "an edited body": ([f"UPDATE event SET body = '{{}}' {B2}"], 2, CHANGED),
    "an edited actor": ([f"UPDATE event SET actor = 'officer:X' {B2}"], 2, CHANGED),
    "a moved instant": ([f"UPDATE event SET at = '2020-01-01 00:00:00+00:00' {B2}"], 2, CHANGED),
    "a re-hashed edit": ([f"UPDATE event SET body = '{{}}', hash = 'f' {B2}"], 2, CHANGED),
    "a deleted event": ([f"DELETE FROM event {B2}"], 2, MISSING),
    "a whole chain deleted": (["DELETE FROM event WHERE subject = 'name:b'"], 1, MISSING),
    "a cut tail": (["DELETE FROM event WHERE subject = 'name:b' AND seq = 3"], 3, "the chain's end was cut or moved"),
    "two events swapped": (
        [
            "UPDATE event SET seq = 9 WHERE subject = 'name:b' AND seq = 1",
            f"UPDATE event SET seq = 1 {B2}",
            "UPDATE event SET seq = 2 WHERE subject = 'name:b' AND seq = 9",
        ],
        1,
        "it does not follow its predecessor",
    ),
    "an unregistered chain": (
        ["DELETE FROM event_chain WHERE subject = 'name:b'"],
        3,
        "the chain is not registered",
    ),
}


@pytest.mark.feature("TRUST-10")
@pytest.mark.parametrize("name", TAMPERING)
async def test_tampering_is_found_and_the_first_broken_link_named(bench, name):
    await _history(bench)
    statements, seq, why = TAMPERING[name]
    for statement in statements:
        await bench.database.execute(statement)
    assert (await verify(bench.database)).broken == BrokenLink(subject="name:b", seq=seq, why=why)
