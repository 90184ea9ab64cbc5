"""What runs: the HTTP door, the courier of events, the timer, the gateway and the mailer, alone or all in one.

Each is a loop that outlives its own failures: an unexpected exception is logged and the loop goes on after a pause
(the one place where everything is caught). On SIGTERM or SIGINT intake stops first, then what is in flight is
finished and recorded, then the database closes.
"""

import asyncio
import errno
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
import uvicorn
from starlette.applications import Starlette

from alerts.dead_letters import FollowUpUndelivered
from alerts.digests import ReleaseHeld
from alerts.retention import StrikeOutTexts
from casework.acts import CheckCalendar, DeemAccepted
from casework.archive.acts import ArchiveCases
from casework.catalogue.acts import BringChangesIntoEffect
from casework.clock.acts import DeemRenewed, NoteOverruns, ReprojectDeadlines, TurnHearingLights
from casework.intake.acts import CollectUploads
from casework.licences.acts import TendLicences
from certs.acts import PruneRequests, PublishRevocationList
from ferry.exchange.acts import ReleaseHeldRows, TurnReportedLights, WatchDays
from ferry.orders import TendFerryKeys
from ferry.reconciling import ReconcileFerry
from ferry.zones.refused import ForgetRelayedActs
from hall.accounts import ForgetLoginCodes
from hall.consultations import CallOverdueAnswers
from kernel.actor import THE_CLOCK
from kernel.acts import Act, Done
from kernel.refusals import Refusal
from kernel.retention import ForgetAnswers
from server.config_file import Problem, SettingsRefused
from server.outside import LOCAL_OUTSIDE
from server.wiring import System
from sms.retention import StrikeOutInbound
from supervision.acts import IssueOrders, RemindUnconfirmed, TurnLights

_log = structlog.get_logger(__name__)

#: A pause after a failure, long enough not to hammer a database that is down.
_AFTER_FAILURE_S = 1.0
#: How long requests and texts in flight may take to finish after SIGTERM.
_GRACE_S = 10.0


@dataclass(kw_only=True)
class Pace:
    """How often the loops look; a demo looks oftener because its clock jumps."""

    courier_s: float = 0.2
    timer_s: float = 1.0


@dataclass
class Stop:
    """Says when to stop, and lets a loop sleep no longer than until then."""

    event: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self) -> None:
        self.event.set()

    @property
    def said(self) -> bool:
        return self.event.is_set()

    async def sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.event.wait(), seconds)


async def until_stopped(stop: Stop, name: str, turn: Callable[[], Awaitable[bool]], *, pause_s: float) -> None:
    """Takes turns until told to stop. A turn that did something is followed by the next at once."""
    while not stop.said:
        try:
            busy = await turn()
        except Exception as fault:
            _log.error("a loop failed and goes on", loop=name, **_told(fault))
            await stop.sleep(_AFTER_FAILURE_S)
            continue
        await stop.sleep(0 if busy else pause_s)


def _told(fault: Exception) -> dict[str, str]:
    """Of a group of failures the first: "unhandled errors in a TaskGroup" helps nobody. Of what it says the first line:
    below it a database quotes values, such as somebody's number."""
    while isinstance(fault, ExceptionGroup):
        fault = fault.exceptions[0]
    return {"kind": type(fault).__name__, "fault": str(fault).partition("\n")[0][:200]}


async def deliver_events(system: System, stop: Stop, pace: Pace, *, delivered: Callable[[], None]) -> None:
    """Events to their consumers; `delivered` wakes whoever works on what the consumers wrote."""

    async def turn() -> bool:
        if await system.courier.deliver(limit=100) == 0:
            return False
        delivered()
        return True

    await until_stopped(stop, "courier", turn, pause_s=pace.courier_s)


Clockwork = Sequence[tuple[Act[Done], timedelta]]

