"""How often one caller may ask. One thing to know: allowance is taken from the shared cache in small leases, so most
requests cost no trip there; when the cache is down each process goes by its own."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from api.identity import Claims
from core.cache import Cache, LocalCache
from core.errors import ExpectedError, Unavailable

LEASE = 20
REMEMBERED_CALLERS = 10_000


class Throttled(ExpectedError):
    """Too many requests from one caller."""

    code = "THROTTLED"


@dataclass(slots=True)
class _Lease:
    """What is left of the allowance last taken for a caller."""

    left: int = 0
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One at a time: a crowd of requests at once takes as many leases as it needs, and not one each."""


class Limits:
    """A bucket for each account, or for each address where nobody is signed in."""

    def __init__(self, cache: Cache, *, per_second: float, burst: int) -> None:
        self._cache, self._own = cache, LocalCache()
        self._per_second, self._burst = per_second, burst
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    async def check(self, claims: Claims | None, address: str) -> None:
        """Count one request.

        Raises:
            Throttled: the caller's allowance is used up.
        """
        caller = f"account:{claims.account}" if claims else f"address:{address}"
        lease = self._leases.get(caller) or self._remember(caller)
        if lease.left == 0:
            async with lease.taking:
                if lease.left == 0:
                    lease.left = await self._take(caller)
        if lease.left == 0:
            raise Throttled("请求过于频繁。请稍候再试,并降低请求频率。")
        lease.left -= 1

    def _remember(self, caller: str) -> _Lease:
        lease = self._leases[caller] = _Lease()
        if len(self._leases) > REMEMBERED_CALLERS:
            self._leases.popitem(last=False)
        return lease

    async def _take(self, caller: str) -> int:
        wanted = min(LEASE, self._burst)
        try:
            return await self._cache.take(caller, wanted=wanted, per_second=self._per_second, burst=self._burst)
        except Unavailable:
            return await self._own.take(caller, wanted=wanted, per_second=self._per_second, burst=self._burst)
