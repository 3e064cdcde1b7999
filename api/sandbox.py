"""The sandbox beside the application: the same code over a database and keys of its own, under `/sandbox`. One thing to
know: nothing in here leads to the live side, which knows the sandbox but is not known by it.

What the live side does for it: it tells the sandbox, again and again, which partners have sandbox keys.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path

from graphql import GraphQLSchema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from api.context import Context, State
from api.execution import Answer, GraphQLRequest, Operations
from api.http import GraphQLEndpoint
from api.identity.bearer import BearerTokens
from api.identity.partner_key import TokenEndpoint
from api.jobs.background import repeating
from api.jobs.reloading import reloading
from api.jobs.sandbox_sending import cleaning, sending_in_sandbox
from api.limits import Limits
from api.permissions import PARTNER, AccessRules
from api.rehearsal import Rehearsal
from api.schema import SCHEMA
from api.webhook_acts import WebhookMutations
from api.webhooks import WebhookQueries
from core.cache import open_cache
from core.clock import day_of
from core.database import Conflict, Database
from core.errors import ExpectedError, StartupError, Unavailable
from core.keys import complete_key_file, load_keys, new_key_file
from core.migrations import check_current, migrate
from core.settings import Settings
from partners.accounts import find_principal
from partners.catalogue import Catalogue
from partners.rulebook import Rulebook
from partners.sandbox.admission import Admitted, admit, check_is_sandbox, wanting_in
from partners.sandbox.clock import ahead_of

log = logging.getLogger("xinyi.sandbox")
PATH = "/sandbox"
SECONDS_BETWEEN = 2
CATALOGUES_KEPT = 50
"""Days for which a catalogue is kept in memory: partners' clocks differ."""


class SandboxClock:
    """The present instant, moved on as far as the partner whose request is being answered has moved its own."""

    def __init__(self, real: Callable[[], datetime]) -> None:
        self.real = real
        self.ahead: ContextVar[timedelta] = ContextVar("ahead", default=timedelta())

    def __call__(self) -> datetime:
        """Now, for whoever is asking."""
        return self.real() + self.ahead.get()


class SandboxState(State):
    """A state whose catalogue is that of the asking partner's day."""

    clock: SandboxClock
    is_ready = False
    """Whether anybody has come, and the database stands."""

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue of the day; one of no day where it has not been read, which is read again wherever used."""
        return self._held.get(day_of(self.clock())) or Catalogue(-1, date.min, {}, {}, self.rulebook)

    @catalogue.setter
    def catalogue(self, found: Catalogue) -> None:
        self._held.pop(found.on, None)
        self._held[found.on] = found
        while len(self._held) > CATALOGUES_KEPT:
            del self._held[next(iter(self._held))]

    @cached_property
    def _held(self) -> dict[date, Catalogue]:
        return {}

    @cached_property
    def _preparing(self) -> asyncio.Lock:
        return asyncio.Lock()

    async def ready(self) -> None:
        """See to it that the database stands, the first time anybody comes.

        Raises:
            Unavailable: it cannot be made ready now; the next one who comes tries again.
        """
        if self.is_ready:
            return
        async with self._preparing:
            try:
                await _prepare(self.database)
            except StartupError as error:
                log.error("sandbox: %s", error.message)
                raise Unavailable("沙箱暂时打不开,与贵单位的请求无关;请稍后再试,或联系运营人员。") from error
            self.is_ready = True


async def _prepare(database: Database) -> None:
    if database.is_sqlite and database.url.database:
        with suppress(OSError):
            # Its owner's alone; SQLite gives its side files the same mode.
            await asyncio.to_thread(Path(database.url.database).touch, 0o600)
    for _ in range(5):
        try:
            await check_current(database)
            break
        except StartupError:
            log.info("sandbox: preparing its database, this takes a few seconds the first time")
        try:
            await migrate(database)
        except Conflict:  # another process is at it
            await asyncio.sleep(1)
    async with database.reading() as connection:
        await check_is_sandbox(connection)


def sandbox_settings(settings: Settings) -> Settings | None:
    """The sandbox's settings: those of the deployment, but nothing in them that leads to live data. None: there is no
    sandbox.

    Raises:
        StartupError: it would share a database or keys with the live side.
    """
    if settings.sandbox_database_url is None:
        return None
    keys_file = settings.sandbox_keys_file or settings.keys_file.with_name(f"sandbox-{settings.keys_file.name}")
    if settings.sandbox_database_url == settings.database_url or keys_file.resolve() == settings.keys_file.resolve():
        raise StartupError("沙箱不能与正式环境共用数据库或密钥文件。请为 XINYI_SANDBOX_* 另设。")
    own: dict[str, object] = {
        "database_url": settings.sandbox_database_url,
        "sandbox_database_url": None,
        "sandbox_keys_file": None,
        "keys_file": keys_file,
        "issuer": settings.issuer + PATH,
        "redis_url": None,  # what is short-lived stays in the process: the live side's cache is not the sandbox's
        "issuers": None,
        "upstream_url": None,
        "receivers": {},
        "files": None,
        "files_endpoint": None,
        "files_access_key_id": None,
        "files_secret_access_key": None,
    }
    return settings.model_copy(update=own)


def open_sandbox(settings: Settings, *, rulebook: Rulebook, clock: Callable[[], datetime]) -> SandboxState | None:
    """The sandbox's state, where the settings ask for one. Its key file is made if absent; nothing is connected yet.

    Raises:
        StartupError: the settings do not hold, or the key file cannot be made.
    """
    own = sandbox_settings(settings)
    if own is None:
        return None
    if not own.keys_file.exists():
        _make_keys(own.keys_file)
    complete_key_file(own.keys_file)
    keys, moved = load_keys(own.keys_file), SandboxClock(clock)
    database = Database(own.database_url, keys=keys)
    state = SandboxState(
        settings=own, keys=keys, rulebook=rulebook, database=database, cache=open_cache(None), clock=moved
    )
    state.rehearsal = Rehearsal(database, keys, lambda: moved.real())  # noqa: PLW0108  # whatever it is by then
    return state


def _make_keys(path: Path) -> None:
    try:
        new_key_file(path, demo=False)
    except StartupError:
        if not path.exists():  # else another process was quicker
            raise


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
        super().__init__(SCHEMA._schema, SandboxAccess(SCHEMA._schema), introspection=introspection)
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


def sandbox_routes(state: SandboxState, *, is_demo: bool) -> list[Route]:
    """What the sandbox serves."""
    limits = Limits(state.cache, per_second=state.settings.rate_per_second, burst=state.settings.rate_burst)
    tokens = BearerTokens(state.keys, issuer=state.settings.issuer)
    operations = SandboxOperations(state, introspection=is_demo)
    return [
        Route(f"{PATH}/graphql", GraphQLEndpoint(state, operations, tokens, limits, console=False)),
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
