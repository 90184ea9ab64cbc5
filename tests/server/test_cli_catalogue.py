"""What an operator types about the catalogue: judge a file, take it in, write it, draw it, report on it."""

import asyncio
import hashlib
import io
import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openpyxl import load_workbook

from casework.catalogue.exchange import as_excel, as_json
from casework.seed import county, items
from kernel.db import Database
from server.settings import load
from server.wiring import TABLES
from tests.desk.conftest import config, zhangban  # noqa: F401  fixtures

COUNTY = Path(str(files("casework.seed") / "county.json"))
SOME = [item for item in items() if item.code in ("ZJ-XK-001", "ZJ-XK-002", "JY-XK-002", "SJ-SP-001")]


@pytest.fixture
def seeded(zhangban, tmp_path: Path) -> Callable[..., Any]:  # noqa: F811
    """An installation with the county's units and a few items."""
    file = tmp_path / "some.json"
    file.write_bytes(as_json(SOME))
    assert zhangban("directory", "import", COUNTY).exit_code == 0
    assert zhangban("catalogue", "import", file).exit_code == 0
    return zhangban


def given(tmp_path: Path, content: bytes, name: str = "given.json") -> Path:
    file = tmp_path / name
    file.write_bytes(content)
    return file


def written(tmp_path: Path, value: object) -> Path:
    return given(tmp_path, json.dumps(value, ensure_ascii=False).encode())


def asked(config: Path, sql: str) -> list[dict[str, Any]]:  # noqa: F811
    async def ask() -> list[dict[str, Any]]:
        database = await Database.open(load(config).database.url, modules=TABLES)
        try:
            return list(await database.rows(sql))
        finally:
            await database.close()

    return asyncio.run(ask())


# --------------------------------------------------------------------------------------------------------- publish
def test_items_are_published_and_the_same_words_again_make_no_new_version(zhangban, config, tmp_path):  # noqa: F811
    zhangban("directory", "import", COUNTY)
    file = given(tmp_path, as_json(SOME))
    expected = "".join(f"{item.code}：第1版 · version 1\n" for item in SOME)
    for _ in range(2):
        result = zhangban("catalogue", "publish", file)
        assert (result.exit_code, result.stdout, result.stderr) == (0, expected, "")
    assert asked(config, "SELECT COUNT(*) AS n FROM item_version") == [{"n": len(SOME)}]


def test_each_problem_of_each_item_is_named_and_the_good_ones_are_published(zhangban, tmp_path):  # noqa: F811
    zhangban("directory", "import", COUNTY)
    good, other, third = (msgspec.to_builtins(item) for item in items()[:3])
    longer = {**other["stages"][0], "committed_limit_days": 99, "statutory_limit_days": 9}
    wrong = {**other, "person": "", "forms": "", "stages": [longer, *other["stages"][1:]]}
    file = written(tmp_path, [wrong, good, {"code": "x"}, {**third, "unit": "NOBODY"}, {**third, "secret": True}])
    result = zhangban("catalogue", "publish", file)
    assert (result.exit_code, result.stdout) == (1, f"{good['code']}：第1版 · version 1\n")
    found = [(line.partition("：")[0], line.rpartition("[")[2]) for line in result.stderr.splitlines()]
    assert found == [
        (other["code"], "ITEM_INCOMPLETE]"),
        (other["code"], "NOBODY_RESPONSIBLE]"),
        (other["code"], "COMMITTED_OVER_STATUTORY]"),
        ("[3]", "ITEM_MALFORMED]"),
        (third["code"], "NOT_FOUND]"),
        (third["code"], "ITEM_SECRET]"),
    ]
    assert "审批表格" in result.stderr
    changed = written(tmp_path, {**good, "person": "另一人"})
    assert zhangban("catalogue", "publish", changed).stdout == f"{good['code']}：第2版 · version 2\n"


def test_a_file_that_is_no_catalogue_is_refused(zhangban, tmp_path):  # noqa: F811
    for content in (b"", b"[1, 2", '{"code": "县"}'.encode("gbk")):
        file = given(tmp_path, content)
        for command in ("publish", "check", "import"):
            result = zhangban("catalogue", command, file)
            assert result.exit_code == 1
            assert "ITEM_MALFORMED" in result.stderr or "FILE_UNREADABLE" in result.stderr


