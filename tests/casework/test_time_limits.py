"""The legal clock: every vector of the law, every unlawful entry, and random histories against a day-by-day walk."""

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from time import tzset

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casework.clock.calendars import builtin_calendar, seed_rows
from casework.clock.ledger import (
    EXTENSIONS,
    GROUND_NAMES,
    AlreadyExtended,
    Approver,
    BeforeTheStart,
    ClockEnded,
    ClockNotStarted,
    Ended,
    EndReason,
    Entry,
    Extended,
    ExtensionTooLong,
    ExtensionUnapproved,
    ExtensionUnexplained,
    Handling,
    NoticeUsed,
    NotStopped,
    Resumed,
    ResumedBeforeStop,
    Started,
    StopGround,
    StoppageUnnotified,
    Stopped,
    append,
    excluded,
    overruns,
    replay,
)
from casework.clock.time_limits import (
    DECIDE_JOINTLY_WITHIN,
    DECIDE_WITHIN,
    DELIVER_WITHIN,
    TELL_WITHIN,
    Acceptance,
    Due,
    ExtensionTooLate,
    Light,
    Limits,
    accepted_by_law,
    deemed_accepted_at,
    deliver_by,
    due_on,
    dues_on,
    extend,
    last_day_to_tell,
    light_at,
    red_at,
    remaining,
    step_due_on,
    was_in_time,
    yellow_at,
)
from casework.clock.working_days import CHINA

CALENDAR = builtin_calendar()
WORKED = {row["day"] for row in seed_rows() if row["working"]}
ONE_DAY = timedelta(days=1)
SEPTEMBER_18 = date(2026, 9, 18)


def local(year, month, day, hour=0, minute=0, second=0):
    return datetime(year, month, day, hour, minute, second, tzinfo=CHINA)


def accepted(day=SEPTEMBER_18, *more: Entry, handling=Handling.SINGLE):
    return replay([Started(day=day, handling=handling), *more])


def stop(day, told_until, notice="N1", ground=StopGround.INSPECTION):
    return Stopped(day=day, ground=ground, notice=notice, told_until=told_until)


def extension(days=10, approver=Approver.HEAD_OF_AUTHORITY, reason="案情复杂", notice="Y1", day=SEPTEMBER_18):
    return Extended(day=day, working_days=days, approver=approver, reason=reason, notice=notice)


# ------------------------------------------------------------------------------------------------- the vectors


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Pacific/Kiritimati"])
def server_zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    tzset()
    yield request.param
    monkeypatch.undo()
    tzset()


@pytest.mark.feature("CLK-02")
@pytest.mark.usefixtures("server_zone")
@pytest.mark.parametrize(
    ("start", "limit", "due"),
    [
        (SEPTEMBER_18, TELL_WITHIN, date(2026, 9, 24)),  # V1: Sunday 09-20 is worked
        (SEPTEMBER_18, DECIDE_WITHIN, date(2026, 10, 22)),  # V2, V4: Monday to Friday would say 10-16
        (date(2026, 10, 9), DECIDE_WITHIN, date(2026, 11, 5)),  # V3: accepted when the corrections came
        (SEPTEMBER_18, DECIDE_JOINTLY_WITHIN, date(2026, 11, 26)),  # V6: joint handling
        (date(2026, 4, 30), DELIVER_WITHIN, date(2026, 5, 18)),  # V7: Saturday 05-09 is worked, 05-01..05 rested
        (date(2026, 10, 3), 5, date(2026, 10, 13)),  # V10: received on a holiday
        (date(2026, 10, 10), 5, date(2026, 10, 16)),  # V11: received on a make-up Saturday
        (date(2026, 2, 13), 5, date(2026, 2, 27)),  # V12: across the Spring Festival
        (date(2026, 2, 13), 20, date(2026, 3, 19)),  # V12
        (date(2026, 4, 30), 20, date(2026, 6, 1)),  # V13
        (date(2026, 9, 30), 20, date(2026, 11, 3)),  # V14
        (date(2026, 11, 23), 20, date(2026, 12, 21)),  # V15: ends inside the arranged year
    ],
)
def test_the_day_of_acceptance_is_not_counted(start, limit, due):
    assert due_on(accepted(start), limit, CALENDAR) == Due(due, provisional=False)


