"""Acts that are asked outside and performed inside: once, by whoever they say, or not at all."""

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from casework.acts import (
    Channel,
    Decide,
    Decision,
    FileApplication,
    FiledView,
    MaterialGiven,
    PrepareDecision,
    Withdraw,
)
from casework.intake.acts import CollectUploads, KeepUpload
from casework.intake.query_passwords import query_password
from casework.intake.tables import Upload
from certs.acts import (
    BeginLogin,
    FinishLogin,
    PruneRequests,
    RevocationReason,
    RevokeCertificate,
    SessionView,
)
from certs.encodings import sign_es256
from certs.login import PREFIX
from certs.tables import IssuedCertificate
from certs.tokens import officer_actor
from ferry.records import Direction, Registry
from ferry.refusals import RecordRefused
from ferry.zones import performing, relaying, turns
from ferry.zones.acting import ActAsked, act_records, cleaned
from ferry.zones.logins import NoteLogin
from ferry.zones.refusals import ActNotTaken, ActorMayNotCross, NotLoggedIn, Pending
from ferry.zones.refused import ForgetRelayedActs
from ferry.zones.relaying import CarriedSecrets
from hall.accounts import ApplicantSession, LogInByCode, RequestLoginCode, applicant_behind, login_code
from hall.progress import QueryProgress
from hall.tables import LoginCode
from kernel.actor import ANYBODY, THE_CLOCK, THE_OPERATOR, Actor, ActorKind
from kernel.acts import SignedBytes
from kernel.refusals import Busy, KeyReused, NotInThisZone, Refusal
from kernel.tables import Officer
from supervision.acts import TurnLights
from tests.ferry.pair import Killed
from tests.ferry.zones.zoned import CROSSING
from tests.mobile_api.stage import CLERK, HANDLER, ITEM, STAGE

WITHDRAWN = Withdraw(case="X", password="000000")


def application(**changes) -> FileApplication:
    given = {
        "item": ITEM,
        "stage": STAGE,
        "applicant_name": "衡江建设有限公司",
        "applicant_id_number": "91430400MA4L000000",
        "applicant_phone": "13800000001",
        "materials": (MaterialGiven(name="申请表"),),
        "channel": Channel.ONLINE,
    }
    return FileApplication(**{**given, **changes})


def asked(wish, **changes) -> ActAsked:
    tag = str(type(wish).__struct_config__.tag)
    given = {
        "tag": tag,
        "act": json.dumps(msgspec.to_builtins(wish)),
        "kind": ActorKind.ANONYMOUS,
        "actor": "anonymous",
    }
    return ActAsked(**{**given, **changes})


async def filed(zoned, key: str = "app:filing-1") -> FiledView:
    await zoned.outside(application(), ANYBODY, key=key)
    await zoned.crosses()
    view = await zoned.outside(application(), ANYBODY, key=key)
    assert isinstance(view, FiledView), view
    return view


# ----------------------------------------------------------------------------------------------------- what comes back
async def test_an_act_is_pending_and_its_repetition_gets_what_came_of_it(zoned):
    assert isinstance(await zoned.outside(application(), ANYBODY, key="app:filing-1"), Pending)
    assert isinstance(await zoned.outside(application(), ANYBODY, key="app:filing-1"), Pending)
    assert await zoned.cases() == 0
    await zoned.crosses()
    view = await zoned.outside(application(), ANYBODY, key="app:filing-1")
    assert isinstance(view, FiledView), view
    assert await zoned.outside(application(), ANYBODY, key="app:filing-1") == view
    assert await zoned.arrived() == [("case.file", "DONE")]
    assert await zoned.cases() == 1
    # The password that the door shows is the inner zone's.
    shown = query_password(zoned.outer.desk.secrets, view.number)
    assert shown == query_password(zoned.inner.secrets, view.number)


