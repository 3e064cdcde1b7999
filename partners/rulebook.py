"""All rules of a deployment, read and checked once at start. One thing to know: a broken file stops the start, and only
versions of models published here join them later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from core.datafile import Document, RuleFile
from core.errors import StartupError
from core.places import Places, english_words, load_places
from legal.measures import MeasureList, load_measures
from legal.protected import ProtectedList, load_protected
from legal.terms import Ladder
from partners.kinds import BenefitKind, benefit_kinds
from scoring.cases.repair import RepairRules, load_repairs
from scoring.catalogue import Catalogue, load_catalogues
from scoring.consent.purposes import Purposes, load_purposes
from scoring.deadlines import Entitlements, load_deadlines
from scoring.engine import no_record_grade
from scoring.indicators import Indicators, load_indicators
from scoring.inputs import Inputs, result_on
from scoring.inspection import InspectionRules, load_inspections
from scoring.lending import LendingRules, load_lending
from scoring.life.versions import PublishedVersion, join_versions, published_versions
from scoring.model import Grade, Model, Recognition
from scoring.models import Models, load_models
from scoring.queries.matters import Matter, load_matters
from scoring.recognition import load_recognitions
from scoring.statistics import StatisticsRules, load_statistics
from scoring.subjects import SubjectDataFault


class EnrollmentNotice(Document):
    """What somebody reads before taking part, and consents to."""

    version: str
    text: str


@dataclass(frozen=True, eq=False)
class Rulebook:
    """Places, models, the guard's lists, kinds and the notice."""

    places: Places
    served: tuple[str, ...]
    founding: Models
    """The models that came with the folders."""
    models: Models
    """These and the versions published here, as they hold from day to day."""
    indicators: Mapping[str, Indicators]
    """What models may look at, by place."""
    catalogues: Mapping[str, Catalogue]
    """What may be collected, by place."""
    entitlements: Entitlements
    """Deadlines and rights, by place."""
    repairs: Mapping[str, RepairRules]
    """How a record is repaired, by place."""
    purposes: Mapping[str, Purposes]
    """What a consent can be given for, by place."""
    protected: Mapping[str, ProtectedList]
    measures: Mapping[str, MeasureList]
    """The published incentive measures, by place."""
    lending: Mapping[str, LendingRules]
    """What a bank may learn for a loan, by place."""
    notice: EnrollmentNotice
    recognitions: tuple[Recognition, ...]
    inspections: Mapping[str, InspectionRules]
    """Of the places that have some."""
    statistics: StatisticsRules
    matters: Mapping[str, Mapping[str, Matter]]
    """For what a query right opens by itself, by place and id."""
    english: Mapping[str, str]
    """What the files name and say, in English: Chinese → English."""
    published: tuple[PublishedVersion, ...] = ()

    @cached_property
    def kinds(self) -> Mapping[str, BenefitKind]:
        """Benefit kinds by code."""
        return benefit_kinds()

    def lineage(self, place: str) -> tuple[str, ...]:
        """The place and its parents.

        Raises:
            SubjectDataFault: there is no such place, so whoever is said to belong to it has a fault in its data.
        """
        if place not in self.places:
            raise SubjectDataFault("place: unknown")
        return self.places[place].lineage

    @lru_cache(maxsize=256)  # noqa: B019  # another rulebook only when a model is published
    def models_for(self, place: str, subject_kind: str, on: date) -> tuple[Model, ...]:
        """The models that apply to a subject of this place and kind on that day.

        Raises:
            SubjectDataFault: there is no such place.
        """
        self.lineage(place)
        return tuple(model for model in self.models.in_force(place, on) if model.subject == subject_kind)

    def ladder(self, model: Model, *, on: date) -> Ladder:
        """What the guard needs to know of a model on that day."""
        unrecorded = _best_no_record_grade(model, on)
        return Ladder(
            model=model.id,
            subject=model.subject,
            grades=tuple(grade.code for grade in model.grades),
            no_record=unrecorded.code if unrecorded else None,
            checksum=model.checksum,
        )


def _best_no_record_grade(model: Model, on: date) -> Grade | None:
    """What counts for somebody with no record: on days of grace, the better of what the two versions give."""
    better = result_on(model, Inputs(), on=on).better
    return better.grade if better else no_record_grade(model, on)


def load_rulebook(root: Path, served: tuple[str, ...]) -> Rulebook:
    """Read everything under `jurisdictions/`; `served` names the places of this deployment, empty means all.

    Raises:
        DataFileError: a file is broken; the message names file, line and what to do.
        StartupError: a place served does not exist.
    """
    places = load_places(root)
    unknown = [code for code in served if code not in places]
    if unknown:
        raise StartupError(f"XINYI_PLACES 中的 {'、'.join(unknown)} 不存在。现有:{'、'.join(places)}。")
    indicators = load_indicators(places)
    models = load_models(places)
    recognitions = load_recognitions(places, models)
    models = models.recognising(recognitions)
    return Rulebook(
        places=places,
        served=served or tuple(places),
        founding=models,
        models=models,
        indicators=indicators,
        catalogues=load_catalogues(places, indicators),
        entitlements=load_deadlines(places),
        repairs=load_repairs(places),
        purposes=load_purposes(places),
        protected={code: load_protected(places, code) for code in places},
        measures={code: load_measures(places, code) for code in places},
        lending=load_lending(places, indicators),
        notice=RuleFile(root / "cn" / "enrollment-notice.yaml", root=root).parse(EnrollmentNotice),
        recognitions=recognitions,
        inspections=load_inspections(places, models),
        statistics=load_statistics(places, models),
        matters=load_matters(places),
        english=english_words(places),
    )


async def with_published(connection: AsyncConnection, rulebook: Rulebook) -> Rulebook:
    """The rulebook with the versions published by now; itself where nothing was published or rolled back since.

    Raises:
        StartupError: a published version is broken under today's checks.
    """
    published = await published_versions(connection)
    if published == rulebook.published:
        return rulebook
    models = join_versions(rulebook.founding, published, rulebook.places).recognising(rulebook.recognitions)
    return replace(rulebook, models=models, published=published)
