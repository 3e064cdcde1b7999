"""What the usual way declares: mapped classes over the product's tables, and models of requests and responses."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy.orm import DeclarativeBase, relationship

from core import audit
from core.database import metadata
from partners import tables
from partners.eligibility import Outcome
from scoring import tables as scoring_tables


class Base(DeclarativeBase):
    """Mapped classes share the product's tables."""

    metadata = metadata


class Account(Base):
    __table__ = tables.accounts


class Partner(Base):
    __table__ = tables.partners


class Quota(Base):
    __table__ = tables.quotas


class Offer(Base):
    __table__ = tables.offers
    partner = relationship(Partner, lazy="raise")
    quota = relationship(Quota, lazy="raise", uselist=False)


class Subject(Base):
    __table__ = scoring_tables.subjects


class Enrollment(Base):
    __table__ = scoring_tables.enrollments


class Score(Base):
    __table__ = scoring_tables.scores

    @property
    def score_mac(self) -> bytes | None:
        """As a row of ours calls it."""
        return self.mac  # type: ignore[attr-defined,no-any-return]


class Verification(Base):
    __table__ = tables.verifications


class Redemption(Base):
    __table__ = tables.redemptions


class AccessEvent(Base):
    __table__ = tables.access_events


class AuditEntry(Base):
    __table__ = audit.audit_entries


class Answer(Base):
    __table__ = tables.answers


class SecurityEvent(Base):
    __table__ = tables.security_events


Label = Annotated[str, Field(min_length=1, max_length=40)]


class ScanIn(BaseModel):
    """What a partner sends."""

    requestId: Annotated[str, Field(min_length=1, max_length=128)]  # noqa: N815
    code: str
    offerId: str  # noqa: N815
    clerk: Label | None = None
    site: Label | None = None


class VerificationOut(BaseModel):
    id: str
    outcome: Outcome
    benefit: str | None
    receipt: str
    expiresAt: datetime  # noqa: N815


class ProblemOut(BaseModel):
    code: str
    message: str


class Named(BaseModel):
    id: str
    name: str


class Coded(BaseModel):
    code: str
    name: str


class LineOut(BaseModel):
    rule: str
    label: str
    points: Decimal


class ScoreOut(BaseModel):
    model: Named
    points: Decimal | None
    grade: Coded | None
    lines: list[LineOut]
    evaluatedAt: datetime  # noqa: N815


class OfferOut(BaseModel):
    id: str
    title: str
    standardService: str  # noqa: N815
    benefit: str
    kind: Coded
    partner: Named


class BenefitOut(BaseModel):
    available: bool
    whyNot: list[ProblemOut]  # noqa: N815
    offer: OfferOut


class EdgeOut(BaseModel):
    cursor: str
    node: BenefitOut


class PageOut(BaseModel):
    hasNextPage: bool  # noqa: N815
    endCursor: str | None  # noqa: N815


class BenefitsOut(BaseModel):
    edges: list[EdgeOut]
    pageInfo: PageOut  # noqa: N815


class ProfileOut(BaseModel):
    scores: list[ScoreOut]
    benefits: BenefitsOut
