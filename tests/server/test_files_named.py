"""Whatever file somebody names to a command, the answer is a sentence: missing, a folder, unreadable, empty, noise."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from server.__main__ import app
from tests.server.test_cli_clock import zhangban

#: A plain file to look at, and no octet of it can be read, whoever one is.
UNREADABLE = Path("/proc/self/mem")
KINDS: dict[str, Callable[[Path], Path]] = {
    "missing": lambda folder: folder / "none.json",
    "a folder": lambda folder: folder,
    "unreadable": lambda folder: UNREADABLE,
    "empty": lambda folder: _written(folder / "empty.json", b""),
    "noise": lambda folder: _written(folder / "noise.json", bytes(range(256)) * 8),
}
_EXPORT = "exchange export {out} --from 2026-01-01 --to 2026-01-02 --certificate {file}"
_SENDER = "exchange sender add S --org O --region 430400 --name N --out {out} --csr {file}"
#: Every command that reads a file, by which of its parameters.
COMMANDS = {
    ("archive verify", "file"): "archive verify {file} --root {file}",
    ("archive verify", "root"): "archive verify {out} --root {file}",
    ("calendar import", "file"): "calendar import {file} --approve-as A --second B",
    ("catalogue check", "file"): "catalogue check {file}",
    ("catalogue import", "file"): "catalogue import {file}",
    ("catalogue publish", "file"): "catalogue publish {file}",
    ("config check", "path"): "config check {file}",
    ("directory import", "file"): "directory import {file}",
    ("evidence verify", "root"): "evidence verify {out} --root {file}",
    ("exchange check", "file"): "exchange check {file}",
    ("exchange check", "root"): "exchange check {out} --root {file}",
    ("exchange export", "certificate"): _EXPORT,
    ("exchange from-log", "certificate"): "exchange from-log {out} {out}.new --certificate {file} --key {out}",
    ("exchange from-log", "key"): "exchange from-log {out} {out}.new --certificate {out} --key {file}",
    ("exchange from-log", "log"): "exchange from-log {file} {out}.new --certificate {out} --key {out}",
    ("exchange import", "file"): "exchange import {file}",
    ("exchange sender add", "csr"): _SENDER,
    ("ferry certificate", "file"): "ferry certificate {file}",
    ("ferry import", "file"): "ferry import inner {file}",
    ("ferry init", "peer"): "ferry init --peer {file} --name inner --words 甲",
    ("ferry send-list", "file"): "ferry send-list inner {file}",
    ("ferry verify", "file"): "ferry verify {file}",
    ("ferry verify", "given"): "ferry verify {out} --certificate {file}",
    ("replay", "path"): "replay {file}",
}
#: Those that open an office: what is in the file each one's own tests show.
OFFICE = {"calendar", "catalogue", "directory", "exchange export", "exchange import", "exchange sender", "ferry"}
#: Parameters that name what is written, and what each command's own tests give it.
WRITTEN = {"out", "receipts"}
WRITING = {
    *("archive export", "catalogue export", "evidence export", "exchange export", "exchange from-log"),
    *("ferry export-gap", "config init"),
}


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def environment(_shelf, tmp_path_factory):
    """One office for all of them: nothing of what they are given is ever entered."""
    folder, url = tmp_path_factory.mktemp("named"), _shelf.installed()
    peer = f'{{kind="folder", name="inner", relation="inner", out="{folder}/out", into="{folder}/in"}}'
    yield {
        "ZHANGBAN_DATABASE__URL": url, "ZHANGBAN_DATA_DIR": str(folder / "data"), "ZHANGBAN_FERRY__ZONE": "outer",
        "ZHANGBAN_FERRY__PEERS": f"[{peer}]",
    }  # fmt: skip
    _shelf.discard(url)


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_says_in_a_sentence_what_is_wrong_with_its_file(environment, tmp_path, kind):
    file = KINDS[kind](tmp_path)
    if not (file.exists() or kind == "missing"):
        pytest.skip("this system has no such file")
    out = _written(tmp_path / "other.zip", b"PK")
    for called, words in COMMANDS.items():
        if kind in ("empty", "noise") and any(called[0].startswith(each) for each in OFFICE):
            continue
        result = zhangban(*words.format(file=file, out=out).split(), **environment)
        may_be_well = kind == "empty" and called[0] in {"config check", "exchange check"}
        assert result.exit_code in ((0, 1) if may_be_well else (1, 2)), called
        assert (result.stdout + result.stderr).strip(), called
        if kind == "unreadable":
            assert re.search(r"\[[A-Z_]+\]|cannot be read", result.stderr), (called, result.stderr)


def test_every_command_that_takes_a_file_is_in_the_table():
    def leaves(command, name: str) -> dict[str, typer.core.TyperCommand]:
        if isinstance(command, typer.core.TyperGroup):
            words = command.commands.items()
            return {path: leaf for word, each in words for path, leaf in leaves(each, f"{name} {word}").items()}
        return {name.strip(): command}

    taking = {
        (name, each.name)
        for name, command in leaves(typer.main.get_command(app), "").items()
        for each in command.params
        if isinstance(each, typer.core.TyperArgument | typer.core.TyperOption)
        and each.type_descriptor.annotation is Path
        and each.name not in {"config", *WRITTEN}
    }
    read = {(name, given) for name, given in taking if name not in WRITING or given not in ("file", "path")}
    assert read == set(COMMANDS)
