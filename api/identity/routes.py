"""The addresses below `/sign-in`. One thing to know: what is not configured is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.context import State
from api.identity.demo import DemoEndpoint
from api.identity.providers import Providers, load_providers
from api.identity.sessions import SessionEndpoints
from api.identity.wechat import WechatEndpoint
from api.running.limits import Limits
from demo.roles import ROLES


def sign_in_routes(state: State, limits: Limits) -> list[Route]:
    """Sign-in for the providers of this deployment.

    Raises:
        StartupError: their file is missing or broken.
    """
    settings = state.settings
    is_demo = settings.environment == "demo"
    providers = load_providers(settings.providers, issuer=settings.issuer, is_demo=is_demo)
    sessions = SessionEndpoints(state, limits)
    mini_programs = WechatEndpoint(state, limits, providers, is_demo=is_demo)
    return [
        Route("/sign-in", _ways(providers, is_demo=is_demo)),
        Route("/sign-in/session", sessions.claim, methods=["POST"]),
        Route("/sign-in/refresh", sessions.refresh, methods=["POST"]),
        Route("/sign-in/end", sessions.end, methods=["POST"]),
        *([Route("/sign-in/wechat", mini_programs.answer, methods=["POST"])] if providers.wechat else ()),
        *([Route("/sign-in/demo", DemoEndpoint(state, limits).answer, methods=["POST"])] if is_demo else ()),
        *(_pages(state, limits, providers, is_demo=is_demo) if providers.oidc or providers.wechat else ()),
    ]


def _ways(providers: Providers, *, is_demo: bool) -> Callable[[Request], Awaitable[Response]]:
    """`GET /sign-in`: by what one can sign in here, for pages to offer: providers of OpenID Connect with the sorts of
    account that they lead to, and in the demo the roles that `POST /sign-in/demo` takes."""
    named = [
        {"id": one.id, "name": one.settings.name, "roles": sorted(role.name for role in one.settings.gives)}
        for one in providers.oidc.values()
    ]
    body = {"providers": named, "demo": list(ROLES) if is_demo else []}

    async def tell(_: Request) -> Response:
        return JSONResponse(body, headers={"cache-control": "no-cache"})

    return tell


def _pages(state: State, limits: Limits, providers: Providers, *, is_demo: bool) -> list[Route]:
    from api.identity.browser import SignInPages  # imported where used: its libraries are slow to import

    pages = SignInPages(state, limits, providers, is_demo=is_demo)
    return [
        *([Route("/sign-in/bind", pages.bind, methods=["POST"])] if providers.wechat else ()),
        *([Route("/sign-in/{provider}", pages.begin)] if providers.oidc else ()),
        *([Route("/sign-in/{provider}/callback", pages.callback)] if providers.oidc else ()),
    ]
