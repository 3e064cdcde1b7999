"""Whether a partner's program handled what it met. Pure: no clock, no database, no network.

One thing to know: a step is judged by what the sandbox saw since the run began, never by what the partner says it did;
where only the partner can know (is this receipt genuine?) it proves it by an answer that cannot be guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from partners.eligibility import Outcome
from partners.sandbox.faults import Fault
from partners.sandbox.personas import STANDARD, Persona
from partners.sandbox.synthetic import Role

VERIFY, REDEEM, REVERSE = "verifyCreditCode", "redeemBenefit", "reverseRedemption"
RELEASE, PROPOSE, PAY = "releaseVerification", "createOrder", "recordPayment"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request of a partner, as the sandbox saw it, in the order in which they were answered."""

    act: str
    request: str
    """Hash of the request id."""
    body: str = ""
    """Hash of what was asked, the request id left out."""
    code: str = ""
    persona: str = ""
    fault: str = Fault.NONE.value
    offer: str = ""
    outcome: str = ""
    problem: str = ""
    id: str = ""
    """Of the verification, redemption or reversal that came of it."""
    of: str = ""
    """Which verification or redemption was asked about."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a run is judged by."""

    seen: Sequence[Seen]
    by_key: bool
    """Whether the run was started by whoever signed in with a registered key."""
    expected: Mapping[str, str]
    """The right answer of each step that the partner reports on; a step without material has none."""
    reported: Mapping[str, str]
    webhook: Mapping[str, Any]
    """What the partner's endpoint answered, by what was sent to it: genuine, forged, again, late."""

    def scans(
        self, *, persona: Persona | None = None, fault: Fault = Fault.NONE, offer: Role | None = None
    ) -> list[Seen]:
        """The verifications of one persona, fault and offer, in order."""
        return [
            one
            for one in self.seen
            if one.act == VERIFY
            and one.fault == fault.value
            and (persona is None or one.persona == persona.value)
            and (offer is None or one.offer == offer.value)
        ]

    def follows(self, of: Seen, act: str) -> list[Seen]:
        """What was done, or tried, with what came of a request."""
        return [one for one in self.seen if one.act == act and one.of == of.id and of.id]


Judge = Callable[[Facts], str]
"""What is still missing, for the partner's engineer; empty: passed."""


def signed_in(facts: Facts) -> str:
    return (
        ""
        if facts.by_key
        else "本次运行不是用登记的公钥登录后发起的。请用私钥向 /sandbox/oauth/token 换取令牌后重新开始。"
    )


def benefit(facts: Facts) -> str:
    given = [one for one in facts.scans(persona=Persona.BENEFIT) if one.outcome == Outcome.BENEFIT_APPLIES.value]
    if not given:
        return "还没有看到对 BENEFIT 人物的核验。请取其信用码核验一次。"
    used = any(done.id for one in given for done in facts.follows(one, REDEEM))
    return "" if used else "核验得到 BENEFIT_APPLIES 之后没有核销。请用该 verificationId 调用 redeemBenefit。"


def standard(facts: Facts) -> str:
    met = {one.persona for one in facts.scans() if one.outcome == Outcome.STANDARD_SERVICE.value}
    missing = [persona.value for persona in STANDARD if persona.value not in met]
    if missing:
        return f"还没有看到对这些人物的核验:{'、'.join(missing)}。请取其信用码逐一核验。"
    return _not_redeemed(facts, [one for one in facts.seen if one.outcome == Outcome.STANDARD_SERVICE.value])


def _not_redeemed(facts: Facts, scans: Sequence[Seen]) -> str:
    tried = any(facts.follows(one, REDEEM) for one in scans)
    return "答复是 STANDARD_SERVICE,却试图核销。此时应按标准服务办理,不再核销;请改正后重新开始。" if tried else ""


def same_request(facts: Facts) -> str:
    answers: dict[tuple[str, str], list[str]] = {}
    for one in facts.seen:
        if one.act == VERIFY and one.id:
            answers.setdefault((one.request, one.body), []).append(one.id)
    repeated = any(len(ids) > 1 and len(set(ids)) == 1 for ids in answers.values())
    return "" if repeated else "还没有看到同一 requestId、同一内容的重发。请把一次核验原样再发一遍,应得到同一答复。"


def unavailable(facts: Facts) -> str:
    scans = facts.scans(fault=Fault.UNAVAILABLE)
    for one in scans:
        if one.problem != "UNAVAILABLE":
            continue
        retries = [again for again in scans if again.code == one.code]
        if {again.request for again in retries} == {one.request} and any(again.outcome for again in retries):
            return ""
    if not scans:
        return "还没有看到带 UNAVAILABLE 故障的核验。请带上这个故障核验一次。"
    return "收到 UNAVAILABLE 之后没有用同一 requestId、同一内容重试并得到答复;换用新的 requestId 不算。请重新做一次。"


