"""Whether words can be what a text is made of: its values, instructions and length, and what it may not say. Pure.

What a text is for stays the program's: the same values, the same instructions to people (CX and a number, 1 and a code,
PJ5 and a code). Words are judged at their longest: at most two parts with the longest signature and longest values.
Limits: what the words mean is for whoever approves them.
"""

import re
from collections.abc import Sequence
from string import Formatter

from msgspec.structs import replace

from alerts.samples import longest
from alerts.texts import MAX_SIGNATURE_UNITS, Template, TextRefused, parts_needed, render, unfit_for_a_text
from kernel.refusals import Refusal

#: Values that stand for a secret code, of which the length is known and the digits are not.
_CODES = ("code", "pwd")
_LONGEST_SIGNATURE = "签" * (MAX_SIGNATURE_UNITS - 2)
#: What people are told to send: letters and digits that belong to the value behind them.
_INSTRUCTION = re.compile(r"[A-Za-z0-9]+\{\w+\}")
_CODE_BESIDE_DIGITS = re.compile(rf"\{{(?:{'|'.join(_CODES)})\}}[0-9{{]|\}}\{{(?:{'|'.join(_CODES)})\}}")


class TextTemplateMalformed(Refusal):
    code = "TEXT_TEMPLATE_MALFORMED"
    zh = "短信模板有误：{why}。"
    en = "The words cannot be used: {why}."


def checked(own: Template, body: str) -> Template:
    """`own` in the words `body`. Raises TEXT_TEMPLATE_MALFORMED with everything that is wrong first named."""
    places = _places(body)
    if missing := sorted(set(own.names) - set(places)):
        raise TextTemplateMalformed(why=f"缺少变量{_listed(missing)}")
    if unknown := sorted(set(places) - set(own.names)):
        raise TextTemplateMalformed(why=f"没有变量{_listed(unknown)}，可用变量为{_listed(own.names)}")
    if lost := sorted(set(_INSTRUCTION.findall(own.body)) - set(_INSTRUCTION.findall(body))):
        raise TextTemplateMalformed(why=f"缺少回复指令{'、'.join(lost)}")
    if _CODE_BESIDE_DIGITS.search(body):
        raise TextTemplateMalformed(why="验证码后不能紧接数字或另一变量")
    if why := unfit_for_a_text("".join(literal for literal, *_ in Formatter().parse(body))):
        raise TextTemplateMalformed(why=why)
    worded = replace(own, body=body)
    try:
        render(worded, signature=_LONGEST_SIGNATURE, variables=longest(worded))
    except TextRefused as refused:
        raise TextTemplateMalformed(why=str(refused.details["why"])) from None
    return worded


def parts_at_most(template: Template) -> int:
    """How many parts the text may cost, with the longest signature and the longest values."""
    return parts_needed(f"【{_LONGEST_SIGNATURE}】{template.body.format_map(longest(template))}")


# ------------------------------------------------------------------------------------------------------------ below


def _places(body: str) -> list[str]:
    """The names in braces. A format or a conversion would be a program, and words are none."""
    try:
        parsed = list(Formatter().parse(body))
    except ValueError:
        raise TextTemplateMalformed(why="花括号不成对") from None
    if any(spec or conversion for _, _, spec, conversion in parsed) or "{{" in body or "}}" in body:
        raise TextTemplateMalformed(why="变量只能写作{名称}")
    if not body.strip() or body != body.strip():
        raise TextTemplateMalformed(why="首尾不能为空白")
    return [name for _, name, _, _ in parsed if name is not None]


def _listed(names: Sequence[str]) -> str:
    return "、".join(f"{{{name}}}" for name in names)
