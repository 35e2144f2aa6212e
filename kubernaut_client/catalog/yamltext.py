"""YAML and JSON text of a catalog as documents with positions: read safely, every fault with its line and column.

Tags of YAML's core are taken, no others; keys are texts and come once; aliases are taken as long as what they stand for
stays small. The text of each document is kept, because it is what the service stores. What a document means is left to
`documents`, where the bytes come from to `loading`.

Both parsers of PyYAML take the same texts but for a tab between tokens (`a:\\tb`), which libyaml takes and the one in
Python doesn't. Where both refuse a text, they can differ in what they say and in the column.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import yaml
from yaml.constructor import SafeConstructor
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.resolver import Resolver

from kubernaut_client.problems import MESSAGE_LIMIT, one_line, shown

KIND = "WorkflowSchema"
SIZE_LIMIT = 2**20
"""Bytes of a file: 1 MiB."""
DEPTH_LIMIT = 100
"""Levels of lists and mappings."""
ALIAS_LIMIT = 2**20
"""What all aliases of a document may stand for, in characters of scalars and numbers of nodes."""
PATH_LIMIT = 1000
"""Characters of a file's path in a message."""
NUMBER_LIMIT = 400
"""Characters of a number in YAML; `1:1:1`, to the base of 60, takes the square of its length to read."""

# libyaml where PyYAML was built with it, which is several times as fast.
PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CORE = "tag:yaml.org,2002:"
_SCALARS = frozenset(_CORE + name for name in ("str", "int", "float", "bool", "null"))
_COLLECTIONS = {SequenceStartEvent: _CORE + "seq", MappingStartEvent: _CORE + "map"}
# What YAML 1.1 doesn't take as a character of its text; U+FEFF is a byte order mark left by joining files.
_UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_UNCLOSED = "found unexpected end of stream"
# What only libyaml refuses by itself: half of a surrogate pair, and directives that it doesn't know.
_NO_CHARACTER = "an escape stands for no character"
_OTHER_VERSION = "it asks for another version than YAML 1.1 or 1.2"
_OTHER_DIRECTIVE = "a line that starts with % can only be %YAML or %TAG here"
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIRECTIVE = re.compile(r"(?<![^\n\x85\u2028\u2029])%(?!TAG[ \t]|YAML[ \t]+1\.[12](?![0-9]))(YAML[ \t])?")
# libyaml tells these where it noticed them, people look where they start.
_FROM_START = (_UNCLOSED, "found invalid Unicode character escape code", "found unknown directive name")
# What PyYAML's two parsers say, each in its words, and what is meant.
_SYNTAX = (
    ("mapping values are not allowed", "no ':' may stand here: indent it as its neighbours, or quote the text"),
    ("could not find expected ':'", "a ':' is missing after a key"),
    (_UNCLOSED, "a quote that is opened here isn't closed"),
    ("',' or ']'", "a list in brackets lacks ',' or ']'"),
    ("',' or '}'", "a mapping in braces lacks ',' or '}'"),
    ("node content", "a value is missing"),
    ("incompatible YAML", _OTHER_VERSION),
    ("invalid Unicode character", _NO_CHARACTER),
    ("unknown directive", _OTHER_DIRECTIVE),
    ("<block end>", "the indentation doesn't fit what stands before"),
    ("did not find expected key", "the indentation doesn't fit what stands before"),
    ("did not find expected '-'", "the indentation doesn't fit what stands before"),
    ("cannot start any token", "no value can start with this character: quote it"),
    ("found unexpected document", "a marker of a document stands inside a value"),
    ("<document start>", "a document must start with '---' here"),
)
_REST_OF_MARKER = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)|[ \t]+")
_JSON_BLANK = re.compile(r"[ \t\n\r]*")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_JSON_START = re.compile(r"\s*(?:\[\s*)?\{\s*\"")
_JSON_WORDS = {"true": True, "false": False, "null": None}
_JSON_STRINGS = json.JSONDecoder()


class Timestamp(str):
    """The text of a date or time that YAML reads without quotes."""

    __slots__ = ()


