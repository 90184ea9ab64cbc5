"""The door of zhangban.toml: from its octets to settings, or to every wrong line with its reason at once.

Holds no setting. tomllib says only where the syntax first fails, and pydantic only which key is wrong, so syntax
errors are read past line by line and keys are looked up in a scan of the text. Limits: a key inside a multi-line
array is reported at the line where the array begins.
"""

import difflib
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

MAX_OCTETS = 1_048_576
MAX_SYNTAX_ERRORS = 20
PREFIX = "ZHANGBAN_"

Place = tuple[str | int, ...]
S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class Problem:
    """One wrong line or variable. Never holds the value: it may be a secret."""

    where: str
    zh: str
    en: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.where}：{self.zh} · {self.en}"


class SettingsRefused(Exception):
    """The settings are wrong; `problems` names every place. No Refusal: not an act is refused, but to start at all."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


def read_sections(model: type[S], content: bytes, environment: Mapping[str, str]) -> S:
    """`model` filled from TOML, then from `ZHANGBAN_SECTION__KEY` variables. Raises SettingsRefused."""
    text, problems = _decoded(content)
    tables, syntax_problems = _parsed(text)
    problems += syntax_problems
    variables, variable_problems = _overlay(model, tables, environment)
    problems += variable_problems
    try:
        # In its JSON mode pydantic reads "21:00" as a time and "outer" as a Zone, and is as strict as can be.
        settings = model.model_validate_json(json.dumps(tables, default=str))
        if not problems:
            return settings
    except ValidationError as refusal:
        lines = _lines(text)
        errors = refusal.errors(include_url=False, include_input=False)
        places = [error["loc"] for error in errors]
        for error in errors:
            if syntax_problems and error["type"] == "missing":
                continue  # it may stand in the line that could not be read
            loc = error["loc"]
            if error["type"] == "too_short" and any(place[: len(loc)] == loc != place for place in places):
                continue  # it would be long enough were its members right
            problems.append(_explained(model, error, lines, variables))
    raise SettingsRefused(sorted(problems, key=lambda problem: problem.line or sys.maxsize))


# --------------------------------------------------------------------------------------------------------- syntax
def _decoded(content: bytes) -> tuple[str, list[Problem]]:
    if len(content) > MAX_OCTETS:
        return "", [Problem("zhangban.toml", "文件过大", f"is larger than {MAX_OCTETS} octets")]
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n"), []
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return "", [Problem(_line(line), "不是 UTF-8 编码", "is not UTF-8", line)]


_AT_LINE = re.compile(r"^(?P<what>.*) \(at line (?P<line>\d+), column \d+\)$", re.DOTALL)


def _parsed(text: str) -> tuple[dict[str, object], list[Problem]]:
    """The tables of `text`; a line that is no TOML is named and left out."""
    lines = text.split("\n")
    problems: list[Problem] = []
    while len(problems) < MAX_SYNTAX_ERRORS:
        try:
            return tomllib.loads("\n".join(lines)), problems
        except RecursionError:
            problems.append(Problem("zhangban.toml", "嵌套过深", "is nested too deeply"))
            break
        except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
            found = _AT_LINE.match(str(error))
            number = int(found["line"]) if found else 0
            what = found["what"] if found else str(error)
            where = _line(number) if found else "zhangban.toml"
            problems.append(Problem(where, "不是有效的 TOML", f"is no TOML: {what}", number))
            if not found or number > len(lines) or not lines[number - 1]:
                break
            lines[number - 1] = ""
    return {}, problems


_TABLE = re.compile(r"^\s*\[\s*(?P<name>[^\[\]]+?)\s*\]\s*(#.*)?$")
_ARRAY_TABLE = re.compile(r"^\s*\[\[\s*(?P<name>[^\[\]]+?)\s*\]\]\s*(#.*)?$")
_KEY = re.compile(r"^\s*(?P<name>[A-Za-z0-9_\-.\"' ]+?)\s*=")


def _lines(text: str) -> dict[Place, int]:
    """The line at which each table and key stands."""
    found: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    quoted: str | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        if quoted is not None:
            quoted = None if line.count(quoted) % 2 else quoted
            continue
        if header := _ARRAY_TABLE.match(line):
            name = _words(header["name"])
            counts[name] = counts.get(name, -1) + 1
            table = (*name, counts[name])
            found.setdefault(name, number)
            found[table] = number
        elif header := _TABLE.match(line):
            table = _words(header["name"])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            words = _words(key["name"])
            for length in range(1, len(words) + 1):
                found.setdefault((*table, *words[:length]), number)
            quoted = next((mark for mark in ('"""', "'''") if line.count(mark) % 2), None)
    return found


def _words(dotted: str) -> Place:
    return tuple(word.strip().strip("\"'") for word in dotted.split("."))


