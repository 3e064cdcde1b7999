"""What the reference client does at each step of a conformance run, as a partner's program would. One thing to know:
every request has an id of its own, and a retry has the id of the request it repeats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import jwt

from cli.partner_client import Receiver, SandboxClient

RUN = """... on ConformanceRun { id state webhookSecret offers { role id }
  steps { code title instruction mandatory passed missing materials } }"""
_CODE = "... on SandboxCode { token expiresAt offerId }"
_VERIFICATION = "... on Verification { id outcome benefit receipt expiresAt }"
STANDARD = ("STANDARD", "NOT_ENROLLED", "MINOR", "NO_CONSENT", "DATA_FAULT", "LIMIT_REACHED")


class Program:
    """A partner's program, reduced to what a run asks of it."""

    def __init__(self, client: SandboxClient, run: dict[str, Any], receiver: Receiver) -> None:
        self._client, self._run, self._receiver = client, run, receiver
        self._offers = {offer["role"]: offer["id"] for offer in run["offers"]}

    def handle(self, step: str) -> None:
        """Do what a step asks for; nothing for one that needs nothing, or that this program does not know."""
        acts: dict[str, Callable[[], None]] = {
            "BENEFIT": self._benefit,
            "STANDARD": self._standard,
            "SAME_REQUEST": self._same_request,
            "UNAVAILABLE": self._unavailable,
            "REPLAYED": lambda: self._stale("REPLAYED"),
            "EXPIRED": lambda: self._stale("EXPIRED"),
            "FORGED": lambda: self._stale("FORGED"),
            "OTHER_OFFER": lambda: self._stale("OTHER_OFFER"),
            "CONFLICT": self._conflict,
            "OFFER_CLOSED": lambda: self._refused_at("CLOSED"),
            "QUOTA_EXHAUSTED": lambda: self._refused_at("EXHAUSTED"),
            "REVERSAL": self._reversal,
            "RELEASE": self._release,
            "SLOW": self._slow,
            "PAY_LATER": self._pay_later,
            "RECEIPTS": lambda: self._receipts("RECEIPTS"),
            "KEY_CHANGE": lambda: self._receipts("KEY_CHANGE"),
            "WEBHOOKS": self._webhooks,
        }
        if step in acts:
            acts[step]()

    def _code(self, persona: str = "BENEFIT", fault: str = "NONE") -> tuple[str, str]:
        """The token that a synthetic person shows, and the offer to scan it at."""
        code = self._client.do("sandboxCode", _CODE, persona=persona, fault=fault)
        return code["token"], code["offerId"]

    def _verify(self, token: str, offer: str, *, request: str | None = None) -> dict[str, Any]:
        asked = {"requestId": request or str(uuid4()), "code": token, "offerId": offer}
        return self._client.do("verifyCreditCode", _VERIFICATION, **asked)

    def _redeem(self, verification: dict[str, Any]) -> dict[str, Any]:
        asked = {"requestId": str(uuid4()), "verificationId": verification["id"]}
        return self._client.do("redeemBenefit", "... on Redemption { id redeemedAt }", **asked)

    def _serve(self, persona: str = "BENEFIT") -> dict[str, Any]:
        """Somebody shows a code: the benefit is given where it applies, and the standard service where it does not."""
        verification = self._verify(*self._code(persona))
        if verification.get("outcome") == "BENEFIT_APPLIES":
            return self._redeem(verification)
        return {}

    def _benefit(self) -> None:
        self._serve()

    def _standard(self) -> None:
        for persona in STANDARD:
            self._serve(persona)

    def _same_request(self) -> None:
        request, (token, offer) = str(uuid4()), self._code()
        self._verify(token, offer, request=request)
        self._verify(token, offer, request=request)

    def _unavailable(self) -> None:
        request, (token, offer) = str(uuid4()), self._code(fault="UNAVAILABLE")
        for _ in range(3):
            if self._verify(token, offer, request=request).get("code") != "UNAVAILABLE":
                return

    def _stale(self, fault: str) -> None:
        """A code that will not do: ask its holder for a fresh one."""
        self._verify(*self._code(fault=fault))
        self._serve()

    def _conflict(self) -> None:
        request = str(uuid4())
        self._verify(*self._code(), request=request)
        token, offer = self._code()
        if self._verify(token, offer, request=request).get("code") == "REQUEST_CONFLICT":
            self._verify(token, offer)

    def _refused_at(self, role: str) -> None:
        token, _ = self._code()
        self._verify(token, self._offers[role])

    def _reversal(self) -> None:
        redemption = self._serve()
        asked = {"requestId": str(uuid4()), "redemptionId": redemption["id"], "reason": "联调:取消订单"}
        self._client.do("reverseRedemption", "... on ReversedRedemption { id reversedAt }", **asked)

    def _release(self) -> None:
        verification = self._verify(*self._code())
        asked = {"requestId": str(uuid4()), "verificationId": verification["id"]}
        self._client.do("releaseVerification", "... on ReleasedVerification { id releasedAt }", **asked)

    def _slow(self) -> None:
        verification = self._verify(*self._code(fault="SLOW"))
        if verification.get("outcome") == "BENEFIT_APPLIES":
            self._redeem(verification)

    def _pay_later(self) -> None:
        token, _ = self._code()
        verification, shown = self._verify(token, self._offers["PAY_LATER"]), "... on Order { id state }"
        proposed = {"verificationId": verification["id"], "title": "普通门诊", "amountFen": 12_000}
        order = self._client.do("createOrder", shown, requestId=str(uuid4()), **proposed)
        self._client.do("confirmSandboxOrder", shown, orderId=order["id"])
        for act, amount in (
            ("startOrder", {}),
            ("completeOrder", {"amountFen": 11_500}),
            ("recordPayment", {"amountFen": 11_500}),
        ):
            self._client.do(act, shown, requestId=str(uuid4()), orderId=order["id"], **amount)

    def _receipts(self, step: str) -> None:
        """Look the keys up anew each time: one of them may have come since."""
        keys = {key["kid"]: key for key in self._client.get("/.well-known/jwks.json")["keys"]}
        materials = next(one["materials"] for one in self._run["steps"] if one["code"] == step)
        genuine = [letter for letter, receipt in zip("ABCDEF", materials, strict=False) if _is_genuine(receipt, keys)]
        self._report(step, "".join(genuine))

    def _webhooks(self) -> None:
        if not self._run["webhookSecret"]:
            return
        self._receiver.secret = self._run["webhookSecret"]
        self._receiver.taken.clear()
        self._client.do("sendConformanceWebhooks", RUN, runId=self._run["id"])
        self._report("WEBHOOKS", ",".join(self._receiver.taken.values()))

    def _report(self, step: str, verdict: str) -> None:
        self._client.do("reportConformance", RUN, runId=self._run["id"], step=step, verdict=verdict)


def _is_genuine(receipt: str, keys: dict[str, Any]) -> bool:
    try:
        head = jwt.get_unverified_header(receipt)
        key = jwt.PyJWK(keys[head["kid"]])
        jwt.decode(receipt, key, algorithms=["EdDSA"], options={"verify_aud": False, "verify_iat": False})
    except (jwt.PyJWTError, KeyError):
        return False
    return head.get("typ") == "xinyi-receipt+jwt" and keys[head["kid"]].get("purpose") == "receipt"