class Unreadable(Exception):
    """A text can't be read any further; what was read before stays."""

    def __init__(self, problem: CatalogProblem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Source:
    """Where a workflow came from.

    `file` is the path as the caller gave it, or as found below the directory he gave; `-` is standard input. `line` is
    the first line of its document, counted from 1.
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{one_line(self.file, PATH_LIMIT)}:{self.line}"


@dataclass(frozen=True, slots=True)
class CatalogProblem:
    """One thing that is wrong in a catalog: a member of `CatalogError.errors` or of `Catalog.warnings`.

    `line` and `column` count from 1 and are None where a file as a whole is meant; `field` is a path inside the
    document (`metadata.version`, `labels.severity`, `parameters[0].name`) or None. `reason` is one bounded line that
    says what is wrong and what would be right. The text of a problem is one line `file:line:column: field: reason`.
    """

    file: str
    line: int | None
    column: int | None
    field: str | None
    reason: str

    def __str__(self) -> str:
        place = ":".join(
            str(part) for part in (one_line(self.file, PATH_LIMIT), self.line, self.column) if part is not None
        )
        return ": ".join(part for part in (place, one_line(self.field or ""), self.reason) if part)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: the key of a member, else the value itself. `raw` is the text of what isn't a string."""

    line: int
    column: int
    raw: str = ""


@dataclass(slots=True)
class Document:
    """One document of a text: its value, its own text as the service is to store it, and where its values stand."""

    file: str
    value: object
    content: str
    line: int
    places: dict[str, Place]

    def place(self, path: str) -> Place | None:
        """Where a value stands; of one that has no place of its own, its parent. None for what comes from no text."""
        path = path[: MESSAGE_LIMIT + 1]  # no longer one has a place, and each is looked up
        while path and path not in self.places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.places.get(path)

    def problem(self, path: str, reason: str) -> CatalogProblem:
        """A problem of the value at `path`."""
        place = self.place(path)
        line, column = (place.line, place.column) if place else (None, None)
        return CatalogProblem(self.file, line, column, path or None, reason)


class Text:
    """A text with the file that it came from; an index into it becomes a line and a column."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, index: int, raw: str = "") -> Place:
        """Line and column, both from 1, of a character."""
        line = bisect_right(self._starts, index)
        return Place(line, index - self._starts[line - 1] + 1, raw)

    def problem(self, index: int, path: str | None, reason: str) -> CatalogProblem:
        """A problem at a character."""
        place = self.place(index)
        return CatalogProblem(self.file, place.line, place.column, path or None, reason)

    def line_at(self, index: int) -> str:
        """The line that holds a character."""
        start = self._starts[bisect_right(self._starts, index) - 1]
        return self.text[start:].partition("\n")[0]


@dataclass(slots=True)
class Reading:
    """What a text holds: its documents, and what is wrong with its form."""

    documents: list[Document] = field(default_factory=list[Document])
    problems: list[CatalogProblem] = field(default_factory=list[CatalogProblem])
    listed: bool = False
    """The documents are items of a list, so none of them is the text as a whole."""


def decode(file: str, data: bytes) -> Text:
    """The bytes of a file as text: UTF-8, without a byte order mark, with LF at the end of lines.

    Raises `Unreadable` for more than 1 MiB, another encoding, and a file without text.
    """
    if len(data) > SIZE_LIMIT:
        raise _unreadable(file, f"is larger than 1 MiB ({SIZE_LIMIT} bytes): split it")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or (len(data) > 1 and 0 in data[:2] and data[:2] != b"\0\0"):
        raise _unreadable(file, "is UTF-16: save it as UTF-8")
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = Text(file, _unix_lines(data[: error.start].decode().removeprefix("\ufeff")))
        reason = (
            f"byte 0x{data[error.start]:02X} at offset {error.start} is not UTF-8 (Latin-1?): save the file as UTF-8"
        )
        raise Unreadable(before.problem(len(before.text), None, reason)) from None
    text = _unix_lines(text)
    if not text.strip():
        raise _unreadable(file, "is empty")
    return Text(file, text)


def read_yaml(text: Text) -> Reading:
    """Every document of a YAML stream; a list at the top is as many documents."""
    return _YamlReader(text).read()


def read_json(text: Text) -> Reading:
    """The document that a JSON text is, or the documents that its top-level list holds."""
    return _JsonReader(text).read()


def looks_like_json(text: Text) -> bool:
    """Whether a text without a name is JSON: it starts with an object whose first key is quoted, or a list of them."""
    return bool(_JSON_START.match(text.text))


def is_schema(value: object) -> bool:
    """Whether a value is a WorkflowSchema document."""
    return isinstance(value, Mapping) and cast("Mapping[str, object]", value).get("kind") == KIND


def ended(text: str) -> str:
    """A text that ends in exactly one newline."""
    return text.rstrip("\n") + "\n"


def _unix_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _unreadable(file: str, reason: str) -> Unreadable:
    return Unreadable(CatalogProblem(file, None, None, None, reason))


def _start(event: Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.index


def _end(event: Event) -> int:
    assert event.end_mark is not None
    return event.end_mark.index


def _below(path: str | None, part: str) -> str | None:
    """The path of a value inside another one; None where it is longer than a message shows.

    Every value has its path in memory, so without a limit a long key would be there once for each value below it.
    """
    return None if path is None or len(path) + len(part) > MESSAGE_LIMIT else path + part


def _member(path: str | None, key: str) -> str | None:
    return _below(path, f".{key}" if path else key)


def _item(path: str | None, index: int) -> str | None:
    return _below(path, f"[{index}]")


class _Places:
    """The places of the values of one document; values below a path of None aren't reachable by a path of their own."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.places: dict[str, Place] = {}
        self.reading = Reading()

    def note(self, path: str | None, index: int) -> None:
        if path is not None:
            self.places[path] = self.text.place(index)

    def note_raw(self, path: str | None, raw: str) -> None:
        if path is not None:
            place = self.places[path]
            self.places[path] = Place(place.line, place.column, raw)

    def fault(self, index: int, path: str | None, reason: str) -> None:
        self.reading.problems.append(self.text.problem(index, path, reason))

    def stop(self, index: int, path: str | None, reason: str) -> Unreadable:
        return Unreadable(self.text.problem(index, path, reason))

    def check_depth(self, index: int, depth: int) -> None:
        if depth > DEPTH_LIMIT:
            # Without its path, which is as long as it is deep.
            raise self.stop(index, None, f"must not be nested deeper than {DEPTH_LIMIT} levels")

    def twice(self, index: int, path: str | None, key: str, first: int) -> None:
        where = self.text.place(first).line
        self.fault(index, path, f"key {shown(key)} is given twice, first in line {where}: keep one")

    def finish(self, value: object, content: str, index: int) -> None:
        line = self.text.place(index).line
        self.reading.documents.append(Document(self.text.file, value, content, line, self.places))
        self.places = {}


@dataclass(frozen=True, slots=True)
class _Anchored:
    """What an anchor names: its value, how much that is, and how deep."""

    value: object
    weight: int
    height: int


class _YamlReader(_Places):
    """Composes the events of PyYAML's parser; nothing is ever constructed but texts, numbers, lists and mappings."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self._events: Iterator[Event] = iter(())
        self._resolver: Any = Resolver()
        self._constructor = SafeConstructor()
        self._anchors: dict[str, _Anchored | None] = {}
        self._weight = 0
        self._aliased = 0
        self._end = 0

    def read(self) -> Reading:
        try:
            self._check_characters()
            self._events = yaml.parse(self.text.text, Loader=PARSER)
            self._stream()
        except Unreadable as stop:
            self.reading.problems.append(stop.problem)
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        # The parser in Python passes on what chr() says of an escape.
        except (yaml.YAMLError, ValueError, OverflowError):
            self.fault(self._end, None, "is not YAML")
        return self.reading

    def _check_characters(self) -> None:
        if match := _UNPRINTABLE.search(self.text.text):
            code = ord(match[0])
            what = "a byte order mark" if code == 0xFEFF else f"the control character U+{code:04X}"
            raise self.stop(match.start(), None, f"{what} is not allowed here: remove it")

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        said = error.problem or error.context or ""
        what = next((words for known, words in _SYNTAX if known in said), one_line(said, 200))
        mark = error.problem_mark or error.context_mark
        if said in _FROM_START and error.context_mark:
            mark = error.context_mark
        index = min(mark.index, len(self.text.text)) if mark is not None else self._end
        line = self.text.line_at(index)
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent:
            tab = index - self.text.place(index).column + 1 + indent.index("\t")
            self.fault(tab, None, "a tab can't indent YAML: use spaces")
        else:
            self.fault(index, None, f"is not YAML: {what}")

    def _stream(self) -> None:
        empty = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                self._check_directives(_start(event), _end(event))
                start = self._after_marker(_end(event)) if event.explicit else 0
                empty += self._document(start)
        if not self.reading.documents and not self.reading.problems and not empty:
            raise _unreadable(self.text.file, "holds no document, only comments")
        if empty and not self.reading.documents and not self.reading.problems:
            raise _unreadable(self.text.file, "holds no document")

    def _check_directives(self, start: int, end: int) -> None:
        if match := _DIRECTIVE.search(self.text.text, start, end):
            reason = _OTHER_VERSION if match[1] else _OTHER_DIRECTIVE
            raise self.stop(match.start(), None, f"is not YAML: {reason}")

    def _document(self, start: int) -> bool:
        """Read one document; says whether it is empty, as what a marker too many leaves is."""
        self._anchors, self._weight, self._aliased = {}, 0, 0
        root = next(self._events)
        begin = _start(root)
        empty = isinstance(root, ScalarEvent) and not root.value and root.implicit[0] and not root.anchor
        value: object = None
        if isinstance(root, SequenceStartEvent):
            self._list(root)
        else:
            self.note("", begin)
            value, _ = self._value(root, "", 0)
        end = next(self._events)
        self._end = _start(end)
        if not empty and not isinstance(root, SequenceStartEvent):
            self.finish(value, ended(self.text.text[start : _start(end)]), start)
        return empty

    def _after_marker(self, index: int) -> int:
        match = _REST_OF_MARKER.match(self.text.text, index)
        return match.end() if match else index

    def _list(self, root: SequenceStartEvent) -> None:
        """A list at the top: each item is a document."""
        self.reading.listed = True
        self._check_tag(root, None)
        count = 0
        while not isinstance(event := next(self._events), SequenceEndEvent):
            count += 1
            start = _start(event)
            self.note("", start)
            value, _ = self._value(event, "", 1)
            content = self._cut_out(start, self._end)
            if is_schema(value) and not self._stands_alone(content, value):
                self.fault(start, None, "can't stand alone: make it a document of its own instead of an item of a list")
            self.finish(value, content, start)
        if not count:
            self.fault(_start(root), None, "the list is empty")

    def _cut_out(self, start: int, end: int) -> str:
        """The text of an item as it would stand at the first column."""
        indent = self.text.place(start).column - 1
        first, *others = self.text.text[start:end].rstrip(" \n").split("\n")
        return ended("\n".join([first, *(line[min(indent, len(line) - len(line.lstrip(" "))) :] for line in others)]))

    def _stands_alone(self, content: str, value: object) -> bool:
        again = _YamlReader(Text(self.text.file, content)).read()
        return [document.value for document in again.documents] == [value]

    def _value(self, event: Event, path: str | None, depth: int) -> tuple[object, int]:
        """The value that starts with this event, and how many levels it has below."""
        if isinstance(event, AliasEvent):
            return self._alias(event, path, depth)
        assert isinstance(event, NodeEvent)
        before = self._weight
        anchor = event.anchor
        if anchor is not None:
            self._anchors[anchor] = None
        if isinstance(event, ScalarEvent):
            self._weight += 1 + len(event.value)
            self._end = _end(event)
            value, height = self._scalar(event, path), 0
        else:
            self.check_depth(_start(event), depth + 1)
            self._check_tag(event, path)
            self._weight += 1
            if isinstance(event, SequenceStartEvent):
                value, height = self._sequence(path, depth)
            else:
                value, height = self._mapping(path, depth)
        if anchor is not None:
            self._anchors[anchor] = _Anchored(value, self._weight - before, height)
        return value, height

    def _alias(self, event: AliasEvent, path: str | None, depth: int) -> tuple[object, int]:
        index, name = _start(event), cast("str", event.anchor)
        self._end = _end(event)
        if name not in self._anchors:
            raise self.stop(index, path, f"alias {shown(name)} has no anchor before it")
        target = self._anchors[name]
        if target is None:
            raise self.stop(index, path, f"alias {shown(name)} stands inside what it names")
        self._aliased += target.weight
        self._weight += target.weight
        if self._aliased > ALIAS_LIMIT:
            raise self.stop(index, path, f"aliases stand for more than {ALIAS_LIMIT} characters: write less of them")
        self.check_depth(index, depth + target.height)
        return target.value, target.height

    def _sequence(self, path: str | None, depth: int) -> tuple[list[object], int]:
        items: list[object] = []
        height = 0
        while not isinstance(event := next(self._events), SequenceEndEvent):
            item = _item(path, len(items))
            self.note(item, _start(event))
            value, below = self._value(event, item, depth + 1)
            items.append(value)
            height = max(height, below)
        self._end = _end(event)
        return items, height + 1

    def _mapping(self, path: str | None, depth: int) -> tuple[dict[str, object], int]:
        members: dict[str, object] = {}
        first: dict[str, int] = {}
        merged: list[object] = []
        height = 0
        while not isinstance(event := next(self._events), MappingEndEvent):
            index = _start(event)
            key, is_merge = self._key(event, path, depth)
            place = _member(path, key) if key is not None else None
            if key is not None and key in first:
                self.twice(index, place, key, first[key])
                place = None
            elif is_merge or key is None:
                place = None
            else:
                self.note(place, index)
            value, below = self._value(next(self._events), place, depth + 1)
            height = max(height, below)
            if key is None or key in first:
                continue
            first[key] = index
            if is_merge:
                merged += self._merged(value, index, _member(path, key))
            else:
                members[key] = value
        self._end = _end(event)
        self._merge(members, merged, first, path)
        return members, height + 1

    def _key(self, event: Event, path: str | None, depth: int) -> tuple[str | None, bool]:
        """The key that starts with this event, and whether it is a merge key; None, with a fault, if it isn't text."""
        if isinstance(event, ScalarEvent) and event.tag is None and event.implicit[0] and event.value == "<<":
            self._weight += 1
            return "<<", True
        value, _ = self._value(event, None, depth + 1)
        if type(value) is str:
            return value, False
        raw = f" {shown(event.value)}" if isinstance(event, ScalarEvent) else ""
        self.fault(_start(event), path, f"key{raw} must be text, not {kind_of(value)}: quote it")
        return None, False

    def _merged(self, value: object, index: int, path: str | None) -> list[object]:
        values = cast("list[object]", value) if isinstance(value, list) else [value]
        if all(isinstance(item, dict) for item in values):
            return values
        self.fault(index, path, "a merge key takes a mapping or a list of mappings")
        return []

    def _merge(self, members: dict[str, object], merged: list[object], first: dict[str, int], path: str | None) -> None:
        """Add what merge keys bring. What comes twice that way is as easily overlooked as any other."""
        for mapping in merged:
            for key, value in cast("dict[str, object]", mapping).items():
                if key in members:
                    where = first.get(key, first["<<"])
                    self.fault(where, _member(path, key), f"key {shown(key)} comes twice by the merge key <<: keep one")
                else:
                    members[key] = value

    def _check_tag(self, event: Event, path: str | None) -> None:
        """Tags of YAML's core only: any other would ask for an object of the program that reads it."""
        assert isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent)
        tag = event.tag
        allowed = _SCALARS if isinstance(event, ScalarEvent) else {_COLLECTIONS[type(event)]}
        if tag is not None and tag != "!" and tag not in allowed:
            name = f"!!{tag.removeprefix(_CORE)}" if tag.startswith(_CORE) else tag
            self.fault(_start(event), path, f"tag {shown(name)} is not allowed: remove it")

    def _scalar(self, event: ScalarEvent, path: str | None) -> object:
        self._check_tag(event, path)
        text, tag = event.value, event.tag
        if tag is None and event.implicit[0]:
            tag = cast("str", self._resolver.resolve(yaml.ScalarNode, text, (True, False)))
        if event.style == '"' and _SURROGATE.search(text):
            raise self.stop(_start(event), None, f"is not YAML: {_NO_CHARACTER}")
        value = self._converted(tag or "", text, event, path)
        if type(value) is not str:
            self.note_raw(path, text)
        return value

    def _converted(self, tag: str, text: str, event: ScalarEvent, path: str | None) -> object:
        name = tag.removeprefix(_CORE)
        node = yaml.ScalarNode(tag, text)
        try:
            if name in ("int", "float") and len(text) > NUMBER_LIMIT:
                raise ValueError
            if name == "int":
                return self._constructor.construct_yaml_int(node)
            if name == "float":
                return self._constructor.construct_yaml_float(node)
            if name == "bool":
                return self._constructor.construct_yaml_bool(node)
        # What doesn't fit its tag; a float to the base of 60 can get too large, any other becomes infinite.
        except (ValueError, KeyError, IndexError, OverflowError):
            self.fault(_start(event), path, f"{shown(text)} can't be read as {name}: quote it")
            return text
        if name == "null":
            return None
        return Timestamp(text) if name == "timestamp" and event.tag is None else text


