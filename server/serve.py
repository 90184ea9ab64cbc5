"""`zhangban serve`: everything in one process, on the real clock, until SIGTERM."""

from pathlib import Path

import structlog
import typer

from server.commands import ConfigOption, run
from server.config_file import SettingsRefused
from server.doors import open_doors
from server.processes import Stop, stop_on_signals
from server.settings import Settings, load
from server.wiring import open_system

_log = structlog.get_logger(__name__)


def serve(config: ConfigOption = None) -> None:
    """启动全部服务 · Serve phones, texts and deadlines in one process; SIGTERM stops it without losing anything."""
    run(_serve(settings_of(config)))


def settings_of(config: Path | None) -> Settings:
    """The settings, or every wrong line and exit code 1."""
    try:
        return load(config)
    except SettingsRefused as refused:
        for problem in refused.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(1) from None


async def _serve(settings: Settings) -> None:
    stop = Stop()
    stop_on_signals(stop)
    async with open_system(settings) as system, open_doors(system, stop=stop) as doors:
        _log.info("serving", http=f"http://{settings.http.host}:{doors.http_port}", database=system.database.dialect)
        await stop.event.wait()
        _log.info("stopping")
    _log.info("stopped")
