"""The records in which an act crosses inwards, and those in which its outcome comes back.

An act and a view travel as JSON in ASCII: their own shape is checked where they are read, by their tag. Nothing here
is believed for being said: `performing.py` asks the inner zone's own tables who somebody is.
"""

import base64
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from json import dumps, loads
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from ferry.lanes import Lane
from ferry.records import Direction, Envelope, RecordType
from ferry.refusals import RecordMalformed
from ferry.zones import turns
from ferry.zones.refusals import ActNotTaken
from ferry.zones.tables import RelayedAct
from kernel import rows
from kernel.actor import ActorKind
from kernel.acts import SignatureFormat, SignedBytes
from kernel.db import Database
from kernel.refusals import Detail, Refusal

#: What people wait for; what brings files with it; what came of both.
DO, FILE, DONE = "act.do", "act.file", "act.done"
#: The act that tells a login.
LOGIN = "ferry.note_login"
#: Of an act or a view; the record around it takes some more, and escapes each quote.
MAX_OCTETS = 48_000
#: States that an outcome waits for.
MOST_SHOWN = 50

_Rid = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z][0-9A-Za-z:._-]{0,63}\Z", max_length=64)]
_Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z", max_length=64)]
_Octets = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]*={0,2}\Z", max_length=1000)]


class Signed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a phone signed; verified inside, against the bytes that the inner zone prepared."""

    nonce: Annotated[str, Meta(max_length=100)]
    signature: _Octets
    format: SignatureFormat

    @classmethod
    def of(cls, proof: SignedBytes) -> "Signed":
        return cls(nonce=proof.nonce, signature=base64.b64encode(proof.signature).decode(), format=proof.format)

    @property
    def proof(self) -> SignedBytes:
        """Raises ValueError."""
        octets = base64.b64decode(self.signature, validate=True)
        return SignedBytes(nonce=self.nonce, signature=octets, format=self.format)


class Brought(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that the act refers to; its octets come by the bulk lane."""

    sha256: _Sha256
    size: Annotated[int, Meta(ge=0, le=1 << 31)]
    media_type: Annotated[str, Meta(max_length=100)]


class ActAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`act`: JSON. `roles` and `assurance` are what the outer zone thought; the inner one compares."""

    tag: Annotated[str, Meta(max_length=40)]
    act: Annotated[str, Meta(max_length=MAX_OCTETS)]
    kind: ActorKind
    actor: Annotated[str, Meta(max_length=50)]
    phone: Annotated[str, Meta(pattern=r"\A(\+?[0-9]{3,20})?\Z", max_length=21)] = ""
    roles: Annotated[tuple[Annotated[str, Meta(max_length=40)], ...], Meta(max_length=32)] = ()
    assurance: Annotated[int, Meta(ge=0, le=40)] = 0
    key: Annotated[str, Meta(max_length=90)] = ""
    proof: Signed | None = None
    files: Annotated[tuple[Brought, ...], Meta(max_length=200)] = ()


class Shown(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A state in which the outcome can be seen, and its revision."""

    subject: Annotated[str, Meta(max_length=100)]
    revision: Annotated[int, Meta(ge=1, le=1 << 62)]


