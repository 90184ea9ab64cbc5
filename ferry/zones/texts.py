"""Texts between the zones: people's phones are reached from outside only, the queue and the commands stand inside.

`text.send` goes out with what a carrier needs and nothing else: no case, no name, no number of ours but the record's.
`text.report` says what became of it, `text.arrived` brings what a person texted, as the carrier delivered it. A record
is applied once, so a text is queued outside once, and a text from a person performed inside once.
Limits: the words of a text lie in the sender's records until the other side has them and `ferry.keep_days` are over.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from msgspec import Meta, Struct

from alerts.outgoing import Channel, Letter, enqueue
from alerts.states import FINAL, State, as_int, as_json, listed
from alerts.templates import BY_ID
from alerts.texts import MAX_PARTS, PER_PART, MessageClass, Template, Text, parts_needed
from alerts.wordings import in_force
from ferry.lanes import Lane
from ferry.records import Apply, Direction, Envelope, RecordType
from ferry.refusals import RecordExpired, RecordMalformed
from kernel.db import Database

SEND, REPORT, ARRIVED = "text.send", "text.report", "text.arrived"
#: In TextAcross.state besides the states of a message: the record itself was refused over there.
REFUSED = "refused"
#: The outer zone was restored from a backup of before it: a carrier may have it or not, and nothing will be heard.
FORGOTTEN = "forgotten"
#: Nothing more is heard of it. What no receipt came for may have one yet.
ENDED = FINAL - {State.UNREPORTED}

_Name = Annotated[str, Meta(max_length=20)]
_Octets = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]*={0,2}\Z", max_length=24_000)]
_Instant = Annotated[datetime, Meta(tz=True)]


class TextSend(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a carrier needs. `template` is for those that take registered wordings only. It must say when it expires."""

    phone: Annotated[str, Meta(pattern=r"\A\+?[0-9]{3,19}\Z", max_length=20)]
    words: Annotated[str, Meta(pattern=r"\A【[^【】]+】", max_length=MAX_PARTS * PER_PART)]
    priority: Annotated[int, Meta(ge=0, le=7)]
    message_class: MessageClass
    confirms: bool = False
    extension: Annotated[str, Meta(pattern=r"\A[0-9]{0,10}\Z", max_length=10)] = ""
    template: Annotated[str, Meta(pattern=r"\A[0-9A-Z_]{0,24}\Z", max_length=24)] = ""


class TextReport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the text `text` is by now. `taken`: a carrier has all its parts. The highest number counts."""

    text: Annotated[str, Meta(pattern=r"\A[0-9A-Za-z:._-]{1,64}\Z", max_length=64)]
    number: Annotated[int, Meta(ge=1, le=1_000_000)]
    state: State
    taken: bool
    carrier: _Name = ""
    error: Annotated[str, Meta(max_length=80)] = ""


#: How a part of a long text says so; empty: it is the whole text.
Concat = Literal["", "udh8", "udh16", "sar"]


class ArrivedPart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part as the carrier delivered it: `frame` is evidence, `octets` the words in it, both in Base64."""

    frame: _Octets
    octets: _Octets
    data_coding: Annotated[int, Meta(ge=0, le=255)]
    digest: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z", max_length=64)]
    received_at: _Instant
    concat: Concat = ""
    reference: Annotated[int, Meta(ge=0, le=65_535)] = 0
    total: Annotated[int, Meta(ge=1, le=255)] = 1
    number: Annotated[int, Meta(ge=1, le=255)] = 1


