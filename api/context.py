"""What a request knows. One thing to know: who is asking is read from the database anew
at each request, when first needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection
from strawberry.types import Info as StrawberryInfo

from api.identity import Claims
from api.ids import public_id
from api.messages import English
from api.running.limits import Allowance
from core.cache import Cache
from core.clock import day_of
from core.database import Database
from core.errors import Unauthenticated
from core.files import Files
from core.keys import Keys
from core.settings import Settings
from partners.accounts import Principal, find_principal
from partners.catalogue import Catalogue, catalogue_version, load_catalogue
from partners.decisions import Verifier
from partners.rulebook import Rulebook
from scoring.issuers import Issuer

Language = Literal["zh", "en"]


class Sandbox(Protocol):
    """What the live side may do with the sandbox: see to it that its database stands, and read there."""

    database: Database

    async def ready(self) -> None:
        """Raises `Unavailable` where it cannot be made ready now."""


class Rehearsal(Protocol):
    """Makes mutations go wrong on demand, and notes what was seen."""

    async def around(self, context: Context, name: str, given: Any, answering: Callable[[], Awaitable[Any]]) -> Any:
        """The answer of the mutation `name` to the input `given`, or what is rehearsed in its place."""


@dataclass
class State:
    """What lives as long as the process."""

    settings: Settings
    keys: Keys
    rulebook: Rulebook
    database: Database
    cache: Cache
    clock: Callable[[], datetime]
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    """Who may push results, by id."""
    files: Files | None = None
    """Where evidence and uploads are kept; None where the deployment takes none."""
    sandbox: Sandbox | None = None
    """What partners try things in; None where there is none, and in the sandbox itself."""
    rehearsal: Rehearsal | None = None
    """Makes things go wrong on demand: in the sandbox alone."""
    catalogue: Catalogue = field(init=False)
    verifier: Verifier = field(init=False)

    def __post_init__(self) -> None:
        self.database.publish = self.cache.publish
        self.verifier = Verifier(
            keys=self.keys,
            issuer=self.settings.issuer,
            partner_public_id=lambda key: public_id("Partner", key),
            offer_public_id=lambda key: public_id("Offer", key),
        )

    @cached_property
    def english(self) -> English:
        """What is told to those who asked for English; made when the first does."""
        return English(self.rulebook.english)

    async def refresh_catalogue(self, connection: AsyncConnection) -> Catalogue:
        """Read the catalogue again, for today, and with it the models published by now."""
        known = getattr(self, "catalogue", None)
        self.catalogue = await load_catalogue(connection, self.rulebook, on=day_of(self.clock()), known=known)
        self.rulebook = self.catalogue.rulebook
        return self.catalogue

    async def current_catalogue(self, connection: AsyncConnection, *, version: int | None = None) -> Catalogue:
        """The catalogue in memory, read again where the database has another version or a new day has begun."""
        found = await catalogue_version(connection) if version is None else version
        if found != self.catalogue.version or self.catalogue.on != day_of(self.clock()):
            return await self.refresh_catalogue(connection)
        return self.catalogue


@dataclass
class Context:
    """One request."""

    state: State
    claims: Claims | None
    now: datetime
    request_id: str
    remote: str = ""
    """The address that the request came from."""
    language: Language = "zh"
    """What messages are told in."""
    allowance: Allowance | None = None
    """What pays for the request; None where nobody counts."""
    lookups: int = 0
    """Public look-ups of this document so far."""
    _principal: Principal | None = None

    def signed_in(self) -> Claims:
        """The claims of whoever is asking.

        Raises:
            Unauthenticated: nobody is signed in.
        """
        if self.claims is None:
            raise Unauthenticated
        return self.claims

    def begin_anew(self) -> None:
        """Make this the request of the present instant: whoever has been waiting is looked up again."""
        self.now, self.lookups, self._principal = self.state.clock(), 0, None
        if self.allowance is not None:
            self.allowance.spent = 0

    async def principal(self, connection: AsyncConnection) -> Principal:
        """Who is asking, as the database has it now.

        Raises:
            Unauthenticated: nobody, or an account whose right has ended.
        """
        if self._principal is None:
            claims = self.signed_in()
            self._principal = await find_principal(connection, account=claims.account, role=claims.role, now=self.now)
        return self._principal


class Info(StrawberryInfo[Context, None]):
    """Strawberry's info with our context."""
