"""Imports point down, foreign libraries stay behind their module: the contracts of pyproject.toml."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.contracts.sources import PACKAGES, ROOT, modules

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def test_the_import_contracts_hold():
    """In a process of its own: the linter rearranges the logging of the one it runs in."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert linted.returncode == 0, linted.stdout


def test_every_package_is_under_the_contracts():
    assert set(PACKAGES) <= set(CONTRACTS["root_packages"])


def test_every_library_that_is_imported_is_a_requirement():
    required = {canonicalize_name(Requirement(line).name) for line in requirements("runtime.in")}
    distributions = packages_distributions()
    for module, name in imports():
        if name in distributions and name not in PACKAGES:
            offered = {canonicalize_name(distribution) for distribution in distributions[name]}
            assert offered & required, f"{module} imports {name}, which requirements/runtime.in does not name"


def test_every_requirement_is_imported_or_says_what_it_is_for():
    """uvicorn takes its parser, loop and websockets from what is installed; tortoise its PostgreSQL driver."""
    taken_by_others = {"httptools", "uvloop", "websockets", "asyncpg"}
    imported = {name for _, name in imports()}
    offered = {
        canonicalize_name(distribution): name
        for name, distributions in packages_distributions().items()
        for distribution in distributions
        if name in imported
    }
    for line in requirements("runtime.in"):
        name = canonicalize_name(Requirement(line).name)
        assert name in offered or name in taken_by_others, f"nothing imports {name}"


def test_every_table_is_made_without_reading_its_source():
    for source in ROOT.glob("*/**/*tables.py"):
        if source.relative_to(ROOT).parts[0] in PACKAGES:
            assert "from tortoise.models" not in source.read_text(), f"{source}: from kernel.models import Model"


#: Bookkeeping that no person asked for and no law looks at: it writes no event, so it needs no Office.
OWN_TRANSACTIONS = {
    "alerts/outgoing.py": "claims messages for a carrier, so that two gateways never send the same one",
    "sms/alarms.py": "tells the officer on duty of a carrier's trouble, which is no event of the office",
    "sms/urgent_wait.py": "tells them of urgent texts that wait",
    "alerts/unreported.py": "ends texts for which no receipt comes, a slice at a time",
    "sms/inbound.py": "keeps a part of a text before the carrier is told that it may forget it",
    "alerts/settling.py": "writes what became of messages, many at once",
    "ferry/alarms.py": "tells the officer on duty what is wrong with a ferry, which is no event of the office",
    "ferry/exchange/watching.py": "tells them of reports that do not get to the level above, likewise",
    "ferry/zones/mirror.py": "hands over what the outer zone shows, with the note that it was told",
    "ferry/zones/performing.py": "claims acts from outside, and hands over what the office made of them",
    "ferry/zones/texts_outside.py": "tells inside what became of texts, and strikes them out",
    "server/ferry_carrier.py": "hands texts to the ferry, with the note by which they are never handed over twice",
    "server/ferry_inbox.py": "keeps a text from a person before the carrier may forget it, and hands it inside",
    "ferry/zones/relaying.py": "sends an act inside, with the key by which its outcome is asked for",
    "ferry/exchange/answers.py": "remembers what was answered under a key",
    "ferry/exchange/parcels.py": "hands over a report, and the answer to one, with the note that it was taken",
    "ferry/exchange/upward.py": "makes a report of what is due, and notes what became of it",
    "ferry/applying.py": "moves the cursor of a lane with the effects of a parcel",
    "ferry/engine.py": "notes what an operator wants of a lane, and which status lies in the transport",
    "ferry/epochs.py": "begins or follows an epoch",
    "ferry/identity.py": "notes which of our keys a peer knows by now",
    "ferry/inspecting.py": "keeps the verdict on a file, and lets its pieces go",
    "ferry/history.py": "passes over what never came, one-way",
    "ferry/incoming.py": "notes parcels that wait for an earlier one",
    "ferry/lost.py": "has a file sent again, and notes that a person has seen to one",
    "ferry/offering.py": "notes which file a numbered parcel became",
    "ferry/outgoing.py": "numbers a parcel before its file is written",
    "ferry/pieces.py": "says that a file is whole",
    "ferry/quarantine.py": "notes files that were refused, and stops a lane",
    "ferry/status.py": "numbers statuses, and does what the other side's ask for",
    "ferry/tidying.py": "forgets what both sides have had for long",
    "ferry/transports/databases.py": "writes to a front-end database that is not ours",
    "server/ferry_desk.py": "hands over a revocation list whose order the office has written down",
    "server/sample.py": "loads rows to measure on, which are nobody's cases",
}


def test_transactions_are_begun_in_the_kernel_only():
    """The Office begins one for each act, the outbox one for each delivery; a use-case finds itself inside."""
    for path, tree in modules():
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
        called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        if path.parts[0] != "kernel":
            assert not {"in_transaction", "atomic"} & (imported | called), path
            assert "transaction" not in called or str(path) in OWN_TRANSACTIONS, path


def imports() -> Iterator[tuple[Path, str]]:
    """Module and the top name of everything it imports."""
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name.split(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield path, node.module.split(".")[0]


def requirements(name: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "requirements" / name).read_text().splitlines())
    return [line for line in lines if line and not line.startswith("-")]
