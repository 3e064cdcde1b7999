"""What somebody sends who prepares an offer. One thing to know: the terms of a kind are inputs made from the kind's own
class, so a new kind has its input at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING, Any, get_args, get_origin

import strawberry
from strawberry.utils.str_converters import to_camel_case

from api.ids import key_of, public_id
from api.scalars import Fen, show_enum
from api.verification import checked_text
from core.errors import BadInput
from legal.terms import Baseline, Citation
from partners.kinds import BenefitKind, benefit_kinds
from partners.limits import Limit, Period, Scope
from partners.offers.content import OfferDraft

LONGEST_NAME, LONGEST_TEXT, MOST_ENTRIES, LARGEST_NUMBER = 100, 500, 50, 1_000_000_000

show_enum(
    Scope,
    "What a limit counts.",
    name="LimitScope",
    PERSON="The uses of each person.",
    OFFER="All uses.",
    SITE="The uses at each site.",
)
show_enum(
    Period,
    "In which stretch of time a limit counts, in Asia/Shanghai.",
    name="LimitPeriod",
    EVER="In all.",
    DAY="In each day.",
    MONTH="In each month.",
    YEAR="In each year.",
)


@strawberry.input(description="The standard service: the same for everybody, with or without a code.")
class BaselineInput:
    """Structured, dated and sourced, so that it can be compared with a later one."""

    price_fen: Fen | None = strawberry.field(default=None, description="Price in 分; null where it is free.")
    deposit_fen: Fen | None = strawberry.field(default=None, description="Deposit in 分; null where there is none.")
    days: int | None = strawberry.field(default=None, description="Working days it takes; null where at once.")
    documents: list[str] = strawberry.field(default_factory=list, description="Papers to bring.")
    queue: str = strawberry.field(default="first-come", description="none, first-come, appointment …")
    code_required: bool = strawberry.field(default=False, description="Whether a code is asked for first: may not be.")
    source_title: str = strawberry.field(description="Title of the list or public terms that set it.")
    source_clause: str = strawberry.field(default="", description="Clause, where there is one.")
    in_force_from: date = strawberry.field(description="Since when it has been so.")


@strawberry.input(description="At most so many uses in each period.")
class LimitInput:
    """One of each scope and period."""

    scope: Scope = strawberry.field(description="What it counts.")
    period: Period = strawberry.field(description="In each day, month or year, or ever.")
    most: int = strawberry.field(description="How many.")


def _input_type(annotation: Any) -> Any:
    """The type of a field of `KindTerms` as an input has it; always optional, for what is not stated is the default."""
    if get_origin(annotation) is tuple:
        return list[str] | None
    inner = [one for one in get_args(annotation) if one is not type(None)]
    plain = next((one for one in (bool, int, date) if annotation is one or one in inner), str)
    return plain | None


def _input_of(kind: BenefitKind) -> type:
    members: dict[str, tuple[Any, Any]] = {}
    for name, stated in kind.terms.model_fields.items():
        type_ = Fen | None if name.endswith("_fen") else _input_type(stated.annotation)
        extra: Any = stated.json_schema_extra or {}
        words = "、".join(extra.get("words", ()))
        told = f"{stated.description or name}{f' One of: {words}.' if words else ''}"
        members[name] = (type_, strawberry.field(default=None, description=told))
    title = "".join(part.title() for part in kind.code.split("-"))
    return _input(f"{title}DetailsInput", members, f"Terms of {kind.name}.")


def _details_type() -> type:
    members = {
        code.replace("-", "_"): (
            _input_of(kind) | None,
            strawberry.field(default=None, description=f"Where the kind is {code}."),
        )
        for code, kind in benefit_kinds().items()
    }
    return _input("OfferDetailsInput", members, "The terms of the offer's kind: one of these.")


def _input(name: str, members: Mapping[str, tuple[Any, Any]], description: str) -> type:
    """An input of these fields. Strawberry makes the dataclass: of one made before, it forgets the descriptions."""
    body = {field: stated for field, (_, stated) in members.items()}
    annotations = {field: type_ for field, (type_, _) in members.items()}
    made = type(name, (), body | {"__annotations__": annotations, "__module__": __name__})
    return strawberry.input(made, description=description)


if TYPE_CHECKING:

    class OfferDetailsInput:
        """Made from the kinds."""
else:
    OfferDetailsInput = _details_type()


@strawberry.input(description="An offer on top of a standard service.")
class OfferInput:
    """All that is stated of an offer."""

    partner_id: strawberry.ID = strawberry.field(description="Whose offer.")
    kind: str = strawberry.field(description="Code of the kind: loan, tourism, medical …")
    model: str = strawberry.field(description="The one score model it goes by.")
    threshold: str = strawberry.field(description="Code of the lowest grade that gets the benefit.")
    title: str = strawberry.field(description="Title, in neutral words.")
    standard_service: str = strawberry.field(description="What everybody gets.")
    benefit: str = strawberry.field(description="What is added.")
    effects: list[str] = strawberry.field(description="What sort of addition: fee-reduction, deposit-waiver …")
    baseline: BaselineInput = strawberry.field(description="The standard service in figures.")
    opens_on: date = strawberry.field(description="First day.")
    closes_on: date | None = strawberry.field(default=None, description="First day on which it is closed.")
    payer: str = strawberry.field(default="partner", description="Who bears the cost.")
    budget: str = strawberry.field(default="", description="Name of the budget or sponsor, where there is one.")
    standard_lanes_unchanged: bool = strawberry.field(
        default=False, description="Declared: lanes, places and quotas open to everybody stay as they were."
    )
    also_open_to: list[str] = strawberry.field(default_factory=list, description="Places besides the partner's own.")
    districts: list[str] = strawberry.field(
        default_factory=list,
        description="Codes of the districts of the partner's place where it is given; empty: all over it.",
    )
    quota: int | None = strawberry.field(default=None, description="How many in all.")
    limit_per_person: int | None = strawberry.field(default=None, description="How many for one subject.")
    details: OfferDetailsInput | None = strawberry.field(default=None, description="The terms of its kind.")
    measure: str = strawberry.field(
        default="", description="Id of the measure of the place's published list; empty: the one that covers it."
    )
    notice: str = strawberry.field(default="", description="List or tender notice that names a tie-break or points.")
    conditions: list[str] = strawberry.field(
        default_factory=list, description="Beyond the grade: age>=N, provide:…, consent:…, or plain words."
    )
    limits: list[LimitInput] = strawberry.field(default_factory=list, description="Limits by day, month, year, site.")
    budget_fen: Fen | None = strawberry.field(
        default=None, description="What all uses may cost together, in 分; with mostFen."
    )
    most_fen: Fen | None = strawberry.field(default=None, description="The most that one use may cost, in 分.")
    exclusive_group: str = strawberry.field(default="", description="Of offers in one group a person gets only one.")
    priority: int = strawberry.field(default=0, description="The highest wins in its group.")
    basic_public_service: bool = strawberry.field(
        default=False, description="Declared: it concerns a basic public service."
    )
    statutory_right: bool = strawberry.field(default=False, description="Declared: it concerns a statutory right.")


@strawberry.input(description="An offer on top of a standard service.")
class SubmitOfferInput(OfferInput):
    """For `submitOffer`."""


@strawberry.input(description="An offer to be kept as a draft.")
class DraftOfferInput(OfferInput):
    """For `draftOffer`."""


def optional_text(name: str, value: str, longest: int = LONGEST_NAME) -> str:
    """A text that may be left out."""
    return checked_text(name, value, longest) if value else ""


def checked_list(name: str, values: list[str], most: int = MOST_ENTRIES) -> tuple[str, ...]:
    """Short texts, each once."""
    if len(values) > most:
        raise BadInput(f"{name} 最多 {most} 项。请删减。", field=name)
    return tuple(dict.fromkeys(checked_text(name, value, LONGEST_NAME) for value in values))


def baseline_in(given: BaselineInput) -> Baseline:
    """The guard's words for a standard service."""
    return Baseline(
        price_fen=given.price_fen,
        deposit_fen=given.deposit_fen or 0,
        days=given.days,
        documents=checked_list("documents", given.documents),
        queue=checked_text("queue", given.queue, 20),
        code_required=given.code_required,
        source=Citation(
            optional_text("sourceTitle", given.source_title), optional_text("sourceClause", given.source_clause)
        ),
        in_force_from=given.in_force_from,
    )


