"""GraphQL over HTTP. One thing to know: a well-formed request gets its answer, a malformed one a JSON error with the
right status, and no body whatever makes a 5xx.

A caller who prefers `text/event-stream`, or subscribes and would take it, is answered with events (`sse`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

import orjson
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.context import Context, State
from api.errors import MASKED
from api.identity import Claims
from api.identity.bearer import BearerTokens
from api.identity.holding import admitted
from api.language import language_of, tell
from api.running.execution import GraphQLRequest, Operations
from api.running.limits import Allowance, Limits, retry_header
from api.transport.bodies import BodyRefused, read_body
from api.transport.browsers import is_foreign
from api.transport.pages import page
from api.transport.sse import EventStream
from api.transport.streams import Streams
from core.errors import ExpectedError

log = logging.getLogger("xinyi.api")
MAX_BODY = 1_000_000
GRAPHQL_JSON = "application/graphql-response+json"
JSON = "application/json"
EVENTS = "text/event-stream"


class HttpProblem(Exception):
    """The request is malformed before GraphQL begins."""

    def __init__(
        self, status: int, message: str, *, code: str = "BAD_USER_INPUT", headers: dict[str, str] | None = None
    ):
        self.status, self.message, self.code, self.headers = status, message, code, headers or {}


class GraphQLEndpoint:
    """`/graphql` for POST and GET."""

    def __init__(
        self,
        state: State,
        operations: Operations,
        tokens: BearerTokens,
        limits: Limits,
        streams: Streams,
        *,
        console: bool,
    ) -> None:
        self._state, self._operations, self._tokens, self._limits = state, operations, tokens, limits
        self._streams, self._console = streams, console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        request_id = uuid4().hex
        try:
            response = await self._answer(Request(scope, receive), request_id)
        except ClientDisconnect:
            return
        except Exception:
            log.exception("unexpected error", extra={"request_id": request_id})
            masked = tell(MASKED, language_of(Headers(scope=scope).get("accept-language")))
            body = _refusal(masked, code="INTERNAL_SERVER_ERROR", requestId=request_id)
            response = _response(body, 500, JSON, request_id)
        await response(scope, receive, send)

    async def _answer(self, request: Request, request_id: str) -> ASGIApp:
        if self._console and request.method == "GET" and not request.query_params and _is_browser(request):
            return page("graphiql")
        accepted = _accepted(request.headers.get("accept"))
        media = accepted.json or JSON
        remote = request.client.host if request.client else ""
        language = language_of(request.headers.get("accept-language"))
        try:
            if accepted.json is None and not accepted.takes_events:
                raise HttpProblem(406, f"只能以 {GRAPHQL_JSON} 或 {JSON} 作答。请修改 Accept 头。")
            if request.method == "GET" and is_foreign(self._state.settings, request.headers):
                raise HttpProblem(
                    403, "其他网站的页面不能这样查询。请改用 POST,或带上 X-Requested-With 头。", code="CROSS_ORIGIN"
                )
            asked = await _read(request)
            now = self._state.clock()
            authorization = request.headers.get("authorization")
            claims, allowance = await admitted(
                self._state, self._tokens, self._limits, authorization, remote=remote, now=now
            )
            context = context_of(
                self._state, claims, request.headers, remote=remote, now=now, request_id=request_id, allowance=allowance
            )
            if accepted.takes_events and await self._is_streamed(request, accepted, asked, context):
                self._streams.check(claims, remote)
                return EventStream(self._operations.subscribe(asked, context), self._streams, context)
            if accepted.json is None:
                raise HttpProblem(406, f"{EVENTS} 只用于 POST。请改用 POST,或修改 Accept 头。")
            answer = await self._operations.run(asked, context, only_queries=request.method == "GET")
        except HttpProblem as problem:
            body = _refusal(tell(problem.message, language), code=problem.code)
            return _response(body, problem.status, media, request_id, problem.headers)
        except ExpectedError as error:
            told = getattr(error, "extensions", {})
            body = _refusal(tell(error.message, language), code=error.code, **told)
            return _response(body, STATUS.get(error.code, 400), media, request_id, retry_header(told))
        if answer.ran:
            return _response(answer.body, 200, media, request_id)
        told = answer.body["errors"][0]["extensions"]
        is_told = media == GRAPHQL_JSON or told["code"] == "THROTTLED"
        status = STATUS.get(told["code"], 400) if is_told else 200
        return _response(answer.body, status, media, request_id, retry_header(told))

    async def _is_streamed(self, request: Request, accepted: Accepted, asked: GraphQLRequest, context: Context) -> bool:
        if request.method != "POST":
            return False
        return accepted.prefers_events or await self._operations.is_subscription(asked, context)


STATUS = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "THROTTLED": 429,
    "TOO_MANY_STREAMS": 429,
    "TIMEOUT": 503,
    "UNAVAILABLE": 503,
}


def context_of(
    state: State,
    claims: Claims | None,
    headers: Mapping[str, str],
    *,
    remote: str,
    now: datetime,
    request_id: str,
    allowance: Allowance,
) -> Context:
    """What a request knows, whichever way it came in; `headers` are those of the HTTP request or handshake."""
    return Context(
        state=state,
        claims=claims,
        now=now,
        request_id=request_id,
        remote=remote,
        language=language_of(headers.get("accept-language")),
        allowance=allowance,
    )


def _refusal(message: str, **extensions: Any) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": extensions}]}


def _response(
    body: dict[str, Any], status: int, media: str, request_id: str, headers: dict[str, str] | None = None
) -> Response:
    charset = f"{media}; charset=utf-8"
    told = {"x-request-id": request_id, **(headers or {})}
    return Response(orjson.dumps(body, default=str), status, media_type=charset, headers=told)


async def _read(request: Request) -> GraphQLRequest:
    if request.method == "GET":
        return _from_query(request)
    if request.method != "POST":
        raise HttpProblem(405, "请使用 POST(查询也可用 GET)。", headers={"allow": "GET, POST"})
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.lower().partition("charset=")[2].partition(";")[0].strip(' "')
    if media.strip().lower() != JSON or charset not in ("", "utf-8"):
        raise HttpProblem(415, f"请求体须为 UTF-8 编码的 {JSON}。请修改 Content-Type 头。")
    try:
        body = await read_body(request, most=MAX_BODY)
    except BodyRefused as refused:
        raise HttpProblem(refused.status, refused.message, headers={"connection": "close"}) from None
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise HttpProblem(400, "请求体不是有效的 JSON。请检查编码和括号。") from None
    if not isinstance(content, dict):
        raise HttpProblem(400, "请求体须为 JSON 对象,含 query 一项。")
    return request_of(content)


def _from_query(request: Request) -> GraphQLRequest:
    content: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if content.get(name):
            try:
                content[name] = orjson.loads(content[name])
            except orjson.JSONDecodeError:
                raise HttpProblem(400, f"{name} 不是有效的 JSON。请检查编码和括号。") from None
        else:
            content.pop(name, None)
    if content.get("operationName") == "":
        del content["operationName"]
    return request_of(content)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "query": lambda value: value is None or (isinstance(value, str) and bool(value.strip())),
    "documentId": lambda value: value is None or isinstance(value, str),
    "operationName": lambda value: value is None or isinstance(value, str),
    "variables": lambda value: value is None or isinstance(value, dict),
    "extensions": lambda value: value is None or isinstance(value, dict),
}


def request_of(content: Mapping[str, Any]) -> GraphQLRequest:
    """A request as it stands in a body, a query string or a WebSocket's message.

    Raises:
        HttpProblem: a part of it is missing or of another type than it should be.
    """
    document_id = content.get("documentId") or _apollo_id(content.get("extensions"))
    if document_id is not None and content.get("query") == "":
        content = {**content, "query": None}  # what clients send whose protocol demands a text
    for name, is_right in _KINDS.items():
        if not is_right(content.get(name)):
            wanted = {"query": "非空文本", "documentId": "文本", "operationName": "文本"}.get(name, "JSON 对象")
            raise HttpProblem(400, f"{name} 须为{wanted}。请改正后重试。")
    if content.get("query") is None and document_id is None:
        raise HttpProblem(400, "query 与 documentId 须有其一。请补上后重试。")
    return GraphQLRequest(content.get("query"), content.get("operationName"), content.get("variables"), document_id)


def _apollo_id(extensions: object) -> str | None:
    """The id of a trusted document where Apollo's clients write it."""
    named = extensions.get("persistedQuery") if isinstance(extensions, dict) else None
    found = named.get("sha256Hash") if isinstance(named, dict) else None
    return found if isinstance(found, str) else None


