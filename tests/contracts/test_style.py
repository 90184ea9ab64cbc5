"""House style that a machine can hold, beyond ruff and mypy."""

import ast
import re

import pytest

from tests.contracts.sources import modules, texts

MAX_LINES = 400
#: Path → why it may be longer.
LONGER: dict[str, str] = {
    "server/migrations/0001_initial.py": "written by a tool: every table of the first release",
    "server/migrations/0002_texts.py": "written by a tool: every table since",
}

#: Who may catch whatever comes: it must keep the other tasks of the process alive, and logs what it caught.
LAST_RESORT = "server/processes.py"


def test_a_module_is_not_longer_than_can_be_read_in_one_sitting():
    for path, text in texts():
        if path.suffix == ".py" and path.parts[0] != "tests" and str(path) not in LONGER:
            lines = text.count("\n")
            assert lines <= MAX_LINES, f"{path} has {lines} lines: split it by phase or give a reason here"


def test_every_module_says_what_it_holds():
    for path, tree in modules():
        assert ast.get_docstring(tree), f"{path} begins without a docstring"


def test_only_the_processes_catch_whatever_comes():
    for path, tree in modules():
        if str(path) == LAST_RESORT:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {""}
                assert not caught & {"", "Exception", "BaseException"}, f"{path}:{node.lineno}"


def test_nothing_is_left_for_later():
    for path, text in texts():
        if path.suffix == ".py" and path.parts[:2] != ("tests", "contracts"):
            assert not re.search(r"\b(TODO|FIXME|XXX)\b|NotImplementedError", text), path


def test_every_ignored_finding_has_its_reason_on_the_line():
    """`# type: ignore[code]` and `cast` are promises to the reader; they say on what they rest."""
    for path, text in texts():
        if path.suffix != ".py" or path.parts[0] == "tests":
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if "type: ignore" in line:
                assert re.search(r"type: ignore\[[a-z-, ]+\]\s+#? ?\S+", line), f"{path}:{number}"


@pytest.mark.parametrize("what", ["absolute paths of one machine", "folders beside the project"])
def test_the_program_knows_nothing_of_the_machine_it_was_written_on(what):
    pattern = {
        "absolute paths of one machine": r"[\"' ]/work/|[\"' ]/root/",
        "folders beside the project": r"\.\./shared",
    }[what]
    for path, text in texts():
        if path.parts[0] != "tests":
            assert not re.search(pattern, text), path