async def test_who_waits_is_answered_when_the_ferry_brings_it(zoned):
    zoned.answer_in(30)
    waiting = asyncio.create_task(zoned.outside(application(), ANYBODY, key="app:filing-1"))
    await asyncio.sleep(0)
    for _ in range(20):
        await zoned.step()
        zoned.relay.bells.arrived.ring()
        await asyncio.sleep(0)
    assert isinstance(await asyncio.wait_for(waiting, 25), FiledView)


async def test_two_who_press_the_same_button_at_once_are_one(zoned):
    both = [zoned.outside(application(), ANYBODY, key="app:filing-1") for _ in range(2)]
    assert [type(outcome) for outcome in await asyncio.gather(*both)] == [Pending, Pending]
    await zoned.crosses()
    assert await zoned.arrived() == [("case.file", "DONE")]


async def test_a_refusal_comes_back_with_its_code_and_details_and_the_next_repetition_is_a_new_attempt(zoned):
    wrong = application(item="ZJ-XK-999")
    assert isinstance(await zoned.outside(wrong, ANYBODY, key="app:filing-1"), Pending)
    await zoned.crosses()
    refused = await zoned.outside(wrong, ANYBODY, key="app:filing-1")
    with zoned.pair.inner.here():
        assert refused == await zoned.inner.office.perform(wrong, ANYBODY, key="another")
    assert isinstance(await zoned.outside(wrong, ANYBODY, key="app:filing-1"), Pending)
    await zoned.crosses()
    assert await zoned.outside(wrong, ANYBODY, key="app:filing-1") == refused


async def test_a_key_that_was_used_for_another_act_is_refused(zoned):
    await zoned.outside(application(), ANYBODY, key="app:filing-1")
    assert isinstance(await zoned.outside(application(applicant_name="乙"), ANYBODY, key="app:filing-1"), KeyReused)
    await zoned.crosses()
    assert isinstance(await zoned.outside(application(applicant_name="乙"), ANYBODY, key="app:filing-1"), KeyReused)


async def test_an_act_without_a_key_is_the_same_until_somebody_was_told(zoned):
    ask = QueryProgress(number="ZJ0001", password="000000")
    for _ in range(3):
        assert isinstance(await zoned.outside(ask, ANYBODY), Pending)
    await zoned.crosses()
    assert (await zoned.outside(ask, ANYBODY)).code == "UNKNOWN_NUMBER"
    assert isinstance(await zoned.outside(ask, ANYBODY), Pending)
    await zoned.crosses()
    zoned.pair.clock.advance(timedelta(minutes=2))
    assert isinstance(await zoned.outside(ask, ANYBODY), Pending)
    assert len(await zoned.arrived()) == 2


async def test_what_the_inner_zone_remembers_counts_after_the_outer_one_has_forgotten(zoned):
    view = await filed(zoned)
    with zoned.pair.outer.here():
        await zoned.pair.outer.database.execute("DELETE FROM relayed_act")
    assert await filed(zoned) == view
    assert await zoned.cases() == 1


async def test_an_inner_zone_restored_from_a_backup_tells_what_it_made_of_the_act_this_time(zoned):
    first = await filed(zoned)
    for table in ("arrived_act", "performed_act"):  # as if it had never happened
        with zoned.pair.inner.here():
            await zoned.pair.inner.database.execute(f"DELETE FROM {table}")
    zoned._carried["outer"].clear()
    zoned.pair.clock.advance(timedelta(minutes=5))
    await zoned.step(2)
    again = await zoned.outside(application(), ANYBODY, key="app:filing-1")
    assert again.number == "202600000002" != first.number


async def test_an_act_of_the_system_is_not_performed_outside_and_no_such_act_crosses(zoned):
    assert isinstance(await zoned.outside(TurnLights(), THE_CLOCK), NotInThisZone)
    assert "supervision.turn_lights" not in CROSSING
    assert not any("ferry." in tag for tag in CROSSING if tag != "ferry.note_login")