def draft_in(given: OfferInput) -> OfferDraft:
    """What was stated, each text short and printable.

    Raises:
        BadInput
    """
    if len(given.limits) > MOST_ENTRIES:
        raise BadInput(f"limits 最多 {MOST_ENTRIES} 项。请删减。", field="limits")
    if abs(given.priority) > LARGEST_NUMBER:
        raise BadInput("priority 超出范围。请填写较小的整数。", field="priority")
    return OfferDraft(
        partner_id=key_of(given.partner_id, "Partner"),
        kind=given.kind,
        model=given.model,
        threshold=given.threshold,
        title=checked_text("title", given.title, LONGEST_NAME),
        standard_service=checked_text("standardService", given.standard_service, LONGEST_TEXT),
        benefit=checked_text("benefit", given.benefit, LONGEST_TEXT),
        effects=checked_list("effects", given.effects),
        baseline=baseline_in(given.baseline),
        opens_on=given.opens_on,
        closes_on=given.closes_on,
        payer=given.payer,
        budget=optional_text("budget", given.budget),
        standard_lanes_unchanged=given.standard_lanes_unchanged,
        also_open_to=checked_list("alsoOpenTo", given.also_open_to),
        districts=checked_list("districts", given.districts),
        quota=given.quota,
        limit_per_person=given.limit_per_person,
        details=_stated(given.kind, given.details),
        measure=optional_text("measure", given.measure, 60),
        notice=optional_text("notice", given.notice, LONGEST_TEXT),
        conditions=checked_list("conditions", given.conditions),
        limits=tuple(Limit(Scope(one.scope), Period(one.period), one.most) for one in given.limits),
        budget_fen=given.budget_fen,
        most_fen=given.most_fen,
        exclusive_group=optional_text("exclusiveGroup", given.exclusive_group, 40),
        priority=given.priority,
        basic_public_service=given.basic_public_service,
        statutory_right=given.statutory_right,
    )


