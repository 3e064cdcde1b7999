"""What has happened in the demo city of late: benefits used, orders, settled days. One thing to know: it happened to
citizens above 40 alone, so that the foremost forty begin with an empty log.

Days before today are settled, each use in a file of its day. Uses of the past have no receipt: a receipt pins a row of
the audit trail, and the trail begins with the city.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Any

from core.clock import day_of, start_of
from core.identifiers import public_id
from core.keys import Keys
from demo.lending import add_loans
from demo.moments import Rows, in_hours, row_id
from demo.people import FOREMOST, PERSONS
from legal.effects import Effect
from partners.accounts import Role
from partners.decisions import RESERVATION
from partners.eligibility import Outcome
from partners.limits import BUDGET
from partners.orders.tables import order_steps, orders
from partners.orders.workflow import CONFIRMED_WITHIN, USUAL_PAY_DAYS, OrderState
from partners.rulebook import Rulebook
from partners.settlement.files import Head, Line, write_file
from partners.settlement.making import WAIT
from partners.settlement.tables import settlement_days, settlement_files, settlement_lines
from partners.tables import (
    access_events,
    accounts,
    benefit_news,
    benefit_watches,
    offers,
    partners,
    quotas,
    redemptions,
    verifications,
)
from scoring.statistics import months_before
from scoring.tables import enrollments, scores, subjects

SEED = 4413
MONTHS = 3
"""How many whole months there was use in, before the present one."""
USED_ON = 0.6
"""Share of days on which there is a use of an offer."""
TAKEN_BACK = 40
"""One use in so many is taken back within the hour."""
FOREMOST_PARTNERS = 2
"""Partners of each sector whose offers are in use: one in each city."""
WATCHER = 1
"""The citizen who has switched notices on."""
SITE = "总台"
ORDERED = (
    (OrderState.CREATED, 0),
    (OrderState.CONFIRMED, 0),
    (OrderState.IN_SERVICE, 1),
    (OrderState.COMPLETED, 3),
    (OrderState.COMPLETED, 40),
    (OrderState.PAID, 25),
)
"""Orders of each pay-later partner: how far each has come, and how many days ago it was made. The fifth is overdue."""
ORDERED_FOR = {"medical": ("普通门诊费用", 400), "elder-care": ("居家助餐助洁", 180), "parking": ("停车费", 60)}
"""What the orders of each kind are for, and the most they cost in 元."""
PATH = (OrderState.CREATED, OrderState.CONFIRMED, OrderState.IN_SERVICE, OrderState.COMPLETED, OrderState.PAID)


@dataclass(frozen=True)
class Lately:
    """The city as it was written so far, and what is added to it."""

    rows: Rows
    random: Random
    rulebook: Rulebook
    now: datetime

    @cached_property
    def on(self) -> date:
        return day_of(self.now)

    @cached_property
    def _places(self) -> dict[int, str]:
        return {row["id"]: row["place"] for row in self.rows[subjects]}

    @cached_property
    def _since(self) -> dict[int, datetime]:
        return {row["subject_id"]: row["enrolled_at"] for row in self.rows[enrollments]}

    @cached_property
    def partners(self) -> dict[int, dict[str, Any]]:
        """Rows by id."""
        return {row["id"]: row for row in self.rows[partners]}

    def account_of(self, partner_id: int) -> str:
        """Through which a partner acts."""
        return self._accounts[partner_id]

    @cached_property
    def _accounts(self) -> dict[int, str]:
        return {row["partner_id"]: row["id"] for row in self.rows[accounts] if row["role"] == Role.PARTNER.value}

    def reaches(self, score: Mapping[str, Any], offer: Mapping[str, Any]) -> bool:
        """Whether a stored score brings an offer's benefit to its subject."""
        if score["model"] != offer["model"] or score["grade"] is None:
            return False
        model = self.rulebook.models.get(offer["model"], self.on)
        is_here = self._places[score["subject_id"]] == self.partners[offer["partner_id"]]["place"]
        return is_here and model.at_least(score["grade"], offer["threshold"])

    def reached(self, offer: Mapping[str, Any]) -> list[tuple[int, datetime]]:
        """Who above 40 gets the benefit of an offer, and since when they take part."""
        return [
            (row["subject_id"], self._since[row["subject_id"]])
            for row in self.rows[scores]
            if (row["subject_id"] - 1) % PERSONS >= FOREMOST and self.reaches(row, offer)
        ]

    def use(self, offer: Mapping[str, Any], subject_id: int, at: datetime, *, amount_fen: int | None) -> dict[str, Any]:
        """A verification, its place in the subject's log and its redemption a minute later; the row of the latter."""
        verification_id, used_at = row_id(self.random, at), at + timedelta(minutes=1)
        most, partner_id = offer["most_fen"], offer["partner_id"]
        account = self.account_of(partner_id)
        asked = {"partner_id": partner_id, "offer_id": offer["id"], "outcome": Outcome.BENEFIT_APPLIES.value, "at": at}
        self.rows[verifications].append(
            {
                "subject_id": subject_id,
                "id": verification_id,
                "code_id": self.random.randbytes(16),
                **asked,
                "offer_version": 1,
                "expires_at": at + RESERVATION,
                "reserved": False,
                "account": account,
                "holds": None if most is None else [[BUDGET, most]],
            }
        )
        seen = {"subject_id": subject_id, "id": row_id(self.random, at), **asked, "why_not": [], "site": SITE}
        self.rows[access_events].append(seen)
        used = {
            "subject_id": subject_id,
            "id": row_id(self.random, used_at),
            "verification_id": verification_id,
            "partner_id": partner_id,
            "amount_fen": amount_fen,
            "took_quota": most is not None,
            "at": used_at,
            "reversed_at": None,
            "reversal_reason": None,
            "site": SITE,
            "holds": None if most is None else [[BUDGET, amount_fen]],
        }
        self.rows[redemptions].append(used)
        return used


