"""Judges an offer as a partner describes it, before there is any catalogue. One thing to know: what is not understood
goes to a human, never through; the threshold (L3) and what an answer tells of people (L12) need a catalogue.

Pure: the lists and the day are passed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

from core.errors import ExpectedError
from legal.conditions import grade_asked
from legal.effects import ADDED_CAPACITY, RELATIVE, Effect
from legal.guard import Refusal, check_offer
from legal.harms import ADDITIONS, HARMS
from legal.protected import ProtectedList, named_in
from legal.sources import refuse
from legal.terms import Baseline, Citation, KindLimits, Ladder, OfferTerms, SubjectKind
from legal.words import normal

LONGEST = 4_000
"""Characters of one text that are read."""
LAWFUL = "未发现违反守则之处。门槛是否挣得(L3)和答复是否暗示不良(L12)要在目录中另行核对。"


class BadDescription(ExpectedError):
    """The description is not of the agreed shape."""

    code = "BAD_LINE"


@dataclass(frozen=True, slots=True)
class Description:
    """An offer in a partner's words."""

    subject: SubjectKind
    kind: str
    title: str
    standard_service: str
    benefit: str
    payer: str
    effects: tuple[str, ...]
    conditions: tuple[str, ...]
    basic_public_service: bool | None
    statutory_right: bool | None
    published: bool | None
    """Whether the measure is on the published list; None: not said."""
    budget: str = ""
    notice: str = ""
    standard_lanes_unchanged: bool = False
    strange: tuple[str, ...] = ()
    """Keys that nobody agreed on."""

    @property
    def spoken(self) -> str:
        """All that is said of the offer in free words."""
        return "。".join((self.title, self.standard_service, self.benefit, *self.conditions))


@dataclass(frozen=True, slots=True)
class Judgement:
    """`lawful`, `unlawful` or `review`; the rules in question, in order; and why."""

    verdict: str
    rules: tuple[str, ...]
    message: str


def read_description(content: Mapping[str, Any]) -> Description:
    """One line of `xinyi guard check`, its shape checked.

    Raises:
        BadDescription: a value is not of its type; names the key.
    """
    known = {one.name for one in fields(Description)} - {"strange"}
    subject = content.get("subject")
    if subject not in {"person", "enterprise"}:
        raise BadDescription("subject 须是 person(个人)或 enterprise(企业)。请改正后重试。")
    return Description(
        subject=subject,
        kind=_text(content, "kind"),
        title=_text(content, "title"),
        standard_service=_text(content, "standard_service"),
        benefit=_text(content, "benefit"),
        payer=_text(content, "payer"),
        effects=_texts(content, "effects"),
        conditions=_texts(content, "conditions"),
        basic_public_service=_flag(content, "basic_public_service"),
        statutory_right=_flag(content, "statutory_right"),
        published=_flag(content, "published"),
        budget=_text(content, "budget"),
        notice=_text(content, "notice"),
        standard_lanes_unchanged=bool(_flag(content, "standard_lanes_unchanged")),
        strange=tuple(sorted(str(key) for key in content if key not in {"id", *known})),
    )


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST:
        raise BadDescription(f"{key} 须是不超过 {LONGEST} 字的文字。请改正后重试。")
    return value


def _flag(content: Mapping[str, Any], key: str) -> bool | None:
    value = content.get(key)
    if value is not None and not isinstance(value, bool):
        raise BadDescription(f"{key} 须是 true 或 false。请改正后重试。")
    return value


