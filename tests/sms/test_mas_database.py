"""The carrier that is a database: against a real MariaDB, which a simulated MAS machine empties and fills."""

import asyncio
import logging
import re
import ssl
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from msgspec.structs import replace

from alerts.texts import Code
from sms.inbound import Inbox
from sms.mas.database import Pace
from sms.mas.interface import Statement
from sms.mas.mysql import NotConnected, Patience, Rejected, Session
from sms.statuses import Fault
from tests.sms.carrier_desk import ACCESS_NUMBER, ROOT, put, running, states_of, until, until_sent
from tests.sms.mariadb_desk import (
    APPLICATION,
    CODE,
    PATIENT,
    asked,
    database_carrier,
    emas,
    emas_machine,
    fresh_database,
    jasson,
    jasson_machine,
)
from tests.sms.mas_desk import PHONE, WORDS, Ears, eventually, running_carrier
from tests.sms.relay import Relay

EMAS, JASSON = (emas, emas_machine, "sms_outbox", "DESTADDR"), (jasson, jasson_machine, f"api_mt_{CODE}", "MOBILES")
BODIES = [f"【衡江政务服务】第{number}件" for number in range(300)]
CARD_CODE = Code("card-reply", "7:nonce", 5)


class City:
    """A MAS machine of either make, its database, and a carrier that reaches it through a wire of ours."""

    def __init__(self, mariadb, clock, make) -> None:
        self.mariadb, self.clock = mariadb, clock
        self.interface, self.machine_of, self.outbox, self.phones = make

    @asynccontextmanager
    async def standing(self, **changes):
        self.server = await fresh_database(self.mariadb)
        async with self.machine() as self.network, Relay(self.server.port) as self.wire:
            self.carrier = self.another(**changes)
            yield self

    def machine(self):
        return self.machine_of(self.server, self.clock)

    def another(self, name="city", **changes):
        interface = self.interface(**changes.pop("interface", {}))
        return database_carrier(replace(self.server, port=self.wire.port), interface, self.clock, name, **changes)

    async def rows(self, sql: str, *values):
        return await asked(self.server, sql, *values)

    async def waiting(self) -> int:
        return (await self.rows(f"SELECT COUNT(*) FROM {self.outbox}"))[0][0]


@pytest.fixture(params=[EMAS, JASSON], ids=["EMAS", "Jasson"])
def city(request, mariadb, clock):
    return City(mariadb, clock, request.param)


@pytest.fixture
def emas_city(mariadb, clock):
    return City(mariadb, clock, EMAS)


@pytest.fixture
def jasson_city(mariadb, clock):
    return City(mariadb, clock, JASSON)


# ------------------------------------------------------------------------------------------------------ as it lies


async def test_a_row_for_emas_is_as_its_machine_expects_it(emas_city):
    async with emas_city.standing() as city, running_carrier(city.carrier) as sending:
        city.network.faults.gateway_down = True
        (sent,) = await sending.send(WORDS, extension="0077", reference=9)
        row = "SISMSID, EXTCODE, DESTADDR, MESSAGECONTENT, REQDELIVERYREPORT, MSGFMT, SENDMETHOD, APPLICATIONID"
        ((sismsid, *rest),) = await city.rows(f"SELECT {row} FROM sms_outbox")
        assert rest == ["0077", PHONE, WORDS, 1, 15, 0, APPLICATION]
        assert sent.accepted == ((1, sismsid.lstrip("0")),)
        assert (await city.rows("SELECT ABS(TIMESTAMPDIFF(SECOND, REQUESTTIME, NOW())) < 60 FROM sms_outbox"))[0][0]