# ---------------------------------------------------------------------------------------------------- environment
def _overlay(
    model: type[BaseModel], tables: dict[str, object], environment: Mapping[str, str]
) -> tuple[dict[Place, str], list[Problem]]:
    """Writes the variables into `tables`; gives back which place came from which variable."""
    variables: dict[Place, str] = {}
    problems: list[Problem] = []
    for name in sorted(environment):
        words = tuple(name.removeprefix(PREFIX).lower().split("__"))
        # Without a section it is ours only when it names a setting: container platforms set ZHANGBAN_PORT and
        # the like for a service of this name.
        if not name.startswith(PREFIX) or (len(words) == 1 and words[0] not in model.model_fields):
            continue
        try:
            environment[name].encode()
        except UnicodeEncodeError:
            problems.append(Problem(name, "不是 UTF-8 编码", "is not UTF-8"))
            continue
        table: object = tables
        for word in words[:-1]:
            table = table.setdefault(word, {}) if isinstance(table, dict) else None
        if isinstance(table, dict):
            table[words[-1]] = _typed(_annotation(model, words), environment[name])
            variables[words] = name
    return variables, problems


def _annotation(model: type[BaseModel], words: Sequence[str]) -> object:
    field = model.model_fields.get(words[0])
    inner = field.annotation if field else None
    if len(words) > 1 and isinstance(inner, type) and issubclass(inner, BaseModel):
        return _annotation(inner, words[1:])
    return inner


def _typed(annotation: object, value: str) -> object:
    """A number, a truth or a list is written as in TOML; everything else is text as it stands."""
    if annotation not in (bool, int) and get_origin(annotation) is not tuple:
        return value
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        return value
    return parsed["value"] if len(parsed) == 1 else value


# -------------------------------------------------------------------------------------------------------- reasons
_WORDS = {
    "missing": ("缺少此项", "is missing"),
    "bool_type": ("应为 true 或 false", "must be true or false"),
    "int_type": ("应为整数", "must be a whole number"),
    "int_parsing_size": ("数值过大", "is too large"),
    "string_type": ("应为带引号的文字", "must be text in quotes"),
    "path_type": ("应为带引号的路径", "must be a path in quotes"),
    "tuple_type": ("应为列表", "must be a list"),
    "dict_type": ("应为一组设置", "must be a table"),
    "model_type": ("应为一组设置", "must be a table"),
    "model_attributes_type": ("应为一组设置", "must be a table"),
    "time_type": ("应为带引号的时刻，如 “21:00”", 'must be a time in quotes, such as "21:00"'),
    "time_parsing": ("应为带引号的时刻，如 “21:00”", 'must be a time in quotes, such as "21:00"'),
    "greater_than_equal": ("不能小于 {ge}", "must be at least {ge}"),
    "less_than_equal": ("不能大于 {le}", "must be at most {le}"),
    "string_too_short": ("至少 {min_length} 个字符", "needs at least {min_length} characters"),
    "string_too_long": ("最多 {max_length} 个字符", "may have at most {max_length} characters"),
    "too_short": ("长度至少为 {min_length}", "must have a length of at least {min_length}"),
    "too_long": ("长度至多为 {max_length}", "must have a length of at most {max_length}"),
    "string_pattern_mismatch": ("格式不符", "does not fit {pattern}"),
    "enum": ("只能是 {expected}", "must be {expected}"),
    "literal_error": ("只能是 {expected}", "must be {expected}"),
    "union_tag_invalid": ("kind 只能是 {expected_tags}", "kind must be {expected_tags}"),
    "union_tag_not_found": ("缺少 kind", "kind is missing"),
}


def _explained(
    model: type[BaseModel], error: ErrorDetails, lines: Mapping[Place, int], variables: Mapping[Place, str]
) -> Problem:
    place = tuple(_without_tags(error["loc"]))
    where, line = _where(place, lines, variables)
    if error["type"] == "extra_forbidden":
        zh, en = _unknown(model, place)
    elif error["type"] in _WORDS:
        zh, en = (words.format_map(error.get("ctx", {})) for words in _WORDS[error["type"]])
        zh = zh.replace("', '", "'、'").replace(" or ", " 或 ")  # pydantic enumerates in English
    else:
        zh, own, en = error["msg"].partition(" · ")  # a sentence of our own validators has both
        zh, en = (zh, en) if own else ("填写有误", zh)
    return Problem(where, zh, en, line)


_TAGS = ("smpp", "mas", "cmpp", "mas-db", "simulator", "ferry", "folder", "sftp", "table")


def _without_tags(loc: Place) -> Iterator[str | int]:
    """pydantic names the kind of carrier or peer after its index, and says "[key]" behind a key; the file does not."""
    for previous, word in zip((None, *loc), loc, strict=False):
        if word != "[key]" and not (isinstance(previous, int) and word in _TAGS):
            yield word


def _where(place: Place, lines: Mapping[Place, int], variables: Mapping[Place, str]) -> tuple[str, int]:
    dotted = ".".join(str(word) for word in place)
    for length in range(len(place), 0, -1):
        if (variable := variables.get(place[:length])) is not None:
            return variable, 0
        if (number := lines.get(place[:length])) is not None:
            return f"{_line(number)} {dotted}", number
    return dotted, 0


def _line(number: int) -> str:
    return f"第 {number} 行 line {number}"


def _unknown(model: type[BaseModel], place: Place) -> tuple[str, str]:
    known: Sequence[str] = list(model.model_fields)
    for word in place[:-1]:
        inner = model.model_fields[word].annotation if word in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return "没有这项设置", "is no setting"
        model, known = inner, list(inner.model_fields)
    close = difflib.get_close_matches(str(place[-1]), known, n=1)
    if not close:
        return "没有这项设置", "is no setting"
    return f"没有这项设置，是否为 {close[0]}？", f"is no setting; is it {close[0]}?"
