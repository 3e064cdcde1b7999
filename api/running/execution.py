"""From a request to an answer. One thing to know: nothing of a document runs before all of it has been found valid and
permitted; and before each event of a subscription the one who listens is looked up anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, NamedTuple

from graphql import (
    ExecutionResult,
    Executor,
    GraphQLError,
    GraphQLSchema,
    MiddlewareManager,
    OperationDefinitionNode,
    OperationType,
    create_source_event_stream,
    execute,
    located_error,
)
from graphql.execution.values import VariableValues, get_variable_values

from api.context import Context
from api.errors import variable_error
from api.identity.holding import check_holds
from api.language import telling_english
from api.permissions import AccessRules, Audience
from api.running.documents import MAX_ERRORS, Document, Documents, Rejected
from api.running.equal_errors import error_bodies
from api.running.plan import Plan, Unplanned
from api.running.sizes import check_variables
from api.running.trusted import ANY_DOCUMENT, TrustedDocuments
from core.errors import ExpectedError, Forbidden, Unauthenticated

REQUEST_SECONDS = 10.0
_IN_ENGLISH = MiddlewareManager(telling_english)


class RequestTimeout(ExpectedError):
    """The answer took too long, and was given up."""

    code = "TIMEOUT"

    def __init__(self) -> None:
        super().__init__("处理超时,已中止。请稍后重试;变更请沿用同一 requestId,不会重复生效。")


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a client asked to have run."""

    query: str | None
    operation_name: str | None = None
    variables: Mapping[str, Any] | None = None
    document_id: str | None = None
    """Names a trusted document in place of its text."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The body, and whether the request got as far as running (and came to an end in time)."""

    body: dict[str, Any]
    ran: bool


class _Ready(NamedTuple):
    """A request that may be run."""

    request: GraphQLRequest
    document: Document
    operation: OperationDefinitionNode
    variables: VariableValues


