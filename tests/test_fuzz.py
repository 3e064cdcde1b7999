"""A hundred thousand codes and receipts that somebody has tampered with: none is taken, and none breaks the reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from uuid import UUID

import pytest
from factories import NOON, key_file

from core.keys import Keys, load_keys
from core.signing import SignatureInvalid
from partners.codes import issue_code, open_code
from partners.receipts import check_receipt, sign_receipt

INPUTS = 100_000
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ODD = (".", "=", " ", "\n", "\0", "%", "+", "/", "码", "\ud800", "\u202e", "𝟙", '"', "{")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Keys of this module."""
    return load_keys(key_file(tmp_path_factory.mktemp("fuzz")))


def tampered(genuine: list[str], chance: Random) -> Iterator[str]:
    """Texts near genuine ones, none of which is one."""

    def letter() -> str:
        return chance.choice(ODD) if chance.random() < 0.2 else chance.choice(ALPHABET)

    def replaced(text: str, place: int) -> str:
        return text[:place] + letter() + text[place + 1 :]

    def spliced(text: str, place: int) -> str:
        other = chance.choice(genuine)
        return text[:place] + other[place:]

    ways: list[Callable[[str, int], str]] = [
        replaced,
        spliced,
        lambda text, place: text[:place] + letter() + text[place:],
        lambda text, place: text[:place] + text[place + chance.randint(1, 9) :],
        lambda text, place: text[:place],
        lambda text, place: text[place:] + text[:place],
        lambda text, place: text[:place] + text[place : place + 2][::-1] + text[place + 2 :],
        lambda text, place: text + text[place:],
        lambda text, _: replaced(replaced(text, chance.randrange(len(text))), chance.randrange(len(text))),
        lambda text, _: text.swapcase(),
        lambda text, place: ".".join(chance.sample(text.split("."), text.count(".") + 1))[: place + 40],
        lambda text, _: "".join(letter() for _ in range(chance.randint(0, 2 * len(text)))),
    ]
    known, made = set(genuine), 0
    while made < INPUTS:
        text = chance.choice(genuine)
        changed = chance.choice(ways)(text, chance.randrange(len(text)))
        if changed not in known:
            made += 1
            yield changed


def test_no_tampered_code_opens(keys: Keys) -> None:
    genuine = [issue_code(keys, subject_id=1 + number, offer_id=None, now=NOON)[1] for number in range(20)]
    assert all(open_code(keys, code) is not None for code in genuine)
    opened = [text for text in tampered(genuine, Random(1)) if open_code(keys, text) is not None]
    assert opened == []


def test_no_tampered_receipt_is_taken(keys: Keys) -> None:
    genuine = [
        sign_receipt(
            keys,
            issuer="https://xinyi.example",
            verification_id=UUID(int=number),
            partner="UGFydG5lcjox",
            offer="T2ZmZXI6MQ==",
            offer_version=1,
            outcome="BENEFIT_APPLIES" if number % 2 else "STANDARD_SERVICE",
            subject_id=number,
            leaf="0" * 64,
            at=NOON,
        )
        for number in range(1, 20)
    ]
    assert all(check_receipt(keys, receipt) for receipt in genuine)
    taken = []
    for text in tampered(genuine, Random(2)):
        try:
            taken.append(check_receipt(keys, text))
        except SignatureInvalid:
            continue
    assert taken == []
