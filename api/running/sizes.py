"""How large an answer a document can ask for. One thing to know: it is worked out in one pass with a memo per fragment,
before the document is validated, so a short document cannot ask for a long day's work.

A fragment is measured once. What it holds for each row of the page around it is kept apart from the rest, so one
measure serves pages of any size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_introspection_query,
    get_named_type,
    get_nullable_type,
    introspection_types,
    is_composite_type,
    is_enum_type,
    is_list_type,
    parse,
)

DEFAULT_PAGE, LARGEST_PAGE = 20, 100
"""How many rows a page has where `first` does not say, and at most."""
USUAL_LIST = 5
"""How many objects a list without pages is taken to have."""
MOST_IDS = 100
"""Ids that `nodes` takes at once."""
MOST_REPEATS = 200
"""How often one response name may be written in a document; names that recur are compared pair by pair."""
MOST_FIELDS = 2_000
"""Fields of an operation once its fragments are spread."""
MOST_ROOTS = 50
"""Of them, those at the root."""
MOST_ACTS = 10
"""Mutations in one request: each is a transaction of its own."""
MOST_ALIASES = 200
"""Fields under another name, fragments spread."""
MOST_DIRECTIVES = 200
"""Directives, fragments spread."""
MOST_VALUES = 30_000
"""Fields times the sizes of the pages and lists they lie in."""
DEEPEST = 25
"""Levels of fields, fragments spread."""
VALUES_PER_POINT, DESCRIBED_PER_POINT = 1_000, 10_000
"""What one point of the caller's allowance pays for, in values and in values of introspection."""
MOST_VARIABLES = 100
"""Variables that one operation declares."""
MOST_GIVEN, DEEPEST_VARIABLE = 20_000, 20
"""Values in all variables together, lists and objects counted too, and how deeply they lie."""
_PAGE_ARGUMENTS = ("first", "last")
LIST_WORK = 10
"""What finding a list of introspection is worth, in values."""
_HEAVY = {("Mutation", "exportMine"): 10_000}
"""Fields whose work is that of so many others."""


class Size(NamedTuple):
    """What an operation, or a part of it, comes to."""

    fields: int = 0
    depth: int = 0
    aliases: int = 0
    directives: int = 0
    values: int = 0
    rows: int = 0
    """Values for each row of the page around it."""
    described: int = 0
    """Values of introspection."""

    def __add__(self, more: object) -> Size:
        if not isinstance(more, Size):
            return NotImplemented
        depth = max(self.depth, more.depth)
        return Size(*(one + other for one, other in zip(self, more, strict=True)))._replace(depth=depth)


class Measured(NamedTuple):
    """What an operation costs, and the variables that this depends on."""

    points: int
    """One for each thousand values, and for each mutation."""
    variables: tuple[str, ...]


def check_size(schema: GraphQLSchema, document: DocumentNode) -> dict[int, Measured]:
    """Measure the operations of a document, by their `id`, as if pages whose size a variable says had one row.

    The document need not be valid.

    Raises:
        GraphQLError: it does; the message names the limit, the figure reached and the most there may be.
    """
    seen = Counter((field.alias or field.name).value for field in _written(document))
    times = max(seen.values(), default=0)
    if times > MOST_REPEATS:
        raise _too(f"文档中同一个名称写了 {times} 次", MOST_REPEATS, "次", "请合并重复的字段。")
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    return {id(one): check_operation(schema, document, one) for one in operations}


