"""A document compiled once into functions that build its answer. One thing to know: it answers exactly what
graphql-core's `execute` answers (a test holds the two together over generated documents), in a fraction of the time.

`execute` asks the schema anew about every field of every object. Here those questions are answered when a document is
first seen: which fields, in which order, plain attribute or resolver, nullable or not. What remains at each request is
reading attributes. Arguments are still coerced by graphql-core, and resolvers are the ones Strawberry declares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import isawaitable
from typing import Any, NamedTuple

from graphql import (
    DirectiveNode,
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLAbstractType,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    located_error,
)
from graphql.execution.values import VariableValues, get_argument_values
from graphql.pyutils import Path

from api.context import Context
from api.running.calls import Call, direct_call

Trail = tuple[Any, str | int] | None
"""Where we are in the answer: (the trail above, key or index)."""
Complete = Callable[..., Any]
"""Turns a value into its part of the answer. Of a leaf: (value). Of anything else: (value, run, trail)."""

EXACT = {"String": str, "ID": str, "Boolean": bool}
"""Scalars whose values of this very class need no conversion."""


class Unplanned(Exception):
    """The document asks for something left to `execute` (introspection)."""


class _Failed(Exception):
    """A field that may not be null has failed; the nearest nullable field above it becomes null."""

    def __init__(self, error: GraphQLError) -> None:
        self.error = error


class _Run:
    """One execution."""

    def __init__(self, plan: Plan, context: Context, variables: VariableValues) -> None:
        self.plan, self.context, self.variables = plan, context, variables
        self.errors: list[GraphQLError] = []


class _Field(NamedTuple):
    key: str
    attribute: str | None
    """Name of the attribute to read; None where a resolver is called."""
    resolve: Call | None
    complete: Complete
    is_leaf: bool
    is_async: bool
    """Whether completing has to be awaited."""
    non_null: bool
    definition: Any
    parent: GraphQLObjectType
    nodes: list[FieldNode]


class Plan:
    """One operation of a document, with the values of the variables that switch fields on and off fixed."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        flags: Mapping[str, Any],
    ) -> None:
        self.schema, self.operation = schema, operation
        self.fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self._flags = flags
        root = schema.get_root_type(operation.operation)
        if root is None:
            raise Unplanned
        self._root = self._object(root, [operation.selection_set])

    async def run(self, context: Context, variables: VariableValues, event: object = None) -> ExecutionResult:
        """The answer, like `graphql.execute`'s; `event`: what a subscription's answer is about."""
        run = _Run(self, context, variables)
        try:
            complete, is_async = self._root
            data = complete(event, run, None)
            if is_async:
                data = await data
        except _Failed as failed:
            return ExecutionResult(None, [*run.errors, failed.error])
        return ExecutionResult(data, run.errors or None)

    # Collecting: which fields of which nodes end up under one key.

    def _collect(
        self,
        kind: GraphQLObjectType,
        sets: Iterable[SelectionSetNode],
        into: dict[str, list[FieldNode]],
        seen: set[str],
    ) -> dict[str, list[FieldNode]]:
        for selections in sets:
            for node in selections.selections:
                if not self._is_wanted(node.directives or ()):
                    continue
                if isinstance(node, FieldNode):
                    into.setdefault((node.alias or node.name).value, []).append(node)
                elif isinstance(node, InlineFragmentNode):
                    if node.type_condition is None or self._applies(node.type_condition.name.value, kind):
                        self._collect(kind, [node.selection_set], into, seen)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                    seen.add(node.name.value)
                    fragment = self.fragments[node.name.value]
                    if self._applies(fragment.type_condition.name.value, kind):
                        self._collect(kind, [fragment.selection_set], into, seen)
        return into

    def _is_wanted(self, directives: Sequence[DirectiveNode]) -> bool:
        for directive in directives:
            if directive.name.value in ("skip", "include"):
                value: Any = (directive.arguments or ())[0].value
                given = self._flags[value.name.value] if isinstance(value, VariableNode) else value.value
                if given is (directive.name.value == "skip"):
                    return False
        return True

    def _applies(self, condition: str, kind: GraphQLObjectType) -> bool:
        wanted = self.schema.type_map[condition]
        return wanted is kind or (
            isinstance(wanted, (GraphQLInterfaceType, GraphQLUnionType)) and self.schema.is_sub_type(wanted, kind)
        )

    # Compiling: each returns how to complete a value, and whether that has to be awaited.

    def _object(self, kind: GraphQLObjectType, sets: Iterable[SelectionSetNode]) -> tuple[Complete, bool]:
        collected = self._collect(kind, sets, {}, set())
        fields = [self._field(kind, key, nodes) for key, nodes in collected.items()]
        if any(field.resolve is not None or field.is_async for field in fields):
            return _object_async(fields), True
        return _object(fields), False

    def _field(self, kind: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> _Field:
        name = nodes[0].name.value
        if name == "__typename":
            return _Field(key, "__class__", None, _always(kind.name), True, False, True, None, kind, nodes)
        if name.startswith("__"):
            raise Unplanned
        definition = kind.fields[name]
        complete, is_leaf, is_async = self._value(definition.type, nodes)
        is_plain = getattr(definition.resolve, "_is_default", False)
        declared = definition.extensions["strawberry-definition"]
        return _Field(
            key=key,
            attribute=declared.python_name if is_plain else None,
            resolve=None if is_plain else self._call(kind, declared, definition),
            complete=complete,
            is_leaf=is_leaf,
            is_async=is_async,
            non_null=isinstance(definition.type, GraphQLNonNull),
            definition=definition,
            parent=kind,
            nodes=nodes,
        )

    def _call(self, kind: GraphQLObjectType, declared: Any, definition: Any) -> Call:
        if kind is self.schema.subscription_type:
            return _event  # its own resolver makes the events
        return direct_call(declared) or _wrapped(definition.resolve)

    def _value(self, kind: GraphQLOutputType, nodes: list[FieldNode]) -> tuple[Complete, bool, bool]:
        """How to complete a value; whether it is a leaf; whether it has to be awaited."""
        if isinstance(kind, GraphQLNonNull):
            complete, is_leaf, is_async = self._value(kind.of_type, nodes)
            return (_non_null_leaf if is_leaf else _non_null)(complete), is_leaf, is_async
        if isinstance(kind, (GraphQLScalarType, GraphQLEnumType)):
            return _leaf(kind), True, False
        if isinstance(kind, GraphQLList):
            complete, is_leaf, is_async = self._value(kind.of_type, nodes)
            items_non_null = isinstance(kind.of_type, GraphQLNonNull)
            make = _list_async if is_async else _list
            return make(complete, is_leaf, items_non_null, nodes), False, is_async
        sets = [node.selection_set for node in nodes if node.selection_set is not None]
        if isinstance(kind, GraphQLObjectType):
            complete, is_async = self._object(kind, sets)
            return _nullable(complete), False, is_async
        return self._abstract(kind, sets)

    def _abstract(self, kind: GraphQLAbstractType, sets: Iterable[SelectionSetNode]) -> tuple[Complete, bool, bool]:
        made = {possible.name: self._object(possible, sets) for possible in self.schema.get_possible_types(kind)}
        is_async = any(awaited for _, awaited in made.values())

        def complete(value: Any, run: _Run, trail: Trail) -> Any:
            inner, awaited = made[type(value).__strawberry_definition__.name]
            found = inner(value, run, trail)
            return _done(found) if is_async and not awaited else found

        return _nullable(complete), False, is_async


async def _done(value: Any) -> Any:
    return value


def _always(value: str) -> Complete:
    return lambda _: value


def _leaf(kind: GraphQLLeafType) -> Complete:
    exact, convert = EXACT.get(kind.name), kind.coerce_output_value

    def complete(value: Any) -> Any:
        if value is None or value.__class__ is exact:
            return value
        converted = convert(value)
        if converted is None:
            raise TypeError(f"{kind.name} cannot express a {type(value).__name__}")
        return converted

    return complete


def _nullable(complete: Complete) -> Complete:
    return lambda value, run, trail: None if value is None else complete(value, run, trail)


def _non_null_leaf(complete: Complete) -> Complete:
    def checked(value: Any) -> Any:
        if value is None:
            raise TypeError("null where the schema promises a value")
        return complete(value)

    return checked


def _non_null(complete: Complete) -> Complete:
    def checked(value: Any, run: _Run, trail: Trail) -> Any:
        if value is None:
            raise TypeError("null where the schema promises a value")
        return complete(value, run, trail)

    return checked


def _settle(error: Exception, run: _Run, trail: Trail, nodes: list[FieldNode], *, non_null: bool) -> None:
    """A field or item has failed: pass it up where null is not allowed, else note it and let it be null."""
    located = error.error if isinstance(error, _Failed) else located_error(error, nodes, _path(trail))
    if non_null:
        raise _Failed(located) from error
    run.errors.append(located)


def _path(trail: Trail) -> list[str | int]:
    path: list[str | int] = []
    while trail is not None:
        trail, key = trail
        path.append(key)
    return path[::-1]


def _object(fields: list[_Field]) -> Complete:
    def complete(value: Any, run: _Run, trail: Trail) -> dict[str, Any]:
        answer = {}
        for field in fields:
            key = field.key
            try:
                found = getattr(value, field.attribute)  # type: ignore[arg-type]  # no resolvers in this variant
                answer[key] = field.complete(found) if field.is_leaf else field.complete(found, run, (trail, key))
            except Exception as error:  # any failure of a field is the field's
                answer[key] = None
                _settle(error, run, (trail, key), field.nodes, non_null=field.non_null)
        return answer

    return complete


def _object_async(fields: list[_Field]) -> Complete:
    async def complete(value: Any, run: _Run, trail: Trail) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for field in fields:
            key, here = field.key, (trail, field.key)
            try:
                if field.attribute is not None:
                    found = getattr(value, field.attribute)
                else:
                    found = _resolve(field, value, run, here)
                    if isawaitable(found):
                        found = await found
                made = field.complete(found) if field.is_leaf else field.complete(found, run, here)
                answer[key] = await made if field.is_async and made is not None else made
            except Exception as error:  # any failure of a field is the field's
                answer[key] = None
                _settle(error, run, here, field.nodes, non_null=field.non_null)
        return answer

    return complete


def _resolve(field: _Field, source: Any, run: _Run, trail: Trail) -> Any:
    arguments = get_argument_values(field.definition, field.nodes[0], run.variables)
    path: Path | None = None
    for key in _path(trail):
        path = Path(path, key, field.parent.name)
    plan = run.plan
    make_info: Any = GraphQLResolveInfo
    info = make_info(
        field_name=field.nodes[0].name.value,
        field_nodes=field.nodes,
        return_type=field.definition.type,
        parent_type=field.parent,
        path=path,
        schema=plan.schema,
        fragments=plan.fragments,
        root_value=None,
        operation=plan.operation,
        variable_values=run.variables,
        context=run.context,
        is_awaitable=isawaitable,
        abort_signal=None,
        async_helpers=None,  # resolvers here await what they start
    )
    if field.resolve is None:
        raise TypeError("neither attribute nor resolver")
    return field.resolve(source, info, arguments)


def _event(source: Any, _info: Any, _arguments: Any) -> Any:
    return source


def _wrapped(resolve: Any) -> Call:
    return lambda source, info, arguments: resolve(source, info, **arguments)


def _list(complete: Complete, is_leaf: bool, non_null: bool, nodes: list[FieldNode]) -> Complete:
    def complete_list(value: Any, run: _Run, trail: Trail) -> Any:
        if value is None:
            return None
        answer = []
        for index, item in enumerate(value):
            try:
                answer.append(complete(item) if is_leaf else complete(item, run, (trail, index)))
            except Exception as error:  # any failure of an item is the item's
                answer.append(None)
                _settle(error, run, (trail, index), nodes, non_null=non_null)
        return answer

    return complete_list


def _list_async(complete: Complete, _is_leaf: bool, non_null: bool, nodes: list[FieldNode]) -> Complete:
    async def complete_each(value: Any, run: _Run, trail: Trail) -> list[Any]:
        answer = []
        for index, item in enumerate(value):
            try:
                made = complete(item, run, (trail, index))
                answer.append(await made if made is not None else None)
            except Exception as error:  # any failure of an item is the item's
                answer.append(None)
                _settle(error, run, (trail, index), nodes, non_null=non_null)
        return answer

    return _nullable(complete_each)
