"""Phones and gates for tests. One thing to know: a phone and a gate do here what theirs do outside: they hold a private
key, and a gate judges with `partners.offline.gate`, which knows no database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from factories import City, offer_id
from sqlalchemy import delete

from core.keys import b64encode
from partners.offline.gate import Accepted, Bundle, Refused, check, open_bundle, sign_use
from partners.offline.passes import show
from partners.offline.tables import offline_passes

SET = """mutation ($input: SetOfflineUseInput!) { setOfflineUse(input: $input) { __typename
  ... on OfflineChoice { on since restsSince told offer { id } } ... on Problem { code message } } }"""
PASS = """mutation ($input: IssueOfflinePassInput!) { issueOfflinePass(input: $input) { __typename
  ... on OfflinePass { text notBefore expiresAt serverTime } ... on Problem { code message } } }"""
REGISTER = """mutation ($input: RegisterGateInput!) { registerGate(input: $input) { __typename
  ... on OfflineGate { id site registeredAt endedAt } ... on Problem { code message } } }"""
END = """mutation ($input: EndGateInput!) { endGate(input: $input) { __typename
  ... on OfflineGate { id endedAt stolenSince } ... on Problem { code message } } }"""
BUNDLE = """mutation ($input: FetchOfflineBundleInput!) { fetchOfflineBundle(input: $input) { __typename
  ... on OfflineBundle { text madeAt expiresAt } ... on Problem { code message } } }"""
SYNC = """mutation ($input: SyncOfflineUsesInput!) { syncOfflineUses(input: $input) { __typename
  ... on OfflineSync { uses { counter accepted problem message receipt redemptionId } }
  ... on Problem { code message } } }"""
LOG = """{ me { accessLog { edges { node { at outcome problem receipt site action whyNot { code }
  offline { usedAt syncedAt doubleUse } } } } notices { edges { node { kind text } } } } }"""
USES = "{ offlineUses { on restsSince offer { id } } }"


def public(private: Ed25519PrivateKey) -> str:
    """The public half as it is registered."""
    return b64encode(private.public_key().public_bytes_raw())


class Phone:
    """Somebody's phone with a pass."""

    def __init__(self, city: City, person: str) -> None:
        self.city, self.person = city, person
        self.private, self.text = Ed25519PrivateKey.generate(), ""

    async def ask(self, offer: str = "museum") -> dict[str, Any]:
        """What comes of asking for a pass."""
        given = {"offerId": offer_id(offer), "deviceKey": public(self.private)}
        answer = await self.city.do(PASS, by=self.person, **given)
        self.text = answer.get("text", self.text)
        return answer

    def show(self, *, ahead: float = 0) -> str:
        """The code as it stands on the screen, by a clock that is so many seconds ahead."""
        return show(self.text, self.private, at=int(self.city.now.timestamp() + ahead))


class Gate:
    """A gate without network: a key, the last bundle, what it took, and its counter."""

    def __init__(self, city: City, *, by: str = "scenic") -> None:
        self.city, self.by, self.private = city, by, Ed25519PrivateKey.generate()
        self.id, self.bundle, self.counter = "", None, 0
        self.used: set[bytes] = set()
        self.waiting: list[str] = []
        self.bundle: Bundle

    async def register(self, site: str = "东门") -> dict[str, Any]:
        answer = await self.city.do(REGISTER, by=self.by, site=site, publicKey=public(self.private))
        self.id = answer.get("id", self.id)
        return answer

    async def fetch(self) -> dict[str, Any]:
        """Go on line for a moment."""
        answer = await self.city.do(BUNDLE, by=self.by, gateId=self.id)
        if "text" in answer:
            self.bundle = open_bundle(self.city.keys, answer["text"])
        return answer

    def judge(self, code: str, *, ahead: float = 0) -> Accepted | Refused:
        """Take a code, off line."""
        now = self.city.now.timestamp() + ahead
        answer = check(code, self.bundle, now=now, used=self.used)
        if isinstance(answer, Accepted):
            self.used.add(answer.pass_id)
            self.note(code, ahead=ahead)
        return answer

    def note(self, code: str, *, ahead: float = 0) -> str:
        """Write a use down for the sync, whether the rules allow it or not."""
        self.counter += 1
        at = int(self.city.now.timestamp() + ahead)
        self.waiting.append(sign_use(self.private, gate=self.id, counter=self.counter, at=at, code=code))
        return self.waiting[-1]

    async def sync(self, *, keep: bool = False, **given: Any) -> list[dict[str, Any]]:
        """Tell of all that waits."""
        asked = {"requestId": self.city.next_request(), "gateId": self.id, "uses": list(self.waiting)} | given
        answer = await self.city.do(SYNC, by=self.by, **asked)
        if not keep:
            self.waiting.clear()
        return list(answer["uses"])


async def new_gate(city: City, site: str = "东门", *, by: str = "scenic") -> Gate:
    """A gate that has just been on line."""
    gate = Gate(city, by=by)
    await gate.register(site)
    await gate.fetch()
    return gate


async def carrying(city: City, person: str = "good", offer: str = "museum", *, phone: Phone | None = None) -> Phone:
    """Somebody's phone with today's pass."""
    phone = phone or Phone(city, person)
    await city.do(SET, by=person, offerId=offer_id(offer), on=True)
    answer = await phone.ask(offer)
    assert answer["__typename"] == "OfflinePass", answer
    return phone


async def log_of(city: City, person: str = "good") -> list[dict[str, Any]]:
    """The person's log, newest first."""
    me = (await city.ask(LOG, by=person))["data"]["me"]
    return [edge["node"] for edge in me["accessLog"]["edges"]]


async def notices_of(city: City, person: str = "good") -> list[dict[str, Any]]:
    """The person's inbox, newest first."""
    me = (await city.ask(LOG, by=person))["data"]["me"]
    return [edge["node"] for edge in me["notices"]["edges"]]


def seconds(city: City, ahead: float = 0) -> str:
    """The instant, as a gate writes it down: whole seconds."""
    moment: datetime = city.now + timedelta(seconds=ahead)
    return moment.replace(microsecond=0).isoformat()


ACTS = (
    "setOfflineUse", "issueOfflinePass", "registerGate", "registeredGate", "endGate", "fetchOfflineBundle",
    "syncOfflineUses", "usedOffline",
)  # fmt: skip


async def offline_input(city: City, what: str, actor: str) -> dict[str, Any]:
    """A good input for one of them, for the table of who may."""
    by = actor if actor in ("scenic", "hospital", "representative") else "scenic"
    gate = Gate(city, by=by)
    if what == "registerGate":
        return {"site": "东门", "publicKey": public(gate.private)}
    await gate.register()
    if what == "endGate":
        return {"gateId": gate.id}
    if what == "fetchOfflineBundle":
        return {"gateId": gate.id}
    if what == "syncOfflineUses":
        return {"requestId": city.next_request(), "gateId": gate.id, "uses": ["?"]}
    if what == "setOfflineUse":
        return {"offerId": offer_id("museum"), "on": True}
    if actor in ("good", "plain", "firm"):
        await city.write(delete(offline_passes))  # one a day
        await city.do(SET, by=actor, offerId=offer_id("museum"), on=True)
    if what == "usedOffline" and actor == "good":
        await gate.fetch()
        phone = await carrying(city)
        gate.judge(phone.show())
        await gate.sync()
    return {"offerId": offer_id("museum"), "deviceKey": public(gate.private)}
