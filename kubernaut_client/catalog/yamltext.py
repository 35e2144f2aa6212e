"""YAML text of a catalog as documents with positions: read safely, every fault with its line and column.

Tags of YAML's core are taken, no others; keys are texts and come once; aliases are taken as long as what they stand for
stays small. The text of each document is kept, because it is what the service stores. What a document means is left to
`documents`, where the bytes come from to `loading`.

Both parsers of PyYAML take the same texts but for a tab between tokens (`a:\\tb`), which libyaml takes and the one in
Python doesn't. Where both refuse a text, they can differ in what they say and in the column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
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

from kubernaut_client.problems import one_line, shown

from .text import (
    Places,
    Reading,
    Text,
    Timestamp,
    Unreadable,
    ended,
    is_schema,
    item_path,
    kind_of,
    member_path,
    unreadable,
)

ALIAS_LIMIT = 2**20
"""What all aliases of a document may stand for, in characters of scalars and numbers of nodes."""
NUMBER_LIMIT = 400
"""Characters of a number in YAML; `1:1:1`, to the base of 60, takes the square of its length to read."""

_TOO_DEEP = "exceeded maximum nesting depth"
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
# At the start of a line, or behind what a space must follow.
_OTHER_BLANK = re.compile("(?:^ {0,100}|[:?-])[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]", re.MULTILINE)
_REST_OF_MARKER = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)|[ \t]+")


def read_yaml(text: Text) -> Reading:
    """Every document of a YAML stream; a list at the top is as many documents."""
    return _Reader(text).read()


def _start(event: Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.index


def _end(event: Event) -> int:
    assert event.end_mark is not None
    return event.end_mark.index


@dataclass(frozen=True, slots=True)
class _Anchored:
    """What an anchor names: its value, how much that is, and how deep."""

    value: object
    weight: int
    height: int


class _Reader(Places):
    """Composes the events of PyYAML's parser; nothing is ever constructed but texts, numbers, lists and mappings."""

    def __init__(self, text: Text, parser: Any = None) -> None:
        super().__init__(text)
        self._parser = parser or PARSER
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
            self._events = yaml.parse(self.text.text, Loader=self._parser)
            self._stream()
        except Unreadable as stop:
            self.reading.problems.append(stop.problem)
        except yaml.MarkedYAMLError as error:
            if _TOO_DEEP in (error.problem or "") and self._parser is not yaml.SafeLoader:
                # libyaml from 0.2.6 on gives up at 1000 levels before it hands out the first of them. The parser in
                # Python doesn't, so our own limit is found where it is passed.
                return _Reader(self.text, yaml.SafeLoader).read()
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
        if (blank := self._other_blank(index)) is not None:
            code = ord(self.text.text[blank])
            self.fault(blank, None, f"is not YAML: U+{code:04X} is no blank here: use a space")
            return
        line = self.text.line_at(index)
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent:
            tab = index - self.text.place(index).column + 1 + indent.index("\t")
            self.fault(tab, None, "a tab can't indent YAML: use spaces")
        else:
            self.fault(index, None, f"is not YAML: {what}")

    def _other_blank(self, index: int) -> int | None:
        """Where in the line of an error, or in the one above, a blank stands that YAML takes for a letter."""
        text = self.text.text
        above = text.rfind("\n", 0, max(text.rfind("\n", 0, index), 0)) + 1
        end = text.find("\n", index)
        match = _OTHER_BLANK.search(text, above, end if end >= 0 else len(text))
        return match.end() - 1 if match else None

    def _stream(self) -> None:
        empty = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                self._check_directives(_start(event), _end(event))
                start = self._after_marker(_end(event)) if event.explicit else 0
                empty += self._document(start)
        if not self.reading.documents and not self.reading.problems and not empty:
            raise unreadable(self.text.file, "holds no document, only comments")
        if empty and not self.reading.documents and not self.reading.problems:
            raise unreadable(self.text.file, "holds no document")

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
        again = _Reader(Text(self.text.file, content)).read()
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
            item = item_path(path, len(items))
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
            place = member_path(path, key) if key is not None else None
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
                merged += self._merged(value, index, member_path(path, key))
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
                    self.fault(
                        where, member_path(path, key), f"key {shown(key)} comes twice by the merge key <<: keep one"
                    )
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
