"""From a request to an answer. One thing to know: nothing of a document runs before all of it has been found valid and
permitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLSchema, OperationDefinitionNode, OperationType, execute
from graphql.execution.values import VariableValues, get_variable_values

from api.context import Context
from api.documents import MAX_ERRORS, Document, Documents, Rejected
from api.errors import error_body, variable_error
from api.permissions import AccessRules, Audience
from api.plan import Plan, Unplanned
from core.errors import Forbidden, Unauthenticated


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


class Operations:
    """Runs operations of one schema."""

    def __init__(self, schema: GraphQLSchema, access: AccessRules, *, introspection: bool) -> None:
        self._schema, self._access = schema, access
        self._documents = Documents(schema, introspection=introspection)

    async def run(self, request: GraphQLRequest, context: Context, *, only_queries: bool = False) -> Answer:
        """Answer a request. Errors are in the body; nothing is raised."""
        try:
            document = self._documents.find(request.query)
            operation = document.operation(request.operation_name)
            if only_queries and operation.operation is not OperationType.QUERY:
                raise Rejected(GraphQLError("GET 只能用于查询。变更请使用 POST。"))
            self._permit(document, operation, context)
            variables = self._variables(operation, request.variables)
        except Rejected as rejected:
            errors = [error_body(error, request_id=context.request_id) for error in rejected.errors]
            return Answer({"errors": errors}, ran=False)
        result = await self._execute(document, operation, context, variables, request)
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = [error_body(error, request_id=context.request_id) for error in result.errors]
        return Answer(body, ran=True)

    def _permit(self, document: Document, operation: OperationDefinitionNode, context: Context) -> None:
        audience = Audience(context.claims.role.value) if context.claims else Audience.ANYONE
        if self._access.judge(document, operation, audience) is not None:
            cause = Forbidden() if context.claims else Unauthenticated()
            raise Rejected(GraphQLError(cause.message, original_error=cause))

    def _variables(self, operation: OperationDefinitionNode, given: Mapping[str, Any] | None) -> VariableValues:
        definitions = operation.variable_definitions or ()
        values = get_variable_values(self._schema, definitions, dict(given or {}), max_errors=MAX_ERRORS)
        if isinstance(values, VariableValues):
            return values
        raise Rejected(*(variable_error(error) for error in values))

    async def _execute(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        context: Context,
        variables: VariableValues,
        request: GraphQLRequest,
    ) -> ExecutionResult:
        plan = self._plan(document, operation, variables)
        if plan is not None:
            return await plan.run(context, variables)
        found = execute(
            self._schema,
            document.node,
            context_value=context,
            variable_values=dict(request.variables or {}),
            operation_name=request.operation_name,
        )
        result: ExecutionResult = await found if isawaitable(found) else found
        return result

    def _plan(self, document: Document, operation: OperationDefinitionNode, variables: VariableValues) -> Plan | None:
        """The operation compiled, or None where `execute` has to do it."""
        if not document.is_plannable:
            return None
        flags = {name: variables.coerced.get(name) for name in document.flags}
        key = ("plan", id(operation), *flags.values())
        if key not in document.known:
            try:
                document.known[key] = Plan(self._schema, document.node, operation, flags)
            except Unplanned:
                document.known[key] = None
        found: Plan | None = document.known[key]
        return found
