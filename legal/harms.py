"""What a partner's own words for an offer stand for. One thing to know: a word that takes something away names the rule
it breaks here, and has no counterpart in `legal.effects`, so it can be refused and never be stored."""

from __future__ import annotations

from dataclasses import dataclass

from legal.effects import Effect


@dataclass(frozen=True, slots=True)
class Harm:
    """What a harmful word does, and the rules it breaks: of a protected service or right, of a loan, and elsewhere."""

    does: str
    protected: tuple[str, ...]
    elsewhere: tuple[str, ...]
    loan: tuple[str, ...]


_DENIED = Harm("对一部分人拒绝或停止服务", ("L5",), ("L11",), ("L10",))
_CONDITION = Harm("把信用当成得到服务的条件", ("L5",), ("L11",), ("L10",))
_LESS = Harm("一部分人得到的比标准服务少", ("L5",), ("L11",), ("L11",))
_SLOWER = Harm("一部分人等得更久", ("L5",), ("L11",), ("L11",))
_DEARER = Harm("一部分人付得更多", ("L5", "L11"), ("L11",), ("L11",))
_BURDEN = Harm("一部分人要多办或多交", ("L5", "L11"), ("L11",), ("L11",))
_FIRST = Harm("一部分人排到别人前面", ("L4", "L5"), ("L4",), ("L4",))
_SHARE = Harm("从大家共用的份额里切出一块,或只给一部分人", ("L4", "L5"), ("L4",), ("L4",))
_CODE = Harm("标准服务要先出示信用码或登录", ("L2", "L5"), ("L2",), ("L2",))
_SHAME = Harm("让旁人看出一个人的信用", ("L13",), ("L13",), ("L13",))
_PRICE = Harm("用信息、同意、捐赠、沉默、信仰或家人换优惠", ("L11",), ("L11",), ("L11",))
_INSPECT = Harm("一部分人多受检查", ("L7",), ("L7",), ("L7",))

_WORDS: dict[Harm, str] = {
    _DENIED: "deny denial denied refuse refusal refused reject rejection exclude exclusion ban block suspend terminate"
    " stop cancel revoke disqualify no-service turn-away expel evict",
    _CONDITION: "access-condition access condition eligibility-condition entry-condition admission-condition gate"
    " credit-condition precondition threshold-for-access restricted-access restriction restrict limit-access",
    _LESS: "less fewer reduce-service reduced-service downgrade lower-quality worse reduced limit limited shorter"
    " shorter-term cut partial lower-quota quality-tier service-tier lesser degrade degraded",
    _SLOWER: "slower slow delay delayed longer-wait wait later longer-time postpone longer-processing last-in-line",
    _DEARER: "price-tier price-tiers tiered-price tiered-pricing surcharge extra-fee extra-charge mark-up markup"
    " price-rise price-increase higher-price dearer penalty-fee fine rate-increase higher-rate fee-increase"
    " dynamic-pricing price-discrimination penalty",
    _BURDEN: "deposit extra-deposit deposit-required higher-deposit deposit-increase extra-condition extra-papers"
    " more-papers extra-documents guarantee-required prepayment prepay pay-first upfront-payment extra-check",
    _FIRST: "priority queue-jump jump-queue skip-queue skip-line fast-track fast-lane first-in-line"
    " precedence preference priority-lane priority-queue earlier ahead-of-others",
    _SHARE: "reserved-share reserve reserved reserved-quota reserved-place set-aside exclusive"
    " exclusivity exclusive-access exclusive-use members-only quota-share only",
    _CODE: "code-required code-first login-required sign-in-required score-required registration-required",
    _SHAME: "shame label badge colour color colour-code red-mark blacklist public-list display-score name-and-shame"
    " show-grade",
    _PRICE: "data-required data-collection consent-required donation-required share-data marketing-consent",
    _INSPECT: "more-inspections extra-inspections more-checks",
}
HARMS: dict[str, Harm] = {word: harm for harm, words in _WORDS.items() for word in words.split()}
"""Words for effects that take something away, and what they do."""

ADDITIONS: dict[str, Effect] = {effect.value: effect for effect in Effect} | {
    "discount": Effect.FEE_REDUCTION,
    "fee-discount": Effect.FEE_REDUCTION,
    "free": Effect.FEE_WAIVER,
    "pay-later": Effect.DEFERRED_PAYMENT,
    "deposit-free": Effect.DEPOSIT_WAIVER,
    "coupon": Effect.VOUCHER,
}
"""Words for effects that add something."""
