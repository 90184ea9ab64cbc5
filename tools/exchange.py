"""The exchange standard for those who implement it, generated from the program that judges them.

python -m tools.exchange --write      # docs/exchange: STANDARD.md, schema/, samples/; a test says when it is needed
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from ferry.exchange.codes import NAMES, Table, name_of
from ferry.exchange.faults import FAULTS, FILE_FAULTS, Fault, Verdict
from ferry.exchange.profiles.mapping import lost
from ferry.exchange.profiles.register import SOURCES, sources_of
from ferry.exchange.schemas import Column, columns, json_schema, xsd
from ferry.exchange.standard import NEEDS, TABLES, Envelope
from tools.exchange_samples import files

FOLDER = Path(__file__).parents[1] / "docs" / "exchange"
_VERDICTS = {
    Verdict.REJECTED: "退回",
    Verdict.HELD: "暂存",
    Verdict.FLAGGED: "标记",
    Verdict.IGNORED: "忽略",
    Verdict.ACCEPTED: "接收",
}
_KINDS = {"text": "文本", "integer": "整数", "boolean": "布尔", "instant": "时间", "date": "日期", "constant": "固定值"}

#: What people must know before the tables.
_PREFACE = Path(__file__).with_name("exchange_page.txt").read_text(encoding="utf-8")


def contents() -> dict[Path, bytes]:
    """Path below docs/exchange to octets."""
    made = {Path("STANDARD.md"): page().encode(), Path("schema/case-exchange-1.xsd"): xsd().encode()}
    for table in Table:
        text = json.dumps(json_schema(table), ensure_ascii=False, indent=1)
        made[Path(f"schema/{table}.json")] = f"{text}\n".encode()
    return made | {Path("samples") / name: octets for name, octets in files().items()}


def page() -> str:
    return "\n".join([_PREFACE, *_envelope(), *_tables(), *_codes(), *_faults(), *_profiles()]) + "\n"


def _envelope() -> Iterator[str]:
    yield "## 公共数据项\n"
    yield "| 数据项 | 名称 | 类型 | 必填 | 说明 |\n|---|---|---|---|---|"
    for column in columns(Envelope):
        yield _row(column)
    yield "| `payload` | 各表数据项 | 对象 | 是 | 见各表 |\n"


def _tables() -> Iterator[str]:
    for number, table in enumerate(Table, 1):
        definition = TABLES[table]
        needs = NEEDS.get(table)
        yield f"## {number}. {name_of(table)} `{table}`\n"
        said = f"版本{definition.version}；" + ("一个办件可有多条，序号从1起" if definition.many else "一个办件一条")
        if needs:
            said += f"；须先有{name_of(needs[0])} `{needs[0]}`{'（同一序号）' if needs[1] else ''}"
        yield f"{said}。\n\n| 数据项 | 名称 | 类型 | 必填 | 说明 | 来源 |\n|---|---|---|---|---|---|"
        for column in columns(definition.struct):
            found = "<br>".join(sources_of(f"{table}.{column.name}"))
            yield f"{_row(column)} {found} |"
        yield ""


def _row(column: Column) -> str:
    required = "是" if column.required else "否"
    return f"| `{column.name}` | {column.zh} | {_kind(column)} | {required} | {column.note} |"


def _kind(column: Column) -> str:
    match column.kind:
        case "text":
            return f"文本，至多{column.most}字"
        case "integer":
            return f"整数，{column.least}至{column.most}"
        case "code":
            assert column.codes is not None
            return f"代码：{NAMES[column.codes][0]}"
        case "list":
            assert column.item is not None
            return f"清单，至多{column.most}项，每项{_kind(column.item)}"
        case "constant":
            return f"固定为 `{column.constant}`"
        case _:
            return _KINDS[column.kind]


def _codes() -> Iterator[str]:
    yield "## 代码表\n"
    for codes, (title, names) in NAMES.items():
        if codes is not Table:
            listed = "、".join(f"`{code}` {name}" for code, name in zip(codes, names, strict=True))
            yield f"- **{title}**：{listed}"
    yield ""


def _faults() -> Iterator[str]:
    yield "## 核对结果\n\n退回的不接收，更正后以新版本或新 `rid` 重报；标记的照收，供监察查看，标记本身不证明违规。\n"
    yield "| 代码 | 结果 | 含义 | meaning |\n|---|---|---|---|"
    yield from (_fault(code, fault) for code, fault in FAULTS.items())
    yield "\n文件或批次的问题：\n\n| 代码 | 结果 | 含义 | meaning |\n|---|---|---|---|"
    yield from (_fault(code, fault) for code, fault in FILE_FAULTS.items())
    yield ""


def _fault(code: str, fault: Fault) -> str:
    return f"| `{code}` | {_VERDICTS[fault.verdict]} | {fault.zh} | {fault.en} |"


def _profiles() -> Iterator[str]:
    yield "## 与旧标准的对应\n\n对应关系见各表的“来源”。下面是各旧标准和事件日志不能表达的内容。\n"
    for profile in SOURCES:
        yield f"### {profile.name}：{profile.title}\n"
        yield from (f"- {note}" for note in profile.notes)
        for table in profile.tables:
            if table.one_way:
                yield f"- `{table.name}` 只能导出，不能还原：{table.one_way}。"
            if table.unfilled:
                yield f"- `{table.name}` 中不填写：{'、'.join(table.unfilled)}。"
        for ours, missing in lost(profile).items():
            whole = len(missing) == len(columns(TABLES[ours].struct))
            yield f"- {name_of(ours)} `{ours}` 中无处可放：{'全部' if whole else '、'.join(missing)}。"
        yield ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/exchange")
    made = contents()
    if parser.parse_args().write:
        for path, octets in made.items():
            (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / path).write_bytes(octets)
        return 0
    return 0 if all((FOLDER / path).read_bytes() == octets for path, octets in made.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
