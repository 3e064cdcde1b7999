"""What an offer may add to the standard service. One thing to know: the list is closed and no member takes anything
away, so an outcome worse than the standard service cannot be written down."""

from __future__ import annotations

from enum import StrEnum


class Effect(StrEnum):
    """An addition to the standard service (《黑龙江省社会信用条例》第二十六条). Values are stored and published."""

    FEE_REDUCTION = "fee-reduction"
    FEE_WAIVER = "fee-waiver"
    DEPOSIT_WAIVER = "deposit-waiver"
    DEFERRED_PAYMENT = "deferred-payment"
    PAPERS_LATER = "papers-later"
    SEPARATE_LANE = "separate-lane"
    EXTRA_CAPACITY = "extra-capacity"
    EXTRA = "extra"
    VOUCHER = "voucher"
    GIFT = "gift"
    LONGER_TERM = "longer-term"
    PUBLICITY = "publicity"
    TIE_BREAK = "tie-break"
    BONUS_POINTS = "bonus-points"
    FEWER_INSPECTIONS = "fewer-inspections"
    ADVICE = "advice"


ADDED_CAPACITY = frozenset({Effect.SEPARATE_LANE, Effect.EXTRA_CAPACITY})
"""Nobody else loses by these only while what everybody uses stays as it was (L4)."""

RELATIVE = frozenset({Effect.TIE_BREAK, Effect.BONUS_POINTS})
"""What one gains here another loses. Lawful where law and a published notice name it (L4, L8), and therefore
listed apart from the theorem: it promises nothing about them."""

PRICE = frozenset({Effect.FEE_REDUCTION, Effect.FEE_WAIVER})
"""Change what the service costs. On a protected service only from a named budget, and never without a human (L5)."""

PRESENT = frozenset({Effect.VOUCHER, Effect.GIFT})
"""Given beside the service. On a protected service only at someone else's cost (L5)."""

PROTECTED_FREELY = frozenset(
    {Effect.DEFERRED_PAYMENT, Effect.DEPOSIT_WAIVER, Effect.PAPERS_LATER, Effect.ADVICE, Effect.EXTRA}
)
"""Leave access, order, price, quality and speed of a protected service as they are (L5)."""

PROTECTED_BY_HUMAN = frozenset({Effect.LONGER_TERM, Effect.PUBLICITY})
"""Whether these touch a protected service depends on the service: a person judges (L5)."""
