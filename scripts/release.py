"""The schema that was released, and what has changed since. One thing to know: a change that breaks a client fails the
check unless the changelog names it with its day, so whoever breaks a promise says so first.

    python -m scripts.release check    compare schema.graphql with the last release
    python -m scripts.release cut      keep schema.graphql as the release that pyproject.toml names

Breaking is what graphql-core calls so, and an audience that may no longer read what it could (`@access`). The changelog
names it under «## Unreleased», «### Breaking», in the words of the check: `- 2026-11-22: Field Query.b was removed. …`
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    find_dangerous_changes,
)
from graphql.language import FieldDefinitionNode, InterfaceTypeDefinitionNode, ObjectTypeDefinitionNode, print_ast

ROOT = Path(__file__).parents[1]
EVERYBODY = "ANYONE"
Definition = ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode | FieldDefinitionNode | None


def breaking_changes(old: str, new: str) -> list[str]:
    """What a client of the schema `old` may rely on and finds no more in `new`, in one sentence each."""
    before, after = build_schema(old), build_schema(new)
    return [change.description for change in find_breaking_changes(before, after)] + list(_shut_out(before, after))


def dangerous_changes(old: str, new: str) -> list[str]:
    """What may surprise a client: more values than it knows, other defaults."""
    return [change.description for change in find_dangerous_changes(build_schema(old), build_schema(new))]


def announced(changelog: str) -> list[str]:
    """The entries of the unreleased list «Breaking», without their days; an entry without a real day is none.

    Raises:
        ValueError: a day is impossible.
    """
    unreleased = re.search(r"^## Unreleased$(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    breaking = unreleased and re.search(r"^### Breaking$(.*?)(?=^### |\Z)", unreleased[1], re.MULTILINE | re.DOTALL)
    entries = re.split(r"^- ", breaking[1], flags=re.MULTILINE)[1:] if breaking else []
    found = [re.fullmatch(r"(\d{4}-\d{2}-\d{2}): (.+)", " ".join(entry.split())) for entry in entries]
    return [entry[2] for entry in found if entry and date.fromisoformat(entry[1])]


def unannounced(changes: list[str], changelog: str) -> list[str]:
    """Those changes that the changelog does not name."""
    entries = announced(changelog)
    return [change for change in changes if not any(entry.startswith(change) for entry in entries)]


def _shut_out(before: GraphQLSchema, after: GraphQLSchema) -> Iterator[str]:
    then, now = _readers(before), _readers(after)
    for field, audiences in then.items():
        if field in now and EVERYBODY not in now[field] and (lost := sorted(audiences - now[field])):
            yield f"Field {field} may no longer be read by {', '.join(lost)}."


def _readers(schema: GraphQLSchema) -> Mapping[str, frozenset[str]]:
    """Who may read each field: what it says itself, else what its type says."""
    kinds = [kind for kind in schema.type_map.values() if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType))]
    return {
        f"{kind.name}.{name}": declared
        for kind in kinds
        for name, field in kind.fields.items()
        if (declared := _declared(field.ast_node) or _declared(kind.ast_node))
    }


def _declared(definition: Definition) -> frozenset[str]:
    directives = definition.directives if definition else ()
    [written] = [print_ast(one.arguments[0].value) for one in directives or () if one.name.value == "access"] or [""]
    return frozenset(re.findall(r"\w+", written))


def last_release(folder: Path) -> Path | None:
    """The file of the highest version, if any."""
    files = list(folder.glob("*.graphql"))
    return max(files, key=lambda file: [int(part) for part in file.stem.split(".")], default=None)


def check() -> int:
    """Print what has changed; 1 where something breaks that is not announced."""
    released = last_release(ROOT / "releases")
    if released is None:
        print("还没有发布版本可比较:用 make release 保存第一个。")
        return 0
    old, new = released.read_text(), (ROOT / "schema.graphql").read_text()
    breaking, dangerous = breaking_changes(old, new), dangerous_changes(old, new)
    missing = unannounced(breaking, (ROOT / "CHANGELOG.md").read_text())
    print(f"与 {released.stem} 版相比:不兼容的变更 {len(breaking)} 处,可能影响客户端的变更 {len(dangerous)} 处。")
    for change in dangerous:
        print(f"  注意:{change}")
    if missing:
        told = f"有 {len(missing)} 处不兼容的变更没有公布。请撤回,或写进 CHANGELOG.md 的 Unreleased / Breaking:"
        print(told, *(f"- {date.today()}: {change}" for change in missing), sep="\n", file=sys.stderr)  # noqa: DTZ011
    return 1 if missing else 0


def cut() -> int:
    """Keep the schema as that of the version in pyproject.toml; what has been released is not overwritten."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    if re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE):
        print(f"{version} 版已经发布。请先在 pyproject.toml 中改版本号,再运行 make release。", file=sys.stderr)
        return 1
    file = ROOT / "releases" / f"{version}.graphql"
    file.parent.mkdir(exist_ok=True)
    file.write_text((ROOT / "schema.graphql").read_text())
    print(f"已把 schema.graphql 存为 {file.relative_to(ROOT)};在 CHANGELOG.md 写上 {version} 的发布日期后,它不再改变。")
    return 0


def main() -> int:
    """`check` or `cut`."""
    acts = {"check": check, "cut": cut}
    if len(sys.argv) != 2 or sys.argv[1] not in acts:
        print("用法:python -m scripts.release check|cut", file=sys.stderr)
        return 2
    return acts[sys.argv[1]]()


if __name__ == "__main__":
    sys.exit(main())
