"""What an act came to, as it is told outside: the truth, once it can be seen there, kept no longer than needed."""

import secrets
from datetime import timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tortoise.exceptions import OperationalError

from casework.acts import FiledView
from casework.intake.query_passwords import query_password
from certs.acts import (
    ApproveEnrolment,
    BeginLogin,
    FinishLogin,
    RequestEnrolment,
    SessionView,
    SubmitCsr,
    ViewEnrolment,
)
from certs.encodings import sign_es256, spki_of
from ferry.lanes import Lane
from ferry.overview import Concern, overview
from ferry.records import Envelope, Registry
from ferry.zones import performing, relaying, shapes, turns
from ferry.zones.acting import act_records
from ferry.zones.refusals import Pending
from ferry.zones.refused import ForgetRelayedActs
from kernel.actor import ANYBODY, THE_CLOCK, THE_OPERATOR, Actor, ActorKind, Role
from kernel.refusals import Busy, Refusal
from tests.ferry.pair import Killed
from tests.ferry.zones.test_relaying import WITHDRAWN, application
from tests.ferry.zones.test_relaying import asked as record_of
from tests.mobile_api.stage import CLERK

KEY = "app:filing-1"


async def tried_until_given_up(zoned, *points: str) -> None:
    """The inner process dies at `points` whenever it comes by, until it gives up."""

    def dies(here: str) -> None:
        if here in points:
            raise Killed(here)

    alive, zoned.performer = zoned.performer, zoned.another_performer()
    zoned.performer._reach = dies
    for _ in performing.TRY_AGAIN:
        with pytest.raises(Killed):
            await zoned.step(10)
        zoned.pair.clock.advance(timedelta(minutes=10))
    zoned.performer = alive
    await zoned.crosses()


# ----------------------------------------------------------------------------------------------------------- the truth
@pytest.mark.parametrize("point", ["after act", "before answer commit"])
async def test_an_act_that_was_done_is_told_as_done_however_often_the_process_died_over_the_answer(zoned, point):
    await zoned.outside(application(), ANYBODY, key=KEY)
    await tried_until_given_up(zoned, point)
    view = await zoned.outside(application(), ANYBODY, key=KEY)
    assert isinstance(view, FiledView), view
    assert await zoned.cases() == 1


async def test_an_act_that_was_given_up_is_done_by_nobody_who_is_still_at_it(zoned):
    await zoned.outside(application(), ANYBODY, key=KEY)
    await tried_until_given_up(zoned, "after claim")
    assert (await zoned.outside(application(), ANYBODY, key=KEY)).code == "ACT_FAILED"
    with zoned.pair.inner.here():
        late = await zoned.inner.office.perform(application(), ANYBODY, key=f"ferry:{KEY}")
    assert late.code == "ACT_FAILED"
    assert await zoned.cases() == 0


# ------------------------------------------------------------------------------------------- who is told sees it, too
async def filed_while_the_lane_of_cases_stands(zoned) -> None:
    zoned.telling()
    await zoned.outside(application(), ANYBODY, key=KEY)
    outer, inner = zoned.pair.sides
    await zoned._carry(outer, inner)  # what is filed goes by that lane
    zoned.waits = Lane.CASE
    await zoned.step(3)


async def test_the_states_that_an_act_changed_come_beside_its_outcome(zoned):
    await filed_while_the_lane_of_cases_stands(zoned)
    view = await zoned.outside(application(), ANYBODY, key=KEY)
    assert isinstance(view, FiledView)
    assert await zoned.pair.outer.rows("SELECT 1 FROM case_file WHERE number = $1", view.number)


async def test_an_outcome_waits_for_a_state_so_large_that_it_comes_by_the_lane_of_cases(zoned, monkeypatch):
    monkeypatch.setattr(shapes, "PART_OCTETS", 2000)
    await filed_while_the_lane_of_cases_stands(zoned)
    outer = zoned.pair.outer
    (row,) = await outer.rows("SELECT outcome FROM relayed_act")
    assert row["outcome"]
    assert isinstance(await zoned.outside(application(), ANYBODY, key=KEY), Pending)
    zoned.waits = None
    await zoned.step()
    view = await zoned.outside(application(), ANYBODY, key=KEY)
    assert isinstance(view, FiledView)
    assert await outer.rows("SELECT 1 FROM case_file WHERE number = $1", view.number)


async def test_whoever_died_between_act_and_answer_tells_the_states_all_the_same(zoned):
    zoned.telling()
    alive = zoned.performer

    def dies(here: str) -> None:
        if here == "after act":
            raise Killed(here)

    zoned.performer = zoned.another_performer()
    zoned.performer._reach = dies
    await zoned.outside(application(), ANYBODY, key=KEY)
    with pytest.raises(Killed):
        await zoned.step(10)
    zoned.performer = alive
    zoned.pair.clock.advance(timedelta(seconds=20))
    await zoned.crosses()
    view = await zoned.outside(application(), ANYBODY, key=KEY)
    assert await zoned.pair.outer.rows("SELECT 1 FROM case_file WHERE number = $1", view.number)


