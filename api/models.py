"""Score models in the API: every rule of every model in force, for anyone. One thing to know: these are rules and about
nobody, so partners and people who are not signed in read them too."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Annotated

import strawberry

from api.context import Context, Info
from api.permissions import ANYONE, access
from api.scalars import SubjectKind
from core.clock import day_of
from core.errors import BadInput
from core.places import Source
from scoring.model import Model
from scoring.models import UnknownModel
from scoring.plain import plain_grade, plain_rules

PlaceCode = Annotated[
    str | None, strawberry.argument(description="Folder name of a place: its models and those it inherits.")
]
ModelId = Annotated[strawberry.ID, strawberry.argument(description="The model's stable name.")]
VersionName = Annotated[
    str | None, strawberry.argument(description="A version, in force or not; left out: the one in force today.")
]


@strawberry.type(description="Where a rule comes from.", directives=access(ANYONE))
class ModelSource:
    """A document and clause, or a reason."""

    status: str = strawberry.field(
        description="official: the document says it; interpretation: a choice had to be made; illustrative: a number "
        "made up for the place to replace."
    )
    title: str | None = strawberry.field(description="Official title of the document.")
    clause: str | None = strawberry.field(description="Its clause.")
    reason: str | None = strawberry.field(description="Why, where the document does not say it.")


@strawberry.type(description="A sort of record that a model knows.", directives=access(ANYONE))
class ModelItem:
    """Records of other sorts do not concern the model."""

    code: str = strawberry.field(description="Stable code.")
    label: str = strawberry.field(description="Its name.")
    nature: str = strawberry.field(description="honour: can only add; adverse: can only subtract.")


@strawberry.type(description="A figure that a model looks at. It can only add.", directives=access(ANYONE))
class ModelFact:
    """A missing figure lowers nothing."""

    name: str = strawberry.field(description="Stable name.")
    label: str = strawberry.field(description="What it is.")


@strawberry.type(description="A grade of a model, best first.", directives=access(ANYONE))
class ModelGrade:
    """One step of the ladder."""

    code: str = strawberry.field(description="Stable code within the model.")
    name: str = strawberry.field(description="Its name.")
    when: str = strawberry.field(description="When somebody has it, in plain words.")


@strawberry.type(description="A number of a rule.", directives=access(ANYONE))
class ModelParameter:
    """By its Chinese name."""

    name: str = strawberry.field(description="What it is.")
    value: str = strawberry.field(description="Its value.")


@strawberry.type(description="A rule of a model, in plain words and in numbers.", directives=access(ANYONE))
class ModelRule:
    """What the engine does, told from the same numbers."""

    id: str = strawberry.field(description="Id of the rule, as score lines name it.")
    label: str = strawberry.field(description="Its name.")
    operator: str = strawberry.field(description="Which operator of the model language it is.")
    sentence: str = strawberry.field(description="What it does, in one sentence that anybody understands.")
    parameters: list[ModelParameter] = strawberry.field(description="Its numbers.")
    window: str = strawberry.field(description="Which records count; empty where all do.")
    source: ModelSource = strawberry.field(description="Where it comes from.")


@strawberry.type(description="One version of a model, and the days on which it holds.", directives=access(ANYONE))
class ModelEdition:
    """A version that was rolled back to comes more than once."""

    version: str = strawberry.field(description="Give it to `scoreModel` as `version`.")
    in_force_from: date = strawberry.field(description="First day.")
    in_force_until: date | None = strawberry.field(description="First day on which it no longer holds.")


@strawberry.type(description="A score model with all its rules.", directives=access(ANYONE))
class PublicScoreModel:
    """Anyone may read it."""

    id: strawberry.ID = strawberry.field(description="The model's stable name.")
    version: str = strawberry.field(description="Its version.")
    name: str = strawberry.field(description="Its Chinese name.")
    place: str = strawberry.field(description="Folder name of the place it belongs to.")
    subject_kind: SubjectKind = strawberry.field(description="Whom it is for.")
    status: str = strawberry.field(description="official, interpretation or illustrative: that of its least rule.")
    in_force_from: date = strawberry.field(description="First day.")
    in_force_until: date | None = strawberry.field(description="First day on which it no longer holds.")
    checksum: str = strawberry.field(description="SHA-256 of its content and of what it is built on.")
    source: ModelSource = strawberry.field(description="The document behind it.")
    items: list[ModelItem] = strawberry.field(description="The sorts of record it knows.")
    facts: list[ModelFact] = strawberry.field(description="The figures it looks at.")
    grades: list[ModelGrade] = strawberry.field(description="Its grades, best first.")
    rules: list[ModelRule] = strawberry.field(description="All its rules.")

    @strawberry.field(description="Every version of this model, past and to come, the newest first.")
    def editions(self, info: Info) -> list[ModelEdition]:
        """Its text is had by `scoreModel(id:, version:)`."""
        return [
            ModelEdition(version=one.version, in_force_from=one.in_force_from, in_force_until=one.in_force_until)
            for one in reversed(info.context.state.rulebook.models.all)
            if one.id == self.id
        ]


def source_of(source: Source) -> ModelSource:
    """Where a rule of a place's files comes from."""
    return ModelSource(status=source.status, title=source.title, clause=source.clause, reason=source.reason)