@pytest.mark.feature("CLK-02")
def test_the_start_day_counts_only_where_a_rule_says_so():
    # Friday 09-18 works, so counting it brings every due day one working day forward.
    assert due_on(accepted(), 1, CALENDAR, count_start_day=True).day == SEPTEMBER_18
    assert due_on(accepted(), 20, CALENDAR, count_start_day=True).day == date(2026, 10, 21)


@pytest.mark.feature("CLK-03")
@pytest.mark.parametrize(
    ("stoppages", "due"),
    [
        # V8: nine working days are excluded
        ([(date(2026, 9, 22), date(2026, 10, 12))], date(2026, 11, 4)),
        # V9: overlapping procedures exclude their union, not their sum
        ([(date(2026, 9, 22), date(2026, 10, 12)), (date(2026, 10, 9), date(2026, 10, 16))], date(2026, 11, 10)),
        # the same two, told in the other order
        ([(date(2026, 10, 9), date(2026, 10, 16)), (date(2026, 9, 22), date(2026, 10, 12))], date(2026, 11, 10)),
        # one inside the other excludes nothing more
        ([(date(2026, 9, 22), date(2026, 10, 12)), (date(2026, 9, 24), date(2026, 9, 29))], date(2026, 11, 4)),
        # nothing but rest days lies in it
        ([(date(2026, 9, 30), date(2026, 10, 7))], date(2026, 10, 22)),
        # begun on the due day: too late to save anything
        ([(date(2026, 10, 22), date(2026, 11, 2))], date(2026, 10, 22)),
        # begun the day before: the due day itself is excluded
        ([(date(2026, 10, 21), date(2026, 10, 22))], date(2026, 10, 23)),
        # begun on the day of acceptance
        ([(SEPTEMBER_18, date(2026, 9, 21))], date(2026, 10, 26)),
    ],
)
def test_special_procedures_are_not_counted(stoppages, due):
    entries: list[Entry] = []
    for number, (after, until) in enumerate(stoppages):
        entries += [stop(after, date(2026, 12, 1), str(number)), Resumed(day=until, notice=str(number))]
    assert due_on(accepted(SEPTEMBER_18, *entries), DECIDE_WITHIN, CALENDAR).day == due


@pytest.mark.feature("CLK-03")
def test_the_law_knows_eight_special_procedures():
    assert list(GROUND_NAMES.values()) == ["听证", "招标", "拍卖", "检验", "检测", "检疫", "鉴定", "专家评审"]
    assert list(GROUND_NAMES) == list(StopGround)


@pytest.mark.feature("CLK-03")
@pytest.mark.parametrize(
    ("unlawful", "refusal"),
    [
        (stop(date(2026, 9, 22), date(2026, 10, 12), notice=" "), StoppageUnnotified),  # no written notice
        (stop(date(2026, 9, 22), date(2026, 9, 22)), StoppageUnnotified),  # tells no time needed
        (stop(date(2026, 9, 17), date(2026, 10, 12)), BeforeTheStart),  # before acceptance nothing can stop
    ],
)
def test_a_procedure_cannot_stop_the_clock_without_its_written_notice(unlawful, refusal):
    with pytest.raises(refusal):
        append(accepted(), unlawful)


def test_one_notice_stops_the_clock_once_and_is_resumed_once():
    stopped = accepted(SEPTEMBER_18, stop(date(2026, 9, 22), date(2026, 10, 12)))
    with pytest.raises(NoticeUsed):
        append(stopped, stop(date(2026, 10, 13), date(2026, 10, 20)))
    with pytest.raises(NotStopped):
        append(stopped, Resumed(day=date(2026, 9, 28), notice="N2"))
    with pytest.raises(ResumedBeforeStop):
        append(stopped, Resumed(day=date(2026, 9, 21), notice="N1"))
    resumed = append(stopped, Resumed(day=date(2026, 9, 28), notice="N1"))
    with pytest.raises(NotStopped):
        append(resumed, Resumed(day=date(2026, 9, 29), notice="N1"))


def test_an_open_procedure_is_projected_to_the_end_the_applicant_was_told():
    ledger = accepted(SEPTEMBER_18, stop(date(2026, 9, 22), date(2026, 10, 12)))
    assert due_on(ledger, DECIDE_WITHIN, CALENDAR).day == date(2026, 11, 4)
    assert [ledger.is_stopped_on(date(2026, 9, day)) for day in (22, 23)] == [False, True]
    early = append(ledger, Resumed(day=date(2026, 9, 24), notice="N1"))
    assert due_on(early, DECIDE_WITHIN, CALENDAR).day == date(2026, 10, 26)


