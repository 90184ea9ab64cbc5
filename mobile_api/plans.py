"""Shaping plans: what graphql-core would do with dict rows, compiled once per selection to one Python function.

A root field that returns rows has its whole sub-tree turned into JSON by nested dictionary displays, instead of a
resolver call per field. Only selections that mean nothing but "copy these fields" are compiled: objects and lists of
fields without resolvers, arguments or directives. Everything else, and every row that does not fit its type, takes
graphql-core's own way, so answers and errors are the same; a test compares the octets for every operation.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    SelectionNode,
)
from strawberry.types.field import StrawberryField

Shape = Callable[[Any], Any]
_BACKEND = "strawberry-definition"
#: Rows that do not fit their type: graphql-core finds the words.
MISFITS = (KeyError, AttributeError, TypeError, ValueError, GraphQLError)

#: Values of exactly this type are already what JSON wants; orjson writes days and instants as our scalars do.
_AS_IT_IS = {
    "String": "type({v}) is str",
    "ID": "type({v}) is str",
    "Boolean": "type({v}) is bool",
    "Int": "type({v}) is int and -2147483648 <= {v} <= 2147483647",
    "Date": "type({v}) is date",
    "DateTime": "type({v}) is datetime",
}


class Plans:
    """The plans of one document, by the root field's node."""

    def __init__(self) -> None:
        self._by_field: dict[int, Shape | None] = {}

    def shape_for(
        self,
        schema: GraphQLSchema,
        return_type: GraphQLOutputType,
        nodes: list[FieldNode],
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> Shape | None:
        """The plan, or None when this selection must go graphql-core's way."""
        key = id(nodes[0])  # the document keeps its nodes alive
        if key not in self._by_field:
            try:
                self._by_field[key] = _Compiler(schema, fragments).compiled(return_type, nodes)
            except NotPlainError:
                self._by_field[key] = None
        return self._by_field[key]


class NotPlainError(Exception):
    """The selection holds something that a copy cannot express."""


class _Compiler:
    """Writes one function per selected object, then compiles them together.

    The source holds nothing but GraphQL names and the Python attributes of our own types, both quoted by repr.
    """

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._known: dict[str, Any] = {"date": date, "datetime": datetime, "refuse_null": _refuse_null}
        self._functions: list[str] = []

    def compiled(self, kind: GraphQLOutputType, nodes: Iterable[FieldNode]) -> Shape:
        root = self._value("v", kind, nodes)
        exec("\n".join((*self._functions, f"def shape(v): return {root}")), self._known)  # noqa: S102  our own source
        shape: Shape = self._known["shape"]
        return shape

    def _value(self, v: str, kind: GraphQLOutputType, nodes: Iterable[FieldNode]) -> str:
        """An expression for the completed value of the variable `v`."""
        if isinstance(kind, GraphQLNonNull):
            return self._present(v, kind.of_type, nodes, absent="refuse_null()")
        return self._present(v, kind, nodes, absent="None")

    def _present(self, v: str, kind: GraphQLOutputType, nodes: Iterable[FieldNode], *, absent: str) -> str:
        if isinstance(kind, GraphQLScalarType):
            slow = f"{absent} if {v} is None else {self._name(kind.coerce_output_value)}({v})"
            if kind.name == "ID":
                slow = f"str({v}) if type({v}) is int else {slow}"  # numbered rows
            fast = _AS_IT_IS.get(kind.name)
            return f"({v} if {fast.format(v=v)} else {slow})" if fast else f"({slow})"
        if isinstance(kind, GraphQLEnumType):
            return f"({absent} if {v} is None else {self._name(_names_of(kind))}[{v}])"
        if isinstance(kind, GraphQLList):
            each = f"{v}_"
            return f"({absent} if {v} is None else [{self._value(each, kind.of_type, nodes)} for {each} in {v}])"
        if isinstance(kind, GraphQLObjectType):
            return f"({absent} if {v} is None else {self._object(kind, nodes)}({v}))"
        raise NotPlainError  # unions and interfaces are resolved by value

    def _object(self, kind: GraphQLObjectType, nodes: Iterable[FieldNode]) -> str:
        """Writes the function for one selected object and returns its name."""
        grouped: dict[str, list[FieldNode]] = {}
        for node in nodes:
            self._collect(kind, node.selection_set.selections if node.selection_set else (), grouped)
        keys, attributes, members = [], [], []
        for number, (key, same) in enumerate(grouped.items()):
            if same[0].name.value == "__typename":
                members.append(f"{key!r}: {kind.name!r}")
                continue
            attribute, returned = self._field(kind, same)
            keys.append(f"v{number} = row[{attribute!r}]")
            attributes.append(f"v{number} = row.{attribute}")
            members.append(f"{key!r}: {self._value(f'v{number}', returned, same)}")
        name = f"object_{len(self._functions)}"
        self._functions.append(
            f"def {name}(row):\n"
            f"    if type(row) is dict: {'; '.join(keys) or 'pass'}\n"
            f"    else: {'; '.join(attributes) or 'pass'}\n"
            f"    return {{{', '.join(members)}}}"
        )
        return name

    def _collect(
        self, kind: GraphQLObjectType, selections: Iterable[SelectionNode], grouped: dict[str, list[FieldNode]]
    ) -> None:
        for node in selections:
            if node.directives:
                raise NotPlainError
            if isinstance(node, FieldNode):
                grouped.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
                continue
            fragment: Node | None = node
            if isinstance(node, FragmentSpreadNode):
                fragment = self._fragments.get(node.name.value)
            if not isinstance(fragment, FragmentDefinitionNode | InlineFragmentNode):
                raise NotPlainError
            if fragment.type_condition is not None and fragment.type_condition.name.value != kind.name:
                raise NotPlainError
            self._collect(kind, fragment.selection_set.selections, grouped)

    def _field(self, kind: GraphQLObjectType, nodes: list[FieldNode]) -> tuple[str, GraphQLOutputType]:
        """The Python attribute behind a field that has no resolver, and the field's type."""
        definition = kind.fields.get(nodes[0].name.value)
        if definition is None or definition.args or any(node.arguments for node in nodes):
            raise NotPlainError
        field = definition.extensions.get(_BACKEND)
        if not isinstance(field, StrawberryField) or not field.is_basic_field:
            raise NotPlainError
        return field.python_name, definition.type

    def _name(self, value: object) -> str:
        name = f"k{len(self._known)}"
        self._known[name] = value
        return name


def _refuse_null() -> Any:
    raise ValueError("null where the type forbids it")


def _names_of(kind: GraphQLEnumType) -> dict[Any, str]:
    return {getattr(member.value, "value", member.value): name for name, member in kind.values.items()}
