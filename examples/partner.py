"""A bank's integration, whole in one file: signing in by key, verifying, redeeming, reversing, webhooks, settlement.
One thing to know: it uses nothing of the server's code, only HTTP; every request is in the book before it is sent, so
that a time-out, a lost connection or a crash is answered by sending the same request once more.

    python examples/partner.py check  --url http://127.0.0.1:8000/sandbox --key bank.jwk
    python examples/partner.py settle --url http://127.0.0.1:8000 --key live.jwk --folder settlement

Needs httpx and PyJWT with cryptography. docs/for-partners.md says what the answers mean.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECONDS_TO_WAIT = 15  # longer than the slowest answer that may come
TRIES = 4
MOST_BYTES = 100_000
TOLERANCE = 300  # seconds by which the time of an event may be off

RESULTS = {
    "verifyCreditCode": "... on Verification { id outcome benefit receipt expiresAt }",
    "redeemBenefit": "... on Redemption { id redeemedAt }",
    "reverseRedemption": "... on ReversedRedemption { id reversedAt }",
    "releaseVerification": "... on ReleasedVerification { id releasedAt }",
}
FILES = """query Settlement($after: String) { settlementFiles(first: 50, after: $after) {
  edges { node { id day funder totalFen csvPath statement } } pageInfo { hasNextPage endCursor } } }"""


class Problem(Exception):
    """What was refused, by its stable code; never about who the person is."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Xinyi:
    """The other side: signs in by key (RFC 7523), and asks."""

    def __init__(self, url: str, key_file: Path) -> None:
        self._url = url.rstrip("/")
        self._key = jwt.PyJWK.from_json(key_file.read_text())
        self._http = httpx.Client(timeout=SECONDS_TO_WAIT)
        self._token, self._until = "", 0.0

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def get(self, path: str, *, token: bool = False) -> httpx.Response:
        """A public document, or with `token` a file of our own."""
        headers = {"authorization": f"Bearer {self._fresh()}"} if token else {}
        return self._http.get(self._url + path, headers=headers).raise_for_status()

    def ask(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The data of a document. Raises `Problem`, or `httpx.HTTPError` where nobody answers."""
        for attempt in (1, 2):
            headers = {"authorization": f"Bearer {self._fresh()}"}
            body = {"query": document, "variables": variables}
            answer = self._http.post(f"{self._url}/graphql", json=body, headers=headers).json()
            if "errors" not in answer:
                return dict(answer["data"])
            error = answer["errors"][0]
            if error["extensions"]["code"] != "UNAUTHENTICATED" or attempt == 2:
                break
            self._until = 0  # ended early: a new token may do
        raise Problem(error["extensions"]["code"], error["message"])

    def do(self, mutation: str, result: str, **given: Any) -> dict[str, Any]:
        """The result of a mutation. Raises as `ask` does."""
        name = mutation[0].upper() + mutation[1:]
        document = f"""mutation {name}($input: {name}Input!) {{ {mutation}(input: $input) {{
          __typename {result} ... on Problem {{ code message }} }} }}"""
        found = dict(self.ask(document, {"input": given})[mutation])
        if found["__typename"] == "Problem":
            raise Problem(found["code"], found["message"])
        return found

    def _fresh(self) -> str:
        if time.time() > self._until - 30:
            self._sign_in()
        return self._token

    def _sign_in(self) -> None:
        name, now = self._key.key_id, int(time.time())
        endpoint = self.get("/.well-known/oauth-authorization-server").json()["token_endpoint"]
        claims = {"iss": name, "sub": name, "aud": endpoint, "iat": now, "exp": now + 60, "jti": str(uuid.uuid4())}
        signed = jwt.encode(claims, self._key.key, algorithm=self._key.algorithm_name, headers={"kid": name})
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": signed}
        said = self._http.post(f"{self._url}/oauth/token", data=form).json()
        if "access_token" not in said:
            raise Problem(said.get("xinyi_code", "SIGN_IN_FAILED"), said.get("error_description", ""))
        self._token, self._until = said["access_token"], now + said["expires_in"]


class Book:
    """What we asked and what we were answered; a receipt is the proof of an answer."""

    def __init__(self, path: Path | str) -> None:
        self._rows = sqlite3.connect(path, isolation_level=None)
        self._rows.execute("CREATE TABLE IF NOT EXISTS asked (id TEXT PRIMARY KEY, act TEXT, given TEXT, answer TEXT)")

    def close(self) -> None:
        """Shut it."""
        self._rows.close()

    def begin(self, act: str, given: Mapping[str, Any]) -> str:
        """The id of a request that is about to be sent."""
        request = str(uuid.uuid4())
        self._rows.execute("INSERT INTO asked VALUES (?, ?, ?, NULL)", (request, act, json.dumps(given)))
        return request

    def end(self, request: str, answer: Mapping[str, Any]) -> None:
        """Write the answer down, receipt and all."""
        self._rows.execute("UPDATE asked SET answer = ? WHERE id = ?", (json.dumps(answer), request))

    def unanswered(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Requests that a crash cut off: to be sent again as they are."""
        rows = self._rows.execute("SELECT id, act, given FROM asked WHERE answer IS NULL")
        return [(request, act, json.loads(given)) for request, act, given in rows]


Show = Callable[[], tuple[str, str]]
"""Asks whoever is at the counter to show a code: the code, and the offer it is scanned at."""


class Counter:
    """What happens at a counter. `serve` is all that a clerk needs; the rest are its parts."""

    def __init__(self, xinyi: Xinyi, book: Book) -> None:
        self._xinyi, self._book = xinyi, book

    def serve(self, show: Show) -> dict[str, Any] | None:
        """Give somebody the benefit where it applies: the redemption, or None for the standard service.

        The standard service says nothing about the person: serve as everybody is served.
        """
        for _ in range(TRIES):
            try:
                verification = self.verify(*show())
            except Problem as problem:
                if problem.code in {"CODE_EXPIRED", "CODE_REPLAYED", "CODE_OTHER_OFFER", "CODE_INVALID"}:
                    continue  # ask for a fresh code; the one we have is never sent again
                if problem.code in {"OFFER_CLOSED", "QUOTA_EXHAUSTED", "UNAVAILABLE"}:
                    return None
                raise
            return self.redeem(verification["id"]) if verification["outcome"] == "BENEFIT_APPLIES" else None
        return None

    def verify(self, code: str, offer: str, *, request: str | None = None) -> dict[str, Any]:
        """Does the benefit apply? `request` is an id from the book, where one is sent again."""
        given = {"code": code, "offerId": offer}
        try:
            return self._send("verifyCreditCode", given, request)
        except Problem as problem:
            if problem.code != "REQUEST_CONFLICT":
                raise
            return self._send("verifyCreditCode", given, None)  # that id was taken by something else

    def redeem(self, verification: str, amount_fen: int | None = None) -> dict[str, Any]:
        """The benefit was given; within ten minutes of the answer."""
        return self._send("redeemBenefit", {"verificationId": verification, "amountFen": amount_fen}, None)

    def release(self, verification: str) -> dict[str, Any]:
        """It will not be given after all: somebody else may have the place."""
        return self._send("releaseVerification", {"verificationId": verification}, None)

    def reverse(self, redemption: str, reason: str) -> dict[str, Any]:
        """Cancelled, or entered by mistake. `reason` is about the order, not the person."""
        return self._send("reverseRedemption", {"redemptionId": redemption, "reason": reason}, None)

    def catch_up(self) -> None:
        """After a crash: hear what became of requests that were cut off."""
        for request, act, given in self._book.unanswered():
            try:
                self._send(act, given, request)
            except Problem as problem:
                say(f"{act} {request}: {problem}")

    def _send(self, act: str, given: dict[str, Any], request: str | None) -> dict[str, Any]:
        """Send until it is answered: the same id and the same body, so nothing happens twice."""
        given = {name: value for name, value in given.items() if value is not None}
        request = request or self._book.begin(act, given)
        for attempt in range(1, TRIES + 1):
            try:
                answer = self._xinyi.do(act, RESULTS[act], requestId=request, **given)
            except (httpx.TransportError, ValueError) as error:  # also what is no JSON: a proxy answered
                lost = Problem("UNAVAILABLE", f"{type(error).__name__}: nobody answered")
            except Problem as problem:
                if problem.code not in {"UNAVAILABLE", "THROTTLED"}:
                    self._book.end(request, {"problem": problem.code})
                    raise
                lost = problem
            else:
                self._book.end(request, answer)
                return answer
            if attempt < TRIES:
                time.sleep(0.2 * 2**attempt)
        raise lost


class Published:
    """The keys that the other side signs with; looked up anew where one is not known yet."""

    def __init__(self, xinyi: Xinyi) -> None:
        self._xinyi = xinyi
        self._keys: dict[str, dict[str, Any]] = {}

    def said(self, token: str, purpose: str) -> dict[str, Any] | None:
        """What a signed statement says; None where it is not genuine, or was signed for another purpose."""
        try:
            head = jwt.get_unverified_header(token)
            if head["kid"] not in self._keys:
                self._keys = {key["kid"]: key for key in self._xinyi.get("/.well-known/jwks.json").json()["keys"]}
            key, options = self._keys[head["kid"]], {"verify_aud": False, "verify_iat": False}
            claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["EdDSA"], options=options)  # type: ignore[arg-type]
        except (jwt.PyJWTError, KeyError):
            return None
        return claims if (key["purpose"], head.get("typ")) == (purpose, f"xinyi-{purpose}+jwt") else None