def test_days_beyond_the_told_time_count_until_a_further_notice():
    late = accepted(
        SEPTEMBER_18, stop(date(2026, 9, 22), date(2026, 10, 12)), Resumed(day=date(2026, 10, 16), notice="N1")
    )
    assert due_on(late, DECIDE_WITHIN, CALENDAR).day == date(2026, 11, 4)
    assert [each.notice for each in overruns(late, date(2026, 10, 20))] == ["N1"]
    told_again = append(late, stop(date(2026, 10, 12), date(2026, 10, 16), "N2"))
    assert excluded(told_again) == [(date(2026, 9, 22), date(2026, 10, 16))]
    assert due_on(told_again, DECIDE_WITHIN, CALENDAR).day == date(2026, 11, 10)


@pytest.mark.feature("CLK-05")
def test_one_extension_of_ten_days_moves_the_due_day():
    # V5
    extended = extend(accepted(), extension(day=date(2026, 10, 22)), DECIDE_WITHIN, CALENDAR)
    assert due_on(extended, DECIDE_WITHIN, CALENDAR).day == date(2026, 11, 5)
    # V6: joint handling, approved by the head of the government
    joint = accepted(handling=Handling.JOINT)
    more = extension(15, Approver.HEAD_OF_GOVERNMENT)
    assert due_on(append(joint, more), DECIDE_JOINTLY_WITHIN, CALENDAR).day == date(2026, 12, 17)


@pytest.mark.feature("CLK-05")
@pytest.mark.parametrize(
    ("unlawful", "refusal"),
    [
        (extension(11), ExtensionTooLong),  # ten at most
        (extension(0), ExtensionTooLong),  # nothing is no extension
        (extension(approver=Approver.HEAD_OF_GOVERNMENT), ExtensionUnapproved),  # not the authority's own head
        (extension(reason=" "), ExtensionUnexplained),  # the applicant must be told why
        (extension(notice=""), ExtensionUnexplained),  # in writing
        (extension(day=date(2026, 10, 23)), ExtensionTooLate),  # the limit had already ended
        (extension(day=date(2026, 9, 17)), BeforeTheStart),
    ],
)
def test_an_unlawful_extension_is_refused(unlawful, refusal):
    with pytest.raises(refusal):
        extend(accepted(), unlawful, DECIDE_WITHIN, CALENDAR)


@pytest.mark.feature("CLK-05")
def test_a_limit_is_extended_once():
    once = append(accepted(), extension(3))
    with pytest.raises(AlreadyExtended):
        append(once, extension(3, notice="Y2"))


def test_joint_handling_may_be_extended_by_fifteen_days_by_the_government_only():
    joint = accepted(handling=Handling.JOINT)
    with pytest.raises(ExtensionTooLong):
        append(joint, extension(16, Approver.HEAD_OF_GOVERNMENT))
    with pytest.raises(ExtensionUnapproved) as refused:
        append(joint, extension(15, Approver.HEAD_OF_AUTHORITY))
    assert "本级人民政府负责人" in refused.value.text


def test_a_ledger_begins_with_its_start_and_ends_with_its_end():
    for entries in ([], [Ended(day=SEPTEMBER_18)]):
        with pytest.raises(ClockNotStarted):
            replay(entries)
    with pytest.raises(ClockNotStarted):
        append(accepted(), Started(day=SEPTEMBER_18))
    with pytest.raises(ClockEnded):
        append(accepted(SEPTEMBER_18, Ended(day=date(2026, 9, 30))), extension())


# ------------------------------------------------------------------------------------------- lights and numbers


@pytest.mark.feature("CLK-06")
@pytest.mark.usefixtures("server_zone")
def test_yellow_comes_one_working_day_before_the_due_day():
    due = date(2026, 10, 22)
    assert yellow_at(due, CALENDAR) == local(2026, 10, 21)
    assert yellow_at(due, CALENDAR, 3) == local(2026, 10, 19)  # V16
    assert yellow_at(due, CALENDAR, 0) == local(2026, 10, 22)
    assert yellow_at(date(2026, 10, 8), CALENDAR) == local(2026, 9, 30)  # across the holiday
    before, after = local(2026, 10, 20, 23, 59, 59), local(2026, 10, 21)
    assert light_at(accepted(), DECIDE_WITHIN, CALENDAR, before) is Light.GREEN
    assert light_at(accepted(), DECIDE_WITHIN, CALENDAR, after) is Light.YELLOW
    assert light_at(accepted(), DECIDE_WITHIN, CALENDAR, before, yellow_before=3) is Light.YELLOW


