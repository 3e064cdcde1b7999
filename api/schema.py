"""Joins the features into one schema."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import strawberry
from strawberry.schema.config import StrawberryConfig

from api.access import AccessQueries
from api.alarms import AlarmMutations, AlarmQueries
from api.audit import AuditQueries
from api.case_requests import CaseRequestQueries, CaseRequests
from api.case_terms import CaseTermQueries
from api.casework import CaseworkMutations
from api.catalogued import CatalogueQueries
from api.client_documents import DocumentMutations, DocumentQueries
from api.conformance import ConformanceMutations, ConformanceQueries
from api.consenting import ConsentMutations
from api.consents import ConsentQueries
from api.governance import GovernanceMutations, GovernanceQueries
from api.grants import GrantMutations, GrantQueries
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
from api.nodes import NodeQueries
from api.notices import NoticeMutations
from api.offer_work import OfferWorkQueries
from api.offers import OfferQueries
from api.offline import OfflineMutations, OfflineQueries
from api.onboarding import OnboardingMutations
from api.ordering import OrderMutations
from api.orders import OrderQueries
from api.outcomes import OutcomeMutations
from api.partner_keys import PartnerKeyMutations, PartnerKeyQueries
from api.past_verifications import PastVerificationQueries
from api.permissions import AccessRules
from api.publication import PublicationQueries
from api.publishing import PublishingMutations
from api.queries import QueryRightMutations, QueryRightQueries
from api.records import RecordMutations
from api.registry import RegistryMutations, RegistryQueries
from api.reports import ReportMutations, ReportQueries
from api.results import ResultMutations
from api.sandbox_acts import SandboxMutations
from api.scalars import DATE, DATE_TIME, DECIMAL, FEN, Fen
from api.sessions import SessionMutations, SessionQueries
from api.settlement import SettlementQueries
from api.standing_offers import StandingOfferMutations
from api.statistics import StatisticsQueries
from api.subjects import SubjectMutations, SubjectQueries
from api.subscriptions import Subscription
from api.usage import UsageQueries
from api.verification import VerificationMutations
from api.wallet import WalletMutations, WalletQueries
from api.webhook_acts import WebhookMutations
from api.webhooks import WebhookQueries
from api.worklists import WorklistQueries


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
    CatalogueQueries,
    CaseTermQueries,
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
    PastVerificationQueries,
    LoanQueries,
    LoanFigureQueries,
    OfflineQueries,
    WalletQueries,
    DocumentQueries,
    SessionQueries,
    NodeQueries,
):
    """All queries."""


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
    WalletMutations,
    GrantMutations,
    OfflineMutations,
    DocumentMutations,
    SessionMutations,
):
    """All mutations."""


SCHEMA = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    config=StrawberryConfig(scalar_map={Fen: FEN, date: DATE, datetime: DATE_TIME, Decimal: DECIMAL}),
)
ACCESS = AccessRules(SCHEMA._schema)
"""Who may read which field of the schema."""


def sdl() -> str:
    """The schema as text, as it stands in `schema.graphql`."""
    return SCHEMA.as_str() + "\n"
