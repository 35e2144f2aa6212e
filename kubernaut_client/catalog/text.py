"""The text of a catalog file: its characters and their places, the documents that it holds, and what is wrong with it.

Reading YAML is left to `yamltext`, JSON to `jsontext`; what a document means to `documents`, where the bytes come from
to `loading`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from kubernaut_client.problems import MESSAGE_LIMIT, one_line, shown

KIND = "WorkflowSchema"
SIZE_LIMIT = 2**20
"""Bytes of one document, or of a content file: 1 MiB."""
STREAM_LIMIT = 16 * SIZE_LIMIT
"""Bytes of a file or of standard input, whatever number of documents it holds: 16 MiB."""
PROBLEMS_LIMIT = 1000
"""Problems that one `CatalogError` lists."""
TOO_LARGE = f"is larger than 16 MiB ({STREAM_LIMIT} bytes): split it"
TOO_LARGE_DOCUMENT = f"is larger than 1 MiB ({SIZE_LIMIT} bytes), the limit of a document: split it"
DEPTH_LIMIT = 100
"""Levels of lists and mappings."""
PATH_LIMIT = 1000
"""Characters of a file's path in a message."""


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

    Raises `Unreadable` for more than 16 MiB, another encoding, and a file without text.
    """
    if len(data) > STREAM_LIMIT:
        raise unreadable(file, TOO_LARGE)
    # Without a mark, a text in UTF-16 that starts with ASCII has zero in every other byte.
    every_other = len(data) > 1 and any(data[:4:2]) != any(data[1:4:2])
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or every_other:
        raise unreadable(file, "is UTF-16: save it as UTF-8")
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
        raise unreadable(file, "is empty")
    return Text(file, text)


def is_schema(value: object) -> bool:
    """Whether a value is a WorkflowSchema document."""
    return isinstance(value, Mapping) and cast("Mapping[str, object]", value).get("kind") == KIND


def ended(text: str) -> str:
    """A text that ends in exactly one newline."""
    return text.rstrip("\n") + "\n"


def _unix_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def unreadable(file: str, reason: str) -> Unreadable:
    """A fault of a file as a whole."""
    return Unreadable(CatalogProblem(file, None, None, None, reason))


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


def _below(path: str | None, part: str) -> str | None:
    """The path of a value inside another one; None where it is longer than a message shows.

    Every value has its path in memory, so without a limit a long key would be there once for each value below it.
    """
    return None if path is None or len(path) + len(part) > MESSAGE_LIMIT else path + part


def member_path(path: str | None, key: str) -> str | None:
    """The path of a member."""
    return _below(path, f".{key}" if path else key)


def item_path(path: str | None, index: int) -> str | None:
    """The path of an item of a list."""
    return _below(path, f"[{index}]")


class Places:
    """What a reader has found: the places of the values of one document, and the documents before.

    Values below a path of None aren't reachable by a path of their own.
    """

    def __init__(self, text: Text) -> None:
        self.text = text
        self.places: dict[str, Place] = {}
        self.reading: Reading = Reading()
        self._begin = 0

    def note(self, path: str | None, index: int) -> None:
        """A value, or the key of a member, starts here. Raise `Unreadable` where its document is too large."""
        if path == "":
            self._begin = index
        elif index - self._begin > SIZE_LIMIT:
            raise self.stop(self._begin, None, TOO_LARGE_DOCUMENT)
        if path is not None:
            self.places[path] = self.text.place(index)

    def note_raw(self, path: str | None, raw: str) -> None:
        """The text of a value that isn't a string."""
        if path is not None:
            place = self.places[path]
            self.places[path] = Place(place.line, place.column, raw)

    def fault(self, index: int, path: str | None, reason: str) -> None:
        """Something is wrong here, and reading goes on."""
        self.reading.problems.append(self.text.problem(index, path, reason))

    def stop(self, index: int, path: str | None, reason: str) -> Unreadable:
        """Something is wrong here, behind which nothing can be read: to be raised."""
        return Unreadable(self.text.problem(index, path, reason))

    def check_depth(self, index: int, depth: int) -> None:
        """Raise `Unreadable` for a value that is nested too deeply."""
        if depth > DEPTH_LIMIT:
            # Without its path, which is as long as it is deep.
            raise self.stop(index, None, f"must not be nested deeper than {DEPTH_LIMIT} levels")

    def twice(self, index: int, path: str | None, key: str, first: int) -> None:
        """A key is given again."""
        where = self.text.place(first).line
        self.fault(index, path, f"key {shown(key)} is given twice, first in line {where}: keep one")

    def finish(self, value: object, content: str, index: int) -> None:
        """A document that starts here has been read."""
        if len(content) > SIZE_LIMIT or len(content.encode("utf-8", "surrogatepass")) > SIZE_LIMIT:
            self.fault(self._begin, None, TOO_LARGE_DOCUMENT)
            return
        line = self.text.place(index).line
        self.reading.documents.append(Document(self.text.file, value, content, line, self.places))
        self.places = {}
