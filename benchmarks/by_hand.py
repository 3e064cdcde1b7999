"""The floor: verify and profile written by hand, with Starlette, asyncpg and orjson. One thing to know: it is meant to
be as fast as such a handler reasonably gets, and leaves nothing out that a partner or a subject could notice.

The same keys, codes, receipts, audit leaves and eligibility rules as the product; its own SQL, one SELECT and one
data-modifying statement for a verification; no ORM, no GraphQL. The reference data is read with the product's loader,
at start and when its version changes, never for a request. Offers with a quota or a personal limit are shown in a
profile, but not verified here: those are not measured.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.identity import Claims
from api.identity.bearer import BearerTokens
from api.ids import key_of, public_id
from benchmarks.by_hand_sql import (
    FORGET,
    READ_LIMITS,
    READ_SCAN,
    READ_SUBJECT,
    WRITE_DECISION,
    WRITE_REFUSAL,
    WRITE_UNATTRIBUTED,
)
from core.audit import chained, entry_of
from core.clock import day_of, utc_now
from core.database import Database, Trail
from core.errors import BadInput, ExpectedError, Forbidden, Unauthenticated, Unavailable
from core.identifiers import new_id
from core.keys import load_keys
from core.sealing import keyed_hash
from core.settings import Settings, read_settings
from partners.accounts import Role
from partners.answers import RequestConflict
from partners.catalogue import Offer, load_catalogue, page_after
from partners.codes import CreditCode, open_code
from partners.eligibility import MESSAGES, Standing, WhyNot, outcome_of, why_not
from partners.receipts import sign_receipt
from partners.rulebook import load_rulebook
from partners.verification import (
    CodeExpired,
    CodeInvalid,
    CodeOtherOffer,
    CodeReplayed,
    OfferClosed,
    OfferNotYours,
)
from scoring.engine import Record
from scoring.model import Model
from scoring.scores import score_row
from scoring.subjects import SubjectDataFault, is_minor

ATTEMPTS = 5
DAY = timedelta(hours=24)
RESERVED = timedelta(minutes=10)
STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "BAD_USER_INPUT": 400, "UNAVAILABLE": 503}

REASONS = {reason: {"code": reason.value, "message": MESSAGES[reason]} for reason in WhyNot}


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """Nothing here changes a connection's settings, so none is put back when it returns to the pool."""

    def get_reset_query(self) -> str:
        """No round trip."""
        return ""


def _points(hundredths: int | None) -> str | None:
    return None if hundredths is None else str(Decimal(hundredths).scaleb(-2))


def _cursor(offer_id: int) -> str:
    return urlsafe_b64encode(str(offer_id).encode()).decode()


def _offer_fields(offer: Offer) -> dict[str, Any]:
    return {
        "id": public_id("Offer", offer.id),
        "title": offer.terms.title,
        "standardService": offer.terms.standard_service,
        "benefit": offer.terms.benefit,
        "kind": {"code": offer.kind.code, "name": offer.kind.name},
        "partner": {"id": public_id("Partner", offer.partner.id), "name": offer.partner.name},
    }


def _text(asked: dict[str, Any], name: str, longest: int, *, required: bool = False) -> Any:
    value = asked.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= longest or not value.isprintable():
        raise BadInput(f"{name} 须为 1 到 {longest} 个可见字符。")
    return value


def _is_current(row: Any, model: Model, on: Any) -> bool:
    return bool(
        row["model_checksum"] == model.checksum
        and row["evaluated_on"] <= on
        and (row["valid_until"] is None or on < row["valid_until"])
    )


def _entry(scan: _Scan, code: CreditCode, content: dict[str, Any]) -> dict[str, Any]:
    """An audit row, each in a chain of its own: as many bytes as ours, and nothing to keep."""
    entry = entry_of(
        at=scan.now, actor=scan.account, action="verifyCreditCode", content=content, subject_id=code.subject_id
    )
    return chained(entry, Trail())


@dataclass(frozen=True, slots=True)
class _Scan:
    """A request that is new, and who sent it."""

    account: str
    partner_id: int
    asked: dict[str, Any]
    body_hash: bytes
    now: datetime


