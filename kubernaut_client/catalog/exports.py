"""Stored workflows as catalog files, from which `load` reads the same workflows again.

Which rows are exported is the caller's choice; the names of the files are made in `filenames`.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, cast

from kubernaut_datastorage.models import StoredWorkflow

from kubernaut_client import limits
from kubernaut_client.catalog.documents import ContentFile, content_file
from kubernaut_client.catalog.filenames import safe_names
from kubernaut_client.catalog.jsontext import read_json
from kubernaut_client.catalog.text import DEPTH_LIMIT, SIZE_LIMIT, CatalogProblem, Unreadable, decode
from kubernaut_client.catalog.versions import json_text
from kubernaut_client.catalog.yamltext import read_yaml
from kubernaut_client.errors import CatalogError, InvalidField
from kubernaut_client.plan import ascending
from kubernaut_client.problems import one_line

# What `load` doesn't take: one row that can't be created would have it refuse all of them.
_REFUSED = ".json.refused"


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote.

    `files` are paths below `directory`, with `/`, sorted; `workflows` is the number of versions in them; `warnings`
    are sentences for people: what the files can't keep, and what applying them would do differently.
    """

    directory: Path
    files: tuple[str, ...]
    workflows: int
    warnings: tuple[str, ...]


def export(rows: Iterable[StoredWorkflow], directory: str | os.PathLike[str]) -> ExportReport:
    """Write stored workflows, newest first as `client.workflows.list()` yields them, into a new or empty directory.

    A workflow name becomes a file `NAME.json`, a JSON array with a create payload for every version in the order of
    creation; where a version was stored before a lower one, in ascending order, in which `apply` creates them. A
    content that is a WorkflowSchema document is a file of its own, `NAME/VERSION.yaml`, which the payload names as
    `content_file`; any other stays in the payload. Where an array would be larger than a catalog file may be (1 MiB),
    each version is a file `NAME/VERSION.json`; where that would be, too, a content with Unix line ends and one at its
    end is a file `NAME/VERSION.txt`. Ids, times, counters, and who changed a status and why are left out.

    `plan` of the directory against the same service finds nothing to do, and the directory applied to an empty service
    and exported again gives the same bytes, but for rows that `warnings` says can't be created.

    A row that a create would refuse, or that is too large or too deep for a catalog file, stands in a file of its own
    with the ending `.json.refused`, content included: `load` doesn't take it, and takes the rest.

    A new directory appears complete or not at all. An empty one stays the same directory, so it may be a mounted volume
    or the current directory; its files appear when all are written, and are taken back if one of them can't be. Raises
    `CatalogError`, which names the path and the reason, if it isn't empty, isn't a directory, or can't be written;
    whatever iterating `rows` raises is passed on.
    """
    target = Path(directory)
    if not os.fspath(directory):
        raise _refused("''", "is no path")
    is_there = _checked(target)
    tree = _Tree()
    groups: dict[str, list[StoredWorkflow]] = {}
    for row in rows:
        groups.setdefault(row.workflow_name, []).append(row)
    files = safe_names(groups)
    for name in sorted(groups):
        tree.add(files[name], _oldest_first(groups[name]))
    _write(tree.files, target, is_there)
    return ExportReport(target, tuple(sorted(tree.files)), tree.workflows, tuple(tree.warnings))


def payload(row: StoredWorkflow) -> dict[str, Any]:
    """The request body that stores a row again, in the order of the contract.

    Without what the service sets itself, labels that it doesn't know, and empty maps of labels. What an older build
    has stored and a create would refuse is in it as it is.
    """
    return _Kept.of(row).members


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a create takes of a row, what is wrong with that, and the names of what it doesn't take."""

    members: dict[str, Any]
    faults: list[InvalidField]
    left_out: list[str]

    @classmethod
    def of(cls, row: StoredWorkflow) -> _Kept:
        findings = limits.Findings()
        have = limits.as_mapping(row, "row", findings)
        findings.raise_found()
        table = limits.REMEDIATION_WORKFLOW
        members = table.known(have or {})
        left_out = list(_others(have or {}, members, table))
        for name in ("custom_labels", "detected_labels"):
            if members.get(name) == {}:
                del members[name]
        clean = cast("dict[str, Any]", table(members, "", findings))
        return cls(clean, findings.found, left_out)


