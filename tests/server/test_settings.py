"""zhangban.toml and the environment: the defaults, and every wrong line named at once."""

import stat
import tomllib
from datetime import time
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from server import cli_config
from server.carrier_settings import Carrier, MasCarrier, SmppCarrier
from server.cli_config import template
from server.config_file import Problem, SettingsRefused
from server.key_material import key_material
from server.settings import Settings, load, read

SMPP = """
[[sms.carriers]]
kind = "smpp"
name = "mobile"
host = "smsc.example"
system_id = "zhangban"
password = "s3cret"
source_address = "10690000"
"""

MAS = """
[[sms.carriers]]
kind = "mas"
name = "cloud"
url = "https://mas.example:28888/sms/submit"
ec_name = "衡江市政务服务中心"
ap_id = "zhangban"
secret_key = "s3cret"
sign = "sGn0hJ7Qx"
push_path = "0123456789abcdef"
allowed_addresses = ["192.0.2.0/24", "2001:db8::1"]
"""


def problems(text: str, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsRefused) as refused:
        read(text.encode(), environment or {})
    return [str(problem) for problem in refused.value.problems]


def refusals(content: bytes, environment: dict[str, str]) -> tuple[Problem, ...]:
    """Empty when all is well; anything but SettingsRefused is a defect."""
    try:
        read(content, environment)
    except SettingsRefused as refused:
        return refused.problems
    return ()


def test_without_a_file_everything_has_a_default():
    settings = read(b"", {})
    assert settings == Settings()
    assert settings.database.url == "sqlite://var/zhangban.db"
    assert (settings.alerts.quiet_from, settings.alerts.quiet_until) == (time(21), time(8))


def test_the_template_says_exactly_the_defaults():
    tables = tomllib.loads(template())
    assert read(template().encode(), {}) == Settings()
    for section, field in Settings.model_fields.items():
        assert section in tables, f"{section} is missing from the template"
        assert field.default is not None


def test_every_setting_of_the_template_is_explained_in_both_languages():
    for section in Settings.model_fields.values():
        for field in getattr(type(section.default), "model_fields", {"": section}).values():
            assert " · " in (field.description or "")


@pytest.mark.parametrize(("number", "kind"), [(1, SmppCarrier), (2, MasCarrier)])
def test_a_carrier_written_as_the_template_says_is_understood(number, kind):
    example = template().split("# [[sms.carriers]]\n")[number]
    lines = [line.removeprefix("# ") for line in example.splitlines() if " = " in line and line.startswith("# ")]
    text = "\n".join(["[[sms.carriers]]", *lines]).replace('push_path = "…"', 'push_path = "0123456789abcdef"')
    (carrier,) = read(text.replace("…", "s3cret").encode(), {}).sms.carriers
    assert isinstance(carrier, kind)
    assert len(lines) == len(kind.model_fields), "a setting is missing from the template"


