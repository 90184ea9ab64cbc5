"""What the outer zone shows is what the inner zone holds, a little later, and never what it must not know."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from casework.intake.query_passwords import query_password
from casework.papers.printing import check_code
from certs.tables import IssuedCertificate
from ferry.records import Direction
from ferry.zones import mirror
from ferry.zones.mirroring import shown_as_of
from kernel.tables import Officer
from supervision.acts import IssueOrders, TurnLights
from tests.ferry.zones.glass import Glass
from tests.mobile_api.stage import APPLICANT_PHONE, CLERK, HANDLER, HEAD, ITEM, LEADER, SUPERVISOR
from tests.mobile_api.visitors import log_in


async def granted(glass: Glass, **changes) -> str:
    """A case from its filing to its delivery, inside."""
    number = await glass.inner.accepted(**changes)
    for officer, decision in (
        (HANDLER, "AGREE"),
        (HEAD, "AGREE"),
        (LEADER, "GRANT"),
        (HANDLER, "COMPLETE"),
        (CLERK, "DELIVER"),
    ):
        glass.pair.clock.advance(timedelta(minutes=10))
        await glass.inner.decide(officer, number, decision)
    return number


async def both(glass: Glass, name: str, token: str | None = None, **variables):
    """The answers of both zones."""
    return [await half.ask(name, token, **variables) for half in (glass.inner, glass.outer)]


async def same(glass: Glass, name: str, token: str | None = None, **variables) -> dict:
    inside, outside = await both(glass, name, token, **variables)
    assert "errors" not in inside, inside
    assert outside == inside, name
    return inside["data"]


async def test_the_same_questions_get_the_same_answers_outside(glass: Glass):
    done = await granted(glass)
    late = await glass.inner.accepted(applicantName="乙公司", applicantPhone="13800000002")
    glass.pair.clock.advance(timedelta(days=40))
    with glass.pair.inner.here():
        await glass.inner.clock_does(TurnLights())
        await glass.inner.clock_does(IssueOrders())
    await glass.settle()
    handler = (await glass.inner.phone(HANDLER)).token
    supervisor = (await glass.inner.phone(SUPERVISOR)).token
    await glass.settle()
    answer = await same(glass, "Todos", handler)
    assert [node["case"]["number"] for node in answer["todos"]["nodes"]] == [late]
    await same(glass, "Done", handler)
    await same(glass, "Guides")
    await same(glass, "Guide", code=ITEM)
    await same(glass, "Overdue", supervisor, scope="SUPERVISED")
    await same(glass, "Findings", supervisor)
    await same(glass, "Statistics", supervisor)
    for number in (done, late):
        inside, outside = (each["data"]["case"] for each in await both(glass, "Case", handler, number=number))
        number_inside = inside.pop("applicant")
        number_outside = outside.pop("applicant")
        assert outside == inside
        assert number_outside["idNumber"].endswith(number_inside["idNumber"][-4:])
        assert number_outside["idNumber"] != number_inside["idNumber"]
    found = await glass.pair.outer.rows("SELECT number, id FROM document ORDER BY id")
    for half in (glass.inner, glass.outer):
        code = check_code(glass.inner.secrets, str(found[0]["number"]))
        with half.side.here():
            page = await half.http.get(f"/verify/{found[0]['id']}?c={code}", headers={"accept": "application/json"})
        assert page.json()["seal"] == "valid"
        assert ("as_of" in page.json()) is (half is glass.outer)
    mine = await glass.outer.get("MyCases", await applicant(glass))
    assert [node["number"] for node in mine["nodes"]] == [done]  # of the phone that logged in outside


async def test_a_case_is_told_once_however_much_happened_to_it_and_all_again_by_a_snapshot(glass: Glass):
    await glass.carry()
    before = len(await glass.told())
    number = await granted(glass)
    await glass.tell()
    states = [line for line in (await glass.told())[before:] if f'"case:{number}"' in line]
    assert len({line.split('"revision":')[1].split(",")[0] for line in states}) == 1
    assert await glass.tell() == 0
    before = len(await glass.told())
    count = await glass.snapshot()
    assert count > 20
    with glass.pair.inner.here():  # half of it, and the process dies
        await glass.mirror.tell(glass.pair.clock.now())
    glass.restart()
    await glass.tell()
    told = [line for line in (await glass.told())[before:] if '"part":1,' in line]
    assert len(told) >= count - 5  # kinds of which there is nothing are not told


async def test_whatever_the_outer_zone_lost_or_was_given_a_snapshot_restores(glass: Glass):
    number = await granted(glass)
    await glass.carry()
    wanted = await contents(glass)
    for table in ("task", "case_step", "document", "officer", "item_version", "certificate"):
        with glass.pair.outer.here():
            await glass.pair.outer.database.execute(f"DELETE FROM {table}")
    await glass.snapshot()
    await glass.carry()
    assert await contents(glass) == wanted
    assert number in str(wanted)
    # What becomes secret disappears.
    with glass.pair.inner.here():
        for table in ("case_file", "licence"):
            await glass.inner.database.execute(f"UPDATE {table} SET secret = TRUE")
    await glass.snapshot()
    await glass.carry()
    left = await contents(glass)
    assert not any(left[table] for table in ("case_file", "licence", "task", "case_step", "document", "event"))
    assert left["officer"] == wanted["officer"]


async def test_an_item_that_becomes_secret_takes_all_that_names_it_away_outside_without_anybody_asking(glass: Glass):
    await granted(glass)
    await glass.inner.accepted()
    glass.pair.clock.advance(timedelta(days=40))
    with glass.pair.inner.here():
        await glass.inner.clock_does(TurnLights())
        await glass.inner.clock_does(IssueOrders())
    await glass.carry()
    named = ("item", "item_version", "case_file", "card", "licence", "document", "supervision_order", "event")
    assert all([await glass.pair.outer.rows(f"SELECT 1 FROM {table}") for table in named])
    with glass.pair.inner.here():
        await glass.inner.database.execute("UPDATE item_version SET secret = TRUE")
    glass.pair.clock.advance(mirror.SWEEP_EVERY)
    await glass.carry()
    for table in named:
        assert await glass.pair.outer.rows(f"SELECT * FROM {table}") == [], table


async def test_what_the_inner_zone_lost_in_a_disaster_a_snapshot_takes_from_the_outer(glass: Glass):
    lost, kept = await glass.inner.accepted(), await glass.inner.accepted()
    await glass.carry()
    with glass.pair.inner.here():  # yesterday's backup knew one case only
        await glass.inner.database.execute("DELETE FROM case_file WHERE number = $1", lost)
        await glass.inner.database.execute("DELETE FROM ferry_mirror_subject WHERE subject = $1", f"case:{lost}")
        await glass.inner.database.execute("UPDATE ferry_mirror_subject SET revision = 1, digest = 'of yesterday'")
    glass.pair.clock.advance(timedelta(hours=1))
    glass.restart()
    await glass.snapshot()
    await glass.carry()
    assert await glass.pair.outer.rows("SELECT number FROM case_file") == [{"number": kept}]
    assert len(await glass.pair.outer.rows("SELECT DISTINCT case_id FROM task")) == 1


async def test_a_census_takes_nothing_that_another_process_tells_at_the_same_moment(glass: Glass):
    await glass.carry()
    await glass.snapshot()
    glass.pair.clock.advance(timedelta(minutes=1))
    number = await glass.inner.accepted()
    with glass.pair.inner.here():
        while await glass.inner.courier.deliver():
            pass
        await glass.mirror.tell(glass.pair.clock.now())
    glass.pair.clock.advance(timedelta(minutes=1))
    await glass.carry()
    types, outer = glass.route.types, glass.pair.outer
    [line] = [line for line in await glass.told() if '"state.census"' in line and f'"case:{number}"' in line]
    envelope = types.read(line.encode(), Direction.OUTWARD)
    assert isinstance(envelope.body, mirror.Census)
    # As it is written by whoever looks a moment earlier.
    others = tuple(each for each in envelope.body.subjects if each != f"case:{number}")
    early = replace(envelope, body=replace(envelope.body, subjects=others))
    with outer.here():
        async with outer.database.transaction():
            await types.kind("state.census").apply(outer.database, glass.pair.clock.now(), early)
    assert await outer.rows("SELECT number FROM case_file") == [{"number": number}]


async def test_an_event_that_waits_for_its_delivery_does_not_make_a_snapshot_of_every_minute(glass: Glass):
    await glass.inner.accepted()
    with glass.pair.inner.here():
        later = glass.pair.clock.now() + timedelta(days=1)
        assert await glass.inner.database.execute("UPDATE outbox SET due_at = $1 WHERE consumer = 'mirror'", later)
    glass.pair.clock.advance(timedelta(seconds=1))
    await glass.tell()
    assert await glass.pair.inner.rows("SELECT * FROM ferry_mirror_age") == []
    before = len(await glass.told())
    assert before
    glass.pair.clock.advance(timedelta(minutes=2))
    await glass.tell()
    assert len(await glass.told()) == before


async def test_while_the_lane_stands_still_states_wait_and_are_told_as_they_are_then(glass: Glass, monkeypatch):
    await glass.settle()
    number = await glass.inner.accepted()
    await glass.tell()
    before = len(await glass.told())
    monkeypatch.setattr(mirror, "ROOM", 1)
    await glass.inner.decide(HANDLER, number, "AGREE")
    await glass.tell()
    assert len(await glass.told()) == before
    await glass.pair.settle()
    await glass.settle()
    steps = "SELECT seq, step, opinion FROM case_step ORDER BY seq"
    assert await glass.pair.outer.rows(steps) == await glass.pair.inner.rows(steps) != []


async def contents(glass: Glass) -> dict[str, list]:
    tables = ("case_file", "task", "case_step", "document", "officer", "item_version", "certificate", "event", "unit",
              "licence")  # fmt: skip
    return {
        table: sorted(map(str, await glass.pair.outer.rows(f"SELECT * FROM {table} ORDER BY 1"))) for table in tables
    }


async def test_an_older_state_changes_nothing_and_rows_that_are_gone_go(glass: Glass):
    number = await glass.inner.accepted()
    await glass.tell()
    early = await glass.pair.inner.rows("SELECT line FROM ferry_record WHERE line LIKE '%state.case%'")
    await glass.carry()
    assert early
    with glass.pair.inner.here():
        await glass.inner.database.execute("DELETE FROM material")
    await glass.inner.decide(HANDLER, number, "AGREE")
    await glass.carry()
    assert await glass.pair.outer.rows("SELECT * FROM material") == []
    steps = await glass.pair.outer.rows("SELECT * FROM case_step")
    outer = glass.pair.outer
    types = outer.station.route.types
    with outer.here():
        for row in early:
            envelope = types.read(str(row["line"]).encode(), outer.station.route.takes)
            await types.kind(envelope.type).apply(outer.database, glass.pair.clock.now(), envelope)
    assert await outer.rows("SELECT * FROM case_step") == steps


async def test_an_id_that_is_given_anew_after_a_restore_inside_pushes_out_what_was_forgotten(glass: Glass):
    number = await glass.inner.accepted()
    await glass.inner.accepted(applicantName="乙公司", applicantPhone="13800000002")
    await glass.carry()
    with glass.pair.inner.here():
        (row,) = await glass.inner.database.rows(
            "SELECT MIN(case_id) AS kept, MAX(case_id) AS lost, MAX(id) AS again FROM case_step"
        )
        kept, lost, again = (int(str(row[name])) for name in ("kept", "lost", "again"))
        assert kept != lost
        await glass.inner.database.execute("DELETE FROM case_step WHERE case_id = $1", lost)
        await glass.inner.database.execute("UPDATE case_step SET id = $1 WHERE case_id = $2", again, kept)
    await glass.inner.decide(HANDLER, number, "AGREE")
    await glass.carry()
    (shown,) = await glass.pair.outer.rows("SELECT case_id FROM case_step WHERE id = $1", again)
    assert shown["case_id"] == kept


async def test_a_state_of_many_parts_appears_when_all_are_there(glass: Glass):
    number = await glass.inner.accepted()
    opinion = "照办。" * 9000
    with glass.pair.inner.here():
        await glass.inner.database.execute("UPDATE case_step SET opinion = $1", opinion)
    await glass.tell()
    parts = [line for line in await glass.told() if f'"case:{number}"' in line]
    assert len(parts) > 3
    outer = glass.pair.outer
    types = outer.station.route.types
    with outer.here():
        for line in [*reversed(parts), parts[0]]:
            assert await outer.database.rows("SELECT 1 FROM case_file") == [] or line is parts[0]
            envelope = types.read(line.encode(), outer.station.route.takes)
            await types.kind(envelope.type).apply(outer.database, glass.pair.clock.now(), envelope)
    assert (await outer.rows("SELECT opinion FROM case_step"))[0]["opinion"] == opinion
    assert await outer.rows("SELECT * FROM ferry_mirror_part") == []


async def test_the_outer_zones_own_certificates_stay_and_officers_phones_do_not_come(glass: Glass):
    with glass.pair.outer.here():
        await IssuedCertificate.create(
            issuer="outer", serial="1", profile="unit_seal", holder="ZJJ", spki_sha256="", der=b"x",
            not_before=glass.pair.clock.now(), not_after=glass.pair.clock.now(), state="issued",
            used_at=glass.pair.clock.now(),
        )  # fmt: skip
    await granted(glass)
    await glass.carry()
    with glass.pair.outer.here():
        assert await IssuedCertificate.filter(id__gt=0).count() == 1
        assert await IssuedCertificate.filter(id__lt=0, profile="unit_seal").count() >= 1
        for officer in await Officer.all():
            assert (officer.phone, officer.second_phone, officer.email) == (officer.id, "", "")


@pytest.mark.feature("FERRY-08")
async def test_applicants_are_told_how_old_it_is_what_they_see_and_that_is_an_interval_and_a_minute(glass: Glass):
    """A folder that is swept once in three minutes; meanwhile things happen inside."""
    interval, pair, clock = timedelta(minutes=3), glass.pair, glass.pair.clock
    with pair.outer.here():
        assert await shown_as_of(pair.outer.database) is None
    number = await glass.inner.accepted()
    await glass.carry()
    token, ages, seen = await applicant(glass), [], set()
    decisions = {120: (HANDLER, "AGREE"), 360: (HEAD, "AGREE"), 600: (LEADER, "GRANT")}
    for second in range(0, 900, 30):
        if second in decisions:
            await glass.inner.decide(decisions[second][0], number, decisions[second][1])
        await glass.tell()
        clock.advance(timedelta(seconds=3))  # until the parcel closes
        await pair.inner.turn()
        if second % interval.seconds == 0:
            pair.back.sweep()
            await pair.outer.turn()
            seen.add((await glass.outer.get("MyCases", token))["nodes"][0]["stepName"])
        clock.advance(timedelta(seconds=27))
        with pair.outer.here():
            as_of = await shown_as_of(pair.outer.database)
        assert as_of is not None
        ages.append(clock.now() - as_of)
    assert sorted(ages)[int(len(ages) * 0.95)] <= interval + timedelta(seconds=60)
    assert max(ages) > timedelta(minutes=2)  # told as it is
    assert len(seen) == 4
    page = await glass.outer.get("MyCases", token)
    assert datetime.fromisoformat(page["asOf"]) == clock.now() - ages[-1]
    detail = await glass.outer.get("MyCase", token, number=number)
    assert detail["asOf"] == page["asOf"]
    asked = await glass.inner.get("Progress", number=number, password=query_password(glass.inner.secrets, number))
    assert datetime.fromisoformat(asked["asOf"]) == clock.now()


async def test_an_event_that_is_parked_keeps_the_age_where_it_was(glass: Glass):
    await glass.inner.accepted()
    await glass.tell()
    inner, clock = glass.pair.inner, glass.pair.clock
    age = "SELECT as_of FROM ferry_mirror_age"
    [before] = await inner.rows(age)
    with inner.here():
        await inner.database.execute(
            "INSERT INTO outbox (event_id, consumer, due_at, attempts, last_error, parked)"
            " SELECT MAX(id), 'mirror', $1, 8, '', TRUE FROM event",
            clock.now(),
        )
    clock.advance(timedelta(minutes=10))
    await glass.tell()
    assert await inner.rows(age) == [before]
    with inner.here():
        await inner.database.execute("UPDATE outbox SET parked = FALSE, attempts = 0")
    await glass.tell()
    assert await inner.rows(age) != [before]


async def applicant(glass: Glass) -> str:
    """Logged in outside, by the phone that the cases were filed from."""
    with glass.pair.outer.here():
        return await log_in(glass.outer, APPLICANT_PHONE)
