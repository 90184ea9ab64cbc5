"""What `serve` and its neighbours say instead of starting: one clear sentence per cause and exit code 1."""

import contextlib
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from server.__main__ import app

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line in an empty folder, with settings from the environment."""
    monkeypatch.chdir(tmp_path)

    def command(line: str, **environment: str) -> Result:
        return CliRunner().invoke(app, line.split(), env={"ZHANGBAN_HTTP__PORT": "0", **environment})

    return command


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first-start")
    with contextlib.chdir(folder):
        assert CliRunner().invoke(app, ["county", "load"]).exit_code == 0
    return folder


@pytest.fixture
def installed(run: Run, first_start: Path) -> Run:
    """The same in a folder where the sample county has been loaded."""
    shutil.copytree(first_start, ".", dirs_exist_ok=True)
    return run


def refusal(result: Result) -> str:
    """What it said, in one line, and nothing else happened."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    return line


def test_a_missing_file_of_settings_is_named(run: Run):
    assert refusal(run("serve --config nowhere.toml")).startswith("nowhere.toml：无法读取")


def test_every_command_names_every_wrong_line(run: Run):
    Path("zhangban.toml").write_text("demo = 3\n[http]\nport = 99999\n[nonsense]\n")
    for line in ("serve", "county load", "enrolment list", "enrolment approve X --document 身份证", "log verify"):
        result = run(line, ZHANGBAN_HTTP__PORT="8000000")
        assert result.exit_code == 1
        assert [said.split("：")[0] for said in result.stderr.splitlines()] == [
            "第 1 行 line 1 demo",
            "第 4 行 line 4 nonsense",
            "ZHANGBAN_HTTP__PORT",
        ], line
    assert not Path("var").exists()


def test_a_wrong_passphrase_of_the_ca_is_said(installed: Run):
    said = refusal(installed("serve", ZHANGBAN_SECRETS__CA_PASSPHRASE="certainly another one"))
    assert said.startswith("secrets.ca_passphrase：不能打开 var/pki 中的私钥")
    assert "certainly" not in said


def test_a_damaged_key_of_the_ca_is_said(installed: Run):
    Path("var/pki/issuing.key.pem").chmod(0o600)
    Path("var/pki/issuing.key.pem").write_text("-----BEGIN NONSENSE-----")
    assert "var/pki" in refusal(installed("serve"))


def test_a_secret_that_others_can_read_is_refused(installed: Run):
    Path("var/secrets/hmac-key").chmod(0o644)
    assert refusal(installed("serve")).startswith("var/secrets/hmac-key：他人可读，请 chmod 600")


def test_a_secret_that_was_cut_short_is_refused(installed: Run):
    Path("var/secrets/hmac-key").write_text("")
    assert refusal(installed("serve")).startswith("var/secrets/hmac-key：内容不完整")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_secret_that_we_cannot_read_is_refused(installed: Run):
    Path("var/secrets/hmac-key").chmod(0)
    assert refusal(installed("serve")).startswith("var/secrets/hmac-key：无法读写（Permission denied）")


@pytest.mark.parametrize("folder", ["/proc/zhangban", "occupied/var"])
def test_a_folder_that_cannot_be_made_is_said(run: Run, folder: str):
    Path("occupied").write_text("a file, no folder")
    assert "无法读写" in refusal(run("serve", ZHANGBAN_DATA_DIR=folder))


@pytest.mark.parametrize("address", ["sqlite:///proc/zhangban/z.db", "sqlite:///etc", "postgres://u:p@127.0.0.1:1/z"])
def test_a_database_that_cannot_be_opened_is_said(run: Run, address: str):
    said = refusal(run("serve", ZHANGBAN_DATABASE__URL=address))
    assert "DATABASE_UNAVAILABLE" in said
    assert "u:p" not in said


def test_a_file_that_is_no_database_is_said_and_left_alone(run: Run):
    Path("letter.db").write_text("Dear Sir or Madam, " * 100)
    assert "DATABASE_UNAVAILABLE" in refusal(run("serve", ZHANGBAN_DATABASE__URL="sqlite://letter.db"))
    assert Path("letter.db").read_text().startswith("Dear Sir")


def test_a_database_without_a_column_of_this_program_is_said(installed: Run):
    [file] = Path("var").glob("*.db")
    with contextlib.closing(sqlite3.connect(file)) as altered:
        altered.execute("ALTER TABLE unit DROP COLUMN short_name")
    for line in ("serve", "enrolment list"):
        said = refusal(installed(line))
        assert "DATABASE_UNFIT" in said
        assert "unit.short_name" in said


def test_a_taken_port_is_said(installed: Run):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert refusal(installed("serve", ZHANGBAN_HTTP__PORT=port)).startswith(f"http.port：端口 {port} 已被占用")


def test_an_address_that_is_not_ours_is_said(installed: Run):
    assert refusal(installed("serve", ZHANGBAN_HTTP__HOST="192.0.2.1")).startswith("http：无法监听 192.0.2.1:0")


def test_units_that_the_directory_lacks_are_named(installed: Run):
    units = {"ZHANGBAN_CASEWORK__HALL_UNIT": "NOHALL", "ZHANGBAN_SUPERVISION__SUPERVISION_UNIT": "NOBODY"}
    result = installed("serve", **units)
    assert result.exit_code == 1
    assert [line.split("：")[0] for line in result.stderr.splitlines()] == [
        "casework.hall_unit",
        "supervision.supervision_unit",
    ]
    only_one = {"ZHANGBAN_CASEWORK__HALL_UNIT": "NOHALL"}
    assert refusal(installed("serve", **only_one)) == (
        "casework.hall_unit：单位名录中没有这个单位代码 · the directory has no unit with this code"
    )