def _others(have: Mapping[str, Any], members: Mapping[str, Any], table: limits.Table) -> Iterator[str]:
    """The names of what a row holds and a create doesn't take; what the service sets itself isn't counted."""
    for name, value in have.items():
        if name not in members:
            if value and name not in table.ignored:
                yield name
        elif isinstance(value, Mapping) and name in ("labels", "detected_labels"):
            inner = cast("Mapping[str, Any]", value)
            yield from (f"{name}.{key}" for key, item in inner.items() if item and key not in members[name])


def _oldest_first(rows: list[StoredWorkflow]) -> list[StoredWorkflow]:
    """The versions of one name in the order in which they were created, as far as `apply` would follow it."""
    rows = rows[::-1]
    times = [row.created_at for row in rows]
    if all(isinstance(time, datetime) for time in times):
        rows.sort(key=_created)
    return ascending(lambda row: row.version, rows)


def _created(row: StoredWorkflow) -> datetime:
    assert isinstance(row.created_at, datetime)
    return row.created_at if row.created_at.tzinfo else row.created_at.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Tree:
    """The files of an export, not yet written: relative path → bytes."""

    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    workflows: int = 0
    warnings: list[str] = field(default_factory=list[str])

    def add(self, file: str, rows: list[StoredWorkflow]) -> None:
        """Add the versions of one name, in the order in which they are to be created."""
        kept: dict[str, dict[str, Any]] = {}
        refused: dict[str, dict[str, Any]] = {}
        creatable: list[StoredWorkflow] = []
        documents: dict[str, bytes] = {}
        for row in rows:
            found = _Kept.of(row)
            known = kept.get(row.version, refused.get(row.version))
            if known is not None:
                if known != found.members:
                    raise CatalogError(f"{_label(row)}: is given twice with different content")
                continue
            deep = _fault(_array({"": {**found.members, "content": ""}}, {}))
            faults = [f"can't be created again: {one_line(path, 120)}: {reason}" for path, reason in found.faults]
            faults += [f"can't be loaded: {deep}"] if deep else []
            self.warnings += (f"{_label(row)}: {sentence}" for sentence in _losses(row, found))
            self.warnings += (
                f"{_label(row)}: {fault}; it is in {file}{_REFUSED}, which isn't loaded" for fault in faults
            )
            if faults:
                refused[row.version] = found.members
                continue
            kept[row.version] = found.members
            creatable.append(row)
            if (document := _document(found)) is not None:
                documents[row.version] = document
        self.workflows += len(kept) + len(refused)
        if refused:
            self.files[f"{file}{_REFUSED}"] = _array(refused, {})
        if kept:
            self._add_payloads(file, kept, documents)
            self.warnings += _about_latest(rows, creatable[-1].version)

    def _add_payloads(self, file: str, kept: dict[str, dict[str, Any]], documents: dict[str, bytes]) -> None:
        versions = safe_names(kept)
        self.files |= {f"{file}/{versions[version]}.yaml": data for version, data in documents.items()}
        paths = {version: f"{versions[version]}.yaml" for version in documents}
        together = _array(kept, {version: f"{file}/{path}" for version, path in paths.items()})
        if len(together) <= SIZE_LIMIT:
            self.files[f"{file}.json"] = together
            return
        for version, name in versions.items():
            stem = f"{file}/{name}"
            data = self._alone(stem, kept[version], paths.get(version))
            if not (fault := _fault(data)):
                self.files[f"{stem}.json"] = data
                continue
            # Nothing that only this one names is left behind to be loaded by itself.
            self.files.pop(f"{stem}.yaml", None)
            self.files.pop(f"{stem}.txt", None)
            self.files[f"{stem}{_REFUSED}"] = _array({"": kept[version]}, {})
            self.warnings.append(f"{stem}{_REFUSED}: isn't loaded: {fault}")

    def _alone(self, stem: str, members: dict[str, Any], path: str | None) -> bytes:
        """One payload as a file; a plain content that makes it too large for one becomes a text file beside it."""
        data = _array({"": members}, {"": path} if path else {})
        if path or len(data) <= SIZE_LIMIT or (found := _read_back(members)) is None:
            return data
        self.files[f"{stem}.txt"] = found[0]
        return _array({"": members}, {"": f"{os.path.basename(stem)}.txt"})


def _array(kept: Mapping[str, dict[str, Any]], paths: Mapping[str, str]) -> bytes:
    """Payloads as a file; of a version that has a path its content stands there."""
    payloads = [_beside(members, paths[version]) if version in paths else members for version, members in kept.items()]
    return f"{json_text(payloads, indent=2)}\n".encode()


