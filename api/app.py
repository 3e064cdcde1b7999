"""The application: routes, middleware, lifespan."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache

from prometheus_client import Counter, Histogram
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.context import State
from api.downloads import downloads
from api.health import REQUESTS, SECONDS, alive, jwks, metrics, ready
from api.identity.bearer import BearerTokens
from api.identity.partner_key import METADATA, TokenEndpoint
from api.identity.partner_key import PATH as SIGN_IN
from api.identity.routes import sign_in_routes
from api.jobs.checkpointing import PATH as CHECKPOINTS
from api.jobs.checkpointing import checkpointing, checkpoints
from api.jobs.escalation import escalating
from api.jobs.reloading import reloading
from api.jobs.sending import sending
from api.jobs.watching_offers import watching_offers
from api.jobs.watching_orders import watching_orders
from api.jobs.watching_rates import watching_rates
from api.jobs.webhook_sending import sending_webhooks
from api.language import RefusalsInEnglish
from api.notices import triggering
from api.offer_proof import PATH as OFFERS_PROOF
from api.offer_proof import PublishedProof
from api.open_data import READERS as AGENCIES
from api.open_data import fetch_index, fetch_list
from api.openid4vp import wallet_routes
from api.partner_keys import watching_keys
from api.reports import check_page
from api.running.execution import Operations
from api.running.limits import Limits
from api.running.trusted import TrustedDocuments
from api.sandbox import sandbox_routes, sandboxed
from api.sandbox_state import open_sandbox
from api.schema import ACCESS, SCHEMA
from api.settlement import READERS as SETTLED
from api.settlement import fetch_file, settling
from api.transport.browsers import SafeHeaders, cross_origin
from api.transport.http import GraphQLEndpoint
from api.transport.pages import pages
from api.transport.streams import Streams
from api.transport.websocket import GraphQLSockets
from api.uploads import Uploads
from api.usage import READERS as OVERSEERS
from api.usage import fetch_usage, reporting_use
from core.cache import open_cache
from core.clock import utc_now
from core.database import Database
from core.errors import StartupError
from core.files import open_files
from core.keys import load_keys
from core.settings import Settings
from partners.rulebook import load_rulebook
from scoring.issuers import load_issuers

log = logging.getLogger("xinyi.http")
PATHS = frozenset(
    {
        "/graphql",
        "/healthz",
        "/readyz",
        "/sandbox/graphql",
        "/sandbox/oauth/token",
        "/metrics",
        "/.well-known/jwks.json",
        "/intake",
        CHECKPOINTS,
        OFFERS_PROOF,
        SIGN_IN,
    }
)


def open_state(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> State:
    """Everything that lives as long as the process; nothing is connected yet.

    Raises:
        StartupError: a rule file, a key or a setting is missing or broken, or production was given demo keys.
    """
    keys = load_keys(settings.keys_file)
    if settings.environment == "production" and keys.demo:
        raise StartupError("生产环境不能使用演示密钥。请用 xinyi keys new 生成密钥文件,并设置 XINYI_KEYS_FILE。")
    return State(
        settings=settings,
        keys=keys,
        rulebook=load_rulebook(settings.jurisdictions, settings.places),
        database=Database(settings.database_url, keys=keys),
        cache=open_cache(settings.redis_url),
        clock=clock,
        issuers=load_issuers(settings.issuers) if settings.issuers else {},
        files=open_files(settings, keys) if settings.files else None,
    )


def create_app(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> Starlette:
    """The ASGI application for these settings; `clock` gives the present instant."""
    state = open_state(settings, clock=clock)
    state.sandbox = sandbox = open_sandbox(settings, rulebook=state.rulebook, clock=clock)
    is_demo = settings.environment == "demo"
    limits = Limits(state.cache, per_second=settings.rate_per_second, burst=settings.rate_burst)
    tokens = BearerTokens(state.keys, issuer=settings.issuer)
    operations = Operations(
        SCHEMA._schema,
        ACCESS,
        introspection=is_demo,
        seconds=settings.request_seconds,
        trusted=TrustedDocuments(is_open=is_demo),
    )
    streams = Streams()
    endpoint = GraphQLEndpoint(state, operations, tokens, limits, streams, console=is_demo)
    sockets = GraphQLSockets(state, operations, tokens, limits, streams)
    uploads = Uploads(state, tokens, limits)
    signing_in = TokenEndpoint(state, limits)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with state.database.reading() as connection:
            await state.refresh_catalogue(connection)
        async with (
            reloading(state.keys),
            checkpointing(state),
            sending(state),
            escalating(state),
            watching_offers(state),
            watching_rates(state),
            watching_orders(state),
            sandboxed(state, sandbox),
            watching_keys(state),
            sending_webhooks(state),
            settling(state),
            triggering(state),
            reporting_use(state),
        ):
            yield
        await state.database.close()
        await state.cache.close()

    app = Starlette(
        routes=[
            Route("/graphql", endpoint),
            WebSocketRoute("/graphql", sockets),
            Route("/healthz", alive),
            Route("/readyz", ready),
            Route("/metrics", metrics),
            Route("/.well-known/jwks.json", jwks),
            Route(CHECKPOINTS, checkpoints),
            Route(SIGN_IN, signing_in.answer, methods=["POST"]),
            Route(METADATA, signing_in.metadata),
            *sign_in_routes(state, limits),
            Route(OFFERS_PROOF, PublishedProof(state).serve),
            Route("/intake", uploads.load, methods=["POST"]),
            Route("/intake/{batch}/quarantine", uploads.quarantine),
            Route("/reports/{id}/{sha256}", check_page(state, limits)),
            *(sandbox_routes(sandbox, streams, is_demo=is_demo) if sandbox else ()),
            *wallet_routes(state, limits),
            Route("/settlement/{name}", downloads(state, tokens, limits, fetch_file, to=SETTLED)),
            Route("/usage/{name}", downloads(state, tokens, limits, fetch_usage, to=OVERSEERS)),
            Route("/open-data", downloads(state, tokens, limits, fetch_index, to=AGENCIES)),
            Route("/open-data/{name}", downloads(state, tokens, limits, fetch_list, to=AGENCIES)),
            *pages(),
        ],
        lifespan=lifespan,
    )
    app.state.xinyi, app.state.streams = state, streams
    app.add_middleware(RefusalsInEnglish)
    if settings.origins:
        app.user_middleware.insert(0, cross_origin(settings))
    app.add_middleware(Observed, graphql=endpoint, safe=SafeHeaders(settings), cors=bool(settings.origins))
    return app


@cache
def _requests(path: str, status: int) -> Counter:
    return REQUESTS.labels(path, str(status))


@cache
def _seconds(path: str) -> Histogram:
    return SECONDS.labels(path)


class Observed:
    """Counts and times requests, and logs each with its request id; never a header, a body or a query string.

    Hands `/graphql` straight to its endpoint, which needs nothing of what lies in between, but where a page of another
    origin may be asking. `cors`: whether there are such pages.
    """

    def __init__(self, app: ASGIApp, *, graphql: ASGIApp, safe: SafeHeaders, cors: bool) -> None:
        self._app, self._graphql, self._safe, self._cors = app, graphql, safe, cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Watch one request go by."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, request_id = time.perf_counter(), 500, ""
        path = scope["path"] if scope["path"] in PATHS else "other"

        async def watched(message: Message) -> None:
            nonlocal status, request_id
            if message["type"] == "http.response.start":
                status = message["status"]
                self._safe.add(message)
                request_id = next((v.decode() for k, v in message["headers"] if k == b"x-request-id"), "")
            await send(message)

        try:
            is_direct = path == "/graphql" and not (
                self._cors and any(name == b"origin" for name, _ in scope["headers"])
            )
            await (self._graphql if is_direct else self._app)(scope, receive, watched)
        finally:
            took = time.perf_counter() - began
            _requests(path, status).inc()
            _seconds(path).observe(took)
            log.info(
                "request",
                extra={
                    "request_id": request_id,
                    "method": scope["method"],
                    "path": path,
                    "status": status,
                    "milliseconds": round(took * 1000, 2),
                },
            )
