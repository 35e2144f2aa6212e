"""One document of a catalog as a request body: a WorkflowSchema document, or a create payload.

The service never parses what it stores as content, so what it will show of a WorkflowSchema document is derived here,
as its own test fixtures do. Limits are those of `kubernaut_client.limits`; their findings get the names, lines and
columns of the file. Reading text is left to `yamltext` and `jsontext`, files to `loading`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from hashlib import sha256
from typing import Any, cast

from kubernaut_client.limits import MANDATORY_LABELS, PRIORITIES, REMEDIATION_WORKFLOW, SEVERITIES, Findings, below
from kubernaut_client.plan import version_key
from kubernaut_client.problems import one_line, shown

from .text import (
    KIND,
    SIZE_LIMIT,
    TOO_LARGE_DOCUMENT,
    CatalogProblem,
    Document,
    Reading,
    Text,
    Timestamp,
    ended,
    is_schema,
    kind_of,
    unreadable,
)

DISPLAY_NAME = "kubernaut.io/display-name"
DESCRIPTION_LIMIT = 500
"""Characters; the service takes more, the format doesn't."""

_RISKS = ("low", "medium", "high")
_TYPES = ("string", "integer", "boolean", "array")
_CHOICES = {"labels.severity": SEVERITIES, "labels.priority": PRIORITIES, "labels.risk_tolerance": _RISKS}
_MEMBERS = (*REMEDIATION_WORKFLOW.required, *REMEDIATION_WORKFLOW.optional)
_LABELS = tuple(MANDATORY_LABELS.required)
# The members that something reads: of a document, of its sections, and of the items of its lists.
_READ = {
    "": ("apiVersion", "kind", "metadata", "labels", "execution", "parameters", "rollback_parameters"),
    "metadata": ("workflow_id", "version", "description", "maintainers", "annotations"),
    "metadata.annotations": (DISPLAY_NAME,),
    "labels": (*_LABELS, "risk_tolerance", "business_category"),
    "execution": ("engine", "bundle"),
}
_READ_OF_ITEMS = {
    "maintainers": ("name", "email"),
    "parameters": (
        *("name", "type", "description", "required", "pattern", "minimum", "maximum", "enum", "default", "depends_on"),
    ),
}
# Mappings that may hold what only other programs read.
_OPEN = ("labels", "metadata.annotations")
# How alike two names are for one to be taken for a misspelling of the other (difflib's ratio).
_ALIKE = 0.75
_PLACEHOLDER = re.compile(
    r"(?i:todo|tbd|fixme|xxx|change[ _-]?me|replace[ _-]?me|placeholder)|(TODO|TBD|FIXME)\b.*"
    r"|<[^<>]*>|\$\{[^{}]*\}|\{\{.*\}\}",
    re.DOTALL,
)
# The parts of a text that can each be a placeholder.
_PARTS = re.compile("[/:@]")
# What a document can give, and the field that gives it.
_FIELDS = {
    "workflow_name": "metadata.workflow_id",
    "version": "metadata.version",
    "name": f"metadata.annotations.{DISPLAY_NAME}",
    "description": "metadata.description",
    "execution_engine": "execution.engine",
    "container_image": "execution.bundle",
    "container_digest": "execution.bundle",
    **{f"labels.{label}": f"labels.{label}" for label in _LABELS},
}
_MEMBER_OF = {place: wire for wire, place in _FIELDS.items()}
# A payload that has these is complete: nothing is derived for it, not even what it leaves out.
_DERIVED = ("workflow_name", "version", "name", "description", "labels", "execution_engine")

# What the limits call a type, and what that is called in a file.
_KINDS = {
    "str": "text",
    "int": "the number",
    "float": "the number",
    "bool": "the boolean",
    "list": "a list",
    "dict": "a mapping",
}


@dataclass(slots=True)
class Draft:
    """What came of a document: a request body, None if it has problems."""

    document: Document
    payload: dict[str, Any] | None = None
    version_field: str = "version"
    problems: list[CatalogProblem] = field(default_factory=list[CatalogProblem])
    warnings: list[CatalogProblem] = field(default_factory=list[CatalogProblem])


