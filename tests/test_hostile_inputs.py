"""Hostile values in every argument and every input field of the schema. One thing to know: the schema itself says which
those are, so a new field is tried without anybody thinking of it; and whoever asks may ask, so values get far."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from factories import City, open_city
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLArgument,
    GraphQLObjectType,
    Visitor,
    get_named_type,
    is_composite_type,
    is_input_object_type,
    is_scalar_type,
    parse,
    print_ast,
    visit,
)
from hostile_values import INSIDE, LET_THROUGH, STOPPED, quickly, spoilt
from servers import Postgres
from test_authorisation import GROUPS, TABLE, fill, given

from api.errors import LONGEST_MESSAGE
from api.running.sizes import MOST_ACTS
from api.schema import SCHEMA

TYPES = {name: kind for name, kind in SCHEMA._schema.type_map.items() if isinstance(kind, GraphQLObjectType)}
ACTS = sorted(TYPES["Mutation"].fields, key=lambda act: act == "registerLabels")
"""Where labels are registered, only these are taken: it comes last."""
ASKED = [
    (name, field)
    for name, kind in TYPES.items()
    for field, definition in kind.fields.items()
    if definition.args and name != "Mutation" and name in TABLE["types"]
]
_NUMBERS = count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def filled(  # noqa: PLR0917  # whatever a city is made from
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    keys_file: Path,
    sqlite_template: Path,
    postgres: Postgres,
    postgres_template: str,
) -> AsyncIterator[City]:
    """One city with something of everything, on each store."""
    folder = tmp_path_factory.mktemp("filled")
    if request.param == "sqlite":
        shutil.copy(sqlite_template, folder / "city.db")
        url = f"sqlite+aiosqlite:///{folder}/city.db"
    else:
        url = postgres.create_database("hostile", template=postgres_template)
    generous = {"rate_burst": 1_000_000, "rate_per_second": 1_000_000}
    async with open_city(database_url=url, keys_file=keys_file, files=str(folder / "files"), **generous) as city:
        await fill(city)
        yield city


async def send(city: City, query: str, variables: dict[str, Any], *, by: str | None) -> dict[str, Any]:
    """Ask, and see to it that the answer is quick, no 5xx, and tells nothing of our insides."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {city.token(by)}"} if by else {})
    content = orjson.dumps({"query": query, "variables": variables})
    with quickly(query[:300]):
        response = await city.client.post("/graphql", content=content, headers=headers)
    shown = f"{query[:300]} {content[-300:]!r} {response.text[:1000]}"
    assert response.status_code < 500, shown
    body: dict[str, Any] = response.json()
    for error in body.get("errors", ()):
        assert error["extensions"]["code"] in {"BAD_USER_INPUT", "FORBIDDEN", "UNAUTHENTICATED"}, (error, shown)
        assert not INSIDE.search(error["message"]), (error["message"], shown)
        assert len(error["message"]) <= LONGEST_MESSAGE + 2, shown
    for answer in (body.get("data") or {}).values():
        code = answer.get("code") if isinstance(answer, dict) else None
        assert code != "UNAVAILABLE", shown
    return body


def batches(values: Iterator[Any]) -> Iterator[list[Any]]:
    """Some at once, as many as one request may hold."""
    batch: list[Any] = []
    size = 0
    for value in values:
        batch.append(value)
        size += len(orjson.dumps(value))
        if len(batch) == MOST_ACTS or size > 400_000:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@pytest.mark.parametrize("act", ACTS)
async def test_no_value_in_a_mutation_makes_a_5xx_or_takes_long(filled: City, act: str) -> None:
    row = TABLE["types"]["Mutation"]
    actor = GROUPS[row["fields"][act]][0]
    by = None if actor == "anonymous" else actor
    kind = TYPES["Mutation"].fields[act].args["input"].type
    good = await given(filled, act, actor)
    for batch in batches(spoilt(kind, good)):
        for value in batch:
            if "requestId" in value and value["requestId"] == good.get("requestId"):
                value["requestId"] = f"hostile-{next(_NUMBERS)}"
        declared = ", ".join(f"$v{n}: {kind}" for n in range(len(batch)))
        asked = " ".join(
            f"a{n}: {act}(input: $v{n}) {{ __typename ... on Problem {{ code message }} }}" for n in range(len(batch))
        )
        await send(filled, f"mutation ({declared}) {{ {asked} }}", {f"v{n}": v for n, v in enumerate(batch)}, by=by)


