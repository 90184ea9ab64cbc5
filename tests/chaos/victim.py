"""`python -m tests.chaos.victim`: real `zhangban serve` processes, to be killed at a chosen point or moment.

Everything is imported once. Each line on standard input is an `Order` (JSON); it forks a server, whose pid is answered
("started PID"), and whose end is told ("ended PID STATUS", the status as of waitpid). A server's clock goes `ahead_s`
before the machine's; SIGUSR1 puts it three hours ahead, SIGUSR2 three hours back. When the orders end, all servers are
killed.
"""

import gc
import os
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from kernel.clock import SystemClock
from server.serve import serve
from sms.gateway import Gateway
from sms.lane import Pace
from sms.link import Backoff
from tests.chaos import ferry_points, ferry_sabotage, kill_points
from tests.chaos.ferry_disk import fail_while
from tests.chaos.ferry_pace import hurry, seal_only
from tests.chaos.sabotage import BROKEN
from tools.postgres import _die_with_parent

JUMP = timedelta(hours=3)
#: An orphan is known after three rounds of housekeeping, a carrier that is back found after a tenth of the time.
HURRY = Pace(tend_s=0.4, poll_s=0.1)


class Order(Struct, frozen=True, kw_only=True):
    """`kill`: a name of kill_points or ferry_points, `passages` later than the first that fits.

    `sabotage`: a name of BROKEN, of the gateway or the ferry. `disk`: a file; while it is there, the operations that
    it names fail (ferry_disk.py). `sealer`: no server, but the ferry towards this peer alone. `one_by_one`: every
    record is a parcel of its own.
    """

    config: str
    log: str
    kill: str = ""
    passages: int = 0
    ahead_s: float = 0.0
    sabotage: str = ""
    disk: str = ""
    sealer: str = ""
    one_by_one: bool = False


def main() -> None:
    signal.signal(signal.SIGCHLD, _reap)
    gc.freeze()
    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Order)
        # So that nobody is told of an end before the beginning.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            _become(order)
        _children.add(pid)
        _say(f"started {pid}")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for pid in _children:
        os.kill(pid, signal.SIGKILL)


_children: set[int] = set()


def _reap(*_: object) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _children.discard(pid)
        _say(f"ended {pid} {status}")


def _say(words: str) -> None:
    os.write(1, f"{words}\n".encode())


def _become(order: Order) -> None:
    """The child: a server, and never anything else."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    _die_with_parent()
    log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    set_clock(timedelta(seconds=order.ahead_s))
    defaults = Gateway.__init__.__kwdefaults__
    assert defaults is not None
    defaults["pace"] = HURRY
    Backoff.wait = _hurried(Backoff.wait)  # type: ignore[method-assign]
    if order.sabotage:
        {**BROKEN, **ferry_sabotage.BROKEN}[order.sabotage]()
    hurry(one_by_one=order.one_by_one)
    if order.disk:
        fail_while(Path(order.disk))
    if order.kill:
        (ferry_points if order.kill in ferry_points.NAMES else kill_points).die_at(order.kill, order.passages)
    code = 70
    try:
        seal_only(Path(order.config), order.sealer) if order.sealer else serve(Path(order.config))
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        os._exit(code)


def set_clock(ahead: timedelta) -> None:
    plain = SystemClock.now

    def now(self: SystemClock) -> datetime:
        return plain(self) + ahead

    def jump(number: int, _: object) -> None:
        nonlocal ahead
        ahead += JUMP if number == signal.SIGUSR1 else -JUMP

    SystemClock.now = now  # type: ignore[method-assign]
    signal.signal(signal.SIGUSR1, jump)
    signal.signal(signal.SIGUSR2, jump)


def _hurried(wait):
    def hurried(self: Backoff, failures: int, chance: float) -> float:
        return float(wait(self, failures, chance)) / 10

    return hurried


if __name__ == "__main__":
    main()