@dataclass
class ContentFile:
    """A file that payloads name as their content.

    `content` is what is to be stored: of a single WorkflowSchema document its text between its markers, of anything
    else all of it. `schema` is that document; `problems` is what is wrong with its form. What follows from these is
    found once, and told once, however many payloads name the file.
    """

    content: str
    schema: Document | None
    problems: list[CatalogProblem]
    told: bool = False
    """Whether a payload has told what is wrong with the file whatever a payload says."""

    @cached_property
    def derived(self) -> _Schema | None:
        """What the document gives."""
        return _Schema(self.schema) if self.schema is not None else None

    @cached_property
    def lasting(self) -> list[CatalogProblem]:
        """The problems that no payload makes up for by what it says itself."""
        derived = self.derived.problems if self.derived is not None else []
        return [*self.problems, *(problem for problem in derived if problem.field not in _MEMBER_OF)]


def content_file(text: Text, reading: Reading) -> ContentFile:
    """The content that a file is, from its text and what it was read as."""
    if len(reading.documents) == 1 and not reading.listed and is_schema(reading.documents[0].value):
        schema = reading.documents[0]
        return ContentFile(schema.content, schema, reading.problems)
    content = ended(text.text)
    if len(content.encode()) > SIZE_LIMIT:
        raise unreadable(text.file, TOO_LARGE_DOCUMENT)
    return ContentFile(content, None, reading.problems)


def is_payload(value: object) -> bool:
    """Whether a value is meant as a create payload: it has a name of the wire and doesn't look like a document."""
    if not isinstance(value, Mapping):
        return False
    members = cast("Mapping[str, object]", value)
    if "workflow_name" in members or "content_file" in members:
        return not is_schema(members)
    return not {"kind", "apiVersion", "metadata"} & members.keys() and any(name in members for name in _MEMBERS)


def read_document(document: Document, attached: ContentFile | None = None) -> Draft:
    """Check a document; `attached` is the file that it names as its `content_file`, if that could be read."""
    draft = Draft(document)
    if is_payload(document.value):
        _Payload(draft, attached).read()
    elif is_schema(document.value):
        draft.version_field = "metadata.version"
        _read_schema(draft)
    else:
        draft.problems.append(_of_another_kind(document))
    return draft


def _of_another_kind(document: Document) -> CatalogProblem:
    value = document.value
    if not isinstance(value, Mapping):
        return document.problem("", f"must be a WorkflowSchema document or a create payload, not {kind_of(value)}")
    members = cast("Mapping[str, object]", value)
    if "kind" in members:
        kind = members["kind"]
        return document.problem(
            "kind", f"must be {KIND}, not {shown(kind) if isinstance(kind, str) else kind_of(kind)}"
        )
    if "apiVersion" in members or "metadata" in members:
        return document.problem("kind", f"is missing: must be {KIND}")
    return document.problem("", f"is neither a document with kind: {KIND} nor a create payload with workflow_name")


def _read_schema(draft: Draft) -> None:
    schema = _Schema(draft.document)
    draft.problems += schema.problems
    reported = set(schema.reported)
    findings = Findings()
    clean = REMEDIATION_WORKFLOW(schema.members, "", findings)
    for path, reason in findings.found:
        if problem := _derived_problem(draft.document, path, reason, reported):
            draft.problems.append(problem)
    draft.warnings += schema.warnings()
    if not draft.problems:
        draft.payload = cast("dict[str, Any]", clean)
        draft.warnings += _doubts(draft)


def _derived_problem(document: Document, path: str, reason: str, reported: set[str]) -> CatalogProblem | None:
    """A finding about a derived member as a problem of the field it came from; None if that was reported already."""
    place = _FIELDS.get(path, path)
    if path == "name" and place not in document.places:
        place = _FIELDS["workflow_name"]
    parents = {place[:index] for index, character in enumerate(place) if character == "."}
    if place in reported or parents & reported:
        return None
    reported.add(place)
    if path == "container_digest":
        reason = f"its digest {reason}"
    return document.problem(place, _with_choices(place, reason))