async def test_a_record_that_the_other_side_could_not_apply_is_told_to_whoever_asks_again(zoned):
    assert isinstance(await zoned.outside(application(), ANYBODY, key="app:filing-1"), Pending)
    side, types = zoned.pair.outer, Registry(act_records("inner"))
    [row] = await side.rows("SELECT line FROM ferry_record WHERE rid LIKE 'act:%'")
    envelope = types.read(row["line"].encode(), Direction.INWARD)
    told = types.kind(envelope.type).told
    assert told is not None
    with side.here():
        async with side.database.transaction():
            await told(side.database, zoned.pair.clock.now(), envelope, "RECORD_MALFORMED")
    assert await zoned.outside(application(), ANYBODY, key="app:filing-1") == ActNotTaken(why="RECORD_MALFORMED")


async def test_what_is_over_is_forgotten_after_a_month_on_both_sides(zoned):
    await filed(zoned)
    assert isinstance(await zoned.outside(WITHDRAWN, ANYBODY, key="app:withdraw-1"), Pending)
    zoned.pair.clock.advance(timedelta(days=31))
    for half in (zoned.outer, zoned.inner):
        with half.side.here():
            await half.office.perform(ForgetRelayedActs(), THE_CLOCK, key=None)
    assert await zoned.pair.outer.rows("SELECT tag FROM relayed_act") == []  # the one without an outcome, too
    assert await zoned.arrived() == []


async def test_texts_are_cleaned_as_they_cross(zoned):
    await zoned.outside(application(applicant_name="衡江\u200b建设\t有限公司\x00"), ANYBODY, key="app:filing-1")
    await zoned.crosses()
    found = await zoned.pair.inner.rows("SELECT applicant_name FROM case_file")
    assert [row["applicant_name"] for row in found] == ["衡江建设 有限公司"]
    assert cleaned(["e\u0301", {"a": "一\r\n二"}]) == ["é", {"a": "一\n二"}]


async def test_files_cross_with_the_act_that_refers_to_them(zoned):
    await zoned.by_parcels()
    content = b"%PDF-1.7\n1 0 obj <</Type /Catalog>> endobj\ntrailer <</Root 1 0 R>>\n%%EOF\n"
    sha256 = hashlib.sha256(content).hexdigest()
    side = zoned.pair.outer
    path = side.files.path_of(sha256)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    await zoned.outside(KeepUpload(sha256=sha256, size=len(content), media_type="application/pdf"), ANYBODY)
    material = MaterialGiven(name="申请表", file_name="a.pdf", sha256=sha256)
    await zoned.outside(application(materials=(material,)), ANYBODY, key="app:filing-1")
    await zoned.crosses()
    assert isinstance(await zoned.outside(application(materials=(material,)), ANYBODY, key="app:filing-1"), FiledView)
    await zoned.step(5)
    assert zoned.pair.inner.files.path_of(sha256).read_bytes() == content
    with side.here():
        assert (await Upload.get(sha256=sha256)).kept


async def test_a_file_that_crossed_with_a_refused_act_is_there_for_the_next_one_days_later(zoned):
    sha256 = hashlib.sha256(b"paper").hexdigest()
    await zoned.outside(KeepUpload(sha256=sha256, size=5, media_type="application/pdf"), ANYBODY)
    papers = (MaterialGiven(name="申请表", file_name="a.pdf", sha256=sha256),)
    await zoned.outside(application(item="ZJ-XK-999", materials=papers), ANYBODY, key="app:filing-1")
    await zoned.crosses()
    assert (await zoned.outside(application(item="ZJ-XK-999", materials=papers), ANYBODY, key="app:filing-1")).code
    zoned.pair.clock.advance(timedelta(days=3))
    with zoned.pair.inner.here():
        await zoned.inner.office.perform(CollectUploads(), THE_CLOCK, key=None)
        assert (await Upload.get(sha256=sha256)).kept


def test_of_the_passwords_that_came_back_the_newest_are_in_memory(monkeypatch):
    monkeypatch.setattr(relaying, "MOST_CARRIED", 2)
    secrets = CarriedSecrets(b"o" * 32)
    for number in ("1", "2", "3"):
        secrets.carry(number, f"00000{number}")
    shown = [secrets.derived_code("query", number, 6) for number in ("1", "2", "3")]
    assert shown[1:] == ["000002", "000003"]
    assert shown[0] != "000001"