def refused(fault: Fault, code: str, *, again: bool = True) -> Judge:
    """A code refused as it should be, dropped, and (`again`) the holder asked for a fresh one."""

    def judge(facts: Facts) -> str:
        turned_down = [one for one in facts.scans(fault=fault) if one.problem == code]
        if not turned_down:
            return f"还没有看到带 {fault.value} 故障、答复为 {code} 的核验。请带上这个故障核验一次。"
        first = turned_down[0]
        if len({one.request for one in facts.scans(fault=fault) if one.code == first.code}) > 1:
            return f"得到 {code} 之后又用新的 requestId 提交了同一个码。请改为请对方刷新后重新出示。"
        later = facts.seen[list(facts.seen).index(first) + 1 :]
        if again and not any(one.act == VERIFY and one.outcome and one.code != first.code for one in later):
            return f"得到 {code} 之后没有请对方重新出示:还没有看到随后对新码的核验。请换新码再核验一次。"
        return ""

    return judge


def at_offer(role: Role, code: str) -> Judge:
    def judge(facts: Facts) -> str:
        met = any(one.problem == code for one in facts.scans(offer=role)) or (
            role is Role.EXHAUSTED and any(one.problem == code for one in facts.scans(fault=Fault.QUOTA_EXHAUSTED))
        )
        return "" if met else f"还没有看到答复为 {code} 的核验。请在沙箱优惠 {role.value} 上扫一个码。"

    return judge


def conflict(facts: Facts) -> str:
    for one in facts.seen:
        if one.act == VERIFY and one.problem == "REQUEST_CONFLICT":
            mended = any(other.code == one.code and other.outcome and other.request != one.request
                         for other in facts.seen)  # fmt: skip
            return "" if mended else "得到 REQUEST_CONFLICT 之后没有把这次核验做完。请换新的 requestId 再提交。"
    return "还没有看到 REQUEST_CONFLICT。请用一个用过的 requestId 提交另一个码,再换新的 requestId 做完。"


def reversal(facts: Facts) -> str:
    done = any(one.act == REVERSE and one.id for one in facts.seen)
    return "" if done else "还没有看到冲正。请核销后用 redemptionId 调用 reverseRedemption。"


def release(facts: Facts) -> str:
    done = any(one.act == RELEASE and one.id for one in facts.seen)
    return "" if done else "还没有看到提前释放。请核验后不核销,用 verificationId 调用 releaseVerification。"


def pay_later(facts: Facts) -> str:
    """One order from the proposal to the payment."""
    proposed = {one.id for one in facts.seen if one.act == PROPOSE and one.id}
    if not proposed:
        return "还没有看到诊后付费订单。请在沙箱优惠 PAY_LATER 上核验后调用 createOrder。"
    paid = any(one.act == PAY and one.id in proposed for one in facts.seen)
    return (
        ""
        if paid
        else "订单还没有走到付款。请依次调用 confirmSandboxOrder(代本人确认)、startOrder、completeOrder、"
        "recordPayment。"
    )


def slow(facts: Facts) -> str:
    scans = facts.scans(fault=Fault.SLOW)
    for one in scans:
        same = {other.request for other in scans if other.code == one.code}
        if one.outcome and len(same) == 1 and any(done.id for done in facts.follows(one, REDEEM)):
            return ""
    if not scans:
        return "还没有看到带 SLOW 故障的核验。请带上这个故障核验一次。"
    return "慢答复没有等到底,而另起了一次核验。请等到答复(至少 10 秒)再核销,或用同一 requestId 重试。"


def reported(step: str) -> Judge:
    def judge(facts: Facts) -> str:
        if step not in facts.reported:
            return "还没有报告结果。请用 reportConformance 提交。"
        right = facts.expected.get(step) == facts.reported[step]
        return "" if right else "报告的结果不对。请逐一核对签名(公钥取自沙箱的 jwks.json),再报告一次。"

    return judge


_GENUINE = "真实的事件请答复 2xx(收到的是 {status})。"
_WEBHOOK_WORDS = {
    "genuine": _GENUINE,
    "forged": "签名不对的事件请答复 4xx(收到的是 {status})。",
    "again": "同一事件再次送达也请答复 2xx,并且只处理一次(收到的是 {status})。",
    "late": "晚到的真实事件请答复 2xx(收到的是 {status})。",
}


def webhooks(facts: Facts) -> str:
    if not facts.webhook:
        return "还没有送过事件。请在 startConformanceRun 给出 webhookUrl,再调用 sendConformanceWebhooks。"
    for sent, words in _WEBHOOK_WORDS.items():
        status = facts.webhook.get(sent) or 0
        wanted = 4 if sent == "forged" else 2
        if status // 100 != wanted:
            return words.format(status=status or "无应答")
    return reported("WEBHOOKS")(facts)
