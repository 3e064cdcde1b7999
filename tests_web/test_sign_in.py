"""Signing in to the pages through an outside provider, in a real browser; and what the pages send in production."""

from __future__ import annotations

import json
import time
from datetime import date
from pathlib import Path

import yaml
from factories import resident_id
from identity_providers import CLIENT, SECRET, OpenIdProvider, serving

from api.running.trusted import check_documents
from api.schema import SCHEMA
from tests_web.node import run_node
from tests_web.served import ROOT, free_port, served_city


def test_a_newcomer_signs_in_through_the_citys_provider_and_enrols(tmp_path: Path) -> None:
    idp, port = OpenIdProvider(clock=time.time), free_port()
    idp.person = {"sub": "newcomer", "id_number": resident_id(date(1990, 3, 7), 77), "name": "林晓"}
    (tmp_path / "client.secret").write_text(SECRET)
    provider = {
        "kind": "oidc",
        "name": "市统一身份认证",
        "issuer": idp.url,
        "client_id": CLIENT,
        "client_secret_file": "client.secret",
        "proves": "person",
        "claim": "id_number",
        "name_claim": "name",
        "registers_in": "hunan-shaoyang",
    }
    content = {"address": f"http://127.0.0.1:{port}", "providers": {"city-id": provider}}
    (tmp_path / "providers.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    given = {"XINYI_PROVIDERS": str(tmp_path / "providers.yaml")}
    with serving(idp), served_city(tmp_path / "data", port=port, **given) as city:
        ran = run_node("--test", "--test-timeout=60000", "provider.mjs", given={**city.given, "PROVIDER": idp.url})
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_what_pages_send_is_within_the_limits_that_everybody_has() -> None:
    documents = json.loads((ROOT / "web/dist/documents.json").read_text())
    assert len(documents) > 100
    check_documents(SCHEMA._schema, list(documents.values()))
