"""Outside identity providers over real HTTP, with everything about them to be set wrong: one that speaks OpenID
Connect, one that speaks WeChat's `code2Session`."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "xinyi-client", "a client's secret"
APP, APP_SECRET = "wx0123456789", "a mini-program's secret"


class _Served:
    """An HTTP server on a port of its own, asked by `answer`."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.seconds = 0.0
        """How long each answer takes."""
        self.instead: dict[str, tuple[int, dict[str, str], bytes]] = {}
        """What a path answers in place of what it should."""
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                parts = urlsplit(self.path)
                served.asked[parts.path] += 1
                form = dict(parse_qsl(self.rfile.read(length).decode() or parts.query, keep_blank_values=True))
                time.sleep(served.seconds)
                status, headers, body = served.instead.get(parts.path) or served.answer(
                    parts.path, form, dict(self.headers.items())
                )
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True  # whoever asked did not wait

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, path: str, given: dict[str, str], headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        raise NotImplementedError


def _json(body: object, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"content-type": "application/json"}, orjson.dumps(body)


@cache
def first_key() -> RSAKey:
    """Made once for all tests: it takes a while."""
    return RSAKey.generate_key(2048, {"kid": "key-1", "use": "sig"})


class OpenIdProvider(_Served):
    """Signs whoever `person` says is there in at once, without a page of its own."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        super().__init__()
        self.clock = clock
        self.keys = [first_key()]
        self.person: dict[str, Any] = {"sub": "user-1"}
        self.changes: dict[str, Any] = {}
        """To the claims of the next ID tokens; None leaves one out."""
        self.mint: Callable[[dict[str, Any]], str] | None = None
        """Makes ID tokens otherwise."""
        self.metadata: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.begun: dict[str, str] = {}
        """What the last browser came with."""
        self.token_requests: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on, and publish it alone."""
        self.keys = [RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})]

    def sign(self, claims: dict[str, Any], *, alg: str = "RS256", key: Any = None, **head: Any) -> str:
        """An ID token."""
        used = key or self.keys[0]
        header = {"alg": alg, "kid": self.keys[0].kid, **head}
        return jwt.encode({k: v for k, v in header.items() if v is not None}, claims, used, algorithms=[alg])

    def answer(self, path: str, given: dict[str, str], headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        match path:
            case "/.well-known/openid-configuration":
                endpoints = {
                    f"{name}_endpoint": f"{self.url}/{name}" for name in ("authorization", "token", "userinfo")
                }
                return _json({"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **endpoints, **self.metadata})
            case "/jwks":
                return _json({"keys": [key.as_dict(private=False) for key in self.keys]})
            case "/authorization":
                return self._authorize(given)
            case "/token":
                return self._token(given, headers)
            case "/userinfo":
                is_known = headers.get("Authorization", headers.get("authorization")) == "Bearer access"
                return _json(self.userinfo) if is_known else _json({}, 401)
        return _json({"error": "not_found"}, 404)

    def _authorize(self, given: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        self.begun, code = given, secrets.token_urlsafe(8)
        self._codes[code] = given
        back = {"code": code, "state": given["state"]}
        if self.metadata.get("authorization_response_iss_parameter_supported"):
            back["iss"] = self.url
        return 302, {"location": f"{given['redirect_uri']}?{urlencode(back)}"}, b""

    def _token(self, given: dict[str, str], headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        self.token_requests.append({**given, "authorization": headers.get("Authorization", "")})
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        posted = given.get("client_id") == CLIENT and given.get("client_secret") == SECRET
        if headers.get("Authorization") != f"Basic {basic}" and not posted and "client_assertion" not in given:
            return _json({"error": "invalid_client"}, 401)
        begun = self._codes.pop(given.get("code", ""), None)
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if begun is None or begun["code_challenge"] != challenge or begun["redirect_uri"] != given["redirect_uri"]:
            return _json({"error": "invalid_grant"}, 400)
        now = int(self.clock())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": begun["nonce"], **self.person}
        claims = {name: value for name, value in (claims | self.changes).items() if value is not None}
        token = self.mint(claims) if self.mint else self.sign(claims)
        return _json({"access_token": "access", "token_type": "Bearer", "id_token": token})


class WechatServer(_Served):
    """`code2Session`: knows the codes in `codes`, each once."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: dict[str, str] = {}
        self.error: int | None = None

    def answer(self, path: str, given: dict[str, str], headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if path != "/sns/jscode2session" or (given["appid"], given["secret"]) != (APP, APP_SECRET):
            return _json({"errcode": 40013, "errmsg": "invalid appid"})
        if self.error is not None:
            return _json({"errcode": self.error, "errmsg": f"rid: {given['js_code']}"})
        openid = self.codes.pop(given["js_code"], None)
        if openid is None:
            return _json({"errcode": 40029, "errmsg": "invalid code"})
        # As the real one does: JSON that calls itself text.
        body = orjson.dumps({"openid": openid, "session_key": "a-session-key-that-nobody-keeps"})
        return 200, {"content-type": "text/plain"}, body


@contextmanager
def serving(*servers: _Served) -> Iterator[None]:
    """While they run."""
    threads = [
        threading.Thread(target=one.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        for one in servers
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for one, thread in zip(servers, threads, strict=True):
            one.server.shutdown()
            one.server.server_close()
            thread.join()