def test_every_wrong_line_is_named_at_once():
    found = problems(
        """demo = "yes"
[http]
port = 99999
hots = "x"
this is not toml
[database]
url = "mysql://x"
[[sms.carriers]]
kind = "simulator"
[[sms.carriers]]
kind = "pigeon"
[alerts]
quiet_from = 25:00
service_phone = "abc"
[foo]
a = 1
"""
    )
    assert [line.split("：")[0] for line in found] == [
        "第 1 行 line 1 demo",
        "第 3 行 line 3 http.port",
        "第 4 行 line 4 http.hots",
        "第 5 行 line 5",
        "第 7 行 line 7 database.url",
        "第 10 行 line 10 sms.carriers.1",
        "第 13 行 line 13",
        "第 14 行 line 14 alerts.service_phone",
        "第 15 行 line 15 foo",
    ]
    assert "不能大于 65535 · must be at most 65535" in found[1]
    assert "是否为 host？" in found[2]


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ('url = "mas.example"', "line 5 sms.carriers.0.url"),
        ('push_path = "short"', "line 10 sms.carriers.0.push_path"),
        ('push_path = "0123456789/abcdef"', "line 10 sms.carriers.0.push_path"),
        ("allowed_addresses = []", "line 11 sms.carriers.0.allowed_addresses"),
        ('allowed_addresses = ["192.0.2.1/24"]', "line 11 sms.carriers.0.allowed_addresses"),
        ('name = "longer-than-the-column"', "line 4 sms.carriers.0.name"),
    ],
)
def test_a_mas_that_could_be_reached_by_anybody_or_not_at_all_is_refused(wrong, where):
    key = wrong.partition(" ")[0]
    text = "\n".join(wrong if line.startswith(f"{key} =") else line for line in MAS.splitlines())
    [problem] = problems(text)
    assert where in problem
    assert "short" not in problem


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('templates = { T99_NONE = "9e11" }', "there is no text T99_NONE"),
        ('templates = { T11_ACCEPTED = "" }', "does not fit"),
        ('templates = "9e11"', "must be a table"),
        ("only_templates = true", "only_templates needs templates"),
        ('access_number = "1069000012345678"\nadd_serial = "12345"', "more than 20 digits together"),
        ('receive = "never"', "must be 'push', 'pull' or 'both'"),
        ("pull_every_seconds = 0", "must be at least 1"),
    ],
)
def test_what_a_mas_could_not_do_is_refused_with_its_reason(line, reason):
    [problem] = problems(MAS + line)
    assert reason in problem


@pytest.mark.parametrize("missing", ["push_path", "allowed_addresses"])
def test_a_mas_that_pushes_needs_its_address_and_one_that_is_asked_does_not(missing):
    text = "\n".join(line for line in MAS.splitlines() if not line.startswith(missing))
    for receive in ("push", "both"):
        [problem] = problems(f'{text}\nreceive = "{receive}"')
        assert missing in problem
    assert read(f'{text}\nreceive = "pull"'.encode(), {}).sms.carriers


def test_nobody_is_believed_about_addresses_but_the_named_proxies():
    assert Settings().http.trusted_proxies == ("127.0.0.1", "::1")
    assert problems('[http]\ntrusted_proxies = ["proxy.example"]')
    assert read(b"", {"ZHANGBAN_HTTP__TRUSTED_PROXIES": '["10.0.0.0/8"]'}).http.trusted_proxies == ("10.0.0.0/8",)


def test_the_secrets_of_a_mas_are_not_shown():
    settings = read(MAS.encode(), {})
    assert "s3cret" not in repr(settings)
    assert "0123456789abcdef" not in repr(settings)


def test_a_missing_key_is_named_with_the_line_of_its_table():
    found = problems("\n" + SMPP.replace('host = "smsc.example"\n', ""))
    assert found == ["第 3 行 line 3 sms.carriers.0.host：缺少此项 · is missing"]


@pytest.mark.parametrize(
    "kind", [get_args(one.model_fields["kind"].annotation)[0] for one in get_args(get_args(Carrier)[0])]
)
def test_a_wrong_line_is_named_whatever_kind_of_carrier_it_belongs_to(kind):
    found = problems(f'[[sms.carriers]]\nkind = "{kind}"\nname = "x"\nweight = 0')
    assert "第 4 行 line 4 sms.carriers.0.weight：不能小于 1 · must be at least 1" in found


