"""The fourteen elements (十四个要素) of an item in their lawful order, as the public guide shows them.

Elements that follow from the stages (materials, procedure, limits, fees) are derived from them, so the guide can never
promise other limits than a case is held to. Source: the catalogue rules; Administrative Licensing Law, art. 30.
"""

from collections.abc import Callable

import msgspec

from casework.catalogue.definitions import (
    FORM_NAMES,
    LEVEL_NAMES,
    NONE,
    ItemDefinition,
    Material,
    Stage,
    Words,
)


class Element(msgspec.Struct, frozen=True):
    """One of the fourteen elements. No lines: not yet said."""

    number: int
    name: str
    lines: tuple[str, ...]


def elements_in_order(item: ItemDefinition) -> tuple[Element, ...]:
    """The fourteen elements in the order of the catalogue rules."""
    said = (
        ("事项名称", _lines(item.name)),
        ("颁发的证件及有效期", _lines(item.certificate)),
        ("审批类型及法律效力", _lines(item.kind_and_effect)),
        ("设定依据", _lines(item.basis)),
        ("审批条件", _lines(item.conditions)),
        ("申请资料", _by_stage(item, _materials_of)),
        ("审批受理机构及地点", _lines(item.accepting_office)),
        ("审批决定机关", _lines(item.deciding_authority)),
        ("审批程序", _by_stage(item, _procedure_of)),
        ("审批时限", _by_stage(item, _limits_of)),
        ("审批收费", _by_stage(item, fee_lines)),
        ("审批表格", _lines(item.forms)),
        ("年审或年检", _lines(item.inspection)),
        ("受理咨询与投诉的机构和电话", _lines(item.enquiries_and_complaints)),
    )
    return tuple(Element(number, name, lines) for number, (name, lines) in enumerate(said, 1))


def missing_elements(item: ItemDefinition) -> list[str]:
    """Names of the elements that are neither said nor explicitly 无."""
    return [element.name for element in elements_in_order(item) if not element.lines]


def complaint_channel(item: ItemDefinition) -> tuple[str, ...]:
    """The lines of the fourteenth element that say where to complain."""
    return tuple(line for line in _lines(item.enquiries_and_complaints) if "投诉" in line)


def fee_lines(stage: Stage) -> tuple[str, ...]:
    """The stage's fees in words; 无 when it says that there are none."""
    if stage.fees == NONE:
        return (NONE,)
    return tuple(f"{fee.name}：{fee.standard}（{fee.basis}）" for fee in stage.fees)


def _lines(words: Words) -> tuple[str, ...]:
    lines = (words,) if isinstance(words, str) else words
    return tuple(line.strip() for line in lines if line.strip())


def _by_stage(item: ItemDefinition, lines_of: Callable[[Stage], tuple[str, ...]]) -> tuple[str, ...]:
    """The lines of all stages; nothing at all while any stage has not said its part."""
    said = [lines_of(stage) for stage in item.stages]
    if not all(said):
        return ()
    if len(said) == 1:
        return said[0]
    return tuple(f"{stage.name}：{line}" for stage, lines in zip(item.stages, said, strict=True) for line in lines)


def _materials_of(stage: Stage) -> tuple[str, ...]:
    if stage.materials == NONE:
        return (NONE,)
    return tuple(f"{number}. {_described(material)}" for number, material in enumerate(stage.materials, 1))


def _described(material: Material) -> str:
    need = "必交" if material.required else "视情况提交"
    return f"{material.name}（{need}，{material.copies}份，{FORM_NAMES[material.form]}）"


def _procedure_of(stage: Stage) -> tuple[str, ...]:
    if not stage.levels:
        return ()
    levels = [LEVEL_NAMES.get(level.role, level.role.value) for level in stage.levels]
    return (" → ".join(["接件", "受理", *levels, "办结", "送达"]), *stage.process)


def _limits_of(stage: Stage) -> tuple[str, ...]:
    if stage.statutory_limit_days < 1 or stage.committed_limit_days < 1:
        return ()
    basis = f"（{stage.limit_basis}）" if stage.limit_basis else ""
    return (f"法定时限{stage.statutory_limit_days}个工作日{basis}", f"承诺时限{stage.committed_limit_days}个工作日")
