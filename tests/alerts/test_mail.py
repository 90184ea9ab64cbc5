"""Mail beside texts: one notice, both channels; a real mail server on the loopback."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from typing import Any

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from alerts.dispatch import Notice, Recipient, notify
from alerts.mail import RETRY_AFTER, Mailer, MailServer
from alerts.outgoing import Channel
from alerts.templates import TEMPLATES
from alerts.texts import Code
from tests.alerts.county import ALERT_RULES

WITH_MAIL = replace(ALERT_RULES, mail=True)
OFFICER = Recipient(phone="13900000001", email="wang@zj.example")


class Mailbox:
    """What arrived, and how the next mails are answered."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answers: list[str] = []
        self.connections = 0
        #: So many mails come at the same time, or none is taken.
        self.together = asyncio.Barrier(1)
        self.waited = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.answers and self.answers[0].startswith(("550", "450")):
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.waited < self.together.parties:
            self.waited += 1
            await self.together.wait()
        if self.answers:
            return self.answers.pop(0)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@asynccontextmanager
async def mail_server(box: Mailbox, *, username: str = "", password: str = "", ca_file: str = "", **smtp):
    loop = asyncio.get_running_loop()

    def connected() -> SMTP:
        box.connections += 1
        return SMTP(box, loop=loop, enable_SMTPUTF8=True, **smtp)

    server = await loop.create_server(connected, "127.0.0.1", 0)
    try:
        yield MailServer(
            host="127.0.0.1",
            port=server.sockets[0].getsockname()[1],
            sender="zhangban@hall.example",
            username=username,
            password=password,
            start_tls=bool(ca_file),
            ca_file=ca_file,
            timeout_s=60,
        )
    finally:
        server.close()
        await server.wait_closed()


async def say(queue, template="T08", *, rules=WITH_MAIL, to=OFFICER, key="1", **variables) -> int:
    words = {"cno": "衡监黄牌〔2026〕1号", "res": "维持", "deal": "请整改", "ev": "EV00000001", **variables}
    notice = Notice(key=f"{template}:{key}", template=TEMPLATES[template], to=to, variables=words)
    async with queue.database.transaction():
        return (await notify(queue.database, [notice], rules=rules, now=queue.clock.now())).new


@pytest.mark.feature("SMS-01")
async def test_one_notice_goes_out_as_a_text_and_as_a_mail(queue):
    assert await say(queue) == 2
    box = Mailbox()
    async with mail_server(box) as server:
        assert await Mailer(queue.database, queue.clock, server).send_due() == 1
    [mail] = box.mails
    [text] = await queue.claim()
    assert mail.get_content().strip() == text.body
    assert mail["Subject"] == "【衡江政务服务】申诉结果"
    assert mail["To"] == OFFICER.email
    assert text.to == OFFICER.phone
    assert await queue.states() == ["sending", "submitted"]


@pytest.mark.feature("SMS-01")
async def test_mail_can_be_off_and_the_text_goes_all_the_same(queue):
    assert await say(queue, rules=ALERT_RULES) == 1
    assert await queue.claim(channel=Channel.MAIL) == []
    assert len(await queue.claim()) == 1


async def test_somebody_without_an_address_gets_the_text_only(queue):
    assert await say(queue, to=Recipient(phone="13900000001")) == 1


async def test_a_code_never_goes_by_mail(queue):
    words = {"dept": "衡住建", "color": "黄", "no": "202600000001", "why": "超期", "exp": "10月24日09:00"}
    to = Recipient(phone="13900000001", email="wang@zj.example", until=queue.clock.now() + timedelta(hours=24))
    assert await say(queue, "T05", to=to, code=Code("card-reply", "1:n", 5), **words) == 1


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("550 no such user", "failed"),
        ("554 spam", "failed"),
        ("451 try later", "queued"),
        ("450 greylisted", "queued"),
    ],
)
async def test_what_a_mail_server_refuses(queue, answer, state):
    await say(queue)
    box = Mailbox()
    box.answers = [answer]
    async with mail_server(box) as server:
        await Mailer(queue.database, queue.clock, server).send_due()
    assert (await queue.states())[1] == state


async def test_a_mail_server_that_is_down_is_tried_again_for_hours_and_then_a_person_must_look(queue):
    await say(queue)
    async with mail_server(Mailbox()) as server:
        pass
    mailer = Mailer(queue.database, queue.clock, server)
    for wait in RETRY_AFTER:
        assert await mailer.send_due() == 1
        queue.clock.advance(wait)
    assert await mailer.send_due() == 1
    assert (await queue.states())[1] == "dead"


