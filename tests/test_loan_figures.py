"""Figures of lending. One thing to know: every line is a sum of disjoint blocks of ten borrowers or more, so no sum or
difference of lines tells of one to nine."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from factories import City
from hypothesis import given
from hypothesis import strategies as st
from loan_steps import BID, OFFER, REPORT, accepted, add_loans, apply, bank

from partners.lending.figures import Figure, Loan, loan_figures, published_blocks, quarter_of, quarters_between

Q3, Q4, NEXT = date(2026, 7, 1), date(2026, 10, 1), date(2027, 1, 1)
FIGURES = """query ($from: Date!, $until: Date!, $by: LoanFigureDimension!, $place: String!) {
  loanFigures(place: $place, from: $from, until: $until, by: $by) { smallest growthTargetPercent
  unsecuredTargetPercent targetsSource lines { period bank { name } city segment number amountFen growthPercent
  unsecuredPercent meetsGrowth meetsUnsecured } } }"""


def loans(number: int, *, bank: int = 1, day: date = Q4, first: int = 0, unsecured: int = 0, **more: Any) -> list[Loan]:
    """One loan of 1,000,000 分 to each of so many borrowers, the first of them unsecured."""
    amount, segment, city = more.get("amount", 1_000_000), more.get("segment", "enterprises"), more.get("city", "c")
    return [Loan(city, bank, first + n, day, segment, amount, n < unsecured) for n in range(number)]


def lines(held: list[Loan], by: Any = "bank", since: date = Q4, until: date = NEXT) -> dict[Any, Figure]:
    found = loan_figures(published_blocks(held), since=since, until=until, by=by)
    return {(one.period, one.value): one for one in found}


def test_nine_borrowers_are_no_figure_and_ten_are() -> None:
    assert lines(loans(9)) == {}
    (figure,) = lines(loans(10)).values()
    assert (figure.number, figure.amount_fen, figure.unsecured_percent) == (10, 10_000_000, 0)


def test_many_loans_to_few_borrowers_are_no_figure() -> None:
    assert lines(loans(9) * 10) == {}


def test_a_small_bank_is_only_ever_told_together_with_a_larger_one() -> None:
    held = loans(15) + loans(3, bank=2, first=100) + loans(40, bank=3, first=200)
    found = lines(held)
    assert {value for _, value in found} == {"3", None}
    assert found["2026-Q4", None].number == 10
    assert lines(held, "city")["2026-Q4", "c"].number == 50


def test_the_share_of_unsecured_loans_is_told_where_both_sides_are_ten_or_more() -> None:
    assert lines(loans(40, unsecured=10))["2026-Q4", "1"].unsecured_percent == 25
    assert lines(loans(40, unsecured=9))["2026-Q4", "1"].unsecured_percent is None
    assert lines(loans(40, unsecured=31))["2026-Q4", "1"].unsecured_percent is None
    assert lines(loans(40, unsecured=40))["2026-Q4", "1"].unsecured_percent == 100


def test_growth_is_against_the_same_quarter_a_year_before() -> None:
    before = loans(10, day=date(2025, 12, 31))
    now = loans(13, day=date(2026, 12, 31))
    figure = lines(before + now)["2026-Q4", "1"]
    assert figure.growth_percent == 30
    assert lines(now)["2026-Q4", "1"].growth_percent is None
    assert lines(loans(10, day=date(2025, 9, 30)) + now)["2026-Q4", "1"].growth_percent is None


def test_an_amount_that_is_mostly_one_loan_is_not_told() -> None:
    assert lines(loans(9) + loans(1, first=50, amount=9_000_001))["2026-Q4", "1"].amount_fen is None
    assert lines(loans(9) + loans(1, first=50, amount=9_000_000))["2026-Q4", "1"].amount_fen == 18_000_000
    assert lines(loans(10, amount=1_234_567))["2026-Q4", "1"].amount_fen == 12_000_000


def test_a_year_is_the_sum_of_its_quarters() -> None:
    held = [one for month in (1, 4, 7, 10) for one in loans(10 + month, day=date(2026, month, 9))]
    found = lines(held, since=date(2026, 1, 1))
    assert (
        found["2026", "1"].number == sum(found[f"2026-Q{n}", "1"].number for n in (1, 2, 3, 4)) == 10 * (1 + 1 + 1 + 2)
    )


def test_farmers_are_told_apart() -> None:
    found = loan_figures(published_blocks(loans(20) + loans(10, segment="farmers")), since=Q4, until=NEXT, by="city")
    assert [(one.segment, one.number) for one in found] == [("enterprises", 20), ("farmers", 10)]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 4), st.sampled_from("ab"), st.sampled_from([Q3, Q4]), st.integers(0, 60), st.booleans()
        ),
        max_size=250,
    )
)
def test_no_sum_or_difference_of_lines_tells_of_one_to_nine(given_: list[tuple[int, str, date, int, bool]]) -> None:
    held = [Loan(city, bank, who, day, "enterprises", 100, plain) for bank, city, day, who, plain in given_]
    blocks = published_blocks(held)
    borrowers: dict[Any, set[int]] = defaultdict(set)
    for loan in held:
        told = {(loan.city, quarter_of(loan.disbursed_on), bank) for bank in (loan.bank, None)}
        keys = {(key.city, key.quarter, key.bank) for key in blocks}
        place = next(iter(sorted(told & keys, key=lambda one: one[2] is None)), None)
        if place is not None:
            borrowers[place].add(loan.subject)
    # Blocks are disjoint, and all that is ever told is a sum of whole blocks.
    assert all(len(one) >= 10 for one in borrowers.values())
    for key, block in blocks.items():
        assert block.number == len(borrowers[key.city, key.quarter, key.bank]) // 10 * 10
    by_bank = loan_figures(blocks, since=Q3, until=NEXT, by="bank")
    by_city = loan_figures(blocks, since=Q3, until=NEXT, by="city")
    assert sum(one.number for one in by_bank) == sum(one.number for one in by_city)


def test_quarters() -> None:
    assert [quarter_of(date(2026, month, 15)).month for month in range(1, 13)] == [1] * 3 + [4] * 3 + [7] * 3 + [10] * 3
    assert quarters_between(Q3, NEXT) == [Q3, Q4]
    assert quarters_between(Q3, Q3) == []


async def read(city: City, by: str = "CITY", **given: Any) -> dict[str, Any]:
    asked = {"place": "hunan-shaoyang", "from": "2026-10-01", "until": "2027-01-01", "by": by} | given
    body = await city.ask(FIGURES, asked, by="operator")
    assert "errors" not in body, body
    return dict(body["data"]["loanFigures"])


async def test_staff_read_growth_and_unsecured_share_against_their_targets(city: City) -> None:
    await add_loans(city, 20, day=date(2025, 11, 1), unsecured=20, first=0)
    await add_loans(city, 30, day=date(2026, 11, 1), unsecured=10, first=100)
    found = await read(city)
    assert (found["smallest"], found["growthTargetPercent"], found["unsecuredTargetPercent"]) == (10, 30, 25)
    assert found["targetsSource"].startswith("《惠州市")
    line = {"period": "2026-Q4", "bank": None, "city": "hunan-shaoyang", "segment": "ENTERPRISES", "number": 30}
    line |= {"amountFen": 30_000_000, "growthPercent": 50, "unsecuredPercent": 33, "meetsGrowth": True}
    assert found["lines"] == [line | {"meetsUnsecured": True}]
    (by_bank,) = (await read(city, "BANK"))["lines"]
    assert by_bank == line | {"meetsUnsecured": True, "bank": {"name": "测试bank"}, "city": None}
    assert (await read(city, place="hebei"))["lines"] == []


async def test_a_correction_takes_the_place_of_what_was_reported(city: City) -> None:
    await add_loans(city, 9, day=date(2026, 11, 1), unsecured=9, first=0)
    application = await accepted(city)
    said = {"amountFen": 40_000_000, "rateBp": 385, "disbursedOn": "2026-11-20", "secured": False}
    await bank(city, REPORT, application, **said, repayment="RUNNING")
    assert (await read(city))["lines"][0]["amountFen"] is None, "mostly one loan"
    await bank(city, REPORT, application, **said | {"amountFen": 1_000_000}, repayment="RUNNING")
    (line,) = (await read(city))["lines"]
    assert (line["number"], line["amountFen"], line["unsecuredPercent"]) == (10, 10_000_000, 100)


async def test_periods_are_whole_quarters_so_that_none_differs_by_a_day(city: City) -> None:
    for given_ in (
        {"from": "2026-10-02"}, {"until": "2026-12-31"}, {"until": "2026-10-01"}, {"from": "1990-01-01"},
        {"place": "nowhere"}, {"from": "0001-01-01"},
    ):  # fmt: skip
        asked = {"place": "hunan-shaoyang", "from": "2026-10-01", "until": "2027-01-01", "by": "CITY"} | given_
        body = await city.ask(FIGURES, asked, by="operator")
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", given_


async def test_an_application_alone_is_no_figure(city: City) -> None:
    made = await apply(city)
    await bank(city, OFFER, made["id"], **BID)
    city.now += timedelta(days=1)
    assert (await read(city))["lines"] == []