def _with_choices(path: str, reason: str) -> str:
    choices = _CHOICES.get(path)
    return f"{reason}: must be one of {', '.join(choices)}" if choices and reason == "is missing" else reason


def _doubts(draft: Draft) -> Iterator[CatalogProblem]:
    """What the service takes although it is probably not meant."""
    payload = cast("dict[str, Any]", draft.payload)
    version = payload["version"]
    if version_key(version) is None:
        reason = f"{shown(version)} can't be ordered (1.2.3 can): the version stored last is the latest"
        yield draft.document.problem(draft.version_field, reason)
    is_document = is_schema(draft.document.value)
    for name in _FIELDS:
        _, _, label = name.partition(".")
        value = payload["labels"].get(label) if label else payload.get(name)
        place = _FIELDS[name] if is_document else name
        if not isinstance(value, str):
            continue
        if name in ("workflow_name", "version", "name") and (odd := _hard_to_see(value)):
            yield draft.document.problem(place, f"{shown(value)} {odd}: names that look alike are taken for each other")
        if any(_PLACEHOLDER.fullmatch(part.strip()) for part in (value, *_PARTS.split(value))):
            reason = f"{shown(value)} looks like a placeholder: a stored version can't be changed"
            yield draft.document.problem(place, reason)


def _hard_to_see(text: str) -> str:
    """What in a text can't be seen, or is shown elsewhere than it stands; empty if nothing is."""
    if text != text.strip():
        return "is blank" if not text.strip() else "starts or ends with a blank"
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or (category == "Zs" and character != " "):
            return f"holds U+{ord(character):04X}, which can't be seen"
    return ""


def _hash(content: str) -> str:
    # A lone surrogate is refused by the limits, not here.
    return sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