def _stated(kind: str, details: OfferDetailsInput | None) -> Mapping[str, Any]:
    """What was stated of the kind's terms; its own class checks it."""
    stated = {
        one.name.replace("_", "-"): getattr(details, one.name)
        for one in fields(details)  # type: ignore[arg-type]  # made from the kinds
        if getattr(details, one.name) is not None
    } if details is not None else {}  # fmt: skip
    if strangers := stated.keys() - {kind}:
        raise BadInput(
            f"这是 {kind} 类优惠,details 里却写了 {'、'.join(sorted(strangers))} 的条款。请只填本类的条款。",
            field="details",
        )
    if kind not in stated:
        return {}
    found: dict[str, Any] = {}
    for one in fields(stated[kind]):
        value = getattr(stated[kind], one.name)
        if value is None:
            continue
        if isinstance(value, str):
            value = checked_text(one.name, value, LONGEST_TEXT)
        elif isinstance(value, list):
            value = list(checked_list(one.name, value))
        elif isinstance(value, date):
            value = value.isoformat()
        found[one.name] = value
    return found


def stated_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """A version's whole content (`partners.offers.content.content_of`) as `OfferInput` has it."""
    found = _camelled({name: value for name, value in content.items() if name not in _APART})
    # Nothing and no deposit are one to the guard; an amount of the API is never 0.
    standard = {**content["baseline"], "deposit_fen": content["baseline"]["deposit_fen"] or None}
    details = {to_camel_case(content["kind"].replace("-", "_")): _camelled(content["details"])}
    limits = [
        {"scope": Scope(one["scope"]).name, "period": Period(one["period"]).name, "most": one["most"]}
        for one in content["limits"]
    ]
    return found | {
        "partnerId": public_id("Partner", content["partner_id"]),
        "baseline": _camelled(standard),
        "details": details if content["details"] else None,
        "limits": limits,
    }


_APART = ("partner_id", "baseline", "details", "limits")


def _camelled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {to_camel_case(name): value for name, value in values.items()}
