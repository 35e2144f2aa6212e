"""`kubernaut-client workflows get`: one stored version with all its fields, or its content alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import click

from .command import Result, command
from .options import Settings
from .output import Output
from .text import Part, Styled, printable, wrapped
from .workflow_list import status
from .workflow_rows import REFERENCE, choose, is_found, shown_time, time

if TYPE_CHECKING:
    from kubernaut_client.models import StoredWorkflow

_MEMBERS = """
    workflow_id workflow_name version name description status is_latest_version labels custom_labels detected_labels
    execution_engine container_image container_digest parameters owner maintainer content content_hash previous_version
    version_notes change_summary approved_by approved_at expected_success_rate expected_duration_seconds
    actual_success_rate total_executions successful_executions status_reason disabled_at disabled_by disabled_reason
    deprecation_notice created_at created_by updated_at updated_by
"""
# In the order of the JSON; all are always there.
MEMBERS = tuple(_MEMBERS.split())
_TIMES = ("approved_at", "disabled_at", "created_at", "updated_at")
_LEAST = 20  # columns that a value has beside its name


@command("get")
@click.argument("workflow", metavar=REFERENCE)
@click.option("--content", is_flag=True, help="Print the content alone: exact bytes to a file or pipe.")
def get(settings: Settings, workflow: str, content: bool) -> Result:
    """Show one stored version of a workflow; of NAME alone the latest.

    A name may hold "@": what follows the last one is a version, unless a workflow has the whole text as its name. A
    UUID is an id, or else a name.

    \b
    Example:
      kubernaut-client workflows get restart-pod
      kubernaut-client workflows get restart-pod@1.0.0 --content > restart-pod.yaml
    """
    with settings.client() as client:
        row = choose(client, workflow).row
    members = row.to_dict()
    keys = {name: time(members.get(name)) if name in _TIMES else members.get(name) for name in MEMBERS}
    if content:
        return Result(keys={"workflow": keys}, show=lambda output: output.exactly(row.content))
    return Result(keys={"workflow": keys}, show=lambda output: _show(output, row, members))


def _show(output: Output, row: StoredWorkflow, members: dict[str, Any]) -> None:
    fields = [(name, lines) for name, lines in _fields(row, members) if lines]
    widest = max(len(name) for name, _ in fields)
    room = None if output.width is None else max(output.width - widest - 2, _LEAST)
    for name, lines in fields:
        margin: list[Part] = [Styled(f"{name}:", "bold"), " " * (widest - len(name) + 1)]
        for part in lines:
            for line in [part] if isinstance(part, Styled) else wrapped(printable(part), room):
                output.line(*margin, line)
                margin = [" " * (widest + 2)]


def _fields(row: StoredWorkflow, members: dict[str, Any]) -> Iterator[tuple[str, Sequence[Part]]]:
    """What a row has, for people: a field that isn't set is left out."""

    def of(*names: str) -> Iterator[tuple[str, Sequence[Part]]]:
        for name in names:
            yield name.replace("_", " "), _paragraphs(members.get(name))

    found = " (the latest; search finds it)" if is_found(row) else " (the latest)" if row.is_latest_version else ""
    yield "workflow", [row.workflow_name]
    yield "version", [row.version + found]
    yield "id", [str(row.workflow_id)]
    yield "name", [row.name]
    yield "description", _paragraphs(row.description)
    yield "status", [status(row.status)]
    yield from _disabling(row, members)
    yield "labels", [f"{name}: {value}" for name, value in members["labels"].items()]
    yield "custom labels", _labels(members.get("custom_labels"))
    yield "detected", _labels(members.get("detected_labels"))
    yield "engine", [row.execution_engine]
    yield "image", _paragraphs(members.get("container_image"))
    yield "digest", _paragraphs(members.get("container_digest"))
    yield "parameters", [json.dumps(members["parameters"], ensure_ascii=False)] if members.get("parameters") else []
    yield from of("owner", "maintainer")
    yield "content", [_content(row)]
    yield "hash", [row.content_hash, *_doubts(row)]
    yield from of("previous_version", "version_notes", "change_summary", "approved_by")
    yield "approved", _paragraphs(shown_time(members.get("approved_at")))
    yield "expected", _outcome(members, "expected_success_rate", "expected_duration_seconds", "{} s")
    yield "actual", _outcome(members, "actual_success_rate", "total_executions", "{} runs")
    yield "created", [_when(members, "created")]
    yield "updated", [_when(members, "updated")]


def _disabling(row: StoredWorkflow, members: dict[str, Any]) -> Iterator[tuple[str, Sequence[Part]]]:
    """When, by whom and why it was disabled; the service keeps that when a version is active again."""
    if not members.get("disabled_at"):
        return
    name = "disabled" if row.status == "disabled" else "was disabled"
    by = f" by {members['disabled_by']}" if members.get("disabled_by") else ""
    yield name, [shown_time(members["disabled_at"]) + by, *_paragraphs(members.get("disabled_reason"))]


def _paragraphs(value: object) -> list[Part]:
    """A text by its lines; nothing for what isn't set."""
    return [*str(value).rstrip().split("\n")] if value not in (None, "") else []


def _labels(labels: object) -> list[Part]:
    """Labels that may be of any shape: lists of values, or one value."""
    if not isinstance(labels, dict):
        return []
    pairs: dict[str, Any] = labels  # pyright: ignore[reportUnknownVariableType]  # JSON
    return [f"{name}: {_value(value)}" for name, value in pairs.items()]


def _value(value: object) -> str:
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]  # JSON
        return ", ".join(map(_value, items))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _content(row: StoredWorkflow) -> str:
    return f"{len(row.content.encode())} bytes (--content prints it)"


def _doubts(row: StoredWorkflow) -> list[Part]:
    """The service stores any 64 characters as a hash."""
    right = sha256(row.content.encode()).hexdigest()
    return [] if row.content_hash == right else [Styled("isn't the SHA-256 of the content", "yellow")]


def _outcome(members: dict[str, Any], rate: str, number: str, words: str) -> list[Part]:
    parts: list[str] = []
    if members.get(rate) is not None:
        parts.append(f"{members[rate]:.1%} successful")
    if members.get(number):
        parts.append(words.format(members[number]))
    return [", ".join(parts)] if parts else []


def _when(members: dict[str, Any], what: str) -> str:
    by = members.get(f"{what}_by")
    return shown_time(members.get(f"{what}_at")) + (f" by {by}" if by else "")