@pytest.mark.feature("CLK-08")
@pytest.mark.usefixtures("server_zone")
def test_the_due_day_ends_at_midnight_in_shanghai():
    last_second, midnight = local(2026, 10, 22, 23, 59, 59), local(2026, 10, 23)
    assert red_at(date(2026, 10, 22)) == midnight == datetime(2026, 10, 22, 16, tzinfo=UTC)
    assert light_at(accepted(), DECIDE_WITHIN, CALENDAR, last_second) is Light.YELLOW
    assert light_at(accepted(), DECIDE_WITHIN, CALENDAR, midnight) is Light.RED
    assert red_at(date(2026, 10, 22), time(17, 30)) == local(2026, 10, 22, 17, 30)


@pytest.mark.feature("CLK-12")
@pytest.mark.parametrize(
    ("today", "left"),
    [
        (SEPTEMBER_18, 20),  # the day of acceptance
        (date(2026, 9, 19), 20),  # a Saturday takes nothing away
        (date(2026, 9, 20), 19),  # a worked Sunday does
        (date(2026, 10, 7), 12),  # the end of the holiday
        (date(2026, 10, 21), 1),
        (date(2026, 10, 22), 0),  # due today
        (date(2026, 10, 23), -1),
        (date(2026, 10, 25), -1),  # the weekend adds nothing
        (date(2026, 10, 26), -2),
    ],
)
def test_remaining_days_are_working_days_and_turn_negative(today, left):
    assert remaining(accepted(), DECIDE_WITHIN, CALENDAR, today) == left


@pytest.mark.feature("CLK-12")
def test_remaining_days_stand_still_while_a_procedure_runs():
    ledger = accepted(SEPTEMBER_18, stop(date(2026, 9, 22), date(2026, 10, 12)))
    on = {day: remaining(ledger, DECIDE_WITHIN, CALENDAR, day) for day in (date(2026, 9, 22), date(2026, 10, 12))}
    assert on == {date(2026, 9, 22): 17, date(2026, 10, 12): 17}
    assert remaining(ledger, DECIDE_WITHIN, CALENDAR, date(2026, 10, 13)) == 16


def test_an_ended_clock_shows_no_light_and_counts_no_further():
    in_time = accepted(SEPTEMBER_18, Ended(day=date(2026, 10, 22)))
    late = accepted(SEPTEMBER_18, Ended(day=date(2026, 10, 23)))
    withdrawn = accepted(SEPTEMBER_18, Ended(day=date(2026, 9, 28), reason=EndReason.WITHDRAWN))
    verdicts = [was_in_time(each, DECIDE_WITHIN, CALENDAR) for each in (in_time, late, withdrawn, accepted())]
    assert verdicts == [True, False, True, None]
    for ended in (in_time, late, withdrawn):
        assert light_at(ended, DECIDE_WITHIN, CALENDAR, local(2026, 12, 1)) is Light.OUT
    assert remaining(late, DECIDE_WITHIN, CALENDAR, date(2026, 12, 1)) == -1


def test_the_promised_and_the_statutory_due_day_are_both_known():
    extended = append(accepted(), extension(5))
    dues = dues_on(extended, Limits(statutory=20, committed=10), CALENDAR)
    assert (dues.committed.day, dues.statutory.day) == (date(2026, 10, 15), date(2026, 10, 29))


# ---------------------------------------------------------------------------------- before acceptance, after grant


def test_silence_for_five_working_days_is_acceptance_on_the_day_of_receipt():
    # V1, V2
    assert last_day_to_tell(SEPTEMBER_18, CALENDAR) == date(2026, 9, 24)
    assert deemed_accepted_at(SEPTEMBER_18, CALENDAR) == local(2026, 9, 25)

    def law(now, told_on=None):
        return accepted_by_law(SEPTEMBER_18, told_on=told_on, corrected_on=None, now=now, calendar=CALENDAR)

    assert law(local(2026, 9, 24, 23, 59, 59)) is None
    acceptance = law(local(2026, 9, 25))
    assert acceptance == Acceptance(SEPTEMBER_18, deemed=True)
    assert law(local(2026, 9, 28), told_on=date(2026, 9, 25)) == acceptance  # told too late is not told
    assert due_on(accepted(acceptance.day), DECIDE_WITHIN, CALENDAR).day == date(2026, 10, 22)


