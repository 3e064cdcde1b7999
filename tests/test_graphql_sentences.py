"""What graphql-core says about a document or its variables reaches nobody in graphql-core's words."""

from __future__ import annotations

import re

import pytest
from graphql import (
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    build_schema,
    parse,
    print_schema,
    specified_rules,
    validate,
)
from graphql.execution.values import get_variable_values

from api.messages import UNKNOWN, in_chinese, in_english

SCHEMA: GraphQLSchema = build_schema(
    """
    directive @once on FIELD
    directive @size(of: Int!) on FIELD
    type Query {
      me: Person
      thing: Thing
      many: [Person!]
      size(of: Int!): Int
      pick(colour: Colour, one: One, at: At, flag: Boolean, half: Float, id: ID, text: String): Int
    }
    type Mutation { rename(name: String!): Person }
    type Subscription { ticks: Int tocks: Int }
    type Person { name: String age: Int friend: Person friends: [Person] }
    type Stone { weight: Int }
    union Thing = Person | Stone
    enum Colour { RED BLUE }
    input At { x: Int! y: Int }
    input One @oneOf { a: Int b: String }
    """
)
NARROW = build_schema("type Query { me: Int }")
BROKEN = {
    "ExecutableDefinitionsRule": ["type A { a: Int } { me { name } }"],
    "UniqueOperationNamesRule": ["query a { me { name } } query a { me { age } }"],
    "LoneAnonymousOperationRule": ["{ me { name } } query a { me { name } }"],
    "SingleFieldSubscriptionsRule": [
        "subscription { ticks tocks }",
        "subscription s { ticks tocks }",
        "subscription { __typename }",
        "subscription s { ticks @skip(if: true) }",
    ],
    "KnownTypeNamesRule": ["{ me { ... on Nobody { name } } }"],
    "FragmentsOnCompositeTypesRule": ["{ me { ... on Int { name } } }", "{ me { ...f } } fragment f on Int { name }"],
    "VariablesAreInputTypesRule": ["query ($a: Person) { me { name } }"],
    "ScalarLeafsRule": ["{ me { name { first } } }", "{ me }"],
    "FieldsOnCorrectTypeRule": ["{ me { nam } }", "{ thing { weight } }"],
    "UniqueFragmentNamesRule": ["{ me { ...f } } fragment f on Person { name } fragment f on Person { age }"],
    "KnownFragmentNamesRule": ["{ me { ...f } }"],
    "NoUnusedFragmentsRule": ["{ me { name } } fragment f on Person { name }"],
    "PossibleFragmentSpreadsRule": [
        "{ me { ... on Stone { weight } } }",
        "{ me { ...f } } fragment f on Stone { weight }",
    ],
    "NoFragmentCyclesRule": [
        "{ me { ...f } } fragment f on Person { ...f }",
        "{ me { ...f } } fragment f on Person { ...g } fragment g on Person { ...f }",
    ],
    "UniqueVariableNamesRule": ["query ($a: Int, $a: Int) { me { name } }"],
    "NoUndefinedVariablesRule": ["{ size(of: $a) }", "query q { size(of: $a) }"],
    "NoUnusedVariablesRule": ["query ($a: Int) { me { name } }", "query q($a: Int) { me { name } }"],
    "KnownDirectivesRule": ["{ me { name @nothing } }", "query @once { me { name } }"],
    "UniqueDirectivesPerLocationRule": ["{ me { name @once @once } }"],
    "DeferStreamDirectiveOnRootField": [
        'mutation { ... @defer { rename(name: "a") { name } } }',
        "subscription { ... @defer { ticks } }",
        'mutation { rename(name: "a") @stream { name } }',
    ],
    "DeferStreamDirectiveOnValidOperationsRule": ["subscription { ticks { ... @defer { a } } }"],
    "DeferStreamDirectiveLabel": [
        "query ($a: String) { ... @defer(label: $a) { me { name } } }",
        '{ ... @defer(label: "a") { me { name } } ... @defer(label: "a") { me { age } } }',
    ],
    "StreamDirectiveOnListField": ["{ me @stream(initialCount: 0) { name } }"],
    "KnownArgumentNamesRule": ["{ size(of: 1, by: 2) }", "{ me { name @skip(if: true, why: 1) } }"],
    "UniqueArgumentNamesRule": ["{ size(of: 1, of: 2) }"],
    "ValuesOfCorrectTypeRule": [
        '{ size(of: "one") }',
        "{ size(of: 99999999999) }",
        "{ size(of: null) }",
        "{ pick(colour: GREEN) }",
        '{ pick(colour: "RED") }',
        "{ pick(at: 3) }",
        "{ pick(at: {y: 1}) }",
        "{ pick(at: {x: 1, z: 2}) }",
        "{ pick(at: {x: 1, yy: 2}) }",
        "{ pick(one: {}) }",
        '{ pick(one: {a: 1, b: "b"}) }',
        "{ pick(flag: 1) }",
        '{ pick(half: "half") }',
        "{ pick(id: 1.5) }",
        "{ pick(text: 1) }",
    ],
    "ProvidedRequiredArgumentsRule": ["{ size }", "{ me { name @size } }"],
    "VariablesInAllowedPositionRule": [
        "query ($a: Int) { size(of: $a) }",
        "query ($a: Int) { pick(one: {a: $a}) }",
    ],
    "OverlappingFieldsCanBeMergedRule": [
        "{ me { a: name a: age } }",
        "{ me { friend { a: name } friend { a: age } } }",
    ],
    "UniqueInputFieldNamesRule": ["{ pick(at: {x: 1, x: 2}) }"],
    "MaxIntrospectionDepthRule": [
        "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }"
    ],
    "NoSchemaIntrospectionCustomRule": ["{ __schema { types { name } } }"],
}
RULES = {rule.__name__: rule for rule in (*specified_rules, NoSchemaIntrospectionCustomRule)}
SYNTAX = [
    "", "{", "}", "{ me ", "{ me( }", "{ me(a: ) }", "query {", "quer { me }", "{ a..b }", "{ a(b: 'c') }",
    '{ a(b: "c }', '{ a(b: "\\q") }', '{ a(b: "\\u12") }', '{ a(b: "\\uD800") }', "{ a(b: 01) }", "{ a(b: 1.) }",
    "{ a(b: .5) }", "{ a(b: -) }", "{ a ? }", "{ a \x00 }", "query ($a: Int = $b) { a }",
    "fragment on on A { a }", "enum A { true }", "{ a } \"\"\"b\"\"\"", '"""a""" { b }',
    '"""a""" extend type B { c: Int }',
    "subscription s", "{ " + "a " * 3000 + "}", "{ a(b: 1e) }", "{ a: }", "{ ... on }", '{ a(b: """c) }',
]  # fmt: skip
WORDS = re.compile(r"[A-Za-z]+")
GRAPHQL = frozenset(
    WORDS.findall(
        "id label null true false skip include defer stream mutation query subscription schema graphql name "
        "Int Float String Boolean ID Name EOF Unicode u b f n r t"
    )
)
"""Words of the language itself, and of the places that refuse them."""


