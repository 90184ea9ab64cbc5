"""Documents: parsed, validated and measured once, then kept.

The rules are built once per process and the kept documents are keyed by their text, so a phone's operation costs a
dictionary look-up. What asks too much is refused before it is validated, and nothing ever tells a stranger the name
of a field they did not know: no introspection outside demo mode, no suggestions.
"""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache, partial

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    specified_rules,
    validate,
)

from kernel.refusals import NotInThisZone
from mobile_api.plans import Plans
from mobile_api.refusals import BadRequest, QueryTooCostly
from mobile_api.services import Limits

#: Documents kept per process; the phones of all versions in use know fewer than a hundred.
_KEPT = 512
#: Errors told at once; more help an attacker only.
_MOST_ERRORS = 5


@dataclass(frozen=True)
class Document:
    """An acceptable document with the shaping plans compiled for it so far."""

    node: DocumentNode
    plans: Plans = field(default_factory=Plans)


@cache
def kept_documents(schema: GraphQLSchema, limits: Limits, *, introspection: bool) -> "Documents":
    """Those of this process: doors that are alike share them."""
    return Documents(schema, limits, introspection=introspection)


class Documents:
    def __init__(self, schema: GraphQLSchema, limits: Limits, *, introspection: bool) -> None:
        self._schema = schema
        self._limits = limits
        hidden: list[type[ASTValidationRule]] = [] if introspection else [NoSchemaIntrospectionCustomRule]
        self._rules = [*specified_rules, *hidden]
        self._parse = partial(parse, max_tokens=limits.tokens, no_location=False)
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._introspection = introspection

    def of(self, text: str) -> Document:
        """The document of `text`. Raises BAD_REQUEST or QUERY_TOO_COSTLY; what is refused is not kept."""
        kept = self._kept.get(text)
        if kept is not None:
            self._kept.move_to_end(text)
            return kept
        document = Document(self._checked(text))
        self._kept[text] = document
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return document

    def _checked(self, text: str) -> DocumentNode:
        try:
            node = self._parse(text)
        except GraphQLSyntaxError as error:
            raise BadRequest(why=error.message) from None
        except RecursionError:
            raise BadRequest(why="nested too deeply") from None
        if not self._introspection:  # GraphiQL's own query is deeper than any of ours
            measure(node, self._limits)
        errors = validate(self._schema, node, self._rules, max_errors=_MOST_ERRORS, hide_suggestions=True)
        if errors:
            raise BadRequest(why="; ".join(_sentence(error) for error in errors[:_MOST_ERRORS]))
        if self._limits.absent:
            refuse_absent(node, self._limits.absent)
        return node


def _sentence(error: GraphQLError) -> str:
    return error.message.rstrip(".")


def refuse_absent(document: DocumentNode, absent: Collection[str]) -> None:
    """Raises NOT_IN_THIS_ZONE for a root field that is not served here, before it shows an empty list for the truth."""
    for node in document.definitions:
        if isinstance(node, FragmentDefinitionNode) and node.type_condition.name.value not in ("Query", "Mutation"):
            continue
        if isinstance(node, OperationDefinitionNode | FragmentDefinitionNode):
            found = _fields_of(node.selection_set) & set(absent)
            if found:
                raise NotInThisZone(act=min(found))


def _fields_of(selections: SelectionSetNode) -> set[str]:
    found: set[str] = set()
    for node in selections.selections:
        if isinstance(node, FieldNode):
            found.add(node.name.value)
        elif isinstance(node, InlineFragmentNode):
            found |= _fields_of(node.selection_set)
    return found


def measure(document: DocumentNode, limits: Limits) -> None:
    """Raises QUERY_TOO_COSTLY. Fragments are counted wherever they are spread, however often."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    known: dict[str, _Size] = {}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode | FragmentDefinitionNode):
            size = _size(node.selection_set, fragments, known, ())
            size.directives += len(node.directives or ())
            _check("depth", size.depth, limits.depth)
            _check("aliases", size.aliases, limits.aliases)
            _check("directives", size.directives, limits.directives)
            _check("fields", size.fields, limits.selected_fields)


def _check(what: str, found: int, limit: int) -> None:
    if found > limit:
        raise QueryTooCostly(what=what, found=found, limit=limit)


@dataclass
class _Size:
    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0

    def grow(self, inner: "_Size", *, below: int = 0) -> None:
        self.depth = max(self.depth, inner.depth + below)
        self.fields += inner.fields
        self.aliases += inner.aliases
        self.directives += inner.directives


def _size(
    selections: SelectionSetNode | None,
    fragments: dict[str, FragmentDefinitionNode],
    known: dict[str, _Size],
    above: tuple[str, ...],
) -> _Size:
    size = _Size()
    for node in selections.selections if selections else ():
        size.directives += len(node.directives or ())
        if isinstance(node, FieldNode):
            size.fields += 1
            size.aliases += node.alias is not None
            size.depth = max(size.depth, 1)
            if node.selection_set:
                size.grow(_size(node.selection_set, fragments, known, above), below=1)
        elif isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name in above or name not in fragments:
                continue  # a cycle or an unknown name: validation refuses it by name
            if name not in known:
                known[name] = _size(fragments[name].selection_set, fragments, known, (*above, name))
            size.grow(known[name])
        elif isinstance(node, InlineFragmentNode):
            size.grow(_size(node.selection_set, fragments, known, above))
    return size