class Operations:
    """Runs operations of one schema."""

    def __init__(
        self,
        schema: GraphQLSchema,
        access: AccessRules,
        *,
        introspection: bool,
        seconds: float = REQUEST_SECONDS,
        trusted: TrustedDocuments = ANY_DOCUMENT,
    ) -> None:
        """`seconds`: after which an answer is given up. `trusted`: which documents are answered."""
        self._schema, self._access, self._seconds, self._trusted = schema, access, seconds, trusted
        self._documents = Documents(schema, introspection=introspection)

    async def is_subscription(self, request: GraphQLRequest, context: Context) -> bool:
        """Whether a request asks for a stream of events; a document that is not valid asks for nothing."""
        try:
            operation = (await self._document(request, context)).operation(request.operation_name)
        except Rejected:
            return False
        return operation.operation is OperationType.SUBSCRIPTION

    async def run(self, request: GraphQLRequest, context: Context, *, only_queries: bool = False) -> Answer:
        """Answer a query or mutation. Errors are in the body; nothing is raised."""
        try:
            ready = await self._ready(request, context)
            kind = ready.operation.operation
            if only_queries and kind is not OperationType.QUERY:
                raise Rejected(GraphQLError("GET 只能用于查询。变更请使用 POST。"))
            if kind is OperationType.SUBSCRIPTION:
                raise Rejected(GraphQLError("订阅有多个回答。请改用 WebSocket,或在 Accept 头中写 text/event-stream。"))
            await self._pay(ready, context)
        except Rejected as rejected:
            return _refused(rejected.errors, context)
        return await self._answer(ready, context)

    async def subscribe(self, request: GraphQLRequest, context: Context) -> AsyncGenerator[Answer]:
        """The answers to any operation: one to a query or mutation, one to each event of a subscription.

        Errors are in the answers; nothing is raised. One that did not run is the last.
        """
        try:
            ready = await self._ready(request, context)
            await self._pay(ready, context)
            if ready.operation.operation is not OperationType.SUBSCRIPTION:
                yield await self._answer(ready, context)
                return
            async with aclosing(await self._source(ready, context)) as events:
                async for event in events:
                    await self.renew(context)
                    await self._pay(ready, context)
                    answer = await self._answer(ready, context, event)
                    yield answer
                    if not answer.ran:
                        return
        except Rejected as rejected:
            yield _refused(rejected.errors, context)
        except Exception as error:  # the source's own failures, ours among them, are masked like a field's
            yield _refused([located_error(error)], context)

    async def renew(self, context: Context) -> None:
        """Make a context that has been waiting one of the present moment.

        Raises:
            Unauthenticated: the token, or the account's right, has ended meanwhile.
        """
        context.begin_anew()
        if context.claims is None:
            return
        if context.claims.expires_at <= context.now.timestamp():
            raise Unauthenticated("令牌已过期。请重新登录。")
        await check_holds(context.state, context.claims)
        async with context.state.database.reading() as connection:
            await context.principal(connection)

    async def _document(self, request: GraphQLRequest, context: Context) -> Document:
        try:
            text = await self._trusted.text_of(request.query, request.document_id, context)
        except ExpectedError as error:
            raise Rejected(GraphQLError(error.message, original_error=error)) from None
        return self._documents.find(text)

    async def _ready(self, request: GraphQLRequest, context: Context) -> _Ready:
        document = await self._document(request, context)
        operation = document.operation(request.operation_name)
        self._permit(document, operation, context)
        return _Ready(request, document, operation, self._variables(operation, request.variables))

    async def _answer(self, ready: _Ready, context: Context, event: object = None) -> Answer:
        result = ExecutionResult(None, None)
        with suppress(TimeoutError):  # of a field's own it would be the field's error
            async with asyncio.timeout(self._seconds) as limit:
                result = await self._execute(ready, context, event)
        if limit.expired():  # a driver that was cut off may say so in words of its own, which nobody should get
            return _refused([located_error(RequestTimeout())], context)
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = error_bodies(result.errors, request_id=context.request_id, language=context.language)
        return Answer(body | _told(context), ran=True)

    async def _pay(self, ready: _Ready, context: Context) -> None:
        """Spend what the operation, or an event of it, costs beyond the one point that every request does."""
        points = self._documents.points(ready.document, ready.operation, ready.variables.coerced)
        if points > 1 and context.allowance is not None:
            try:
                await context.allowance.spend(points - 1)
            except ExpectedError as throttled:
                raise Rejected(GraphQLError(throttled.message, original_error=throttled)) from None

    async def _source(self, ready: _Ready, context: Context) -> AsyncGenerator[Any]:
        """What a subscription's events come from, as graphql-core finds it."""
        built = Executor.build(
            self._schema,
            ready.document.node,
            context_value=context,
            raw_variable_values=dict(ready.request.variables or {}),
            operation_name=ready.request.operation_name,
        )
        if not isinstance(built, Executor):
            raise Rejected(*built)
        found = create_source_event_stream(built)
        source: Any = await found if isawaitable(found) else found
        if isinstance(source, ExecutionResult):
            raise Rejected(*(source.errors or ()))
        events: AsyncGenerator[Any] = source
        return events

    def _permit(self, document: Document, operation: OperationDefinitionNode, context: Context) -> None:
        audience = Audience(context.claims.role.value) if context.claims else Audience.ANYONE
        if self._access.judge(document, operation, audience) is not None:
            cause = Forbidden() if context.claims else Unauthenticated()
            raise Rejected(GraphQLError(cause.message, original_error=cause))

    def _variables(self, operation: OperationDefinitionNode, given: Mapping[str, Any] | None) -> VariableValues:
        definitions = operation.variable_definitions or ()
        if definitions and given:
            try:
                check_variables(operation, given)
            except GraphQLError as error:
                raise Rejected(error) from None
        values = get_variable_values(self._schema, definitions, dict(given or {}), max_errors=MAX_ERRORS)
        if isinstance(values, VariableValues):
            return values
        raise Rejected(*(variable_error(error) for error in values))

    async def _execute(self, ready: _Ready, context: Context, event: object) -> ExecutionResult:
        is_told = context.language != "zh"
        plan = None if is_told else self._plan(ready.document, ready.operation, ready.variables)
        if plan is not None:
            return await plan.run(context, ready.variables, event)
        found = execute(
            self._schema,
            ready.document.node,
            root_value=event,
            context_value=context,
            variable_values=dict(ready.request.variables or {}),
            operation_name=ready.request.operation_name,
            middleware=_IN_ENGLISH if is_told else None,
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


def _refused(errors: Sequence[GraphQLError], context: Context) -> Answer:
    bodies = error_bodies(errors, request_id=context.request_id, language=context.language)
    return Answer({"errors": bodies} | _told(context), ran=False)


def _told(context: Context) -> dict[str, Any]:
    """What an answer says of its cost."""
    return {} if context.allowance is None else {"extensions": {"cost": context.allowance.cost}}
