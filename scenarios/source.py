"""Scenario text as plain data, with the line of every value; the text is not trusted.

Only mappings, lists, texts, numbers, true, false and null are built, whatever the text asks for. Dates and times stay
texts (YAML 1.1 would make a number of 12:30 and a truth of `no`). Size, depth and the number of values are limited, so
that no small file can become a large one through aliases.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import yaml
from pydantic import JsonValue

from runtime.errors import UsageError
from scenarios.flaws import Flaw, Path, ScenarioError, nearest

MAX_BYTES = 256 * 1024
"""The largest scenario file."""
MAX_VALUES = 10_000
"""How many values a file may hold once its aliases are followed."""
MAX_DEPTH = 32
"""How deep values may be nested."""

_PREFIX = "tag:yaml.org,2002:"
_STR, _INT, _FLOAT, _BOOL, _NULL = (_PREFIX + kind for kind in ("str", "int", "float", "bool", "null"))
_MAP, _SEQ = _PREFIX + "map", _PREFIX + "seq"
_WORDS = {"": _NULL, "~": _NULL, "null": _NULL, "true": _BOOL, "false": _BOOL}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Source:
    """Plain data and where each value of it was said."""

    name: str
    """The file's name as the person wrote it."""
    data: JsonValue
    places: Mapping[Path, str]
    """`FILE:LINE`, or an option of the command line."""

    def place_of(self, path: Path) -> str:
        """Where `path` was said; where it was not, the nearest value around it."""
        for length in range(len(path), -1, -1):
            if place := self.places.get(path[:length]):
                return place
        return f"{self.name}:1"


class _Loader(yaml.SafeLoader):
    """Composes nodes without YAML 1.1's surprises, and no deeper than MAX_DEPTH."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The node at the reader's place. Raises: MarkedYAMLError when it is nested too deeply."""
        self.depth += 1
        try:
            if self.depth > MAX_DEPTH:
                mark = self.get_mark()
                raise yaml.MarkedYAMLError(problem=f"more than {MAX_DEPTH} levels of nesting", problem_mark=mark)
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        """The tag of a node that has none: for a bare word what it looks like, otherwise its kind."""
        if kind is yaml.ScalarNode:
            return _tag(value) if implicit[0] else _STR
        return _MAP if kind is yaml.MappingNode else _SEQ


def read_source(path: FilePath) -> Source:
    """The data of a scenario file.

    Raises: ScenarioError when the text is not YAML or not plain; UsageError when the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"{path}: found no such file, expected a scenario file{_hint(path)}") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: found a directory, expected a scenario file such as {path}/scenario.yaml") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); expected a readable scenario file") from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{path}: found more than {MAX_BYTES} bytes, expected a scenario file of at most that")
    return parse_source(_text(raw, str(path)), str(path))


def parse_source(text: str, name: str) -> Source:
    """The data of a scenario text; `name` stands for the file in messages. Raises: ScenarioError."""
    with _told_as_flaws(text, name):
        node = _Loader(text).get_single_node()
        if node is None:
            raise ScenarioError([Flaw(f"{name}:1", (), "an empty file", "a scenario; `repertory init` writes one")])
        builder = _Builder(name)
        data = builder.value(node, ())
        return Source(name=name, data=data, places=builder.places)


def scalar(text: str) -> JsonValue:
    """What a bare word of YAML means: a number, true, false, null or text."""
    return _scalar(_tag(text), text)


def flow(text: str, name: str) -> JsonValue:
    """The value of an option: a list or mapping in brackets, else a bare word. Raises: ScenarioError."""
    return parse_source(text, name).data if text.lstrip()[:1] in ("[", "{") else scalar(text)


@dataclass
class _Builder:
    """Turns composed nodes into plain data and notes their places."""

    name: str
    places: dict[Path, str] = field(default_factory=dict[Path, str])
    count: int = 0
    open: set[int] = field(default_factory=set[int])

    def value(self, node: yaml.Node, path: Path) -> JsonValue:
        """The plain value of a node."""
        self.count += 1
        if self.count > MAX_VALUES:
            raise self._flaw(node, path, f"more than {MAX_VALUES} values", "fewer (aliases count each time)")
        self.places.setdefault(path, self._place(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self.open:
            raise self._flaw(node, path, "an alias of what it stands in", "values that end")
        self.open.add(id(node))
        try:
            return self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._list(node, path)
        finally:
            self.open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> JsonValue:
        self._only(node, path, _MAP)
        result: dict[str, JsonValue] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise self._flaw(key_node, path, "a list or mapping as a name", "a plain name")
            if key in result:
                raise self._flaw(key_node, (*path, key), "the same name twice", "each name once")
            self.places[(*path, key)] = self._place(key_node)
            result[key] = self.value(value_node, (*path, key))
        return result

    def _list(self, node: yaml.Node, path: Path) -> JsonValue:
        self._only(node, path, _SEQ)
        return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> JsonValue:
        self._only(node, path, _STR, _INT, _FLOAT, _BOOL, _NULL)
        try:
            return _scalar(node.tag, node.value)
        except (ValueError, KeyError):
            kind = node.tag.rpartition(":")[2]
            raise self._flaw(node, path, f"the text {node.value[:40]!r}", f"a {kind} as its tag says") from None

    def _only(self, node: yaml.Node, path: Path, *tags: str) -> None:
        if node.tag not in tags:
            raise self._flaw(node, path, f"the tag {node.tag}", "plain YAML without tags")

    def _place(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"

    def _flaw(self, node: yaml.Node, path: Path, found: str, expected: str) -> ScenarioError:
        return ScenarioError([Flaw(self._place(node), path, found, expected)])


def _tag(word: str) -> str:
    """What a bare word looks like."""
    if tag := _WORDS.get(word):
        return tag
    if match := _NUMBER.fullmatch(word):
        return _FLOAT if match[2] or match[3] else _INT
    return _STR


def _scalar(tag: str, text: str) -> JsonValue:
    """The value of a text with a tag. Raises: ValueError when the text is none of that kind, or too large a number."""
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return {"true": True, "false": False}[text]
    if tag not in (_INT, _FLOAT):
        return text
    number = int(text) if tag == _INT and len(text) < 18 else float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _text(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        flaw = Flaw(f"{name}:{line}", (), f"the byte 0x{raw[error.start]:02x}", "text in UTF-8")
        raise ScenarioError([flaw]) from None


@contextmanager
def _told_as_flaws(text: str, name: str) -> Generator[None]:
    """YAML's own errors as flaws."""
    try:
        yield
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ScenarioError([Flaw(f"{name}:{line}", (), "a control character", "printable text")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        reason = " ".join(part for part in (error.problem, error.context) if part)
        raise ScenarioError([Flaw(f"{name}:{line}", (), f"what is no YAML ({reason})", "YAML")]) from None


def _hint(path: FilePath) -> str:
    if not path.parent.is_dir():
        return ""
    names = [entry.name for entry in path.parent.iterdir() if entry.suffix in (".yaml", ".yml")]
    close = nearest(path.name, names)
    return f"; did you mean {' or '.join(str(path.parent / name) for name in close)}?" if close else ""
