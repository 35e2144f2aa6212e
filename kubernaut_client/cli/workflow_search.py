"""`kubernaut-client workflows search`: what a search finds, with which score, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import click

from .command import Result, command
from .options import FiniteFloat, Settings, UpperChoice
from .output import Output
from .text import Part, Styled
from .workflow_rows import label

if TYPE_CHECKING:
    from kubernaut_client import DataStorageClient, KubernautError
    from kubernaut_client.models import StoredWorkflow, WorkflowSearchResult

SEVERITIES = ("critical", "high", "medium", "low")
PRIORITIES = ("P0", "P1", "P2", "P3")
FLAGS = ("gitOpsManaged", "pdbProtected", "hpaEnabled", "stateful", "helmManaged", "networkIsolated")
"""Detected labels that are true or not; `TOOLS` are those with a value."""
TOOLS = {"gitOpsTool": ("argocd", "flux", "*"), "serviceMesh": ("istio", "linkerd", "*")}
HIGHEST = 0.539
"""The best score without custom labels."""
_NARROW, _WIDE = 60, 120


def _custom(context: click.Context, parameter: click.Parameter, values: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in values:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{each!r} is not KEY=VALUE.")
        found.setdefault(name, []).append(value)
    return found


def _detected(context: click.Context, parameter: click.Parameter, values: Sequence[str]) -> dict[str, Any]:
    known = {name.lower(): name for name in (*FLAGS, *TOOLS)}
    found: dict[str, Any] = {}
    for each in values:
        given, equals, value = each.partition("=")
        name = known.get(given.lower(), "")
        if not name:
            raise click.BadParameter(f"{given!r} is none of {', '.join((*FLAGS, *TOOLS))}.")
        if name in TOOLS:
            if value not in TOOLS[name]:
                raise click.BadParameter(
                    f"{name} must be one of {', '.join(TOOLS[name])}, as in {name}={TOOLS[name][0]}."
                )
            found[name] = value
        elif equals and value != "true":
            raise click.BadParameter(f"{name} can be asked for only as true: leave it out instead.")
        else:
            found[name] = True
    return found


@command("search")
@click.option("--signal-type", required=True, metavar="TEXT", help="OOMKilled; compared exactly, as all texts.")
@click.option("--severity", required=True, type=click.Choice(SEVERITIES), help="Severity of the signal.")
@click.option("--component", required=True, metavar="TEXT", help="pod, deployment; a stored * matches any.")
@click.option("--environment", required=True, metavar="TEXT", help="production, staging.")
@click.option(
    "--priority",
    required=True,
    type=UpperChoice(PRIORITIES),
    metavar=f"[{'|'.join(PRIORITIES)}]",
    help="Priority.",
)
@click.option(
    "--label",
    "custom_labels",
    multiple=True,
    callback=_custom,
    metavar="KEY=VALUE",
    help="Custom label: each that matches adds 0.005, by a stored * 0.003. May be repeated.",
)
@click.option(
    "--detected",
    "detected_labels",
    multiple=True,
    callback=_detected,
    metavar="NAME[=VALUE]",
    help=f"Detected label: {', '.join(FLAGS)}, gitOpsTool=argocd|flux|*, serviceMesh=istio|linkerd|*. May be repeated.",
)
@click.option(
    "--top", "top_k", type=click.IntRange(1, 100), default=10, show_default=True, metavar="N", help="How many."
)
@click.option(
    "--min-score",
    type=FiniteFloat(0, 1),
    default=0.0,
    metavar="SCORE",
    help="Leave out what has less: scores are 0.480 to 0.539 without --label.  [default: 0]",
)
@click.option("--include-disabled", is_flag=True, help="Also disabled, deprecated and archived ones.")
@click.option("--remediation-id", metavar="TEXT", help="Correlation id of the audit event that the search leaves.")
def search(settings: Settings, **given: Any) -> Result:
    """Search for workflows as Kubernaut does, and show why each was found.

    All of signal type, severity, component, environment and priority must match; only the latest version of a name is
    looked at, and only if it is active. Labels change nothing but the score.

    Scores lie around 0.5, not 1: (5 + boost - penalty) / 10, which is 0.480 to 0.539 without --label. So --min-score
    above 0.539 finds nothing then. MATCHED names the labels that raised a score, and after "not" those that a workflow
    hasn't. On a terminal of less than 120 columns ID is left out, of less than 60 MATCHED, too.

    The service leaves an event in the audit trail for every search.

    \b
    Example:
      kubernaut-client workflows search --signal-type OOMKilled --severity critical \\
        --component pod --environment production --priority P0 \\
        --detected gitOpsTool=argocd --label team=platform
    """
    from kubernaut_client import TransportError

    with settings.client() as client:
        found = _search(client, given)
        results: list[Found] = []
        gone: KubernautError | None = None
        for result in found:
            row, failure = (None, gone) if gone else _row(client, result)
            # One that nobody answered for is enough: each of the others would take the whole deadline, too.
            gone = failure if isinstance(failure, TransportError) else None
            results.append(_explained(result, row, failure, given))
    failures = [each.failure for each in results if each.failure is not None]
    return Result(
        keys={"results": [each.members() for each in results]},
        show=lambda output: _show(output, results, given),
        error=failures[0] if failures else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A result, its stored row (None if that couldn't be read), the labels that matched, and those that it hasn't."""

    result: WorkflowSearchResult
    row: StoredWorkflow | None
    matched: Sequence[str]
    missing: Sequence[str]
    failure: Exception | None = None

    def members(self) -> dict[str, Any]:
        members = self.result.to_dict()
        names = ("rank", "workflow_id", "title", "final_score", "label_boost", "label_penalty")
        row = self.row
        return {
            **{name: members.get(name) for name in names},
            "workflow_name": row.workflow_name if row else None,
            "version": row.version if row else None,
            "status": str(row.status) if row else None,
            "container_image": members.get("container_image"),
            "container_digest": members.get("container_digest"),
            "matched": list(self.matched),
            "missing": list(self.missing),
        }