def check_operation(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any] | None = None,
) -> Measured:
    """Measure one operation, with these coerced variables.

    Raises:
        GraphQLError: it asks for too much; the message names the limit, the figure reached and the most there may be.
    """
    size, roots, depends_on = _Pass(schema, document, variables).of_operation(operation)
    declared, is_mutation = len(operation.variable_definitions or ()), operation.operation is OperationType.MUTATION
    for reached, most, what, unit, remedy in (
        (size.depth, DEEPEST, "查询嵌套", "层", "请减少嵌套。"),
        (declared, MOST_VARIABLES, "变量有", "个", "请把取值合并到一个输入对象。"),
        (roots, MOST_ACTS if is_mutation else MOST_ROOTS, "顶层字段有", "个", "请分成几次请求。"),
        (size.aliases, MOST_ALIASES, "别名有", "个", "请减少别名,或分成几次请求。"),
        (size.directives, MOST_DIRECTIVES, "指令有", "个", "请减少 @skip 和 @include。"),
        (size.fields, MOST_FIELDS, "展开片段后字段有", "个", "请减少字段。"),
        (size.values, MOST_VALUES, "按分页估算取值有", "个", "请减少字段、嵌套的列表或 first。"),
        (size.described, _most_described(schema), "内省估算取值有", "个", "请用标准的内省查询。"),
    ):
        if reached > most:
            raise _too(f"{what} {reached if reached < 10**9 else '十亿以上'} {unit}", most, unit, remedy)
    points = max(
        1, roots if is_mutation else 1, -(-size.values // VALUES_PER_POINT), size.described // DESCRIBED_PER_POINT
    )
    return Measured(points, depends_on)


def check_variables(operation: OperationDefinitionNode, given: Mapping[str, Any]) -> None:
    """Refuse variables that would be long in being looked through. What is not declared is not looked at.

    Raises:
        GraphQLError: too many values, or too deep.
    """
    names = [one.variable.name.value for one in operation.variable_definitions or ()]
    level, depth, values = [given[name] for name in names if name in given], 0, 0
    while level:
        depth, values = depth + 1, values + len(level)
        if depth > DEEPEST_VARIABLE:
            raise _too(f"变量嵌套 {depth} 层", DEEPEST_VARIABLE, "层", "请减少嵌套。")
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        if values + len(inner) > MOST_GIVEN:
            raise _too(f"变量中的取值有 {values + len(inner)} 个", MOST_GIVEN, "个", "请分成几次请求。")
        level = inner


def _too(reached: str, most: int, unit: str, remedy: str) -> GraphQLError:
    return GraphQLError(f"查询过大:{reached},最多 {most} {unit}。{remedy}")


def _written(document: DocumentNode) -> Iterator[FieldNode]:
    """Every field of a document, as written."""
    waiting: list[Any] = list(document.definitions)
    while waiting:
        node = waiting.pop()
        if isinstance(node, FieldNode):
            yield node
        inner = getattr(node, "selection_set", None)
        if inner is not None:
            waiting += inner.selections


class _Pass:
    """One look at a document."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any] | None) -> None:
        self._schema, self._given = schema, variables
        self._fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self._known: dict[str, tuple[Size, int]] = {}
        self._variables: set[str] = set()

    def of_operation(self, operation: OperationDefinitionNode) -> tuple[Size, int, tuple[str, ...]]:
        """Its size, its fields at the root, and the variables that the size depends on."""
        size, roots = self._of(operation.selection_set, self._schema.get_root_type(operation.operation))
        directives = len(operation.directives or ())
        return size + Size(directives=directives), roots, tuple(sorted(self._variables))

    def _of(self, selections: SelectionSetNode, kind: Any) -> tuple[Size, int]:
        """The size of a selection set on a type, None where that is unknown; and how many fields it has itself."""
        total, own = Size(), 0
        spread: set[str] = set()
        for node in selections.selections:
            total += Size(directives=len(node.directives or ()))
            if isinstance(node, FieldNode):
                more, fields = self._field(node, kind), 1
            elif isinstance(node, InlineFragmentNode):
                more, fields = self._of(node.selection_set, self._kind(node.type_condition, kind))
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                spread.add(node.name.value)
                more, fields = self._fragment(node.name.value)
            else:
                continue  # a second time in one place it adds nothing
            total, own = total + more, own + fields
        return total, own

    def _fragment(self, name: str) -> tuple[Size, int]:
        if name not in self._known:
            self._known[name] = Size(), 0  # in a circle, or unknown: validation says so
            fragment = self._fragments.get(name)
            if fragment is not None:
                self._known[name] = self._of(fragment.selection_set, self._kind(fragment.type_condition, None))
        return self._known[name]

    def _kind(self, condition: Any, otherwise: Any) -> Any:
        return otherwise if condition is None else self._schema.type_map.get(condition.name.value)

    def _field(self, node: FieldNode, parent: Any) -> Size:
        name = node.name.value
        own = Size(fields=1, depth=1, aliases=int(node.alias is not None))
        field = _definition(self._schema, parent, name)
        kind = get_named_type(field.type) if field is not None else None
        inner = self._of(node.selection_set, kind)[0] if node.selection_set else Size()
        own += inner._replace(values=0, rows=0, described=0, depth=0)
        own = own._replace(depth=1 + inner.depth)
        weight = _HEAVY.get((getattr(parent, "name", ""), name), 1)
        if kind is not None and kind.name.startswith("__"):
            if field is None or not _is_list(field):
                return own._replace(described=1 + inner.described)
            times = _list_length(self._schema, parent, name)
            return own._replace(described=LIST_WORK + inner.described * times)
        if _is_connection(parent) and field is not None and _is_list(field):
            return own._replace(values=weight, rows=inner.values, described=inner.described)
        values = inner.values + inner.rows * self._page(node)
        if field is not None and _is_list(field) and is_composite_type(kind):
            values *= self._ids(node) if "ids" in field.args else USUAL_LIST
        return own._replace(values=weight + values, described=inner.described)

    def _page(self, node: FieldNode) -> int:
        """The rows of a page: what is asked for, the usual number where nothing is."""
        for argument in node.arguments or ():
            if argument.name.value in _PAGE_ARGUMENTS:
                value = self._value(argument.value)
                return DEFAULT_PAGE if value is None else max(1, min(LARGEST_PAGE, value))
        return DEFAULT_PAGE

    def _ids(self, node: FieldNode) -> int:
        """How many ids are given to a field.

        Raises:
            GraphQLError: too many.
        """
        for argument in node.arguments or ():
            if argument.name.value == "ids":
                asked = argument.value
                number = len(asked.values) if isinstance(asked, ListValueNode) else self._value(asked) or 1
                if number > MOST_IDS:
                    raise _too(f"{node.name.value} 的 ids 有 {number} 个", MOST_IDS, "个", "请分成几次请求。")
                return max(1, number)
        return 1

    def _value(self, node: ValueNode) -> int | None:
        """An argument's number, or the length of a list; None where it is null or left out."""
        if isinstance(node, IntValueNode):
            return int(node.value) if len(node.value) < 5 else LARGEST_PAGE
        if not isinstance(node, VariableNode):
            return None
        self._variables.add(node.name.value)
        if self._given is None:
            return 1
        given = self._given.get(node.name.value)
        return len(given) if isinstance(given, list) else given if isinstance(given, int) else None


def _definition(schema: GraphQLSchema, parent: Any, name: str) -> GraphQLField | None:
    if not isinstance(parent, (GraphQLObjectType, GraphQLInterfaceType)):
        return None
    return schema.get_field(parent, name)


def _is_list(field: GraphQLField) -> bool:
    return is_list_type(get_nullable_type(field.type))


def _is_connection(kind: Any) -> bool:
    return isinstance(kind, GraphQLObjectType) and "pageInfo" in kind.fields


@lru_cache(maxsize=8)
def _lengths(schema: GraphQLSchema) -> dict[str, int]:
    """How long the lists of introspection are on average, by their name."""
    kinds = list(schema.type_map.values())
    holders = [kind for kind in kinds if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType))]
    fields = [field for kind in holders for field in kind.fields.values()]
    inputs = [kind for kind in kinds if isinstance(kind, GraphQLInputObjectType)]
    totals = {
        "fields": len(fields),
        "inputFields": sum(len(kind.fields) for kind in inputs),
        "enumValues": sum(len(kind.values) for kind in kinds if is_enum_type(kind)),
        "interfaces": sum(len(kind.interfaces) for kind in holders),
        "possibleTypes": len(holders),
    }
    average = {name: 1 + total // max(1, len(kinds)) for name, total in totals.items()}
    directives = sum(len(directive.args) for directive in schema.directives)
    arguments = 1 + (sum(len(field.args) for field in fields) + directives) // max(1, len(fields))
    return {**average, "types": len(kinds), "directives": len(schema.directives), "args": arguments}


def _list_length(schema: GraphQLSchema, parent: Any, name: str) -> int:
    return _lengths(schema).get(name, 1) if getattr(parent, "name", "") in introspection_types else 1


@lru_cache(maxsize=8)
def _most_described(schema: GraphQLSchema) -> int:
    """A little more than the query that all tools send."""
    document = parse(
        get_introspection_query(input_value_deprecation=True, specified_by_url=True, directive_is_repeatable=True)
    )
    (operation,) = (d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    return _Pass(schema, document, {}).of_operation(operation)[0].described * 11 // 10
