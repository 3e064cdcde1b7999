"""A partner on its way into the alliance, for tests. One thing to know: its private keys are here, and all else it does
through the running application."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from factories import City, open_city
from pypdf import PdfWriter
from stdnum.cn import uscc

from api.ids import public_id, uuid_of
from partners.accounts import Role
from partners.onboarding.applications import Applicant, apply_for_partnership
from partners.onboarding.documents import DocumentKind
from partners.onboarding.keys import PublicKey, read_public_key
from partners.onboarding.membership import Grounds, move_partner
from partners.onboarding.tables import partner_documents, partner_keys, partner_steps
from partners.onboarding.workflow import Act, Status
from partners.tables import alarm_steps, security_events, verifications

ISSUER = "https://xinyi.example"
ENDPOINT = f"{ISSUER}/oauth/token"
YEAR = timedelta(days=398)
PAGE = PdfWriter()
PAGE.add_blank_page(9, 9)
_written = BytesIO()
PAGE.write(_written)
PDF = _written.getvalue()
APPLY = """mutation ($input: ApplyForPartnershipInput!) { applyForPartnership(input: $input) { __typename
  ... on PartnerApplication { id partnerId status keyId kid account } ... on Problem { code message } } }"""
ADD_DOCUMENT = """mutation ($input: AddPartnerDocumentInput!) { addPartnerDocument(input: $input) { __typename
  ... on PartnerDocument { id kind title mediaType size sha256 } ... on Problem { code message } } }"""
SUBMIT = """mutation ($input: SubmitApplicationInput!) { submitApplication(input: $input) { __typename
  ... on Membership { status nextStep dueOn } ... on Problem { code message } } }"""
MOVE = """mutation ($input: MovePartnerInput!) { movePartner(input: $input) { __typename
  ... on Membership { status nextStep dueOn overdue } ... on Problem { code message } } }"""
REGISTER_KEY = """mutation ($input: RegisterPartnerKeyInput!) { registerPartnerKey(input: $input) { __typename
  ... on PartnerKey { id use kid algorithm expiresAt live } ... on Problem { code message } } }"""
REVOKE_KEY = """mutation ($input: RevokePartnerKeyInput!) { revokePartnerKey(input: $input) { __typename
  ... on PartnerKey { id revokedAt live remark } ... on Problem { code message } } }"""
STOLEN = """mutation ($input: ReportStolenKeyInput!) { reportStolenKey(input: $input) { __typename
  ... on StolenKeyReport { keysRevoked verificationsVoided redeemed subjectsTold key { live } }
  ... on Problem { code message } } }"""
_NUMBERS = count(1)


def some_uscc() -> str:
    """A valid USCC that was computed, not issued."""
    front = f"91430502MA9{next(_NUMBERS):06d}"
    return front + str(uscc.calc_check_digit(front))


class KeyPair:
    """A key of a partner, both halves."""

    def __init__(self, algorithm: str = "EdDSA") -> None:
        self.algorithm = algorithm
        self.private: Any = (
            Ed25519PrivateKey.generate() if algorithm == "EdDSA" else ec.generate_private_key(ec.SECP256R1())
        )
        self.jwk = dict(jwt.get_algorithm_by_name(algorithm).to_jwk(self.private.public_key(), as_dict=True))
        self.jwk.pop("key_ops", None)

    @property
    def text(self) -> str:
        """The public half, as it is registered."""
        return orjson.dumps(self.jwk).decode()

    @property
    def public(self) -> PublicKey:
        """The public half, read."""
        return read_public_key(self.text)

    def assertion(self, client: str, now: datetime, *, head: dict[str, Any] | None = None, **claims: Any) -> str:
        """A good assertion, but for what is given; None leaves a claim or header out."""
        at = int(now.timestamp())
        said = {"iss": client, "sub": client, "aud": ENDPOINT, "iat": at, "exp": at + 60, "jti": str(uuid4())} | claims
        said = {name: value for name, value in said.items() if value is not None}
        headers = {"kid": self.public.kid} | (head or {})
        headers = {name: value for name, value in headers.items() if value is not None}
        return jwt.encode(said, self.private, algorithm=self.algorithm, headers=headers)


def form_of(assertion: str, **given: str) -> dict[str, str]:
    """The form that an assertion is handed in with."""
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    } | given


async def sign_in(city: City, key: KeyPair, client: str, **given: Any) -> Any:
    """The response to a sign-in."""
    return await city.client.post("/oauth/token", data=form_of(key.assertion(client, city.now, **given)))


async def token_of(city: City, key: KeyPair, client: str) -> str:
    """An access token."""
    response = await sign_in(city, key, client)
    assert response.status_code == 200, response.text
    return str(response.json()["access_token"])


async def ask_with(city: City, token: str | None, query: str, variables: dict[str, Any] | None = None) -> Any:
    """The whole body of an answer, for whoever holds the token."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    response = await city.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
    return response.json()