@pytest.mark.parametrize("charset", ["latin1", "utf8mb4"])
async def test_the_words_for_jasson_are_what_its_own_kit_would_have_written(jasson_city, charset):
    async with jasson_city.standing() as city, running_carrier(city.carrier) as sending:
        city.network.faults.busy_rounds = 10**9
        await city.rows(f"ALTER TABLE api_mt_{CODE} CONVERT TO CHARACTER SET {charset}")
        await sending.send(WORDS, extension="12345", reference=9)
        # The kit's connection says that it is latin1.
        ((octets, *rest),) = await city.rows(
            f"SELECT HEX(CONVERT(CONTENT USING latin1)), SM_ID, SRC_ID, MOBILES, SEND_TIME, MSG_FMT FROM api_mt_{CODE}"
        )
        assert bytes.fromhex(octets).decode("gbk") == WORDS
        assert [str(value) for value in rest] == ["10", "12345", PHONE, "None", "0"]


@pytest.mark.parametrize("charset", ["utf8", "gbk", "gbk-in-latin1"])
async def test_a_machine_with_another_character_set_gets_and_gives_the_same_words(emas_city, charset):
    emas_city.machine_of = lambda *which: emas_machine(*which, charset=charset)
    async with emas_city.standing(interface={"charset": charset}) as city:
        ears = Ears()
        async with running_carrier(city.carrier, ears) as sending:
            await sending.send(WORDS)
            phone = city.network.handset(PHONE)
            assert (await phone.next_text()).text == WORDS
            await phone.send(ACCESS_NUMBER, "同意12345")
            (arrival,) = ears.arrivals
            assert arrival.part.octets.decode("utf-16-be") == "同意12345"


# -------------------------------------------------------------------------------------------------------- receipts


async def test_receipts_settle_texts_however_late_and_often_they_come(database, clock, city):
    async with city.standing(), running(database, clock, city.carrier):
        city.network.faults.receipts_late, city.network.faults.duplicate_receipts = 20, True
        await put(database, clock, *BODIES[:5])
        await until(database, delivered=5)
        await eventually(lambda: city.carrier.counts["reports"] == 10)
        assert await states_of(database) == {"delivered": 5}


async def test_texts_without_receipts_stay_with_the_carrier(database, clock, city):
    async with city.standing(), running(database, clock, city.carrier):
        city.network.faults.no_receipts = True
        await put(database, clock, WORDS)
        await city.network.handset(PHONE).next_text()
        await until(database, submitted=1)


async def test_what_the_gateway_refuses_fails_with_its_reason(database, clock, emas_city):
    async with emas_city.standing() as city, running(database, clock, city.carrier):
        city.network.faults.results.append(6)
        await put(database, clock, WORDS)
        await until(database, failed=1)
        [row] = await database.rows("SELECT error FROM message")
        assert "超过最大信息长" in str(row["error"])
        assert not city.network.handset(PHONE).inbox


async def test_a_gateway_that_is_overrun_gives_the_carrier_a_rest(emas_city):
    async with emas_city.standing() as city:
        ears = Ears()
        async with running_carrier(city.carrier, ears) as sending:
            city.network.faults.results.append(8)
            await sending.send(WORDS)
            await eventually(lambda: ears.receipts)
            assert not city.carrier.is_up
            assert city.carrier.condition().paused_for_s > 0
            assert city.carrier.counts["throttled"] == 1


async def test_rows_are_deleted_only_once_they_were_recorded(city):
    async with city.standing():
        pile = city.carrier._interface.reports.table
        ears = Ears(outcome=0x64)
        async with running_carrier(city.carrier, ears) as sending:
            await sending.send(WORDS)
            await eventually(lambda: len(ears.receipts) >= 3)
            assert (await city.rows(f"SELECT COUNT(*) FROM {pile}"))[0][0] == 1
            ears.outcome = 0
            await eventually(lambda: city.carrier.counts["reports"] > len(ears.receipts) - 1)
            for _ in range(1000):
                if not (await city.rows(f"SELECT COUNT(*) FROM {pile}"))[0][0]:
                    break
            assert not (await city.rows(f"SELECT COUNT(*) FROM {pile}"))[0][0]


