"""WeChat mini-programs: the `code2Session` of the official interface. One thing to know: it says which WeChat user
holds the phone, not who she is; the session key that comes with it is dropped on the spot.

A WeChat that is bound to nobody gets a ticket and a check number of six digits. The person opens the address in a
browser, proves who she is to the provider of OpenID, and types the number that her mini-program shows
(`api.identity.browser`): whoever is sent such an address by somebody else has nothing to type.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from api.context import State
from api.identity.fetching import ask, down
from api.identity.providers import Providers, UnknownProvider, Wechat
from api.identity.sessions import LARGEST_BODY, STATUS, answered, device_of, failed, remote_of, settled, tokens_of, told
from api.running.limits import Limits, Throttled
from api.transport.bodies import read_json
from core.errors import ExpectedError
from partners.sessions.failures import Counted, check_not_locked, forget_failures
from partners.sessions.linking import linked_account
from partners.sessions.opening import Opened, open_session
from partners.sessions.tickets import make_ticket

BINDING = timedelta(minutes=10)
PATH = "/sns/jscode2session"
LONGEST_CODE = LONGEST_OPENID = 128


class WechatCodeInvalid(ExpectedError):
    """The code is none, was used, or is too old (40029, 40163)."""

    code = "WECHAT_CODE_INVALID"

    def __init__(self) -> None:
        super().__init__("微信登录凭证无效、已用过或已过期。请在小程序中重新调用 wx.login 后重试。")


class WechatRisk(ExpectedError):
    """WeChat has put a stop to this user (40226)."""

    code = "WECHAT_RISK"

    def __init__(self) -> None:
        super().__init__("微信判定该微信账号存在风险,暂不允许登录小程序。请按微信的提示处理,或改用其他登录方式。")


async def find_openid(provider: Wechat, code: object, *, is_demo: bool) -> str:
    """The openid behind the code that `wx.login` gave.

    Raises:
        WechatCodeInvalid, WechatRisk, Throttled: as WeChat says. Unavailable: it does not answer.
    """
    if not isinstance(code, str) or not 1 <= len(code) <= LONGEST_CODE or not (code.isascii() and code.isprintable()):
        raise WechatCodeInvalid
    settings = provider.settings
    given = {"appid": settings.app_id, "secret": provider.secret, "js_code": code, "grant_type": "authorization_code"}
    url = settings.address.rstrip("/") + PATH
    answer = await ask("GET", url, name=settings.name, is_demo=is_demo, parameters=given)
    failed = answer.body.get("errcode", 0)
    if failed:
        raise _refusal(settings.name, failed)
    openid = answer.body.get("openid")
    if not isinstance(openid, str) or not 1 <= len(openid) <= LONGEST_OPENID:
        raise down(settings.name, "no openid")
    return openid


def _refusal(name: str, failed: Any) -> ExpectedError:
    match failed:
        case 40029 | 40163:
            return WechatCodeInvalid()
        case 40226:
            return WechatRisk()
        case 45011:
            return Throttled("微信登录过于频繁。请一分钟后再试。")
        case _:  # -1: busy; all others say that our settings are wrong
            return down(name, f"errcode {failed if isinstance(failed, int) else '?'}")


class BindingRequired(ExpectedError):
    """WeChat says who holds the phone, and nobody has said yet whose account that is."""

    code = "BINDING_REQUIRED"

    def __init__(self) -> None:
        super().__init__("这个微信还没有绑定账号。请打开返回的地址完成实名核验,输入小程序上显示的校验数字,再回来登录。")


class WechatEndpoint:
    """`POST /sign-in/wechat`."""

    def __init__(self, state: State, limits: Limits, providers: Providers, *, is_demo: bool) -> None:
        self._state, self._limits, self._providers, self._is_demo = state, limits, providers, is_demo

    async def answer(self, request: Request) -> Response:
        """`{"code", "provider"?}` → the tokens of a session, or what to bind first."""

        async def act() -> Response:
            given = await read_json(request, most=LARGEST_BODY)
            named = given.get("provider")
            provider = self._providers.one_wechat if named is None else self._providers.wechat.get(str(named))
            if provider is None:
                raise UnknownProvider
            return await self._sign_in(request, provider, given.get("code"))

        return await answered(self._state, self._limits, request, act)

    async def _sign_in(self, request: Request, provider: Wechat, code: object) -> Response:
        state, now = self._state, self._state.clock()
        address = Counted("address", remote_of(request))
        async with state.database.reading() as connection:
            await check_not_locked(connection, state.keys, address, now=now)
        try:
            openid = await find_openid(provider, code, is_demo=self._is_demo)
        except (WechatCodeInvalid, WechatRisk) as error:
            raise await failed(state, error, address, provider=provider.id, now=now) from None
        identity = Counted("identity", f"{provider.id}:{openid}")
        gives = self._providers.oidc[provider.settings.binds_with].settings.gives

        async def act(connection: AsyncConnection) -> Opened | None:
            await check_not_locked(connection, state.keys, identity, now=now)
            account = await linked_account(
                connection, state.keys, provider=provider.id, identity=openid, roles=gives, now=now
            )
            if account is None:
                return None
            holder = Counted("account", account.id)
            await check_not_locked(connection, state.keys, holder, now=now)
            device = device_of(request.headers.get("user-agent"))
            opened = await open_session(
                connection, state.keys, account=account, provider=provider.id, device=device, now=now
            )
            await forget_failures(connection, state.keys, identity, holder)
            return opened

        opened = await settled(state, act)
        return self._to_bind(provider, openid) if opened is None else told(200, tokens_of(state, opened, now=now))

    def _to_bind(self, provider: Wechat, openid: str) -> Response:
        """No failure: the code was good. The ticket says which WeChat it is to nobody but us."""
        now, number = self._state.clock(), f"{secrets.randbelow(10**6):06}"
        content = {"provider": provider.id, "identity": openid, "number": number}
        ticket = make_ticket(self._state.keys, "bind", content, now=now, lifetime=BINDING)
        address = f"{self._providers.address}/sign-in/{provider.settings.binds_with}?{urlencode({'bind': ticket})}"
        binding = {"ticket": ticket, "number": number, "address": address}
        binding |= {"expires_in": int(BINDING.total_seconds())}  # type: ignore[dict-item]  # one number
        error = BindingRequired()
        body = {"error": {"code": error.code, "message": error.message}, "binding": binding}
        return told(STATUS[error.code], body)
