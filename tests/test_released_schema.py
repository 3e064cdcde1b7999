"""What was released stays, or the changelog says since when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.release import announced, breaking_changes, dangerous_changes, last_release, unannounced

OLD = """
directive @access(to: [Audience!]!) on OBJECT | FIELD_DEFINITION
directive @shown repeatable on FIELD_DEFINITION | OBJECT
enum Audience { ANYONE CITIZEN PARTNER }
interface Node { id: ID! }
type Query {
  me(first: Int): Offer @access(to: [CITIZEN])
  offers: [Offer!]! @access(to: [ANYONE])
  answer: Answer @access(to: [CITIZEN])
}
type Offer implements Node @access(to: [CITIZEN, PARTNER]) { id: ID! title: String! price: Int }
type Problem @access(to: [ANYONE]) { code: String! }
union Answer = Offer | Problem
enum Outcome { BENEFIT_APPLIES STANDARD_SERVICE }
input Wish { offerId: ID first: Int = 20 }
scalar Fen
"""

BREAKING = [
    ("scalar Fen", "", "Fen was removed"),
    ("scalar Fen", "enum Fen { ONE }", "Fen changed from"),
    ("= Offer | Problem", "= Offer", "Problem was removed from union type Answer"),
    ("STANDARD_SERVICE }", "}", "Enum value Outcome.STANDARD_SERVICE was removed"),
    ("first: Int = 20 }", "first: Int = 20 site: String! }", "A required field Wish.site was added"),
    ("Offer implements Node @", "Offer @", "Offer no longer implements interface Node"),
    (" price: Int", "", "Field Offer.price was removed"),
    ("title: String!", "title: String", "Field Offer.title changed type from String! to String"),
    ("title: String!", "title: Int!", "Field Offer.title changed type from String! to Int!"),
    ("me(first: Int)", "me(first: Int, kind: String!)", "A required argument Query.me(kind:) was added"),
    ("me(first: Int)", "me", "Argument Query.me(first:) was removed"),
    ("me(first: Int)", "me(first: Int!)", "Argument Query.me(first:) has changed type from Int to Int!"),
    ("offerId: ID ", "offerId: ID! ", "Field Wish.offerId changed type from ID to ID!"),
    ("offerId: ID ", "", "Field Wish.offerId was removed"),
    ("directive @shown repeatable on FIELD_DEFINITION | OBJECT", "", "Directive @shown was removed"),
    ("@shown repeatable", "@shown", "Repeatable flag was removed from @shown"),
    ("FIELD_DEFINITION | OBJECT\nenum", "FIELD_DEFINITION\nenum", "OBJECT was removed from @shown"),
    (
        "@access(to: [CITIZEN, PARTNER])",
        "@access(to: [CITIZEN])",
        "Field Offer.title may no longer be read by PARTNER.",
    ),
    (
        "@access(to: [ANYONE])\n  answer",
        "@access(to: [PARTNER])\n  answer",
        "Query.offers may no longer be read by ANYONE.",
    ),
    ("price: Int", "price: Int @access(to: [PARTNER])", "Field Offer.price may no longer be read by CITIZEN."),
]

HARMLESS = [
    ("price: Int", "price: Int! place: String"),
    ("me(first: Int)", "me(first: Int, kind: String)"),
    ("STANDARD_SERVICE }", "STANDARD_SERVICE LATER }"),
    ("@access(to: [CITIZEN, PARTNER])", "@access(to: [ANYONE])"),
    ("scalar Fen", "scalar Fen type New @access(to: [ANYONE]) { id: ID! }"),
]


def changed(old: str, new: str) -> str:
    assert OLD.count(old) == 1, old
    return OLD.replace(old, new)


@pytest.mark.parametrize(("old", "new", "said"), BREAKING, ids=[said for _, _, said in BREAKING])
def test_what_breaks_a_client_is_found_and_passes_only_where_the_changelog_names_it(
    old: str, new: str, said: str
) -> None:
    changes = breaking_changes(OLD, changed(old, new))
    assert any(said in change for change in changes), changes
    silent = "# Changelog\n\n## Unreleased\n\n### Added\n- Something.\n"
    assert unannounced(changes, silent) == changes
    named = "".join(f"- 2026-11-22: {change} Use the other.\n" for change in changes)
    assert unannounced(changes, f"# Changelog\n\n## Unreleased\n\n### Breaking\n{named}\n### Added\n- Else.\n") == []


@pytest.mark.parametrize(("old", "new"), HARMLESS)
def test_what_only_adds_breaks_nobody(old: str, new: str) -> None:
    assert breaking_changes(OLD, changed(old, new)) == []


def test_more_values_and_other_defaults_are_pointed_out() -> None:
    new = changed("STANDARD_SERVICE }", "STANDARD_SERVICE LATER }").replace("= 20", "= 50")
    found = dangerous_changes(OLD, new)
    assert len(found) == 2
    assert found[0].startswith("Enum value Outcome.LATER was added")
    assert "from 20 to 50" in found[1]


@pytest.mark.parametrize(
    "entry",
    [
        "- Field Offer.price was removed.",
        "- 2026-11-22 Field Offer.price was removed.",
        "- 2026-11-22: field price is gone.",
        "- 2026-11-22: Field Offer.pric",
    ],
)
def test_an_entry_names_the_day_and_the_very_change(entry: str) -> None:
    changes = ["Field Offer.price was removed."]
    assert unannounced(changes, f"## Unreleased\n\n### Breaking\n{entry}\n") == changes


def test_an_entry_counts_in_the_unreleased_list_alone_and_may_run_over_lines() -> None:
    entry = "- 2026-11-22: Field Offer.price was\n  removed. Nobody used it.\n"
    assert announced(f"## Unreleased\n\n### Breaking\n{entry}") == ["Field Offer.price was removed. Nobody used it."]
    assert announced(f"## Unreleased\n\n### Added\n{entry}") == []
    assert announced(f"## Unreleased\n\n## 0.1.0 · 2026-11-30\n\n### Breaking\n{entry}") == []


def test_an_impossible_day_is_no_day() -> None:
    with pytest.raises(ValueError, match="day is out of range"):
        announced("## Unreleased\n\n### Breaking\n- 2026-02-30: Field Offer.price was removed.\n")


def test_the_last_release_is_the_highest_by_number(tmp_path: Path) -> None:
    assert last_release(tmp_path) is None
    for version in ("0.9.0", "0.10.0", "0.2.11"):
        (tmp_path / f"{version}.graphql").touch()
    assert last_release(tmp_path) == tmp_path / "0.10.0.graphql"
