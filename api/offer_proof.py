"""The proof over the published catalogue, for anybody to fetch and check again. One thing to know: it is made once for
each version of the catalogue and each day, and is the same as `xinyi guard prove` writes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.context import State
from core.errors import Unavailable
from core.signing import sign
from legal.proof import build_proof
from partners.catalogue import Catalogue
from partners.proof import AUDIENCE, decider, proof_catalogue

PATH = "/.well-known/offers-proof"


@dataclass
class PublishedProof:
    """The latest proof, in memory."""

    state: State
    _made_of: Catalogue | None = None
    _token: str = ""
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def token(self) -> str:
        """The proof over the catalogue in force, signed; made where this is the first to ask.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self.state.database.reading() as connection:
            catalogue = await self.state.current_catalogue(connection)
        async with self._making:
            if self._made_of is not catalogue:
                # Takes a while for many offers: other requests are answered meanwhile.
                self._token = await asyncio.to_thread(self._made, catalogue)
                self._made_of = catalogue
            return self._token

    def _made(self, catalogue: Catalogue) -> str:
        state = self.state
        proof = build_proof(
            proof_catalogue(catalogue, catalogue.rulebook),
            decide=decider(catalogue),
            issuer=state.settings.issuer,
            issued_at=state.clock(),
        )
        return sign(state.keys, "proof", proof | {"aud": AUDIENCE})

    async def serve(self, _: Request) -> Response:
        """`/.well-known/offers-proof`: a compact JWS; check it with `xinyi guard verify FILE --jwks JWKS`."""
        try:
            token = await self.token()
        except Unavailable as error:
            return PlainTextResponse(f"{error.message}\n", status_code=503)
        return Response(f"{token}\n", media_type="application/jose", headers={"cache-control": "no-cache"})