@lru_cache(maxsize=256)
def _told(model: Model, begins: date, ends: date | None) -> PublicScoreModel:
    # The days beside the model: a version that was rolled back to has one content and several stretches of time.
    return PublicScoreModel(
        id=strawberry.ID(model.id),
        version=model.version,
        name=model.name,
        place=model.place,
        subject_kind=SubjectKind(model.subject),
        status=model.status,
        in_force_from=begins,
        in_force_until=ends,
        checksum=model.checksum,
        source=source_of(model.source),
        items=[ModelItem(code=code, label=item.label, nature=item.nature) for code, item in model.all_items.items()],
        facts=[ModelFact(name=name, label=fact.label) for name, fact in model.all_facts.items()],
        grades=[ModelGrade(code=one.code, name=one.name, when=plain_grade(model, one)) for one in model.grades],
        rules=[
            ModelRule(
                id=rule.id,
                label=rule.label,
                operator=rule.operator,
                sentence=rule.sentence,
                parameters=[ModelParameter(name=name, value=value) for name, value in rule.numbers],
                window=rule.window,
                source=source_of(rule.source),
            )
            for rule in plain_rules(model)
        ],
    )


def model_of(model: Model) -> PublicScoreModel:
    """A model as anyone may read it."""
    return _told(model, model.in_force_from, model.in_force_until)


async def _current(context: Context) -> None:
    """Follow what another process has published."""
    async with context.state.database.reading() as connection:
        await context.state.current_catalogue(connection)


@strawberry.type
class ModelQueries:
    """Rules are public."""

    @strawberry.field(description="The models in force today, with all their rules.", directives=access(ANYONE))
    async def score_models(self, info: Info, place: PlaceCode = None) -> list[PublicScoreModel]:
        """Of all places served, or of one and those it inherits from."""
        context = info.context
        await _current(context)
        book, on = context.state.rulebook, day_of(context.now)
        if place is not None and place not in book.places:
            raise BadInput(f"没有 {place[:40]} 这个地方。可选:{'、'.join(book.places)}。")
        wanted = book.served if place is None else (place,)
        found = {model.id: model for code in wanted for model in book.models.in_force(code, on)}
        return [model_of(model) for _, model in sorted(found.items())]

    @strawberry.field(description="One model with all its rules; null where there is none.", directives=access(ANYONE))
    async def score_model(
        self,
        info: Info,
        id: ModelId,  # noqa: A002
        version: VersionName = None,
    ) -> PublicScoreModel | None:
        """Past versions stay readable, so that an old score can be understood."""
        context = info.context
        await _current(context)
        models = context.state.rulebook.models
        try:
            return model_of(models.get(id, day_of(context.now)) if version is None else models.version(id, version))
        except UnknownModel:
            return None
