"""What is asked of each server. One thing to know: the servers speak two dialects, GraphQL and plain JSON, and both are
read back into the same dictionaries, so that answers can be compared word for word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import orjson

VERIFY = """mutation Verify($input: VerifyCreditCodeInput!) {
  verifyCreditCode(input: $input) {
    __typename
    ... on Verification { id outcome benefit receipt expiresAt }
    ... on Problem { code message }
  }
}"""
ME = """query Me($first: Int) {
  me {
    scores {
      model { id name }
      points
      grade { code name }
      lines { rule label points }
      evaluatedAt
    }
    benefits(first: $first) {
      edges {
        cursor
        node {
          available
          whyNot { code message }
          offer { id title standardService benefit kind { code name } partner { id name } }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""
PAGE = 20


@dataclass(frozen=True, slots=True)
class Ask:
    """One HTTP request, signed in with `token`."""

    method: str
    path: str
    token: str
    body: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that matter to a server."""
        given = {"authorization": f"Bearer {self.token}"}
        return given | {"content-type": "application/json"} if self.body else given

    def raw(self) -> bytes:
        """The bytes as they go over a kept-alive connection."""
        headers = {"host": "127.0.0.1", **self.headers}
        if self.body:
            headers["content-length"] = str(len(self.body))
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Dialect(Protocol):
    """How a server is asked, and what its answers mean."""

    def verify(self, token: str, scan: dict[str, Any]) -> Ask:
        """`scan` is the input of `verifyCreditCode`."""
        ...

    def me(self, token: str) -> Ask:
        """The profile: scores and the first benefits."""
        ...

    def read_verify(self, body: bytes) -> dict[str, Any]:
        """The verification or the Problem, without the name of its type."""
        ...

    def read_me(self, body: bytes) -> dict[str, Any]:
        """The profile."""
        ...


class GraphQL:
    """Ours: documents with variables, as a real client sends them."""

    def verify(self, token: str, scan: dict[str, Any]) -> Ask:
        """See `Dialect`."""
        return Ask("POST", "/graphql", token, orjson.dumps({"query": VERIFY, "variables": {"input": scan}}))

    def me(self, token: str) -> Ask:
        """See `Dialect`."""
        return Ask("POST", "/graphql", token, orjson.dumps({"query": ME, "variables": {"first": PAGE}}))

    def read_verify(self, body: bytes) -> dict[str, Any]:
        """See `Dialect`."""
        found: dict[str, Any] = orjson.loads(body)["data"]["verifyCreditCode"]
        return {name: value for name, value in found.items() if name != "__typename"}

    def read_me(self, body: bytes) -> dict[str, Any]:
        """See `Dialect`."""
        content = orjson.loads(body)
        assert "errors" not in content, content
        found: dict[str, Any] = content["data"]["me"]
        return found


class Plain:
    """The rivals: the same fields and values, without GraphQL."""

    def verify(self, token: str, scan: dict[str, Any]) -> Ask:
        """See `Dialect`."""
        return Ask("POST", "/verify", token, orjson.dumps(scan))

    def me(self, token: str) -> Ask:
        """See `Dialect`."""
        return Ask("GET", f"/me?first={PAGE}", token)

    def read_verify(self, body: bytes) -> dict[str, Any]:
        """See `Dialect`."""
        found: dict[str, Any] = orjson.loads(body)
        return found

    def read_me(self, body: bytes) -> dict[str, Any]:
        """See `Dialect`."""
        found: dict[str, Any] = orjson.loads(body)
        return found
