"""The running server against requests that schemathesis makes up from the schema. One thing to know: it is a real
server on a real socket, asked by everybody who may ask, and whatever it is asked, it answers JSON and no 5xx."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
import uvicorn
from factories import City
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from api.app import create_app
from api.schema import sdl
from core.clock import utc_now
from core.settings import Settings

schemathesis.graphql.scalar("Decimal", st.decimals(allow_nan=True).map(lambda value: nodes.String(str(value))))
schemathesis.graphql.scalar("Fen", st.integers().map(nodes.Int))
EXAMPLES = 15
"""Made-up requests for each root type and each of those who ask."""


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, keys_file: Path
) -> Iterator[tuple[str, City]]:
    """The address of a server over a small city."""
    path = tmp_path_factory.mktemp("server") / "city.db"
    shutil.copy(sqlite_template, path)
    given_ = {"rate_burst": 1_000_000, "rate_per_second": 1_000_000, "database_url": f"sqlite+aiosqlite:///{path}"}
    configured = Settings(environment="demo", keys_file=keys_file, **given_)  # type: ignore[arg-type]
    app = create_app(configured)
    city = City(app, configured)
    city.now = utc_now()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/graphql", city
    running.should_exit = True
    thread.join(20)
    listening.close()


@pytest.mark.parametrize("actor", ["anonymous", "good", "scenic", "operator"])
@pytest.mark.parametrize("root", ["Query", "Mutation"])
def test_no_request_made_up_from_the_schema_makes_a_5xx(server: tuple[str, City], root: str, actor: str) -> None:
    url, city = server
    schema = schemathesis.graphql.from_file(sdl())
    schema.config.update(base_url=url.removesuffix("/graphql"))
    headers = {} if actor == "anonymous" else {"authorization": f"Bearer {city.token(actor)}"}
    operations = [found.ok() for found in schema.get_all_operations()]
    wanted = [one for one in operations if one.definition.root_type.name.title() == root]
    assert wanted
    with httpx.Client(headers=headers, timeout=10) as client:
        for strategy in wanted[:: max(1, len(wanted) // EXAMPLES)]:

            @settings(
                max_examples=3,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=strategy.as_strategy())
            def ask(case: schemathesis.Case) -> None:
                response = client.post(url, json={"query": case.body})
                assert response.status_code < 500, (case.body, response.text)
                assert "INTERNAL_SERVER_ERROR" not in response.text, (case.body, response.text)
                assert isinstance(response.json(), dict)

            ask()
