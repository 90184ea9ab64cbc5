"""From a sealed text and our books to the ZIP that somebody takes away.

Limits: what retention has already struck out of the books is not in the record; the sealed text always is.
"""

import io
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509

from alerts.outgoing import Channel
from alerts.tables import Message, MessagePart
from certs.acts import AttestEvidence, PublishRevocationList
from certs.authority import pem
from certs.evidence import SealedText, TextBody, read_body, sealed_text
from certs.revocation import newest_list_der
from certs.signatures import canonical, instant_text
from hall.ratings import DIGITS, rating_code_value
from hall.ratings import PURPOSE as RATING
from hall.tables import Rating
from kernel.chance import Secrets
from server.archive import zipped
from server.desk import done
from server.evidence.record import (
    EVIDENCE,
    EVIDENCE_SEAL,
    EVIDENCE_SEALER,
    FORMAT,
    HOW_TO_CHECK,
    ISSUING,
    README,
    RECORD,
    RECORD_SEAL,
    RECORD_SEALER,
    REVOCATIONS,
    AnsweredRequest,
    ReceivedPart,
    Record,
    SentPart,
    SentText,
    frame_path,
    listed,
)
from server.provisions import supervision_rules
from server.wiring import System
from sms.tables import InboundMessage, InboundPdu
from supervision.reply_codes import PURPOSE as CARD_REPLY
from supervision.reply_codes import reply_code_for
from supervision.tables import ReplyCode


@dataclass(frozen=True, kw_only=True)
class Package:
    """A file of evidence. `octets` are the ZIP's."""

    sealed: SealedText
    body: TextBody
    record: Record
    octets: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        return sha256(self.octets).hexdigest()


async def package(system: System, number: str, *, what: str) -> Package:
    """The evidence with what the books say of it today; that it was made, and for `what` (show, export, verify), is
    logged. Raises NOT_FOUND, EVIDENCE_INVALID."""
    sealed = await sealed_text(number)
    body = read_body(sealed.body)
    await done(system, PublishRevocationList())
    files = {
        EVIDENCE: sealed.body,
        EVIDENCE_SEAL: sealed.signature,
        EVIDENCE_SEALER: _pem(sealed.certificate),
        ISSUING: pem(system.authority.issuing),
        REVOCATIONS: await newest_list_der(system.authority) or b"",
        README: HOW_TO_CHECK.format(number=sealed.number).encode(),
    }
    files |= {frame_path(number): frame for number, frame in enumerate(body.frames, 1)}
    record = await _record(system, body, files)
    written = canonical(record)
    seal = await done(system, AttestEvidence(number=sealed.number, what=what, record=written))
    beside = {RECORD: written, RECORD_SEAL: seal.signature, RECORD_SEALER: _pem(seal.certificate)}
    out = io.BytesIO()
    entries = (beside | files).items()
    zipped.write(out, ((path, len(octets), zlib.crc32(octets), iter([octets])) for path, octets in entries))
    return Package(sealed=sealed, body=body, record=record, octets=out.getvalue())


async def differing_rows(body: TextBody) -> list[str]:
    """Rows of ours that are not what was sealed, by table and id; what retention has removed differs from nothing."""
    message = await InboundMessage.get_or_none(id=int(body.inbound))
    if message is None:
        return []
    wrong = []
    if (message.sender, message.receiver, message.text) != (body.sender, body.receiver, body.text):
        wrong.append(f"inbound_message {message.id}")
    rows = await InboundPdu.filter(message_id=message.id).order_by("number")
    if rows and [bytes(row.frame) for row in rows] != body.frames:
        wrong.append(f"inbound_pdu {', '.join(str(row.id) for row in rows)}")
    return wrong


# ----------------------------------------------------------------------------------------------------- from our books
async def _record(system: System, body: TextBody, files: dict[str, bytes]) -> Record:
    message = await InboundMessage.get_or_none(id=int(body.inbound))
    parts = await InboundPdu.filter(message_id=int(body.inbound)).order_by("number")
    return Record(
        format=FORMAT,
        evidence=body.number,
        exported_at=instant_text(system.clock.now()),
        outcome=message.outcome if message else "",
        handled_at=_instant(message.handled_at) if message else None,
        received=tuple(
            ReceivedPart(
                number=part.number,
                total=part.total,
                data_coding=part.data_coding,
                received_at=_exactly(part.received_at),
                frame=frame_path(place),
            )
            for place, part in enumerate(parts, 1)
        ),
        request=await _request(system, body),
        answer=await _sent(await Message.get_or_none(dedupe_key=f"reply:{body.inbound}:{Channel.SMS}")),
        files=listed(files),
    )


async def _request(system: System, body: TextBody) -> AnsweredRequest | None:
    """What the code in the act was drawn for; None where no request of that phone had it."""
    code, at = str(body.act.get("code", "")), datetime.fromisoformat(body.sealed_at)
    if not code:
        return None
    if body.act.get("act") == "hall.rate":
        return await _rating(system.secrets, body, code)
    digits = supervision_rules(system.settings).code_digits
    for row in await ReplyCode.filter(phone=body.sender, drawn_at__lte=at).order_by("-id"):
        if reply_code_for(system.secrets, {"id": row.id, "nonce": row.nonce}, digits=digits) == code:
            return AnsweredRequest(
                code_id=f"reply_code {row.id}",
                purpose=row.purpose,
                about=row.card_id,
                drawn_at=_instant(row.drawn_at),
                expires_at=_instant(row.expires_at),
                used_at=_instant(row.used_at),
                locked_at=_instant(row.locked_at),
                wrong_tries=row.attempts,
                text=await _asking(body.sender, f"{CARD_REPLY}|{row.id}:{row.nonce}|{digits}"),
            )
    return None


async def _rating(secrets: Secrets, body: TextBody, code: str) -> AnsweredRequest | None:
    rating = await Rating.get_or_none(evidence=body.number)
    if rating is None:
        return None
    value = rating_code_value(rating.case_number, body.sender)
    return AnsweredRequest(
        code_id=f"{RATING} {value}",
        purpose=RATING,
        about=rating.case_number,
        drawn_at=None,
        expires_at=None,
        used_at=_instant(rating.rated_at),
        locked_at=None,
        wrong_tries=0,
        text=await _asking(body.sender, f"{RATING}|{value}|{DIGITS}"),
    )


async def _asking(phone: str, secret: str) -> SentText | None:
    return await _sent(await Message.filter(to_phone=phone, secret=secret).order_by("-id").first())


async def _sent(message: Message | None) -> SentText | None:
    if message is None:
        return None
    return SentText(
        message=str(message.id),
        template=message.template,
        version=message.template_version,
        to=message.to_phone,
        extension=message.extension,
        words=message.body,
        state=message.state,
        queued_at=_exactly(message.created_at),
        parts=tuple(
            SentPart(
                number=part.seq,
                total=part.total,
                carrier=part.carrier,
                sms_id=part.sms_id,
                state=part.state,
                error=part.error,
                submitted_at=_exactly(part.submitted_at),
                receipt_at=_instant(part.done_at),
            )
            for part in await MessagePart.filter(message_id=message.id).order_by("seq")
        ),
    )


def _instant(instant: datetime | None) -> str | None:
    return _exactly(instant) if instant else None


def _exactly(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()


def _pem(der: bytes) -> bytes:
    return pem(x509.load_der_x509_certificate(der))
