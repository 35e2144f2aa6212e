"""What a bootstrap would do: comparison of workflows, order of versions, and the action for each. Pure; asks nothing.

Reading what the service holds is left to `workflows`, what was done to `report`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, cast
from uuid import UUID

from kubernaut_datastorage.models import StoredWorkflow

from .errors import InvalidRequestError, KubernautError
from .limits import DETECTED_LABELS, NAME_LIMIT, REMEDIATION_WORKFLOW, Findings, as_mapping
from .problems import one_line

PlanAction = Literal["create", "unchanged", "superseded", "drifted", "demotes", "invalid"]

RATE_TOLERANCE = 0.0005 + 1e-9
"""The service stores rates in three decimals; the rest is what binary fractions lose."""

_NEVER_COMPARED = frozenset({"workflow_name", "version", "status", "labels", "detected_labels"})
_SEMVER = re.compile(
    r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which the stored workflow isn't what was asked for; `stored` is None when it is absent.

    The repr names the field only: the values may be a workflow's content.
    """

    field: str
    wanted: Any = dataclasses.field(repr=False)
    stored: Any = dataclasses.field(repr=False)


class _Row(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def action(self) -> str: ...


R = TypeVar("R", bound=_Row)
V = TypeVar("V")


@dataclass(frozen=True)
class Rows(Generic[R]):
    """Rows in order, found by name and version, and counted by action when shown as text."""

    rows: tuple[R, ...]
    ORDER: ClassVar[tuple[str, ...]] = ()

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def get(self, name: str, version: str | None = None) -> R:
        """The row of a workflow; without a version its last one. KeyError if there is none."""
        for row in reversed(self.rows):
            if row.name == name and version in (None, row.version):
                return row
        raise KeyError(name if version is None else f"{name}@{version}")

    def _of(self, action: str) -> tuple[R, ...]:
        return tuple(row for row in self.rows if row.action == action)

    def __str__(self) -> str:
        counts = {action: len(self._of(action)) for action in self.ORDER}
        return ", ".join(f"{count} {action}" for action, count in counts.items() if count) or "nothing to do"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """What is to be done about one workflow.

    `differences` explains `drifted`; `existing` is the stored row of this name and version; `latest` the version that
    search shows now; `warnings` are sentences for people; `error` says why a row is `invalid`.
    """

    name: str
    version: str
    action: PlanAction
    differences: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()
    latest: str | None = None
    existing: StoredWorkflow | None = field(default=None, repr=False)
    error: KubernautError | None = None
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """The request body, as it would be sent."""


@dataclass(frozen=True)
class Plan(Rows[PlanRow]):
    """What a bootstrap would do, one row per workflow in the order in which it would be done.

    Iterable; `get` finds a row; `creates` to `invalid` are the rows of one action. A plan is a snapshot: what someone
    else does before it is applied is met, and reported, by `apply`.
    """

    allow_demote: bool = False
    """Whether a row may be created below the version that is the latest."""
    seen: frozenset[UUID] | None = field(default=None, repr=False, compare=False)
    """The newest rows of the catalog when the plan was made, as far as it was read; None if it was asked for a name."""
    ORDER: ClassVar[tuple[str, ...]] = ("create", "unchanged", "superseded", "drifted", "demotes", "invalid")

    @property
    def creates(self) -> tuple[PlanRow, ...]:
        return self._of("create")

    @property
    def unchanged(self) -> tuple[PlanRow, ...]:
        return self._of("unchanged")

    @property
    def superseded(self) -> tuple[PlanRow, ...]:
        return self._of("superseded")

    @property
    def drifted(self) -> tuple[PlanRow, ...]:
        return self._of("drifted")

    @property
    def demotes(self) -> tuple[PlanRow, ...]:
        return self._of("demotes")

    @property
    def invalid(self) -> tuple[PlanRow, ...]:
        return self._of("invalid")


def version_key(text: str) -> tuple[Any, ...] | None:
    """A version as something to sort by: SemVer 2.0 precedence, `v` in front and missing parts allowed.

    None for what can't be ordered. Build metadata doesn't count.
    """
    found = _SEMVER.fullmatch(text) if len(text) <= NAME_LIMIT else None
    if not found:
        return None
    core = tuple(int(part or 0) for part in found.group(1, 2, 3))
    if found[4] is None:
        return (*core, (1,))
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in found[4].split(".")]
    return (*core, (0, *parts))