# ------------------------------------------------------------------------------------------------------ once, for all
async def test_whoever_dies_at_any_point_inside_performs_it_exactly_once(zoned):
    alive = zoned.performer
    for number, point in enumerate(("after claim", "after act", "before answer commit")):

        def dies(here: str, point: str = point) -> None:
            if here == point:
                raise Killed(here)

        key = f"app:filing-{number}"
        await zoned.outside(application(), ANYBODY, key=key)
        zoned.performer = zoned.another_performer()
        zoned.performer._reach = dies
        with pytest.raises(Killed):
            await zoned.step(10)
        zoned.performer = alive
        zoned.pair.clock.advance(timedelta(seconds=20))
        await zoned.crosses()
        assert isinstance(await zoned.outside(application(), ANYBODY, key=key), FiledView)
        assert await zoned.cases() == number + 1
    assert await zoned.arrived() == [("case.file", "DONE")] * 3


async def test_an_act_that_kills_the_process_is_given_up_and_told(zoned):
    def dies(here: str) -> None:
        raise Killed(here)

    await zoned.outside(application(), ANYBODY, key="app:filing-1")
    alive, zoned.performer = zoned.performer, zoned.another_performer()
    zoned.performer._reach = dies
    for _ in range(3):
        with pytest.raises(Killed):
            await zoned.step(10)
        zoned.pair.clock.advance(timedelta(minutes=10))
    zoned.performer = alive
    await zoned.crosses()
    assert (await zoned.outside(application(), ANYBODY, key="app:filing-1")).code == "ACT_FAILED"


async def test_whoever_dies_once_at_every_point_of_the_ferry_has_it_performed_once(zoned):
    await zoned.by_parcels()
    died = set()

    def once(side):
        def dies(here: str) -> bool:
            is_first = (side.own, here) not in died
            died.add((side.own, here))
            return is_first

        return dies

    for side in zoned.pair.sides:
        side.dies = once(side)
    await zoned.outside(application(), ANYBODY, key="app:filing-1")
    await zoned.crosses()
    assert {("outer", "after commit A"), ("inner", "before apply commit"), ("outer", "before apply commit")} <= died
    assert isinstance(await zoned.outside(application(), ANYBODY, key="app:filing-1"), FiledView)
    assert await zoned.cases() == 1


# --------------------------------------------------------------------------------------------------------- who may ask
async def officer_outside(zoned, officer: str) -> tuple[Actor, ec.EllipticCurvePrivateKey]:
    """Logged in outside with the certificate that the inner zone issued."""
    key, certificate = await zoned.certified(officer)
    await zoned.mirrored(officer)
    challenge = await zoned.outside(BeginLogin(certificate=certificate), ANYBODY)
    signature = sign_es256(key, challenge.payload)
    session = await zoned.outside(FinishLogin(nonce=challenge.nonce, signature=signature), ANYBODY)
    assert isinstance(session, SessionView), session
    with zoned.pair.outer.here():
        return officer_actor(await Officer.get(id=officer)), key


@pytest.fixture
async def clerk(zoned):
    view = await filed(zoned)
    actor, key = await officer_outside(zoned, CLERK)
    given: dict[str, Any] = {
        "case": view.number,
        "revision": 1,
        "step": "accept",
        "decision": Decision.ACCEPT,
        "opinion": "予以受理。",
    }
    await zoned.outside(PrepareDecision(**given), actor)
    await zoned.crosses()
    request = await zoned.outside(PrepareDecision(**given), actor)
    assert not isinstance(request, Refusal), request
    return actor, key, Decide(**given), request


async def test_an_officer_decides_from_outside_with_a_signature_that_is_verified_inside(zoned, clerk):
    actor, device, act, request = clerk
    proof = SignedBytes(nonce=request.nonce, signature=sign_es256(device, request.payload))
    assert isinstance(await zoned.outside(act, actor, key="app:decide-1", proof=proof), Pending)
    await zoned.crosses()
    view = await zoned.outside(act, actor, key="app:decide-1", proof=proof)
    assert not isinstance(view, Refusal), view
    assert view.revision == 2
    assert (await zoned.pair.inner.rows("SELECT officer_id FROM signature"))[0]["officer_id"] == CLERK


