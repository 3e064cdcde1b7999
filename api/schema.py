"""Joins the features into one schema."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.schema.config import StrawberryConfig

from api.access import AccessQueries
from api.alarms import AlarmMutations, AlarmQueries
from api.audit import AuditQueries
from api.case_requests import CaseRequestQueries, CaseRequests
from api.casework import CaseworkMutations
from api.conformance import ConformanceMutations, ConformanceQueries
from api.consenting import ConsentMutations
from api.consents import ConsentQueries
from api.context import Info
from api.governance import GovernanceMutations, GovernanceQueries
from api.grants import GrantMutations, GrantQueries
from api.ids import any_key
from api.intake import IntakeQueries
from api.labels import LabelMutations, LabelQueries
from api.leaving import LeavingMutations
from api.lending import LoanMutations
from api.loan_figures import LoanFigureQueries
from api.loans import LoanQueries
from api.mandates import MandateMutations, MandateQueries
from api.measures import MeasureQueries
from api.memberships import MembershipQueries
from api.models import ModelQueries
from api.node import Node
from api.notices import NoticeMutations
from api.offer_work import OfferWorkQueries
from api.offers import OfferQueries, find_offer, find_partner
from api.onboarding import OnboardingMutations
from api.ordering import OrderMutations
from api.orders import OrderQueries
from api.outcomes import OutcomeMutations
from api.partner_keys import PartnerKeyMutations, PartnerKeyQueries
from api.permissions import ANYONE, AccessRules, Audience, access
from api.publication import PublicationQueries
from api.publishing import PublishingMutations
from api.queries import QueryRightMutations, QueryRightQueries
from api.records import RecordMutations
from api.registered import leads_to
from api.registry import RegistryMutations, RegistryQueries
from api.reports import ReportMutations, ReportQueries
from api.results import ResultMutations
from api.sandbox_acts import SandboxMutations
from api.scalars import FEN, Fen
from api.settlement import SettlementQueries
from api.standing_offers import StandingOfferMutations
from api.statistics import StatisticsQueries
from api.subjects import SubjectMutations, SubjectQueries, signed_in_subject
from api.usage import UsageQueries
from api.verification import VerificationMutations
from api.webhook_acts import WebhookMutations
from api.webhooks import WebhookQueries
from api.worklists import WorklistQueries
from core.errors import BadInput, Unauthenticated


@strawberry.type(description="What can be asked.")
class Query(
    SubjectQueries,
    OfferQueries,
    OfferWorkQueries,
    StatisticsQueries,
    ModelQueries,
    GovernanceQueries,
    RegistryQueries,
    MandateQueries,
    PublicationQueries,
    ReportQueries,
    ConsentQueries,
    AccessQueries,
    AuditQueries,
    CaseRequestQueries,
    WorklistQueries,
    IntakeQueries,
    MembershipQueries,
    PartnerKeyQueries,
    AlarmQueries,
    SettlementQueries,
    UsageQueries,
    QueryRightQueries,
    WebhookQueries,
    ConformanceQueries,
    LabelQueries,
    GrantQueries,
    MeasureQueries,
    OrderQueries,
    LoanQueries,
    LoanFigureQueries,
):
    """All queries."""

    @strawberry.field(
        description="An object by its id; null for whatever the caller could not reach otherwise.",
        directives=access(ANYONE),
    )
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="An id that this interface gave out.")],  # noqa: A002
    ) -> Node | None:
        """Relay's node."""
        context = info.context
        try:
            type_name, key = any_key(id)
        except BadInput:
            return None
        if type_name == "Offer":
            return await find_offer(context, key)
        if type_name == "Partner":
            return await find_partner(context, key)
        audience = Audience(context.claims.role.value) if context.claims else Audience.ANYONE
        if type_name == "CreditSubject" and ACCESS.may_reach("CreditSubject", audience):
            try:
                subject = await signed_in_subject(context)
            except Unauthenticated:
                return None
            return subject if subject.held.id == key or await leads_to(context, key, subject.held.id) else None
        return None


@strawberry.type(description="What can be done. Every result is the thing done or a Problem.")
class Mutation(
    SubjectMutations,
    VerificationMutations,
    PublishingMutations,
    StandingOfferMutations,
    ResultMutations,
    GovernanceMutations,
    RegistryMutations,
    MandateMutations,
    ConsentMutations,
    CaseRequests,
    CaseworkMutations,
    RecordMutations,
    ReportMutations,
    LeavingMutations,
    OnboardingMutations,
    PartnerKeyMutations,
    AlarmMutations,
    NoticeMutations,
    OutcomeMutations,
    QueryRightMutations,
    WebhookMutations,
    SandboxMutations,
    ConformanceMutations,
    LabelMutations,
    OrderMutations,
    LoanMutations,
    GrantMutations,
):
    """All mutations."""


SCHEMA = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    config=StrawberryConfig(scalar_map={Fen: FEN}),
)
ACCESS = AccessRules(SCHEMA._schema)
"""Who may read which field of the schema."""


def sdl() -> str:
    """The schema as text, as it stands in `schema.graphql`."""
    return SCHEMA.as_str() + "\n"