def _texts(content: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = content.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > 100 or not all(isinstance(one, str) for one in value):
        raise BadDescription(f"{key} 须是文字的列表。请改正后重试。")
    if any(len(one) > LONGEST for one in value):
        raise BadDescription(f"{key} 中有一项超过 {LONGEST} 字。请改正后重试。")
    return tuple(value)


def judge(offer: Description, *, protected: ProtectedList, kind_protected: bool | None, on: date) -> Judgement:
    """Lawful, unlawful or for a human, by the rules that need no catalogue.

    Args:
        protected: the lists to go by.
        kind_protected: whether offers of this kind concern a protected service; None: there is no such kind.
        on: the day in Asia/Shanghai.
    """
    found = list(_refusals(offer, protected, kind_protected, on))
    unlawful = [refusal for refusal in found if refusal.verdict == "unlawful"]
    counted = unlawful or found
    if not counted:
        return Judgement("lawful", (), LAWFUL)
    rules = tuple(sorted({refusal.rule for refusal in counted}, key=lambda rule: int(rule[1:])))
    told = " ".join(dict.fromkeys(f"[{one.rule}] {one.message}(依据:{one.source})" for one in counted))
    return Judgement("unlawful" if unlawful else "review", rules, told)


def _refusals(offer: Description, protected: ProtectedList, kind_protected: bool | None, on: date) -> Iterator[Refusal]:
    words = [re.sub(r"[\s_]+", "-", normal(effect).strip()) for effect in offer.effects]
    added = tuple(dict.fromkeys(ADDITIONS[word] for word in words if word in ADDITIONS))
    terms = _terms(offer, added, protected, on)
    declared = offer.basic_public_service or offer.statutory_right
    spoken = normal(f"{offer.title}。{offer.standard_service}。{offer.benefit}")
    named = named_in(protected.services + protected.rights, spoken, on=on)
    is_protected = bool(declared or kind_protected or named)
    strictly = _guarded(terms, protected, on, is_protected=bool(kind_protected))
    if kind_protected and offer.basic_public_service is False and not named:
        # The partner says that no protected service is concerned and only the kind suggests it: a human says which.
        plainly = _guarded(terms, protected, on, is_protected=False)
        yield from plainly
        yield from (replace(one, verdict="review") for one in strictly if one not in plainly)
    else:
        yield from strictly
    for word, effect in zip(words, offer.effects, strict=True):
        if harm := HARMS.get(word):
            rules = harm.protected if is_protected else harm.loan if offer.kind == "loan" else harm.elsewhere
            for rule in rules:
                yield refuse(rule, f"效果“{effect}”{harm.does}。优惠只能在标准服务之上增加,请删去。")
        elif word not in ADDITIONS:
            yield refuse("L0", f"不认识效果“{effect}”,机器不能判断。请改用清单内的增益,或由人审定。", "review")
    yield from _unclear(offer, added, protected, kind_protected)
    yield from _not_what_it_is_called(offer, added, protected, is_protected=is_protected)


def _guarded(terms: OfferTerms, protected: ProtectedList, on: date, *, is_protected: bool) -> list[Refusal]:
    """What the guard has against it. What it adds (L0) is judged word by word instead."""
    found = check_offer(
        terms,
        ladder=Ladder(terms.model, terms.subject, (terms.threshold, "below it"), "below it"),
        others=(),
        baselines=(),
        protected=protected,
        kind=KindLimits(terms.kind, frozenset(Effect), is_protected),
        on=on,
        measures=None,
    )
    return [refusal for refusal in found if refusal.rule != "L0"]


def _unclear(
    offer: Description, added: tuple[Effect, ...], protected: ProtectedList, kind_protected: bool | None
) -> Iterator[Refusal]:
    """What is missing, strange, or left to a human."""
    if not offer.effects:
        yield refuse("L0", "没有写明在标准服务之上增加什么。请写明至少一项增益,或由人审定。", "review")
    if kind_protected is None:
        yield refuse("L0", f"没有“{offer.kind}”这种优惠,机器不能判断。请改用已有的种类,或由人审定。", "review")
    if offer.published is False and not set(added) & (RELATIVE | {Effect.FEWER_INSPECTIONS}):
        yield refuse("L0", "这项措施没有列入公布的清单。请先公布,或由人审定。", "review")
    if offer.strange:
        yield refuse("L0", f"有不认识的内容:{'、'.join(offer.strange)}。请删去,或由人审定。", "review")
    if not offer.standard_service.strip():
        yield refuse("L1", "没有写明标准服务,无从比较。请写明人人可得的标准服务。", "review")
    if not offer.benefit.strip() and not offer.title.strip():
        yield refuse("L0", "没有写明优惠是什么。请写明,或由人审定。", "review")
    if offer.payer.strip() and protected.words.payer(offer.payer) is None:
        yield refuse("L11", f"看不出“{offer.payer}”是谁,机器不能判断由谁承担。请写明,或由人审定。", "review")


def _not_what_it_is_called(
    offer: Description, added: tuple[Effect, ...], protected: ProtectedList, *, is_protected: bool
) -> Iterator[Refusal]:
    """A benefit in words that do not show that it is what it is called. Harm likes to call itself an extra."""
    words = protected.words
    rule, what = ("L5", "可能触及基本公共服务本身") if is_protected else ("L0", "机器不能判断")
    told = normal(f"{offer.title}。{offer.benefit}")
    for effect in added:
        if not words.shows(effect, told, is_protected=is_protected):
            yield refuse(rule, f"“{offer.benefit}”看不出是“{effect}”,{what}。请写明,或由人审定。", "review")
    sentences = words.sentences(offer.benefit)
    for sentence in sentences if len(sentences) > 1 else ():
        shown = any(words.shows(effect, sentence, is_protected=is_protected) for effect in added)
        if not shown and not words.leaves_alone(sentence):
            yield refuse(rule, f"“{sentence}”既不是所写的增益,也没有说标准服务不变。请写明,或由人审定。", "review")


def _terms(offer: Description, added: tuple[Effect, ...], protected: ProtectedList, on: date) -> OfferTerms:
    """The offer in the guard's words, with what only a catalogue knows made plain and lawful."""
    read = protected.words
    texts = " ".join((offer.title, offer.standard_service, offer.benefit))
    is_added = read.unchanged.search(normal(texts)) is not None
    if set(added) & ADDED_CAPACITY == {Effect.EXTRA_CAPACITY}:
        is_added = is_added or read.newly_added.search(normal(offer.benefit)) is not None
    named = read.payer(offer.payer)
    payer = offer.payer if named == "outsiders" else (named or "partner")
    if payer == "partner" and _is_sponsor(offer):
        payer = "third-party"
    listed = offer.notice or ("公布的清单" if offer.published else "")
    if offer.published is None and (cited := read.cited_lists.search(normal(texts))):
        listed = listed or cited.group()
    asked = [grade for condition in offer.conditions if (grade := grade_asked(condition))]
    return OfferTerms(
        partner="",
        place=protected.place,
        kind=offer.kind,
        model="described",
        subject=offer.subject,
        threshold=asked[0] if asked else "",
        title=offer.title,
        standard_service=offer.standard_service,
        benefit=offer.benefit,
        effects=added,
        payer=payer,
        budget=offer.budget or (offer.payer if payer != "partner" else ""),
        standard_lanes_unchanged=offer.standard_lanes_unchanged or is_added,
        notice=listed,
        # The first grade is the threshold; a second one is left to be refused.
        conditions=tuple(c for c in offer.conditions if not asked or grade_asked(c) != asked[0]),
        baseline=Baseline(Citation("partner's public terms"), date.min, documents=_documents(offer, protected)),
        opens_on=on,
        basic_public_service=bool(offer.basic_public_service),
        statutory_right=bool(offer.statutory_right),
    )


def _is_sponsor(offer: Description) -> bool:
    """Whether the texts say that the payer gives it as a sponsor («由蛋糕店赞助»)."""
    payer = normal(offer.payer).strip()
    if not payer or re.search("[本我院站]|中心|机构", payer):
        return False  # whoever provides the service sponsors nothing beside it
    return re.search(f"由{re.escape(payer)}(赞助|捐赠|捐助|资助)", normal(offer.benefit)) is not None


def _documents(offer: Description, protected: ProtectedList) -> tuple[str, ...]:
    """What the standard service asks of everybody, or what it takes to hand the benefit over, among the conditions."""
    plain = [normal(condition).strip() for condition in offer.conditions]
    wanted = [text.removeprefix("provide:").strip() for text in plain if text.startswith("provide:")]
    standard = normal(offer.standard_service)
    return tuple(one for one in wanted if one and (one in standard or protected.words.is_ordinary_document(one)))
