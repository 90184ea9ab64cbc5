"""Feature id → tests → result: the pytest plugin that collects it, and the report that `make features` prints.

The plugin reads `@pytest.mark.feature("SMS-10")` and, with `--features-out FILE`, writes what each marked test did.
An id that docs/features.md does not list ends the run. The report merges the runs of both databases: a feature is
shown when all its tests passed wherever they ran.

    python -m tools.features RUN.json… [--json]
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

LIST = Path(__file__).parents[1] / "docs" / "features.md"

#: Feature id → test → outcome ("passed", "failed", "skipped").
Outcomes = dict[str, dict[str, str]]


def titles(page: str) -> dict[str, str]:
    """Id to title, from the rows of docs/features.md."""
    return dict(re.findall(r"^\| ([A-Z]+-\d\d) \| (.+?) \|$", page, re.MULTILINE))


# --------------------------------------------------------------------------------------------------------- plugin
def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--features-out", type=Path, help="write feature id → test → outcome to this JSON file")


def pytest_configure(config: pytest.Config) -> None:
    out = config.getoption("features_out")
    if out is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Run(out))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = titles(LIST.read_text(encoding="utf-8"))
    for item in items:
        for mark in item.iter_markers("feature"):
            for name in mark.args:
                if name not in known:
                    raise pytest.UsageError(f"{item.nodeid}: docs/features.md lists no feature {name!r}")
                item.user_properties.append(("feature", name))  # travels with the report from a worker


class Run:
    """Listens to the reports of one run."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._outcomes: Outcomes = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return  # a set-up or tear-down that went well says nothing
        for kind, name in report.user_properties:
            if kind == "feature":
                tests = self._outcomes.setdefault(str(name), {})
                tests[report.nodeid] = _worse(tests.get(report.nodeid, "passed"), report.outcome)

    def pytest_sessionfinish(self) -> None:
        self._out.parent.mkdir(parents=True, exist_ok=True)
        self._out.write_text(json.dumps(self._outcomes, indent=1, sort_keys=True))


_SEVERITY = ("passed", "skipped", "failed")


def _worse(one: str, other: str) -> str:
    return max(one, other, key=_SEVERITY.index)


# --------------------------------------------------------------------------------------------------------- report
def merged(runs: Iterable[Outcomes]) -> Outcomes:
    """One outcome per test; the worst, where it ran more than once."""
    together: Outcomes = {}
    for run in runs:
        for name, tests in run.items():
            known = together.setdefault(name, {})
            for test, outcome in tests.items():
                known[test] = _worse(known.get(test, "passed"), outcome)
    return dict(sorted(together.items()))


def result(tests: Mapping[str, str]) -> str:
    worst = "passed"
    for outcome in tests.values():
        worst = _worse(worst, outcome)
    return worst


def report(outcomes: Outcomes, known: Mapping[str, str]) -> str:
    lines = []
    for name, tests in outcomes.items():
        lines.append(f"{name:9} {result(tests):8} {known[name]}")
        for test, outcomes_of_cases in _by_test(tests).items():
            cases = f"  × {len(outcomes_of_cases)}" if len(outcomes_of_cases) > 1 else ""
            lines.append(f"{'':18} {test}{cases}")
    shown = sum(result(tests) == "passed" for tests in outcomes.values())
    lines.append(f"\n{shown} of {len(known)} features are shown by passing tests.")
    return "\n".join(lines)


def _by_test(tests: Mapping[str, str]) -> dict[str, list[str]]:
    """The cases of a parametrised test under its one name."""
    grouped: dict[str, list[str]] = {}
    for test, outcome in tests.items():
        grouped.setdefault(test.split("[")[0], []).append(outcome)
    return grouped


def main() -> int:
    parser = argparse.ArgumentParser(description="Feature id → tests → result.")
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    outcomes = merged(json.loads(run.read_text()) for run in asked.runs)
    if asked.json:
        rows = {name: {"result": result(tests), "tests": tests} for name, tests in outcomes.items()}
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        print(report(outcomes, titles(LIST.read_text(encoding="utf-8"))))
    return int(any(result(tests) == "failed" for tests in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
