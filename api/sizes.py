"""How large an answer a document can ask for. One thing to know: it is worked out in one pass with a memo per fragment,
before anything runs, so a short document cannot ask for a long day's work."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    visit,
)

DEFAULT_PAGE, LARGEST_PAGE = 20, 100
"""How many rows a page has where `first` does not say, and at most."""
MOST_REPEATS = 200
"""How often one response name may be written in a document; names that recur are compared pair by pair."""
MOST_FIELDS = 2_000
"""Fields of an operation once its fragments are spread."""
MOST_VALUES = 30_000
"""Fields times the sizes of the pages they lie in."""
DEEPEST = 25
"""Levels of fields, fragments spread."""


class _Size(NamedTuple):
    fields: int
    values: int
    depth: int


def check_repeats(document: DocumentNode) -> None:
    """Refuse a document that writes one name too often, before it is validated.

    Raises:
        GraphQLError: it does.
    """
    seen: Counter[str] = Counter()

    class Names(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            seen[(node.alias or node.name).value] += 1

    visit(document, Names())
    if seen and max(seen.values()) > MOST_REPEATS:
        raise GraphQLError(f"同一字段在文档中出现超过 {MOST_REPEATS} 次。请合并重复的字段。")


def check_size(document: DocumentNode) -> None:
    """Refuse a valid document that multiplies out to too much.

    Raises:
        GraphQLError: it does.
    """
    sizes = _Sizes({d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)})
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            size = sizes.of(definition.selection_set, 1)
            if size.fields > MOST_FIELDS or size.values > MOST_VALUES or size.depth > DEEPEST:
                raise GraphQLError(
                    f"查询展开后过大(字段 {size.fields},按分页估算取值 {size.values},层数 {size.depth};"
                    f"上限 {MOST_FIELDS}、{MOST_VALUES}、{DEEPEST})。请减少字段、嵌套的列表或 first。"
                )


class _Sizes:
    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[tuple[str, int], _Size] = {}

    def of(self, selections: SelectionSetNode, page: int) -> _Size:
        """The size of a selection set; `page` is that of the connection it belongs to, and counts at its `edges`."""
        fields = values = depth = 0
        spread: set[str] = set()
        for node in selections.selections:
            if isinstance(node, FieldNode):
                inner = self.of(node.selection_set, _page(node)) if node.selection_set else _Size(0, 0, 0)
                times = page if node.name.value == "edges" else 1
                more = _Size(1 + inner.fields, 1 + inner.values * times, 1 + inner.depth)
            elif isinstance(node, InlineFragmentNode):
                more = self.of(node.selection_set, page)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                spread.add(node.name.value)
                more = self._fragment(node.name.value, page)
            else:
                continue  # a second time in one place it adds nothing
            fields, values, depth = fields + more.fields, values + more.values, max(depth, more.depth)
        return _Size(fields, values, depth)

    def _fragment(self, name: str, page: int) -> _Size:
        if (name, page) not in self._known:
            self._known[name, page] = self.of(self._fragments[name].selection_set, page)
        return self._known[name, page]


def _page(field: FieldNode) -> int:
    """The page asked for; the largest where a variable says it, the usual one where nothing does."""
    for argument in field.arguments or ():
        if argument.name.value == "first":
            value = argument.value
            if isinstance(value, IntValueNode) and len(value.value) < 4:
                return max(1, int(value.value))
            return LARGEST_PAGE
    return DEFAULT_PAGE