async def test_an_outcome_does_not_wait_for_ever_for_a_state_that_never_comes(zoned):
    zoned.telling()
    await zoned.outside(application(), ANYBODY, key=KEY)
    await zoned.crosses()
    with zoned.pair.outer.here():
        await zoned.pair.outer.database.execute("DELETE FROM ferry_mirror_heard")
    assert isinstance(await zoned.outside(application(), ANYBODY, key=KEY), Pending)
    zoned.pair.clock.advance(relaying.SHOWN_WITHIN)
    assert isinstance(await zoned.outside(application(), ANYBODY, key=KEY), FiledView)


async def test_the_phone_that_is_shown_its_certificate_can_log_in_outside_at_once(zoned):
    zoned.telling()
    key = ec.generate_private_key(ec.SECP256R1())
    request = RequestEnrolment(officer=CLERK, device="手机", public_key=spki_of(key.public_key()))
    opened = await asked(zoned, request, key="app:enrol-1")
    csr = SubmitCsr(enrolment=opened.enrolment, signature=sign_es256(key, opened.to_sign))
    await asked(zoned, csr, key="app:enrol-2")
    with zoned.pair.inner.here():
        await zoned.inner.office.perform(ApproveEnrolment(enrolment=opened.enrolment), THE_OPERATOR, key=None)
    view = await asked(zoned, ViewEnrolment(enrolment=opened.enrolment, pickup=opened.pickup))
    challenge = await zoned.outside(BeginLogin(certificate=view.chain[0]), ANYBODY)
    assert not isinstance(challenge, Refusal), challenge


async def asked(zoned, act, *, key=None):
    assert isinstance(await zoned.outside(act, ANYBODY, key=key), Pending)
    await zoned.crosses()
    view = await zoned.outside(act, ANYBODY, key=key)
    assert not isinstance(view, Refusal), view
    return view


# ------------------------------------------------------------------------------------------------------------- logins
async def test_a_login_while_the_database_is_busy_may_be_tried_again(zoned, monkeypatch):
    key, certificate = await zoned.certified(CLERK)
    await zoned.mirrored(CLERK)
    challenge = await zoned.outside(BeginLogin(certificate=certificate), ANYBODY)
    act = FinishLogin(nonce=challenge.nonce, signature=sign_es256(key, challenge.payload))
    office = zoned.outer.office
    tells, busy = office._tell_login, [True] * 6

    async def locked(*given) -> None:
        if busy and busy.pop():
            raise OperationalError("database is locked")
        await tells(*given)

    monkeypatch.setattr(office, "_tell_login", locked)
    refused = await zoned.outside(act, ANYBODY)
    assert isinstance(refused, Busy)
    assert refused.retryable
    # Nothing was used up, and two more times the database is busy.
    assert isinstance(await zoned.outside(act, ANYBODY), SessionView)
    assert await zoned.pair.outer.rows("SELECT 1 FROM ferry_record WHERE rid LIKE 'login:%'")


# ----------------------------------------------------------------------------------------------------- kept no longer
async def forget(zoned) -> None:
    for half in (zoned.outer, zoned.inner):
        with half.side.here():
            await half.office.perform(ForgetRelayedActs(), THE_CLOCK, key=None)


async def test_an_hour_after_it_was_told_an_outcome_is_inside_only_and_comes_again_to_whoever_asks(zoned):
    view = await asked(zoned, application(), key=KEY)
    password = query_password(zoned.inner.secrets, view.number)
    zoned.pair.clock.advance(timedelta(minutes=50))
    await forget(zoned)
    (kept,) = await zoned.pair.outer.rows("SELECT outcome FROM relayed_act")
    assert password in str(kept["outcome"])
    zoned.pair.clock.advance(timedelta(minutes=20))
    await forget(zoned)
    assert await zoned.pair.outer.rows("SELECT outcome FROM relayed_act") == []
    zoned.answer_in(0)  # another process: what it had in memory is gone
    assert await asked(zoned, application(), key=KEY) == view
    assert query_password(zoned.outer.desk.secrets, view.number) == password
    assert await zoned.cases() == 1


async def test_what_nobody_asks_for_is_gone_after_a_day(zoned):
    await zoned.outside(application(), ANYBODY, key=KEY)
    await zoned.crosses()
    zoned.pair.clock.advance(timedelta(hours=23))
    await forget(zoned)
    assert await zoned.pair.outer.rows("SELECT 1 FROM relayed_act")
    zoned.pair.clock.advance(timedelta(hours=2))
    await forget(zoned)
    assert await zoned.pair.outer.rows("SELECT 1 FROM relayed_act") == []