def ascending(version: Callable[[V], str], rows: Iterable[V]) -> list[V]:
    """By version, lowest first; what can't be ordered comes last, in the order given."""

    def key(row: V) -> tuple[Any, ...]:
        order = version_key(version(row))
        return (1,) if order is None else (0, *order)

    return sorted(rows, key=key)


def above(version: str, other: str) -> bool:
    """Whether a version is higher than another one; no if that can't be said."""
    mine, theirs = version_key(version), version_key(other)
    return mine is not None and theirs is not None and mine > theirs


def compare(wanted: Mapping[str, Any], stored: StoredWorkflow) -> tuple[Difference, ...]:
    """The fields that `wanted` (a checked request body) sets and `stored` has otherwise.

    Texts and numbers exactly, mandatory labels by their five keys, detected labels without what is false, empty or
    unknown, custom labels as sets, parameters as JSON values, rates within 0.0005, times as instants. `status` is left
    out: what an operator disabled isn't drift.
    """
    have = stored.to_dict()
    found: list[Difference] = []
    for name, value in wanted.items():
        if name not in _NEVER_COMPARED and not _same(name, value, have.get(name)):
            found.append(Difference(name, value, have.get(name)))
    for name, part in (("labels", _plain), ("detected_labels", _meaningful)):
        if name in wanted:
            ours, theirs = part(wanted[name]), part(have.get(name) or {})
            if name == "labels" and not any(theirs.values()):
                continue
            keys = ours if name == "labels" else ours.keys() | theirs.keys()
            found += [
                Difference(f"{name}.{key}", ours.get(key), theirs.get(key))
                for key in sorted(keys)
                if not same_json(ours.get(key), theirs.get(key))
            ]
    return tuple(found)


# The service takes none of these empty, so where one is, the row of another build doesn't show it.
_NEVER_EMPTY = frozenset({"name", "description", "content", "content_hash"})


def _same(name: str, wanted: Any, stored: Any) -> bool:
    if name in _NEVER_EMPTY and stored in ("", None):
        return True
    if stored is None:
        # The service leaves an empty text or map out of its replies.
        return wanted in ("", {})
    if name == "custom_labels":
        return bool(_sets(wanted) == _sets(stored))
    if name.endswith("_rate") and isinstance(stored, int | float) and 0 <= stored <= 1:
        return bool(abs(wanted - stored) <= RATE_TOLERANCE)
    if name.endswith("_at"):
        return datetime.fromisoformat(str(wanted)) == datetime.fromisoformat(str(stored))
    return same_json(wanted, stored)


