"""What an operator does with the ferry at the server itself: the order first, which the log keeps, then the engine.

All operators act as one actor; the account they are logged in with is said beside it.
"""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from msgspec import Struct

from certs.verification import read_certificate
from ferry import epochs, lost, quarantine
from ferry.engine import Engine
from ferry.identity import TRUSTED, introduction_of
from ferry.introductions import octets_of
from ferry.key_tables import FerryOwnKeys, FerryPin, FerryTrust
from ferry.lanes import Lane
from ferry.ledger_sheet import Sheet, sheets
from ferry.lost import Missed
from ferry.orders import KeysView, MakeFerryKeys, OrderFerry, PeerView, PinPeer, TakeFerryCertificate, Verb, keys_view
from ferry.overview import Overview, overview
from ferry.reconciling import accept
from ferry.station import Station
from ferry.tables import FerryPoison, FerryQuarantine
from ferry.trust import tell_list
from ferry.zones import mirror
from ferry.zones.mirror import NotMirrored, mirrors
from server.desk import done
from server.ferry_stations import ledger_rules, routes_of, station, zone_of
from server.text_desk import account
from server.wiring import System


@dataclass(frozen=True, kw_only=True)
class Why:
    """Why something is ordered, and the two officers it takes, where it takes two."""

    reason: str = ""
    first: str = ""
    second: str = ""


class KeyRow(Struct, frozen=True, kw_only=True):
    """`whose`: a zone. `state`: in use, announced, requested; trusted, withdrawn, revoked."""

    whose: str
    number: int
    state: str
    certificate_sha256: str
    not_after: datetime | None
    days_left: int | None


class KeySheet(Struct, frozen=True, kw_only=True):
    """`words`: of this zone's root. `list_until`: until when a peer's revocation list is good."""

    zone: str
    words: str
    keys: tuple[KeyRow, ...]
    list_until: dict[str, datetime | None]


async def make_keys(system: System, *, own_ca: bool) -> KeysView:
    return await done(system, MakeFerryKeys(own_ca=own_ca, by=account()))


async def own_keys(system: System) -> KeysView:
    """Raises FERRY_KEYS_MISSING."""
    return await keys_view(system.authority, zone_of(system.settings))


async def take_certificate(system: System, chain: bytes) -> KeysView:
    return await done(system, TakeFerryCertificate(chain=chain, by=account()))


async def pin_peer(system: System, peer: str, file: bytes, *, words: str, why: Why) -> PeerView:
    act = PinPeer(peer=peer, file=file, words=words, by=account(), first_officer=why.first, second_officer=why.second)
    return await done(system, act)


async def overviews(system: System) -> list[Overview]:
    now = system.clock.now()
    return [
        await overview((await station(system, route.peer, with_keys=False))[0], now=now)
        for route in routes_of(system.settings).routes
    ]


async def ledgers(system: System, day: date | None) -> list[Sheet]:
    """Of every peer, both directions of a day, or of the last week."""
    ways, now = ledger_rules(system.settings).ways, system.clock.now()
    return [
        sheet
        for route in routes_of(system.settings).routes
        for sheet in await sheets(system.database, route.peer, ways[route.peer], day=day, now=now)
    ]


async def accept_ledger(system: System, peer: str, day: date, *, why: Why) -> int:
    """Of how many directions the differences of a day are accepted."""
    await _ordered(system, peer, Verb.ACCEPT_LEDGER, str(day), why)
    async with system.database.transaction():
        return await accept(peer, day)


async def resend(system: System, peer: str, lane: Lane, first: int, last: int, *, why: Why) -> int:
    """How many parcels are offered again."""
    engine = await _ordered(system, peer, Verb.RESEND, f"{lane} {first}-{last}", why)
    return await engine.resend(lane, first, last, now=system.clock.now())


async def pause(system: System, peer: str, lane: Lane, *, why: Why) -> None:
    engine = await _ordered(system, peer, Verb.PAUSE, lane, why)
    await engine.pause(lane, is_paused=True)


async def resume(system: System, peer: str, lane: Lane, *, why: Why) -> bool:
    """Lets a lane go on, both ways; whether what came in it had been stopped."""
    engine = await _ordered(system, peer, Verb.RESUME, lane, why)
    await engine.pause(lane, is_paused=False)
    return await quarantine.thaw(await _end(system, peer), lane)


async def quarantined(system: System, peer: str) -> list[FerryQuarantine]:
    """Raises FERRY_UNKNOWN_PEER."""
    routes_of(system.settings).to(peer)
    return await FerryQuarantine.filter(peer=peer, state="kept").order_by("id")


async def retry(system: System, peer: str, item: int, *, why: Why) -> None:
    engine = await _ordered(system, peer, Verb.RETRY, str(item), why, with_keys=True)
    await engine.retry(item, why=why.reason, now=system.clock.now())


async def discard(system: System, peer: str, item: int, *, why: Why) -> None:
    await _ordered(system, peer, Verb.DISCARD, str(item), why)
    end = await _end(system, peer)
    await quarantine.close(end, item, state="discarded", why=why.reason, now=system.clock.now())


async def poison(system: System, peer: str) -> list[FerryPoison]:
    """Raises FERRY_UNKNOWN_PEER."""
    routes_of(system.settings).to(peer)
    return await FerryPoison.filter(peer=peer, closed_at=None).order_by("id")


