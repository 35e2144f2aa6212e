"""JSON text of a catalog as documents with positions: every fault with its line and column.

What a document means is left to `documents`, where the bytes come from to `loading`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import cast

from .text import Places, Reading, Text, Unreadable, ended, item_path, member_path

_BLANK = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_START = re.compile(r"\s*(?:\[\s*)?\{\s*\"")
_WORDS = {"true": True, "false": False, "null": None}
_STRINGS = json.JSONDecoder()


def read_json(text: Text) -> Reading:
    """The document that a JSON text is, or the documents that its top-level list holds."""
    return _Reader(text).read()


def looks_like_json(text: Text) -> bool:
    """Whether a text without a name is JSON: it starts with an object whose first key is quoted, or a list of them."""
    return bool(_START.match(text.text))


class _Reader(Places):
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
            place = member_path(path, key)
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
            item = item_path(path, len(items))
            self.note(item, index)
            items.append(self._value(item, depth + 1))
        return items

    def _string(self) -> str:
        start = self._index
        try:
            value, self._index = _STRINGS.raw_decode(self._source, start)
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
        for word, value in _WORDS.items():
            if self._source.startswith(word, start):
                self.note_raw(path, word)
                self._index += len(word)
                return value
        match = _NUMBER.match(self._source, start)
        if not match:
            raise self._not_json(start, "expected a value")
        self.note_raw(path, match[0])
        self._index = match.end()
        try:
            return (float if match[1] or match[2] else int)(match[0])
        except ValueError:
            raise self.stop(start, path, "the number has too many digits") from None

    def _blank(self) -> None:
        match = _BLANK.match(self._source, self._index)
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
