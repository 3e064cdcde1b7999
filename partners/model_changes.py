"""Changes of models as they meet the offers that go by them. One thing to know: what a version would do to offers is
known before it is published, and publishing or rolling back tells every process in its own transaction."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import day_of
from core.database import Database
from partners.catalogue import Catalogue, Offer, bump_catalogue, load_catalogue
from partners.rulebook import Rulebook
from partners.tables import redemptions, verifications
from scoring.life.governance import Act, State, check_run, drafted_model, find_version, record_run
from scoring.life.publication import publish_version, roll_back
from scoring.life.rehearsal import rehearse
from scoring.life.simulation import OfferThreshold
from scoring.life.versions import in_force

_YEAR = timedelta(days=365)


async def run_version(
    database: Database, rulebook: Rulebook, act: Act, *, to: State, most: int | None = None
) -> Row[Any]:
    """Simulate a version (`to` SIMULATED), or run it beside the one in force (SHADOW), over the deployment's people.

    Nobody's outcome is touched. `most`: refuse a larger population. Returns the row of `model_versions`.

    Raises:
        UnknownVersion, BadModel, NotSimulated, NotReviewed, WrongState, TooManySubjects, NobodyToSimulate
    """
    async with database.reading() as connection:
        row = await find_version(connection, act.model, act.version)
        check_run(row, to)
        catalogue = await load_catalogue(connection, rulebook, on=day_of(act.now))
        offers = await offer_thresholds(connection, model=act.model, catalogue=catalogue, now=act.now)
    models, places = catalogue.rulebook.models, rulebook.places
    rehearsal = await rehearse(
        database,
        after=drafted_model(row, models=models, places=places),
        before=in_force(models, act.model, day_of(act.now)),
        offers=offers,
        places=places,
        now=act.now,
        most=most,
    )
    async with database.transaction() as connection:
        return await record_run(connection, act, to=to, rehearsal=rehearsal)


async def publish_model(
    connection: AsyncConnection, rulebook: Rulebook, act: Act, *, in_force_from: date | None = None
) -> Row[Any]:
    """Publish a version from a day on, tomorrow where none is given (`scoring.life.publication`)."""
    catalogue = await load_catalogue(connection, rulebook, on=day_of(act.now))
    row = await publish_version(
        connection,
        act,
        in_force_from=in_force_from or day_of(act.now) + timedelta(days=1),
        offers=await offer_thresholds(connection, model=act.model, catalogue=catalogue, now=act.now),
        founding=rulebook.founding,
        places=rulebook.places,
    )
    await bump_catalogue(connection)
    return row


async def roll_back_model(
    connection: AsyncConnection, rulebook: Rulebook, *, actor: str, model: str, reason: str, now: datetime
) -> Row[Any]:
    """End the newest published version of a model as of today; see `scoring.life.publication.roll_back`."""
    catalogue = await load_catalogue(connection, rulebook, on=day_of(now))
    row = await roll_back(
        connection,
        actor=actor,
        model=model,
        reason=reason,
        offers=await offer_thresholds(connection, model=model, catalogue=catalogue, now=now),
        founding=rulebook.founding,
        places=rulebook.places,
        now=now,
    )
    await bump_catalogue(connection)
    return row


async def offer_thresholds(
    connection: AsyncConnection, *, model: str, catalogue: Catalogue, now: datetime
) -> list[OfferThreshold]:
    """The published offers that go by the model, by id, with what each paid out in the year before."""
    found = published_offers(catalogue, model=model, on=day_of(now))
    spent = await _spent(connection, offers=[offer.id for offer in found], since=now - _YEAR)
    return [
        OfferThreshold(
            offer=str(offer.id),
            title=f"{offer.partner.name} {offer.terms.title}",
            threshold=offer.terms.threshold,
            places=_homes(offer, catalogue.rulebook),
            spent_fen=spent.get(offer.id),
        )
        for offer in found
    ]


def published_offers(catalogue: Catalogue, *, model: str, on: date) -> list[Offer]:
    """The offers by that model that are open on the day or will be."""
    return [
        offer for _, offer in sorted(catalogue.offers.items()) if offer.model.id == model and offer.is_published(on)
    ]


def _homes(offer: Offer, rulebook: Rulebook) -> frozenset[str]:
    """The places whose subjects may have it: those it is open to and all below."""
    return frozenset(code for code in rulebook.places if not offer.places.isdisjoint(rulebook.lineage(code)))


async def _spent(connection: AsyncConnection, *, offers: list[int], since: datetime) -> dict[int, int]:
    statement = (
        select(verifications.c.offer_id, func.sum(redemptions.c.amount_fen))
        .join(
            verifications,
            (verifications.c.subject_id == redemptions.c.subject_id)
            & (verifications.c.id == redemptions.c.verification_id),
        )
        .where(
            verifications.c.offer_id.in_(offers),
            redemptions.c.at > since,
            redemptions.c.reversed_at.is_(None),
            redemptions.c.amount_fen.is_not(None),
        )
        .group_by(verifications.c.offer_id)
    )
    return {offer: int(total) for offer, total in await connection.execute(statement)}
