"""`examples/partner.py`, as a bank would run it: against a server that listens, and by its parts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from contextlib import closing
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from listening import listening
from sandboxes import Trial
from test_partner_check import trial

__all__ = ["trial"]
FILE = Path(__file__).parents[1] / "examples" / "partner.py"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example, loaded from its file; it is no module of ours."""
    spec = spec_from_file_location("example_partner", FILE)
    assert spec is not None
    assert spec.loader is not None
    found = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "example_partner", found)
    spec.loader.exec_module(found)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return found


async def test_the_example_passes_the_conformance_run(
    trial: Trial, example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with listening(trial.city.app) as address:
        given = ["check", "--url", f"{address}/sandbox", "--key", str(tmp_path / "partner-ES256.jwk")]
        assert await asyncio.to_thread(example.main, given) == 0
    told = capsys.readouterr().out
    assert told.count("✓") == 18
    assert [line.split()[1] for line in told.splitlines() if line.startswith("✗")] == ["PAY_LATER"]


class Unsteady:
    """The other side: lost at first, then answering what it is told to answer."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), []  # type: ignore[var-annotated]

    def do(self, mutation: str, result: str, **given: Any) -> Any:
        self.asked.append((mutation, given))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


STANDARD = {"id": "v", "outcome": "STANDARD_SERVICE", "benefit": None}


def test_what_was_lost_is_sent_again_as_the_same_request(example: ModuleType) -> None:
    other = Unsteady(httpx.ReadTimeout("slow"), example.Problem("UNAVAILABLE", "later"), STANDARD)
    with closing(example.Book(":memory:")) as book:
        assert example.Counter(other, book).verify("code", "offer") == STANDARD
        assert book.unanswered() == []
    assert len(other.asked) == 3
    assert len({given["requestId"] for _, given in other.asked}) == 1


def test_what_a_crash_cut_off_is_sent_again_from_the_book(example: ModuleType, tmp_path: Path) -> None:
    with closing(example.Book(tmp_path / "book.db")) as book:
        request = book.begin("redeemBenefit", {"verificationId": "v"})
    other = Unsteady({"id": "r"})
    with closing(example.Book(tmp_path / "book.db")) as again:
        example.Counter(other, again).catch_up()
        assert again.unanswered() == []
    assert other.asked == [("redeemBenefit", {"requestId": request, "verificationId": "v"})]


def test_when_nobody_answers_everybody_is_served_as_usual(example: ModuleType) -> None:
    other = Unsteady(*[httpx.ConnectError("down")] * 4)
    with closing(example.Book(":memory:")) as book:
        assert example.Counter(other, book).serve(lambda: ("code", "offer")) is None
        assert len(book.unanswered()) == 1


def signed(secret: bytes, event: str, at: int, body: bytes) -> dict[str, str]:
    mac = hmac.new(secret, f"{event}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": event, "webhook-timestamp": str(at), "webhook-signature": signature}


def test_an_event_is_taken_once_and_neither_forged_nor_stale(example: ModuleType) -> None:
    secret, now, body = b"s" * 32, int(time.time()), json.dumps({"data": {"word": "云"}}).encode()
    events = example.Events(secret="whsec_" + base64.b64encode(secret).decode())
    assert events.take(signed(secret, "e1", now, body), body) == 204
    assert events.take(signed(secret, "e1", now, body), body) == 204
    assert events.take(signed(b"x" * 32, "e2", now, body), body) == 401
    assert events.take(signed(secret, "e3", now - 301, body), body) == 401
    assert events.take(signed(secret, "e4", now, body), body + b" ") == 401
    assert events.take({}, body) == 401
    assert events.taken == {"e1": {"word": "云"}}
