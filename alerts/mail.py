"""The mailer: the same queue, another channel. Off unless a mail server is named (AlertRules.mail).

Holds SMTP (RFC 5321) through aiosmtplib: a few connections, each kept open while there are mails and closed when there
are none. A mail that a server took is `submitted`, and that is its end: nobody sends receipts. Whatever concerns the
account or the sender is ours to mend, so it is tried again; only what a server says of the recipient or of the mail
itself is for good.
Limits: a mail may come twice after a cut connection, which its Message-ID lets a mailbox notice.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib
from msgspec import Struct

from alerts.outgoing import LEASE, Channel, Outgoing, claim, recover
from alerts.settling import Outcome, Report, record
from kernel.clock import Clock
from kernel.db import Database

log = logging.getLogger(__name__)

_CARRIER = "mail"
#: Greylisting ends within minutes, and a server that is down comes back within hours; then a person must look.
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))
#: Speaks TLS from the first octet (RFC 8314).
_TLS_PORT = 465
#: Connecting and all: before the lease of a claim ends and somebody else sends the mail.
_LONGEST_S = LEASE.total_seconds() * 3 / 4


class MailServer(Struct, frozen=True, kw_only=True):
    host: str
    port: int = 587
    sender: str
    username: str = ""
    password: str = ""
    start_tls: bool = True
    #: Certificates to trust instead of the system's, for a server of one's own.
    ca_file: str = ""
    #: For one answer.
    timeout_s: float = 20.0
    #: Few: servers count connections of one client.
    connections: int = 3

    def __repr__(self) -> str:
        return f"MailServer({self.host}:{self.port})"


class Mailer:
    def __init__(self, database: Database, clock: Clock, server: MailServer, *, poll_s: float = 2.0) -> None:
        self._database, self._clock, self._server, self._poll_s = database, clock, server, poll_s
        self._stopped = asyncio.Event()
        #: Claimed by us and not yet recorded.
        self._held: set[int] = set()

    async def run(self) -> None:
        """Until `stop`: each connection takes the next mail when it is done with one."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._server.connections):
                group.create_task(self._work())

    def stop(self) -> None:
        """Ends `run` after the mails it is at."""
        self._stopped.set()

    async def send_due(self) -> int:
        """Sends every mail that is due, one after another on one connection; returns how many."""
        connection, sent = self._connection(), 0
        try:
            while await self._send_next(connection):
                sent += 1
        finally:
            await _leave(connection)
        return sent

    async def _work(self) -> None:
        while not self._stopped.is_set():
            await recover(self._database, now=self._clock.now(), channel=Channel.MAIL, held=self._held)
            await self._send_until_stopped()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._stopped.wait()

    async def _send_until_stopped(self) -> None:
        connection = self._connection()
        try:
            while not self._stopped.is_set() and await self._send_next(connection):
                pass
        finally:
            await _leave(connection)

    async def _send_next(self, connection: aiosmtplib.SMTP) -> bool:
        claimed = await claim(self._database, now=self._clock.now(), limit=1, channel=Channel.MAIL, carrier=_CARRIER)
        for mail in claimed:
            self._held.add(mail.claim)
            try:
                report = await self._send(connection, mail)
                await record(self._database, now=self._clock.now(), carrier=_CARRIER, reports=[report])
            finally:
                self._held.discard(mail.claim)
        return bool(claimed)

    async def _send(self, connection: aiosmtplib.SMTP, mail: Outgoing) -> Report:
        message = _message(mail, self._server.sender, self._clock.now())
        try:
            async with asyncio.timeout(_LONGEST_S):
                if not connection.is_connected:
                    await connection.connect()
                await connection.send_message(message)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return _after(mail, max(each.code for each in refused.recipients))
        except aiosmtplib.SMTPDataError as refused:
            return _after(mail, refused.code)
        except aiosmtplib.SMTPResponseException as refused:
            connection.close()
            return _again(mail, f"SMTP {refused.code}")
        except (aiosmtplib.SMTPException, OSError) as error:
            connection.close()
            return _again(mail, type(error).__name__)
        return Report(message=mail, outcome=Outcome.SUBMITTED)

    def _connection(self) -> aiosmtplib.SMTP:
        server, is_tls = self._server, self._server.port == _TLS_PORT
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username or None,
            password=server.password or None,
            use_tls=is_tls,
            start_tls=server.start_tls and not is_tls,
            cert_bundle=server.ca_file or None,
            timeout=server.timeout_s,
        )


async def _leave(connection: aiosmtplib.SMTP) -> None:
    if connection.is_connected:
        with suppress(aiosmtplib.SMTPException, OSError):
            await connection.quit()
    connection.close()


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
