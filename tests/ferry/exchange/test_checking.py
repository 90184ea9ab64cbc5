"""The conformance suite, the schemas and the pages are one standard; the sample pack shows it."""

import io
import json
from pathlib import Path

import jsonschema
import pytest
import xmlschema
from cryptography.hazmat.primitives.serialization import Encoding

from casework.clock.calendars import builtin_calendar
from certs.profiles import ROOT
from ferry.exchange.checking import Report, check
from ferry.exchange.codes import Table
from ferry.exchange.faults import FAULTS, FILE_FAULTS, REJECTED, fault
from ferry.exchange.identities import is_credit_code, is_id_card, is_org_code
from ferry.exchange.reading import from_line
from ferry.exchange.schemas import json_schema, xsd
from ferry.exchange.standard import NEEDS, TABLES
from server.archive.checking import read_root
from tools import exchange
from tools.exchange_sample_ca import certified

SAMPLES = exchange.FOLDER / "samples"
BAD = sorted(path for path in (SAMPLES / "bad").iterdir())
GOOD = sorted(path for path in SAMPLES.iterdir() if path.name.startswith("good"))
#: Of a form that a schema can see.
FORMS = {code for code, each in FAULTS.items() if each.verdict is REJECTED} & {
    *("COLUMN_MISSING", "COLUMN_UNKNOWN", "TEXT_TOO_LONG", "TEXT_UNFIT", "NUMBER_UNFIT", "TIME_UNFIT", "CODE_UNKNOWN"),
}
#: What no file can show: that a day went by, and whose root vouches for a certificate.
NOT_IN_A_FILE = {"ORDER_BROKEN", "CERTIFICATE_UNFIT"}


def judged(path: Path, **more) -> Report:
    return check(io.BytesIO(path.read_bytes()), calendar=builtin_calendar(), **more)


@pytest.mark.feature("EXCH-01")
@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_what_is_good_conforms_in_every_form(path: Path):
    report = judged(path)
    assert (report.conforms, report.facts, report.verdicts) == (True, [], {"accepted": len(Table)})


@pytest.mark.feature("EXCH-01")
@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_each_thing_that_can_be_wrong_is_found_and_named(path: Path):
    report = judged(path)
    assert path.stem in report.codes
    assert report.conforms == (not {code for code in report.codes if fault(code).verdict is REJECTED})
    for fact in report.facts:
        assert fact.code in FAULTS or fact.code in FILE_FAULTS


def test_the_pack_has_a_sample_of_everything_that_can_be_wrong():
    assert {path.stem for path in BAD} == {*FAULTS, *FILE_FAULTS} - NOT_IN_A_FILE


def test_a_row_is_named_by_its_line_its_number_and_its_column():
    report = judged(SAMPLES / "bad" / "CODE_UNKNOWN.jsonl")
    first = report.facts[0]
    assert (first.line, first.rid, first.column) == (1, "SJJ2026000001.apply.1.1", "applicant_kind")
    assert report.verdicts["rejected"] == 1


def test_every_wrong_column_of_a_row_is_named():
    row = json.loads((SAMPLES / "good.jsonl").read_text(encoding="utf-8").splitlines()[0])
    row["payload"] |= {"applicant_kind": 7, "item_name": "", "postcode": "x" * 11, "colour": "red"}
    del row["payload"]["channel"], row["rid"]
    seen = from_line(json.dumps(row).encode(), 1)
    assert {(each.code, each.column) for each in seen.findings} == {
        ("COLUMN_MISSING", "rid"),
        ("COLUMN_UNKNOWN", "colour"),
        ("TEXT_UNFIT", "item_name"),
        ("CODE_UNKNOWN", "applicant_kind"),
        ("COLUMN_MISSING", "channel"),
        ("TEXT_TOO_LONG", "postcode"),
    }


def test_with_a_root_a_stranger_sees_whose_batch_it_is():
    root = read_root((SAMPLES / "root.pem").read_bytes())
    report = judged(SAMPLES / "good.zip", root=root)
    assert (report.conforms, report.believed) == (True, True)
    assert report.sender is not None
    assert report.sender.source_system == "SJJ-YWXT"
    foreign = read_root(_another_root())
    report = judged(SAMPLES / "good.zip", root=foreign)
    assert (report.conforms, report.believed, list(report.codes)) == (False, False, ["CERTIFICATE_UNFIT"])