def test_an_application_is_accepted_on_the_day_its_last_correction_arrives():
    # V3
    def law(now, corrected_on):
        told = date(2026, 9, 24)
        return accepted_by_law(SEPTEMBER_18, told_on=told, corrected_on=corrected_on, now=now, calendar=CALENDAR)

    assert law(local(2026, 10, 8), None) is None  # told in time: silence of the applicant accepts nothing
    acceptance = law(local(2026, 10, 9, 10), date(2026, 10, 9))
    assert acceptance == Acceptance(date(2026, 10, 9), deemed=False)
    assert due_on(accepted(acceptance.day), DECIDE_WITHIN, CALENDAR).day == date(2026, 11, 5)


def test_a_licence_is_delivered_within_ten_working_days_of_the_grant():
    assert deliver_by(date(2026, 4, 30), CALENDAR) == date(2026, 5, 18)  # V7


# -------------------------------------------------------------------------------------------- random histories


def history(random: Random) -> tuple[list[Entry], int]:
    """A lawful ledger of up to four procedures, perhaps extended, and a limit."""
    handling = random.choice(list(Handling))
    start = date(2004, 1, 1) + random.randrange(15000) * ONE_DAY
    entries: list[Entry] = [Started(day=start, handling=handling)]
    for number in range(random.randrange(5)):
        begin = start + random.randrange(60) * ONE_DAY
        entries.append(stop(begin, begin + random.randrange(1, 45) * ONE_DAY, str(number)))
        if random.random() < 0.7:
            entries.append(Resumed(day=begin + random.randrange(50) * ONE_DAY, notice=str(number)))
    if random.random() < 0.3:
        most, approver = EXTENSIONS[handling]
        entries.append(extension(random.randint(1, most), approver, day=start))
    return entries, random.choice([1, 5, 7, 10, 20, 45])


def walked(entries: list[Entry], limit: int) -> date:
    """The due day, found by looking at one day after the other."""
    left = limit + sum(entry.working_days for entry in entries if isinstance(entry, Extended))
    day = entries[0].day
    while left:
        day += ONE_DAY
        left -= is_counted(entries, day)
    return day


def is_counted(entries: list[Entry], day: date) -> bool:
    resumed = {entry.notice: entry.day for entry in entries if isinstance(entry, Resumed)}
    stopped = any(
        entry.day < day <= entry.told_until and day <= resumed.get(entry.notice, date.max)
        for entry in entries
        if isinstance(entry, Stopped)
    )
    return day in WORKED and not stopped


def walked_remaining(entries: list[Entry], due: date, today: date) -> int:
    early, late = min(today, due), max(today, due)
    days = sum(is_counted(entries, early + n * ONE_DAY) for n in range(1, (late - early).days + 1))
    return days if today <= due else -days


def agrees_with_the_walk(entries: list[Entry], limit: int, today_after: int) -> None:
    stored = msgspec.json.encode(entries)
    ledger = replay(msgspec.json.decode(stored, type=list[Entry]))
    due = due_on(ledger, limit, CALENDAR)
    assert due.day == walked(entries, limit)
    assert due.provisional == (due.day.year > 2026)
    today = entries[0].day + today_after * ONE_DAY
    assert remaining(ledger, limit, CALENDAR, today) == walked_remaining(entries, due.day, today)


@pytest.mark.feature("CLK-11")
def test_ten_thousand_random_histories_replay_to_the_day_a_walk_finds():
    random = Random(20260918)
    for _ in range(10_000):
        entries, limit = history(random)
        agrees_with_the_walk(entries, limit, random.randrange(150))


def test_the_days_of_a_step_are_the_counted_days_since_it_began():
    random = Random(20260919)
    for _ in range(1000):
        entries, limit = history(random)
        opened = entries[0].day + random.randrange(80) * ONE_DAY
        extended = sum(e.working_days for e in entries if isinstance(e, Extended) and e.day >= opened)
        day, left = opened, limit + extended
        while left:
            day += ONE_DAY
            left -= is_counted(entries, day)
        assert step_due_on(replay(entries), opened, limit, CALENDAR) == day


@given(st.randoms(use_true_random=False), st.integers(0, 150))
@settings(max_examples=100)
def test_a_history_that_disagrees_would_be_shrunk(random, today_after):
    agrees_with_the_walk(*history(random), today_after)