@pytest.mark.parametrize(("kind", "field"), ASKED, ids=lambda part: part)
async def test_no_value_in_an_argument_makes_a_5xx_or_takes_long(filled: City, kind: str, field: str) -> None:
    row = TABLE["types"][kind]
    actor = GROUPS[row["fields"][field]][0]
    what = row.get("given")
    start = {"input": await given(filled, what, actor)} if what else {}
    arguments = TYPES[kind].fields[field].args
    for name, argument in arguments.items():
        for value in spoilt(argument.type, None):
            document = with_argument(row["through"], kind, field, arguments, name)
            by = None if actor == "anonymous" else actor
            await send(filled, document, {**start, "hostile": value}, by=by)


def with_argument(through: str, kind: str, field: str, arguments: dict[str, GraphQLArgument], name: str) -> str:
    """The document that reaches a field, with the variable `$hostile` in one of its arguments."""
    from test_authorisation import ARGUMENTS  # what its other arguments have to be

    inner = " { __typename }" if is_composite_type(get_named_type(TYPES[kind].fields[field].type)) else ""
    plain = ARGUMENTS.get((kind, field), '(id: "T2ZmZXI6MQ==")' if "id" in arguments else "")
    document = parse(through.replace("FIELD", f"{field}{plain}{inner}").replace("INPUT!", "Unknown!"))
    replaced = f"{name}: $hostile"

    class Give(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> Any:
            if node.name.value != field:
                return None
            others = [print_ast(one) for one in node.arguments or () if one.name.value != name]
            text = f"{{ {field}({', '.join([*others, replaced])}){inner} }}"
            return parse(text).definitions[0].selection_set.selections[0]  # type: ignore[attr-defined]

    changed: DocumentNode = visit(document, Give())
    text = print_ast(changed)
    declared = f"$hostile: {arguments[name].type}"
    if "(" in text.partition("{")[0]:
        return text.replace("(", f"({declared}, ", 1)
    head, _, rest = text.partition("{")
    return f"{head.strip() or 'query'} ({declared}) {{{rest}"


WHERE = {
    "String": ("query ($v: String!) { offers(kind: $v) { __typename } }", "anonymous"),
    "ID": ("query ($v: ID!) { node(id: $v) { __typename } }", "anonymous"),
    "Int": ("query ($v: Int!) { offers(first: $v) { __typename } }", "anonymous"),
    "Boolean": ("query ($v: Boolean!) { queryRights(waiting: $v) { __typename } }", "reviewer"),
    "Date": ("query ($v: Date!) { usage(month: $v) { __typename } }", "operator"),
    "Fen": (
        """mutation ($v: Fen!) { redeemBenefit(input: {requestId: "1", verificationId: "1", amountFen: $v}) {
  __typename } }""",
        "scenic",
    ),
    "Decimal": (
        """mutation ($v: Decimal!) { correctResult(input: {subjectId: "1", model: "1", reason: "1", points: $v}) {
  __typename } }""",
        "reviewer",
    ),
    "DateTime": ("", ""),
}
"""A field that takes each scalar, and who may ask; for a moment in time there is none yet that takes one alone."""


@pytest.mark.parametrize("scalar", [name for name, (query, _) in WHERE.items() if query])
async def test_a_value_of_the_wrong_kind_is_refused_in_plain_words(filled: City, scalar: str) -> None:
    query, by = WHERE[scalar]
    for value in STOPPED[scalar]:
        body = await send(filled, query, {"v": value}, by=None if by == "anonymous" else by)
        assert body.get("errors"), value


def test_every_scalar_that_is_taken_has_hostile_values() -> None:
    taken = {
        get_named_type(field.type).name
        for kind in SCHEMA._schema.type_map.values()
        for field in [*getattr(kind, "fields", {}).values()]
        if is_input_object_type(kind)
    } & {name for name, kind in SCHEMA._schema.type_map.items() if is_scalar_type(kind)}
    assert taken <= set(LET_THROUGH)
    assert set(STOPPED) == set(LET_THROUGH) - {"Float"}
