"""The wording of a kind of document: its title and the paragraphs around what one case alone has. Pure.

Paragraphs hold fields in braces that are filled in from the case. The wording is data, not a program: nothing but
these fields is replaced, so what the legal office approved is what is printed.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec
import rfc8785

from casework.papers.kinds import DocumentKind
from casework.papers.refusals import TemplateMalformed
from kernel.refusals import Invalid

#: What a paragraph may name, and what stands for it.
FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "applicant": "申请人",
        "case": "办件编号",
        "item": "事项名称",
        "unit": "出具文书的单位",
        "unit_phone": "该单位电话",
        "received_on": "收件日期",
        "licence": "许可证件编号",
    }
)
_FIELD = re.compile(r"\{([a-z_]*)\}")
_LONGEST_TITLE, _LONGEST_PARAGRAPH, _MOST_PARAGRAPHS = 30, 1000, 10


class Wording(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: str
    opening: tuple[str, ...]
    closing: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        return digest(self)


#: Version 1 of every kind.
BUILT_IN: Mapping[DocumentKind, Wording] = MappingProxyType(
    msgspec.toml.decode((Path(__file__).parent / "wordings.toml").read_bytes(), type=dict[DocumentKind, Wording])
)


def check(wording: Wording) -> None:
    """Raises TEMPLATE_MALFORMED for a wording that no document could be printed in."""
    paragraphs = (*wording.opening, *wording.closing)
    if not wording.title.strip() or len(wording.title) > _LONGEST_TITLE:
        raise TemplateMalformed(why=f"标题须为1至{_LONGEST_TITLE}字")
    if not wording.opening or len(paragraphs) > _MOST_PARAGRAPHS:
        raise TemplateMalformed(why=f"正文须有开头，且不超过{_MOST_PARAGRAPHS}段")
    for paragraph in paragraphs:
        if not paragraph.strip() or len(paragraph) > _LONGEST_PARAGRAPH or not paragraph.isprintable():
            raise TemplateMalformed(why=f"每段须为1至{_LONGEST_PARAGRAPH}字，不含控制字符")
        unknown = set(_FIELD.findall(paragraph)) - set(FIELDS)
        if unknown or _FIELD.sub("", paragraph).strip("{}") != _FIELD.sub("", paragraph):
            raise TemplateMalformed(why=f"只能使用字段{'、'.join(f'{{{name}}}' for name in FIELDS)}")


def filled(paragraph: str, facts: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda field: facts.get(field[1], field[0]), paragraph)


def canonical(value: object) -> bytes:
    """RFC 8785: the one way to write `value` down, so that anybody gets the same digest. Raises INVALID."""
    try:
        return rfc8785.dumps(msgspec.to_builtins(value))
    except (rfc8785.CanonicalizationError, UnicodeError):
        raise Invalid(field="文书内容", why="含有无法规范化的字符") from None


def digest(value: object) -> str:
    """SHA-256, hex, of the canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()