async def close_poison(system: System, peer: str, item: int, *, why: Why) -> None:
    await _ordered(system, peer, Verb.CLOSE_POISON, str(item), why)
    await quarantine.close_poison(await _end(system, peer), item, why=why.reason, now=system.clock.now())


async def missed(system: System, peer: str) -> list[Missed]:
    """Files that do not arrive, ours and theirs. Raises FERRY_UNKNOWN_PEER."""
    end = await _end(system, peer)
    return await lost.with_subjects(end, await lost.missed(end))


async def resend_file(system: System, peer: str, begins: str, *, why: Why) -> str:
    """Has a file of ours cross once more; its digest. Raises NOT_FOUND, FERRY_FILE_UNUSABLE, ATTACHMENT_…"""
    end = await _end(system, peer)
    sha256 = await lost.digest_of(end, begins)
    await _ordered(system, peer, Verb.RESEND_FILE, sha256, why)
    await lost.send_again(end, sha256, now=system.clock.now())
    return sha256


async def close_file(system: System, peer: str, begins: str, *, why: Why) -> str:
    end = await _end(system, peer)
    sha256 = await lost.digest_of(end, begins)
    await _ordered(system, peer, Verb.CLOSE_FILE, sha256, why)
    await lost.close(end, sha256, now=system.clock.now())
    return sha256


async def export_gap(system: System, peer: str, file: Path, *, why: Why) -> None:
    """Writes the signed list of what is applied and what is missing, to be carried by a person."""
    engine = await _ordered(system, peer, Verb.EXPORT_GAP, file.name, why, with_keys=True)
    await engine.write_status(file, now=system.clock.now())


async def import_file(system: System, peer: str, file: Path, *, why: Why) -> None:
    """Takes in a parcel or a list of gaps that a person brought. Raises a PARCEL_…"""
    engine = await _ordered(system, peer, Verb.IMPORT, file.name, why, with_keys=True)
    await engine.take_file(file, now=system.clock.now())


async def new_epoch(system: System, peer: str, *, why: Why) -> str:
    engine = await _ordered(system, peer, Verb.NEW_EPOCH, "", why)
    return await engine.new_epoch(now=system.clock.now())


async def snapshot(system: System, peer: str, *, why: Why) -> int:
    """Has everything that `peer` mirrors told again; how many states. Raises FERRY_NOT_MIRRORED."""
    if peer not in {route.peer for route in mirrors(routes_of(system.settings).routes)}:
        raise NotMirrored(peer=peer)
    await _ordered(system, peer, Verb.SNAPSHOT, "", why)
    async with system.database.transaction():
        return await mirror.snapshot(system.database, peer, now=system.clock.now())


async def send_list(system: System, peer: str, der: bytes, *, why: Why) -> None:
    """Sends the revocation list of a CA elsewhere. Raises CERTIFICATE_STATUS_UNKNOWN."""
    await _ordered(system, peer, Verb.TELL_LIST, "", why)
    async with system.database.transaction():
        await tell_list(system.database, routes_of(system.settings).to(peer), der, now=system.clock.now())


async def key_sheet(system: System) -> KeySheet:
    now, zone = system.clock.now(), zone_of(system.settings)
    trusts = await FerryTrust.all().order_by("peer")
    used = {trust.own_number for trust in trusts}
    rows = [
        KeyRow(
            whose=zone,
            number=own.number,
            state=own.state if own.state != "ready" else "in use" if own.number in used or not used else "announced",
            certificate_sha256=own.certificate_sha256,
            not_after=own.not_after,
            days_left=(own.not_after - now).days if own.not_after else None,
        )
        for own in await FerryOwnKeys.filter(zone=zone).order_by("number")
    ]
    for pin in await FerryPin.all().order_by("peer", "id"):
        until = read_certificate(octets_of(introduction_of(pin).certificates[0])).not_valid_after_utc
        state = "revoked" if pin.revoked_at is not None and pin.state == TRUSTED else pin.state
        rows.append(
            KeyRow(
                whose=pin.peer,
                number=pin.number,
                state=state,
                certificate_sha256=pin.certificate_sha256,
                not_after=until,
                days_left=(until - now).days,
            )
        )
    view = await own_keys(system) if rows and rows[0].whose == zone else KeysView(zone=zone, number=0)
    return KeySheet(
        zone=zone, words=view.words, keys=tuple(rows), list_until={each.peer: each.list_until for each in trusts}
    )


async def _ordered(system: System, peer: str, verb: Verb, what: str, why: Why, *, with_keys: bool = False) -> Engine:
    """Has the order written down; the engine that carries it out. Raises FERRY_UNKNOWN_PEER, FERRY_TWO_PERSONS."""
    await done(
        system,
        OrderFerry(
            peer=peer,
            verb=verb,
            what=what[:200],
            reason=why.reason[:200],
            by=account(),
            first_officer=why.first,
            second_officer=why.second,
        ),
    )
    end, _ = await station(system, peer, with_keys=with_keys)
    # Somebody may order before anything was ever sealed.
    await epochs.open_peer(end, now=system.clock.now())
    return Engine(end)


async def _end(system: System, peer: str) -> Station:
    return (await station(system, peer, with_keys=False))[0]
