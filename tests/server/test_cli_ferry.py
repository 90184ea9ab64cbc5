"""`zhangban ferry`, as two operators type it: each at the server of their own zone, with a folder between."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ferry.engine import Engine
from ferry.lanes import Lane
from ferry.orders import TWO_PERSONS, Verb
from ferry.refusals import FerryTwoPersons, ParcelRefused
from kernel.actor import Role
from kernel.db import Database
from kernel.directory import EnterDirectory, OfficerEntry, UnitEntry
from kernel.refusals import NotFound, Refusal
from server import ferry_desk as desk
from server.cli_ferry import ferry_app
from server.desk import done
from server.ferry_desk import Why
from server.ferry_stations import station
from server.settings import read
from server.text_desk import account
from server.wiring import TABLES, open_system
from tests.server.test_cli_clock import zhangban

TWO = ("--approve-as", "OFF-0", "--second", "OFF-1")


class Zone:
    """One installation; what crosses lies in `box`."""

    def __init__(self, name: str, peer: str, url: str, box) -> None:
        self.name, self.peer, self.box = name, peer, box
        self.folder = box / name
        out, into = box / f"from-{name}", box / f"from-{peer}"
        peers = f'[{{kind="folder", name="{peer}", relation="{peer}", out="{out}", into="{into}"}}]'
        self.environment = {
            "ZHANGBAN_DATABASE__URL": url,
            "ZHANGBAN_DATA_DIR": str(self.folder),
            "ZHANGBAN_FERRY__ZONE": name,
            "ZHANGBAN_FERRY__PEERS": peers,
        }
        self.settings = read(b"", self.environment)

    def typed(self, *arguments: str, code: int = 0):
        result = zhangban("ferry", *arguments, **self.environment)
        assert result.exit_code == code, result.output + result.stderr
        return result

    def told(self, *arguments: str, code: int = 0):
        return json.loads(self.typed(*arguments, "--json", code=code).stdout)

    def refused(self, *arguments: str) -> str:
        found = re.search(r"\[([A-Z_]+)\]", self.typed(*arguments, code=1).stderr)
        assert found is not None
        return found[1]

    def does(self, work):
        async def run():
            async with open_system(self.settings) as system:
                return await work(system)

        return asyncio.run(run())

    def turns(self, times: int = 1) -> None:
        async def turn(system) -> None:
            end, keys = await station(system, self.peer)
            engine = Engine(end)
            await engine.start(now=system.clock.now())
            for _ in range(times):
                await keys.refresh()
                await engine.turn(system.clock.now())

        self.does(turn)

    def rows(self, sql: str) -> list[dict]:
        async def read_rows() -> list[dict]:
            database = await Database.open(self.settings.database.url, modules=TABLES)
            try:
                return await database.rows(sql)
            finally:
                await database.close()

        return asyncio.run(read_rows())

    @property
    def words(self) -> str:
        return self.told("keys")["words"]

    @property
    def events(self) -> list[str]:
        return [row["tag"] for row in self.rows("SELECT tag FROM event WHERE tag LIKE 'ferry.%' ORDER BY id")]


@contextmanager
def installed(shelf, folder) -> Iterator[tuple[Zone, Zone]]:
    urls = [shelf.installed(), shelf.installed()]
    yield Zone("outer", "inner", urls[0], folder), Zone("inner", "outer", urls[1], folder)
    for url in urls:
        shelf.discard(url)


def meet(zones: tuple[Zone, Zone]) -> None:
    outer, inner = zones
    for zone in zones:
        zone.typed("init", "--out", str(zone.box / f"{zone.name}.json"))
    for zone, other in ((outer, inner), (inner, outer)):
        file = str(zone.box / f"{other.name}.json")
        zone.typed("init", "--peer", file, "--name", other.name, "--words", other.words)


@pytest.fixture
def zones(_shelf, tmp_path):
    with installed(_shelf, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def met(_shelf, tmp_path_factory):
    """Two zones that know each other; each test leaves them so that the others may follow in any order."""
    with installed(_shelf, tmp_path_factory.mktemp("met")) as made:
        meet(made)
        yield made


def test_two_zones_meet_by_a_file_and_words(met):
    outer, inner = met
    assert outer.events[:2] == ["ferry.keys_made", "ferry.peer_pinned"]
    sheet = inner.told("keys")
    assert [(key["whose"], key["number"], key["state"]) for key in sheet["keys"]] == [
        ("inner", 1, "in use"), ("outer", 1, "trusted")
    ]  # fmt: skip
    assert all(key["days_left"] > 700 for key in sheet["keys"])
    outer.turns()
    inner.turns()
    outer.turns()
    (found,) = outer.told("status")
    assert found["alarms"] == []
    assert found["heard_at"] is not None


def test_the_ledgers_of_a_day_are_shown_and_the_exit_code_says_whether_they_are_equal(met):
    outer, _ = met
    unknown = outer.told("ledger", code=2)
    assert [(each["way"], each["state"]) for each in unknown] == [("out", "unknown"), ("in", "unknown")]
    day = unknown[0]["day"]
    for way in ("out", "in"):
        outer.rows(
            "INSERT INTO ferry_ledger (peer, way, day, opened_at, spans, reached, ours, theirs, their_stamp, told,"
            f" state, differences, accepted, looks, seal) VALUES ('inner', '{way}', '{day}', '{day}', '[]', '{{}}',"
            " '{}', '{}', 0, '', 'equal', '[]', '', 0, '')"
        )
    assert "一致" in outer.typed("ledger", "--day", day).stdout
    found = '[{"kind":"missing","lane":"case","first":2,"last":3}]'
    outer.rows(f"UPDATE ferry_ledger SET state = 'different', seal = 'x', differences = '{found}' WHERE way = 'in'")
    said = outer.typed("ledger", code=1).stdout
    assert "缺 · missing case 2-3" in said
    assert "altered" in said
    outer.does(staff)
    assert outer.refused("accept", "inner", day, "--reason", "备份丢失") == "FERRY_TWO_PERSONS"
    assert outer.told("accept", "inner", day, "--reason", "备份丢失", *TWO)["accepted"] == 1
    outer.rows("DELETE FROM ferry_ledger")


def test_words_that_differ_pin_nobody(zones):
    outer, inner = zones
    for zone in zones:
        zone.typed("init", "--out", str(zone.box / f"{zone.name}.json"))
    file = str(outer.box / "inner.json")
    wrong = outer.words
    assert outer.refused("init", "--peer", file, "--name", "inner", "--words", wrong) == "PEER_WORDS_DIFFER"
    assert "misheard" in outer.typed("init", "--peer", file, "--name", "inner", "--words", "错", code=1).stderr
    assert outer.refused("init", "--peer", file, "--name", "nobody", "--words", inner.words) == "FERRY_UNKNOWN_PEER"
    assert outer.events == ["ferry.keys_made"]
    assert zhangban("ferry", "init", "--peer", file, **outer.environment).exit_code == 2


def test_a_peer_is_pinned_anew_by_two_officers_only(zones):
    meet(zones)
    outer, inner = zones
    inner.typed("roll", "--out", str(inner.box / "inner-2.json"))
    again = ("init", "--peer", str(inner.box / "inner-2.json"), "--name", "inner", "--words", inner.words)
    assert outer.refused(*again) == "FERRY_TWO_PERSONS"
    outer.does(staff)
    for second in ("OFF-0", "OFF-2", "OFF-9"):  # the same person, one who may not, one who is not there
        assert outer.refused(*again, "--approve-as", "OFF-0", "--second", second) == "FERRY_TWO_PERSONS"
    outer.typed(*again, *TWO)
    pins = outer.rows("SELECT number, state FROM ferry_pin ORDER BY id")
    assert [(pin["number"], pin["state"]) for pin in pins] == [(1, "withdrawn"), (2, "trusted")]


async def staff(system) -> None:
    """Two who may, and one who may not."""
    unit = UnitEntry(code="XXZX", name="信息中心", short_name="信息中心", kind="centre")
    entries = [
        OfficerEntry(id=f"OFF-{number}", name="某", unit_code="XXZX", phone=f"1380000000{number}", roles=roles)
        for number, roles in enumerate([(Role.INFORMATION_CENTRE,), (Role.EFFICIENCY_OFFICE,), (Role.HANDLER,)])
    ]
    await done(system, EnterDirectory(units=(unit,), officers=tuple(entries)))


def test_lanes_are_paused_and_resumed_and_the_log_says_why(met):
    outer, _ = met
    outer.turns()
    told = outer.told("pause", "inner", "case", "--reason", "网闸检修")
    assert told == {"peer": "inner", "lane": "case", "state": "paused"}
    assert outer.rows("SELECT wanted FROM ferry_channel WHERE lane = 'case'") == [{"wanted": "paused"}]
    outer.typed("resume", "inner", "case")
    assert outer.rows("SELECT DISTINCT wanted FROM ferry_channel") == [{"wanted": "running"}]
    assert "offered again: 1" in outer.typed("resend", "inner", "ctl", "1-1").stdout
    outer.typed("resend", "inner", "ctl", "1-x", code=2)
    assert outer.refused("pause", "nobody", "case") == "FERRY_UNKNOWN_PEER"
    assert outer.events[-3:] == ["ferry.ordered"] * 3


def test_a_refused_file_is_listed_and_discarded_by_two(met):
    _, inner = met
    inner.turns()
    (inner.box / "from-outer").mkdir(exist_ok=True)
    (inner.box / "from-outer" / "odd.fry").write_bytes(b"not a parcel at all")
    inner.turns()
    (item,) = inner.told("quarantine", "list", "outer")
    assert (item["code"], item["file"]) == ("PARCEL_MALFORMED", "odd.fry")
    number = str(item["id"])
    assert inner.refused("quarantine", "retry", "outer", number, "--reason", "再试") == "PARCEL_MALFORMED"
    discard = ("quarantine", "discard", "outer", number, "--reason", "无用")
    assert inner.refused(*discard, *TWO) == "FERRY_TWO_PERSONS"
    inner.does(staff)
    inner.typed(*discard, *TWO)
    assert inner.told("quarantine", "list", "outer") == []
    assert inner.refused(*discard, *TWO) == "NOT_FOUND"
    assert inner.told("poison", "list", "outer") == []


def test_a_parcel_is_verified_with_and_without_keys(met, tmp_path):
    outer, inner = met
    outer.turns()
    file = tmp_path / "parcel.fry"
    file.write_bytes(next((outer.box / "from-outer").glob("*.status.*")).read_bytes())
    report = inner.told("verify", str(file))
    assert (report["code"], report["sender"], report["standing"]) == ("", "outer", "trusted")
    assert (report["channel"], report["is_opened"], report["records"]) == ("outer-inner.status", True, 1)
    own = outer.told("verify", str(file))
    assert (own["code"], own["standing"], own["is_opened"]) == ("", "our own", False)
    certificate = tmp_path / "outer.pem"
    introduction = json.loads((outer.box / "outer.json").read_text())["introduction"]
    der = x509.load_pem_x509_certificate(
        f"-----BEGIN CERTIFICATE-----\n{introduction['certificates'][0]}\n-----END CERTIFICATE-----".encode()
    )
    certificate.write_bytes(der.public_bytes(Encoding.PEM))
    guard = json.loads(zhangban("ferry", "verify", str(file), "--certificate", str(certificate), "--json").stdout)
    assert (guard["code"], guard["standing"], guard["is_opened"]) == ("", "given", False)
    octets = bytearray(file.read_bytes())
    octets[len(octets) // 2] ^= 1
    file.write_bytes(octets)
    assert inner.told("verify", str(file), code=1)["code"] == "PARCEL_SIGNATURE"
    file.write_bytes(octets[:300])
    assert inner.told("verify", str(file), code=1)["code"] in {"PARCEL_TORN", "PARCEL_MALFORMED"}
    assert "PARCEL_" in inner.typed("verify", str(file), code=1).stdout


def test_a_parcel_and_a_list_of_gaps_are_carried_by_hand(zones, tmp_path):
    meet(zones)
    outer, inner = zones
    outer.turns()
    inner.turns()
    for file in (outer.box / "from-outer").iterdir():
        carried = tmp_path / file.name
        carried.write_bytes(file.read_bytes())
        file.unlink()
        inner.typed("import", "outer", str(carried))
    gaps = tmp_path / "gaps.fry"
    inner.typed("export-gap", "outer", str(gaps))
    outer.typed("import", "inner", str(gaps))
    (found,) = outer.told("status", code=0)
    assert {lane["lane"]: lane["acked"] for lane in found["lanes"]}["ctl"] == 1
    assert outer.refused("import", "inner", str(tmp_path / "gaps.fry").replace("gaps.fry", _other(tmp_path)))


def _other(folder) -> str:
    (folder / "other.fry").write_bytes(b"FRY1")
    return "other.fry"


def test_a_new_epoch_is_begun_with_a_reason(met):
    outer, _ = met
    outer.turns()
    before = outer.rows("SELECT epoch FROM ferry_peer")
    outer.typed("new-epoch", "inner", "--reason", "从备份恢复")
    assert outer.rows("SELECT epoch FROM ferry_peer") != before
    outer.typed("new-epoch", "inner", code=2)


def test_a_snapshot_is_ordered_inside_and_said_in_the_log(met):
    outer, inner = met
    told = inner.told("snapshot", "outer", "--reason", "启用")
    assert told["peer"] == "outer"
    assert told["states"] >= 4
    assert "snapshot" in inner.rows("SELECT body FROM event WHERE tag = 'ferry.ordered' ORDER BY id DESC")[0]["body"]
    waiting = inner.rows("SELECT subject FROM ferry_mirror_subject WHERE dirty_since IS NOT NULL AND is_forced")
    assert {"units:all", "seals:all", "texts:all", "wordings:all"} <= {row["subject"] for row in waiting}
    assert outer.refused("snapshot", "inner") == "FERRY_NOT_MIRRORED"
    assert inner.refused("snapshot", "elsewhere") == "FERRY_NOT_MIRRORED"


def test_a_request_for_a_ca_elsewhere_is_written_and_an_unfit_answer_refused(zones, tmp_path):
    outer, _ = zones
    request = tmp_path / "request.pem"
    told = outer.told("init", "--request", "--out", str(request))
    assert (told["is_ready"], told["words"]) == (False, "")
    assert x509.load_pem_x509_csr(request.read_bytes()).is_signature_valid
    assert outer.refused("certificate", str(request)) == "PEER_FILE_REFUSED"
    assert outer.told("keys")["keys"][0]["state"] == "requested"


def test_without_a_ferry_in_the_settings_there_is_nothing_to_do(tmp_path, installed_url):
    environment = {"ZHANGBAN_DATABASE__URL": installed_url, "ZHANGBAN_DATA_DIR": str(tmp_path)}
    assert json.loads(zhangban("ferry", "status", "--json", **environment).stdout) == []
    assert zhangban("ferry", "init", **environment).exit_code == 1


def test_every_command_answers_a_program_too():
    def leaves(command, name: str) -> dict[str, typer.core.TyperCommand]:
        if isinstance(command, typer.core.TyperGroup):
            return {path: leaf for word, each in command.commands.items() for path, leaf in leaves(each, word).items()}
        return {name: command}

    found = leaves(typer.main.get_command(ferry_app), "")
    assert len(found) > 15
    for name, command in found.items():
        assert "--json" in {option for each in command.params for option in each.opts}, name


def test_every_order_stands_in_the_log_with_who_gave_it_and_why(met, tmp_path):
    _, inner = met
    (tmp_path / "odd.fry").write_bytes(b"not a parcel")
    two, why = Why(reason="检修", first="OFF-0", second="OFF-1"), Why(reason="检修")

    async def ordered(system) -> None:
        await staff(system)
        columns = ("peer", "lane", "epoch", "seq", "place", "rid", "line", "code", "at", "heard", "closed_why")
        row = ("outer", "case", "e", 1, 0, "r", "{}", "TEST", system.clock.now(), True, "")
        await system.database.insert("ferry_poison", columns, [row])
        [poison] = await desk.poison(system, "outer")
        with pytest.raises(FerryTwoPersons):
            await desk.close_poison(system, "outer", poison.id, why=why)
        await desk.close_poison(system, "outer", poison.id, why=two)
        assert await desk.accept_ledger(system, "outer", date(2020, 1, 1), why=two) == 0
        assert await desk.poison(system, "outer") == []
        file = ("outer", "a" * 64, 1, 1, "corrupt", system.clock.now())
        await system.database.insert("ferry_file", ("peer", "sha256", "size", "here", "state", "at"), [file])
        [missed] = await desk.missed(system, "outer")
        assert (missed.sha256, missed.state) == ("a" * 64, "corrupt")
        with pytest.raises(NotFound):  # it is theirs to send
            await desk.resend_file(system, "outer", "a" * 8, why=why)
        with pytest.raises(FerryTwoPersons):
            await desk.close_file(system, "outer", "a" * 64, why=why)
        await desk.close_file(system, "outer", "a" * 64, why=two)
        await desk.resend(system, "outer", Lane.CTL, 1, 1, why=why)
        await desk.pause(system, "outer", Lane.CASE, why=why)
        await desk.resume(system, "outer", Lane.CASE, why=why)
        await desk.export_gap(system, "outer", tmp_path / "gaps.fry", why=why)
        await desk.new_epoch(system, "outer", why=why)
        await desk.snapshot(system, "outer", why=why)
        await desk.accept_ledger(system, "outer", date(2026, 9, 1), why=two)
        with pytest.raises(NotFound):
            await desk.retry(system, "outer", 9999, why=why)
        with pytest.raises(NotFound):
            await desk.discard(system, "outer", 9999, why=two)
        with pytest.raises(ParcelRefused):
            await desk.import_file(system, "outer", tmp_path / "odd.fry", why=why)
        with pytest.raises(Refusal):
            await desk.send_list(system, "outer", b"no list", why=why)

    before = len(inner.rows("SELECT id FROM event WHERE tag = 'ferry.ordered'"))
    inner.does(ordered)
    told = [
        json.loads(row["body"]) for row in inner.rows("SELECT body FROM event WHERE tag = 'ferry.ordered' ORDER BY id")
    ]
    assert {each["verb"] for each in told[before:]} == set(Verb)
    for each in told[before:]:
        assert (each["reason"], each["by"]) == ("检修", account())
        assert ((each["first_officer"], each["second_officer"]) == ("OFF-0", "OFF-1")) == (each["verb"] in TWO_PERSONS)


def test_what_cannot_be_done_is_said_in_a_sentence(met, tmp_path):
    _, inner = met
    assert inner.refused("export-gap", "outer", str(tmp_path / "no" / "such" / "folder.fry")) == "FERRY_FILE_UNUSABLE"
    full = Path("/dev/full")
    if full.exists():
        assert inner.refused("export-gap", "outer", str(full)) == "FERRY_FILE_UNUSABLE"
        assert full.is_char_device()
    assert inner.refused("poison", "list", "nobody") == "FERRY_UNKNOWN_PEER"
    assert inner.refused("files", "list", "nobody") == "FERRY_UNKNOWN_PEER"
    assert inner.refused("files", "resend", "outer", "f" * 64) == "NOT_FOUND"
    assert inner.told("files", "list", "outer") == []
    assert "首号大于末号" in inner.typed("resend", "outer", "ctl", "5-1", code=2).stderr
