"""What a partner asks of a wallet (OpenID for Verifiable Presentations 1.0). One thing to know: a request has no state
of its own; it is answered where its answer is recorded, so an answer and its request can never disagree.

The wallet fetches a signed request object by the address in a QR code and posts its answer to us (`direct_post`), the
platform, which is one client known to wallets beforehand; for which partner and offer it asks is in the signed object.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from sqlalchemy import and_, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.keys import Keys, b64encode
from core.signing import sign
from partners import answers as recorded
from partners.answers import Problem, Request, answer_once, body_hashes
from partners.catalogue import Catalogue, Offer
from partners.decisions import Verification, Verifier, stored_answer
from partners.labels import check_labels
from partners.tables import answers
from partners.verification import check_offer
from partners.wallet.credentials import BENEFIT, FORMAT, VCT
from partners.wallet.tables import presentation_requests

MUTATION = "createPresentationRequest"
ANSWERING = "presentCredential"
"""Under which the answers to requests are recorded, each with its request's id."""
LIFETIME = timedelta(minutes=5)
PATH = "/openid4vp"
QUERY = "benefit"
"""Id of the one credential asked for, in the query and in `vp_token`."""
ALGORITHMS = ["EdDSA", "ES256"]
"""By which a wallet may prove its keys."""


class State(StrEnum):
    """Where a request stands. That nobody answered says nothing about anybody."""

    WAITING = "WAITING"
    ANSWERED = "ANSWERED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class PresentationRequest:
    """A request, and its answer if there is one."""

    id: UUID
    partner_id: int
    account: str
    offer_id: int
    site: str | None
    clerk: str | None
    nonce: str
    created_at: datetime
    expires_at: datetime
    refusals: int
    answer: Verification | Problem | None

    def state(self, now: datetime) -> State:
        """Where it stands at that moment."""
        if self.answer is not None:
            return State.ANSWERED
        return State.WAITING if self.expires_at > now else State.EXPIRED


async def open_request(
    connection: AsyncConnection,
    *,
    account: str,
    partner_id: int,
    request_id: str,
    offer_id: int,
    site: str | None,
    clerk: str | None,
    catalogue: Catalogue,
    keys: Keys,
    now: datetime,
) -> PresentationRequest | Problem:
    """Ask wallets for the credential of one offer, in a transaction. The same request again is the same one.

    Raises:
        BadInput: a label that the partner has not registered, or none where the offer counts by site.
        RequestConflict: the request id was used for another body. Nothing is written.
        Conflict: another request was quicker; run it again.
    """
    offer = catalogue.offers.get(offer_id)
    check_labels(catalogue, partner_id, offer, site=site, clerk=clerk)
    body = {"offer": offer_id, "site": site, "clerk": clerk}

    async def act() -> Mapping[str, Any]:
        check_offer(offer, on=catalogue.on, partner_id=partner_id)
        made = uuid4()
        # An answer is recorded for a day; a request without one is of no use either.
        over = presentation_requests.c.expires_at <= now - recorded.LIFETIME
        await connection.execute(delete(presentation_requests).where(over))
        row = {"id": made, "partner_id": partner_id, "account": account, "offer_id": offer_id, "site": site}
        row |= {"clerk": clerk, "nonce": b64encode(secrets.token_bytes(32)), "refusals": 0}
        row |= {"created_at": now, "expires_at": now + LIFETIME}
        await connection.execute(insert(presentation_requests).values(row))
        return {"id": str(made)}

    request = Request(partner_id, MUTATION, request_id, body_hashes(keys, body))
    answer = await answer_once(connection, request, act, now=now)
    if isinstance(answer, Problem):
        return answer
    found = await find_request(connection, UUID(answer["id"]))
    if found is None:
        raise LookupError("a request that was answered is gone before its answer")
    return found


async def find_request(connection: AsyncConnection, request_id: UUID) -> PresentationRequest | None:
    """The request of that id, whoever made it."""
    answered = and_(
        answers.c.partner_id == presentation_requests.c.partner_id,
        answers.c.mutation == ANSWERING,
        answers.c.request_id == str(request_id),
    )
    found = await connection.execute(
        select(presentation_requests, answers.c.answer)
        .outerjoin(answers, answered)
        .where(presentation_requests.c.id == request_id)
    )
    row = found.one_or_none()
    if row is None:
        return None
    fields = dict(row._mapping)
    answer = fields.pop("answer")
    return PresentationRequest(**fields, answer=None if answer is None else stored_answer(answer))


def client_id(issuer: str) -> str:
    """By what wallets know us: the issuer's address without its scheme. Without a colon, which would announce one of
    the prefixes of OpenID4VP 1.0, section 5.9; so it stands for a client that is registered beforehand."""
    return issuer.partition("://")[2].rstrip("/").replace(":", ".")


def client_metadata(issuer: str) -> dict[str, Any]:
    """What a wallet registers us with, once."""
    address = issuer.rstrip("/")
    return {
        "client_id": client_id(issuer),
        "client_uri": address,
        "jwks_uri": f"{address}/.well-known/jwks.json",
        "request_object_signing_alg": "EdDSA",
        "request_uris": [f"{address}{PATH}/request/"],
        "response_uris": [f"{address}{PATH}/response/"],
        "vp_formats_supported": {FORMAT: {"sd-jwt_alg_values": ["EdDSA"], "kb-jwt_alg_values": ALGORITHMS}},
    }


def request_uri(issuer: str, request_id: UUID) -> str:
    """Where a wallet fetches the request object."""
    return f"{issuer.rstrip('/')}{PATH}/request/{request_id}"


def qr_text(issuer: str, request_id: UUID) -> str:
    """What the QR code carries."""
    return "openid4vp://?" + urlencode({"client_id": client_id(issuer), "request_uri": request_uri(issuer, request_id)})


def request_object(asked: PresentationRequest, *, offer: Offer, verifier: Verifier) -> str:
    """The signed request (RFC 9101): who asks, for which offer, and what proves that the answer is to this request."""
    public_offer = verifier.offer_public_id(offer.id)
    who = {"partner": verifier.partner_public_id(offer.partner.id), "partnerName": offer.partner.name}
    what = {"offer": public_offer, "offerTitle": offer.terms.title, "site": asked.site}
    wanted = {
        "id": QUERY,
        "format": FORMAT,
        "meta": {"vct_values": [VCT]},
        "claims": [{"path": [BENEFIT, "offer"], "values": [public_offer]}],
    }
    us = client_id(verifier.issuer)
    claims = {
        "iss": us,
        "aud": "https://self-issued.me/v2",
        "iat": int(asked.created_at.timestamp()),
        "exp": int(asked.expires_at.timestamp()),
        "client_id": us,
        "response_type": "vp_token",
        "response_mode": "direct_post",
        "response_uri": f"{verifier.issuer.rstrip('/')}{PATH}/response/{asked.id}",
        "nonce": asked.nonce,
        "state": str(asked.id),
        "dcql_query": {"credentials": [wanted]},
        "verifier_info": [{"format": "urn:xinyi:partner:1", "data": who | what}],
    }
    return sign(verifier.keys, "presentation", claims)
