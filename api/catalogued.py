"""The places that are served and the catalogue of what may be collected there. One thing to know: both are public; what
is not an item of the catalogue does not come in (《黑龙江省社会信用条例》第十八条)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import strawberry

from api.context import Info
from api.permissions import ANYONE, access
from core.errors import BadInput
from scoring.catalogue import CatalogueItem as Item


@strawberry.type(description="A part of a place: a district, a county, a functional area.", directives=access(ANYONE))
class District:
    """As the place lists it."""

    code: str = strawberry.field(description="Division code (GB/T 2260), as arguments and inputs take it.")
    name: str = strawberry.field(description="Its Chinese name.")


@strawberry.type(description="A place that is served here.", directives=access(ANYONE))
class Place:
    """Its rules, and those it inherits, hold for its subjects."""

    code: str = strawberry.field(
        description="Folder name, as arguments and inputs take it, for example hunan-shaoyang."
    )
    name: str = strawberry.field(description="Its Chinese name.")
    districts: list[District] = strawberry.field(description="Its districts, in its order; none where it lists none.")


def districts_of(names: Mapping[str, str]) -> list[District]:
    """Districts in the API, from their names by code."""
    return [District(code=code, name=name) for code, name in names.items()]


@strawberry.type(description="A field of a catalogued item: a column of a delivery.", directives=access(ANYONE))
class CatalogueField:
    """Named as in the published standard."""

    id: str = strawberry.field(description="Code of the field.")
    label: str = strawberry.field(description="The column's name.")
    required: bool = strawberry.field(description="Whether a row without it is sent back.")
    needed: bool = strawberry.field(description="Whether a file without the column cannot be read.")
    personal: bool = strawberry.field(description="About a natural person: never opened.")


@strawberry.type(description="Something that may be collected.", directives=access(ANYONE))
class CatalogueItem:
    """Of a place's catalogue; what the places above it have written is included."""

    code: str = strawberry.field(description="Give it as `item`, also to `POST /intake`.")
    label: str = strawberry.field(description="Its name.")
    nature: str = strawberry.field(description="honour, adverse or neutral.")
    category: str = strawberry.field(description="Under which heading it stands.")
    subjects: list[str] = strawberry.field(description="About whom: person, enterprise.")
    openness: str = strawberry.field(description="public, on-query or shared.")
    provider: str = strawberry.field(description="The sort of body that provides it.")
    method: str = strawberry.field(description="How it is collected.")
    frequency: str = strawberry.field(description="How often.")
    basis: str = strawberry.field(description="Its legal basis: title and clause.")
    collection: str = strawberry.field(
        description="On what ground: published (by law), consent, or written-consent; the latter need a giveConsent."
    )
    fields: list[CatalogueField] = strawberry.field(description="Its fields, in the order of the standard.")


def _catalogued(item: Item) -> CatalogueItem:
    return CatalogueItem(
        code=item.code,
        label=item.label,
        nature=item.nature,
        category=item.category,
        subjects=list(item.subjects),
        openness=item.openness,
        provider=item.provider,
        method=item.method,
        frequency=item.frequency,
        basis=f"{item.source.title or ''}{item.source.clause or ''}",
        collection=item.collection,
        fields=[
            CatalogueField(
                id=one.id, label=one.label, required=one.required, needed=one.key, personal=one.personal
            )
            for one in item.fields
        ],
    )  # fmt: skip


@strawberry.type
class CatalogueQueries:
    """From the rules in force, for everybody."""

    @strawberry.field(description="The places that are served here, in their order.", directives=access(ANYONE))
    def served_places(self, info: Info) -> list[Place]:
        """The first one is meant wherever a place may be left out."""
        rulebook = info.context.state.rulebook
        served = [rulebook.places[code] for code in rulebook.served]
        return [Place(code=one.code, name=one.name, districts=districts_of(one.districts)) for one in served]

    @strawberry.field(
        description="What may be collected at a place: its catalogue, in the catalogue's order.",
        directives=access(ANYONE),
    )
    def catalogue_items(
        self,
        info: Info,
        place: Annotated[
            str | None, strawberry.argument(description="Code of a place; the first served if left out.")
        ] = None,
    ) -> list[CatalogueItem]:
        """Items that it inherits included."""
        rulebook = info.context.state.rulebook
        if place is not None and place not in rulebook.served:
            raise BadInput("没有这个地方。请在 place 中写明本平台服务的地方,例如 hunan-shaoyang。")
        return [_catalogued(one) for one in rulebook.catalogues[place or rulebook.served[0]].items.values()]
