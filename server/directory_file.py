"""A directory file: units and officers as JSON, in the form of `casework/seed/county.json`.

Every wrong row is named at once, and nothing is entered while one is wrong. What this module cannot see, such as two
officers of the file who exchange their phones, the act itself refuses. Texts go to officers' phones and only these
may answer, so a phone must be a mainland mobile number here.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from kernel.directory import EnterDirectory, OfficerEntry, UnitEntry
from kernel.tables import Officer, Unit

Row = TypeVar("Row", bound=msgspec.Struct)


def _text(longest: int, *, shortest: int = 1) -> Meta:
    """A line of text that fits its column."""
    return Meta(min_length=shortest, max_length=longest, pattern=r"^[^\x00-\x1f\x7f]*$")


class UnitRow(UnitEntry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    code: Annotated[str, _text(16)]
    name: Annotated[str, _text(80)]
    short_name: Annotated[str, _text(20)]
    kind: Annotated[str, _text(20)]
    phone: Annotated[str, _text(32, shortest=0)] = ""


class OfficerRow(OfficerEntry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Annotated[str, _text(20)]
    name: Annotated[str, _text(40)]
    unit_code: Annotated[str, _text(16)]
    phone: Annotated[str, Meta(pattern=r"^1\d{10}$")]
    second_phone: Annotated[str, Meta(pattern=r"^(1\d{10})?$")] = ""
    email: Annotated[str, _text(120, shortest=0)] = ""


class _File(msgspec.Struct, frozen=True):
    """What else stands in the file (the county's name, a signature) is not the directory's."""

    units: tuple[object, ...] = ()
    officers: tuple[object, ...] = ()


class FileRefused(Exception):
    """A file that cannot be entered; `problems` names every wrong row. No Refusal: nothing was asked of the office."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


async def read(document: bytes) -> EnterDirectory:
    """The act that enters the file, UTF-8 with or without a byte order mark. Raises FileRefused."""
    try:
        file = msgspec.json.decode(document.removeprefix(b"\xef\xbb\xbf"), type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FileRefused([f"文件无法读取 · the file cannot be read: {error}"]) from None
    if not file.units and not file.officers:
        raise FileRefused(["没有 units 也没有 officers · neither units nor officers"])
    problems: list[str] = []
    units = _rows("units", "code", file.units, UnitRow, problems)
    officers = _rows("officers", "id", file.officers, OfficerRow, problems)
    problems += _twice("code", [(name, unit.code) for name, unit in units])
    problems += _twice("id", [(name, officer.id) for name, officer in officers])
    problems += _twice("phone", [(name, phone) for name, officer in officers for phone in _phones(officer)])
    problems += await _strangers(file, officers)
    if problems:
        raise FileRefused(problems)
    return EnterDirectory(units=tuple(unit for _, unit in units), officers=tuple(officer for _, officer in officers))


def _rows(
    table: str, key: str, values: Sequence[object], kind: type[Row], problems: list[str]
) -> list[tuple[str, Row]]:
    """The sound rows with their names in messages; what is wrong with the others goes to `problems`."""
    rows = []
    for number, value in enumerate(values):
        name = f"{table}[{number}] {_said(value, key)}".rstrip()
        try:
            rows.append((name, msgspec.convert(value, kind)))
        except msgspec.ValidationError as error:
            problems.append(f"{name}：{error}")
    return rows


def _twice(field: str, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    first: dict[str, str] = {}
    for name, value in rows:
        if value in first:
            yield f"{name}：{field} 与 {first[value]} 相同 · the same {field} as {first[value]}"
        first.setdefault(value, name)


async def _strangers(file: _File, officers: Sequence[tuple[str, OfficerRow]]) -> list[str]:
    """Officers of units that exist neither here nor in the directory, and phones of people who are not in the file."""
    units = {_said(unit, "code") for unit in file.units} | {unit.code for unit in await Unit.all()}
    here = {_said(officer, "id") for officer in file.officers}
    others = [officer for officer in await Officer.all() if officer.id not in here]
    phones = {phone: officer.id for officer in others for phone in _phones(officer)}
    problems = []
    for name, officer in officers:
        if officer.unit_code not in units:
            problems.append(f"{name}：没有单位{officer.unit_code} · there is no unit {officer.unit_code}")
        for phone in _phones(officer):
            if (holder := phones.get(phone)) is not None:
                problems.append(f"{name}：手机号码已登记给{holder} · the phone is {holder}'s")
    return problems


def _phones(officer: Officer | OfficerEntry) -> list[str]:
    return [phone for phone in (officer.phone, officer.second_phone) if phone]


def _said(value: object, key: str) -> str:
    said = value.get(key) if isinstance(value, dict) else None
    return said if isinstance(said, str) else ""