def same_json(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 is 1.0, but true isn't 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        mine, theirs = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return mine.keys() == theirs.keys() and all(same_json(mine[key], theirs[key]) for key in mine)
    if isinstance(one, list) and isinstance(other, list):
        items, others = cast("Sequence[Any]", one), cast("Sequence[Any]", other)
        return len(items) == len(others) and all(map(same_json, items, others))
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    if isinstance(one, int | float) and isinstance(other, int | float) and type(one) is not type(other):
        # The service writes 1e+300 as an integer of 301 digits, which isn't quite the float that it came from.
        try:
            return float(one) == float(other)
        except OverflowError:
            return False
    return bool(one == other)


def _sets(labels: Any) -> Any:
    """Custom labels as a map of sets; anything else as it is."""
    if not isinstance(labels, dict):
        return labels
    items = cast("dict[str, Any]", labels).items()
    return {key: frozenset(map(str, cast("Iterable[Any]", v))) if isinstance(v, list) else v for key, v in items}


def _plain(labels: dict[str, Any]) -> dict[str, Any]:
    return labels


def _meaningful(labels: dict[str, Any]) -> dict[str, Any]:
    known = {
        key: value for key, value in labels.items() if key in DETECTED_LABELS.optional and value not in (False, "", [])
    }
    if "failed_detections" in known:
        known["failed_detections"] = sorted(set(map(str, known["failed_detections"])))
    return known


@dataclass(frozen=True, slots=True)
class Wanted:
    """One workflow of the input: its checked request body, or why it was refused."""

    name: str
    version: str
    payload: Mapping[str, Any] = field(repr=False)
    error: InvalidRequestError | None = None


def check(workflows: Iterable[object]) -> list[Wanted]:
    """Check every workflow; the same name and version twice is one if the content is the same, else refused."""
    if isinstance(workflows, str | bytes | Mapping) or not isinstance(workflows, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        kind = type(cast("object", workflows)).__name__
        raise InvalidRequestError(f"workflows: must be an iterable of workflows, not {kind}", field="workflows")
    places: dict[tuple[str, str], int] = {}
    rows: list[Wanted] = []
    for workflow in workflows:
        members = as_mapping(workflow, "workflow", Findings()) or {}
        name, version = (_shown(members.get(key)) for key in ("workflow_name", "version"))
        try:
            payload = REMEDIATION_WORKFLOW.check(workflow)
            name, version = payload["workflow_name"], payload["version"]
            row = Wanted(name, version, payload)
        except InvalidRequestError as error:
            rows.append(Wanted(name, version, {}, error))
            continue
        place = places.setdefault((name, version), len(rows))
        if place == len(rows):
            rows.append(row)
        elif not same_json(rows[place].payload, row.payload):
            twice = InvalidRequestError("version: is given twice with different content", field="version")
            rows[place] = Wanted(name, version, {}, twice)
    return rows


def _shown(value: object) -> str:
    return value if isinstance(value, str) else "?"


def decide(wanted: Wanted, rows: Sequence[StoredWorkflow], given: frozenset[str], *, allow_demote: bool) -> PlanRow:
    """The action for one workflow, from the stored rows of its name and the versions of it that the input has."""
    if wanted.error is not None:
        return PlanRow(wanted.name, wanted.version, "invalid", error=wanted.error)
    latest = next((row for row in rows if row.is_latest_version), None)
    existing = next((row for row in rows if row.version == wanted.version), None)
    differences: tuple[Difference, ...] = ()
    warnings: list[str] = []
    action: PlanAction
    if existing is not None:
        differences = compare(wanted.payload, existing)
        action = "drifted" if differences else "unchanged"
        if not differences and latest is not None and latest.version not in given:
            action = "superseded"
            warnings.append(f"search shows version {_quoted(latest.version)}, which the input doesn't have")
        warnings += _out_of_order(wanted, rows, latest)
        if existing.status != wanted.payload["status"]:
            warnings.append(f"its status is {_quoted(existing.status)}, not {wanted.payload['status']!r}")
    else:
        action = "create"
        marked = [row.version for row in rows if row.is_latest_version]
        higher = next((version for version in marked if above(version, wanted.version)), None)
        if higher is not None:
            action = "create" if allow_demote else "demotes"
            warnings.append(f"search would show it instead of {_quoted(higher)}, which is higher")
        elif (latest or len(given) > 1) and None in map(version_key, (wanted.version, *marked[:1])):
            others = _quoted(latest.version) if latest else "the other versions"
            warnings.append(f"can't be ordered against {others}; whatever is created last is the latest")
    warnings += _hiding(wanted, rows, latest, action)
    return PlanRow(
        wanted.name,
        wanted.version,
        action,
        differences,
        tuple(warnings),
        latest.version if latest else None,
        existing,
        None,
        wanted.payload,
    )


def _out_of_order(wanted: Wanted, rows: Sequence[StoredWorkflow], latest: StoredWorkflow | None) -> Iterator[str]:
    """The service marks what came last as the latest, and sometimes two that came together."""
    if latest is not None and above(wanted.version, latest.version):
        yield f"search shows {_quoted(latest.version)}, which is lower and was stored later"
    if sum(row.is_latest_version for row in rows) > 1 and latest is not None and latest.version == wanted.version:
        yield "more than one version is marked as the latest: search may show any of them"


def _hiding(
    wanted: Wanted, rows: Sequence[StoredWorkflow], latest: StoredWorkflow | None, action: PlanAction
) -> Iterator[str]:
    """Search looks at the latest version only, so one that isn't active hides every other of its name."""
    others = sum(row.status == "active" for row in rows)  # its own row isn't, where this is asked
    status = wanted.payload["status"]
    if action == "create" and status != "active" and others:
        yield f"it is {status} and would be the latest: it hides {others} active version(s) from search"
    elif latest is not None and latest.version == wanted.version and latest.status != "active" and others:
        yield f"it is the latest and {_quoted(latest.status)}: it hides {others} active version(s) from search"


def _quoted(text: str) -> str:
    return one_line(repr(text), 60)