def _another_root() -> bytes:
    return certified(ROOT, "别的根 CA", 9, None).public_bytes(Encoding.PEM)


# ------------------------------------------------------------------------------------------------------- the schemas
def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.feature("EXCH-01")
@pytest.mark.parametrize("path", [GOOD[1], *(path for path in BAD if path.stem in FORMS)], ids=lambda path: path.stem)
def test_the_json_schemas_judge_the_form_of_a_row_as_we_do(path: Path):
    assert path.suffix == ".jsonl"
    for row, line in zip(rows_of(path), path.read_bytes().splitlines(), strict=True):
        validator = jsonschema.Draft202012Validator(json_schema(Table(row["table"])))
        assert validator.is_valid(row) == (from_line(line, 1).read is not None), row["table"]


@pytest.mark.feature("EXCH-01")
def test_the_xml_schema_judges_the_form_of_a_row_as_we_do():
    schema = xmlschema.XMLSchema(xsd())
    good = (SAMPLES / "good.xml").read_text(encoding="utf-8")
    schema.validate(good)
    for old, new in (
        ("<channel>pc</channel>", ""),
        ("<channel>pc</channel>", "<channel>0</channel>"),
        ("<channel>pc</channel>", "<channel>pc</channel><colour>red</colour>"),
        ("<statutory_days>20</statutory_days>", "<statutory_days>0</statutory_days>"),
        ("<promise_date>2026-09-23</promise_date>", "<promise_date>23.9.2026</promise_date>"),
        ("<postcode>421200</postcode>", "<postcode>42120000000</postcode>"),
        ("2026-09-17T08:30:00+08:00", "2026-09-17T08:30:00"),
    ):
        assert old in good
        bad = good.replace(old, new, 1)
        assert not schema.is_valid(bad), new
        assert not check(io.BytesIO(bad.encode()), calendar=builtin_calendar()).conforms, new


def test_schemas_pages_and_samples_are_up_to_date():
    for path, octets in exchange.contents().items():
        assert (exchange.FOLDER / path).read_bytes() == octets, f"python -m tools.exchange --write ({path})"
    written = {path.relative_to(exchange.FOLDER) for path in exchange.FOLDER.rglob("*") if path.is_file()}
    assert written == exchange.contents().keys()


def test_every_table_has_a_row_in_what_must_come_before_but_the_first():
    assert NEEDS.keys() == TABLES.keys() - {Table.APPLY}


# -------------------------------------------------------------------------------------------------- what is malicious
@pytest.mark.parametrize(
    "octets",
    [
        b'<?xml version="1.0"?><!DOCTYPE rows [<!ENTITY a "aaaa">]><rows xmlns="urn:case-exchange:1">&a;</rows>',
        b'<?xml version="1.0"?><!DOCTYPE rows SYSTEM "file:///etc/passwd"><rows xmlns="urn:case-exchange:1"/>',
        b"<rows>",
        b"<other/>",
        b"PK\x03\x04 not a zip",
    ],
)
def test_what_is_no_file_of_rows_is_refused_by_name(octets: bytes):
    report = check(io.BytesIO(octets), calendar=builtin_calendar())
    assert (report.conforms, list(report.codes)) == (False, ["FILE_UNREADABLE"])


@pytest.mark.parametrize("line", [b"[" * 100_000, b"null", b'{"std": 1}', b"\xff\xfe", b'{"a": ' * 1000])
def test_a_line_that_is_nothing_is_rejected_and_nothing_falls_over(line: bytes):
    report = check(io.BytesIO(line + b"\n"), calendar=builtin_calendar())
    assert not report.conforms
    assert report.rows == 1


@pytest.mark.parametrize(
    ("judge", "number", "is_sound"),
    [
        (is_id_card, "11010519491231002X", True),  # the example of GB 11643
        (is_id_card, "110105194912310021", False),
        (is_id_card, "11010519490231002X", False),  # 31 February
        (is_id_card, "110105491231002", False),  # fifteen digits
        (is_credit_code, "91350100M000100Y43", True),  # the example of GB 32100
        (is_credit_code, "91350100M000100Y44", False),
        (is_credit_code, "91350100I000100Y43", False),  # no letter I
        (is_org_code, "D2143569X", True),  # the example of GB 11714
        (is_org_code, "D2143569-X", True),
        (is_org_code, "D21435691", False),
    ],
)
def test_check_digits_follow_the_standards_own_examples(judge, number, is_sound):
    assert judge(number) is is_sound