def add_lately(rows: Rows, *, keys: Keys, issuer: str, rulebook: Rulebook, now: datetime) -> None:
    """Add what happened of late to the rows of the city; what they hold so far is not changed, but for counts."""
    random = Random(SEED)  # noqa: S311  # a city that is the same every time, not a secret
    lately = Lately(rows, random, rulebook, now)
    _add_uses(lately)
    _add_orders(lately)
    _settle(lately, keys, issuer)
    _add_watch(lately)
    first = next(row for row in rows[offers] if row["kind"] == "loan")
    borrowers = [subject_id for subject_id, _ in lately.reached(first)]
    bank = lately.account_of(first["partner_id"])
    add_loans(rows, random, borrowers=borrowers, bank=bank, offer=first, now=now, on=lately.on)


def in_use(lately: Lately) -> Iterator[dict[str, Any]]:
    """The offers that citizens use at once: the first of a partner's, and those with a budget."""
    met: set[int] = set()
    of_sector: Counter[str] = Counter()
    for offer in lately.rows[offers]:
        partner_id, model = offer["partner_id"], lately.rulebook.models.get(offer["model"], lately.on)
        if partner_id not in met:
            of_sector[lately.partners[partner_id]["sector"]] += 1
        is_first = partner_id not in met and Effect.DEFERRED_PAYMENT not in offer["effects"]
        met.add(partner_id)
        is_foremost = of_sector[lately.partners[partner_id]["sector"]] <= FOREMOST_PARTNERS
        if model.subject == "person" and is_foremost and (is_first or offer["budget_fen"] is not None):
            yield offer


def _add_uses(lately: Lately) -> None:
    random, on = lately.random, lately.on
    since = months_before(on.replace(day=1), MONTHS)
    for offer in list(in_use(lately)):
        reached, taken = lately.reached(offer), 0
        for back in range((on - since).days, 0, -1):
            at = in_hours(random, on - timedelta(days=back))
            taking_part = [subject_id for subject_id, enrolled_at in reached if enrolled_at < at]
            if not taking_part or random.random() >= USED_ON:
                continue
            amount_fen = 100 * random.randrange(2, 20)
            used = lately.use(offer, random.choice(taking_part), at, amount_fen=amount_fen)
            if random.randrange(TAKEN_BACK) == 0:
                used |= {"reversed_at": used["at"] + timedelta(minutes=30), "reversal_reason": "顾客取消(演示)"}
            elif offer["budget_fen"] is not None:
                taken += amount_fen
        if offer["budget_fen"] is not None:
            count = {"offer_id": offer["id"], "bucket": BUDGET, "cap": offer["budget_fen"], "taken": taken}
            lately.rows[quotas].append(count)


def _add_orders(lately: Lately) -> None:
    """Orders at the foremost hospitals, car parks and centres of elder care."""
    random, met = lately.random, Counter[str]()
    for offer in lately.rows[offers]:
        sector = lately.partners[offer["partner_id"]]["sector"]
        if Effect.DEFERRED_PAYMENT not in offer["effects"] or met[sector] == FOREMOST_PARTNERS:
            continue
        met[sector] += 1
        long_ago = lately.now - timedelta(days=60)
        people = [subject_id for subject_id, enrolled_at in lately.reached(offer) if enrolled_at < long_ago]
        for (state, days), subject_id in zip(ORDERED, random.sample(people, len(ORDERED)), strict=True):
            _add_order(lately, offer, subject_id, state, days)


