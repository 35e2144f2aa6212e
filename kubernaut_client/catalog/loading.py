"""Files, directories, standard input and models as one catalog, or one error with everything that is wrong in them.

What a file's text is is left to `text`, `yamltext` and `jsontext`, what a document means to `documents`.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from kubernaut_client.errors import CatalogError
from kubernaut_client.files import read_regular
from kubernaut_client.limits import REMEDIATION_WORKFLOW, Findings
from kubernaut_client.models import RemediationWorkflow
from kubernaut_client.plan import ascending, version_key
from kubernaut_client.problems import one_line, shown

from .documents import ContentFile, Draft, content_file, is_payload, read_document
from .jsontext import looks_like_json, read_json
from .text import (
    PROBLEMS_LIMIT,
    STREAM_LIMIT,
    TOO_LARGE,
    CatalogProblem,
    Document,
    Reading,
    Source,
    Text,
    Unreadable,
    decode,
)
from .yamltext import read_yaml

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"

_Identity = tuple[int, int]
# The real path of a file, and whether the name that it was given says that it is JSON.
_FileKey = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A workflow of a catalog and where it came from; `source` is None for what was handed over in Python."""

    workflow: RemediationWorkflow = field(repr=False)
    source: Source | None


class Catalog:
    """Workflows that were read and checked: iterable, sized, and each with the place that it came from.

    The order is that of the input. A catalog doesn't change; what `load` found odd but not wrong is in `warnings`.
    """

    __slots__ = ("_places", "entries", "warnings")

    entries: tuple[CatalogEntry, ...]
    warnings: tuple[CatalogProblem, ...]

    def __init__(self, entries: Iterable[CatalogEntry] = (), warnings: Iterable[CatalogProblem] = ()) -> None:
        """A catalog of entries that were checked; `load` makes one of files."""
        self.entries = tuple(entries)
        self.warnings = tuple(warnings)
        self._places: dict[str, dict[str, CatalogEntry]] = {}
        for entry in self.entries:
            self._places.setdefault(entry.workflow.workflow_name, {})[entry.workflow.version] = entry

    def __iter__(self) -> Iterator[RemediationWorkflow]:
        return (entry.workflow for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"<Catalog of {len(self)} workflow{'' if len(self) == 1 else 's'}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the workflows, each once, in the order of the input."""
        return tuple(self._places)

    def by_name(self, name: str) -> tuple[RemediationWorkflow, ...]:
        """The versions of a workflow, lowest first; what can't be ordered comes last. Empty for an unknown name."""
        found = (entry.workflow for entry in self._places.get(name, {}).values())
        return tuple(ascending(lambda workflow: workflow.version, found))

    def source(self, name: str, version: str) -> Source | None:
        """Where a version of a workflow came from, None for one that was handed over; KeyError if it isn't here."""
        try:
            return self._places[name][version].source
        except KeyError:
            raise KeyError(f"{name}@{version}") from None


def load(
    *paths: str | os.PathLike[str] | RemediationWorkflow | Mapping[str, Any],
    stdin: BinaryIO | None = None,
    allow_empty: bool = False,
) -> Catalog:
    """Read workflows from files, directories, standard input and Python objects, in that order.

    A path is a file (`.yaml`, `.yml`, `.json`; UTF-8, at most 16 MiB) or a directory, which is read recursively,
    sorted, without hidden files; symbolic links that lead out of it are named in the warnings and not followed. `-` is
    standard input, or `stdin` if given. A file holds WorkflowSchema documents or create payloads: one, several in a
    YAML stream, or a list of them, each of at most 1 MiB. Models and mappings are create payloads.

    A WorkflowSchema document gives name, version, description, labels, engine (`tekton` if it says none), image and
    digest; its text becomes the content: as UTF-8 with LF, without byte order mark, cut at the markers of its document
    and ended by one newline, so that it has the same hash wherever it was checked out. A payload may name a file below
    its own directory as `content_file` instead of `content`; what it leaves out is then derived from that document,
    unless it has name, version, description, labels and engine itself. `status` is `active` and `content_hash` the
    SHA-256 of the content if a payload doesn't say otherwise.

    Use spaces in YAML: a tab between tokens is taken only where PyYAML was built with libyaml, as its wheels are.

    The same name and version twice is one workflow if all is equal. A directory without any catalog file is a mistake
    unless `allow_empty`.

    Raises:
        CatalogError: `errors` has every problem of every file, sorted by file and line; of more than 1,000 the first
            1,000, and the message has their number. Nothing was sent.
    """
    loader = _Loader(stdin, allow_empty)
    for number, given in enumerate(paths, 1):
        loader.add(number, given)
    return loader.catalog()


@dataclass(slots=True)
class _Input:
    """One text that was read: its documents, and the path on disk if it has one."""

    file: str
    path: str | None
    reading: Reading
    walked: bool = False
    model: RemediationWorkflow | None = None

    def payloads(self) -> list[Document]:
        return [document for document in self.reading.documents if is_payload(document.value)]


class _Loader:
    """Collects what was given, then checks it as a whole: a file may belong to a payload that is read later."""

    def __init__(self, stdin: BinaryIO | None, allow_empty: bool) -> None:
        self._stdin = stdin
        self._allow_empty = allow_empty
        self._inputs: list[_Input] = []
        self._problems: list[CatalogProblem] = []
        self._warnings: list[CatalogProblem] = []
        self._entries: dict[tuple[str, str], tuple[CatalogEntry, Mapping[str, Any], str]] = {}
        self._files: dict[_FileKey, tuple[Text, Reading]] = {}
        self._contents: dict[_FileKey, ContentFile | CatalogProblem] = {}

    def add(self, number: int, given: object) -> None:
        """Read one argument of `load`."""
        if isinstance(given, str | os.PathLike):
            path = os.fspath(cast("str | os.PathLike[str]", given))
            if path == STDIN:
                self._read_stdin()
            else:
                self._read_path(os.fsdecode(path))
            return
        file = f"argument {number}"
        if isinstance(given, RemediationWorkflow):
            self._inputs.append(_Input(file, None, Reading(), model=given))
        elif isinstance(given, Mapping):
            value = cast("Mapping[str, object]", given)
            self._inputs.append(_Input(file, None, Reading([Document(file, value, "", 0, {})])))
        else:
            self._refuse(file, f"must be a path, a RemediationWorkflow or a mapping, not {type(given).__name__}")

    def catalog(self) -> Catalog:
        """The catalog of all that was added; raises `CatalogError`."""
        attached = self._attached_paths()
        for given in self._inputs:
            if given.walked and given.path and os.path.realpath(given.path) in attached and not given.payloads():
                continue
            self._problems += given.reading.problems
            self._check(given)
        if self._problems:
            raise _error(self._problems)
        warnings = sorted(self._warnings, key=_position)
        return Catalog((entry for entry, _, _ in self._entries.values()), warnings)

    # Reading

    def _read_path(self, path: str) -> None:
        if not path:
            self._refuse("''", "is no path")
            return
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            self._refuse(path, _cause(path, error))
            return
        if stat.S_ISDIR(mode):
            self._walk(path)
        elif not path.lower().endswith(SUFFIXES):
            self._refuse(path, f"is no catalog file: its name must end in {', '.join(SUFFIXES)}")
        else:
            self._read_file(path, walked=False)

    def _walk(self, top: str) -> None:
        """Every catalog file below a directory, by path. A directory that links reach twice is read once."""
        before = len(self._inputs) + len(self._problems)
        root = os.path.realpath(top)
        seen: set[_Identity] = set()
        waiting: list[tuple[str, frozenset[_Identity]]] = [(top, frozenset())]
        while waiting:
            path, above = waiting.pop()
            is_file = path.lower().endswith(SUFFIXES)
            try:
                if path != top and os.path.islink(path) and not _is_within(os.path.realpath(path), root):
                    self._leaves_tree(path, is_file=is_file)
                    continue
                found = os.stat(path)
                here = (found.st_dev, found.st_ino)
                if not stat.S_ISDIR(found.st_mode):
                    if is_file:
                        self._read_file(path, walked=True)
                    continue
                if here in above:
                    self._refuse(path, "is a symbolic link to a directory that it is in: remove it")
                elif here not in seen:
                    seen.add(here)
                    names = sorted((name for name in os.listdir(path) if not name.startswith(".")), reverse=True)
                    waiting += [(os.path.join(path, name), above | {here}) for name in names]
            except OSError as error:
                # A link to nowhere is someone else's business unless a catalog file is expected there.
                if is_file or error.errno != errno.ENOENT:
                    self._refuse(path, _cause(path, error))
        if before == len(self._inputs) + len(self._problems) and not self._allow_empty:
            self._refuse(top, f"holds no catalog file ({', '.join(SUFFIXES)})")

    def _leaves_tree(self, path: str, *, is_file: bool) -> None:
        """Name a link that leads out of the directory that was given; a link to nothing, as any other."""
        if is_file or os.path.isdir(path):
            if not os.path.exists(path):
                self._refuse(path, "is a symbolic link to nothing")
                return
            reason = "is a symbolic link out of the directory and is not followed: give what it names as a path"
            self._warnings.append(CatalogProblem(path, None, None, None, reason))

    def _read_file(self, path: str, *, walked: bool) -> None:
        try:
            _, reading = self._files[_file_key(path)] = _parsed(path)
        except Unreadable as stop:
            reading = Reading(problems=[stop.problem])
        self._inputs.append(_Input(path, path, reading, walked))

    def _read_stdin(self) -> None:
        if any(given.file == STDIN for given in self._inputs):
            return
        reading = Reading()
        try:
            text = decode(STDIN, _all_of(self._stdin if self._stdin is not None else sys.stdin.buffer))
            reading = read_json(text) if looks_like_json(text) else read_yaml(text)
        except Unreadable as stop:
            reading.problems.append(stop.problem)
        except OSError as error:
            self._refuse(STDIN, f"standard input can't be read: {_system(error)}")
        # Closed since the process was started, or (AttributeError) before.
        except (ValueError, AttributeError):
            self._refuse(STDIN, "standard input is closed: give a path, or redirect a file into it")
        self._inputs.append(_Input(STDIN, None, reading))

    # Checking

    def _check(self, given: _Input) -> None:
        if given.model is not None:
            self._check_model(given.file, given.model)
            return
        highest: dict[str, str] = {}
        for document in given.reading.documents:
            attached = self._attachment(given, document)
            draft = read_document(document, attached)
            self._problems += draft.problems
            self._warnings += draft.warnings
            if draft.payload is not None:
                source = Source(given.file, document.line) if document.line else None
                self._check_order(draft, draft.payload, highest)
                self._add_entry(RemediationWorkflow.from_dict(draft.payload), draft.payload, source, draft)

    def _check_model(self, file: str, model: RemediationWorkflow) -> None:
        findings = Findings()
        payload = REMEDIATION_WORKFLOW(model, "", findings)
        self._problems += [CatalogProblem(file, None, None, path or None, reason) for path, reason in findings.found]
        if not findings.found:
            document = Document(file, None, "", 0, {})
            self._add_entry(model, cast("dict[str, Any]", payload), None, Draft(document))

    def _check_order(self, draft: Draft, payload: Mapping[str, Any], highest: dict[str, str]) -> None:
        """In one text, the versions of a name ascend: who reads it takes the last one for the latest."""
        name, version = payload["workflow_name"], payload["version"]
        before = highest.get(name)
        mine, theirs = version_key(version), version_key(before) if before is not None else None
        if mine is not None and theirs is not None and mine < theirs:
            reason = f"{shown(version)} comes after {shown(before)}: put the versions of a name in ascending order"
            self._problems.append(draft.document.problem(draft.version_field, reason))
        elif mine is not None:
            highest[name] = version

    def _add_entry(
        self, workflow: RemediationWorkflow, payload: Mapping[str, Any], source: Source | None, draft: Draft
    ) -> None:
        key = (payload["workflow_name"], payload["version"])
        entry = CatalogEntry(workflow, source)
        first, before, where = self._entries.setdefault(key, (entry, payload, str(source or draft.document.file)))
        if before is payload:
            return
        what = f"{one_line(key[0], 80)} {one_line(key[1])}"
        if _canonical(before) != _canonical(payload):
            reason = f"{what} is given with other content in {where}: give one of them a new version"
            self._problems.append(draft.document.problem(draft.version_field, reason))
        elif source and first.source and not _is_same_place(source, first.source):
            reason = f"{what} is the same as in {where} and counts once: remove one of them"
            self._warnings.append(draft.document.problem(draft.version_field, reason))

    # Content files

    def _attached_paths(self) -> set[str]:
        """The real paths of the files that payloads name as their content."""
        found: set[str] = set()
        for given in self._inputs:
            for document in given.payloads() if given.path else ():
                name = cast("Mapping[str, object]", document.value).get("content_file")
                real = _beside(cast("str", given.path), name) if isinstance(name, str) else None
                if real:
                    found.add(real)
        return found

    def _attachment(self, given: _Input, document: Document) -> ContentFile | None:
        """The content file that a payload names; None, with a problem if it names one that can't be read."""
        value = document.value
        if not is_payload(value) or "content_file" not in cast("Mapping[str, object]", value):
            return None
        name = cast("Mapping[str, object]", value)["content_file"]
        reason = _bad_name(given, name)
        if not reason:
            content = self._content(os.path.join(os.path.dirname(given.file), _file_name(cast("str", name))))
            if isinstance(content, ContentFile):
                return content
            if content.line is not None:
                self._problems.append(content)
                return None
            reason = f"{shown(name)} {content.reason}"
        self._problems.append(document.problem("content_file", reason))
        return None

    def _content(self, path: str) -> ContentFile | CatalogProblem:
        """A content file, read once however many payloads name it, or why it can't be read."""
        key = _file_key(path)
        if key not in self._contents:
            try:
                self._contents[key] = content_file(*(self._files.get(key) or _parsed(path)))
            except Unreadable as stop:
                self._contents[key] = stop.problem
        return self._contents[key]

    def _refuse(self, file: str, reason: str) -> None:
        self._problems.append(CatalogProblem(file, None, None, None, reason))


def _is_same_place(one: Source, other: Source) -> bool:
    """Whether two places are the same document, reached by two paths."""
    return one.line == other.line and os.path.realpath(one.file) == os.path.realpath(other.file)


def _bad_name(given: _Input, name: object) -> str:
    """Why a payload can't have that content file; empty if it can."""
    if not isinstance(name, str):
        return f"must be text, not {type(name).__name__}"
    if given.path is None:
        return "needs a payload that is in a file: give content instead"
    real = None if os.path.isabs(name) else _beside(given.path, name)
    if not real:
        return f"must be a path relative to this file, not {shown(name)}"
    if real == os.path.realpath(given.path):
        return "names the file that it is in"
    directory = os.path.realpath(os.path.dirname(given.path))
    if not _is_within(real, directory):
        return f"must stay in the directory of this file, {shown(name)} leaves it"
    return ""


def _is_within(real: str, directory: str) -> bool:
    """Whether a real path is below a directory, or is it."""
    return os.path.commonpath([directory, real]) == directory


def _file_name(name: str) -> str:
    """A name that a document holds as the file system's: in UTF-8, also where the locale says ASCII.

    Raises `ValueError` for half of a surrogate pair.
    """
    return os.fsdecode(name.encode())


def _beside(path: str, name: str) -> str | None:
    """The real path of a file that is named relative to another; None for what is no path."""
    try:
        return os.path.realpath(os.path.join(os.path.dirname(path), _file_name(name))) if name else None
    except (OSError, ValueError):
        return None


def _file_key(path: str) -> _FileKey:
    return os.path.realpath(path), _is_json(path)


def _is_json(path: str) -> bool:
    return path.lower().endswith(".json")


def _parsed(path: str) -> tuple[Text, Reading]:
    """The text of a file and what it holds; raises `Unreadable`."""
    try:
        data = read_regular(path, STREAM_LIMIT)
    except (OSError, ValueError) as error:
        raise Unreadable(CatalogProblem(path, None, None, None, _cause(path, error))) from None
    text = decode(path, data)
    return text, read_json(text) if _is_json(path) else read_yaml(text)


def _canonical(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, sort_keys=True)


def _all_of(stream: BinaryIO) -> bytes:
    """All that a stream gives, up to a byte more than is taken."""
    parts: list[bytes] = []
    size = 0
    while size <= STREAM_LIMIT:
        part = cast("bytes | None", stream.read(STREAM_LIMIT + 1 - size))
        if part is None:
            raise BlockingIOError(errno.EAGAIN, "it is set not to block, and not all of it is there")
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _cause(path: str, error: OSError | ValueError) -> str:
    """Why a path can't be read, for people."""
    if isinstance(error, ValueError):
        return "is no path: it holds a character that no path can have"
    if error.errno == errno.ENOENT:
        return "is a symbolic link to nothing" if os.path.islink(path) else "does not exist"
    if error.errno == errno.ELOOP:
        return "is a symbolic link that leads back to itself: remove it"
    if error.errno == errno.EINVAL:
        return "is not a regular file (- is standard input)"
    if error.errno == errno.EFBIG:
        return TOO_LARGE
    return f"can't be read: {_system(error)}"


def _system(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _position(problem: CatalogProblem) -> tuple[str, int, int]:
    return problem.file, problem.line or 0, problem.column or 0


def _error(problems: list[CatalogProblem]) -> CatalogError:
    problems = sorted(problems, key=_position)
    listed = problems[:PROBLEMS_LIMIT]
    files = len({problem.file for problem in problems})
    count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
    where = "" if files == 1 else f" in {files} files"
    if len(listed) < len(problems):
        where += f", the first {len(listed)} listed"
    return CatalogError(one_line(f"{count}{where}: {problems[0]}"), errors=listed)