def _beside(members: dict[str, Any], path: str) -> dict[str, Any]:
    """A payload whose content is a file, in the same order. It is complete, so `load` derives nothing for it."""
    return dict(("content_file", path) if name == "content" else (name, value) for name, value in members.items())


def _fault(data: bytes) -> str:
    """Why `load` would refuse a file of payloads, if it would; it can only be too large or nested too deeply."""
    if len(data) <= SIZE_LIMIT and b"\n" + b"  " * DEPTH_LIMIT not in data:
        return ""
    try:
        problems = read_json(decode("", data)).problems
    except Unreadable as stop:
        problems = [stop.problem]
    return problems[0].reason if problems else ""


def _document(kept: _Kept) -> bytes | None:
    """The content as a file of its own, if it is a WorkflowSchema document that is read back as it is."""
    found = _read_back(kept.members)
    return found[0] if found and found[1].schema is not None and not found[1].problems else None


def _read_back(members: Mapping[str, Any]) -> tuple[bytes, ContentFile] | None:
    """The content as a file and as what `load` reads from that; None if it reads something else."""
    content = members.get("content")
    try:
        data = str(content).encode()
        text = decode("", data)
        found = content_file(text, read_yaml(text))
    except (UnicodeEncodeError, Unreadable):
        return None
    return (data, found) if found.content == content else None


def _label(row: StoredWorkflow) -> str:
    return f"{one_line(row.workflow_name, 80)}@{one_line(row.version)}"


def _losses(row: StoredWorkflow, kept: _Kept) -> Iterator[str]:
    """What is to be said of a row that its file can't keep."""
    if row.status != "active":
        yield f"is {one_line(row.status, 20)}; why, since when and by whom isn't kept"
    if kept.left_out:
        yield f"a create has no place for {one_line(', '.join(kept.left_out), 200)}: left out"


def _about_latest(rows: list[StoredWorkflow], last: str) -> Iterator[str]:
    """Whether search would show another version once the files are applied to an empty service."""
    shown = [row.version for row in rows if row.is_latest_version]
    if shown and shown != [last]:
        versions = " and ".join(one_line(version) for version in shown)
        yield (
            f"{one_line(rows[-1].workflow_name, 80)}: search shows version {versions}; "
            f"applied to an empty service, {one_line(last)} would be the latest"
        )


def _checked(target: Path) -> bool:
    """Refuse a directory that can't become the export; whether it is there, and empty."""
    with _failing_as_refusal(target):
        try:
            found = target.lstat()
        except FileNotFoundError:
            return False
        if stat.S_ISLNK(found.st_mode):
            raise _refused(target, "is a symbolic link: name the directory that it leads to")
        if not stat.S_ISDIR(found.st_mode):
            raise _refused(target, "is not a directory")
        if any(target.iterdir()):
            raise _refused(target, "is not empty: name a new directory")
        return True


def _write(files: Mapping[str, bytes], target: Path, is_there: bool) -> None:
    """Write all files into a directory that takes the target's place, or gives them to it if it is there.

    A target that is there can be what can't be replaced: a mount point, or a directory in one that is read-only.
    """
    # A name of its own: the target's may be as long as a name can be.
    place = (target if is_there else target.absolute().parent) / f".kubernaut-export-{token_hex(8)}"
    with _failing_as_refusal(target):
        place.mkdir()
        try:
            for name, data in files.items():
                path = place / name
                path.parent.mkdir(exist_ok=True)
                with path.open("xb") as file:  # never through a link, never over another file
                    file.write(data)
            if is_there:
                _move_up(place, target)
            else:
                place.rename(target)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise


def _move_up(place: Path, target: Path) -> None:
    """Move everything in a directory into the empty one that it is in, or leave everything where it is."""
    if any(path != place for path in target.iterdir()):
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
    names = [path.name for path in place.iterdir()]
    try:
        for name in names:
            (place / name).rename(target / name)
        place.rmdir()
    except BaseException:
        for name in names:
            if not (place / name).exists():
                with suppress(OSError):
                    (target / name).rename(place / name)
        raise


@contextmanager
def _failing_as_refusal(target: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise _refused(target, one_line(error.strerror or type(error).__name__)) from error
    except ValueError as error:  # a path with NUL, or one that has no bytes
        raise _refused(target, "is no path") from error


def _refused(target: Path | str, reason: str) -> CatalogError:
    problem = CatalogProblem(str(target), None, None, None, reason)
    return CatalogError(str(problem), errors=(problem,))
