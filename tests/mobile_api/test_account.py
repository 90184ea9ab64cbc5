from datetime import timedelta

import pytest
from msgspec.structs import replace

from alerts.dispatch import Notice, Recipient, notify
from alerts.settings import AlertRules
from alerts.templates import TEMPLATES
from certs.encodings import b64u, spki_of
from kernel.actor import Role
from kernel.db import instant
from kernel.tables import Officer
from tests.certs.made import Ca
from tests.mobile_api.stage import CHIEF, HANDLER, RA, RA2, Phone, Stage
from tests.standing import stand_anew


async def requested(stage: Stage) -> tuple[Phone, dict]:
    phone = Phone(stage, HANDLER)
    opened = await stage.get(
        "RequestEnrolment",
        idempotencyKey="enrol-my-phone",
        officer=HANDLER,
        device="手机",
        publicKey=b64u(spki_of(phone.key.public_key())),
    )
    await stage.get(
        "SubmitCsr",
        idempotencyKey="prove-my-key",
        enrolment=opened["enrolment"],
        signature=phone.sign(opened["toSign"]),
    )
    return phone, opened


async def test_two_ra_operators_give_a_phone_its_certificate_and_it_logs_in(stage: Stage) -> None:
    phone, opened = await requested(stage)
    first, second = await stage.phone(RA), await stage.phone(RA2)
    (waiting,) = await stage.get("WaitingEnrolments", first.token)
    assert waiting["checkCode"] == opened["checkCode"]
    alone = await stage.get("ApproveEnrolment", first.token, idempotencyKey="approve-1", enrolment=opened["enrolment"])
    assert alone["code"] == "ENROLMENT_IDENTITY_UNCHECKED"
    await stage.get(
        "CheckIdentity",
        first.token,
        idempotencyKey="check-person",
        enrolment=opened["enrolment"],
        document="身份证原件",
    )
    approved = await stage.get(
        "ApproveEnrolment", second.token, idempotencyKey="approve-2", enrolment=opened["enrolment"]
    )
    assert approved["enrolment"]["state"] == "ISSUED"
    status = await stage.get("EnrolmentStatus", id=opened["enrolment"], pickup=opened["pickup"])
    assert len(status["chain"]) == 2
    phone.certificate = status["chain"][0]
    await phone.log_in()
    me = await stage.get("Me", phone.token)
    assert (me["id"], me["unitName"], me["roles"]) == (HANDLER, "衡江县住房和城乡建设局", [Role.HANDLER.name])


async def test_officers_see_what_did_not_reach_them_by_text_and_their_second_number(stage: Stage) -> None:
    handler, chief = await stage.phone(HANDLER), await stage.phone(CHIEF)
    officer = await Officer.get(id=HANDLER)
    await Officer.filter(id=HANDLER).update(second_phone="13900099999")
    words = {"no": "202600000001", "item": "许可", "over": "1", "dept": "住建局", "limit": "9月20日", "dbno": "一号"}
    notice = Notice(key="red", template=TEMPLATES["T03"], to=Recipient(phone=officer.phone), variables=words)
    rules = AlertRules(signature="衡江政务服务", service_phone="07348123456")
    async with stage.database.transaction():
        await notify(stage.database, [replace(notice, case_number="202600000001")], rules=rules, now=stage.clock.now())
    assert (await stage.get("Me", handler.token))["undelivered"] == []
    await stage.database.execute("UPDATE message SET state = 'dead'")
    await stand_anew(stage.database)
    me = await stage.get("Me", handler.token)
    assert me["secondPhone"] == "13900099999"
    [text] = me["undelivered"]
    assert (text["title"], text["caseNumber"]) == ("红灯督办", "202600000001")
    assert text["text"].startswith("超期督办（红灯）：202600000001")
    assert (await stage.get("Me", chief.token))["undelivered"] == []


async def test_the_pickup_secret_is_needed_to_see_an_enrolment(stage: Stage) -> None:
    _, opened = await requested(stage)
    answer = await stage.ask("EnrolmentStatus", id=opened["enrolment"], pickup="guess")
    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.feature("TRUST-02")
