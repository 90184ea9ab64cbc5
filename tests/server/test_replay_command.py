"""The command `zhangban replay` as a person types it."""

import gzip
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from server.cli_replay import command

LOG = """<?xml version="1.0" encoding="UTF-8"?>
<log xmlns="http://www.xes-standard.org/">
  <trace>
    <string key="concept:name" value="case-1"/><string key="department" value="General"/>
    <string key="responsible" value="Resource01"/><string key="channel" value="Desk"/>
    <date key="startdate" value="2011-03-01T09:00:00.000+01:00"/>
    <date key="deadline" value="2011-03-10T12:00:00.000+01:00"/>
    <date key="enddate" value="2011-03-11T12:00:00.000+01:00"/>
    <event>
      <string key="concept:name" value="Confirmation of receipt"/><string key="org:resource" value="Resource02"/>
      <date key="time:timestamp" value="2011-03-01T10:00:00.000+01:00"/>
    </event>
  </trace>
</log>
"""


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(command)
    return app


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.xes.gz"
    path.write_bytes(gzip.compress(LOG.encode()))
    return path


def test_the_last_line_is_one_json_object_with_exactly_the_promised_keys(app: typer.Typer, log: Path):
    result = CliRunner().invoke(app, [str(log), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    assert report.pop("seconds") > 0
    assert report == {
        "cases": 1,
        "events": 1,
        "officers": 1,
        "finished_in_time": 0,
        "finished_late": 1,
        "open_in_time": 0,
        "open_overdue": 0,
        "yellow_lights": 1,
        "red_lights": 1,
        "cards_proposed": 1,
        "exchange": None,
    }


def test_told_by_the_exchange_the_same_keys_and_what_came_of_its_batches(
    app: typer.Typer, log: Path, installed_url: str
):
    result = CliRunner().invoke(app, [str(log), "--exchange", "--until", "2011-03-12", "--database", installed_url])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    shown = {line[0]: line[1] for line in lines if len(line) > 1}
    assert (shown["finished_late"], shown["red_lights"], shown["cards_proposed"]) == ("1", "1", "0")
    assert (shown["exchange.rows"], shown["exchange.accepted"]) == ("4", "4")
    assert ["exchange.findings", "reported_overdue", "1"] in lines
    again = CliRunner().invoke(app, [str(log), "--exchange", "--database", installed_url])
    assert again.exit_code == 1
    assert "DATABASE_IN_USE" in again.stderr


def test_until_cuts_the_play_and_the_table_is_for_people(app: typer.Typer, log: Path):
    result = CliRunner().invoke(app, [str(log), "--until", "2011-03-05T00:00:00+01:00"])
    assert result.exit_code == 0, result.output
    shown = dict(line.split() for line in result.stdout.splitlines() if len(line.split()) == 2)
    assert (shown["open_in_time"], shown["red_lights"]) == ("1", "0")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (gzip.compress(LOG.encode())[:-40], "LOG_TRUNCATED"),
        (LOG.encode()[:400], "LOG_TRUNCATED"),
        (b"not a log", "LOG_NOT_XES"),
        (LOG.replace("deadline", "limit").encode(), "LOG_WITHOUT_DEADLINE"),
        (None, "LOG_MISSING"),
    ],
)
def test_a_bad_file_is_refused_with_its_reason(app: typer.Typer, tmp_path: Path, content: bytes | None, code: str):
    path = tmp_path / "bad.xes"
    if content is not None:
        path.write_bytes(content)
    result = CliRunner().invoke(app, [str(path)])
    assert result.exit_code == 1
    assert code in result.stderr


def test_an_unreadable_until_is_refused(app: typer.Typer, log: Path):
    result = CliRunner().invoke(app, [str(log), "--until", "soon"])
    assert result.exit_code == 1
    assert "until" in result.stderr
