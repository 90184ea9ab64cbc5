"""The small commands, as an operator types them."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner, Result

from certs.acts import CheckIdentity, EnrolmentOpened, RequestEnrolment, SubmitCsr
from certs.encodings import sign_es256, spki_of
from kernel.actor import ANYBODY, THE_OPERATOR, Role
from kernel.clock import SystemClock
from kernel.db import Database
from kernel.directory import OfficerEntered
from kernel.log import append
from kernel.refusals import Refusal
from mobile_api.schema import sdl
from server.__main__ import app
from server.settings import DatabaseSettings, Settings
from server.wiring import TABLES, System, open_system

ROOT = Path(__file__).parents[2]


def zhangban(*arguments: str, **environment: str) -> Result:
    """Anything but an answer or a sentence is a defect."""
    result = CliRunner().invoke(app, arguments, env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


# -------------------------------------------------------------------------------------------------- the event log
OFFICERS = ("OFF-A", "OFF-B", "OFF-C")


@pytest.fixture
def log(database_url: str) -> str:
    """The address of a database with three chains of four events each."""

    async def write() -> None:
        now = SystemClock().now()
        database = await Database.open(database_url, modules=TABLES)
        for roles in ((), (Role.HANDLER,), (Role.SUPERVISOR,), (Role.HANDLER, Role.SUPERVISOR)):
            events = [OfficerEntered(officer=each, unit="JSJ", roles=roles, active=True) for each in OFFICERS]
            async with database.transaction():
                await append(database, events, at=now, actor="system:test")
        await database.close()

    asyncio.run(write())
    return database_url


def tamper(url: str, *statements: str) -> None:
    async def run() -> None:
        database = await Database.open(url, modules=TABLES)
        for statement in statements:
            assert await database.execute(statement) >= 1
        await database.close()

    asyncio.run(run())


@pytest.mark.feature("TRUST-10")
def test_an_intact_log_verifies(log: str):
    result = zhangban("log", "verify", "--database", log)
    assert (result.exit_code, result.stdout) == (0, "完好 · intact: 12 events in 3 chains\n")
    result = zhangban("log", "verify", "--database", log, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"events": 12, "chains": 3, "broken": None})


@pytest.mark.feature("TRUST-10")
@pytest.mark.parametrize(
    ("deed", "subject", "seq", "why"),
    [
        # a body that says something else, and one that says nothing else but is written differently
        (["UPDATE event SET body = replace(body, 'JSJ', 'SJJ') WHERE {B} AND seq = 2"], "B", 2, "content was changed"),
        (["UPDATE event SET body = body || ' ' WHERE {B} AND seq = 4"], "B", 4, "content was changed"),
        # who did it, when, and what it is called
        (["UPDATE event SET actor = 'officer:OFF-1' WHERE {B} AND seq = 1"], "B", 1, "content was changed"),
        (["UPDATE event SET at = '2026-01-01 00:00:00+00:00' WHERE {B} AND seq = 3"], "B", 3, "content was changed"),
        (["UPDATE event SET tag = 'directory.unit' WHERE {B} AND seq = 3"], "B", 3, "content was changed"),
        # rows gone: in the middle, at the beginning, at the end, all of a subject
        (["DELETE FROM event WHERE {B} AND seq = 2"], "B", 2, "missing"),
        (["DELETE FROM event WHERE {B} AND seq = 1"], "B", 1, "missing"),
        (["DELETE FROM event WHERE {C} AND seq = 4"], "C", 4, "cut or moved"),
        (["DELETE FROM event WHERE {B}"], "B", 1, "missing"),
        (["DELETE FROM event WHERE {B}", "DELETE FROM event_chain WHERE {C}"], "C", 4, "not registered"),
        # two rows in each other's place, and a chain that was closed over the gap
        (
            [
                "UPDATE event SET seq = 99 WHERE {B} AND seq = 2",
                "UPDATE event SET seq = 2 WHERE {B} AND seq = 3",
                "UPDATE event SET seq = 3 WHERE {B} AND seq = 99",
            ],
            "B",
            2,
            "does not follow",
        ),
        (
            ["DELETE FROM event WHERE {B} AND seq = 2", "UPDATE event SET seq = seq - 1 WHERE {B} AND seq > 2"],
            "B",
            2,
            "does not follow",
        ),
        # an event of one officer made another's
        (
            [
                "DELETE FROM event WHERE {B} AND seq = 4",
                "UPDATE event SET subject = 'officer:OFF-B' WHERE {C} AND seq = 4",
            ],
            "B",
            4,
            "does not follow",
        ),
        # a head that was bent to fit
        (["UPDATE event_chain SET length = 3 WHERE {A}"], "A", 5, "cut or moved"),
    ],
)
def test_a_log_that_was_tampered_with_names_the_first_broken_link(
    log: str, deed: list[str], subject: str, seq: int, why: str
):
    chains = {name: f"subject = 'officer:OFF-{name}'" for name in "ABC"}
    tamper(log, *(statement.format(**chains) for statement in deed))
    result = zhangban("log", "verify", "--database", log, "--json")
    found = json.loads(result.stdout)["broken"]
    assert result.exit_code == 1
    assert (found["subject"], found["seq"]) == (f"officer:OFF-{subject}", seq)
    assert why in found["why"]
    told = zhangban("log", "verify", "--database", log)
    assert told.exit_code == 1
    assert f"断裂 · broken: officer:OFF-{subject} #{seq}" in told.stderr


@pytest.mark.parametrize(
    "deed",
    [
        "UPDATE event SET at = 'yesterday' WHERE seq = 2",
        "UPDATE event_chain SET length = 'four'",
    ],
)
def test_words_where_numbers_and_instants_stood_are_broken_links_too(log: str, dialect: str, deed: str):
    if dialect == "postgres":
        pytest.skip("PostgreSQL keeps no word in such a column")
    tamper(log, deed)
    result = zhangban("log", "verify", "--database", log, "--json")
    assert (result.exit_code, json.loads(result.stdout)["broken"]["subject"]) == (1, "officer:OFF-A")


def test_verifying_makes_no_database_and_changes_none(tmp_path: Path):
    absent, foreign = tmp_path / "absent.db", tmp_path / "foreign.db"
    result = zhangban("log", "verify", "--database", f"sqlite://{absent}")
    assert (result.exit_code, result.stderr) == (1, f"{absent}：没有这个数据库文件 · there is no such database file\n")
    assert not absent.exists()
    sqlite3.connect(foreign).execute("CREATE TABLE something_else (id)").connection.close()
    result = zhangban("log", "verify", "--database", f"sqlite://{foreign}")
    assert result.exit_code == 1
    assert "this database has no event log" in result.stderr
    assert sqlite3.connect(foreign).execute("SELECT name FROM sqlite_master").fetchall() == [("something_else",)]


def test_what_is_no_address_of_a_database_is_explained():
    assert zhangban("log", "verify", "--database", "mysql://somewhere/z").exit_code == 2


# ------------------------------------------------------------------------------------------------------- settings
def test_config_init_writes_what_config_check_accepts_and_never_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert zhangban("config", "init").exit_code == 0
    assert zhangban("config", "check").exit_code == 0
    Path("zhangban.toml").write_text("demo = true\n")
    assert zhangban("config", "init").exit_code == 1
    assert Path("zhangban.toml").read_text() == "demo = true\n"
    Path("zhangban.toml").write_text("demo = true\nport = 1\n")
    result = zhangban("config", "check", ZHANGBAN_HTTP__PORT="x")
    assert result.exit_code == 1
    assert [line.split("：")[0] for line in result.stderr.splitlines()] == [
        "第 2 行 line 2 port",
        "ZHANGBAN_HTTP__PORT",
    ]


def test_the_schema_is_the_contracts():
    result = zhangban("schema")
    assert (result.exit_code, result.stdout) == (0, sdl())
    assert result.stdout == (ROOT / "clients" / "flutter_spec" / "graphql" / "schema.graphql").read_text()


# ------------------------------------------------------------------------------------- the county, the first phones
async def test_a_county_is_loaded_once_and_its_first_phone_approved_at_the_desk(tmp_path: Path, installed_url: str):
    settings = Settings(data_dir=tmp_path / "var", database=DatabaseSettings(url=installed_url))
    environment = {"ZHANGBAN_DATA_DIR": str(settings.data_dir), "ZHANGBAN_DATABASE__URL": installed_url}

    async def command(*arguments: str) -> Result:
        return await asyncio.to_thread(zhangban, *arguments, **environment)

    first, again = await command("county", "load"), await command("county", "load")
    assert (first.exit_code, first.stdout) == (again.exit_code, again.stdout)
    assert int(first.stdout.rsplit(" ", 1)[1]) >= 6
    async with open_system(settings) as system:
        one, other, unproved = [await request(system, f"手机{n}") for n in range(3)]
        for enrolment, signature in (one, other):
            await done(system, SubmitCsr(enrolment=enrolment, signature=signature), ANYBODY)
        # an RA operator saw the person, and nobody is there to approve
        await done(system, CheckIdentity(enrolment=other[0], document="身份证"), THE_OPERATOR)
    listed = (await command("enrolment", "list")).stdout
    assert one[0] in listed
    assert "手机0" in listed
    for enrolment in (one[0], other[0]):
        approved = await command("enrolment", "approve", enrolment, "--document", "身份证")
        assert (approved.exit_code, approved.stdout) == (0, f"{enrolment}：已签发 · issued\n")
    assert one[0] not in (await command("enrolment", "list")).stdout
    for wrong, code in ((one[0], "ENROLMENT_NOT_OPEN"), (unproved[0], "ENROLMENT_NOT_OPEN"), ("nobody", "NOT_FOUND")):
        refused = await command("enrolment", "approve", wrong, "--document", "身份证")
        assert refused.exit_code == 1
        assert f"[{code}]" in refused.stderr


async def request(system: System, device: str) -> tuple[str, bytes]:
    """A phone's application: its number, and the signature that proves possession of the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    act = RequestEnrolment(officer="OFF-0001", device=device, public_key=spki_of(key.public_key()))
    opened = await done(system, act, ANYBODY)
    assert isinstance(opened, EnrolmentOpened)
    return opened.enrolment, sign_es256(key, opened.to_sign)


async def done(system: System, act, actor):
    outcome = await system.office.perform(act, actor, key=None)
    assert not isinstance(outcome, Refusal), outcome
    return outcome
