"""Read a YAML file of rules into a typed model. One thing to know: every fault names its file and line.

Numbers with a decimal point arrive as `Decimal`, so that 0.1 in a file is exactly one tenth.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import DataFileError

M = TypeVar("M", bound="Document")


class Document(BaseModel):
    """Base of all that is read from a data file: frozen, and an unknown key is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


try:  # by libyaml where PyYAML came with it, as its wheels do: all rules are read at every start
    from yaml import CSafeLoader as _SafeLoader
except ImportError:
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]


DEEPEST = 100
"""Levels that a text from elsewhere may nest."""


class _Loader(_SafeLoader):
    """PyYAML's safe loader with exact decimals and without silently overwritten keys."""


def _decimal(loader: _Loader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(loader.construct_scalar(node)).replace("_", ""))


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"键 {key!r} 重复", key_node.start_mark)
        seen.add(key)
    return dict(loader.construct_mapping(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _line_of(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    """The line (from 1) of the deepest node along `path`; pydantic's union tags in it are passed over."""
    if node is None:
        return 1
    line = node.start_mark.line + 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if found is None:
                continue
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


def _check_depth(text: bytes, name: str) -> None:
    """Refuse a stranger's text that nests deeper than any rule does: building it goes down as deep, in C."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise DataFileError(
                    file=name,
                    line=getattr(event.start_mark, "line", 0) + 1,
                    problem=f"嵌套超过 {DEEPEST} 层",
                    remedy="请检查此处多余的括号或缩进",
                )
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        return  # reading it says what is wrong, and where


class RuleFile:
    """One file read: its content as plain values, and where each of them stands."""

    def __init__(self, path: Path, *, root: Path) -> None:
        name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        try:
            text = path.read_bytes()
        except OSError as error:
            raise DataFileError(
                file=name,
                line=1,
                problem=f"读不到文件({error.strerror})",
                remedy="请恢复该文件或检查路径与权限",
            ) from None
        self.path = path
        self._read(text, name)

    @classmethod
    def of_text(cls, text: str, *, name: str) -> RuleFile:
        """The same for a text that lies in no file of ours; faults name it `name`."""
        made = cls.__new__(cls)
        made.path = Path(name)
        content = text.encode(errors="surrogatepass")
        _check_depth(content, name)
        made._read(content, name)
        return made

    def _read(self, text: bytes, name: str) -> None:
        self.name = name
        self.checksum = sha256(text).hexdigest()
        try:
            loader = _Loader(text)
            try:
                self.node = loader.get_single_node()
                self.content = None if self.node is None else loader.construct_document(self.node)
            finally:
                loader.dispose()
        except (yaml.YAMLError, UnicodeDecodeError, ValueError, ArithmeticError) as error:
            mark = getattr(error, "problem_mark", None)
            raise DataFileError(
                file=name,
                line=mark.line + 1 if mark else 1,
                problem=f"不是有效的 YAML({getattr(error, 'problem', None) or error})",
                remedy="请改正该行的缩进、引号或重复的键",
            ) from None

    def error(self, path: tuple[int | str, ...], problem: str, remedy: str) -> DataFileError:
        """A fault at `path` (keys and indexes from the top) of this file, to be raised."""
        return DataFileError(file=self.name, line=_line_of(self.node, path), problem=problem, remedy=remedy)

    def parse(self, model: type[M]) -> M:
        """The content as `model`.

        Raises:
            DataFileError: the first fault, with its line.
        """
        try:
            return model.model_validate(self.content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"]) or "文件"
            raise self.error(
                first["loc"], f"{where}:{first['msg'].removeprefix('Value error, ')}", "请对照同目录的其他文件改正此处"
            ) from None