class _Schema:
    """Checks a WorkflowSchema document and derives a request body from it.

    What is missing or of the wrong kind in the document is missing in `members`.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.root = cast("dict[str, object]", document.value)
        self.problems: list[CatalogProblem] = []
        self._unread: list[CatalogProblem] = []
        self.reported: set[str] = set()
        self.members = self._derived()

    def _derived(self) -> dict[str, Any]:
        self._check_members(self.root, "", _READ[""])
        self._text(self.root, "apiVersion", "", required=True)
        metadata = self._section("metadata", required=True)
        labels = self._section("labels", required=True)
        execution = self._section("execution")
        annotations = self._mapping(metadata.get("annotations"), "metadata.annotations")
        found: dict[str, str | None] = {
            "workflow_name": self._text(metadata, "workflow_id", "metadata"),
            "version": self._text(metadata, "version", "metadata"),
            "description": self._text(metadata, "description", "metadata"),
            "name": self._text(annotations, DISPLAY_NAME, "metadata.annotations"),
            "container_image": self._text(execution, "bundle", "execution"),
        }
        members: dict[str, Any] = {name: value for name, value in found.items() if value is not None}
        if "name" not in members and (name := members.get("workflow_name")):
            members["name"] = _readable(name)
        members["labels"] = self._labels(labels)
        members["execution_engine"] = self._text(execution, "engine", "execution") or "tekton"
        members["status"] = "active"
        members["content"] = self.document.content
        members["content_hash"] = _hash(self.document.content)
        if not members.get("container_image"):
            members.pop("container_image", None)
        elif digest := _digest(members["container_image"]):
            members["container_digest"] = digest
        self._maintainers(metadata)
        self._parameters("parameters", required=True)
        self._parameters("rollback_parameters")
        return members

    def _check_members(self, holder: Mapping[str, object], path: str, known: Sequence[str]) -> None:
        """Report the members that nothing reads: a misspelt one loses its value in a version that can't be changed."""
        free = [name for name in known if name not in holder]
        for key in holder:
            # A mapping that was given in Python may have other keys.
            if key in known or not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                continue
            close = get_close_matches(key, free, 1, _ALIKE) if len(key) < 50 and len(self._unread) < 20 else []
            where = f"{path}.{key}" if path else key
            if close and path not in _OPEN:
                self._add(where, f"is not read: did you mean {close[0]}?")
                self.reported.add(f"{path}.{close[0]}" if path else close[0])
            elif close or path != "metadata.annotations":
                reason = f"did you mean {close[0]}?" if close else "it is kept in the content and used by nothing"
                self._unread.append(self.document.problem(where, f"is not read: {reason}"))

    def warnings(self) -> Iterator[CatalogProblem]:
        """What is taken although it is probably not meant."""
        yield from self._unread
        metadata, execution = self.root.get("metadata"), self.root.get("execution")
        description = cast("Any", metadata).get("description") if isinstance(metadata, dict) else None
        if isinstance(description, str) and len(description) > DESCRIPTION_LIMIT:
            reason = f"has {len(description)} characters, more than the {DESCRIPTION_LIMIT} of the format"
            yield self.document.problem("metadata.description", reason)
        bundle = cast("Any", execution).get("bundle") if isinstance(execution, dict) else None
        if isinstance(bundle, str) and bundle and not _digest(bundle):
            yield self.document.problem("execution.bundle", "has no digest (@sha256:…): what it names can change")

    def _labels(self, labels: Mapping[str, object]) -> dict[str, Any]:
        for name in ("business_category", "risk_tolerance"):
            value = self._text(labels, name, "labels", required=name == "risk_tolerance")
            if name == "risk_tolerance" and value is not None and value not in _RISKS:
                self._add("labels.risk_tolerance", f"must be one of {', '.join(_RISKS)}, not {shown(value)}")
        found = {name: self._text(labels, name, "labels") for name in _LABELS}
        priority = found["priority"]
        if priority is not None and priority.upper() in PRIORITIES:
            found["priority"] = priority.upper()
        return {name: value for name, value in found.items() if value is not None}

    def _maintainers(self, metadata: Mapping[str, object]) -> None:
        for path, item in self._items(metadata, "maintainers", "metadata"):
            for key in ("name", "email"):
                self._text(item, key, path, required=True)

    def _parameters(self, key: str, *, required: bool = False) -> None:
        if required and self.root.get(key) in (None, []) and key not in self.reported:
            self._add(key, f"{'is empty' if key in self.root else 'is missing'}: at least one parameter is needed")
        for path, item in self._items(self.root, key, ""):
            self._text(item, "name", path, required=True)
            kind = self._text(item, "type", path, required=True)
            if kind and kind not in _TYPES:
                self._add(f"{path}.type", f"must be one of {', '.join(_TYPES)}, not {shown(kind)}")
            self._text(item, "description", path, required=True)
            self._text(item, "pattern", path)
            if not isinstance(item.get("required", False), bool):
                self._wrong(f"{path}.required", "true or false", item["required"])
            for bound in ("minimum", "maximum"):
                value = item.get(bound)
                if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                    self._wrong(f"{path}.{bound}", "a number", value)
            for name in ("enum", "depends_on"):
                self._texts(item.get(name), f"{path}.{name}")

    def _texts(self, value: object, path: str) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            self._wrong(path, "a list of texts", value)
            return
        for index, item in enumerate(cast("list[object]", value)):
            if type(item) is not str:
                self._wrong_text(f"{path}[{index}]", item)

    def _items(self, holder: Mapping[str, object], key: str, path: str) -> Iterator[tuple[str, dict[str, object]]]:
        """The mappings in a list, each with its path."""
        where = f"{path}.{key}" if path else key
        value = holder.get(key)
        if value is None:
            return
        if not isinstance(value, list):
            self._wrong(where, "a list", value)
            return
        for index, item in enumerate(cast("list[object]", value)):
            if isinstance(item, dict):
                members = cast("dict[str, object]", item)
                self._check_members(members, f"{where}[{index}]", _READ_OF_ITEMS[key.removeprefix("rollback_")])
                yield f"{where}[{index}]", members
            else:
                self._wrong(f"{where}[{index}]", "a mapping", item)

    def _section(self, key: str, *, required: bool = False) -> dict[str, object]:
        if required and self.root.get(key) is None and key not in self.reported:
            self._add(key, "is empty" if key in self.root else "is missing")
        return self._mapping(self.root.get(key), key)

    def _mapping(self, value: object, path: str) -> dict[str, object]:
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            self._check_members(members, path, _READ[path])
            return members
        if value is not None:
            self._wrong(path, "a mapping", value)
        return {}

    def _text(self, holder: Mapping[str, object], key: str, path: str, *, required: bool = False) -> str | None:
        """A text, None if it isn't there or isn't text."""
        value = holder.get(key)
        where = f"{path}.{key}" if path else key
        if type(value) is str:
            if required and not value:
                self._add(where, "must not be empty")
            return value
        if value is not None:
            self._wrong_text(where, value)
        elif key in holder:
            self._add(where, "is empty: must be text")
        elif required and not {path, where} & self.reported:
            self._add(where, _with_choices(where, "is missing"))
        return None

    def _wrong_text(self, path: str, value: object) -> None:
        self._add(path, _not_text(self.document, path, value))

    def _wrong(self, path: str, wanted: str, value: object) -> None:
        place = self.document.places.get(path)
        found = shown(value) if type(value) is str else kind_of(value, place.raw if place else "")
        self._add(path, f"must be {wanted}, not {found}")

    def _add(self, path: str, reason: str) -> None:
        self.reported.add(path)
        self.problems.append(self.document.problem(path, reason))


