"""The mailer: the same queue, another channel. Off unless a mail server is named (AlertRules.mail).

Holds SMTP (RFC 5321) through aiosmtplib. A mail that a server took is `submitted`, and that is its end: nobody sends
receipts. Limits: one mail at a time on a connection of its own; a mail may come twice after a cut connection, which
its Message-ID lets a mailbox notice.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib
from msgspec import Struct

from alerts.outgoing import Channel, Outgoing, claim, recover
from alerts.settling import Outcome, Report, record
from kernel.clock import Clock
from kernel.db import Database

log = logging.getLogger(__name__)

_CARRIER = "mail"
#: A server that is down comes back within hours; after the last wait a person must look.
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))


class MailServer(Struct, frozen=True, kw_only=True):
    host: str
    port: int = 587
    sender: str
    username: str = ""
    password: str = ""
    start_tls: bool = True
    #: Below the lease of a claim, with room for connecting.
    timeout_s: float = 20.0

    def __repr__(self) -> str:
        return f"MailServer({self.host}:{self.port})"


class Mailer:
    def __init__(self, database: Database, clock: Clock, server: MailServer, *, poll_s: float = 2.0) -> None:
        self._database, self._clock, self._server, self._poll_s = database, clock, server, poll_s
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        while not self._stopped.is_set():
            sent = await self.send_next()
            with suppress(TimeoutError):
                async with asyncio.timeout(0 if sent else self._poll_s):
                    await self._stopped.wait()

    def stop(self) -> None:
        """Ends `run` after the mail it is at."""
        self._stopped.set()

    async def send_next(self) -> bool:
        """Sends one mail, if one is due."""
        await recover(self._database, now=self._clock.now(), channel=Channel.MAIL)
        claimed = await claim(self._database, now=self._clock.now(), limit=1, channel=Channel.MAIL, carrier=_CARRIER)
        for mail in claimed:
            report = await self._send(mail)
            await record(self._database, now=self._clock.now(), carrier=_CARRIER, reports=[report])
        return bool(claimed)

    async def _send(self, mail: Outgoing) -> Report:
        server = self._server
        try:
            await aiosmtplib.send(
                _message(mail, server.sender, self._clock.now()),
                hostname=server.host,
                port=server.port,
                username=server.username or None,
                password=server.password or None,
                start_tls=server.start_tls,
                timeout=server.timeout_s,
            )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return _after(mail, max(each.code for each in refused.recipients))
        except aiosmtplib.SMTPResponseException as refused:
            return _after(mail, refused.code)
        except (aiosmtplib.SMTPException, OSError) as error:
            return _again(mail, type(error).__name__)
        return Report(message=mail, outcome=Outcome.SUBMITTED)


def _message(mail: Outgoing, sender: str, now: datetime) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, mail.to, mail.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{mail.id}.zhangban@{sender.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: holiday answers are not wanted
    message.set_content(mail.body)
    return message


def _after(mail: Outgoing, reply: int) -> Report:
    """RFC 5321 §4.2.1: 5xx is for good, 4xx for now."""
    if reply >= 500:
        return Report(message=mail, outcome=Outcome.REFUSED, error=f"SMTP {reply}")
    return _again(mail, f"SMTP {reply}")


def _again(mail: Outgoing, error: str) -> Report:
    log.warning("mail %s could not be sent: %s", mail.id, error)
    if mail.attempts > len(RETRY_AFTER):
        return Report(message=mail, outcome=Outcome.GIVEN_UP, error=error)
    return Report(message=mail, outcome=Outcome.AGAIN, wait=RETRY_AFTER[mail.attempts - 1], error=error)