async def test_a_signature_that_was_changed_outside_is_refused_inside(zoned, clerk):
    actor, device, act, request = clerk
    forged = SignedBytes(nonce=request.nonce, signature=sign_es256(device, request.payload + b" "))
    await zoned.outside(act, actor, key="app:decide-1", proof=forged)
    await zoned.crosses()
    assert (await zoned.outside(act, actor, key="app:decide-1", proof=forged)).code == "SIGNATURE_INVALID"
    without = await zoned.outside(act, actor, key="app:decide-2")
    await zoned.crosses()
    assert (await zoned.outside(act, actor, key="app:decide-2")).code == "ASSURANCE_TOO_LOW", without
    other = msgspec.structs.replace(act, decision=Decision.REFUSE_ACCEPTANCE)
    proof = SignedBytes(nonce=request.nonce, signature=sign_es256(device, request.payload))
    await zoned.outside(other, actor, key="app:decide-3", proof=proof)
    await zoned.crosses()
    assert isinstance(await zoned.outside(other, actor, key="app:decide-3", proof=proof), Refusal)
    assert (await zoned.pair.inner.rows("SELECT revision FROM case_file"))[0]["revision"] == 1


async def test_nobody_is_an_officer_without_a_login_whose_signature_the_inner_zone_verified(zoned):
    view = await filed(zoned)
    with zoned.pair.inner.here():
        officer = officer_actor(await Officer.get(id=CLERK))
    act = PrepareDecision(case=view.number, revision=1, step="accept", decision=Decision.ACCEPT, opinion="予以受理。")
    await zoned.outside(act, officer)
    await zoned.crosses()
    assert (await zoned.outside(act, officer)).code == "ACTOR_MAY_NOT_CROSS"
    (noted,) = await zoned.refusals()
    assert (noted["ferry"], noted["actor"], noted["why"]) == ("outer", f"officer:{CLERK}", "没有有效登录")


async def test_a_login_that_was_recorded_is_worth_nothing_when_it_is_shown_again(zoned, clerk):
    assert clerk
    [row] = await zoned.pair.outer.rows("SELECT line FROM ferry_record WHERE rid LIKE 'login:%'")
    note = msgspec.json.decode(msgspec.json.decode(row["line"])["body"]["act"], type=NoteLogin)
    codes = []
    for number, later in enumerate((timedelta(0), timedelta(days=2))):
        zoned.pair.clock.advance(later)
        with zoned.pair.inner.here():
            await zoned.inner.office.perform(PruneRequests(), THE_CLOCK, key=None)
        await zoned.forged(asked(note), rid=f"login:again-{number}")
        await zoned.step(2)
        codes.append((await zoned.arrived())[-1])
    assert codes == [("ferry.note_login", "LOGIN_CHALLENGE_USED"), ("ferry.note_login", "LOGIN_CHALLENGE_EXPIRED")]


@pytest.mark.parametrize(
    "expires_at",
    [
        "2126-11-22T00:00:00Z",  # a login that never ends: the act says that it was asked in 2126
        "2026-11-22T00:00:00",  # no instant
        "never",
    ],
)
async def test_a_challenge_as_the_inner_zone_would_not_make_it_is_no_login(zoned, expires_at):
    key, certificate = await zoned.certified(CLERK)
    fingerprint = hashlib.sha256(certificate).hexdigest()
    said = {"aud": zoned.inner.authority.settings.audience, "certificate": fingerprint, "expires_at": expires_at,
            "nonce": "n"}  # fmt: skip
    challenge = PREFIX + json.dumps(said).encode()
    note = NoteLogin(certificate=fingerprint, challenge=challenge, signature=sign_es256(key, challenge))
    await zoned.forged(asked(note), rid="login:n")
    await zoned.step(2)
    assert await zoned.arrived() == [("ferry.note_login", "LOGIN_CHALLENGE_UNKNOWN")]


