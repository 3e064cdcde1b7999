"""Signing in with a browser: `GET /sign-in/{provider}` and its callback. One thing to know: what a sign-in under way
needs to know lies sealed in a cookie of the browser that began it, so an answer brought by another browser is refused,
and any process can go on where another began.

The page that asked gets its answer in the fragment of its own address, `#sign-in=CODE`, which no server and no log
sees, and exchanges that code at once. With `?bind=TICKET` the callback asks for the check number instead, and the
number, sent back by the same browser, binds the WeChat that the ticket stands for.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import timedelta
from html import escape
from typing import Any
from urllib.parse import quote

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.context import State
from api.identity import SignInFailed
from api.identity.oidc import Attempt, OidcClient, Proved
from api.identity.providers import Oidc, Providers, UnknownProvider
from api.identity.sessions import COOKIE, LARGEST_BODY, browser_of, device_of, failed, refused, remote_of, settled
from api.running.limits import Limits
from api.transport.bodies import read_form
from core.errors import BadInput, ExpectedError
from partners.sessions.failures import Counted, check_not_locked, forget_failures
from partners.sessions.linking import (
    AccountRefused,
    NotRegistered,
    RegistersIn,
    account_named,
    account_of_number,
    link_identity,
)
from partners.sessions.opening import open_for_page
from partners.sessions.tickets import make_ticket, open_ticket
from partners.tables import accounts
from scoring.registry.identities import Number, Scheme, check_number

UNDER_WAY = timedelta(minutes=10)
LONGEST_PATH = 500
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class SignInPages:
    """What a browser visits in order to sign in."""

    def __init__(self, state: State, limits: Limits, providers: Providers, *, is_demo: bool) -> None:
        self._state, self._limits, self._providers = state, limits, providers
        self._is_secure = providers.address.startswith("https://")
        self._clients = {
            key: OidcClient(one, redirect_uri=f"{providers.address}/sign-in/{key}/callback", is_demo=is_demo)
            for key, one in providers.oidc.items()
        }

    async def begin(self, request: Request) -> Response:
        """`GET /sign-in/{provider}?return_to=/path`: off to the provider."""
        return await self._answered(request, self._begin)

    async def callback(self, request: Request) -> Response:
        """`GET /sign-in/{provider}/callback`: back from it."""
        return await self._answered(request, self._callback)

    async def bind(self, request: Request) -> Response:
        """`POST /sign-in/bind`: the check number of a mini-program."""
        return await self._answered(request, self._bind)

    async def _begin(self, request: Request) -> Response:
        client, now = self._client(request), self._state.clock()
        await self._check_address(request)
        return_to = checked_path(request.query_params.get("return_to", "/"))
        ticket, attempt = request.query_params.get("bind"), Attempt.new()
        if ticket is not None and not self._may_bind(client.provider, ticket):
            raise SignInFailed("TICKET", "绑定链接无效或已过期。请回到小程序重新登录,再打开新的链接。")
        target = await client.begin(attempt, again=ticket is not None, now=now)
        content = {"provider": client.provider.id, "return_to": return_to, "bind": ticket}
        content |= {"state": attempt.state, "nonce": attempt.nonce, "verifier": attempt.verifier}
        cookie = make_ticket(self._state.keys, "state", content, now=now, lifetime=UNDER_WAY)
        response = RedirectResponse(target, 303, headers={"cache-control": "no-store"})
        return self._remembered(response, cookie)

    async def _callback(self, request: Request) -> Response:
        client, now, state = self._client(request), self._state.clock(), self._state
        address = await self._check_address(request)
        provider = client.provider
        these = [address]
        try:
            begun = self._begun(request, provider)
            attempt = Attempt(begun["state"], begun["nonce"], begun["verifier"])
            proved = await client.finish(attempt, _single(request), now=now)
            these.append(Counted("identity", f"{provider.id}:{proved.user}"))
            if begun["bind"] is not None:
                return await self._ask_number(provider, proved, begun, these)
            code = await self._open(request, provider, proved, these)
        except SignInFailed as error:
            if error.why == "CANCELLED":
                raise
            raise await failed(state, error, *these, provider=provider.id, now=now) from None
        except (NotRegistered, AccountRefused) as error:
            raise await failed(state, error, *these, provider=provider.id, now=now) from None
        target = f"{begun['return_to']}#sign-in={quote(code)}"
        # The cookie stays: the code is good in this browser alone.
        return RedirectResponse(target, 303, headers={"cache-control": "no-store", "referrer-policy": "no-referrer"})

    async def _open(self, request: Request, provider: Oidc, proved: Proved, these: list[Counted]) -> str:
        state, now = self._state, self._state.clock()
        cookie = request.cookies[COOKIE]

        async def act(connection: AsyncConnection) -> str:
            await check_not_locked(connection, state.keys, *these[1:], now=now)
            account = await self._account(connection, provider, proved)
            holder = Counted("account", account.id)
            await check_not_locked(connection, state.keys, holder, now=now)
            code = await open_for_page(
                connection,
                state.keys,
                account=account,
                provider=provider.id,
                device=device_of(request.headers.get("user-agent")),
                browser=browser_of(cookie),
                now=now,
            )
            await forget_failures(connection, state.keys, *these[1:], holder)
            return code

        return await settled(state, act)

    async def _account(self, connection: AsyncConnection, provider: Oidc, proved: Proved) -> Row[Any]:
        asked, state, now = provider.settings, self._state, self._state.clock()
        if asked.proves == "account":
            return await account_named(connection, proved.value, roles=asked.gives, now=now)
        registers = None
        if asked.registers_in is not None and proved.name:
            registers = RegistersIn(asked.registers_in, proved.name, state.rulebook.served)
        return await account_of_number(
            connection,
            state.keys,
            _number(asked.proves, proved.value),
            provider=provider.id,
            registers=registers,
            now=now,
        )

    async def _ask_number(
        self, provider: Oidc, proved: Proved, begun: Mapping[str, Any], these: list[Counted]
    ) -> Response:
        """Who she is, is proved; that it is she who holds the mini-program, the number shows."""
        state, now = self._state, self._state.clock()
        ticket = open_ticket(state.keys, "bind", begun["bind"], now=now)
        if ticket is None:
            raise SignInFailed("TICKET", "绑定链接已过期。请回到小程序重新登录,再打开新的链接。")

        async def act(connection: AsyncConnection) -> str:
            await check_not_locked(connection, state.keys, *these[1:], now=now)
            return str((await self._account(connection, provider, proved)).id)

        content = {"account": await settled(state, act), "return_to": begun["return_to"], **ticket}
        cookie = make_ticket(state.keys, "confirm", content, now=now, lifetime=UNDER_WAY)
        return self._remembered(_form(), cookie)

    async def _bind(self, request: Request) -> Response:
        state, now = self._state, self._state.clock()
        address = await self._check_address(request)
        held = open_ticket(state.keys, "confirm", request.cookies.get(COOKIE), now=now)
        if held is None or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise SignInFailed("TICKET", "绑定已过期,或不是从本页提交的。请回到小程序重新登录,再打开新的链接。")
        provider = self._providers.wechat[held["provider"]]
        holder = Counted("account", held["account"])
        async with state.database.reading() as connection:
            await check_not_locked(connection, state.keys, holder, now=now)
        number = (await read_form(request, most=LARGEST_BODY, fields=5)).get("number", "").strip()
        if not hmac.compare_digest(number.encode(), held["number"].encode()):
            wrong = SignInFailed(
                "NUMBER", "校验数字不对,没有绑定。请核对小程序上显示的六位数字;如非本人操作,请关闭本页。"
            )
            raise await failed(state, wrong, address, holder, provider=provider.id, now=now)

        async def act(connection: AsyncConnection) -> None:
            account = (await connection.execute(select(accounts).where(accounts.c.id == held["account"]))).one()
            await link_identity(
                connection,
                state.keys,
                account=account,
                provider=provider.id,
                identity=held["identity"],
                shown=provider.settings.name,
                now=now,
            )
            await forget_failures(connection, state.keys, holder)

        await settled(state, act)
        response = _page("绑定成功", "已绑定。请回到小程序重新登录。如非本人操作,请立即在账号设置中解除绑定。")
        response.delete_cookie(COOKIE, path="/sign-in")
        return response

    def _may_bind(self, provider: Oidc, ticket: str) -> bool:
        held = open_ticket(self._state.keys, "bind", ticket, now=self._state.clock())
        mini = None if held is None else self._providers.wechat.get(held["provider"])
        return mini is not None and mini.settings.binds_with == provider.id

    def _begun(self, request: Request, provider: Oidc) -> dict[str, Any]:
        """What this browser began with this provider, if it is what comes back."""
        held = open_ticket(self._state.keys, "state", request.cookies.get(COOKIE), now=self._state.clock())
        if held is None or held["provider"] != provider.id:
            raise SignInFailed("NOT_BEGUN", "登录已过期,或不是从这个浏览器发起的。请重新登录。")
        given = request.query_params.get("state", "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), held["state"].encode()):
            raise SignInFailed("WRONG_STATE")
        return held

    def _client(self, request: Request) -> OidcClient:
        found = self._clients.get(request.path_params["provider"])
        if found is None:
            raise UnknownProvider
        return found

    async def _check_address(self, request: Request) -> Counted:
        counted, state = Counted("address", remote_of(request)), self._state
        async with state.database.reading() as connection:
            await check_not_locked(connection, state.keys, counted, now=state.clock())
        return counted

    def _remembered(self, response: Response, cookie: str) -> Response:
        seconds = int(UNDER_WAY.total_seconds())
        response.set_cookie(
            COOKIE, cookie, max_age=seconds, path="/sign-in", httponly=True, samesite="lax", secure=self._is_secure
        )
        return response

    async def _answered(self, request: Request, act: Any) -> Response:
        try:
            await self._limits.check(None, remote_of(request))
            answer: Response = await act(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except ExpectedError as error:
            answer = refused(error, now=self._state.clock())
            if "text/html" in request.headers.get("accept", ""):
                answer = _page("没有登录", error.message, status=answer.status_code, headers=_retry(answer))
        return answer


def checked_path(path: str) -> str:
    """Where the browser goes back to: a path of our own and nothing else.

    Raises:
        BadInput: another site could be meant.
    """
    is_path = path.startswith("/") and not path.startswith(("//", "/\\"))
    plain = path.isascii() and path.isprintable() and not {*' \\#"<>'} & {*path}
    if not is_path or not plain or len(path) > LONGEST_PATH:
        raise BadInput("return_to 须为本站的路径,以一个 / 开头,不含空格、# 和反斜杠。请改正后重试。")
    return path


def _number(proves: str, value: str) -> Number:
    try:
        return check_number(Scheme.RESIDENT_ID if proves == "person" else Scheme.USCC, value)
    except BadInput:
        raise SignInFailed("CLAIM_INVALID", "登录服务方提供的号码不合规范,无法核对身份。请联系该服务方。") from None


def _single(request: Request) -> dict[str, str]:
    """The parameters that came back, each once (RFC 6749, 3.1)."""
    pairs = request.query_params.multi_items()
    if len(dict(pairs)) != len(pairs):
        raise SignInFailed("REPEATED_PARAMETER")
    return dict(pairs)


def _form() -> Response:
    text = (
        "您的身份已核实。请输入小程序上显示的六位校验数字,以绑定您手里的这个微信。"
        "数字须由您自己在小程序上看到;如果链接或数字是别人发给您的,请关闭本页。"
    )
    fields = (
        '<form method="post" action="/sign-in/bind"><label>校验数字 <input name="number" inputmode="numeric" '
        'autocomplete="off" maxlength="6" required></label> <button>绑定</button></form>'
    )
    return _page("绑定微信", text, more=fields)


def _page(
    title: str, text: str, *, more: str = "", status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    body = (
        f'<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<main><h1>{escape(title)}</h1><p>{escape(text)}</p>{more}</main></html>"
    )
    return HTMLResponse(body, status, headers={**HEADERS, **(headers or {})})


def _retry(answer: Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name == "retry-after"}
