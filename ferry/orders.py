"""What an operator orders of the ferry, and what its keys need: acts, so that the log says who wished what, and why.

An order is recorded before it is carried out by the engine. What cannot be taken back (discarding a refused file or
record, believing a peer by other keys than before) takes two different officers, as a change of the calendar does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from msgspec import Meta

from certs.authority import Authority
from certs.encodings import sha256_hex
from ferry.identity import READY, introduction_of, make_keys, newest_keys, request_of, take_certificate
from ferry.introductions import peer_file, prove, read_peer_file, root_of
from ferry.refusals import (
    FerryKeysMissing,
    FerryTwoPersons,
    FerryUnknownPeer,
    PeerFileRefused,
    PeerWordsDiffer,
)
from ferry.station import Route
from ferry.trust import announce, is_pinned, pin, tell_revocations
from ferry.words import are_same, words_of
from kernel.actor import Role
from kernel.acts import Act, Done, View
from kernel.events import Event
from kernel.tables import Officer
from kernel.work import Work

#: Whose office it is to watch what crosses: 信息中心, 电子政务办, 效能办, 政务中心.
FERRY_ROLES = (Role.INFORMATION_CENTRE, Role.EGOVERNMENT_OFFICE, Role.EFFICIENCY_OFFICE, Role.SERVICE_CENTRE)

Text = Annotated[str, Meta(max_length=200)]
Name = Annotated[str, Meta(max_length=40)]


@dataclass(frozen=True, kw_only=True)
class Routes:
    """This zone's name and its ways to others, as the settings have them; no name: no ferry."""

    zone: str = ""
    routes: Sequence[Route] = ()

    def to(self, peer: str) -> Route:
        """Raises FERRY_UNKNOWN_PEER."""
        for route in self.routes:
            if route.peer == peer:
                return route
        raise FerryUnknownPeer(peer=peer, known=[route.peer for route in self.routes])


class Verb(StrEnum):
    RESEND = "resend"
    RESEND_FILE = "resend_file"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    DISCARD = "discard"
    CLOSE_POISON = "close_poison"
    CLOSE_FILE = "close_file"
    ACCEPT_LEDGER = "accept_ledger"
    EXPORT_GAP = "export_gap"
    IMPORT = "import"
    SNAPSHOT = "snapshot"
    NEW_EPOCH = "new_epoch"
    TELL_LIST = "tell_list"


#: What cannot be taken back.
TWO_PERSONS = frozenset({Verb.DISCARD, Verb.CLOSE_POISON, Verb.CLOSE_FILE, Verb.ACCEPT_LEDGER})


class KeysView(View, frozen=True, tag="ferry.keys"):
    """`request` (PEM) waits for a CA; `file` is the peer file, and `words` those of its root, once there is one."""

    zone: str
    number: int
    certificate_sha256: str = ""
    request: bytes = b""
    file: bytes = b""
    words: str = ""


class PeerView(View, frozen=True, tag="ferry.peer"):
    peer: str
    number: int
    certificate_sha256: str
    words: str


class MakeFerryKeys(Act[KeysView], frozen=True, tag="ferry.make_keys"):
    """The first keys of this zone, or its next. `own_ca`: certified here and announced at once; else a request."""

    own_ca: bool = True
    by: Name = ""


class TakeFerryCertificate(Act[KeysView], frozen=True, tag="ferry.take_certificate"):
    """`chain`: PEM, the certificate first and the root last."""

    chain: Annotated[bytes, Meta(max_length=64 << 10)]
    by: Name = ""


class PinPeer(Act[PeerView], frozen=True, tag="ferry.pin_peer"):
    """`words`: what the other side read aloud. A peer that was pinned before takes two officers."""

    peer: Name
    file: Annotated[bytes, Meta(max_length=64 << 10)]
    words: Text
    by: Name = ""
    first_officer: Name = ""
    second_officer: Name = ""


class OrderFerry(Act[Done], frozen=True, tag="ferry.order"):
    """`what`: the lane, the number of a file or record, the name or digest of a file. `reason` is for the log."""

    peer: Name
    verb: Verb
    what: Text
    reason: Text = ""
    by: Name = ""
    first_officer: Name = ""
    second_officer: Name = ""


class TendFerryKeys(Act[Done], frozen=True, tag="ferry.tend_keys"):
    """The clock's act: announces keys a peer was not told of, tells it what is revoked."""


class AboutFerry(Event, frozen=True):
    about: ClassVar[str] = "ferry"
    ferry: str


class FerryKeysMade(AboutFerry, frozen=True, tag="ferry.keys_made"):
    number: int
    certificate_sha256: str
    by: str


class FerryPeerPinned(AboutFerry, frozen=True, tag="ferry.peer_pinned"):
    """`root_sha256`: what it is believed by from now on. `anew`: it was believed by something else before."""

    number: int
    certificate_sha256: str
    root_sha256: str
    anew: bool
    by: str
    first_officer: str
    second_officer: str


