"""An account at an on-premise MAS as it stands in zhangban.toml, and the carrier made of it."""

import pytest

from kernel.clock import FakeClock
from server.carrier_settings import MasDatabaseCarrier
from server.carriers import connection
from server.cli_config import template
from server.config_file import SettingsRefused
from server.settings import read
from sms.mas.database import MasDatabaseCarrier as MasDatabaseConnection

EMAS = """
[[sms.carriers]]
kind = "mas-db"
name = "city"
dialect = "emas"
host = "mas.example"
database = "dbadapter"
user = "zhangban"
password = "s3cret"
application = "APP056"
access_number = "10690000"
"""
JASSON = EMAS.replace("emas", "jasson").replace("APP056", "zw1")


def chosen(text: str) -> MasDatabaseCarrier:
    (carrier,) = read(text.encode(), {}).sms.carriers
    assert isinstance(carrier, MasDatabaseCarrier)
    return carrier


def refusal(text: str) -> str:
    with pytest.raises(SettingsRefused) as refused:
        read(text.encode(), {})
    return "\n".join(map(str, refused.value.problems))


def test_a_carrier_written_as_the_template_says_is_understood():
    (example,) = (each for each in template().split("# [[sms.carriers]]\n") if 'kind = "mas-db"' in each)
    lines = [
        line.removeprefix("# ")
        for line in example.split("\n[")[0].splitlines()
        if " = " in line and line.startswith("# ")
    ]
    carrier = chosen("\n".join(["[[sms.carriers]]", *lines]))
    assert carrier.model_copy(update={"password": chosen(EMAS).password}) == chosen(EMAS)
    assert len(lines) == len(MasDatabaseCarrier.model_fields), "a setting is missing from the template"


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        (EMAS, "USING utf8mb4"),
        (EMAS + 'charset = "gbk"', "USING gbk"),
        (JASSON, "INSERT INTO api_mt_zw1"),
        (JASSON, "USING latin1"),
    ],
)
def test_each_dialect_speaks_to_its_own_tables(text, statement, clock: FakeClock):
    made = connection(chosen(text), {}, clock)
    assert isinstance(made, MasDatabaseConnection)
    assert statement in made._interface.place([]).sql + made._interface.sayings.take(1).sql
    assert "s3cret" not in repr(made._inserting._server)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (EMAS.replace("APP056", "x; DROP TABLE"), "application"),
        (EMAS + 'add_serial = "1234567890123"', "合计超过 20 位"),
        (JASSON + 'add_serial = "01"', "首位不为 0"),
        (JASSON + 'add_serial = "123456789"', "至多 8 位"),
        (EMAS + 'charset = "big5"', "charset"),
    ],
)
def test_what_the_tables_could_not_hold_is_refused(text, why):
    assert why in refusal(text)


def test_a_certificate_that_cannot_be_read_is_named(clock: FakeClock):
    with pytest.raises(SettingsRefused, match=r"sms\.carriers\.city\.ca_file"):
        connection(chosen(EMAS + 'tls = true\nca_file = "/nowhere/ca.pem"'), {}, clock)
