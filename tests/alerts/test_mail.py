"""Mail beside texts: one notice, both channels; a real mail server on the loopback."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import SMTP

from alerts.dispatch import Notice, Recipient, notify
from alerts.mail import RETRY_AFTER, Mailer, MailServer
from alerts.outgoing import Channel
from alerts.texts import TEMPLATES, Code
from tests.alerts.county import ALERT_RULES

WITH_MAIL = replace(ALERT_RULES, mail=True)
OFFICER = Recipient(phone="13900000001", email="wang@zj.example")


class Mailbox:
    """What arrived, and how the next mails are answered."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answers: list[str] = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.answers and self.answers[0].startswith("550"):
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.answers:
            return self.answers.pop(0)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@asynccontextmanager
async def mail_server(box: Mailbox):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, loop=loop, enable_SMTPUTF8=True), "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield MailServer(host="127.0.0.1", port=port, sender="zhangban@hall.example", start_tls=False, timeout_s=60)
    finally:
        server.close()
        await server.wait_closed()


async def say(queue, template="T08", *, rules=WITH_MAIL, to=OFFICER, **variables) -> int:
    words = {"cno": "衡监黄牌〔2026〕1号", "res": "维持", "deal": "请整改", "ev": "EV00000001", **variables}
    notice = Notice(key=f"{template}:1", template=TEMPLATES[template], to=to, variables=words)
    async with queue.database.transaction():
        return (await notify(queue.database, [notice], rules=rules, now=queue.clock.now())).new


@pytest.mark.feature("SMS-01")
async def test_one_notice_goes_out_as_a_text_and_as_a_mail(queue):
    assert await say(queue) == 2
    box = Mailbox()
    async with mail_server(box) as server:
        assert await Mailer(queue.database, queue.clock, server).send_next()
    [mail] = box.mails
    [text] = await queue.claim()
    assert mail.get_content().strip() == text.body
    assert mail["Subject"] == "申诉结果"
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
    ("answer", "state"), [("550 no such user", "failed"), ("554 spam", "failed"), ("451 try later", "queued")]
)
async def test_what_a_mail_server_refuses(queue, answer, state):
    await say(queue)
    box = Mailbox()
    box.answers = [answer]
    async with mail_server(box) as server:
        await Mailer(queue.database, queue.clock, server).send_next()
    assert (await queue.states())[1] == state


async def test_a_mail_server_that_is_down_is_tried_again_for_hours_and_then_a_person_must_look(queue):
    await say(queue)
    async with mail_server(Mailbox()) as server:
        pass
    mailer = Mailer(queue.database, queue.clock, server)
    for wait in RETRY_AFTER:
        assert await mailer.send_next()
        assert not await mailer.send_next()
        queue.clock.advance(wait)
    assert await mailer.send_next()
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


def test_a_mail_servers_password_is_never_shown():
    assert "hush" not in repr(MailServer(host="h", sender="a@b", password="hush"))
