"""Older standards both ways: golden files of their rows, and what they cannot say."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from casework.clock.calendars import builtin_calendar
from ferry.exchange.codes import Table
from ferry.exchange.profiles.mapping import ForeignRow, Origin, Profile, from_foreign, lost, to_foreign
from ferry.exchange.profiles.register import PROFILES, SOURCES, sources_of
from ferry.exchange.schemas import columns
from ferry.exchange.standard import TABLES, Envelope, Read
from tools.exchange_samples import good_rows

GOLDEN = Path(__file__).parent / "golden"
ORIGIN = Origin(
    source_system="SJJ-YWXT",
    org="SJJ",
    org_name="衡江县市场监督管理局",
    region="430421",
    sent_time=datetime.fromisoformat("2026-09-17T18:00:00+08:00"),
    batch="B20260917",
    calendar=builtin_calendar(),
)
EVERY = pytest.mark.parametrize("name", PROFILES)


def golden(name: str) -> list[ForeignRow]:
    lines = (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [(said["table"], said["row"]) for said in map(json.loads, lines)]


def back(name: str, rows: list[ForeignRow]) -> list[Read]:
    seen = list(from_foreign(PROFILES[name], rows, ORIGIN))
    assert not [each.findings for each in seen if each.findings]
    return [each.read for each in seen if each.read is not None]


@EVERY
def test_the_sample_case_is_written_as_the_golden_file_has_it(name: str):
    assert to_foreign(PROFILES[name], good_rows()) == golden(name)


@EVERY
def test_what_came_from_an_older_standard_goes_back_as_it_came(name: str):
    profile = PROFILES[name]
    both_ways = {table.name for table in profile.tables if not table.one_way}
    came = [(table, row) for table, row in golden(name) if table in both_ways]
    assert came
    again = to_foreign(profile, back(name, came))
    assert [(table, row) for table, row in again if table in both_ways] == came


@EVERY
def test_what_goes_there_and_comes_back_says_the_same_but_for_what_is_listed_as_lost(name: str):
    profile = PROFILES[name]
    missing = lost(profile)
    given = {ours for table in profile.tables for ours in table.given}
    ours = {(row.envelope.table, row.envelope.no): row for row in good_rows()}
    for row in back(name, golden(name)):
        sent = ours[row.envelope.table, row.envelope.no]
        assert row.envelope.event_time == sent.envelope.event_time
        for column in columns(TABLES[row.envelope.table].struct):
            if column.name in missing.get(row.envelope.table, ()) or f"{row.envelope.table}.{column.name}" in given:
                continue
            if column.name == "applicant_kind":
                continue  # of a number that shows whose it is
            assert getattr(row.payload, column.name) == getattr(sent.payload, column.name), column.name


@pytest.mark.parametrize("profile", SOURCES, ids=lambda profile: profile.name)
def test_every_line_names_a_column_that_there_is(profile: Profile):
    envelope = {f"@{column.name}" for column in columns(Envelope)}
    for table in profile.tables:
        for line in table.lines:
            source, _, column = line.ours.partition(".")
            known = envelope | {each.name for each in columns(TABLES[Table(source)].struct)}
            assert column in known, line
            assert Table(source) in table.sources, line
        for ours in table.given:
            source, _, column = ours.partition(".")
            assert column in {each.name for each in columns(TABLES[Table(source)].struct)}, ours
        assert not {line.foreign for line in table.lines} & set(table.unfilled)


def test_the_page_can_say_where_a_column_comes_from():
    assert sources_of("apply.applicant_name") == [
        "gd-2013: EX_GDBS_SB.SQRMC",
        "national-up_pro: up_pro_accept.applyer_name",
        "pre-apasinfo: PRE_APASINFO.APPLYNAME",
    ]


def test_an_acceptance_without_its_days_gets_them_from_the_calendar_where_there_is_a_due_day():
    (accepted,) = [
        row for row in back("national-up_pro", golden("national-up_pro")) if row.envelope.table is Table.ACCEPT
    ]
    assert accepted.payload.promise_days == 5  # type: ignore[attr-defined]  # an acceptance
