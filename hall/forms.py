"""资料表格下载: the blank form of a stage and a filled sample (样表), ready to print, made from the item's definition.

The form asks for what the stage's JSON Schema asks for, and lists the stage's materials, so paper and network ask the
same. Pure. Limits: deeper parts of a schema than objects in objects are left to a line of free text.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from casework.catalogue.definitions import FORM_NAMES, NONE, ItemDefinition, Stage

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
_form = _templates.get_template("form.html")
_DEEPEST = 3


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One line to fill in. `example` stands in the sample."""

    label: str
    required: bool = False
    hint: str = ""
    choices: tuple[str, ...] = ()
    example: str = ""


APPLICANT = (
    Field(label="申请人姓名或名称", required=True, example="张三"),
    Field(label="身份证号或统一社会信用代码", required=True, example="430400199001010018"),
    Field(label="手机号码", required=True, hint="办理进度将以短信告知此号码", example="13800000000"),
    Field(label="代理人姓名", hint="委托他人办理的填写，并附授权委托书", example="（无）"),
    Field(label="代理人身份证号、手机号码", example="（无）"),
)
#: What a sample says where the schema gives no example.
_BY_TYPE = {"integer": "1", "number": "100", "boolean": "是", "string": "示例"}
_BY_FORMAT = {"date": "2026-09-18", "email": "zhangsan@example.com"}


def printed_form(item: ItemDefinition, stage: Stage, unit: str, *, sample: bool = False) -> str:
    """The whole page as HTML, without scripts and without anything loaded from elsewhere."""
    materials = () if stage.materials == NONE else stage.materials

    return _form.render(
        title=f"{item.name}（{stage.name}）申请表{'（样表）' if sample else ''}",
        item=item.name,
        code=stage.code,
        unit=unit,
        applicant=APPLICANT,
        fields=list(fields_of(stage.form or {})),
        materials=[
            {
                "name": material.name,
                "need": "必交" if material.required else "视情况提交",
                "copies": material.copies,
                "form": FORM_NAMES[material.form],
            }
            for material in materials
        ],
        sample=sample,
    )


def fields_of(schema: dict[str, object]) -> Iterator[Field]:
    """The lines of a form's schema in its own order, objects within it flattened."""
    yield from _fields(schema, schema, above="", depth=0)


def _fields(root: dict[str, object], schema: dict[str, object], *, above: str, depth: int) -> Iterator[Field]:
    required = schema.get("required")
    for name, part in _mapping(schema.get("properties")).items():
        field = _resolved(root, part)
        label = above + str(field.get("title") or name)
        if field.get("type") == "object" and depth < _DEEPEST:
            yield from _fields(root, field, above=f"{label}·", depth=depth + 1)
            continue
        choices = field.get("enum")
        yield Field(
            label=label,
            required=isinstance(required, list) and name in required,
            hint=str(field.get("description") or ""),
            choices=tuple(str(choice) for choice in choices) if isinstance(choices, list) else (),
            example=_example(field),
        )


def _example(field: dict[str, object]) -> str:
    for given in (field.get("examples"), field.get("enum")):
        if isinstance(given, list) and given:
            return str(given[0])
    for name in ("default", "const"):
        if name in field:
            return str(field[name])
    return _BY_FORMAT.get(str(field.get("format"))) or _BY_TYPE.get(str(field.get("type")), "示例")


def _resolved(root: dict[str, object], part: object) -> dict[str, object]:
    """A property, through a reference into the schema's own `$defs`."""
    field = _mapping(part)
    reference = field.get("$ref")
    if isinstance(reference, str):
        field = {**_mapping(_mapping(root.get("$defs")).get(reference.rpartition("/")[2])), **field}
    return field


def _mapping(value: object) -> dict[str, object]:
    return {str(key): inner for key, inner in value.items()} if isinstance(value, dict) else {}
