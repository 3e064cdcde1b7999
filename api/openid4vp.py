"""What wallets speak to (OpenID for Verifiable Presentations 1.0), and what issuer and client they find. One thing to
know: a wallet is told whether its presentation was in order, and never what was decided.

That stands on its holder's log. An error is JSON as RFC 6749 has it, with our own code as `xinyi_code`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.context import State
from api.running.limits import Limits
from api.transport.bodies import read_form
from core.database import Conflict
from core.errors import BadInput, ExpectedError, Unavailable
from partners.answers import Problem
from partners.wallet.answering import PresentationEnded, answer_presentation
from partners.wallet.requests import PATH, QUERY, client_metadata, find_request, request_object
from partners.wallet.requests import State as Standing

REQUEST_OBJECT = "application/oauth-authz-req+jwt"
LARGEST_BODY, MOST_FIELDS = 32_768, 20
ATTEMPTS = 5
_STATUS = {"UNAVAILABLE": 503, "THROTTLED": 429, "PRESENTATION_ENDED": 404}
_NO_STORE = {"cache-control": "no-store"}
_DAY = {"cache-control": "public, max-age=3600"}
log = logging.getLogger("xinyi.wallet")


def wallet_routes(state: State, limits: Limits) -> list[Route]:
    """What a wallet asks for, and what it sends."""
    wallets = _Wallets(state, limits)
    return [
        Route(PATH + "/request/{id}", wallets.served(wallets.request_object)),
        Route(PATH + "/response/{id}", wallets.served(wallets.response), methods=["POST"]),
        Route(PATH + "/client", wallets.served(wallets.client)),
        Route("/.well-known/jwt-vc-issuer", wallets.served(wallets.issuer)),
    ]


class _Wallets:
    def __init__(self, state: State, limits: Limits) -> None:
        self._state, self._limits = state, limits

    def served(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """`answer`, as often as one address may ask; its expected failures in JSON."""

        async def serve(request: Request) -> Response:
            try:
                await self._limits.check(None, request.client.host if request.client else "")
                return await answer(request)
            except ClientDisconnect:
                return Response(status_code=400)
            except ExpectedError as error:
                if isinstance(error, Unavailable):
                    log.warning("unavailable", exc_info=error)
                return _refused(error.code, error.message, status=getattr(error, "status", None))

        return serve

    async def request_object(self, request: Request) -> Response:
        """`GET /openid4vp/request/{id}`: the signed request, as long as it can be answered."""
        state, now = self._state, self._state.clock()
        async with state.database.reading() as connection:
            asked = await find_request(connection, _id_of(request))
            catalogue = await state.current_catalogue(connection)
        offer = catalogue.offers.get(asked.offer_id) if asked else None
        if asked is None or offer is None or asked.state(now) is not Standing.WAITING:
            raise PresentationEnded("这次出示请求不存在、已答复或已过期。请扫描对方最新的二维码。")
        signed = request_object(asked, offer=offer, verifier=state.verifier)
        return Response(signed, media_type=REQUEST_OBJECT, headers=_NO_STORE)

    async def response(self, request: Request) -> Response:
        """`POST /openid4vp/response/{id}`: `vp_token`, or that the holder declines, which nobody is told."""
        key = _id_of(request)
        form = await read_form(request, most=LARGEST_BODY, fields=MOST_FIELDS)
        if form.get("state") != str(key):
            raise BadInput("state 与请求不符。请扫描对方最新的二维码。")
        if "error" in form:
            return JSONResponse({}, headers=_NO_STORE)
        presentation = _presentation(form.get("vp_token", ""))
        answer = await self._answer(key, presentation)
        if isinstance(answer, Problem):
            return _refused(answer.code, answer.message)
        return JSONResponse({}, headers=_NO_STORE)

    async def _answer(self, key: UUID, presentation: str) -> Any:
        state, lost = self._state, None
        for _ in range(ATTEMPTS):
            try:
                async with state.database.statements() as connection:
                    return await answer_presentation(
                        connection,
                        request_id=key,
                        presentation=presentation,
                        catalogue=state.catalogue,
                        refresh=state.refresh_catalogue,
                        lineage=state.rulebook.lineage,
                        verifier=state.verifier,
                        now=state.clock(),
                        most_offers=state.settings.offers_per_person,
                    )
            except Conflict as conflict:
                lost = conflict
        raise Unavailable from lost

    async def client(self, _: Request) -> Response:
        """`GET /openid4vp/client`: what a wallet registers us with."""
        return JSONResponse(client_metadata(self._state.settings.issuer), headers=_DAY)

    async def issuer(self, _: Request) -> Response:
        """`GET /.well-known/jwt-vc-issuer` (SD-JWT VC): where the keys of our credentials are."""
        issuer = self._state.settings.issuer
        return JSONResponse({"issuer": issuer, "jwks_uri": f"{issuer.rstrip('/')}/.well-known/jwks.json"}, headers=_DAY)


def _id_of(request: Request) -> UUID:
    given = request.path_params["id"]
    try:
        key = UUID(given)
    except ValueError:
        key = None
    if key is None or str(key) != given:
        raise PresentationEnded("没有这次出示请求。请扫描对方最新的二维码。")
    return key


def _presentation(vp_token: str) -> str:
    """The one presentation in a `vp_token`: `{"benefit": ["…"]}`."""
    try:
        given = orjson.loads(vp_token)
    except orjson.JSONDecodeError:
        given = None
    shown = given.get(QUERY) if isinstance(given, dict) and len(given) == 1 else None
    if not isinstance(shown, list) or len(shown) != 1 or not isinstance(shown[0], str):
        raise BadInput(f'vp_token 须为 {{"{QUERY}": ["…"]}},其中恰有一份凭证。请升级钱包后重新出示。')
    return shown[0]


def _refused(code: str, message: str, *, status: int | None = None) -> Response:
    status = status or _STATUS.get(code, 400)
    word = "invalid_request" if status < 429 else "temporarily_unavailable"
    body = {"error": word, "error_description": message, "xinyi_code": code}
    return Response(orjson.dumps(body), status, media_type="application/json", headers=_NO_STORE)