def settle(xinyi: Xinyi, folder: Path) -> int:
    """Fetch and check all settlement files that are not there yet; how many there were."""
    published, after, fetched = Published(xinyi), None, 0
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        page = xinyi.ask(FILES, {"after": after})["settlementFiles"]
        for file in (edge["node"] for edge in page["edges"]):
            path = folder / f"{file['day']}-{Path(file['csvPath']).stem}.csv"
            if path.exists():
                continue
            content = xinyi.get(file["csvPath"], token=True).content
            claims = published.said(file["statement"], "settlement")
            if claims is None or claims["sha256"]["csv"] != hashlib.sha256(content).hexdigest():
                raise Problem("SETTLEMENT_INVALID", f"{path.name} is not the file that was signed")
            path.write_bytes(content)
            path.with_suffix(".jws").write_text(file["statement"])
            fetched += 1
            say(f"{file['day']} {file['funder']} {int(file['totalFen']) / 100:.2f} 元 → {path}")
        if not page["pageInfo"]["hasNextPage"]:
            return fetched
        after = page["pageInfo"]["endCursor"]


@dataclass
class Events:
    """Takes webhooks (Standard Webhooks): each genuine one once."""

    secret: str = ""
    taken: dict[str, Any] = field(default_factory=dict)
    """What was in them by their ids, in order; a program that is restarted keeps the ids."""

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """The HTTP status to answer with."""
        if not self._is_genuine(headers, body):
            return 401
        if headers["webhook-id"] not in self.taken:
            self.taken[headers["webhook-id"]] = json.loads(body)["data"]
        return 204

    def _is_genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        event, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not at.isdecimal() or abs(time.time() - int(at)) > TOLERANCE:
            return False
        secret = base64.b64decode(self.secret.removeprefix("whsec_"))
        mac = hmac.new(secret, f"{event}.{at}.".encode() + body, hashlib.sha256).digest()
        wanted = b"v1," + base64.b64encode(mac)
        # While the secret is being changed there are two signatures.
        given = headers.get("webhook-signature", "").encode()
        return any(hmac.compare_digest(wanted, one) for one in given.split())


