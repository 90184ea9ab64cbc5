"""Two servers that share nothing but a folder: what is filed outside is performed inside, and the answer comes back."""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certs.acts import RequestEnrolment, SubmitCsr, ViewEnrolment
from certs.encodings import b64u, sign_es256, spki_of, unb64u
from server.desk import approve_at_the_desk, done, load_county
from tests.mobile_api.stage import CLERK, ITEM, OPERATIONS, STAGE
from tests.scenarios.server_process import Server, opened, serving, until
from tests.server.test_cli_ferry import installed, meet

APPLICATION = {
    "item": ITEM,
    "stage": STAGE,
    "applicantName": "衡江建设有限公司",
    "applicantIdNumber": "91430400MA4L000000",
    "applicantPhone": "13800000001",
    "materials": [{"name": "申请表"}],
}


@pytest.fixture
def zones(_shelf, tmp_path):
    with installed(_shelf, tmp_path) as made:
        meet(made)
        yield made


async def asked(url: str, name: str, token: str = "", **variables) -> dict:
    body = {"query": OPERATIONS[name].body, "operationName": name, "variables": variables}
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=url, timeout=60, headers=headers) as client:
        answer = (await client.post("/graphql", json=body)).json()
    assert "errors" not in answer, answer
    (field,) = answer["data"].values()
    return dict(field)


async def answered(url: str, name: str, token: str = "", **variables) -> dict:
    """As a phone does it: PENDING means to ask again with the same key."""
    async with asyncio.timeout(90):
        while (answer := await asked(url, name, token, **variables)).get("code") == "PENDING":
            pass
    return answer


async def logged_in(url: str, key: ec.EllipticCurvePrivateKey, certificate: bytes) -> str:
    """As soon as the certificate is mirrored."""
    async with asyncio.timeout(90):
        while (challenge := await asked(url, "BeginLogin", certificate=b64u(certificate)))["__typename"] == "Refusal":  # noqa: ASYNC110  no bell rings here
            await asyncio.sleep(0.2)
    signature = b64u(sign_es256(key, unb64u(challenge["payload"])))
    session = await asked(url, "FinishLogin", nonce=challenge["nonce"], signature=signature)
    assert session["__typename"] == "Session", session
    return str(session["token"])


async def prepared(system) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """The county, and the clerk's phone enrolled: its key and certificate."""
    await load_county(system)
    key = ec.generate_private_key(ec.SECP256R1())
    opened = await done(system, RequestEnrolment(officer=CLERK, device="手机", public_key=spki_of(key.public_key())))
    await done(system, SubmitCsr(enrolment=opened.enrolment, signature=sign_es256(key, opened.to_sign)))
    await approve_at_the_desk(system, opened.enrolment, document="身份证原件")
    view = await done(system, ViewEnrolment(enrolment=opened.enrolment, pickup=opened.pickup))
    return key, view.chain[0]


def files_of(server: Server) -> set[str]:
    """What the process has open."""
    folder = Path(f"/proc/{server.process.pid}/fd")
    return {os.readlink(each) for each in folder.iterdir() if each.exists() or each.is_symlink()}


def talks_to(server: Server) -> set[str]:
    """The ports its established connections lead to."""
    mine = {name.removeprefix("socket:[").removesuffix("]") for name in files_of(server) if name.startswith("socket:[")}
    rows = [line.split() for line in Path(f"/proc/{server.process.pid}/net/tcp").read_text().splitlines()[1:]]
    return {str(int(row[2].partition(":")[2], 16)) for row in rows if row[3] == "01" and row[9] in mine}


async def shows(database, number: str, status: str) -> bool:
    return bool(await database.rows("SELECT id FROM case_file WHERE number = $1 AND status = $2", number, status))


@pytest.mark.feature("HALL-02")
@pytest.mark.feature("FERRY-01")
def test_two_servers_that_share_a_folder_only_file_outside_and_perform_inside(zones):
    outer, inner = zones
    key, certificate = inner.does(prepared)

    async def run() -> None:
        async with AsyncExitStack() as stack:
            ferry = {"ZHANGBAN_FERRY__ANSWER_SECONDS": "3", "ZHANGBAN_FERRY__GATHER_MILLISECONDS": "20"}
            variables = {"ZHANGBAN_HTTP__PORT": "0", **ferry}
            starting = [serving(zone.box, **variables, **zone.environment) for zone in zones]
            outside, inside = await asyncio.gather(*(stack.enter_async_context(each) for each in starting))
            given: dict[str, Any] = {"idempotencyKey": "filing-0001", "application": APPLICATION}
            filed = await answered(outside.url, "FileApplication", **given)
            assert filed["__typename"] == "FiledPayload", (filed, outside.said, inside.said)
            assert await answered(outside.url, "FileApplication", **given) == filed
            wrong = {**APPLICATION, "item": "ZJ-XK-999"}
            refused = await answered(outside.url, "FileApplication", idempotencyKey="filing-0002", application=wrong)
            assert refused["__typename"] == "Refusal"
            # The password that was shown outside opens the case inside, where it was derived.
            known = await asked(inside.url, "Progress", number=filed["number"], password=filed["queryPassword"])
            assert known["__typename"] == "Progress", known
            asked_outside = {"number": filed["number"], "password": filed["queryPassword"]}
            told = await answered(outside.url, "Progress", **asked_outside)
            assert {**told, "asOf": ""} == {**known, "asOf": ""}
            # The clerk's phone is outside, too; what it signs is verified inside.
            token = await logged_in(outside.url, key, certificate)
            chosen = {
                "case": filed["number"], "revision": 1, "step": "accept", "decision": "REFUSE_ACCEPTANCE",
                "opinion": "不属于受理范围，不予受理。",
            }  # fmt: skip
            request = await answered(outside.url, "PrepareDecision", token, decision=chosen)
            assert request["__typename"] == "SigningPayload", request
            signed = {"nonce": request["nonce"], "signature": b64u(sign_es256(key, unb64u(request["payload"])))}
            given = {"idempotencyKey": "decide-0001", "decision": chosen, "signed": signed}
            decided = await answered(outside.url, "Decide", token, **given)
            assert decided.get("case", {}).get("status") == "NOT_ACCEPTED", decided
            told = await answered(outside.url, "Progress", **asked_outside)
            assert told["status"] == "不予受理", told
            async with httpx.AsyncClient(base_url=outside.url) as monitor:
                assert 'zhangban_ferry_heard_seconds{peer="inner"}' in (await monitor.get("/metrics")).text
            # What stands inside is mirrored outside, for whoever only looks.
            async with opened(outer.settings.database.url) as mirror:
                await until(lambda: shows(mirror, filed["number"], "not_accepted"), pause_s=0.1)
            # Neither has a file of the other open, nor speaks to it.
            for server, other, zone in ((outside, inside, inner), (inside, outside, outer)):
                theirs = (str(zone.folder), zone.settings.database.url.removeprefix("sqlite://"))
                assert not [name for name in files_of(server) if name.startswith(theirs)]
                assert other.url.rpartition(":")[2] not in talks_to(server)
            for server in (outside, inside):
                assert await server.stop() == 0
                assert "Traceback" not in server.said
                assert "a loop failed" not in server.said, server.said

    asyncio.run(run())
    assert inner.rows("SELECT COUNT(*) AS n FROM case_file")[0]["n"] == 1
    assert inner.rows("SELECT tag, outcome FROM arrived_act ORDER BY id LIMIT 1") == [
        {"tag": "case.file", "outcome": "DONE"}
    ]
