"""A reference client: how a partner's program talks to the sandbox. One thing to know: it uses nothing of the server,
only HTTP, so it may be read, and copied, as an example.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import httpx
import jwt
import orjson
from standardwebhooks import Webhook, WebhookVerificationError

from cli.partner_keys import PartnerKey
from core.errors import ExpectedError

TIMEOUT_SECONDS = 15
"""Longer than the slowest answer that may come."""
MOST_BYTES = 100_000
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Unreachable(ExpectedError):
    """Nobody answers there, or not as the sandbox would."""

    code = "UNREACHABLE"


class SignInRefused(ExpectedError):
    """The key or the partner is not known there."""

    code = "SIGN_IN_REFUSED"


class RequestRefused(ExpectedError):
    """The request as a whole was refused."""

    code = "REQUEST_REFUSED"


def register_key(url: str, *, key: PartnerKey, token: str, use: str) -> dict[str, Any]:
    """Register the public half of a key, signed in as the partner's representative; the key as registered, or a
    Problem.

    Raises:
        Unreachable, RequestRefused: it was not even looked at.
    """
    client = SandboxClient(url, key=key, partner="", token=token)
    try:
        given = {"use": use, "publicKey": orjson.dumps(key.public_jwk()).decode()}
        return client.do("registerPartnerKey", "... on PartnerKey { use kid expiresAt }", **given)
    finally:
        client.close()


class SandboxClient:
    """Signs in with a private key and asks."""

    def __init__(self, url: str, *, key: PartnerKey, partner: str, token: str = "") -> None:
        self._url, self._key, self._partner = url.rstrip("/"), key, partner
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)
        self._token = token

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def get(self, path: str) -> Any:
        """A public document of the sandbox.

        Raises:
            Unreachable: there is none.
        """
        return self._json(self._send("GET", path))

    def sign_in(self) -> None:
        """Take a token for the key (RFC 7523): a statement signed by us, good for a minute and for one use.

        Raises:
            SignInRefused, Unreachable: there is none to be had.
        """
        now = int(time.time())
        claims = {
            "iss": self._partner,
            "sub": self._partner,
            "aud": self.get("/.well-known/oauth-authorization-server")["token_endpoint"],
            "iat": now,
            "exp": now + 60,
            "jti": str(uuid4()),
        }
        assertion = jwt.encode(claims, self._key.private, algorithm=self._key.algorithm, headers={"kid": self._key.kid})
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION,
            "client_assertion": assertion,
        }
        response = self._send("POST", "/oauth/token", data=form)
        body = self._json(response)
        if response.status_code != httpx.codes.OK or "access_token" not in body:
            told = body.get("error_description") or body.get("error") or f"HTTP {response.status_code}"
            raise SignInRefused(f"登录被拒:{told} 请核对 --partner,并确认公钥已登记为 SANDBOX 用途。")
        self._token = body["access_token"]

    def do(self, mutation: str, result: str, **given: Any) -> dict[str, Any]:
        """A mutation's one result; `result` says what to select of it.

        Raises:
            RequestRefused: it got no result.
        """
        name = mutation[0].upper() + mutation[1:]
        selected = f"__typename {result} ... on Problem {{ code message }}"
        document = f"mutation($input: {name}Input!) {{ {mutation}(input: $input) {{ {selected} }} }}"
        for attempt in (1, 2):
            response = self._send(
                "POST",
                "/graphql",
                json={"query": document, "variables": {"input": given}},
                headers={"authorization": f"Bearer {self._token}"},
            )
            body = self._json(response)
            if "errors" not in body:
                found: dict[str, Any] = body["data"][mutation]
                return found
            error = body["errors"][0]
            if attempt == 1 and self._partner and error["extensions"]["code"] == "UNAUTHENTICATED":
                self.sign_in()  # tokens live five minutes
        raise RequestRefused(f"{mutation}:{error['message']}")

    def _send(self, method: str, path: str, **given: Any) -> httpx.Response:
        try:
            return self._http.request(method, self._url + path, **given)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(
                f"连不上 {self._url}{path}({type(error).__name__})。请检查 --url(应以 /sandbox 结尾)和网络。"
            ) from None

    def _json(self, response: httpx.Response) -> Any:
        try:
            found = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Unreachable(
                f"{response.request.url} 的应答不是沙箱的应答(HTTP {response.status_code})。"
                "请检查 --url:应以 /sandbox 结尾,且该部署开了沙箱。"
            )
        return found


@dataclass
class Receiver:
    """Takes events: each genuine one once."""

    secret: str = ""
    taken: dict[str, str] = field(default_factory=dict)
    """Words by event id, in order."""

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The HTTP status to answer with."""
        try:
            Webhook(self.secret).verify(body, headers)
            event = orjson.loads(body)
        except (WebhookVerificationError, ValueError):
            return httpx.codes.UNAUTHORIZED
        # Sent again, it is answered as before and not handled again.
        self.taken.setdefault(headers["webhook-id"], str(event["data"]["word"]))
        return httpx.codes.NO_CONTENT


@contextmanager
def receiving(host: str, port: int) -> Iterator[tuple[Receiver, str]]:
    """Listen for events while the block runs: the receiver, and the address on this machine."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = min(int(self.headers.get("content-length") or 0), MOST_BYTES)
            status = receiver.take(
                {name.lower(): value for name, value in self.headers.items()}, self.rfile.read(length)
            )
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((host, port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver, f"http://{host}:{server.server_port}/events"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