async def do_with(city: City, token: str | None, query: str, **given: Any) -> dict[str, Any]:
    """A mutation's one result."""
    body = await ask_with(city, token, query, {"input": given})
    assert "errors" not in body, body
    (result,) = body["data"].values()
    return dict(result)


def application(key: KeyPair, **given: Any) -> dict[str, Any]:
    """A good application, but for what is given."""
    said = {"place": "hunan-shaoyang", "sector": "scenic", "name": "测试古镇", "uscc": some_uscc()}
    return said | {"contact": "前台 0739-000", "publicKey": key.text} | given


def paper(kind: str = "LICENCE", **given: Any) -> dict[str, Any]:
    """A good paper, but for what is given."""
    return {"kind": kind, "title": "执照.pdf", "content": b64encode(PDF).decode()} | given


@asynccontextmanager
async def open_town(city_url: str, keys_file: Path, folder: Path, **given: Any) -> AsyncIterator[City]:
    """A small city that keeps files."""
    async with open_city(database_url=city_url, keys_file=keys_file, files=str(folder / "files"), **given) as opened:
        yield opened


ROLE_OF = {"operator": Role.OPERATOR, "operator-2": Role.OPERATOR, "reviewer": Role.REVIEWER}


async def applied(city: City, key: KeyPair, **given: Any) -> Any:
    """An application written without the interface: the row of the key."""
    said = Applicant("hunan-shaoyang", "scenic", "测试古镇", some_uscc())
    async with city.state.database.transaction() as connection:
        return await apply_for_partnership(
            connection, given=said, key=key.public, rulebook=city.state.rulebook, longest=YEAR, now=city.now, **given
        )


async def add_paper(city: City, partner_id: int, kind: DocumentKind, *, actor: str) -> str:
    """A paper written without a file: its name."""
    name = uuid4().hex
    row = {"partner_id": partner_id, "name": name, "kind": kind.value, "title": "x", "type": "application/pdf"}
    await city.write(partner_documents.insert().values(**row, size=1, sha256="0" * 64, at=city.now, actor=actor))
    return name


async def move(
    city: City, partner_id: int, to: Status, *, by: str, reason: str = "", role: Role | None = None, **grounds: Any
) -> None:
    """A step taken without the interface."""
    async with city.state.database.transaction() as connection:
        act = Act(by, role or ROLE_OF[by], city.now, reason)
        await move_partner(connection, partner_id, to=to, act=act, grounds=Grounds(**grounds))


WAY = (
    (Status.SUBMITTED, "account"),
    (Status.QUALIFIED, "operator"),
    (Status.CONTRACTED, "reviewer"),
    (Status.SANDBOX, "operator"),
    (Status.CERTIFIED, "reviewer"),
    (Status.LIVE, "operator-2"),
)
"""The way in, and who takes each step."""


async def brought_to(city: City, status: Status, key: KeyPair) -> Any:
    """A partner that has come as far as that: the row of its desk key."""
    row = await applied(city, key)
    await add_paper(city, row.partner_id, DocumentKind.LICENCE, actor=row.account)
    contract = await add_paper(city, row.partner_id, DocumentKind.CONTRACT, actor="operator")
    for step, by in WAY:
        if list(Status).index(step) > list(Status).index(status):
            break
        await take(city, row, step, by=by, contract=contract)
    return row


