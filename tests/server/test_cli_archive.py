"""`zhangban archive` and `zhangban case`, as an operator types them."""

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from certs.authority import pem
from kernel.clock import FakeClock
from server.__main__ import app
from server.settings import DatabaseSettings, Settings
from server.wiring import open_system
from tests.certs.made import Ca
from tests.mobile_api.stage import Stage
from tests.server.archived import archived
from tests.server.test_archive import repacked, unpacked

NOON = datetime(2026, 9, 18, 4, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Office:
    """An installation on disk with one archived and one open case."""

    folder: Path
    case: str
    open_case: str

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    def zhangban(self, *arguments: str) -> Result:
        """Anything but an answer or a sentence is a defect."""
        environment = {"ZHANGBAN_DATA_DIR": str(self.folder), "ZHANGBAN_DATABASE__URL": f"sqlite://{self.folder}/z.db"}
        result = CliRunner().invoke(app, arguments, env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        return result


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    folder = tmp_path_factory.mktemp("office")
    return asyncio.run(_filled(folder))


async def _filled(folder: Path) -> Office:
    settings = Settings(data_dir=folder, database=DatabaseSettings(url=f"sqlite://{folder}/z.db"))
    clock = FakeClock(NOON)
    async with open_system(settings, clock=clock) as system:
        stage = Stage(system.database, clock, system.authority, system.files)
        await stage.settle()
        case = await archived(stage)
        open_case = await stage.accepted()
        (folder / "root.pem").write_bytes(pem(system.authority.root))
    return Office(folder, case, open_case)


@pytest.fixture
def packed(office: Office, tmp_path: Path) -> Path:
    file = tmp_path / "case.zip"
    result = office.zhangban("archive", "export", office.case, str(file))
    assert result.exit_code == 0, result.stderr
    return file


def test_an_archive_is_exported_and_verified(office: Office, packed: Path):
    result = office.zhangban("archive", "verify", str(packed), "--root", str(office.root))
    assert result.exit_code == 0, result.stderr
    assert "完好 · intact" in result.stdout
    assert office.case in result.stdout
    assert [each.name for each in packed.parent.iterdir()] == ["case.zip"]


def test_the_verdict_as_json_names_what_was_found(office: Office, packed: Path):
    verdict = json.loads(office.zhangban("archive", "verify", str(packed), "--root", str(office.root), "--json").stdout)
    assert verdict["intact"] is True
    assert (verdict["case"], verdict["decisions"], verdict["faults"]) == (office.case, 6, [])
    assert verdict["record"]["经办人信息"] > 0


def test_a_meddled_package_and_a_foreign_root_exit_with_one_and_say_what(office: Office, packed: Path):
    octets = packed.read_bytes()
    packed.write_bytes(octets.replace("衡江建设".encode(), "衡江地产".encode(), 1))
    result = office.zhangban("archive", "verify", str(packed), "--root", str(office.root))
    assert result.exit_code == 1
    assert "FILE_CHANGED" in result.stderr
    assert "文件内容被改动" in result.stderr
    packed.write_bytes(octets)
    stranger = packed.with_name("other.pem")
    stranger.write_bytes(pem(Ca("别的根 CA").certificate))
    result = office.zhangban("archive", "verify", str(packed), "--root", str(stranger), "--json")
    assert result.exit_code == 1
    found = {fault["code"] for fault in json.loads(result.stdout)["faults"]}
    assert {"MANIFEST_SEAL_INVALID", "DECISION_INVALID", "PAPER_SEAL_INVALID"} <= found


def test_what_is_no_package_is_refused_with_its_code(office: Office, packed: Path):
    packed.write_bytes(packed.read_bytes()[:1000])
    result = office.zhangban("archive", "verify", str(packed), "--root", str(office.root))
    assert result.exit_code == 1
    assert "[ARCHIVE_UNREADABLE]" in result.stderr
    refused = office.zhangban("archive", "verify", str(packed), "--root", str(packed), "--json")
    assert json.loads(refused.stdout)["refused"] == "ARCHIVE_ROOT_UNREADABLE"


def test_an_open_or_unknown_case_has_no_archive(office: Office, tmp_path: Path):
    for case, code in ((office.open_case, "[NOT_ARCHIVED]"), ("000", "[UNKNOWN_CASE]")):
        result = office.zhangban("archive", "export", case, str(tmp_path / "none.zip"))
        assert (result.exit_code, list(tmp_path.iterdir())) == (1, [])
        assert code in result.stderr


def test_a_case_is_shown_whole_and_the_view_is_logged(office: Office):
    result = office.zhangban("case", "show", office.case)
    assert result.exit_code == 0, result.stderr
    for words in (
        *("办件", "时限", "环节意见", "任务", "材料", "文书", "短信", "异常", "证照", "事件", "查阅", "档案"),
        *(office.case, "衡江建设有限公司", "开始计时", "准予许可", "申请表", "受理通知书", "已送达", "归档"),
        "与归档时一致",
    ):
        assert words in result.stdout, words
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "序 环节 决定 意见 经办人 签名存证 时间" in lines
    assert "4 批准 准予许可 准予许可。 郑立言（OFF-0003） SG00000004 2026-09-18 12:00:00" in lines
    assert not any(len(line) > 160 for line in result.stdout.splitlines())
    sheet = json.loads(office.zhangban("case", "show", office.case, "--json").stdout)
    assert [step["决定"] for step in sheet["环节意见"]][-1] == "送达"
    assert [view["内容"] for view in sheet["查阅"]][-2:] == ["case show", "case show"]
    assert sheet["档案"][0]["核对"] == "与归档时一致"


def test_what_people_wrote_is_shown_as_they_wrote_it(office: Office):
    """Neither markup nor the terminal's own language; whoever files chooses these names."""
    with closing(sqlite3.connect(office.folder / "z.db")) as database:
        for name, shown in (
            ("[/red]甲", "[/red]甲（"),
            ("[bold]乙[/bold]", "[bold]乙[/bold]（"),
            ("\x1b[2J丙", "\\x1b[2J丙（"),
        ):
            database.execute("UPDATE case_file SET applicant_name = ? WHERE number = ?", (name, office.open_case))
            database.execute(
                "UPDATE material SET name = ? WHERE case_id = (SELECT id FROM case_file WHERE number = ?)",
                (name, office.open_case),
            )
            database.commit()
            result = office.zhangban("case", "show", office.open_case)
            assert result.exit_code == 0
            assert shown in result.stdout
            assert "\x1b" not in result.stdout


@pytest.mark.parametrize("name", ["[/x]", "[bold]1[/bold]", "\x1b[2J", "1\n完好 · intact", "\u202e1"])
def test_what_a_package_calls_itself_is_shown_as_it_stands(office: Office, packed: Path, name: str):
    files = unpacked(packed.read_bytes())
    manifest = json.loads(files["manifest.json"])
    manifest["decisions"][0]["evidence"] = manifest["archive"] = name
    packed.write_bytes(repacked({**files, "manifest.json": json.dumps(manifest).encode()}))
    result = office.zhangban("archive", "verify", str(packed), "--root", str(office.root))
    assert result.exit_code == 1
    assert "MANIFEST_SEAL_INVALID" in result.stderr
    for output in (result.stdout, result.stderr):
        assert not {"\x1b", "\u202e"} & set(output)
        assert not any(line.strip().startswith("完好") for line in output.splitlines())
    if name.isprintable():
        assert name in result.stdout


def test_a_package_goes_into_a_file_and_nowhere_else(office: Office, tmp_path: Path):
    missing = tmp_path / "none" / "case.zip"
    result = office.zhangban("archive", "export", office.case, str(missing))
    assert (result.exit_code, "[ARCHIVE_FILE_UNUSABLE]" in result.stderr) == (1, True)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for other in (pipe, tmp_path):
        result = office.zhangban("archive", "export", office.case, str(other))
        assert result.exit_code != 0
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_no_database_is_made_to_export_from(office: Office, tmp_path: Path):
    there = tmp_path / "folder" / "backup.db"
    result = office.zhangban(
        "archive", "export", office.case, str(tmp_path / "case.zip"), "--database", f"sqlite://{there}"
    )
    assert result.exit_code == 1
    assert str(there) in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_open_case_shows_what_it_has(office: Office):
    sheet = json.loads(office.zhangban("case", "show", office.open_case, "--json").stdout)
    assert sheet["档案"] == sheet["证照"] == []
    assert sheet["任务"][-1]["结束"] == "—"


@pytest.mark.parametrize(
    ("number", "code"),
    [("000", "UNKNOWN_CASE"), ("", "UNKNOWN_CASE"), ("[/red]", "UNKNOWN_CASE"), ("9" * 10_000, "INVALID")],
)
def test_an_unknown_case_is_refused(office: Office, number: str, code: str):
    result = office.zhangban("case", "show", number)
    assert result.exit_code == 1
    assert f"[{code}]" in result.stderr
