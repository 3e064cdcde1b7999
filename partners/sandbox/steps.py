"""What a partner's program has to handle, in the order in which it is best shown. One thing to know: instructions are
read by the engineer of the partner; codes are public and never renamed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from partners.sandbox.faults import Fault
from partners.sandbox.judging import (
    Facts,
    Judge,
    at_offer,
    benefit,
    conflict,
    pay_later,
    refused,
    release,
    reported,
    reversal,
    same_request,
    signed_in,
    slow,
    standard,
    unavailable,
    webhooks,
)
from partners.sandbox.personas import STANDARD, Persona
from partners.sandbox.synthetic import Role


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to handle."""

    code: str
    title: str
    instruction: str
    judge: Judge
    mandatory: bool = True
    persona: Persona | None = None
    fault: Fault = Fault.NONE
    """What to ask `sandboxCode` for."""
    offer: Role | None = None
    """Which of the partner's sandbox offers to scan at, where that is not the one `sandboxCode` names."""


STEPS: tuple[Step, ...] = (
    Step(
        "SIGN_IN",
        "用自己的私钥登录",
        "以私钥签名的断言向 /sandbox/oauth/token 换取令牌,用它开始本次运行。",
        signed_in,
    ),
    Step(
        "BENEFIT",
        "享受优惠并核销",
        "取 BENEFIT 的码,核验得到 BENEFIT_APPLIES,随后核销。",
        benefit,
        persona=Persona.BENEFIT,
    ),
    Step(
        "STANDARD",
        "标准服务,不核销",
        f"对 {'、'.join(STANDARD)} 各核验一次:答复都是 STANDARD_SERVICE,彼此分不出,一律按标准服务办理,不核销。",
        standard,
        persona=Persona.STANDARD,
    ),
    Step(
        "SAME_REQUEST",
        "同一请求同一答复",
        "把一次核验用同一 requestId、同一内容再发一遍,得到同一答复。",
        same_request,
        persona=Persona.BENEFIT,
    ),
    Step(
        "UNAVAILABLE",
        "系统暂不可用时重试",
        "第一次会得到 UNAVAILABLE;用同一 requestId、同一内容重试即得答复。",
        unavailable,
        persona=Persona.BENEFIT,
        fault=Fault.UNAVAILABLE,
    ),
    Step(
        "REPLAYED",
        "用过的码",
        "得到 CODE_REPLAYED 后请对方刷新,核验新码。",
        refused(Fault.REPLAYED, "CODE_REPLAYED"),
        persona=Persona.BENEFIT,
        fault=Fault.REPLAYED,
    ),
    Step(
        "EXPIRED",
        "过期的码",
        "得到 CODE_EXPIRED 后请对方刷新,核验新码。",
        refused(Fault.EXPIRED, "CODE_EXPIRED"),
        persona=Persona.BENEFIT,
        fault=Fault.EXPIRED,
    ),
    Step(
        "FORGED",
        "伪造的码",
        "得到 CODE_INVALID,不再提交这个码。",
        refused(Fault.FORGED, "CODE_INVALID", again=False),
        persona=Persona.BENEFIT,
        fault=Fault.FORGED,
    ),
    Step(
        "OTHER_OFFER",
        "限定用于另一项优惠的码",
        "得到 CODE_OTHER_OFFER 后请对方重新出示,核验新码。",
        refused(Fault.OTHER_OFFER, "CODE_OTHER_OFFER"),
        persona=Persona.BENEFIT,
        fault=Fault.OTHER_OFFER,
    ),
    Step(
        "CONFLICT",
        "requestId 用重了",
        "用一个用过的 requestId 提交另一个码,得到 REQUEST_CONFLICT;再换新的 requestId 做完。",
        conflict,
        persona=Persona.BENEFIT,
    ),
    Step(
        "OFFER_CLOSED",
        "优惠已结束",
        "在沙箱优惠 CLOSED 上扫码,得到 OFFER_CLOSED,按标准服务办理。",
        at_offer(Role.CLOSED, "OFFER_CLOSED"),
        persona=Persona.BENEFIT,
        offer=Role.CLOSED,
    ),
    Step(
        "QUOTA_EXHAUSTED",
        "名额已满",
        "在沙箱优惠 EXHAUSTED 上扫码,得到 QUOTA_EXHAUSTED,按标准服务办理。",
        at_offer(Role.EXHAUSTED, "QUOTA_EXHAUSTED"),
        persona=Persona.BENEFIT,
        offer=Role.EXHAUSTED,
    ),
    Step(
        "REVERSAL",
        "冲正",
        "核验、核销之后冲正。",
        reversal,
        persona=Persona.BENEFIT,
    ),
    Step(
        "RELEASE",
        "提前释放",
        "核验之后不核销,提前释放保留的名额。",
        release,
        persona=Persona.BENEFIT,
    ),
    Step(
        "SLOW",
        "慢答复",
        "答复约需 6 秒:等到答复后核销,不要另起一次核验。",
        slow,
        persona=Persona.BENEFIT,
        fault=Fault.SLOW,
    ),
    Step(
        "PAY_LATER",
        "诊后付费订单(有此类优惠的机构)",
        "在沙箱优惠 PAY_LATER 上核验,createOrder,以 confirmSandboxOrder 代本人确认,再开始、完成、登记付款。",
        pay_later,
        mandatory=False,
        persona=Persona.BENEFIT,
        offer=Role.PAY_LATER,
    ),
    Step(
        "RECEIPTS",
        "分辨真假回执",
        "materials 中有若干回执,有真有假。用沙箱的 jwks.json 核对签名,把真的几张的字母按顺序连写报告(如 ACD)。",
        reported("RECEIPTS"),
    ),
    Step(
        "KEY_CHANGE",
        "签名密钥更换",
        "沙箱已换用新的回执密钥。重新取一次 jwks.json,用新公钥核对 materials 中的回执,同样报告真的几张。",
        reported("KEY_CHANGE"),
    ),
    Step(
        "WEBHOOKS",
        "接收事件",
        "沙箱依次送出:真实的、签名伪造的、重复的、晚到的事件。真实的答复 2xx,伪造的答复 4xx,"
        "重复的只处理一次;把处理过的事件的 data.word 按处理顺序用逗号连写报告。",
        webhooks,
    ),
)
REPORTED = frozenset({"RECEIPTS", "KEY_CHANGE", "WEBHOOKS"})
"""Steps that the partner reports on."""


def missing(facts: Facts) -> dict[str, str]:
    """What each step still lacks; empty where it is passed."""
    return {step.code: step.judge(facts) for step in STEPS}


def is_passed(found: Mapping[str, str]) -> bool:
    """Whether every mandatory step is."""
    return not any(found[step.code] for step in STEPS if step.mandatory)
