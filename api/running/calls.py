"""Calls Strawberry's resolvers directly. One thing to know: how arguments become Python values is worked out once for a
field, not at each call; a field whose arguments are of another sort is left to Strawberry's own wrapper."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import strawberry
from strawberry.schema.name_converter import NameConverter
from strawberry.types.base import StrawberryList, StrawberryOptional, get_object_definition
from strawberry.types.field import StrawberryField

from api.context import Info
from api.scalars import Fen

Convert = Callable[[Any], Any]
Call = Callable[[Any, Any, dict[str, Any]], Any]
"""(source, graphql-core's info, coerced arguments) → result."""

_AS_COERCED = (str, int, bool, float, date, datetime, Decimal, strawberry.ID, Fen)
"""What graphql-core has coerced is already what the resolver wants."""
_names = NameConverter()


class _Unknown(Exception):
    """A sort of argument that is left to Strawberry."""


def direct_call(field: StrawberryField) -> Call | None:
    """How to call the field's resolver with coerced arguments; None where Strawberry's wrapper has to do it."""
    resolver: Any = field.base_resolver
    if resolver is None or field.extensions or resolver.parent_parameter or resolver.root_parameter:
        return None
    try:
        converters = [
            (_names.from_argument(argument), str(argument.python_name), _converter(argument.type))
            for argument in field.arguments
        ]
    except _Unknown:
        return None
    function = resolver.wrapped_func
    takes_self, info_name = resolver.self_parameter is not None, getattr(resolver.info_parameter, "name", None)

    def call(source: Any, info: Any, coerced: dict[str, Any]) -> Any:
        given = {python: convert(coerced[name]) for name, python, convert in converters if name in coerced}
        if info_name is not None:
            given[info_name] = Info(_raw_info=info, _field=field)
        return function(source, **given) if takes_self else function(**given)

    return call


def _converter(kind: Any) -> Convert:
    if isinstance(kind, StrawberryOptional):
        return _converter(kind.of_type)
    if isinstance(kind, StrawberryList):
        convert_item = _converter(kind.of_type)
        return lambda value: None if value is None else [convert_item(item) for item in value]
    if kind in _AS_COERCED:
        return lambda value: value
    definition = get_object_definition(kind)
    if definition is None or not definition.is_input:
        raise _Unknown
    fields = [(_names.get_graphql_name(f), str(f.python_name), _converter(f.type)) for f in definition.fields]

    def convert(value: Any) -> Any:
        if value is None:
            return None
        return kind(**{python: convert_field(value[name]) for name, python, convert_field in fields if name in value})

    return convert