def check_told(message: str, *given: object) -> None:
    """No word is left but those of GraphQL, of the schema, and of what was given."""
    told = in_chinese(message)
    assert told != UNKNOWN, message
    assert re.search(r"[\u3400-\u9fff]", told), told
    assert "请" in told, told
    known = GRAPHQL | set(WORDS.findall(" ".join((print_schema(SCHEMA), *map(str, given)))))
    assert {word for word in WORDS.findall(told) if word.lower() not in known} <= known, f"{told} ← {message}"
    assert not re.search(r"[\u3400-\u9fff]", in_english(told)), in_english(told)


def test_every_rule_has_a_document_that_breaks_it() -> None:
    assert set(BROKEN) | {"KnownOperationTypesRule"} == set(RULES)


@pytest.mark.parametrize(("rule", "document"), [(rule, one) for rule, documents in BROKEN.items() for one in documents])
def test_what_breaks_a_rule_is_told_in_chinese(rule: str, document: str) -> None:
    try:
        node = parse(document)
    except GraphQLSyntaxError as error:
        check_told(error.message, document)
        return
    errors = validate(SCHEMA, node, [RULES[rule]])
    assert errors
    for error in errors:
        check_told(error.message, document)


def test_an_operation_that_the_schema_lacks_is_told_in_chinese() -> None:
    (error,) = validate(NARROW, parse("mutation { me }"), [RULES["KnownOperationTypesRule"]])
    check_told(error.message)


@pytest.mark.parametrize("document", SYNTAX)
def test_a_syntax_error_is_told_in_chinese(document: str) -> None:
    with pytest.raises(GraphQLSyntaxError) as refused:
        parse(document, max_tokens=2000)
    check_told(refused.value.message, document)


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        ("$v: Int!", {}),
        ("$v: Int!", {"v": None}),
        ("$v: Int", {"v": "one"}),
        ("$v: Int", {"v": 2**40}),
        ("$v: Float", {"v": "x"}),
        ("$v: Boolean", {"v": 1}),
        ("$v: String", {"v": 1}),
        ("$v: ID", {"v": 1.5}),
        ("$v: Colour", {"v": "GREEN"}),
        ("$v: Colour", {"v": 3}),
        ("$v: At", {"v": 3}),
        ("$v: At", {"v": {}}),
        ("$v: At", {"v": {"x": 1, "yy": 2}}),
        ("$v: [At!]", {"v": [{"x": 1}, {"x": "a"}, None]}),
        ("$v: One", {"v": {}}),
        ("$v: One", {"v": {"a": 1, "b": "x"}}),
        ("$v: Person", {"v": {}}),
        ("$v: Int!, $w: Int!, $x: Int!", {}),
    ],
)
def test_a_wrong_variable_is_told_in_chinese_without_its_value(declared: str, values: dict[str, object]) -> None:
    (operation,) = parse(f"query ({declared}) {{ me {{ name }} }}").definitions
    errors = get_variable_values(SCHEMA, operation.variable_definitions, values, max_errors=2)  # type: ignore[attr-defined]
    assert isinstance(errors, list)
    for error in errors:
        assert isinstance(error, GraphQLError)
        check_told(error.message, declared, values)


def test_a_value_is_not_repeated() -> None:
    told = in_chinese("Variable '$v' has invalid value: Expected value of type 'At' to be an object, found: '430502'.")
    assert told == "变量 $v 的取值有误:此处应为 At 对象。请对照模式改正。"


def test_a_sentence_that_nobody_knows_is_not_told() -> None:
    assert in_chinese("Something went wrong in /usr/lib.") == UNKNOWN
    assert in_chinese("Something went wrong. " * 1000) == UNKNOWN
    assert in_chinese("我们自己的一句。请重试。") == "我们自己的一句。请重试。"