async def test_an_applicant_logs_in_outside_and_is_known_inside_by_the_phone(zoned):
    view = await filed(zoned)
    with zoned.pair.outer.here():
        await zoned.outer.office.perform(RequestLoginCode(phone="13800000001"), ANYBODY, key="app:code-0001")
        row = await LoginCode.get()
        code = login_code(zoned.outer.desk.secrets, row)
        session = await zoned.outer.office.perform(
            LogInByCode(phone="13800000001", code=code), ANYBODY, key="app:code-0002"
        )
        assert isinstance(session, ApplicantSession)
        applicant = await applicant_behind(session.applicant)
    assert isinstance(await zoned.outside(QueryProgress(number=view.number), applicant), Pending)
    await zoned.crosses()
    assert (await zoned.outside(QueryProgress(number=view.number), applicant)).number == view.number
    # Nobody else, without the password.
    await zoned.outside(QueryProgress(number=view.number), ANYBODY)
    await zoned.crosses()
    assert (await zoned.outside(QueryProgress(number=view.number), ANYBODY)).code == "QUERY_PASSWORD_NEEDED"


async def test_what_fills_the_table_is_refused(zoned, monkeypatch):
    monkeypatch.setattr(turns, "MOST_OUTSIDE", 2)
    for number in range(2):
        assert isinstance(await zoned.outside(WITHDRAWN, ANYBODY, key=f"app:many-{number}"), Pending)
    assert isinstance(await zoned.outside(WITHDRAWN, ANYBODY, key="app:many-2"), Busy)
    assert isinstance(await zoned.outside(WITHDRAWN, ANYBODY, key="app:many-1"), Pending)
    await zoned.crosses()
    assert isinstance(await zoned.outside(WITHDRAWN, ANYBODY, key="app:many-2"), Pending)


async def test_a_login_is_over_when_its_token_is(zoned, clerk):
    actor, _, act, _ = clerk
    zoned.pair.clock.advance(timedelta(minutes=20))
    await zoned.outside(act, actor, key="app:decide-9")
    await zoned.crosses()
    assert (await zoned.outside(act, actor, key="app:decide-9")).code == "ACTOR_MAY_NOT_CROSS"


NOT_BELIEVED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"kind": ActorKind.SYSTEM, "actor": "clock"}, "system"),
    ({"kind": ActorKind.SYSTEM, "actor": "operator", "assurance": 40}, "system"),
    ({"kind": ActorKind.OFFICER, "actor": "OFF-9999"}, "不在职"),
    ({"kind": ActorKind.OFFICER, "actor": HANDLER, "roles": ("supervision_leader",)}, "角色不符"),
    ({"kind": ActorKind.OFFICER, "actor": HANDLER, "roles": ("no_such_role",)}, "角色不符"),
    ({"kind": ActorKind.OFFICER, "actor": HANDLER}, "没有有效登录"),
    ({"kind": ActorKind.APPLICANT, "actor": "AP1"}, "applicant"),
)


async def test_who_may_not_ask_from_outside_is_refused_and_recorded(zoned):
    for number, (changes, _) in enumerate(NOT_BELIEVED):
        await zoned.forged(asked(WITHDRAWN, **changes), rid=f"act:{number}")
    await zoned.step(4)
    # The login of the one who has none may still be on its way.
    assert (await zoned.arrived()).count(("case.withdraw", "")) == 1
    await zoned.step(20)
    assert await zoned.arrived() == [("case.withdraw", "ACTOR_MAY_NOT_CROSS")] * len(NOT_BELIEVED)
    noted = {noted["record"]: noted["why"] for noted in await zoned.refusals()}
    assert noted == {f"act:{number}": why for number, (_, why) in enumerate(NOT_BELIEVED)}