async def test_rows_that_wait_for_their_last_word_are_left_alone_for_a_week(emas_city):
    async with emas_city.standing() as city:
        for key, days in (("young", 6), ("old", 8)):
            await city.rows(
                "INSERT INTO sms_sent (MASSMSID, SISMSID, DESTADDR, SENTTIME, SENTRESULT, SMSSTATUS, APPLICATIONID)"
                f" VALUES (?, 'a', ?, NOW() - INTERVAL {days} DAY, 0, 'accepted', ?)",
                key,
                PHONE,
                APPLICATION,
            )
        await city.rows(
            "INSERT INTO sms_sent (MASSMSID, SISMSID, DESTADDR, SENTRESULT, SMSSTATUS, APPLICATIONID)"
            " VALUES ('foreign', 'b', ?, 0, 'delivered', 'APP999')",
            PHONE,
        )
        ears = Ears()
        async with running_carrier(city.carrier, ears):
            while len(await city.rows("SELECT MASSMSID FROM sms_sent")) == 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert {row[0] for row in await city.rows("SELECT MASSMSID FROM sms_sent")} == {"young", "foreign"}
            assert not ears.receipts


# ----------------------------------------------------------------------------------------------- texts from people


async def test_an_answer_names_the_number_it_was_asked_from(city):
    async with city.standing():
        ears = Ears()
        async with running_carrier(city.carrier, ears) as sending:
            await sending.send(WORDS, extension="12345")
            phone = city.network.handset(PHONE)
            asked_from = (await phone.next_text()).sender
            assert asked_from == ACCESS_NUMBER + "12345"
            await phone.send(asked_from, "1")
            (arrival,) = ears.arrivals
            assert (arrival.part.source, arrival.part.destination) == (PHONE, asked_from)
            assert b"MO_TIME" in arrival.part.raw or b"RECEIVETIME" in arrival.part.raw


async def test_a_text_that_is_read_twice_because_its_row_could_not_be_deleted_is_one(county, city):
    database, clock = county.database, county.clock
    inbox = Inbox(county.office, database, clock, county.secrets, alert_rules=county.rules)
    async with city.standing(), running(database, clock, city.carrier, inbox=inbox, secrets=county.secrets):
        await eventually(lambda: city.carrier.is_up)
        city.wire.lose = b"DELETE FROM " + city.carrier._interface.sayings.table.encode()
        city.network.faults.duplicate_texts = True
        await city.network.handset(PHONE).send(ACCESS_NUMBER, "你好")
        assert city.wire.lost == 1
        assert len(await database.rows("SELECT id FROM inbound_message")) == 1


async def test_of_two_processes_at_one_account_one_reads_and_both_send(city):
    async with city.standing():
        ears, others = Ears(), Ears()
        async with running_carrier(city.carrier, ears) as sending:
            second = city.another("second")
            async with running_carrier(second, others) as sending_too:
                await sending.send(WORDS)
                await sending_too.send(WORDS, reference=2)
                for words in "甲乙丙":
                    await city.network.handset(PHONE).send(ACCESS_NUMBER, words)
                await eventually(lambda: len(ears.receipts) == 2)
                assert (len(ears.arrivals), len(others.arrivals), len(others.receipts)) == (3, 0, 0)
                await city.carrier.drain(30.0)
                await city.network.handset(PHONE).send(ACCESS_NUMBER, "丁")
                assert len(others.arrivals) == 1


# --------------------------------------------------------------------------------------------------------- trouble


async def test_a_text_whose_answer_was_lost_is_found_in_the_table_and_not_sent_again(database, clock, city):
    async with city.standing(), running(database, clock, city.carrier):
        await eventually(lambda: city.carrier.is_up)
        city.network.faults.busy_rounds = 10**9
        city.wire.lose_answer_to = PHONE.encode()
        await put(database, clock, WORDS)
        await until(database, submitted=1)
        assert (city.wire.lost, await city.waiting()) == (1, 1)
        city.network.faults.busy_rounds = 0
        await until(database, delivered=1)
        assert len(city.network.handset(PHONE).inbox) == 1