class Handlers:
    """Both requests, and what they keep in memory."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self.settings, self.clock = settings, clock
        self.keys = load_keys(settings.keys_file)
        self.rulebook = load_rulebook(settings.jurisdictions, settings.places)
        self.tokens = BearerTokens(self.keys, issuer=settings.issuer)
        self.database = Database(settings.database_url, keys=self.keys)
        self.pool: Any = None

    async def open(self) -> None:
        """Connect, and read the reference data."""
        address = self.settings.database_url.replace("+asyncpg", "")
        self.pool = await asyncpg.create_pool(address, min_size=16, max_size=16, connection_class=_Connection)
        await self.refresh()

    async def close(self) -> None:
        """Give the connections back."""
        await self.pool.close()
        await self.database.close()

    async def refresh(self) -> None:
        """Read the reference data again, for today, and write out once what every answer says about an offer."""
        async with self.database.reading() as connection:
            self.catalogue = await load_catalogue(connection, self.rulebook, on=day_of(self.clock()))
        self.offers = {offer.id: _offer_fields(offer) for offer in self.catalogue.open_offers}

    def _is_stale(self, version: int, now: datetime) -> bool:
        return version != self.catalogue.version or self.catalogue.on != day_of(now)

    def _claims(self, request: Request, now: datetime) -> Claims:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated
        return self.tokens.check(token.strip(), now=now.timestamp())

    async def verify(self, request: Request) -> Response:
        """POST /verify: the input of `verifyCreditCode` as JSON; its result."""
        try:
            now = self.clock()
            claims = self._claims(request, now)
            if claims.role is not Role.PARTNER:
                raise Forbidden
            asked = orjson.loads(await request.body())
            if not isinstance(asked, dict) or not isinstance(asked.get("code"), str):
                raise BadInput("请求体须为 JSON 对象。")
            asked["requestId"] = _text(asked, "requestId", 128, required=True)
            asked["offer"] = key_of(str(asked.get("offerId")), "Offer")
            asked["clerk"], asked["site"] = _text(asked, "clerk", 40), _text(asked, "site", 40)
            code = open_code(self.keys, asked["code"])
            for _ in range(ATTEMPTS):
                try:
                    return Response(await self._scan(claims.account, asked, code, now), media_type="application/json")
                except (asyncpg.IntegrityConstraintViolationError, asyncpg.DeadlockDetectedError):
                    continue  # another request wrote first: its row is there to be found now
            raise Unavailable
        except ExpectedError as error:
            return _problem(error)
        except orjson.JSONDecodeError:
            return _problem(BadInput("请求体不是有效的 JSON。"))

    async def _scan(self, account: str, asked: dict[str, Any], code: CreditCode | None, now: datetime) -> bytes:
        offer = self.catalogue.offers.get(asked["offer"])
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow(
                READ_SCAN,
                account,
                asked["requestId"],
                code.subject_id if code else -1,
                code.id if code else b"",
                offer.model.id if offer else "",
            )
            if row is None or row["ended_at"] is not None or row["role"] != "partner":
                raise Unauthenticated
            if self._is_stale(row["version"], now):
                await self.refresh()
                return await self._scan(account, asked, code, now)
            body = {name: asked[name] for name in ("code", "offer", "clerk", "site")}
            body_hash = keyed_hash(self.keys, "body", orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
            scan = _Scan(account, row["partner_id"], asked, body_hash, now)
            if row["answer"] is not None:
                if row["answered_at"] > now - DAY:
                    if row["body_hash"] == body_hash:
                        return _recorded(orjson.loads(row["answer"]))
                    conflict = RequestConflict("这个 requestId 已用于另一个内容不同的请求。请换一个新的 requestId。")
                    return await self._refuse(connection, scan, code if row["kind"] is not None else None, conflict)
                await connection.execute(FORGET, row["partner_id"], asked["requestId"], now - DAY)
            try:
                code, offer = self._check(row, code, offer, now)
            except ExpectedError as problem:
                held = code if row["kind"] is not None else None
                return await self._refuse(connection, scan, held, problem)
            reasons = why_not(offer, await self._standing(connection, row, code, offer, now))
            return await self._decide(connection, scan, code, offer, reasons)

    def _check(self, row: Any, code: CreditCode | None, offer: Offer | None, now: datetime) -> tuple[CreditCode, Offer]:
        """The code, then the offer."""
        if code is None or row["kind"] is None:
            raise CodeInvalid("这不是有效的信用码,或内容不完整。请对方重新出示后再扫。")
        if row["used_at"] is not None and row["used_at"] > now - DAY:
            raise CodeReplayed("这个信用码已经核验过一次。请对方刷新后重新出示。")
        if code.expires_at <= now:
            raise CodeExpired("这个信用码已过期(有效期不超过 60 秒)。请对方刷新后重新出示。")
        if code.offer_id is not None and (offer is None or code.offer_id != offer.id):
            raise CodeOtherOffer("持码人已将此码限定用于另一项优惠。请核对优惠项目,或请对方重新出示。")
        if offer is None or offer.partner.id != row["partner_id"]:
            raise OfferNotYours("贵单位名下没有这项优惠。请核对优惠编号。")
        if not offer.is_open(self.catalogue.on):
            raise OfferClosed("这项优惠今天不开放。请按标准服务办理,或核对优惠的起止日期。")
        if offer.has_quota or offer.limit_per_person is not None:
            raise BadInput("此服务只用于测量,不核验有名额或个人次数限制的优惠。")
        return code, offer

    async def _standing(self, connection: Any, row: Any, code: CreditCode, offer: Offer, now: datetime) -> Standing:
        on, grade, under_review = day_of(now), None, False
        minor = is_minor(row["birth_on"], on=on)
        if row["enrolled_at"] is not None and not minor and row["kind"] == offer.subject_kind:
            if row["model_checksum"] is not None and _is_current(row, offer.model, on):
                grade = row["grade"]
            else:
                try:
                    (score,) = await self._evaluate(connection, code.subject_id, [offer.model], now)
                    grade = score["grade"]
                except SubjectDataFault as fault:
                    under_review = True
                    detail = orjson.dumps({"subject": code.subject_id, "fault": str(fault)}).decode()
                    await connection.execute(
                        "INSERT INTO security_events (id, at, kind, detail) VALUES ($1, $2, 'SUBJECT_DATA_FAULT', $3)",
                        new_id(),
                        now,
                        detail,
                    )
        return Standing(
            kind=row["kind"],
            lineage=self.rulebook.lineage(row["place"]),
            enrolled=row["enrolled_at"] is not None,
            minor=minor,
            grade=grade,
            under_review=under_review,
        )

    async def _evaluate(
        self, connection: Any, subject_id: int, models: list[Model], now: datetime
    ) -> list[dict[str, Any]]:
        """Scores made afresh, where the stored ones are not true today."""
        records = await connection.fetch(
            "SELECT item, occurred_on, removed_on, serious_consequence, points, id FROM credit_records"
            " WHERE subject_id = $1",
            subject_id,
        )
        facts = await connection.fetch("SELECT name, value FROM facts WHERE subject_id = $1", subject_id)
        held = [Record(*row) for row in records]
        known = {row["name"]: orjson.loads(row["value"]) for row in facts}
        return [score_row(model, subject_id=subject_id, records=held, known=known, now=now) for model in models]

    async def _decide(
        self,
        connection: Any,
        scan: _Scan,
        code: CreditCode,
        offer: Offer,
        reasons: tuple[WhyNot, ...],
    ) -> bytes:
        outcome, verification_id, expires_at = outcome_of(reasons), uuid4(), scan.now + RESERVED
        content = {
            "verification": str(verification_id),
            "offer": offer.id,
            "version": offer.version,
            "outcome": outcome.value,
        }
        entry = _entry(scan, code, content)
        receipt = sign_receipt(
            self.keys,
            issuer=self.settings.issuer,
            verification_id=verification_id,
            partner=public_id("Partner", offer.partner.id),
            offer=public_id("Offer", offer.id),
            offer_version=offer.version,
            outcome=outcome.value,
            subject_id=code.subject_id,
            leaf=entry["leaf"],
            at=scan.now,
        )
        answer = {
            "id": str(verification_id),
            "outcome": outcome.value,
            "benefit": None if reasons else offer.terms.benefit,
            "receipt": receipt,
            "expires_at": expires_at.isoformat(),
        }
        await connection.execute(
            WRITE_DECISION,
            code.subject_id,
            verification_id,
            code.id,
            scan.partner_id,
            offer.id,
            offer.version,
            outcome.value,
            scan.now,
            expires_at,
            new_id(),
            orjson.dumps([reason.value for reason in reasons]).decode(),
            receipt,
            scan.asked["clerk"],
            scan.asked["site"],
            entry["id"],
            scan.account,
            entry["content"],
            entry["nonce"],
            entry["leaf"],
            entry["chain"],
            entry["step"],
            entry["link"],
            scan.asked["requestId"],
            scan.body_hash,
            orjson.dumps(answer).decode(),
        )
        return _verification(answer)

    async def _refuse(
        self,
        connection: Any,
        scan: _Scan,
        code: CreditCode | None,
        problem: ExpectedError,
    ) -> bytes:
        if isinstance(problem, BadInput):
            raise problem
        answer = orjson.dumps({"code": problem.code, "message": problem.message})
        # A conflict is not recorded: its request id holds another answer.
        is_recorded = not isinstance(problem, RequestConflict)
        told = (scan.asked["requestId"], scan.body_hash, answer.decode(), is_recorded)
        if code is None:
            detail = orjson.dumps({"offer": scan.asked["offer"]}).decode()
            event = (new_id(), scan.now, problem.code, scan.partner_id, detail)
            await connection.execute(WRITE_UNATTRIBUTED, *event, *told)
            return answer
        content = {"offer": scan.asked["offer"], "problem": problem.code}
        entry = _entry(scan, code, content)
        seen = (scan.partner_id, scan.asked["offer"], problem.code, scan.asked["clerk"], scan.asked["site"])
        chain = (entry["chain"], entry["step"], entry["link"])
        leaf = (entry["id"], scan.account, entry["content"], entry["nonce"], entry["leaf"], *chain)
        await connection.execute(WRITE_REFUSAL, code.subject_id, new_id(), scan.now, *seen, *leaf, *told)
        return answer

    async def me(self, request: Request) -> Response:
        """GET /me?first=N&after=CURSOR: scores, and benefits available or not."""
        try:
            now = self.clock()
            claims = self._claims(request, now)
            if claims.role not in (Role.CITIZEN, Role.AGENT):
                raise Forbidden
            first = int(request.query_params.get("first", 20))
            if not 1 <= first <= 100:
                raise BadInput("first 须在 1 到 100 之间。")
            after = request.query_params.get("after")
            return Response(
                await self._profile(claims, first, int(urlsafe_b64decode(after)) if after else None, now),
                media_type="application/json",
            )
        except ExpectedError as error:
            return _problem(error)
        except ValueError:
            return _problem(BadInput("first 或 after 不对。"))

    async def _profile(self, claims: Claims, first: int, after: int | None, now: datetime) -> bytes:
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(READ_SUBJECT, claims.account)
            row = rows[0] if rows else None
            if row is None or row["ended_at"] is not None or row["role"] != claims.role or row["kind"] is None:
                raise Unauthenticated
            if self._is_stale(row["version"], now):
                await self.refresh()
            scores, under_review = await self._scores(connection, rows, now)
            page, more = page_after(self.catalogue.open_for(subject_kind=row["kind"]), after, first)
            limited = [offer.id for offer in page if offer.limit_per_person is not None]
            scarce = [offer.id for offer in page if offer.has_quota]
            found = []
            if limited or scarce:
                found = await connection.fetch(READ_LIMITS, row["subject_id"], limited, scarce, now)
        used = {row["offer_id"]: row["used"] for row in found if not row["gone"]}
        gone = {row["offer_id"] for row in found if row["gone"]}
        standings = {model: self._towards(row, score["grade"], under_review, now) for model, score in scores.items()}
        unassessed = self._towards(row, None, under_review, now)
        edges = []
        for offer in page:
            standing = standings.get(offer.model.id, unassessed)
            if offer.limit_per_person is not None and used.get(offer.id):
                standing = self._towards(row, standing.grade, under_review, now, used[offer.id])
            reasons = [REASONS[reason] for reason in why_not(offer, standing)]
            if offer.id in gone:
                reasons.append(REASONS[WhyNot.QUOTA_EXHAUSTED])
            node = {"available": not reasons, "whyNot": reasons, "offer": self.offers[offer.id]}
            edges.append({"cursor": _cursor(offer.id), "node": node})
        page_info = {"hasNextPage": more, "endCursor": edges[-1]["cursor"] if edges else None}
        benefits = {"edges": edges, "pageInfo": page_info}
        return orjson.dumps({"scores": [score["shown"] for score in scores.values()], "benefits": benefits})

    def _towards(self, row: Any, grade: str | None, under_review: bool, now: datetime, used: int = 0) -> Standing:
        return Standing(
            kind=row["kind"],
            lineage=self.rulebook.lineage(row["place"]),
            enrolled=row["enrolled_at"] is not None,
            minor=is_minor(row["birth_on"], on=day_of(now)),
            grade=grade,
            used=used,
            under_review=under_review,
        )

    async def _scores(self, connection: Any, rows: list[Any], now: datetime) -> tuple[dict[str, Any], bool]:
        """By model: the grade, and the score as it is shown."""
        row, on = rows[0], day_of(now)
        if row["enrolled_at"] is None or is_minor(row["birth_on"], on=on):
            return {}, False
        models = self.rulebook.models_for(row["place"], row["kind"], on)
        stored = {row["model"]: row for row in rows if row["model"] is not None}
        due = [model for model in models if model.id not in stored or not _is_current(stored[model.id], model, on)]
        fresh: dict[str, Any] = {}
        if due:
            try:
                made = await self._evaluate(connection, row["subject_id"], due, now)
            except SubjectDataFault:
                return {}, True
            fresh = {score["model"]: score for score in made}
        found = {}
        for model in models:
            score = fresh.get(model.id) or stored[model.id]
            lines = score["lines"] if model.id in fresh else orjson.loads(score["lines"])
            grade = next((grade for grade in model.grades if grade.code == score["grade"]), None)
            found[model.id] = {
                "grade": score["grade"],
                "shown": {
                    "model": {"id": model.id, "name": model.name},
                    "points": _points(score["points"]),
                    "grade": {"code": grade.code, "name": grade.name} if grade else None,
                    "lines": [
                        {"rule": line["rule"], "label": line["label"], "points": _points(line["points"])}
                        for line in lines
                    ],
                    "evaluatedAt": score["evaluated_at"],
                },
            }
        return found, False


def _recorded(answer: dict[str, Any]) -> bytes:
    """The answer given before."""
    return orjson.dumps(answer) if "code" in answer else _verification(answer)


def _verification(answer: dict[str, Any]) -> bytes:
    shown = {**answer, "id": public_id("Verification", answer["id"]), "expiresAt": answer["expires_at"]}
    del shown["expires_at"]
    return orjson.dumps(shown)


def _problem(error: ExpectedError) -> Response:
    content = orjson.dumps({"code": error.code, "message": error.message})
    return Response(content, STATUS.get(error.code, 200), media_type="application/json")


def create_app(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> Starlette:
    """The ASGI application for these settings, on PostgreSQL alone."""
    handlers = Handlers(settings, clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await handlers.open()
        yield
        await handlers.close()

    async def alive(_: Request) -> Response:
        return Response("ok")

    routes = [
        Route("/verify", handlers.verify, methods=["POST"]),
        Route("/me", handlers.me),
        Route("/healthz", alive),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def app() -> Starlette:
    """For uvicorn: the application for the settings of the environment."""
    return create_app(read_settings())