@contextmanager
def listening(events: Events, port: int = 0) -> Iterator[str]:
    """Listen for events while the block runs; the address on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("content-length") or 0), MOST_BYTES))
            self.send_response(events.take({name.lower(): value for name, value in self.headers.items()}, body))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/events"
        finally:
            server.shutdown()


RUN = "... on ConformanceRun { id state webhookSecret offers { role id } steps { code passed missing materials } }"
STANDARD = ("STANDARD", "NOT_ENROLLED", "MINOR", "NO_CONSENT", "DATA_FAULT", "LIMIT_REACHED")


class Check:
    """The conformance run of the sandbox, done by the parts above as they are. A bank lets nobody pay later, so that
    one step is left out."""

    def __init__(self, xinyi: Xinyi, book: Book) -> None:
        self._xinyi, self._book, self._counter = xinyi, book, Counter(xinyi, book)

    def run(self, webhook_url: str | None = None) -> dict[str, Any]:
        """The run as it ended."""
        events = Events()
        with listening(events) as address:
            run = self._xinyi.do("startConformanceRun", RUN, webhookUrl=webhook_url or address)
            self._at_the_counter({offer["role"]: offer["id"] for offer in run["offers"]})
            self._receipts(run)
            events.secret = run["webhookSecret"]
            self._xinyi.do("sendConformanceWebhooks", RUN, runId=run["id"])
            self._report(run, "WEBHOOKS", ",".join(data["word"] for data in events.taken.values()))
        return self._xinyi.do("finishConformanceRun", RUN, runId=run["id"])

    def _code(self, persona: str = "BENEFIT", fault: str = "NONE") -> tuple[str, str]:
        shown = self._xinyi.do("sandboxCode", "... on SandboxCode { token offerId }", persona=persona, fault=fault)
        return shown["token"], shown["offerId"]

    def _at_the_counter(self, offers: Mapping[str, str]) -> None:
        for persona in ("BENEFIT", *STANDARD):
            self._counter.serve(lambda persona=persona: self._code(persona))  # type: ignore[misc]
        for fault in ("UNAVAILABLE", "SLOW", "EXPIRED", "REPLAYED", "FORGED", "OTHER_OFFER"):
            faults = iter((fault,))
            self._counter.serve(lambda faults=faults: self._code(fault=next(faults, "NONE")))  # type: ignore[misc]
        for role in ("CLOSED", "EXHAUSTED"):
            self._counter.serve(lambda role=role: (self._code()[0], offers[role]))  # type: ignore[misc]
        # A request repeated, and one whose id was used before.
        code, offer = self._code()
        request = self._book.begin("verifyCreditCode", {"code": code, "offerId": offer})
        for _ in range(2):
            self._counter.verify(code, offer, request=request)
        self._counter.verify(*self._code(), request=request)
        # Given and taken back; and not given after all.
        if redemption := self._counter.serve(self._code):
            self._counter.reverse(redemption["id"], "客户取消了申请")
        self._counter.release(self._counter.verify(*self._code())["id"])

    def _receipts(self, run: Mapping[str, Any]) -> None:
        published = Published(self._xinyi)
        for step in run["steps"]:
            if step["code"] in {"RECEIPTS", "KEY_CHANGE"}:
                letters = zip("ABCDEF", step["materials"], strict=False)
                genuine = [letter for letter, receipt in letters if published.said(receipt, "receipt")]
                self._report(run, step["code"], "".join(genuine))

    def _report(self, run: Mapping[str, Any], step: str, verdict: str) -> None:
        self._xinyi.do("reportConformance", RUN, runId=run["id"], step=step, verdict=verdict)


def say(line: str) -> None:
    """A line for whoever looks on."""
    sys.stdout.write(f"{line}\n")


def main(arguments: list[str]) -> int:
    """`check` or `settle`; the exit code."""
    parser = argparse.ArgumentParser(description="A bank's integration.")
    parser.add_argument("act", choices=("check", "settle"))
    parser.add_argument("--url", required=True, help="the sandbox for check, the live side for settle")
    parser.add_argument("--key", required=True, type=Path, help="private key (JWK)")
    parser.add_argument("--book", default=":memory:", help="file that requests and receipts are kept in")
    parser.add_argument("--folder", default="settlement", type=Path, help="where settlement files go")
    given = parser.parse_args(arguments)
    with closing(Xinyi(given.url, given.key)) as xinyi, closing(Book(given.book)) as book:
        Counter(xinyi, book).catch_up()
        if given.act == "settle":
            say(f"{settle(xinyi, given.folder)} new")
            return 0
        result = Check(xinyi, book).run()
    for step in result["steps"]:
        say(f"{'✓' if step['passed'] else '✗'} {step['code']} {step['missing']}")
    say(f"{result['state']} {result['id']}")
    return 0 if result["state"] == "PASSED" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