async def test_a_text_whose_answer_was_lost_is_known_by_its_receipt(database, clock, jasson_city):
    async with jasson_city.standing() as city, running(database, clock, city.carrier):
        await eventually(lambda: city.carrier.is_up)
        city.network.faults.receipts_late = 30  # taken, not reported: nowhere to be found
        city.wire.lose_answer_to = PHONE.encode()
        await put(database, clock, "【衡江政务服务】1▒▒▒▒▒", template="T05", code=CARD_CODE)
        await until(database, delivered=1)
        assert city.wire.lost == 1
        assert len(city.network.handset(PHONE).inbox) == 1


async def test_a_text_with_a_code_that_is_nowhere_to_be_found_stays_unknown(database, clock, city):
    async with (
        city.standing(pace=Pace(poll_s=0.02, doubt_s=0.2)),
        running(database, clock, city.carrier),
    ):
        await eventually(lambda: city.carrier.is_up)
        city.wire.lose = PHONE.encode()
        await put(database, clock, "【衡江政务服务】1▒▒▒▒▒", template="T05", code=CARD_CODE)
        await until(database, unknown=1)
        assert city.wire.lost == 1
        clock.advance(timedelta(minutes=3))
        await until(database, delivered=1)
        assert len(city.network.handset(PHONE).inbox) == 1


async def test_a_connection_that_breaks_before_the_statement_leaves_the_text_unsent(city):
    async with city.standing(), running_carrier(city.carrier) as sending:
        city.wire.lose = b"INSERT INTO"
        (sent,) = await sending.send(WORDS)
        assert (sent.is_unsent, city.wire.lost) == (True, 1)
        assert await city.waiting() == 0


async def test_a_connection_that_broke_in_the_night_costs_nothing_in_the_morning(city):
    patience = replace(PATIENT, idle_s=0.0)
    async with city.standing(patience=patience), running_carrier(city.carrier) as sending:
        for reference in (1, 2):
            (sent,) = await sending.send(WORDS, reference=reference)
            assert sent.fault is None
            city.wire.cut()
            await sending.up()


async def test_a_process_that_died_before_it_wrote_down_that_the_row_is_there_sends_no_second_one(emas_city):
    async with emas_city.standing() as city:
        city.network.faults.busy_rounds = 10**9
        async with running_carrier(city.carrier) as sending:
            before = await sending.send(WORDS)
        async with running_carrier(city.another()) as sending:
            assert await sending.send(WORDS) == before
        assert await city.waiting() == 1


async def test_texts_outlast_a_database_server_that_is_killed_while_it_is_used(database, clock, mariadb, city):
    pace = Pace(poll_s=0.02, doubt_s=1.0)
    async with city.standing(pace=pace, ahead=32), running(database, clock, city.carrier):
        city.wire.delay_s = 0.03
        await put(database, clock, *BODIES)
        for _ in range(5):
            await city.network.handset(PHONE).next_text()
        mariadb.kill()
        await eventually(lambda: not city.carrier.is_up)
        assert "queued" in await states_of(database)
        mariadb.start_again()
        city.wire.delay_s = 0.0
        await until_sent(database)
        await city.network.at_rest()
        assert sorted(text.text for text in city.network.handset(PHONE).inbox) == sorted(BODIES)


async def test_a_row_the_table_cannot_hold_fails_and_the_others_of_its_batch_do_not(database, clock, city):
    async with city.standing():
        column = "MESSAGECONTENT" if city.outbox == "sms_outbox" else "CONTENT"
        await city.rows(f"ALTER TABLE {city.outbox} MODIFY {column} VARCHAR(40)")
        await put(database, clock, *BODIES[:5], "【衡江政务服务】" + "长" * 40, *BODIES[5:10])
        async with running(database, clock, city.carrier):
            await until(database, delivered=10, failed=1)
        [row] = await database.rows("SELECT error FROM message WHERE state = 'failed'")
        assert row["error"] == "MySQL error 1406"