class _Payload:
    """Checks a create payload, with what its content file gives."""

    def __init__(self, draft: Draft, attached: ContentFile | None) -> None:
        self.draft = draft
        self.document = draft.document
        self.attached = attached
        given = cast("Mapping[str, Any]", draft.document.value)
        self.given = {name: value for name, value in given.items() if name != "content_file"}
        self.names_file = "content_file" in given
        self.unusable = self.names_file and attached is None
        """The content can't be read or derived from, which has been told."""

    def read(self) -> None:
        schema = self._schema()
        members = self._members(schema)
        findings = Findings()
        clean = REMEDIATION_WORKFLOW(members, "", findings)
        reported = {problem.field or "" for problem in self.draft.problems}
        if schema is not None and self.attached is not None:
            reported |= schema.reported
        for path, reason in findings.found:
            if schema is None or self._gives(path):
                if not self._follows(path, reason, members):
                    self._add(path, self._reworded(path, reason))
            elif problem := _derived_problem(schema.document, path, reason, reported):
                self.draft.problems.append(problem)
        self._check_dates(self.given, "")
        if not self.draft.problems and not self.unusable:
            self.draft.payload = cast("dict[str, Any]", clean)
            self.draft.warnings += [*_doubts(self.draft), *self._other_hash(members)]

    def _follows(self, path: str, reason: str, members: Mapping[str, Any]) -> bool:
        """Whether a finding only follows from another problem: a content that is missing or can't be read."""
        if path in ("content", "content_hash") and self.names_file and self.attached is None:
            return True
        if reason != "is missing":
            return False
        unread = self.names_file and (self.attached is None or bool(self.attached.problems))
        return unread or (path == "content_hash" and type(members.get("content")) is not str)

    def _members(self, schema: _Schema | None) -> dict[str, Any]:
        members: dict[str, Any] = {}
        if schema is not None:
            members = schema.members
            self.draft.problems += [
                problem
                for problem in schema.problems
                if problem.field in _MEMBER_OF and not self._gives(_MEMBER_OF[problem.field])
            ]
            self.draft.warnings += schema.warnings()
        labels = self.given.get("labels")
        if schema is not None and isinstance(labels, Mapping):
            labels = {**members["labels"], **cast("Mapping[str, Any]", labels)}
        members = {**members, **self.given} if labels is None else {**members, **self.given, "labels": labels}
        if self.attached is not None:
            if self.given.get("content") is not None:
                self._add("content", "is given beside content_file: keep one of them")
            members["content"] = self.attached.content
        if members.get("status") is None:
            members["status"] = "active"
        if self.given.get("content_hash") is None and type(members.get("content")) is str:
            members["content_hash"] = _hash(members["content"])
        return members

    def _schema(self) -> _Schema | None:
        """The document to derive from; None if there is none or nothing required is left out."""
        if self.attached is None or self._complete():
            return None
        if not self.attached.told:
            self.draft.problems += self.attached.lasting
            self.attached.told = True
        self.unusable = bool(self.attached.lasting)
        return self.attached.derived

    def _complete(self) -> bool:
        labels = self.given.get("labels")
        return all(self.given.get(name) is not None for name in _DERIVED) and (
            not isinstance(labels, Mapping) or all(name in labels for name in _LABELS)
        )

    def _gives(self, path: str) -> bool:
        """Whether the payload itself says what stands at a path."""
        top, _, rest = path.partition(".")
        if top == "labels" and rest and isinstance(self.given.get("labels", {}), Mapping):
            return rest in self.given.get("labels", {})
        return top in self.given or top not in (*_FIELDS, "labels")

    def _check_dates(self, value: object, path: str) -> None:
        if isinstance(value, Timestamp) and path != "approved_at":
            self._add(path, _not_text(self.document, path, value))
        elif isinstance(value, Mapping):
            for key, item in cast("Mapping[str, object]", value).items():
                self._check_dates(item, below(path, f".{key}" if path else key))
        elif isinstance(value, list):
            for index, item in enumerate(cast("list[object]", value)):
                self._check_dates(item, below(path, f"[{index}]"))

    def _other_hash(self, members: Mapping[str, Any]) -> Iterator[CatalogProblem]:
        if members["content_hash"] != _hash(members["content"]):
            reason = "is not the SHA-256 of the content; it is kept, as the service never compares it"
            yield self.document.problem("content_hash", reason)

    def _reworded(self, path: str, reason: str) -> str:
        """A finding in words of a file: what JSON and YAML call a value, and the names that would be right."""
        wanted, _, found = reason.rpartition(", not ")
        if found in _KINDS and self.document.places:
            place = self.document.places.get(path)
            raw = one_line(place.raw, 40) if place else ""
            wanted = "must be text" if wanted == "must be a string" else wanted
            remedy = ": quote it" if raw and wanted == "must be text" else ""
            return f"{wanted}, not {_KINDS[found]}{f' {raw}' if raw else ''}{remedy}"
        if reason.startswith("is not a field of "):
            holder, _, name = path.rpartition(".")
            known: Sequence[str] = _MEMBERS if not holder else _LABELS if holder == "labels" else ()
            close = get_close_matches(name, known, 1) if len(name) < 50 and len(self.draft.problems) < 20 else []
            return f"is not a member of a create payload{f': did you mean {close[0]}?' if close else ''}"
        return _with_choices(path, reason)

    def _add(self, path: str, reason: str) -> None:
        self.draft.problems.append(self.document.problem(path, reason))


def _not_text(document: Document, path: str, value: object) -> str:
    place = document.places.get(path)
    kind = kind_of(value, place.raw if place else "")
    remedy = "" if value is None or isinstance(value, dict | list) else ": quote it"
    return f"must be text, not {kind}{remedy}"


def _readable(name: str) -> str:
    """A workflow's name for people: `restart-pod` is `Restart pod`."""
    words = " ".join(name.replace("-", " ").replace("_", " ").split())
    return words[:1].upper() + words[1:] or name


def _digest(image: str) -> str:
    return image.partition("@")[2] if "@sha256:" in image else ""