class FerryOrdered(AboutFerry, frozen=True, tag="ferry.ordered"):
    verb: str
    what: str
    reason: str
    by: str
    first_officer: str
    second_officer: str


EVENTS: tuple[type[Event], ...] = (FerryKeysMade, FerryPeerPinned, FerryOrdered)


async def make_ferry_keys(work: Work, act: MakeFerryKeys) -> KeysView:
    """Raises FERRY_KEYS_MISSING where the settings name no zone."""
    authority, routes = work.given(Authority), _named(work)
    made = await make_keys(authority, routes.zone, own_ca=act.own_ca, now=work.now)
    return await _made(work, routes, made.number, by=act.by)


async def take_ferry_certificate(work: Work, act: TakeFerryCertificate) -> KeysView:
    """Raises FERRY_KEYS_MISSING, PEER_FILE_REFUSED, CERTIFICATE_…"""
    authority, routes = work.given(Authority), _named(work)
    made = await take_certificate(authority, routes.zone, act.chain, now=work.now)
    return await _made(work, routes, made.number, by=act.by)


async def pin_peer(work: Work, act: PinPeer) -> PeerView:
    """Raises FERRY_UNKNOWN_PEER, PEER_FILE_REFUSED, PEER_WORDS_DIFFER, FERRY_TWO_PERSONS, CERTIFICATE_…"""
    routes = _named(work)
    routes.to(act.peer)
    file = read_peer_file(act.file)
    root = root_of(file)
    # Proved before people are asked: a file that does not hold has no words worth comparing.
    prove(file.introduction, root, zone=act.peer, at=work.now)
    if not are_same(act.words, bytes.fromhex(sha256_hex(root))):
        raise PeerWordsDiffer()
    anew = await is_pinned(act.peer)
    if anew:
        await refuse_one_person(act.first_officer, act.second_officer)
    by = "、".join(filter(None, (act.first_officer, act.second_officer))) or act.by
    proved = await pin(file, own=routes.zone, peer=act.peer, by=by, now=work.now)
    work.record(
        FerryPeerPinned(
            ferry=act.peer,
            number=proved.introduction.number,
            certificate_sha256=proved.certificate_sha256,
            root_sha256=sha256_hex(root),
            anew=anew,
            by=act.by,
            first_officer=act.first_officer,
            second_officer=act.second_officer,
        )
    )
    return PeerView(
        peer=act.peer,
        number=proved.introduction.number,
        certificate_sha256=proved.certificate_sha256,
        words=words_of(bytes.fromhex(sha256_hex(root))),
    )


async def order_ferry(work: Work, act: OrderFerry) -> Done:
    """Writes the order down. Raises FERRY_UNKNOWN_PEER, FERRY_TWO_PERSONS."""
    _named(work).to(act.peer)
    if act.verb in TWO_PERSONS:
        await refuse_one_person(act.first_officer, act.second_officer)
    work.record(
        FerryOrdered(
            ferry=act.peer,
            verb=act.verb,
            what=act.what,
            reason=act.reason,
            by=act.by,
            first_officer=act.first_officer,
            second_officer=act.second_officer,
        )
    )
    return Done()


async def tend_ferry_keys(work: Work, act: TendFerryKeys) -> Done:
    routes, authority, count = work.given(Routes), work.given(Authority), 0
    for route in routes.routes:
        count += await announce(work.database, route, routes.zone, now=work.now)
        count += await tell_revocations(work.database, route, authority, now=work.now)
    return Done(count=count)


async def keys_view(authority: Authority, zone: str) -> KeysView:
    """The newest keys of a zone. Raises FERRY_KEYS_MISSING."""
    newest = await newest_keys(zone)
    if newest is None:
        raise FerryKeysMissing(what=zone)
    if newest.state != READY:
        return KeysView(zone=zone, number=newest.number, request=request_of(authority, zone, newest.number))
    root = bytes(newest.root)
    return KeysView(
        zone=zone,
        number=newest.number,
        certificate_sha256=newest.certificate_sha256,
        file=peer_file(introduction_of(newest), root),
        words=words_of(bytes.fromhex(sha256_hex(root))),
    )


async def refuse_one_person(first: str, second: str) -> None:
    """Raises FERRY_TWO_PERSONS unless two different officers in service with a fitting role are named."""
    named = await Officer.filter(id__in=[first, second], active=True)
    fit = {officer.id for officer in named if not set(FERRY_ROLES).isdisjoint(officer.roles)}
    if first == second or fit != {first, second}:
        raise FerryTwoPersons(roles=[role.value for role in FERRY_ROLES])


def _named(work: Work) -> Routes:
    routes = work.given(Routes)
    if not routes.zone:
        raise PeerFileRefused(why="ferry.name is empty in the settings")
    return routes


async def _made(work: Work, routes: Routes, number: int, *, by: str) -> KeysView:
    view = await keys_view(work.given(Authority), routes.zone)
    work.record(FerryKeysMade(ferry=routes.zone, number=number, certificate_sha256=view.certificate_sha256, by=by))
    for route in routes.routes:
        await announce(work.database, route, routes.zone, now=work.now)
    return view