class TextArrived(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text from a person, all its parts that came. What it says is read inside, from the octets."""

    carrier: _Name
    sender: Annotated[str, Meta(max_length=32)]
    receiver: Annotated[str, Meta(max_length=32)]
    parts: Annotated[tuple[ArrivedPart, ...], Meta(min_length=1, max_length=40)]


async def _nobody_listens(database: Database, now: datetime, envelope: Envelope) -> None:
    raise LookupError("no inbox")


def text_records(peer: str, arrived: Apply = _nobody_listens) -> list[RecordType]:
    """`arrived` keeps a text from a person, inside: the inbox belongs to the gateway, which the ferry does not know."""
    many = partial(_take_texts, peer)
    reports = partial(_take_reports, peer)
    return [
        RecordType(
            name=SEND,
            direction=Direction.OUTWARD,
            lane=Lane.URGENT,
            struct=TextSend,
            apply=lambda database, now, envelope: many(database, now, [envelope]),
            apply_many=many,
            told=partial(_was_refused, peer),
            again=partial(_tell_again, peer),
            forgotten=partial(_were_forgotten, peer),
        ),
        RecordType(
            name=REPORT,
            direction=Direction.INWARD,
            lane=Lane.URGENT,
            struct=TextReport,
            apply=lambda database, now, envelope: reports(database, now, [envelope]),
            apply_many=reports,
        ),
        RecordType(name=ARRIVED, direction=Direction.INWARD, lane=Lane.URGENT, struct=TextArrived, apply=arrived),
    ]


def decent(text: str, most: int) -> str:
    """`text` as a record may hold it: what a carrier writes need not be."""
    shown = "".join(character for character in text if character.isprintable())
    return unicodedata.normalize("NFC", shown)[:most]


# ------------------------------------------------------------------------------------------------------------ below

_FINAL = ", ".join(f"'{state}'" for state in sorted({*ENDED, REFUSED}))


async def _take_texts(peer: str, database: Database, now: datetime, envelopes: Sequence[Envelope]) -> None:
    """Outside: into this zone's own queue, with which they share carriers, order, failover and receipts."""
    wordings = await in_force(database, {template for each in envelopes if (template := _template(each)) is not None})
    letters = [_letter(peer, now, envelope, wordings) for envelope in envelopes]
    await enqueue(database, letters, now=now)
    keys = [
        {"key": letter.dedupe_key, "rid": envelope.rid} for letter, envelope in zip(letters, envelopes, strict=True)
    ]
    given = listed(database, 1, key="text", rid="text")
    found = await database.rows(
        f"SELECT message.id, r.rid FROM message JOIN {given} ON message.dedupe_key = r.key", as_json(keys)
    )
    await database.insert(
        "text_ferried",
        ("peer", "rid", "message_id", "number", "state", "error", "is_open", "taken_at"),
        [(peer, str(row["rid"]), as_int(row["id"]), 0, State.QUEUED, "", True, now) for row in found],
        tail="ON CONFLICT DO NOTHING",
    )
    # Whoever sent it follows it up: here nobody knows whom else to tell.
    await database.execute(
        f"UPDATE message SET followed_up_at = $2 FROM {given} WHERE message.dedupe_key = r.key", as_json(keys), now
    )


def _template(envelope: Envelope) -> Template | None:
    assert isinstance(envelope.body, TextSend)
    return BY_ID.get(envelope.body.template)


def _letter(peer: str, now: datetime, envelope: Envelope, wordings: Mapping[str, Template]) -> Letter:
    """Raises RecordMalformed."""
    body = envelope.body
    assert isinstance(body, TextSend)
    if envelope.expires is None:
        raise RecordMalformed(why="expires")
    parts = parts_needed(body.words)
    if parts > MAX_PARTS:
        raise RecordMalformed(why="body.words")
    # Which wording it is made of matters to carriers that take registered ones only.
    version = wordings[body.template].version if body.template in wordings else 1
    template = Template(
        body.template, "", body.message_class, body.priority, "", version=version, confirms=body.confirms
    )
    return Letter(
        dedupe_key=f"ferry:{peer}:{envelope.rid}",
        channel=Channel.SMS,
        text=Text(template, body.words, parts),
        to=body.phone,
        send_after=now,
        expires_at=envelope.expires,
        extension=body.extension,
    )


async def _take_reports(peer: str, database: Database, now: datetime, envelopes: Sequence[Envelope]) -> None:
    """Inside: into the book, from which the carrier tells the gateway. What is final stays."""
    newest: dict[str, TextReport] = {}
    for envelope in envelopes:
        report = envelope.body
        assert isinstance(report, TextReport)
        known = newest.get(report.text)
        if known is None or known.number < report.number:
            newest[report.text] = report
    given = listed(database, 1, rid="text", number="int", state="text", taken="int", error="text", via="text")
    await database.execute(
        "UPDATE text_across SET number = r.number, state = r.state, error = r.error, via = r.via, news = TRUE,"
        " taken = CASE WHEN r.taken = 1 THEN TRUE ELSE text_across.taken END, reported_at = $2"
        f" FROM {given} WHERE text_across.rid = r.rid AND peer = $3 AND text_across.number < r.number"
        f" AND text_across.state NOT IN ({_FINAL})",
        as_json(
            {
                "rid": rid,
                "number": report.number,
                "state": report.state,
                "taken": int(report.taken),
                "error": report.error,
                "via": report.carrier,
            }
            for rid, report in sorted(newest.items())
        ),
        now,
        peer,
    )


async def _tell_again(peer: str, database: Database, now: datetime, rids: Sequence[str]) -> None:
    """Outside: inside was restored from a backup, perhaps, and does not know what it was told of these texts."""
    await database.execute(
        f"UPDATE text_ferried SET state = '', is_open = TRUE FROM {listed(database, 1, rid='text')}"
        " WHERE text_ferried.rid = r.rid AND peer = $2",
        as_json({"rid": rid} for rid in rids),
        peer,
    )


async def _were_forgotten(peer: str, database: Database, now: datetime, rids: Sequence[str]) -> None:
    """Inside: of what a carrier took for certain nothing changes; the gateway judges the others as unknown."""
    await database.execute(
        f"UPDATE text_across SET state = $2, news = TRUE, reported_at = $3 FROM {listed(database, 1, rid='text')}"
        f" WHERE text_across.rid = r.rid AND peer = $4 AND taken = FALSE AND state NOT IN ({_FINAL})",
        as_json({"rid": rid} for rid in rids),
        FORGOTTEN,
        now,
        peer,
    )


async def _was_refused(peer: str, database: Database, now: datetime, envelope: Envelope, code: str) -> None:
    """Inside: the text never came into the queue over there."""
    state = State.EXPIRED if code == RecordExpired.code else REFUSED
    await database.execute(
        "UPDATE text_across SET state = $1, error = $2, news = TRUE, reported_at = $3 WHERE peer = $4 AND rid = $5"
        f" AND state NOT IN ({_FINAL}) AND taken = FALSE",
        state,
        code,
        now,
        peer,
        envelope.rid,
    )