async def take(city: City, row: Any, step: Status, *, by: str, contract: str = "", role: Role | None = None) -> None:
    """One step of the way, with all it rests on."""
    actor, role = (row.account, Role.APPLICANT) if by == "account" else (by, role)
    grounds: dict[str, Any] = {}
    if step is Status.CONTRACTED:
        grounds = {"contract_number": "XY-2026-1", "document": contract}
    if step is Status.CERTIFIED:
        grounds = {"run": {"id": "run"}}
    await move(city, row.partner_id, step, by=actor, role=role, **grounds)


def client_of(row: Any) -> str:
    """Public id of the partner that a key is of."""
    return public_id("Partner", row.partner_id)


def key_id(row: Any) -> str:
    """Public id of a key."""
    return public_id("PartnerKey", row.id)


def forged(token: str, **head: Any) -> str:
    """The token with another head, and its signature as it was."""
    _, claims, signature = token.split(".")
    said = urlsafe_b64encode(orjson.dumps(head)).rstrip(b"=").decode()
    return f"{said}.{claims}.{signature}"


PAPER, STOLEN_KEY, SEEN_ALARM = UUID(int=7), UUID(int=8), UUID(int=9)
SCENIC = public_id("Partner", 1)
ACTS = frozenset({
    "applyForPartnership", "addPartnerDocument", "submitApplication", "movePartner", "registerPartnerKey",
    "revokePartnerKey", "reportStolenKey", "handleAlarm",
})  # fmt: skip
"""The mutations of this part."""


async def joining_input(city: City, what: str) -> dict[str, Any]:  # noqa: PLR0911  # one input each
    """A good input for one of them; where it would change what others look at, for what is not there."""
    match what:
        case "applyForPartnership":
            return application(KeyPair())
        case "addPartnerDocument":
            return paper(partnerId=SCENIC)
        case "submitApplication":
            return {"partnerId": SCENIC}
        case "movePartner":
            said = {"partnerId": public_id("Partner", 987_654_321), "to": "CONTRACTED", "reason": "合格"}
            return said | {"contractNumber": "XY-1", "documentId": public_id("PartnerDocument", PAPER)}
        case "registerPartnerKey":
            return {"partnerId": SCENIC, "use": "DESK", "publicKey": KeyPair().text}
        case "revokePartnerKey":
            return {"keyId": public_id("PartnerKey", UUID(int=0)), "reason": "更换"}
        case "reportStolenKey":
            return {"keyId": public_id("PartnerKey", STOLEN_KEY), "since": city.now.isoformat(), "reason": "失窃"}
    return {"alarmId": public_id("Alarm", UUID(int=0)), "state": "SEEN", "reason": "正在核实"}


async def file_memberships(city: City) -> None:
    """A step, a paper and a key of the scenic spot, a redemption of what that key verified, and an alarm."""
    answer = await city.verify(await city.code("good"))
    await city.redeem(answer["id"])
    key = KeyPair().public
    step = {"partner_id": 1, "step": 1, "status": "LIVE", "actor": "operator", "at": city.now, "reason": "x"}
    owned = {"partner_id": 1, "account": "stolen", "registered_by": "x", "registered_at": city.now}
    shown = {"id": STOLEN_KEY, "use": "live", "kid": key.kid, "algorithm": key.algorithm, "jwk": key.jwk}
    written = {"partner_id": 1, "name": PAPER.hex, "kind": "licence", "title": "执照.pdf", "type": "application/pdf"}
    alarm = {"id": SEEN_ALARM, "at": city.now, "kind": "TEST", "partner_id": 1, "detail": {}}
    seen = {"alarm_id": SEEN_ALARM, "step": 1, "state": "SEEN", "actor": "x", "at": city.now, "reason": "x"}
    mine = verifications.c.id == uuid_of(answer["id"], "Verification")
    await city.write(
        partner_steps.insert().values(**step, evidence={}),
        partner_keys.insert().values(**owned, **shown, expires_at=city.now + timedelta(days=9), revoked_at=city.now),
        partner_documents.insert().values(**written, size=len(PDF), sha256="0" * 64, at=city.now, actor="x"),
        verifications.update().where(mine).values(account="stolen", voided_at=city.now),
        security_events.insert().values(**alarm),
        alarm_steps.insert().values(**seen),
    )

    async def content() -> AsyncIterator[bytes]:
        yield PDF

    assert city.state.files is not None
    await city.state.files._write(PAPER.hex, content(), at_once=True)  # under a name that is known beforehand