#: The clock's own acts and how long each may rest: silence becomes acceptance and lights turn at once, the rest can
#: wait. Measured on the office's clock, so that a demo that jumps a day performs a day's work.
CLOCKWORK: Clockwork = (
    (DeemAccepted(), timedelta(0)),
    (TurnLights(), timedelta(0)),
    (IssueOrders(), timedelta(0)),
    (DeemRenewed(), timedelta(0)),
    (NoteOverruns(), timedelta(0)),
    (TurnHearingLights(), timedelta(0)),
    (ReprojectDeadlines(), timedelta(0)),
    (ReleaseHeld(), timedelta(seconds=1)),
    (FollowUpUndelivered(), timedelta(seconds=20)),
    (StrikeOutTexts(), timedelta(minutes=1)),
    (StrikeOutInbound(), timedelta(minutes=1)),
    (RemindUnconfirmed(), timedelta(minutes=1)),
    (CallOverdueAnswers(), timedelta(minutes=1)),
    (TendLicences(), timedelta(minutes=1)),
    (TurnReportedLights(), timedelta(seconds=1)),
    (ReleaseHeldRows(), timedelta(minutes=1)),
    (WatchDays(), timedelta(minutes=1)),
    (ArchiveCases(), timedelta(minutes=1)),
    (PublishRevocationList(), timedelta(minutes=1)),
    (TendFerryKeys(), timedelta(minutes=1)),
    (ReconcileFerry(), timedelta(minutes=1)),
    (ForgetRelayedActs(), timedelta(minutes=10)),
    (PruneRequests(), timedelta(hours=1)),
    (ForgetAnswers(), timedelta(hours=1)),
    (CollectUploads(), timedelta(hours=1)),
    (ForgetLoginCodes(), timedelta(hours=1)),
    (BringChangesIntoEffect(), timedelta(minutes=1)),
    (CheckCalendar(), timedelta(hours=1)),
)


def clockwork_of(zone: str) -> Clockwork:
    """Outside time is kept for what the outer zone does by itself: cases, lights and orders are the inner one's."""
    if zone != "outer":
        return CLOCKWORK
    return [(act, rest) for act, rest in CLOCKWORK if type(act) in LOCAL_OUTSIDE]


class Timer:
    """Performs the clockwork's acts when they are due. One that fails does not keep the others from their turn."""

    def __init__(self, system: System, clockwork: Clockwork = CLOCKWORK) -> None:
        self._system = system
        self._rests_until: dict[str, datetime] = {}
        self._clockwork = clockwork

    async def tick(self) -> int:
        """Performs once what is due now and returns how many rows it concerned."""
        now, count = self._system.clock.now(), 0
        for act, rest in self._clockwork:
            name = type(act).__name__
            # Further ahead than the rest is long: the clock was set back meanwhile.
            if timedelta(0) < self._rests_until.get(name, now) - now <= rest:
                continue
            self._rests_until[name] = now + rest
            try:
                outcome = await self._system.office.perform(act, THE_CLOCK, key=None)
            except Exception as fault:
                _log.error("an act of the clock failed", act=name, **_told(fault))
                continue
            if isinstance(outcome, Refusal):
                _log.error("the clock was refused", act=name, code=outcome.code)
            else:
                count += outcome.count
        return count


async def keep_time(system: System, stop: Stop, pace: Pace) -> None:
    """The clock's own acts, as long as the process lives."""
    timer = Timer(system, clockwork_of(system.settings.ferry.zone))

    async def turn() -> bool:
        return await timer.tick() > 0

    await until_stopped(stop, "timer", turn, pause_s=pace.timer_s)


async def follow_calendar(system: System, stop: Stop, pace: Pace) -> None:
    """Takes up a calendar that the command line, or another process, imported."""

    async def turn() -> bool:
        return await system.renew_calendar()

    await until_stopped(stop, "calendar", turn, pause_s=pace.timer_s)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: this process has its own, for more than HTTP."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening(host: str, port: int) -> socket.socket:
    """The socket of the HTTP door; the system chooses the port when it is 0. Raises SettingsRefused.

    Taken before anything else begins: who starts the program twice must not disturb the one that runs.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        door = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            wrong = Problem("http.port", f"端口 {port} 已被占用", f"port {port} is taken by another program")
        else:
            reason = (error.strerror or "unusable").partition(" (while")[0]
            wrong = Problem("http", f"无法监听 {host}:{port}（{reason}）", f"cannot listen on {host}:{port} ({reason})")
        raise SettingsRefused([wrong]) from None
    # asyncio says so for the sockets it makes itself; without, the body of every answer waits 40 ms for the caller's
    # system to acknowledge its head.
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return door


@asynccontextmanager
async def http_door(app: Starlette, *, door: socket.socket, trusted: Sequence[str] = ()) -> AsyncIterator[int]:
    """Serves `app` on a listening socket, where callers wait until it is ready, and yields the port.

    `trusted` are the addresses and networks of proxies; of anybody else X-Forwarded-For is not read.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=int(_GRACE_S),
        forwarded_allow_ips=list(trusted),  # said, because uvicorn would ask the environment
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve([door]), name="http")
    try:
        yield int(door.getsockname()[1])
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def running(*loops: Awaitable[None], stop: Stop) -> AsyncIterator[None]:
    """Runs `loops` beside the block; afterwards tells them to stop and waits for them."""
    tasks = [asyncio.ensure_future(loop) for loop in loops]
    try:
        yield
    finally:
        stop()
        await asyncio.gather(*tasks)


def stop_on_signals(stop: Stop) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
