"""How much one caller may ask. One thing to know: allowance is counted in points (one for a plain request) and taken
from the shared cache in small leases, so most requests cost no trip there; when the cache is down each process goes by
its own."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.identity import Claims
from core.cache import Cache, Draw, LocalCache
from core.errors import ExpectedError, Unavailable

LEASE = 20
REMEMBERED_CALLERS = 10_000


class Throttled(ExpectedError):
    """Too much was asked by one caller. `retry_after` is in whole seconds, None where it is a matter of hours."""

    code = "THROTTLED"

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.extensions = {} if retry_after is None else {"retryAfterSeconds": retry_after}
        """What graphql-core puts beside the code."""


def retry_header(extensions: Mapping[str, Any]) -> dict[str, str]:
    """The header that tells when to come back, where the extensions of an error say it."""
    seconds = extensions.get("retryAfterSeconds")
    return {} if seconds is None else {"retry-after": str(seconds)}


@dataclass(slots=True)
class _Lease:
    """What is left of the allowance last taken for a caller, and of the bucket it was taken from."""

    left: int = 0
    in_bucket: float = 0.0
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One at a time: a crowd of requests at once takes as many leases as it needs, and not one each."""


@dataclass(slots=True)
class Allowance:
    """One request's way to its caller's bucket."""

    limits: Limits
    caller: str
    lease: _Lease
    spent: int = 0

    async def spend(self, points: int) -> None:
        """Take so many more points; never more than a full bucket holds for one request.

        Raises:
            Throttled: they are not there.
        """
        wanted = min(points, self.limits.burst - self.spent)
        lease = self.lease
        if lease.left < wanted:
            async with lease.taking:
                if lease.left < wanted:
                    await self.limits.refill(self.caller, lease, wanted)
        if lease.left < wanted:
            missing = wanted - lease.left - min(lease.in_bucket, 0.999)
            seconds = max(1, math.ceil(missing / self.limits.per_second))
            raise Throttled(f"请求过于频繁。请在 {seconds} 秒后再试,并降低请求频率。", retry_after=seconds)
        lease.left -= wanted
        self.spent += wanted

    @property
    def cost(self) -> dict[str, Any]:
        """`extensions.cost` of the answer. What is available is as of the last look into the shared bucket."""
        limits = self.limits
        return {
            "requestedQueryCost": self.spent,
            "throttleStatus": {
                "maximumAvailable": limits.burst,
                "currentlyAvailable": min(limits.burst, self.lease.left + int(self.lease.in_bucket)),
                "restoreRate": limits.per_second,
            },
        }


class Limits:
    """A bucket for each account, or for each address where nobody is signed in."""

    def __init__(self, cache: Cache, *, per_second: float, burst: int) -> None:
        self._cache, self._own = cache, LocalCache()
        self.per_second, self.burst = per_second, burst
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    async def check(self, claims: Claims | None, address: str) -> Allowance:
        """Count one request; what it costs beyond one point is for the answer to spend.

        Raises:
            Throttled: the caller's allowance is used up.
        """
        caller = f"account:{claims.account}" if claims else f"address:{address}"
        allowance = Allowance(self, caller, self._leases.get(caller) or self._remember(caller))
        await allowance.spend(1)
        return allowance

    def _remember(self, caller: str) -> _Lease:
        lease = self._leases[caller] = _Lease()
        if len(self._leases) > REMEMBERED_CALLERS:
            self._leases.popitem(last=False)
        return lease

    async def refill(self, caller: str, lease: _Lease, wanted: int) -> None:
        """Take from the bucket what a request needs, or a lease for the next ones too; as much as there is."""
        more = min(max(LEASE, wanted - lease.left), self.burst)
        drawn = await self._draw(caller, more)
        lease.left += drawn.given
        lease.in_bucket = drawn.left

    async def _draw(self, caller: str, wanted: int) -> Draw:
        try:
            return await self._cache.draw(caller, wanted=wanted, per_second=self.per_second, burst=self.burst)
        except Unavailable:
            return await self._own.draw(caller, wanted=wanted, per_second=self.per_second, burst=self.burst)
