"""Is it alive, is it ready, and how is it doing?"""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.context import State
from core.errors import Unavailable
from partners.webhooks.log import count_open

REGISTRY = CollectorRegistry()
REQUESTS = Counter("xinyi_requests_total", "Requests by path and status.", ["path", "status"], registry=REGISTRY)
WEBHOOKS = Gauge("xinyi_webhooks", "Deliveries waiting, and given up for now.", ["state"], registry=REGISTRY)
SECONDS = Histogram("xinyi_request_seconds", "Time to answer, in seconds.", ["path"], registry=REGISTRY)


async def alive(_: Request) -> Response:
    """`/healthz`: the process answers."""
    return JSONResponse({"status": "alive"})


async def ready(request: Request) -> Response:
    """`/readyz`: database and cache answer too."""
    state: State = request.app.state.xinyi
    found = {}
    for name, part in (("database", state.database), ("cache", state.cache)):
        try:
            await part.ping()
            found[name] = "ok"
        except Unavailable:
            found[name] = "unavailable"
    is_ready = set(found.values()) == {"ok"}
    return JSONResponse({"status": "ready" if is_ready else "not ready", **found}, 200 if is_ready else 503)


async def metrics(request: Request) -> Response:
    """`/metrics`, for Prometheus."""
    state: State = request.app.state.xinyi
    # While the database is away the counts stay as they were.
    with suppress(Unavailable):
        async with state.database.reading() as connection:
            counts = await count_open(connection)
        for name, count in counts._asdict().items():
            WEBHOOKS.labels(name).set(count)
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


async def jwks(request: Request) -> Response:
    """`/.well-known/jwks.json`: what receipts and proofs are checked with, retired keys and those to come included."""
    state: State = request.app.state.xinyi
    # Not kept longer than a rotation is told ahead: who looks each minute knows a key before it signs.
    return JSONResponse(state.keys.jwks(), headers={"cache-control": "public, max-age=60"})