async def test_whose_login_may_still_come_is_told_by_its_kind_and_not_by_its_sentence(zoned, monkeypatch):
    async def says_the_same(*_):
        raise ActorMayNotCross(**NotLoggedIn().details)

    monkeypatch.setattr(performing, "logged_in", says_the_same)
    await zoned.forged(asked(WITHDRAWN, kind=ActorKind.OFFICER, actor=HANDLER), rid="act:1")
    await zoned.step()
    assert await zoned.arrived() == [("case.withdraw", NotLoggedIn.code)]


UNREADABLE = (
    ("case.teleport", "{}", "ACT_UNKNOWN"),  # of a newer version
    ("case.withdraw", '{"act":"case.withdraw","case":"X","password":"1","newer":1}', "ACT_UNKNOWN"),
    ("supervision.turn_lights", '{"act":"supervision.turn_lights"}', "ACT_UNKNOWN"),  # the system's
    ("case.withdraw", '{"act":"case.file"}', "INVALID"),
    ("case.withdraw", "not JSON", "INVALID"),
    ("case.withdraw", '{"act":"case.withdraw","case":"\\u202eX","password":"1"}', "INVALID"),
)


async def test_what_the_inner_zone_cannot_read_is_refused_clearly(zoned):
    for number, (tag, act, _) in enumerate(UNREADABLE):
        await zoned.forged(asked(WITHDRAWN, tag=tag, act=act), rid=f"act:{number}")
    await zoned.step(4)
    assert await zoned.arrived() == [(tag, code) for tag, _, code in UNREADABLE]
    assert [noted["code"] for noted in await zoned.refusals()] == [code for _, _, code in UNREADABLE]


def test_a_record_out_of_shape_is_refused_by_the_whitelist():
    types = Registry(act_records("inner"))
    line = msgspec.json.encode(
        {"at": "2026-09-18T01:00:00Z", "body": msgspec.to_builtins(asked(WITHDRAWN)), "key": "x",
         "rid": "act:1", "type": "act.do"},
        order="sorted",
    )  # fmt: skip
    assert types.read(line, Direction.INWARD).rid == "act:1"
    with pytest.raises(RecordRefused):
        types.read(line, Direction.OUTWARD)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, len(line) - 1), st.binary(min_size=0, max_size=3), st.integers(0, 4))
    def fuzz(place: int, octets: bytes, gone: int) -> None:
        changed = line[:place] + octets + line[place + gone :]
        try:
            read = types.read(changed, Direction.INWARD)
        except RecordRefused:
            return
        # Whatever passes is an act that somebody could have asked for.
        assert isinstance(read.body, ActAsked)

    fuzz()


# ------------------------------------------------------------------------------------------ good when it was asked
async def revoked(zoned, _: Actor) -> None:
    (row,) = await IssuedCertificate.filter(holder=CLERK)
    act = RevokeCertificate(serial=row.serial, reason=RevocationReason.KEY_COMPROMISE)
    assert not isinstance(await zoned.inner.office.perform(act, THE_OPERATOR, key=None), Refusal)


async def deactivated(zoned, actor: Actor) -> None:
    await Officer.filter(id=actor.id).update(active=False)


@pytest.mark.parametrize(
    ("happens", "code", "why"), [(revoked, "CERTIFICATE_REVOKED", None), (deactivated, "ACTOR_MAY_NOT_CROSS", "不在职")]
)
async def test_what_was_signed_outside_before_and_comes_in_after_is_refused_with_the_reason(
    zoned, clerk, happens, code, why
):
    actor, device, act, request = clerk
    proof = SignedBytes(nonce=request.nonce, signature=sign_es256(device, request.payload))
    assert isinstance(await zoned.outside(act, actor, key="app:decide-1", proof=proof), Pending)
    with zoned.pair.inner.here():
        await happens(zoned, actor)
    await zoned.crosses()
    refused = await zoned.outside(act, actor, key="app:decide-1", proof=proof)
    assert (refused.code, refused.details.get("why")) == (code, why)
    assert (await zoned.pair.inner.rows("SELECT revision FROM case_file"))[0]["revision"] == 1
    assert [noted["code"] for noted in await zoned.refusals()] == [code]
