"""Documents that have been seen: parsed, measured and validated once, remembered by their text. One thing to know:
every transport finds its documents here, so no limit can be gone round."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    parse,
    specified_rules,
    validate,
)

from api.running.sizes import Measured, check_operation, check_size
from core.errors import ExpectedError

MAX_TOKENS = 2000
MAX_LENGTH = 100_000
"""Longest document, in characters."""
MAX_ERRORS = 20
MAX_FLAGS = 5
"""Most variables in `@skip` and `@include` of a document that is compiled, once for each of their combinations."""
REMEMBERED = 1000
REMEMBERED_LENGTH = 1_000_000
"""Characters of all remembered documents together; each takes some hundred bytes of memory."""
MOST_PRICES = 50
"""Page sizes given by variables for which the cost of a document is remembered."""


class Rejected(Exception):
    """The request cannot be run, and nothing of it has been."""

    def __init__(self, *errors: GraphQLError) -> None:
        self.errors = errors


class Document:
    """A valid document. Equal only to itself, so that what is known of it can be cached by it."""

    def __init__(self, node: DocumentNode, measured: Mapping[int, Measured] | None = None) -> None:
        self.node, self.measured = node, measured or {}
        self.operations = [d for d in node.definitions if isinstance(d, OperationDefinitionNode)]
        self.priced: dict[Any, int] = {}
        """What it costs with the page sizes last given."""
        self.known: dict[Any, Any] = {}
        """What has been worked out about it, and by whom it may be run: it stays true as long as the schema."""

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation that is to run.

        Raises:
            Rejected: there is none of that name, or several and no name.
        """
        if name is None:
            if len(self.operations) == 1:
                return self.operations[0]
            raise Rejected(GraphQLError("文档含有多个操作。请用 operationName 指明要执行哪一个。"))
        for operation in self.operations:
            if operation.name is not None and operation.name.value == name:
                return operation
        raise Rejected(GraphQLError("文档中没有 operationName 指明的操作。请核对名称。"))

    @property
    def is_plannable(self) -> bool:
        """Whether its variables leave few enough combinations to compile each."""
        return len(self.flags) <= MAX_FLAGS

    @cached_property
    def flags(self) -> tuple[str, ...]:
        """Names of the variables that switch fields on and off (`@skip`, `@include`)."""
        found: set[str] = set()

        def walk(selections: SelectionSetNode | None) -> None:
            for node in selections.selections if selections else ():
                for directive in node.directives or ():
                    if directive.name.value in ("skip", "include"):
                        value = (directive.arguments or ())[0].value
                        if isinstance(value, VariableNode):
                            found.add(value.name.value)
                walk(getattr(node, "selection_set", None))

        for definition in self.node.definitions:
            walk(getattr(definition, "selection_set", None))
        return tuple(sorted(found))


class Documents:
    """The documents of a schema, the latest used remembered."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema, self._suggest = schema, introspection
        hidden = () if introspection else (NoSchemaIntrospectionCustomRule,)
        self._rules = (*specified_rules, *hidden)
        self._known: OrderedDict[str, Document] = OrderedDict()
        self._length = 0

    def find(self, text: str) -> Document:
        """The document with this text.

        Raises:
            Rejected: it is not a document of this schema.
        """
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        document = self._known[text] = self._checked(text)
        self._length += len(text)
        while len(self._known) > REMEMBERED or self._length > REMEMBERED_LENGTH:
            self._length -= len(self._known.popitem(last=False)[0])
        return document

    def _checked(self, text: str) -> Document:
        if len(text) > MAX_LENGTH:
            raise Rejected(GraphQLError(f"文档有 {len(text)} 个字符,最多 {MAX_LENGTH} 个。请拆分,并把取值放进变量。"))
        try:
            node = parse(text, max_tokens=MAX_TOKENS)
            measured = check_size(self._schema, node)
            errors = validate(
                self._schema, node, self._rules, max_errors=MAX_ERRORS, hide_suggestions=not self._suggest
            )
        except GraphQLSyntaxError as error:
            if "tokens" in error.message:
                raise Rejected(GraphQLError(f"文档超过 {MAX_TOKENS} 个词元。请拆分,并把取值放进变量。")) from None
            raise Rejected(error) from None
        except GraphQLError as error:
            raise Rejected(error) from None
        except RecursionError:
            raise Rejected(GraphQLError("文档嵌套过深。请减少嵌套层数。")) from None
        if errors:
            raise Rejected(*(_mistake(error) for error in errors))
        return Document(node, measured)

    def points(self, document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
        """What an operation costs with these coerced variables.

        Raises:
            Rejected: with these page sizes it asks for too much.
        """
        measured = document.measured[id(operation)]
        if not measured.variables:
            return measured.points
        given = (id(operation), *(_kept(variables.get(name)) for name in measured.variables))
        if given not in document.priced:
            if len(document.priced) >= MOST_PRICES:
                document.priced.clear()
            try:
                document.priced[given] = check_operation(self._schema, document.node, operation, variables).points
            except GraphQLError as error:
                raise Rejected(error) from None
        return document.priced[given]


def _mistake(error: GraphQLError) -> GraphQLError:
    """A finding of validation; where Python itself could not read a value, in our words."""
    if error.original_error is None or isinstance(error.original_error, ExpectedError):
        return error
    return GraphQLError("文档中有一个取值无法读作声明的类型。请对照模式检查,并把取值放进变量。", error.nodes)


def _kept(value: Any) -> object:
    """What of a variable the cost depends on."""
    return ("length", len(value)) if isinstance(value, list) else value
