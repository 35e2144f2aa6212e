"""Stored workflows as the commands have them: found by what the user calls them, what search finds of them, as JSON.

Asks through the client that it is given; prints nothing but the sentence about search.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import click

from .failures import CommandFailed

if TYPE_CHECKING:
    from kubernaut_client import DataStorageClient
    from kubernaut_client.models import StoredWorkflow

REFERENCE = "NAME[@VERSION]|UUID"
_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_LISTED = 10


@dataclass(frozen=True, slots=True)
class Chosen:
    """The row that a user meant, and how it was named; `rows` are all versions of its name, newest first."""

    row: StoredWorkflow
    named_by: Literal["id", "version", "latest"]
    rows: Sequence[StoredWorkflow]

    @property
    def label(self) -> str:
        """Name and version, and why this version if the user didn't say so."""
        return label(self.row) + (" (the latest version)" if self.named_by == "latest" else "")


@dataclass(frozen=True, slots=True)
class Search:
    """The versions of one name that search finds: one as a rule, more if two writers met, or none for a `reason`."""

    versions: tuple[str, ...]
    reason: str | None

    @property
    def sentence(self) -> str:
        if self.reason:
            return f"Search finds no version: {self.reason}."
        return f"Search finds {' and '.join(self.versions)}."


def choose(client: DataStorageClient, reference: str) -> Chosen:
    """The row that NAME, NAME@VERSION or a UUID means.

    What follows the last `@` is a version, unless there is a workflow whose name is the whole text. A UUID that is no
    id is a name. Raises `CommandFailed` if there is none, `NotFoundError` for a UUID that is neither, and `UsageError`
    for a text that can be no name with a version.
    """
    from kubernaut_client import NotFoundError

    if re.fullmatch(_UUID, reference):
        try:
            row = client.workflows.get(reference)
        except NotFoundError:
            # Nothing keeps a name from looking like an id.
            if not (named := client.workflows.versions(reference)):
                raise
            return Chosen(latest(named), "latest", named)
        return Chosen(row, "id", client.workflows.versions(row.workflow_name))
    rows = _named(client, reference)
    if rows:
        return Chosen(latest(rows), "latest", rows)
    name, at, version = reference.rpartition("@")
    if not at:
        raise missing(f"no workflow is named {reference}")
    if not name or not version:
        raise click.UsageError(f"{reference!r} lacks a {'version' if name else 'name'}: a workflow is {REFERENCE}")
    rows = client.workflows.versions(name)
    if not rows:
        raise missing(f"no workflow is named {name}, nor {reference}")
    return Chosen(of_version(rows, version), "version", rows)


def _named(client: DataStorageClient, reference: str) -> Sequence[StoredWorkflow]:
    """The versions of a name; none if the text can be no name, as a long name with a version can't."""
    from kubernaut_client import InvalidRequestError

    try:
        return client.workflows.versions(reference)
    except InvalidRequestError:
        if "@" in reference:
            return ()
        raise


def all_versions(client: DataStorageClient, name: str) -> Sequence[StoredWorkflow]:
    """The versions of a name, newest first; raises `CommandFailed` if there are none."""
    rows = client.workflows.versions(name)
    if not rows:
        hint = " (give its name without a version)" if "@" in name else ""
        raise missing(f"no workflow is named {name}{hint}")
    return rows


def of_version(rows: Sequence[StoredWorkflow], version: str) -> StoredWorkflow:
    """The row of a version; raises `CommandFailed` that lists those there are."""
    for row in rows:
        if row.version == version:
            return row
    stored = ", ".join(row.version for row in rows[:_LISTED])
    more = f" and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
    wanted = version or "''"
    raise missing(f"{rows[0].workflow_name} has no version {wanted}; stored: {stored}{more}")


def latest(rows: Sequence[StoredWorkflow]) -> StoredWorkflow:
    """The row that is marked as the latest; the newest one if two are, or none."""
    return next((row for row in rows if row.is_latest_version), rows[0])


def is_found(row: StoredWorkflow) -> bool:
    """Whether search can find this version: it looks at the latest ones only, and at active ones only."""
    return row.is_latest_version and row.status == "active"


def search(rows: Sequence[StoredWorkflow]) -> Search:
    """What search finds of a name, by all rows of it."""
    found = tuple(row.version for row in rows if is_found(row))
    if found:
        return Search(found, None)
    marked = [row for row in rows if row.is_latest_version]
    if not marked:
        return Search((), "no version is marked as the latest")
    row = marked[0]
    return Search((), f"the latest one, {row.version}, is {row.status}, and search looks at no other")


@contextmanager
def sending() -> Generator[None]:
    """Around a request that writes: an interrupt tells that nobody knows whether it was carried out."""
    try:
        yield
    except KeyboardInterrupt as error:
        message = "interrupted while it was sent: it may be stored; run it again to find out"
        raise CommandFailed("Interrupted", message, outcome="unknown") from error


@contextmanager
def in_options(**options: str) -> Generator[None]:
    """Around a call: what it refuses is told by the name of the option that gave it. Arguments → their options."""
    from kubernaut_client import InvalidRequestError

    try:
        yield
    except InvalidRequestError as error:
        if not error.problems or any(each.field not in options for each in error.problems):
            raise
        # Also where click doesn't add it by itself, as when the rows are asked for while they are printed.
        context = click.get_current_context(silent=True)
        reasons = [f"{options[each.field]}: {each.reason}" for each in error.problems]
        raise click.UsageError("; ".join(reasons), context) from error


def missing(message: str) -> CommandFailed:
    return CommandFailed("NotFoundError", message)


def label(row: StoredWorkflow) -> str:
    return f"{row.workflow_name}@{row.version}"


def command_line(command: str, target: str, *options: str) -> str | None:
    """A command of this group, to be copied into a shell; None if what it is about can't be shown as it is.

    What stdout would escape, because it isn't visible or has no place in its encoding, would name another workflow.
    """
    words = [command, *options, "--", target] if target.startswith("-") else [command, target, *options]
    line = f"kubernaut-client workflows {shlex.join(words)}"
    try:
        line.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return None
    return line if line.isprintable() else None


def summary(row: StoredWorkflow) -> dict[str, Any]:
    """A row without its content, as JSON."""
    members = row.to_dict()
    return {
        "workflow_id": members["workflow_id"],
        **{name: members[name] for name in ("workflow_name", "version", "name", "status", "is_latest_version")},
        "labels": members["labels"],
        "content_hash": members["content_hash"],
        "created_at": time(members.get("created_at")),
        "updated_at": time(members.get("updated_at")),
    }


def time(text: str | None) -> str | None:
    """A time as it is in JSON."""
    return text and text.replace("+00:00", "Z")


def shown_time(text: str | None) -> str:
    """A time for people: UTC, to the minute; one that UTC doesn't have as it came."""
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%MZ}" if text else ""
    except OverflowError:
        return text or ""
