"""Signing in to the demo city without a provider: `POST /sign-in/demo`. One thing to know: the route exists in the demo
alone, and nobody proves anything there."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from api.context import State
from api.identity.sessions import LARGEST_BODY, answered, device_of, settled, tokens_of, told
from api.running.limits import Limits
from api.transport.bodies import read_json
from core.errors import BadInput
from demo.choosing import accounts_of
from demo.roles import ROLES
from partners.sessions.opening import Opened, open_session

PROVIDER = "demo"


class DemoEndpoint:
    """`{"role", "n"?}` → the tokens of a session of the N-th account of a role, as `xinyi demo-token` counts them."""

    def __init__(self, state: State, limits: Limits) -> None:
        self._state, self._limits = state, limits

    async def answer(self, request: Request) -> Response:
        """`POST /sign-in/demo`."""

        async def act() -> Response:
            given, state, now = await read_json(request, most=LARGEST_BODY), self._state, self._state.clock()
            role, n = given.get("role"), given.get("n", 1)
            if role not in ROLES:
                raise BadInput(f"演示城市没有这种角色。可选:{'、'.join(ROLES)}。")
            device = device_of(request.headers.get("user-agent"))

            async def opened(connection: AsyncConnection) -> Opened:
                found = await accounts_of(connection, str(role))
                if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= len(found):
                    raise BadInput(f"n 须为 1 到 {len(found)} 的整数。请改正后重试。")
                account = found[n - 1]
                return await open_session(
                    connection, state.keys, account=account, provider=PROVIDER, device=device, now=now
                )

            return told(200, tokens_of(state, await settled(state, opened), now=now))

        return await answered(self._state, self._limits, request, act)