# --------------------------------------------------------------------------------------------------- check, import
def test_a_whole_file_goes_in_or_nothing_and_every_wrong_row_is_named(zhangban, config, tmp_path):  # noqa: F811
    zhangban("directory", "import", COUNTY)
    book = load_workbook(io.BytesIO(as_excel(SOME)))
    book["事项"]["C2"] = "NOBODY"
    book["阶段"]["G3"] = 99
    book["申请资料"]["B2"] = "=1+1"
    book.save(tmp_path / "wrong.xlsx")
    result = zhangban("catalogue", "check", tmp_path / "wrong.xlsx", "--json")
    assert result.exit_code == 1
    judged = json.loads(result.stdout)
    assert [(each["sheet"], each["row"], each["column"], each["code"]) for each in judged["problems"]] == [
        ("申请资料", 2, "资料名称", "CELL_INVALID"),
        ("阶段", 3, "承诺时限", "COMMITTED_OVER_STATUTORY"),
    ]
    book["申请资料"]["B2"] = "申请表"
    book.save(tmp_path / "wrong.xlsx")
    result = zhangban("catalogue", "import", tmp_path / "wrong.xlsx")
    assert (result.exit_code, result.stdout) == (1, "")
    assert [line.partition("：")[0] for line in result.stderr.splitlines()] == [
        "阶段 第3行 承诺时限",
        "事项 第2行 单位代码",
    ]
    assert asked(config, "SELECT COUNT(*) AS n FROM item") == [{"n": 0}]


def test_a_package_of_items_that_nobody_has_is_told(zhangban, tmp_path):  # noqa: F811
    zhangban("directory", "import", COUNTY)
    package = [item for item in items() if item.package]
    result = zhangban("catalogue", "check", given(tmp_path, as_json(package)))
    assert result.exit_code == 1
    assert result.stderr.count("[NOT_FOUND]") == len(package[0].package)


def test_what_is_exported_is_imported_elsewhere_the_same(seeded, tmp_path, config):  # noqa: F811
    for name in ("out.json", "out.xlsx"):
        result = seeded("catalogue", "export", tmp_path / name)
        content = (tmp_path / name).read_bytes()
        assert result.stdout == f"事项 · items: {len(SOME)}  SHA-256: {hashlib.sha256(content).hexdigest()}\n"
        again = seeded("catalogue", "import", tmp_path / name)
        assert again.exit_code == 0, again.stderr
        assert (
            seeded("catalogue", "check", tmp_path / name).stdout == f"事项 · items: {len(SOME)}  问题 · problems: 0\n"
        )
    assert asked(config, "SELECT MAX(version) AS n FROM item_version") == [{"n": 1}]
    assert seeded("catalogue", "export", tmp_path / "out.pdf").exit_code == 2
    assert seeded("catalogue", "export", tmp_path / "no" / "folder.json").exit_code == 1


# ------------------------------------------------------------------------------------------------ charts, reports
def test_a_flowchart_is_drawn_from_the_published_stage(seeded):
    assert "level_1" in seeded("catalogue", "flowchart", "JY-XK-002-01").stdout
    assert seeded("catalogue", "flowchart", "JY-XK-002").stdout.startswith("---\ntitle: ")
    picture = seeded("catalogue", "flowchart", "ZJ-XK-001-01", "--svg").stdout
    assert picture.startswith("<svg ")
    assert "住建局·承办人" in picture
    assert seeded("catalogue", "flowchart", "ZJ-XK-404").exit_code == 1


def test_a_report_is_shown_given_as_json_and_written_to_a_file(seeded, tmp_path):
    shown = seeded("catalogue", "report", "statistics")
    assert (shown.exit_code, "SHA-256: " in shown.stdout) == (0, True)
    for kind, suffix in (("compression", ".xlsx"), ("flowcharts", ".zip")):
        file = tmp_path / f"report{suffix}"
        told = json.loads(seeded("catalogue", "report", kind, "--json", "--out", file).stdout)
        assert {"title", "generated_at", "sha256", "columns", "rows"} <= told.keys()
        assert told["rows"]
        assert file.stat().st_size > 1000
    assert seeded("catalogue", "report", "units", "--out", tmp_path / "report.pdf").exit_code == 2


def test_the_whole_sample_catalogue_is_taken_in(zhangban, tmp_path):  # noqa: F811
    zhangban("directory", "import", COUNTY)
    result = zhangban("catalogue", "import", given(tmp_path, as_excel(items()), "all.xlsx"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == len(items())
    units = json.loads(zhangban("catalogue", "report", "units", "--json").stdout)
    assert len(units["rows"]) == len(county().units)
