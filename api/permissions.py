"""Who may read which field. One thing to know: it stands in the schema (`@access`), and a whole document is judged
before any of it runs, so a field cannot be reached by whoever may not have it.

Every object type says who may reach it; a field may say it more narrowly. What lies under `node(id:)` in a fragment
on a type the caller cannot reach is passed over: `node` answers null there, whether the object exists or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
)
from strawberry.schema_directive import Location
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from api.running.documents import Document
from partners.accounts import Role


@strawberry.enum(description="Who may reach a type or field.")
class Audience(Enum):
    """The roles of accounts, and everybody."""

    ANYONE = strawberry.enum_value("anyone", description="Everybody, signed in or not.")
    CITIZEN = strawberry.enum_value(Role.CITIZEN.value, description="A person, for himself or herself.")
    AGENT = strawberry.enum_value(Role.AGENT.value, description="Who acts for an enterprise.")
    PARTNER = strawberry.enum_value(Role.PARTNER.value, description="Who acts for a partner of the alliance.")
    OPERATOR = strawberry.enum_value(Role.OPERATOR.value, description="Brings partners in and submits offers.")
    REVIEWER = strawberry.enum_value(Role.REVIEWER.value, description="Approves what others submitted.")
    AUDITOR = strawberry.enum_value(Role.AUDITOR.value, description="Looks at what was done.")
    PROVIDER = strawberry.enum_value(Role.PROVIDER.value, description="A body that provides credit information.")
    CLERK = strawberry.enum_value(Role.CLERK.value, description="Serves people at a window or terminal.")
    APPLICANT = strawberry.enum_value(
        Role.APPLICANT.value, description="Has applied for a partnership, and is not qualified yet."
    )
    REPRESENTATIVE = strawberry.enum_value(
        Role.REPRESENTATIVE.value, description="Deals with the operator for a partner: application, keys, offers."
    )
    AGENCY = strawberry.enum_value(Role.AGENCY.value, description="A credit service agency.")


ANYONE = (Audience.ANYONE,)
SUBJECT = (Audience.CITIZEN, Audience.AGENT)
PARTNER = (Audience.PARTNER,)
OPERATOR = (Audience.OPERATOR,)
STAFF = (Audience.OPERATOR, Audience.REVIEWER)
REVIEWER = (Audience.REVIEWER,)
PROVIDER = (Audience.PROVIDER,)
AUDITOR = (Audience.AUDITOR,)
CLERK = (Audience.CLERK,)
REPRESENTATIVE = (Audience.REPRESENTATIVE,)
AGENCY = (Audience.AGENCY,)
APPLICANT = (Audience.APPLICANT,)


@strawberry.schema_directive(
    locations=[Location.OBJECT, Location.FIELD_DEFINITION], description="Who may reach this type or field."
)
class Access:
    """Put on every object type, and on a field where fewer may have it."""

    to: list[Audience]


def access(*groups: Iterable[Audience]) -> list[object]:
    """The `directives=` of a type or field that these audiences may reach."""
    return [Access(to=[audience for group in groups for audience in group])]


Allowed = frozenset[Audience]


class AccessRules:
    """The `@access` of a built schema, by type and field."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self.types: dict[str, Allowed] = {}
        self.fields: dict[tuple[str, str], Allowed] = {}
        for name, kind in schema.type_map.items():
            if not isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)) or name.startswith("__"):
                continue
            definition = kind.extensions["strawberry-definition"]
            declared = _declared(definition)
            is_root = kind in (schema.query_type, schema.mutation_type, schema.subscription_type)
            if declared is None and isinstance(kind, GraphQLInterfaceType):
                declared = frozenset(ANYONE)
            if declared is None and not is_root:
                raise TypeError(f"type {name} does not say who may reach it: give it directives=access(…)")
            if declared is not None:
                self.types[name] = declared
            for field_name, field in kind.fields.items():
                narrower = _declared(field.extensions.get("strawberry-definition"))
                if narrower is None and declared is None:
                    raise TypeError(f"field {name}.{field_name} does not say who may reach it")
                self.fields[name, field_name] = narrower or declared or frozenset()

    def may_reach(self, type_name: str, audience: Audience) -> bool:
        """Whether an audience may reach objects of a type."""
        return _allows(self.types[type_name], audience)

    def judge(self, document: Document, operation: OperationDefinitionNode, audience: Audience) -> str | None:
        """The first field (`Type.field`) of the operation that the audience may not have, or None."""
        key = ("refused", id(operation), audience)
        if key not in document.known:
            document.known[key] = _Walk(self, self._schema, document.node, audience).first_refused(operation)
        refused: str | None = document.known[key]
        return refused


def _declared(definition: StrawberryObjectDefinition | StrawberryField | None) -> Allowed | None:
    for directive in (definition.directives if definition else None) or ():
        if isinstance(directive, Access):
            return frozenset(directive.to)
    return None


def _allows(allowed: Allowed, audience: Audience) -> bool:
    return Audience.ANYONE in allowed or audience in allowed


class _Walk:
    """One pass over an operation; each fragment is visited once."""

    def __init__(self, rules: AccessRules, schema: GraphQLSchema, document: DocumentNode, audience: Audience) -> None:
        self._rules, self._schema, self._audience = rules, schema, audience
        self._fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self._visited: set[tuple[str, bool]] = set()

    def first_refused(self, operation: OperationDefinitionNode) -> str | None:
        root = self._schema.get_root_type(operation.operation)
        return self._selections(operation.selection_set, root.name if root else "", under_node=False)

    def _selections(self, selections: SelectionSetNode, parent: str, *, under_node: bool) -> str | None:
        for selection in selections.selections:
            refused = None
            if isinstance(selection, FieldNode):
                refused = self._field(selection, parent, under_node=under_node)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition.name.value if selection.type_condition else parent
                refused = self._fragment(selection.selection_set, condition, under_node=under_node)
            elif isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if (name, under_node) not in self._visited:
                    self._visited.add((name, under_node))
                    fragment = self._fragments[name]
                    refused = self._fragment(
                        fragment.selection_set, fragment.type_condition.name.value, under_node=under_node
                    )
            if refused:
                return refused
        return None

    def _fragment(self, selections: SelectionSetNode, condition: str, *, under_node: bool) -> str | None:
        if under_node and condition in self._rules.types and not self._rules.may_reach(condition, self._audience):
            return None
        return self._selections(selections, condition, under_node=under_node)

    def _field(self, field: FieldNode, parent: str, *, under_node: bool) -> str | None:
        name = field.name.value
        if name.startswith("__"):
            return None
        if (parent, name) in self._rules.fields and not _allows(self._rules.fields[parent, name], self._audience):
            return f"{parent}.{name}"
        kind = self._schema.type_map[parent]
        if field.selection_set is None or not isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
            return None
        inner = get_named_type(kind.fields[name].type).name
        below_node = parent == "Query" and name in {"node", "nodes"}
        return self._selections(field.selection_set, inner, under_node=below_node or (under_node and inner == "Node"))