async def test_tables_without_transactions_may_keep_half_a_batch_and_get_the_other_half_once(database, clock, city):
    async with city.standing():
        city.network.faults.busy_rounds = 10**9
        await city.rows(f"ALTER TABLE {city.outbox} ENGINE = MyISAM")
        await city.rows(
            f"CREATE TRIGGER no_fifth BEFORE INSERT ON {city.outbox} FOR EACH ROW"
            f" SET NEW.{city.phones} = IF(NEW.{city.phones} = '13900139000', REPEAT('9', 3000), NEW.{city.phones})"
        )
        if city.outbox != "sms_outbox":
            await city.rows(f"ALTER TABLE {city.outbox} MODIFY MOBILES VARCHAR(100)")
        await put(database, clock, *BODIES[:4])
        await put(database, clock, WORDS, phone="13900139000")
        await put(database, clock, *BODIES[4:8])
        async with running(database, clock, city.carrier):
            await until(database, submitted=8, failed=1)
        assert await city.waiting() == 8


async def test_an_account_that_may_not_insert_loses_nothing_and_says_why(database, clock, city):
    async with city.standing() as city:
        await city.rows("GRANT SELECT, DELETE ON *.* TO 'poor'@'127.0.0.1' IDENTIFIED BY 'p'")
        city.server = replace(city.server, user="poor", password="p")
        carrier = city.another()
        async with running(database, clock, carrier):
            await put(database, clock, WORDS)
            await eventually(lambda: carrier.refusals["1142"] >= 2)
            assert carrier.last_error == "MySQL error 1142"
            assert not carrier.condition().is_error_past
        assert await states_of(database) == {"queued": 1}


async def test_the_rights_that_the_manual_asks_for_are_enough(city):
    manual = (ROOT / "docs" / "operations.md").read_text()
    grants = re.findall(r"^(GRANT [A-Z, ]+ ON) (dbadapter|im)\.(\w+) TO", manual, re.MULTILINE)
    of_this_make = "dbadapter" if city.outbox == "sms_outbox" else "im"
    async with city.standing():
        account = f"'u{city.server.database}'@'127.0.0.1'"
        await city.rows(f"CREATE USER {account} IDENTIFIED BY 'p'")
        for grant, make, table in grants:
            if make == of_this_make:
                await city.rows(f"{grant} {table.replace('001', CODE)} TO {account}")
        city.server = replace(city.server, user=account.split("'")[1], password="p")
        ears = Ears()
        async with running_carrier(city.another(), ears) as sending:
            (sent,) = await sending.send(WORDS)
            assert sent.fault is None
            await city.network.handset(PHONE).send(ACCESS_NUMBER, "你好")
            await eventually(lambda: ears.receipts and ears.arrivals)
            # The look for a text in doubt needs rights, too.
            city.wire.lose_answer_to = PHONE.encode()
            (sent,) = await sending.send(WORDS, reference=2)
            assert (sent.fault, city.wire.lost) == (None, 1)


async def test_a_wrong_password_is_down_and_stands_in_no_log(clock, city, caplog):
    async with city.standing():
        city.server = replace(city.server, password="not-this-one")
        carrier = city.another()
        with caplog.at_level(logging.DEBUG):
            async with running_carrier(carrier, is_up=False) as sending:
                await eventually(lambda: carrier.last_error)
                (sent,) = await sending.send(WORDS)
        assert (sent.is_unsent, sent.error, carrier.is_up) == (True, "MySQL error 1045", False)
        assert "not-this-one" not in caplog.text + repr(city.server)