async def test_login_by_challenge_and_a_revoked_device_is_out_within_a_minute(stage: Stage) -> None:
    phone = await stage.phone(CHIEF)
    assert (await stage.get("Me", phone.token))["id"] == CHIEF
    (row,) = await stage.database.rows("SELECT serial FROM certificate WHERE holder = $1", CHIEF)
    ra = await stage.phone(RA)
    await stage.get(
        "RevokeCertificate", ra.token, idempotencyKey="lost-phone", serial=row["serial"], reason="KEY_COMPROMISE"
    )
    stage.clock.advance(stage.authority.settings.status_life)
    response = await stage.post({"query": "{ me { id } }"}, phone.token)
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (401, "CERTIFICATE_REVOKED")
    refused = await stage.get("BeginLogin", certificate=phone.certificate)
    assert refused["code"] == "CERTIFICATE_REVOKED"


@pytest.mark.feature("TRUST-02")
async def test_an_expired_certificate_opens_no_session_and_ends_the_one_that_is_open(stage: Stage) -> None:
    phone = await stage.phone(CHIEF)
    (row,) = await stage.database.rows("SELECT serial, not_after FROM certificate WHERE holder = $1", CHIEF)
    end = instant(row["not_after"])
    assert end is not None
    stage.clock.set(end - timedelta(seconds=30))
    await phone.log_in()
    challenge = await stage.get("BeginLogin", certificate=phone.certificate)
    stage.clock.set(end + timedelta(seconds=1))
    response = await stage.post({"query": "{ me { id } }"}, phone.token)
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (401, "TOKEN_EXPIRED")
    for named in ({"certificate": phone.certificate}, {"serial": row["serial"]}):
        assert (await stage.get("BeginLogin", **named))["code"] == "CERTIFICATE_EXPIRED"
    late = await stage.get("FinishLogin", nonce=challenge["nonce"], signature=phone.sign(challenge["payload"]))
    assert late["code"] == "CERTIFICATE_EXPIRED"


@pytest.mark.feature("TRUST-02")
async def test_a_certificate_of_another_authority_opens_no_session(stage: Stage) -> None:
    phone = await stage.phone(CHIEF)
    foreign, impostor = Ca("别处的 CA"), _our_name_and_foreign_keys(stage)
    of_the_same_key = impostor.leaf(phone.key.public_key())
    for certificate in (foreign.leaf(), impostor.leaf(), of_the_same_key):
        refused = await stage.get("BeginLogin", certificate=b64u(certificate))
        assert refused["code"] == "CERTIFICATE_UNKNOWN_ISSUER"
    assert (await stage.get("BeginLogin", serial="1234"))["code"] == "CERTIFICATE_UNKNOWN_ISSUER"
    assert (await stage.get("BeginLogin", certificate="AAAA"))["code"] == "CERTIFICATE_MALFORMED"


@pytest.mark.feature("TRUST-02")
async def test_another_phones_key_does_not_answer_for_a_certificate(stage: Stage) -> None:
    mine, yours = await stage.phone(CHIEF), await stage.phone(HANDLER)
    challenge = await stage.get("BeginLogin", certificate=mine.certificate)
    answer = await stage.get("FinishLogin", nonce=challenge["nonce"], signature=yours.sign(challenge["payload"]))
    assert answer["code"] == "SIGNATURE_INVALID"


def _our_name_and_foreign_keys(stage: Stage) -> Ca:
    impostor = Ca()
    impostor.name = stage.authority.issuing.subject
    return impostor


async def test_a_login_retried_after_a_cut_connection_still_succeeds(stage: Stage) -> None:
    phone = await stage.phone(HANDLER)
    challenge = await stage.get("BeginLogin", certificate=phone.certificate)
    sent = {"nonce": challenge["nonce"], "signature": phone.sign(challenge["payload"])}
    first, again = await stage.get("FinishLogin", **sent), await stage.get("FinishLogin", **sent)
    for session in (first, again):
        assert (await stage.get("Me", session["token"]))["id"] == HANDLER


async def test_nobody_is_nobody(stage: Stage) -> None:
    assert await stage.get("Me") is None
