"""The feature report: which test shows which row of docs/features.md, and with which result."""

import subprocess
import sys

from tests.contracts.sources import ROOT
from tools.features import LIST, merged, report, titles


def test_every_feature_has_an_id_and_a_title():
    known = titles(LIST.read_text(encoding="utf-8"))
    assert len(known) == 219
    assert known["SMS-10"].startswith("70/67字分段")


def test_a_feature_is_shown_only_when_its_tests_passed_on_both_databases():
    runs = [{"SMS-10": {"a": "passed", "b": "passed"}, "CLK-01": {"c": "passed"}}, {"CLK-01": {"c": "failed"}}]
    together = merged(runs)
    assert together == {"CLK-01": {"c": "failed"}, "SMS-10": {"a": "passed", "b": "passed"}}
    printed = report(together, {"SMS-10": "分段", "CLK-01": "工作日", "CLK-02": "起算"})
    assert "CLK-01    failed   工作日" in printed
    assert printed.endswith("1 of 3 features are shown by passing tests.")


def test_an_unknown_feature_ends_the_run(tmp_path):
    test = tmp_path / "test_wrong.py"
    test.write_text('import pytest\n\n@pytest.mark.feature("SMS-99")\ndef test_it(): pass\n')
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tools.features",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
    ]
    run = subprocess.run([*command, str(test)], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 4
    assert "docs/features.md lists no feature 'SMS-99'" in run.stdout + run.stderr