async def test_the_mailer_works_until_it_is_stopped(queue):
    box = Mailbox()
    async with mail_server(box) as server:
        mailer = Mailer(queue.database, queue.clock, server, poll_s=0.01)
        running = asyncio.create_task(mailer.run())
        await say(queue)
        async with asyncio.timeout(60):
            while not box.mails:  # noqa: ASYNC110  a mailbox has no bell
                await asyncio.sleep(0.01)
        mailer.stop()
        await running


async def mails(queue, count: int) -> None:
    for key in range(count):
        await say(queue, key=str(key))


async def test_mails_in_a_row_share_a_connection_and_a_refusal_between_them_stops_nobody(queue):
    await mails(queue, 3)
    box = Mailbox()
    box.answers = ["550 no such user"]
    async with mail_server(box) as server:
        assert await Mailer(queue.database, queue.clock, server).send_due() == 3
    assert box.connections == 1
    assert len(box.mails) == 2
    rows = await queue.database.rows("SELECT state FROM message WHERE channel = 'mail' ORDER BY id")
    assert [row["state"] for row in rows] == ["failed", "submitted", "submitted"]


async def test_several_connections_send_at_the_same_time_and_each_mail_once(queue):
    await mails(queue, 20)
    box = Mailbox()
    box.together = asyncio.Barrier(3)
    async with mail_server(box) as server:
        mailer = Mailer(queue.database, queue.clock, server, poll_s=0.01)
        running = asyncio.create_task(mailer.run())
        async with asyncio.timeout(60):
            while len(box.mails) < 20:  # noqa: ASYNC110  a mailbox has no bell
                await asyncio.sleep(0.01)
        mailer.stop()
        await running
    assert len({mail["Message-ID"] for mail in box.mails}) == len(box.mails) == 20


async def test_a_greylisted_mail_arrives_on_its_second_try(queue):
    await say(queue)
    box = Mailbox()
    box.answers = ["450 greylisted, come back in a minute"]
    async with mail_server(box) as server:
        mailer = Mailer(queue.database, queue.clock, server)
        assert await mailer.send_due() == 1
        assert box.mails == []
        queue.clock.advance(RETRY_AFTER[0])
        assert await mailer.send_due() == 1
    assert len(box.mails) == 1


async def test_over_starttls_a_mail_is_sent_only_to_a_server_with_a_trusted_certificate(queue, tmp_path):
    context, ca_file = certificate(tmp_path)
    await say(queue)
    box = Mailbox()
    async with mail_server(box, ca_file=ca_file, tls_context=context, require_starttls=True) as server:
        stranger = msgspec.structs.replace(server, ca_file="")
        await Mailer(queue.database, queue.clock, stranger).send_due()
        assert (await queue.states())[1] == "queued"
        queue.clock.advance(RETRY_AFTER[0])
        await Mailer(queue.database, queue.clock, server).send_due()
    assert len(box.mails) == 1
    assert (await queue.states())[1] == "submitted"


async def test_a_wrong_password_is_ours_to_mend_and_fails_no_mail(queue, tmp_path):
    context, ca_file = certificate(tmp_path)
    await say(queue)

    def check(server, session, envelope, mechanism, data):
        return AuthResult(success=data.password == b"right", handled=False)

    box = Mailbox()
    doors: dict[str, Any] = {"ca_file": ca_file, "tls_context": context, "authenticator": check, "auth_required": True}
    async with mail_server(box, username="hall", password="wrong", **doors) as server:
        await Mailer(queue.database, queue.clock, server).send_due()
        assert (await queue.states())[1] == "queued"
        queue.clock.advance(RETRY_AFTER[0])
        mended = msgspec.structs.replace(server, password="right")
        await Mailer(queue.database, queue.clock, mended).send_due()
    assert len(box.mails) == 1


def certificate(folder) -> tuple[ssl.SSLContext, str]:
    """A server's certificate for 127.0.0.1, and the file that says to trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.hall.example")])
    now = datetime.now(UTC)  # noqa: TID251  TLS looks at the machine's clock
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "mail.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, str(pem)


def test_a_mail_servers_password_is_never_shown():
    assert "hush" not in repr(MailServer(host="h", sender="a@b", password="hush"))
