"""What an IT operator types at the server: directory and certificates."""

import asyncio
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from casework.seed import county
from certs.acts import RequestEnrolment, SubmitCsr
from certs.encodings import sign_es256, spki_of
from kernel.actor import ANYBODY
from kernel.db import Database
from kernel.refusals import Refusal
from kernel.tables import Officer, Unit
from server.directory_file import FileRefused, OfficerRow, UnitRow, read
from server.settings import load
from server.wiring import TABLES, System, open_system

COUNTY = Path(str(files("casework.seed") / "county.json"))


def written(tmp_path: Path, value: object) -> Path:
    file = tmp_path / "given.json"
    file.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return file


def asked(config: Path, sql: str) -> list[dict[str, Any]]:
    async def ask() -> list[dict[str, Any]]:
        database = await Database.open(load(config).database.url, modules=TABLES)
        try:
            return list(await database.rows(sql))
        finally:
            await database.close()

    return asyncio.run(ask())


# ------------------------------------------------------------------------------------------------------- directory
def test_the_sample_countys_own_file_can_be_imported_and_imported_again(zhangban, config):
    sample = county()
    for _ in range(2):
        result = zhangban("directory", "import", COUNTY)
        assert result.exit_code == 0, result.stderr
        assert result.stdout == f"单位 · units: {len(sample.units)}  人员 · officers: {len(sample.officers)}\n"
    assert asked(config, "SELECT COUNT(*) AS n FROM officer") == [{"n": len(sample.officers)}]
    (entered,) = asked(config, "SELECT unit_code, phone FROM officer WHERE id = 'OFF-0001'")
    assert entered == {"unit_code": "ZJJ", "phone": sample.officers[0].phone}


def test_every_wrong_row_is_named_and_then_none_is_entered(zhangban, config, tmp_path):
    sound = {"id": "OFF-1", "name": "甲", "unit_code": "A", "phone": "13900000001", "roles": ["handler"]}
    unit = {"code": "A", "name": "甲局", "short_name": "甲", "kind": "department"}
    wrong = written(
        tmp_path,
        {
            "units": [unit, {"code": "B", "name": "乙局"}, {**unit, "name": "又是甲局"}],
            "officers": [
                sound,
                {**sound, "id": "OFF-2"},
                {**sound, "id": "OFF-3", "phone": "139-0000-0003"},
                {**sound, "id": "OFF-4", "phone": "13900000004", "roles": ["emperor"]},
                {**sound, "id": "OFF-5", "phone": "13900000005", "unit_code": "Z"},
                {**sound, "id": "OFF-6", "phone": "13900000006", "unit_code": "B", "nmae": "x"},
                {**sound, "id": "", "phone": "13900000007"},
                {**sound, "phone": "13900000008"},
                "OFF-9",
            ],
        },
    )
    result = zhangban("directory", "import", wrong)
    assert (result.exit_code, result.stdout) == (1, "")
    named = [line.partition("：")[0] for line in result.stderr.splitlines()]
    assert sorted(named) == [
        "officers[1] OFF-2",  # the phone of OFF-1
        "officers[2] OFF-3",
        "officers[3] OFF-4",
        "officers[4] OFF-5",
        "officers[5] OFF-6",
        "officers[6]",
        "officers[7] OFF-1",
        "officers[8]",
        "units[1] B",
        "units[2] A",
    ]
    assert asked(config, "SELECT COUNT(*) AS n FROM unit") == [{"n": 0}]


async def problems(content: bytes) -> list[str]:
    with pytest.raises(FileRefused) as refused:
        await read(content)
    return list(refused.value.problems)


async def test_a_phone_of_somebody_outside_the_file_is_refused(database: Database):
    await Unit.create(code="A", name="甲局", short_name="甲", kind="department")
    await Officer.create(id="OFF-1", name="甲", unit_code="A", phone="13900000001", roles=[])
    officer = {"id": "OFF-2", "name": "乙", "unit_code": "A", "phone": "13900000001"}
    found = await problems(json.dumps({"officers": [officer]}).encode())
    assert found == ["officers[0] OFF-2：手机号码已登记给OFF-1 · the phone is OFF-1's"]
    new_phone = {**officer, "id": "OFF-1", "phone": "13900000002"}
    act = await read(b"\xef\xbb\xbf" + json.dumps({"officers": [new_phone, officer]}).encode())
    assert [each.id for each in act.officers] == ["OFF-1", "OFF-2"]


