"""`zhangban serve`: everything in one process, on the real clock, until SIGTERM."""

import gc
import logging

import structlog

from kernel.tables import Unit
from server.commands import ConfigOption, run, settings_of
from server.config_file import Problem, SettingsRefused
from server.doors import open_doors
from server.processes import Stop, stop_on_signals
from server.settings import Settings
from server.wiring import open_system

_log = structlog.get_logger(__name__)


def serve(config: ConfigOption = None) -> None:
    """启动全部服务 · Serve phones, texts and deadlines in one process; SIGTERM stops it without losing anything."""
    date_warnings()
    run(_serve(settings_of(config)))


def date_warnings() -> None:
    """Warnings of carriers and of the queue: on standard error, each with its time, as the other lines of the log."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s [%(levelname)s] %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )


async def _serve(settings: Settings) -> None:
    stop = Stop()
    stop_on_signals(stop)
    async with open_system(settings) as system:
        await _check_units(settings)
        async with open_doors(system, stop=stop) as doors:
            spare_the_collector()
            http = f"http://{settings.http.host}:{doors.http_port}"
            _log.info("serving", http=http, database=system.database.dialect)
            await stop.event.wait()
            _log.info("stopping")
    _log.info("stopped")


def spare_the_collector() -> None:
    """What was loaded at the start stays for good: the collector need not look at it again, and seldom at the rest.

    A text took 41 µs of processor instead of 59 when this was measured with bench/sms.py.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _check_units(settings: Settings) -> None:
    """Units that settings name must be in the directory, once there is one: nobody would get their cases and cards."""
    known = {str(unit["code"]) for unit in await Unit.all().values("code")}
    named = {
        "casework.hall_unit": settings.casework.hall_unit,
        "supervision.supervision_unit": settings.supervision.supervision_unit,
    }
    missing = [where for where, code in named.items() if known and code not in known]
    if missing:
        zh, en = "单位名录中没有这个单位代码", "the directory has no unit with this code"
        raise SettingsRefused([Problem(where, zh, en) for where in missing])