def _add_order(lately: Lately, offer: Mapping[str, Any], subject_id: int, state: OrderState, days: int) -> None:
    made_at = lately.now.replace(microsecond=0) - timedelta(days=days, minutes=10 if days == 0 else 20)
    used = lately.use(offer, subject_id, made_at - timedelta(minutes=1), amount_fen=None)
    pay_days = offer["details"].get("pay_within_days", USUAL_PAY_DAYS)
    title, most_yuan = ORDERED_FOR[offer["kind"]]
    amount_fen = 100 * lately.random.randrange(10, most_yuan)
    path = PATH[: PATH.index(state) + 1]
    moments = [made_at + timedelta(minutes=2 * step) for step in range(len(path))]
    done = dict(zip(path, moments, strict=True))
    completed_at = done.get(OrderState.COMPLETED)
    order = {
        "subject_id": subject_id,
        "id": row_id(lately.random, made_at),
        "partner_id": offer["partner_id"],
        "offer_id": offer["id"],
        "verification_id": used["verification_id"],
        "state": state.value,
        "title": title,
        "amount_fen": amount_fen,
        "final_fen": amount_fen if completed_at else None,
        "paid_fen": amount_fen if state is OrderState.PAID else None,
        "pay_days": pay_days,
        "due_on": day_of(completed_at) + timedelta(days=pay_days) if completed_at else None,
        "expires_at": made_at + CONFIRMED_WITHIN,
        "created_at": made_at,
        "ended_at": done.get(OrderState.PAID),
    }
    lately.rows[orders].append(order)
    holder, partner = f"citizen-{subject_id}", lately.account_of(offer["partner_id"])
    lately.rows[order_steps] += [
        {
            "subject_id": subject_id,
            "order_id": order["id"],
            "step": step,
            "state": after.value,
            "actor": holder if after is OrderState.CONFIRMED else partner,
            "at": at,
            "amount_fen": None if after in {OrderState.CONFIRMED, OrderState.IN_SERVICE} else amount_fen,
            "reason": "",
        }
        for step, (after, at) in enumerate(done.items(), 1)
    ]


def _settle(lately: Lately, keys: Keys, issuer: str) -> None:
    """The files of every day before today, as they were made after each."""
    rows, by_file = lately.rows, defaultdict[tuple[date, int, str], list[Line]](list)
    verified = {row["id"]: row["offer_id"] for row in rows[verifications]}
    terms = {row["id"]: row for row in rows[offers]}
    for used in sorted(rows[redemptions], key=lambda row: (row["at"], row["id"])):
        offer, day = terms[verified[used["verification_id"]]], day_of(used["at"])
        if day >= lately.on or used["reversed_at"] is not None:
            continue
        partner_id = used["partner_id"]
        paid_by = offer["budget"] if offer["payer"] != "partner" else lately.partners[partner_id]["name"]
        line = Line(
            "use", used["id"], str(used["verification_id"]), offer["id"], 1, SITE, used["amount_fen"] or 0, used["at"]
        )
        by_file[day, partner_id, paid_by].append(line)
    for (day, partner_id, funder), lines in sorted(by_file.items(), key=lambda one: one[0]):
        made_at = start_of(day + timedelta(days=1)) + WAIT
        head = Head(
            row_id(lately.random, made_at),
            issuer,
            public_id("Partner", partner_id),
            lately.partners[partner_id]["name"],
            funder,
            day,
            made_at,
        )
        written = write_file(keys, head, lines, public_id=public_id)
        file = {"id": head.id, "partner_id": partner_id, "funder": funder, "day": day, "made_at": made_at}
        rows[settlement_files].append({**file, "lines": len(lines), **written._asdict()})
        rows[settlement_lines] += [
            {
                "file_id": head.id,
                "line": number,
                "kind": line.kind,
                "redemption_id": line.redemption_id,
                "receipt_jti": line.receipt,
                "amount_fen": line.amount_fen,
                "at": line.at,
            }
            for number, line in enumerate(lines, 1)
        ]
    first = min(day_of(row["at"]) for row in rows[redemptions])
    rows[settlement_days] += [
        {"day": day, "made_at": start_of(day + timedelta(days=1)) + WAIT}
        for day in (first + timedelta(days=count) for count in range((lately.on - first).days))
    ]


def _add_watch(lately: Lately) -> None:
    """Citizen 1 wants to be told of new benefits, and has been told of all but those with a budget: the first look of
    the server tells the rest."""
    watch = {"subject_id": WATCHER, "switched_on_at": lately.now, "looked_at": lately.now, "looked_version": 0}
    lately.rows[benefit_watches].append(watch)
    own = [row for row in lately.rows[scores] if row["subject_id"] == WATCHER]
    lately.rows[benefit_news] += [
        {"subject_id": WATCHER, "offer_id": offer["id"], "available_since": lately.now}
        for offer in lately.rows[offers]
        if offer["budget_fen"] is None
        and offer["opens_on"] <= lately.on
        and any(lately.reaches(score, offer) for score in own)
    ]
