"""A compiled document answers what graphql-core answers: data, nulls, errors and where they lie."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from factories import City, offer_id, open_city
from graphql import (
    ExecutionResult,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    NoUnusedVariablesRule,
    execute,
    get_named_type,
    get_variable_values,
    is_leaf_type,
    parse,
    specified_rules,
    validate,
)
from graphql.execution.values import VariableValues
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from api.context import Context
from api.identity import Claims
from api.running.documents import Document
from api.running.plan import Plan, Unplanned
from api.schema import SCHEMA
from partners.accounts import Role

CORE = SCHEMA._schema
ARGUMENTS = {
    "first": ["1", "3", "0", "null", "$size"],
    "after": ["null", '"MQ=="', '"nonsense"'],
    "kind": ["null", '"tourism"'],
}
READ_ONCE = {"auditEntries"}
"""Reading the trail is itself on the trail, so that two reads differ."""
DIRECTIVES = ["", "", "", " @include(if: $yes)", " @skip(if: $yes)", " @include(if: false)", " @skip(if: $no)"]
DEEPEST = 6
RULES = [rule for rule in specified_rules if rule is not NoUnusedVariablesRule]


@pytest.fixture(scope="module")
async def reader(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, keys_file: Path
) -> AsyncIterator[City]:
    """A city that is read and nothing else."""
    path = tmp_path_factory.mktemp("read") / "city.db"
    shutil.copy(sqlite_template, path)
    async with open_city(database_url=f"sqlite+aiosqlite:///{path}", keys_file=keys_file) as city:
        yield city


@st.composite
def selections(draw: st.DrawFn, kind: Any, depth: int) -> str:
    """A selection set on a type: fields, aliases, fragments, directives, some of it twice."""
    if isinstance(kind, (GraphQLUnionType, GraphQLInterfaceType)):
        possible = draw(st.lists(st.sampled_from(CORE.get_possible_types(kind)), min_size=1, max_size=3))
        inner = " ".join(f"... on {one.name} {draw(selections(one, depth))}" for one in possible)
        return "{ __typename " + inner + " }"
    assert isinstance(kind, GraphQLObjectType)
    fields = sorted(kind.fields.keys() - READ_ONCE)
    names = draw(st.lists(st.sampled_from(fields), min_size=1, max_size=4))
    parts = []
    for name in names:
        field = kind.fields[name]
        inner_kind = get_named_type(field.type)
        if not is_leaf_type(inner_kind) and depth >= DEEPEST:
            continue
        given_arguments = [
            f"{argument}: {draw(st.sampled_from(ARGUMENTS[argument]))}"
            for argument in field.args
            if argument in ARGUMENTS and draw(st.booleans())
        ]
        if name == "node" and kind is CORE.query_type:
            given_arguments = [f'id: "{draw(st.sampled_from([offer_id("museum"), offer_id("ended"), "?"]))}"']
        text = name
        if given_arguments:
            # Another key for other arguments: the same key twice has to mean the same field.
            text = f"{name}_{crc32(repr(given_arguments).encode())}: {name}({', '.join(given_arguments)})"
        elif draw(st.booleans()):
            text = f"other_{name}: {name}"
        text += draw(st.sampled_from(DIRECTIVES))
        if not is_leaf_type(inner_kind):
            text += " " + draw(selections(inner_kind, depth + 1))
        if draw(st.integers(0, 5)) == 0:
            text = f"... on {kind.name}{draw(st.sampled_from(DIRECTIVES))} {{ {text} }}"
        parts.append(text)
    return "{ __typename " + " ".join(parts) + " }"


documents = selections(CORE.query_type, 0).map(
    lambda body: f"query ($size: Int, $yes: Boolean = true, $no: Boolean!) {body}"
)


def shown(result: ExecutionResult) -> tuple[Any, list[Any]]:
    """Data, and errors as (message, path, lines), in no order."""
    errors = [(error.message, error.path, [at.line for at in error.locations or ()]) for error in result.errors or ()]
    return result.data, sorted(errors, key=repr)


async def both(city: City, text: str, variables: dict[str, Any]) -> tuple[Any, Any] | None:
    node = parse(text)
    if validate(CORE, node, RULES):
        return None
    document = Document(node)
    (operation,) = document.operations

    def context() -> Context:
        return Context(city.state, Claims("good", Role.CITIZEN, 0), city.now, "test")

    coerced = get_variable_values(CORE, operation.variable_definitions or (), variables)
    assert isinstance(coerced, VariableValues)
    flags = {name: coerced.coerced.get(name) for name in document.flags}
    planned = await Plan(CORE, node, operation, flags).run(context(), coerced)
    found = execute(CORE, node, context_value=context(), variable_values=variables)
    expected = found if isinstance(found, ExecutionResult) else await found
    return shown(planned), shown(expected)


def same(planned: Any, expected: Any) -> bool:
    """Equal data, and errors at the same nulls; of several failures under one null, an executor notes any one, and what
    both note, they note alike."""
    ours, theirs = ({repr(path): error for error in errors for path in [error[1]]} for _, errors in (planned, expected))
    alike = all(ours[path] == theirs[path] for path in ours.keys() & theirs.keys())
    return bool(planned[0] == expected[0] and alike and failed(*planned) == failed(*expected))


def failed(data: Any, errors: list[Any]) -> set[tuple[Any, ...]]:
    """Where the nulls stand that the errors brought about."""
    found = set()
    for _, path, _ in errors:
        held, steps = data, list(path or ())
        above: list[Any] = []
        while held is not None and steps:
            above.append(steps.pop(0))
            held = held[above[-1]]
        found.add(tuple(above))
    return found


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=documents, yes=st.booleans(), no=st.booleans(), size=st.sampled_from([1, 2, None]))
async def test_a_plan_answers_what_graphql_core_answers(
    reader: City, text: str, yes: bool, no: bool, size: int | None
) -> None:
    found = await both(reader, text, {"yes": yes, "no": no, "size": size})
    assume(found is not None)
    assert found is not None
    assert same(*found), found


@pytest.mark.parametrize(
    "text",
    [
        "{ me { benefits(first: 0) { pageInfo { hasNextPage } } } }",
        "{ offers(first: 1) { edges { node { partner { offers(first: 0) { pageInfo { hasNextPage } } } } } } }",
        '{ node(id: "?") { id } offers(first: 1) { edges { cursor } } }',
        '{ node(id: "T2ZmZXI6MQ==") { id ... on Offer { title partner { offers(first: 0) { edges { cursor } } } } } }',
    ],
)
async def test_failures_lie_where_graphql_core_says(reader: City, text: str) -> None:
    found = await both(reader, text, {})
    assert found is not None
    assert found[0] == found[1]


def test_introspection_is_left_to_graphql_core() -> None:
    document = Document(parse("{ __schema { queryType { name } } }"))
    with pytest.raises(Unplanned):
        Plan(CORE, document.node, document.operations[0], {})