class _JsonReader(_Places):
    """JSON with the place of every value: the standard library's decoder reads the strings, the rest is read here.

    What reads something starts at `_index` and leaves it after what it read.
    """

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self._source = text.text
        self._index = 0

    def read(self) -> Reading:
        try:
            self._root()
        except Unreadable as stop:
            self.reading.problems.append(stop.problem)
        return self.reading

    def _root(self) -> None:
        self._blank()
        if self._peek() == "[":
            self._list()
            return
        self.note("", self._index)
        value = self._value("", 0)
        self._nothing_more()
        self.finish(value, ended(self._source), 0)

    def _list(self) -> None:
        """A list at the top: each item is a document."""
        self.reading.listed = True
        start = self._index
        count = 0
        for index in self._items("]"):
            count += 1
            self.note("", index)
            value = self._value("", 1)
            self.finish(value, ended(self._source[index : self._index]), index)
        self._nothing_more()
        if not count:
            self.fault(start, None, "the list is empty")

    def _items(self, close: str) -> Iterator[int]:
        """Read a list or an object but for its items: whoever takes the place of one reads it before the next."""
        self._index += 1
        self._blank()
        while self._peek() != close:
            yield self._index
            self._blank()
            if self._peek() == close:
                break
            if self._peek() != ",":
                raise self._not_json(self._index, f"expected ',' or {close!r}")
            self._index += 1
            self._blank()
            if self._peek() == close:
                raise self._not_json(self._index, "a comma too many")
        self._index += 1

    def _value(self, path: str | None, depth: int) -> object:
        character = self._peek()
        if character == "{":
            return self._object(path, depth)
        if character == "[":
            return self._array(path, depth)
        return self._string() if character == '"' else self._plain(path)

    def _object(self, path: str | None, depth: int) -> dict[str, object]:
        self.check_depth(self._index, depth + 1)
        members: dict[str, object] = {}
        first: dict[str, int] = {}
        for index in self._items("}"):
            if self._peek() != '"':
                raise self._not_json(index, "expected a key in double quotes")
            key = self._string()
            self._blank()
            if self._peek() != ":":
                raise self._not_json(self._index, "expected ':' after a key")
            self._index += 1
            self._blank()
            place = _member(path, key)
            if key in first:
                self.twice(index, place, key, first[key])
                place = None
            self.note(place, index)
            value = self._value(place, depth + 1)
            if key not in first:
                first[key], members[key] = index, value
        return members

    def _array(self, path: str | None, depth: int) -> list[object]:
        self.check_depth(self._index, depth + 1)
        items: list[object] = []
        for index in self._items("]"):
            item = _item(path, len(items))
            self.note(item, index)
            items.append(self._value(item, depth + 1))
        return items

    def _string(self) -> str:
        start = self._index
        try:
            value, self._index = _JSON_STRINGS.raw_decode(self._source, start)
        except json.JSONDecodeError as error:
            if error.msg.startswith("Unterminated"):
                raise self._not_json(start, "a string that doesn't end") from None
            what = "a control character must be escaped" if "control" in error.msg else "an invalid escape"
            raise self._not_json(error.pos, f"{what} in a string") from None
        return cast("str", value)

    def _plain(self, path: str | None) -> object:
        start = self._index
        for word in ("NaN", "Infinity", "-Infinity"):
            if self._source.startswith(word, start):
                raise self._not_json(start, f"{word} is no number of JSON")
        for word, value in _JSON_WORDS.items():
            if self._source.startswith(word, start):
                self.note_raw(path, word)
                self._index += len(word)
                return value
        match = _JSON_NUMBER.match(self._source, start)
        if not match:
            raise self._not_json(start, "expected a value")
        self.note_raw(path, match[0])
        self._index = match.end()
        try:
            return (float if match[1] or match[2] else int)(match[0])
        except ValueError:
            raise self.stop(start, path, "the number has too many digits") from None

    def _blank(self) -> None:
        match = _JSON_BLANK.match(self._source, self._index)
        assert match is not None
        self._index = match.end()

    def _peek(self) -> str:
        return self._source[self._index : self._index + 1]

    def _nothing_more(self) -> None:
        self._blank()
        if self._index < len(self._source):
            raise self._not_json(self._index, "more text after the end")

    def _not_json(self, index: int, what: str) -> Unreadable:
        if index >= len(self._source):
            what = "it ends too early"
        return self.stop(min(index, len(self._source)), None, f"is not JSON: {what}")


def kind_of(value: object, raw: str = "") -> str:
    """What a value is, in words of its file."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, Timestamp):
        name = "date"
    elif isinstance(value, bool):
        name = "boolean"
    elif isinstance(value, int | float):
        name = "number"
    else:
        return "text"
    return f"the {name} {one_line(raw, 40)}" if raw else f"a {name}"