async def test_a_second_phone_is_nobody_elses_first_or_second(database: Database):
    await Unit.create(code="A", name="甲局", short_name="甲", kind="department")
    await Officer.create(
        id="OFF-1", name="甲", unit_code="A", phone="13900000001", second_phone="13900000009", roles=[]
    )
    officer = {"id": "OFF-2", "name": "乙", "unit_code": "A", "phone": "13900000002", "second_phone": "13900000009"}
    found = await problems(json.dumps({"officers": [officer]}).encode())
    assert found == ["officers[0] OFF-2：手机号码已登记给OFF-1 · the phone is OFF-1's"]
    third = {**officer, "id": "OFF-3", "phone": "13900000003", "second_phone": "13900000002"}
    found = await problems(json.dumps({"officers": [{**officer, "second_phone": ""}, third]}).encode())
    assert found == ["officers[1] OFF-3：phone 与 officers[0] OFF-2 相同 · the same phone as officers[0] OFF-2"]
    act = await read(json.dumps({"officers": [{**officer, "second_phone": "13900000004"}]}).encode())
    assert act.officers[0].second_phone == "13900000004"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"oficers": []}', b'{"units": 1}', "县".encode("gbk")])
async def test_a_file_that_is_no_directory_is_refused_in_one_line(content):
    assert len(await problems(content)) == 1


@pytest.mark.parametrize(("row", "table"), [(UnitRow, Unit), (OfficerRow, Officer)])
def test_the_rows_of_a_file_fit_their_columns(row, table):
    columns = msgspec.json.schema(row)["$defs"][row.__name__]["properties"]
    longest = {name: column["maxLength"] for name, column in columns.items() if "maxLength" in column}
    assert longest
    for name, length in longest.items():
        assert length == table._meta.fields_map[name].max_length, name


# ---------------------------------------------------------------------------------------------------- certificates
async def proved(system: System, officer: str) -> str:
    """The id of an enrolment that waits for approval."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = RequestEnrolment(officer=officer, device="周明远的手机", public_key=spki_of(key.public_key()))
    opened = await system.office.perform(request, ANYBODY, key=None)
    assert not isinstance(opened, Refusal), opened
    signed = SubmitCsr(enrolment=opened.enrolment, signature=sign_es256(key, opened.to_sign))
    await system.office.perform(signed, ANYBODY, key=None)
    return opened.enrolment


def test_a_lost_phone_is_found_in_the_register_and_revoked_at_the_desk(zhangban, config):
    zhangban("directory", "import", COUNTY)

    async def apply() -> str:
        async with open_system(load(config)) as system:
            return await proved(system, "OFF-0001")

    enrolment = asyncio.run(apply())
    assert zhangban("enrolment", "approve", enrolment, "--document", "身份证").exit_code == 0
    listed = json.loads(zhangban("certificate", "list", "--officer", "OFF-0001", "--json").stdout)
    (phone,) = listed["certificates"]
    assert (phone["holder"], phone["device"], phone["revoked_at"]) == ("OFF-0001", "周明远的手机", None)
    serial = phone["serial"]
    assert zhangban("certificate", "list").stdout.startswith(f"{serial}  OFF-0001  周明远的手机  ")
    assert zhangban("certificate", "list", "--officer", "OFF-0002").stdout == ""
    revoked = zhangban("certificate", "revoke", serial.upper(), "--reason", "key_compromise")
    assert (revoked.exit_code, "已吊销 · revoked" in revoked.stdout) == (0, True)
    assert "key_compromise" in zhangban("certificate", "list", "--officer", "OFF-0001").stdout
    (revocation,) = asked(config, "SELECT actor FROM event WHERE tag = 'certs.certificate_revoked'")
    assert revocation == {"actor": "system:operator"}
    assert zhangban("log", "verify").exit_code == 0


def test_what_does_not_exist_is_refused(zhangban):
    unknown = zhangban("certificate", "revoke", "00ff", "--reason", "key_compromise")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "未找到数字证书" in unknown.stderr
    assert zhangban("certificate", "revoke", "00ff", "--reason", "boredom").exit_code == 2
    enrolment = zhangban("enrolment", "approve", "00ff", "--document", "身份证")
    assert (enrolment.exit_code, "未找到证书申请" in enrolment.stderr) == (1, True)