class Accepted(NamedTuple):
    """What an `Accept` header lets us answer with."""

    json: str | None
    """The better liked of our two JSON media types; None where neither will do."""
    takes_events: bool
    """Whether events are named at all: a subscription is answered with them."""
    prefers_events: bool
    """Whether events are liked better than JSON: then any operation is."""


_ONLY_JSON = Accepted(JSON, takes_events=False, prefers_events=False)


def _accepted(accept: str | None) -> Accepted:
    if not accept:
        return _ONLY_JSON
    told: dict[str, float] = {}
    for entry in accept.split(","):
        media, *parameters = (part.strip().lower() for part in entry.split(";"))
        told[media] = next((_quality(p[2:]) for p in parameters if p.startswith("q=")), 1.0)

    def liking(ours: str) -> tuple[float, bool, bool]:
        # The most exact of the names that cover a type speaks for it.
        names = [name for name in (ours, "application/*", "*/*") if name in told]
        is_named = names[:1] == [ours]
        # In a draw, who names the newer type wants it, and who names neither gets the older one.
        return told[names[0]] if names else 0.0, is_named, is_named == (ours == GRAPHQL_JSON)

    best = max((GRAPHQL_JSON, JSON), key=liking)
    liked, events = liking(best)[0], told.get(EVENTS, 0.0)
    return Accepted(best if liked > 0 else None, events > 0, events > liked)


def _is_browser(request: Request) -> bool:
    return request.headers.get("accept", "").startswith("text/html")


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
