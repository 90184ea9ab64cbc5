"""Records from one zone to the other on a device that works: effects, acknowledgements, lanes, files."""


async def test_a_record_takes_effect_on_the_other_side_once_and_is_acknowledged(pair):
    await pair.outer.hand_over("a1", "a2")
    await pair.settle()
    assert await pair.inner.effects() == {"case.state/a1": 1, "case.state/a2": 1}
    assert {row["state"] for row in await pair.outer.parcels()} == {"acked"}
    assert not pair.there.entrance.files
