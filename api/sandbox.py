"""The sandbox beside the application: the same code over a database and keys of its own, under `/sandbox`. One thing to
know: nothing in here leads to the live side, which knows the sandbox but is not known by it.

What the live side does for it: it tells the sandbox, again and again, which partners have sandbox keys.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial

from graphql import GraphQLSchema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from api.context import Context, State
from api.identity.bearer import BearerTokens
from api.identity.partner_key import TokenEndpoint
from api.jobs.background import repeating
from api.jobs.reloading import reloading
from api.jobs.sandbox_sending import cleaning, sending_in_sandbox
from api.permissions import PARTNER, AccessRules
from api.running.execution import Answer, GraphQLRequest, Operations
from api.running.limits import Limits
from api.sandbox_state import PATH, SandboxState
from api.schema import SCHEMA
from api.transport.http import GraphQLEndpoint
from api.transport.streams import Streams
from api.transport.websocket import GraphQLSockets
from api.webhook_acts import WebhookMutations
from api.webhooks import WebhookQueries
from core.database import Conflict
from core.errors import ExpectedError, Unavailable
from partners.accounts import find_principal
from partners.sandbox.admission import Admitted, admit, wanting_in
from partners.sandbox.clock import ahead_of

log = logging.getLogger("xinyi.sandbox")
SECONDS_BETWEEN = 2


class SandboxAccess(AccessRules):
    """Who may read which field here: a sandbox key does about webhooks what a representative does on the live side."""

    def __init__(self, schema: GraphQLSchema) -> None:
        super().__init__(schema)
        acts = [
            field.python_name
            for part in (WebhookQueries, WebhookMutations)
            for field in get_object_definition(part, strict=True).fields
        ]
        roots = {to_camel_case(name) for name in acts}
        for (kind, name), allowed in self.fields.items():
            if kind in _WEBHOOK_TYPES or (kind in ("Query", "Mutation") and name in roots):
                self.fields[kind, name] = allowed.union(PARTNER)
        for kind in _WEBHOOK_TYPES:
            self.types[kind] = self.types[kind].union(PARTNER)


_WEBHOOK_TYPES = ("WebhookEndpoint", "WebhookSecret", "RemovedWebhook", "WebhooksAsked", "WebhookDelivery")


class SandboxOperations(Operations):
    """Runs each request at the time of the partner that asks."""

    def __init__(self, state: SandboxState, *, introspection: bool) -> None:
        super().__init__(
            SCHEMA._schema,
            SandboxAccess(SCHEMA._schema),
            introspection=introspection,
            seconds=state.settings.request_seconds,
        )
        self._state = state

    async def run(self, request: GraphQLRequest, context: Context, *, only_queries: bool = False) -> Answer:
        """Answer a request, at the time the partner has moved its clock to."""
        await self._state.ready()
        clock = self._state.clock
        moved = clock.ahead.set(await self._ahead(context))
        context.now = clock()
        try:
            return await super().run(request, context, only_queries=only_queries)
        finally:
            clock.ahead.reset(moved)

    async def subscribe(self, request: GraphQLRequest, context: Context) -> AsyncGenerator[Answer]:
        """The answers to any operation, each at the time the partner has moved its clock to by then."""
        await self._state.ready()
        await self._move(context)
        async with aclosing(super().subscribe(request, context)) as answers:
            async for answer in answers:
                yield answer

    async def renew(self, context: Context) -> None:
        """See `Operations.renew`; at the partner's time."""
        await self._move(context)
        await super().renew(context)

    async def _move(self, context: Context) -> None:
        # A stream has a task of its own, so what is set in it is nobody else's.
        self._state.clock.ahead.set(await self._ahead(context))
        context.now = self._state.clock()

    async def _ahead(self, context: Context) -> timedelta:
        if context.claims is None:
            return timedelta()
        async with self._state.database.reading() as connection:
            try:
                claims = context.claims
                asking = await find_principal(connection, account=claims.account, role=claims.role, now=context.now)
            except ExpectedError:
                return timedelta()  # who has no right is told so by what it asks for
            return await ahead_of(connection, asking.partner_id) if asking.partner_id is not None else timedelta()


def sandbox_routes(state: SandboxState, streams: Streams, *, is_demo: bool) -> list[BaseRoute]:
    """What the sandbox serves."""
    limits = Limits(state.cache, per_second=state.settings.rate_per_second, burst=state.settings.rate_burst)
    tokens = BearerTokens(state.keys, issuer=state.settings.issuer)
    operations = SandboxOperations(state, introspection=is_demo)
    return [
        Route(f"{PATH}/graphql", GraphQLEndpoint(state, operations, tokens, limits, streams, console=False)),
        WebSocketRoute(f"{PATH}/graphql", GraphQLSockets(state, operations, tokens, limits, streams)),
        Route(f"{PATH}/oauth/token", partial(_token, state, TokenEndpoint(state, limits)), methods=["POST"]),
        Route(f"{PATH}/.well-known/jwks.json", partial(_jwks, state)),
        Route(f"{PATH}/.well-known/oauth-authorization-server", partial(_metadata, state)),
    ]


async def _token(state: SandboxState, endpoint: TokenEndpoint, request: Request) -> Response:
    with suppress(Unavailable):  # met again, and told, by the endpoint itself
        await state.ready()
    return await endpoint.answer(request)


async def _jwks(state: SandboxState, _: Request) -> Response:
    return JSONResponse(state.keys.jwks(), headers={"cache-control": "public, max-age=60"})


async def _metadata(state: SandboxState, _: Request) -> Response:
    """RFC 8414: what to write into an assertion, and where to take it."""
    issuer = state.settings.issuer
    return JSONResponse(
        {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/oauth/token",
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["EdDSA", "ES256"],
        },
        headers={"cache-control": "public, max-age=3600"},
    )


class Mirror:
    """Tells the sandbox who has sandbox keys and which are revoked. Called by the live side, again and again."""

    def __init__(self, live: State, sandbox: SandboxState) -> None:
        self._live, self._sandbox = live, sandbox
        self._told: dict[int, Admitted] = {}

    async def __call__(self) -> None:
        """Pass on what has changed since this process last looked."""
        async with self._live.database.reading() as connection:
            found = await wanting_in(connection)
        for partner in found:
            if self._told.get(partner.id) == partner:
                continue
            await self._sandbox.ready()
            try:
                await admit(self._sandbox.database, partner, now=self._live.clock())
            except Conflict:
                continue  # another process was quicker; the next look will tell
            self._told[partner.id] = partner


@asynccontextmanager
async def sandboxed(live: State, sandbox: SandboxState | None) -> AsyncIterator[None]:
    """Keep the sandbox, where there is one, in step with the live side as long as the application runs."""
    if sandbox is None:
        yield
        return

    async with (
        reloading(sandbox.keys),
        repeating(Mirror(live, sandbox), seconds=SECONDS_BETWEEN, log=log),
        sending_in_sandbox(sandbox),
        cleaning(sandbox),
    ):
        yield
    await sandbox.database.close()
    await sandbox.cache.close()