def test_an_error_of_the_carriers_own_that_is_no_code_is_named_as_it_was_written():
    found = problems(SMPP + 'own_errors = {"zzz" = "temporary"}\n')
    assert [line.partition("：")[0] for line in found] == ["第 9 行 line 9 sms.carriers.0.own_errors.zzz"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[http]\nport = true", "must be a whole number"),
        ("[http]\nport = 80.5", "must be a whole number"),
        ('[http]\nport = "80"', "must be a whole number"),
        ("[http]\nport = 99999999999999999999999999", "must be"),
        ('[http]\npublic_url = "http://[::1"', "must be http(s)://HOST"),
        ("data_dir = []", "must be"),
        ("http = 1", "must be a table"),
        ('[alerts]\nquiet_from = "9pm"', 'such as "21:00"'),
        ('[alerts]\nsignature = "12345"', "does not fit"),
        ('[alerts]\nsignature = "【衡江】"', "does not fit"),
        ("[sms]\ncarriers = []", "at least 1"),
        ('[sms]\ncarriers = [{kind="simulator"}, {kind="simulator"}]', "two carriers have the same name: simulator"),
        ('[alerts]\nquiet_classes = ["all"]', "只能是 'item'、'notice' 或 'warning' · must be 'item', 'notice' or"),
        ('[secrets]\nhmac_key = "short"', "at least 16"),
        ("[http]\nport = 1\n[http]\nport = 2", "is no TOML"),
        ('[http]\nhost = """', "is no TOML"),
        ("x = " + "[" * 5000, "nested too deeply"),
        ("x = " + "9" * 5000, "is no TOML"),
        ("#" * 1_100_000, "larger than"),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(line, reason):
    assert any(reason in problem for problem in problems(line))


@pytest.mark.parametrize(
    "said",
    [
        '[alerts]\nduty_email = "duty@hall.example"\n',
        '[mail]\nenabled = false\n[alerts]\nduty_email = "duty@hall.example"\n',
    ],
)
def test_an_officer_on_duty_who_would_be_told_nothing_is_refused_in_both_languages(said):
    [problem] = problems(said)
    assert problem.startswith("第")
    assert "须启用邮件" in problem
    assert "duty_email needs mail.enabled = true" in problem
    read(f"{said.replace('enabled = false', '')}".replace("[mail]\n", "").encode(), {"ZHANGBAN_MAIL__ENABLED": "true"})


def test_octets_that_are_no_utf_8_are_named_by_line():
    with pytest.raises(SettingsRefused, match="第 2 行 line 2：不是 UTF-8"):
        read("demo = false\n# 掌办".encode("gb18030"), {})


def test_the_environment_wins_and_wrong_variables_are_named():
    settings = read(
        b"[http]\nport = 1000", {"ZHANGBAN_HTTP__PORT": "8080", "ZHANGBAN_DATA_DIR": "/srv", "ZHANGBAN_DEMO": "true"}
    )
    assert (settings.http.port, settings.data_dir, settings.demo) == (8080, Path("/srv"), True)
    carriers = '[{kind = "simulator", name = "a"}, {kind = "simulator", name = "b"}]'
    assert len(read(b"", {"ZHANGBAN_SMS__CARRIERS": carriers}).sms.carriers) == 2
    assert problems("", {"ZHANGBAN_HTTP__PORT": "no", "ZHANGBAN_API__DEPTH": "3", "ZHANGBAN_DEMO": "1\nzone=2"}) == [
        "ZHANGBAN_DEMO：应为 true 或 false · must be true or false",
        "ZHANGBAN_HTTP__PORT：应为整数 · must be a whole number",
        "ZHANGBAN_API__DEPTH：没有这项设置，是否为 max_depth？ · is no setting; is it max_depth?",
    ]


def test_variables_that_a_container_platform_sets_for_the_service_are_not_ours():
    assert read(b"", {"ZHANGBAN_PORT": "tcp://10.0.0.1:8000", "ZHANGBAN_SERVICE_HOST": "10.0.0.1"}) == Settings()


def test_a_secret_is_never_shown():
    text = SMPP + '[database]\nurl = "postgres://zb:s3cret@db/zb"\n[secrets]\nhmac_key = "s3cret-s3cret-s3cret"'
    settings = read(text.encode(), {})
    assert "s3cret" not in repr(settings) + str(settings)
    refused = problems(text.replace("postgres:", "oracle:").replace('"s3cret"', '"s3cret-but-far-too-long"'))
    assert len(refused) == 2
    assert "s3cret" not in "".join(refused)


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        setattr(Settings(), "demo", True)  # noqa: B010  mypy already forbids the plain assignment


@given(st.binary(max_size=300))
def test_no_octets_break_the_door(content):
    assert all(problem.where for problem in refusals(content, {}))


SCALARS = st.one_of(st.booleans(), st.integers(), st.floats(), st.just("x"), st.just([{}]), st.just({"a": 1}))
KEYS = st.sampled_from(
    ["data_dir", "http.port", "sms.carriers", "alerts.quiet_from", "mail.password", "api", "foo.bar"]
)


@given(st.dictionaries(KEYS, SCALARS, max_size=4))
def test_no_sound_toml_breaks_the_door(entries):
    lines = [f"{key} = {_written(value)}" for key, value in entries.items()]
    assert all(problem.where for problem in refusals("\n".join(lines).encode(), {}))


def _written(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{ " + ", ".join(f"{key} = {_written(inner)}" for key, inner in value.items()) + " }"
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
        case str():
            return f'"{value}"'
    return repr(value)


@given(st.dictionaries(st.sampled_from(["ZHANGBAN_ZONE", "ZHANGBAN_API", "ZHANGBAN_A__B__C"]), st.text(max_size=40)))
def test_no_environment_breaks_the_door(environment):
    assert all(problem.where for problem in refusals(b"", environment))


# ------------------------------------------------------------------------------------------------ secrets on disk
def test_secrets_are_drawn_once_and_readable_by_us_only(tmp_path):
    settings = Settings(data_dir=tmp_path)
    drawn = key_material(settings)
    assert key_material(settings) == drawn
    assert len(drawn.hmac_key) >= 32
    assert drawn.hmac_key != drawn.ca_passphrase
    assert drawn.hmac_key.decode() not in repr(drawn)
    for file in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_given_secret_is_not_drawn(tmp_path):
    secret = "0123456789abcdef"
    environment = {"ZHANGBAN_SECRETS__HMAC_KEY": secret, "ZHANGBAN_SECRETS__CA_PASSPHRASE": secret}
    settings = read(b"", environment | {"ZHANGBAN_DATA_DIR": str(tmp_path)})
    assert key_material(settings).hmac_key == secret.encode()
    assert list(tmp_path.iterdir()) == []


def test_a_secret_that_others_can_read_is_refused(tmp_path):
    settings = Settings(data_dir=tmp_path)
    key_material(settings)
    (tmp_path / "secrets" / "hmac-key").chmod(0o644)
    with pytest.raises(SettingsRefused, match="chmod 600"):
        key_material(settings)


# ------------------------------------------------------------------------------------------------ zhangban config
def test_config_init_writes_what_config_check_accepts(tmp_path):
    path = tmp_path / "zhangban.toml"
    assert CliRunner().invoke(cli_config.app, ["init", str(path)]).exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "passwords of carriers will stand in it"
    checked = CliRunner().invoke(cli_config.app, ["check", str(path)])
    assert (checked.exit_code, checked.stdout) == (0, f"{path}：OK\n")


def test_config_init_never_overwrites(tmp_path):
    path = tmp_path / "zhangban.toml"
    path.write_text("demo = true")
    assert CliRunner().invoke(cli_config.app, ["init", str(path)]).exit_code == 1
    assert path.read_text() == "demo = true"


def test_config_check_prints_each_problem_and_fails(tmp_path):
    path = tmp_path / "zhangban.toml"
    path.write_text("demo = 1\nzonne = 2\n")
    checked = CliRunner().invoke(cli_config.app, ["check", str(path)])
    assert checked.exit_code == 1
    assert [line.split("：")[0] for line in checked.stderr.splitlines()] == [
        "第 1 行 line 1 demo",
        "第 2 行 line 2 zonne",
    ]


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(SettingsRefused, match="cannot be read"):
        load(Path("no-such-folder") / "zhangban.toml")
