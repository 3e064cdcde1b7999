"""From a document to an answer. One thing to know: a document is parsed, validated and judged once and remembered by
its text; values belong in variables.

Nothing of a document runs before all of it has been found well-formed and permitted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    execute,
    parse,
    specified_rules,
    validate,
)

from api.context import Context
from api.errors import error_body
from api.permissions import AccessRules, Audience, JudgedDocument
from core.errors import Forbidden, Unauthenticated

MAX_TOKENS = 2000
MAX_DOCUMENT = 100_000
"""Longest document, in characters."""
REMEMBERED_DOCUMENTS = 1000


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a client asked to have run."""

    query: str
    operation_name: str | None = None
    variables: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The body, and whether the request got as far as running."""

    body: dict[str, Any]
    ran: bool


class _Rejected(Exception):
    def __init__(self, *errors: GraphQLError) -> None:
        self.errors = errors


class Operations:
    """Runs operations of one schema."""

    def __init__(self, schema: GraphQLSchema, access: AccessRules, *, introspection: bool) -> None:
        self._schema, self._access = schema, access
        hidden = () if introspection else (NoSchemaIntrospectionCustomRule,)
        self._rules = (*specified_rules, *hidden)
        self._known: OrderedDict[str, JudgedDocument] = OrderedDict()

    async def run(self, request: GraphQLRequest, context: Context, *, only_queries: bool = False) -> Answer:
        """Answer a request. Errors are in the body; nothing is raised."""
        try:
            document = self._document(request.query)
            if only_queries and not _is_query(document.node, request.operation_name):
                raise _Rejected(GraphQLError("GET 只能用于查询。变更请使用 POST。"))
            self._permit(document, request.operation_name, context)
        except _Rejected as rejected:
            errors = [error_body(error, request_id=context.request_id) for error in rejected.errors]
            return Answer({"errors": errors}, ran=False)
        found = execute(
            self._schema,
            document.node,
            context_value=context,
            variable_values=dict(request.variables or {}),
            operation_name=request.operation_name,
        )
        result: ExecutionResult = await found if isawaitable(found) else found
        body: dict[str, Any] = {}
        if result.errors:
            body["errors"] = [error_body(error, request_id=context.request_id) for error in result.errors]
        ran = result.data is not None or any(error.path for error in result.errors or ())
        if ran:
            body["data"] = result.data
        return Answer(body, ran)

    def _document(self, text: str) -> JudgedDocument:
        """The document, parsed and validated.

        Raises:
            _Rejected: it is not a document of this schema.
        """
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        if len(text) > MAX_DOCUMENT:
            raise _Rejected(GraphQLError(f"文档超过 {MAX_DOCUMENT} 个字符。请拆分,并把取值放进变量。"))
        try:
            node = parse(text, max_tokens=MAX_TOKENS)
        except GraphQLError as error:
            raise _Rejected(error) from None
        except RecursionError:
            raise _Rejected(GraphQLError("文档嵌套过深。请减少嵌套层数。")) from None
        errors = validate(self._schema, node, self._rules, max_errors=20)
        if errors:
            raise _Rejected(*errors)
        document = JudgedDocument(node)
        self._known[text] = document
        if len(self._known) > REMEMBERED_DOCUMENTS:
            self._known.popitem(last=False)
        return document

    def _permit(self, document: JudgedDocument, operation: str | None, context: Context) -> None:
        audience = Audience(context.claims.role.value) if context.claims else Audience.ANYONE
        refused = self._access.judge(document, operation, audience)
        if refused is not None:
            cause = Forbidden() if context.claims else Unauthenticated()
            raise _Rejected(GraphQLError(cause.message, original_error=cause))


def _is_query(document: DocumentNode, operation: str | None) -> bool:
    return all(
        definition.operation is OperationType.QUERY
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
        and (operation is None or (definition.name is not None and definition.name.value == operation))
    )