async def test_what_the_server_quotes_of_a_text_stands_in_no_log(city, caplog):
    async with city.standing():
        column = "MESSAGECONTENT" if city.outbox == "sms_outbox" else "CONTENT"
        await city.rows(f"ALTER TABLE {city.outbox} MODIFY {column} VARCHAR(3) CHARACTER SET ascii")
        with caplog.at_level(logging.DEBUG):
            async with running_carrier(city.carrier) as sending:
                (sent,) = await sending.send(WORDS)
        assert sent.fault is Fault.PERMANENT
        assert PHONE not in caplog.text
        assert "申请" not in caplog.text


@pytest.mark.parametrize(
    ("fault", "why"),
    [("suspended", "the interface is suspended"), ("gateway_down", "the machine has lost the gateway")],
)
async def test_a_machine_that_says_it_cannot_send_gets_nothing_and_is_still_listened_to(jasson_city, fault, why):
    async with jasson_city.standing() as city:
        setattr(city.network.faults, fault, True)
        ears = Ears()
        async with running_carrier(city.carrier, ears, is_up=False) as sending:
            await eventually(lambda: city.carrier.last_error == why)
            (sent,) = await sending.send(WORDS)
            assert (sent.is_unsent, sent.error, city.carrier.condition().state) == (True, why, "down")
            await city.network.handset(PHONE).send(ACCESS_NUMBER, "在吗")
            assert len(ears.arrivals) == 1
            assert await city.waiting() == 0
            setattr(city.network.faults, fault, False)
            await sending.up()
            (sent,) = await sending.send(WORDS)
            assert sent.fault is None


# ------------------------------------------------------------------------------------------------------- one by one


async def test_no_more_parts_a_second_than_the_contract_allows(city):
    async with city.standing(parts_per_s=50), running_carrier(city.carrier) as sending:
        began = asyncio.get_running_loop().time()
        sending.put(*BODIES[:30])
        await eventually(lambda: len(sending.outcomes) == 30)
        assert asyncio.get_running_loop().time() - began >= 0.45
        assert all(sent.fault is None for sent in sending.outcomes)


async def test_what_waits_goes_back_when_the_carrier_is_drained(city):
    async with city.standing(parts_per_s=1), running_carrier(city.carrier) as sending:
        sending.put(*BODIES[:20])
        await eventually(lambda: sending.outcomes)
        await city.carrier.drain(30.0)
        assert len(sending.outcomes) == 20
        assert sum(sent.is_unsent for sent in sending.outcomes) == 20 - await city.waiting() - len(
            city.network.handset(PHONE).inbox
        )


async def test_a_drained_carrier_can_be_started_again(city):
    async with city.standing():
        for reference in (1, 2):
            async with running_carrier(city.carrier) as sending:
                (sent,) = await sending.send(WORDS, reference=reference)
                assert sent.fault is None


async def test_the_wire_is_encrypted_or_there_is_no_connection(mariadb):
    server = await fresh_database(mariadb)
    ours = ssl.create_default_context(cafile=mariadb.ca)
    assert (await asked(replace(server, tls=ours), "SHOW STATUS LIKE 'Ssl_cipher'"))[0][1]
    stranger = Session(replace(server, tls=ssl.create_default_context()), PATIENT)
    with pytest.raises(NotConnected):
        await stranger.open()


async def test_a_statement_that_takes_too_long_is_lost_and_the_connection_with_it(mariadb):
    server = await fresh_database(mariadb)
    session = Session(server, Patience(connect_s=30.0, answer_s=0.2))
    await session.open()
    with pytest.raises(Exception, match="no answer: TimeoutError"):
        await session.run(Statement("SELECT SLEEP(30)"))
    with pytest.raises(NotConnected):
        await session.run(Statement("SELECT 1"))
    assert await session.open()
    with pytest.raises(Rejected, match="MySQL error 1146"):
        await session.run(Statement("SELECT * FROM nothing"))
    assert not await session.open()
    await session.close()
