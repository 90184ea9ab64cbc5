"""What an isolated network adds to one process: the ferry's engines, and its zone's half of acts, states and texts.

Each zone's loops stand in `loops`, its consumers of events in `consumers`, its office in `office_of`: nothing else of
the server asks which zone it is in.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from tortoise.exceptions import OperationalError

from casework.intake.uploads import FileStore
from certs.verification import read_certificate
from ferry import alarms
from ferry.engine import REST_S, Engine
from ferry.identity import ZoneKeys
from ferry.lanes import Lane
from ferry.overview import overview
from ferry.records import Direction
from ferry.refusals import FerryKeysMissing
from ferry.station import Route
from ferry.trust import authorities_of
from ferry.zones.bell import Bell, Bells
from ferry.zones.files import judging, why_missing
from ferry.zones.mirror import Mirror, mirrors
from ferry.zones.mirror import consumer as mirror_consumer
from ferry.zones.mirroring import shown_as_of
from ferry.zones.performing import Performer
from ferry.zones.relaying import CarriedSecrets, Relay, RelayOffice
from kernel.chance import Secrets
from kernel.events import Event
from kernel.office import Office
from kernel.outbox import Consumer, Outbox
from kernel.refusals import Refusal
from kernel.work import Desk
from server.acts import RULES
from server.ferry_settings import FolderPeer, Peer
from server.ferry_stations import inspector_of, routes_of, rules_of, station
from server.outside import FILING, LOCAL_OUTSIDE, SHOWS, crossing
from server.provisions import alert_rules
from server.settings import Settings

if TYPE_CHECKING:
    from server.processes import Pace
    from server.wiring import System

_log = structlog.get_logger(__name__)

#: Before its keys are made nothing can cross, nor while the database is away: tried again so often.
_AGAIN_S = 1.0
#: How often a folder is glanced at, which costs nothing, between two looks at everything.
_GLANCE_S = 0.02
#: How often what is wrong is looked for.
_LOOK_EVERY = timedelta(seconds=15)


def consumers(settings: Settings, events: Iterable[type[Event]]) -> Sequence[Consumer]:
    """Who is handed events because of the zone this is: inside, the mirror of the outer zone."""
    peers = [route.peer for route in mirrors(routes_of(settings).routes)]
    return [mirror_consumer(peers, events)] if settings.ferry.zone == "inner" and peers else []


def secrets_of(settings: Settings, key: bytes) -> Secrets:
    return CarriedSecrets(key) if settings.ferry.zone == "outer" else Secrets(key)


def office_of(settings: Settings, desk: Desk, outbox: Outbox) -> Office:
    """The office of this zone, which every door is given."""
    if settings.ferry.zone != "outer":
        return Office(desk, outbox=outbox, rules=RULES)
    bells = desk.provisions[Bells]
    assert isinstance(bells, Bells)
    relay = Relay(
        route=inner_route(settings),
        local=LOCAL_OUTSIDE,
        filing=FILING,
        answer_s=settings.ferry.answer_seconds,
        bells=bells,
        judged=judging(
            desk.database, desk.clock, inspector_of(settings), FileStore(settings.data_dir / "files").path_of
        ),
    )
    return RelayOffice(desk, outbox=outbox, rules=RULES, relay=relay)


def inner_route(settings: Settings) -> Route:
    """The way from the outer zone inside; the settings know exactly one."""
    (inner,) = (peer.name for peer in settings.ferry.peers if peer.relation == "inner")
    return routes_of(settings).to(inner)


def loops(system: "System", pace: "Pace") -> dict[str, Callable[[], Awaitable[bool]]]:
    """What runs beside the doors because of the zone this is: names and turns. A turn rests by itself."""
    turns: dict[str, Callable[[], Awaitable[bool]]] = {
        f"ferry {peer.name}": Ferryman(system, peer).turn for peer in system.settings.ferry.peers
    }
    if system.settings.ferry.zone == "inner":
        turns["acts from outside"] = _performing(system, pace)
    return turns


def missing_file(system: "System") -> Callable[[str], Awaitable[Refusal]]:
    """Why a file that is known does not lie here."""
    return partial(why_missing, zone=system.settings.ferry.zone)


def mirrored_until(system: "System") -> Callable[[], Awaitable[datetime | None]] | None:
    """In the outer zone, up to when what happened inside is known; elsewhere nothing has to be heard of."""
    return partial(shown_as_of, system.database) if system.settings.ferry.zone == "outer" else None


class Ferryman:
    """One peer's engine in this process. Before the keys are made it waits, and says so once."""

    def __init__(self, system: "System", peer: Peer) -> None:
        self._system, self._peer, self._is_inner = system, peer.name, peer.relation == "inner"
        self._into = Path(peer.into) if isinstance(peer, FolderPeer) and peer.into else None
        self._gathered_s = rules_of(system.settings)[Lane.URGENT].after.total_seconds()
        self._engine: Engine | None = None
        self._keys: ZoneKeys | None = None
        self._mirror: Mirror | None = None
        self._said = False
        self._looked_at: datetime | None = None
        self._rested_at = -math.inf
        self._trusted: tuple[tuple[bytes, ...], tuple[bytes, ...]] = ((), ())

    async def turn(self) -> bool:
        """One turn of the engine, then a rest: until it must look at what came, or something is to leave at once."""
        bells = bells_of(self._system)
        heard, there = bells.leaving.rung, await self._glance()
        try:
            is_busy = await self._turned(bells)
        except FerryKeysMissing as missing:
            if not self._said:
                _log.warning("the ferry waits", peer=self._peer, why=missing.text_en)
                self._said = True
            await bells.leaving.wait(bells.leaving.rung, _AGAIN_S)
            return True
        except OperationalError as fault:
            # A deadlock's victim, or a database that is away: nothing was done by halves.
            _log.warning("the ferry turns again", peer=self._peer, fault=str(fault).partition("\n")[0][:200])
            await bells.leaving.wait(bells.leaving.rung, _AGAIN_S)
            return True
        if not is_busy:
            await self._rest(bells.leaving, heard, there)
        return True

    async def _rest(self, leaving: Bell, heard: int, there: int) -> None:
        """What is to leave leaves at once after a pause; what follows it leaves together. What has come is taken."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + REST_S
        while (now := loop.time()) < ends and await self._glance() == there:
            if await leaving.wait(heard, min(_GLANCE_S, ends - now) if there else REST_S):
                await asyncio.sleep(self._rested_at + self._gathered_s - loop.time())
                self._rested_at = loop.time()
                return

    async def _glance(self) -> int:
        """Another number when names in the peer's folder came or went; 0 where only looking tells."""
        return await asyncio.to_thread(_changed_at, self._into) if self._into else 0

    async def _turned(self, bells: Bells) -> bool:
        clock = self._system.clock
        await self._looked(clock.now())
        if self._engine is None:
            end, self._keys = await station(self._system, self._peer)
            engine = Engine(end)
            await engine.start(now=clock.now())
            self._engine = engine
            if self._system.settings.ferry.zone == "inner" and end.route.sends is Direction.OUTWARD:
                self._mirror = Mirror(self._system.database, end.route, self._system.secrets)
        assert self._keys is not None
        await self._keys.refresh()
        if self._is_inner:
            await self._rely_on_inner()
        told = await self._mirror.tell(clock.now()) if self._mirror is not None else 0
        turned = await self._engine.turn(clock.now())
        if turned.taken or turned.applied:
            bells.arrived.ring()
        return told > 0 or not turned.was_idle

    async def _looked(self, now: datetime) -> None:
        """Has the officer on duty told what is wrong."""
        if self._looked_at is None or not timedelta(0) <= now - self._looked_at < _LOOK_EVERY:
            self._looked_at = now
            end, _ = await station(self._system, self._peer, with_keys=False)
            found = await overview(end, now=now)
            await alarms.look(self._system.database, alert_rules(self._system.settings), found, now=now)

    async def _rely_on_inner(self) -> None:
        """Officers' certificates are the inner CA's, whose root was pinned with its keys."""
        known = await authorities_of(self._peer)
        if known != self._trusted:
            roots, between = ([read_certificate(der) for der in each] for each in known)
            self._system.authority.verifier.rely_also(roots, between)
            self._trusted = known


def _changed_at(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def bells_of(system: "System") -> Bells:
    bells = system.provisions[Bells]
    assert isinstance(bells, Bells)
    return bells


def _performing(system: "System", pace: "Pace") -> Callable[[], Awaitable[bool]]:
    performer = Performer(
        system.office,
        system.database,
        system.clock,
        system.secrets,
        system.authority,
        routes_of(system.settings),
        crossing=crossing(RULES),
        filing=FILING,
        mirrors={
            route.peer: Mirror(system.database, route, system.secrets)
            for route in mirrors(routes_of(system.settings).routes)
        },
        shows=SHOWS,
    )
    bells = bells_of(system)

    async def turn() -> bool:
        heard = bells.arrived.rung
        if await performer.turn():
            bells.leaving.ring()
            return True
        await bells.arrived.wait(heard, pace.timer_s)
        return True

    return turn