def _search(client: DataStorageClient, given: Mapping[str, Any]) -> Sequence[WorkflowSearchResult]:
    from kubernaut_client import InvalidRequestError

    try:
        return client.workflows.search(
            **{name: value for name, value in given.items() if value not in (None, {})}
        ).workflows
    except InvalidRequestError as error:
        raise click.UsageError("; ".join(f"{_option(field)}: {reason}" for field, reason in error.problems)) from error


def _option(field: str) -> str:
    """The option that gave an argument, or a label."""
    name = re.sub(r"\[\d+\]$", "", field).removeprefix("custom_labels.")
    return f"--{field.replace('_', '-')}" if name == field else f"--label {name}"


def _row(
    client: DataStorageClient, result: WorkflowSearchResult
) -> tuple[StoredWorkflow | None, KubernautError | None]:
    """The stored row of a result, for its name and version, which the service's answer leaves out; or what failed."""
    from kubernaut_client import KubernautError

    try:
        return client.workflows.get(result.workflow_id), None
    except KubernautError as error:
        return None, error


def _explained(
    result: WorkflowSearchResult, row: StoredWorkflow | None, failure: Exception | None, given: Mapping[str, Any]
) -> Found:
    members = result.to_dict()
    matched, missing = compared(
        given["detected_labels"], given["custom_labels"], members.get("detected_labels"), members.get("custom_labels")
    )
    if row is not None and row.labels.component == "*":
        matched = ["component *", *matched]
    return Found(result=result, row=row, matched=matched, missing=missing, failure=failure)


def compared(
    detected: Mapping[str, Any], custom: Mapping[str, Sequence[str]], has_detected: object, has_custom: object
) -> tuple[list[str], list[str]]:
    """Which of the labels that were asked for a workflow has, and which it hasn't, as the service compares them."""
    matched: list[str] = []
    missing: list[str] = []
    stored = cast("dict[str, object]", has_detected) if isinstance(has_detected, dict) else {}
    for name, asked in detected.items():
        value = stored.get(name)
        if name in FLAGS:
            (matched if value is True else missing).append(name)
        elif value and asked in (value, "*"):
            matched.append(f"{name}={value}")
        else:
            missing.append(f"{name}={asked}")
    values_of = cast("dict[str, object]", has_custom) if isinstance(has_custom, dict) else {}
    for name, asked_for in custom.items():
        # The service drops all other characters of a key before it looks.
        held = values_of.get(re.sub(r"[^A-Za-z0-9_-]", "", name))
        values = cast("list[object]", held) if isinstance(held, list) else []
        for each in asked_for:
            if each in values:
                matched.append(f"{name}={each}")
            elif "*" in values:
                matched.append(f"{name}={each} (by *)")
            else:
                missing.append(f"{name}={each}")
    return matched, missing


def _show(output: Output, results: Sequence[Found], given: Mapping[str, Any]) -> None:
    if not results:
        output.note("nothing matches")
        if given["min_score"] > HIGHEST and not given["custom_labels"]:
            output.note(f"no score is above {HIGHEST} without --label: see --min-score")
        return
    left_out = {"STATUS"} if not given["include_disabled"] else set[str]()
    if output.width is not None and output.width < _WIDE:
        left_out |= {"ID", "MATCHED"} if output.width < _NARROW else {"ID"}
    rows = [_cells(each) for each in results]
    head = [name for name in rows[0] if name not in left_out]
    output.table(head, [[row[name] for name in head] for row in rows], uncut={"ID"})


def _cells(found: Found) -> dict[str, Part]:
    """The cells of a row by their heads."""
    result, row = found.result, found.row
    missing = [f"not {each}" for each in found.missing]
    return {
        "RANK": str(result.rank),
        "WORKFLOW": label(row) if row else Styled(result.title, "dim"),
        "SCORE": f"{result.final_score:.3f}",
        "STATUS": str(row.status) if row else "",
        "ID": str(result.workflow_id),
        "MATCHED": ", ".join([*found.matched, *missing]),
    }