async def test_what_was_asked_is_kept_inside_only_while_it_is_to_do_or_was_not_believed(zoned):
    await asked(zoned, application(), key=KEY)
    await zoned.forged(record_of(WITHDRAWN, kind=ActorKind.OFFICER, actor="OFF-9999"))
    await zoned.step(2)
    rows = await zoned.pair.inner.rows("SELECT outcome, asked FROM arrived_act ORDER BY id")
    assert [(row["outcome"], bool(row["asked"])) for row in rows] == [("DONE", False), ("ACTOR_MAY_NOT_CROSS", True)]


# ---------------------------------------------------------------------------------------------------------- too many
async def arrive(zoned, *actors: str) -> None:
    """Acts as a parcel brings them."""
    at, side = zoned.pair.clock.now(), zoned.pair.inner
    kind = Registry(act_records("outer")).kind("act.do")
    many = [
        Envelope(
            rid=f"act:{secrets.token_hex(8)}", type="act.do", key="x", at=at,
            body=record_of(WITHDRAWN, kind=ActorKind.APPLICANT, actor=actor, phone="13800000001"),
        )
        for actor in actors
    ]  # fmt: skip
    with side.here():
        async with side.database.transaction():
            assert kind.apply_many is not None
            await kind.apply_many(side.database, at, many)


async def line(zoned) -> list[str]:
    rows = await zoned.pair.inner.rows("SELECT actor FROM arrived_act WHERE outcome = '' ORDER BY turn, id")
    return [str(row["actor"]).partition(":")[2] for row in rows]


async def test_whoever_asks_much_waits_for_themselves_and_everybody_else_for_one_of_theirs(zoned, monkeypatch):
    await arrive(zoned, *"AAAAA")
    await arrive(zoned, *"BAB")
    assert await line(zoned) == list("ABABAAAA")
    monkeypatch.setattr(performing, "_AT_ONCE", 3)
    await zoned.performs()
    await arrive(zoned, "C")
    assert await line(zoned) == list("BCAAAA")


async def test_beyond_the_quotas_an_act_is_refused_inside_and_the_lane_goes_on(zoned, monkeypatch):
    monkeypatch.setattr(turns, "MOST_OF_ONE", 2)
    await arrive(zoned, *"AAAB")
    (surplus,) = await zoned.pair.inner.rows("SELECT rid, asked FROM arrived_act WHERE surplus = TRUE")
    assert surplus["asked"] == ""
    await zoned.performs()
    (done,) = await zoned.pair.inner.rows(
        "SELECT line FROM ferry_record WHERE line LIKE $1 AND rid LIKE 'done:%'", f"%{surplus['rid']}%"
    )
    assert msgspec.json.decode(done["line"])["body"]["refused"] == "TOO_MANY_ACTS"
    assert len(await zoned.pair.inner.rows("SELECT 1 FROM arrived_act")) == 3  # of that one nothing is kept
    monkeypatch.setattr(turns, "MOST", 3)
    await arrive(zoned, *"DEFGH")
    assert len(await zoned.pair.inner.rows("SELECT 1 FROM arrived_act WHERE surplus = TRUE")) == 2


async def test_one_person_may_have_so_many_acts_under_way_outside(zoned, monkeypatch):
    monkeypatch.setattr(turns, "MOST_OF_ONE_OUTSIDE", 2)
    one, other = (
        Actor(kind=ActorKind.APPLICANT, id=id, phone="13800000001", roles=frozenset({Role.APPLICANT})) for id in "AB"
    )
    for number in range(2):
        assert isinstance(await zoned.outside(WITHDRAWN, one, key=f"app:many-{number}"), Pending)
    refused = await zoned.outside(WITHDRAWN, one, key="app:many-2")
    assert (refused.code, refused.retryable) == ("TOO_MANY_ACTS", True)
    assert isinstance(await zoned.outside(WITHDRAWN, one, key="app:many-1"), Pending)
    assert isinstance(await zoned.outside(WITHDRAWN, other, key="app:many-2"), Pending)


async def test_from_seven_tenths_of_a_limit_on_somebody_is_told(zoned, monkeypatch):
    await zoned.pair.outer.start()
    monkeypatch.setattr(turns, "MOST_OUTSIDE", 10)
    for number in range(6):
        await zoned.outside(WITHDRAWN, ANYBODY, key=f"app:many-{number}")
    assert Concern.ACTS_WAIT not in await concerns(zoned.pair.outer)
    await zoned.outside(WITHDRAWN, ANYBODY, key="app:many-6")
    assert Concern.ACTS_WAIT in await concerns(zoned.pair.outer)


async def concerns(side) -> set[Concern]:
    with side.here():
        return {alarm.concern for alarm in (await overview(side.station, now=side.clock.now())).alarms}
