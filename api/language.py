"""Which language somebody reads, and messages told in it. One thing to know: what is stored, recorded and logged is in
Chinese always; only what leaves for one who asked for English is translated, so Chinese costs nothing.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson
from graphql import GraphQLResolveInfo
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.context import Language
from api.messages import English, in_english

LONGEST_HEADER = 200
LARGEST = 64_000
"""Bytes of a refusal that is told in English; a larger answer is none."""
TOLD: Mapping[str, frozenset[str]] = {
    kind: frozenset(fields.split())
    for kind, fields in {
        # what happened, why, and what to do
        "Problem": "message",
        "Refusal": "message",
        "SignedReview": "message",
        "WhyNot": "message",
        "Benefit": "nextStep",
        "Membership": "nextStep",
        "SyncedUse": "message",
        "OfflineChoice": "told",
        "ConformanceStep": "title instruction missing",
        "RepairGuide": "whyNot after",
        "InspectionSuggestion": "reason",
        "EarlyWarning": "message",
        "Notice": "text",
        "Alarm": "detail",
        "WebhookAttempt": "error",
        "WebhookEndpoint": "pauseReason",
        "ErasedData": "what",
        "KeptData": "what reason",
        # scores, and what they are made by
        "Score": "headlines benefitGradeReason",
        "ScoreHistoryEntry": "changes",
        "ScoreDifference": "changes",
        "WhatIf": "headlines changes",
        "ScoreLine": "label basis",
        "ScoreModel": "name",
        "Grade": "name",
        "PublicScoreModel": "name",
        "ModelItem": "label",
        "ModelFact": "label",
        "ModelGrade": "name when",
        "ModelRule": "label sentence window",
        "ModelParameter": "name value",
        "ModelSource": "reason",
        "StatisticsCell": "name",
        "ParkIndex": "name",
        # what is on record, and what may be
        "CreditRecord": "label authority provider",
        "RecordField": "label",
        "RecordChange": "change reason",
        "ContestedRecord": "label authority provider",
        "ContestedField": "label",
        "PublicRecord": "label authority",
        "PublicField": "label",
        "ListEntry": "authority",
        "QueriedRecord": "label authority",
        "QueriedField": "label",
        "CatalogueItem": "label category provider method frequency",
        "CatalogueField": "label",
        "RepairWay": "label evidence",
        "CreditCase": "routedTo",
        "CaseSummary": "routedTo",
        "CaseStep": "reason",
        "QueryMatter": "name",
        "QueryRight": "matter reason",
        "Place": "name",
        "District": "name",
        # offers, and who may look
        "BenefitKind": "name standard limits",
        "KindTerm": "label unit",
        "TermWord": "name",
        "OfferDetail": "label value",
        "OfferChange": "field before after",
        "OfferStep": "reason",
        "Measure": "name",
        "Grant": "what purpose",
        "OfferGrant": "what purpose",
        "OrderStep": "by",
        "ConsentPurpose": "name what method use rights harm",
        "Consent": "recipient",
        "EnrollmentNotice": "text",
        "AccessEvent": "reader purpose",
        "RegisteredQuery": "reader purpose",
        "Session": "device",
        "LinkedIdentity": "provider",
        "LoanAnswer": "label field answer",
        "LoanIndicator": "label field possibleAnswers",
        "LoanApplication": "product",
    }.items()
}
"""Fields of the schema, by type, that tell people something or name it by a rule file's word. Left out are what
somebody wrote, quoted documents, and what is given back as it stands: codes, the statement of a consent."""
_WORDS = frozenset({"message", "error_description", "detail"})
"""Where JSON over plain HTTP tells people something."""


def language_of(header: str | None) -> Language:
    """The language that an `Accept-Language` header likes best of ours; Chinese where it says nothing of either."""
    return _liked(header[:LONGEST_HEADER]) if header else "zh"


@lru_cache(maxsize=256)
def _liked(header: str) -> Language:
    best: tuple[float, Language] = (0.0, "zh")
    for entry in header.lower().split(","):
        tag, *parameters = (part.strip() for part in entry.split(";"))
        language: Language | None = (
            "en" if re.match(r"en(-|$)", tag) else "zh" if re.match(r"\*|zh(-|$)", tag) else None
        )
        quality = next((_quality(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
        if language is not None and quality > best[0]:  # in a draw the first named
            best = quality, language
    return best[1]


def _quality(text: str) -> float:
    return float(text) if re.fullmatch(r"[01](\.\d{0,3})?", text) else 0.0


def tell(message: str, language: Language) -> str:
    """A message in the reader's language."""
    return message if language == "zh" else in_english(message)


def telling_english(resolve: Callable[..., Any], source: Any, info: GraphQLResolveInfo[Any], **given: Any) -> Any:
    """Middleware of graphql-core for those who asked for English: the fields of `TOLD` are told in it."""
    answer = resolve(source, info, **given)
    if info.field_name not in TOLD.get(info.parent_type.name, ()):
        return answer
    english: English = info.context.state.english
    return _later(answer, english) if inspect.isawaitable(answer) else _told(answer, english)


async def _later(answer: Awaitable[Any], english: English) -> Any:
    return _told(await answer, english)


def _told(answer: Any, english: English) -> Any:
    if isinstance(answer, (list, tuple)):
        return [_told(one, english) for one in answer]
    return english.tell(answer) if isinstance(answer, str) else answer


class RefusalsInEnglish:
    """Tells the refusals of plain HTTP endpoints in English where that is asked for (ASGI)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request, and its answer."""
        if scope["type"] != "http" or language_of(Headers(scope=scope).get("accept-language")) == "zh":
            await self._app(scope, receive, send)
            return
        started: Message | None = None
        body = b""

        async def translated(message: Message) -> None:
            nonlocal started, body
            if message["type"] == "http.response.start" and _is_refusal(message):
                started = message
                return
            if started is None or message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            headers = MutableHeaders(raw=started["headers"])
            content = _body_in_english(body, headers["content-type"])
            headers["content-length"] = str(len(content))
            await send(started)
            await send({"type": "http.response.body", "body": content})

        await self._app(scope, receive, translated)


def _is_refusal(started: Message) -> bool:
    headers = Headers(raw=started["headers"])
    media = headers.get("content-type", "").partition(";")[0]
    size = headers.get("content-length", "0")
    return started["status"] >= 400 and media in ("application/json", "text/plain") and int(size) <= LARGEST


def _body_in_english(body: bytes, media: str) -> bytes:
    if media.startswith("text/plain"):
        return b"\n".join(in_english(line.decode()).encode() for line in body.split(b"\n"))
    return orjson.dumps(_told_inside(orjson.loads(body)))


def _told_inside(value: Any) -> Any:
    if isinstance(value, list):
        return [_told_inside(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    return {
        key: in_english(one) if key in _WORDS and isinstance(one, str) else _told_inside(one)
        for key, one in value.items()
    }
