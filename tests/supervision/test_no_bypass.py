"""任何部门不得绕过该系统平台: what is decided here passed the steps that were deployed, and nothing else counts."""

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from casework.acts import Decision, ForeignCaseRow, ImportForeignCases, ReportForeignSteps
from casework.tables import Case, Document
from kernel.actor import THE_OPERATOR
from kernel.refusals import Refusal
from supervision.findings import FindingKind
from supervision.queries import findings
from supervision.tables import Finding
from tests.supervision.test_key_monitoring import Watched, announced, watched  # noqa: F401  a fixture

ROOT = Path(__file__).parents[2]
#: Who writes that a case was decided, and why they may.
DECIDE = {
    "casework/flow/cases.py": "the last level's signed decision",
    "casework/clock/silence.py": "the law itself, when a renewal was not decided before the licence ended (art. 50)",
    "server/sample.py": "rows to measure on, refused where real cases are",
}
EVERYBODY = ("CLERK", "HANDLER", "HEAD", "LEADER", "CHIEF", "REFORM")
STEPS = ("accept", "supplement", "level:1", "level:2", "level:3", "level:9", "complete", "deliver", "branch:1:1", "")


def reported(town: Watched, number: str, **changes: Any) -> ForeignCaseRow:
    now = town.clock.now()
    facts: dict[str, Any] = {
        "unit": "ZJ",
        "item_name": "建筑工程施工许可证核发",
        "channel": "self",
        "responsible": "HANDLER",
        "started_at": now - timedelta(days=9),
        "deadline": now + timedelta(days=1),
    }
    return ForeignCaseRow(number=number, **{**facts, **changes})


@pytest.mark.feature("CAT-18")
async def test_no_decision_is_recorded_but_by_the_deployed_steps(watched: Watched) -> None:  # noqa: F811
    number = (await watched.file()).number
    for who in EVERYBODY:
        for step in STEPS:
            for decision in (Decision.GRANT, Decision.REFUSE, Decision.COMPLETE, Decision.DELIVER):
                outcome = await watched.decide(who, number, step, decision, "同意。")
                assert isinstance(outcome, Refusal), (who, step, decision)
    report = ReportForeignSteps(case=number, ended_at=watched.clock.now())
    assert (await watched.do(report, THE_OPERATOR)).code == "UNKNOWN_CASE"
    assert (await Case.get(number=number)).outcome == ""
    assert await Document.filter(kind__in=["grant", "refusal"]).count() == 0
    writers = {str(path.relative_to(ROOT)) for path in _modules() if _decides(path)}
    assert writers == set(DECIDE)


@pytest.mark.feature("CAT-18")
@pytest.mark.parametrize(
    "known_by",
    [{}, {"item_name": "施工许可（自建系统）", "item_code": "ZJ-XK-001"}],
    ids=["by its name", "by its code"],
)
async def test_a_decision_reported_for_an_item_handled_here_is_rejected_and_flagged(
    watched: Watched,  # noqa: F811
    known_by: dict[str, str],
) -> None:
    elsewhere = reported(watched, "Z-2", item_name="人防工程竣工备案")
    act = ImportForeignCases(source="zj-own", cases=(elsewhere, reported(watched, "Z-1", **known_by)))
    refusal = await watched.do(act, THE_OPERATOR)
    assert (refusal.code, refusal.details["items"], refusal.details["cases"]) == (
        "ITEM_HANDLED_HERE",
        ["ZJ-XK-001"],
        ["Z-1"],
    )
    assert await Case.all().count() == 0, "nothing of such a delivery is taken"
    await watched.hears()
    (row,) = await findings(watched.database, kind=FindingKind.BYPASS)
    assert (row["case_number"], row["unit_code"]) == ("Z-1", "ZJ")
    assert len(await announced(watched)) == 1


async def test_what_is_not_in_the_catalogue_is_imported_as_ever(watched: Watched) -> None:  # noqa: F811
    act = ImportForeignCases(source="zj-own", cases=(reported(watched, "Z-2", item_name="人防工程竣工备案"),))
    assert (await watched.do(act, THE_OPERATOR)).count == 1
    await watched.hears()
    assert await Finding.all().count() == 0


def _modules() -> list[Path]:
    packages = ("casework", "supervision", "hall", "alerts", "certs", "sms", "mobile_api", "server")
    return [path for package in packages for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts]


def _decides(path: Path) -> bool:
    """Whether a call in the module gives an `outcome` and the instant of a decision, as only a decided case has."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return any({"decided_at", "outcome"} <= {keyword.arg for keyword in call.keywords} for call in calls)