class ActDone(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The view as JSON, or the code and the details of a refusal.

    `password`: of what was filed, for whoever filed it. It follows from the inner zone's key and is kept nowhere there.
    `shown`: who asked is told when these have come, by another lane: what they look at next is as they left it.
    """

    rid: _Rid
    view: Annotated[str, Meta(max_length=MAX_OCTETS)] = ""
    refused: Annotated[str, Meta(pattern=r"\A[A-Z0-9_]*\Z", max_length=40)] = ""
    details: Annotated[str, Meta(max_length=8000)] = "{}"
    password: Annotated[str, Meta(pattern=r"\A[0-9]*\Z", max_length=12)] = ""
    shown: Annotated[tuple[Shown, ...], Meta(max_length=MOST_SHOWN)] = ()


class Answer(Struct, frozen=True, kw_only=True):
    """An outcome as it is kept outside."""

    view: str = ""
    refused: str = ""
    details: dict[str, Detail] = {}
    password: str = ""
    shown: tuple[Shown, ...] = ()

    @property
    def refusal(self) -> Refusal | None:
        return Refusal.revived(self.refused, self.details) if self.refused else None


def act_records(peer: str) -> list[RecordType]:
    """Between this zone and `peer`."""

    async def many(database: Database, now: datetime, envelopes: Sequence[Envelope]) -> None:
        await turns.take(database, peer, [_arriving(each) for each in envelopes], now=now)

    asked = RecordType(
        name=DO,
        direction=Direction.INWARD,
        lane=Lane.URGENT,
        struct=ActAsked,
        apply=lambda database, now, envelope: many(database, now, [envelope]),
        apply_many=many,
        told=_was_refused,
    )
    done = RecordType(name=DONE, direction=Direction.OUTWARD, lane=Lane.URGENT, struct=ActDone, apply=_answered)
    return [asked, msgspec.structs.replace(asked, name=FILE, lane=Lane.CASE), done]


def in_ascii(json: bytes) -> str:
    return dumps(loads(json), separators=(",", ":"))


def cleaned(value: Any) -> Any:
    """Plain values with texts as they may cross: NFC, line feeds, no other character that nobody sees."""
    if isinstance(value, str):
        text = unicodedata.normalize("NFC", value.replace("\r\n", "\n").replace("\t", " "))
        if text.isprintable():
            return text
        return "".join(each for each in text if each == "\n" or unicodedata.category(each) not in _HIDDEN)
    if isinstance(value, Mapping):
        return {key: cleaned(inside) for key, inside in value.items()}
    return type(value)(map(cleaned, value)) if isinstance(value, list | tuple) else value


async def note_answer(rid: str, answer: Answer, *, now: datetime, stood: dict[str, str] | None = None) -> None:
    """Keeps the outcome of an act that was sent inside."""
    kept = msgspec.json.encode(answer).decode()
    await rows.change(RelayedAct, {"rid": rid, **(stood or {})}, outcome=kept, answered_at=now)


# ------------------------------------------------------------------------------------------------------------ below

_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")


def _arriving(envelope: Envelope) -> turns.Arriving:
    asked = envelope.body
    assert isinstance(asked, ActAsked)
    is_known = asked.kind is not ActorKind.ANONYMOUS
    # Whoever is not logged in may say to be anybody; and others wait for logins.
    apart = asked.actor if is_known else LOGIN if asked.tag == LOGIN else ""
    return turns.Arriving(
        rid=envelope.rid,
        tag=asked.tag,
        actor=f"{asked.kind}:{apart}",
        is_known=is_known,
        asked=msgspec.json.encode(asked).decode(),
        asked_at=envelope.at,
    )


async def _answered(database: Database, now: datetime, envelope: Envelope) -> None:
    """The last outcome counts: an inner zone restored from a backup performed the act anew. Of acts that nobody asks
    about any more nothing is kept."""
    done = envelope.body
    assert isinstance(done, ActDone)
    try:
        details = msgspec.json.decode(done.details, type=dict[str, Detail])
    except msgspec.MsgspecError:
        raise RecordMalformed(why="details") from None
    answer = Answer(
        view=done.view, refused=done.refused, details=details, password=done.password, shown=done.shown
    )  # fmt: skip
    await note_answer(done.rid, answer, now=now)


async def _was_refused(database: Database, now: datetime, envelope: Envelope, code: str) -> None:
    """The other side could not apply the record, or it expired on its way: nothing was done, and nothing will be."""
    answer = Answer(refused=ActNotTaken.code, details={"why": code})
    await note_answer(envelope.rid, answer, now=now, stood={"outcome": ""})
