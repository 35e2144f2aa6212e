"""What a catalog changes against another one, as far as the service can't follow: it overwrites and deletes nothing.

Pure comparison of two catalogs; which versions a service really holds is left to `plan`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from kubernaut_datastorage.models import RemediationWorkflow, StoredWorkflow

from kubernaut_client.plan import compare, version_key
from kubernaut_client.problems import one_line, shown

from .loading import Catalog
from .text import Source

ChangeKind = Literal["content-changed", "version-down", "removed"]

_ORDER: tuple[ChangeKind, ...] = ("content-changed", "version-down", "removed")
# A stored row has these beside what a create sends; none of them is compared.
_STORED = {"workflow_id": "00000000-0000-0000-0000-000000000000", "is_latest_version": False}


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """One thing that a catalog asks for and that the service can't do.

    `content-changed`: the same name and version with other content. `version-down`: the highest version of a name is
    lower than it was; `version` is the one that it is now. `removed`: a name that is gone from the catalog; `version`
    is the highest that it had.
    `source` is where it is now, `base_source` where it was; each is None where there is no such place. `reason` is one
    bounded line that says what to do and names fields, never their values. The text of a change is one line.
    """

    kind: ChangeKind
    name: str
    version: str
    source: Source | None
    base_source: Source | None
    reason: str

    def __str__(self) -> str:
        place = self.source or self.base_source
        return f"{f'{place}: ' if place else ''}{one_line(self.name, 80)} {one_line(self.version)}: {self.reason}"


def changes_since(catalog: Catalog, base: Catalog) -> tuple[CatalogChange, ...]:
    """What a catalog changes against `base`, the one of a target branch or an export, that the service can't follow.

    Empty if every change is a new name or a new, higher version. A field that only `base` sets is no change, as it is
    no drift; neither is `status`. Sorted by name, then kind, then version in the order of `base`.
    """
    changes = [*_changed(catalog, base), *_lowered(catalog, base), *_removed(catalog, base)]
    return tuple(sorted(changes, key=lambda change: (change.name, _ORDER.index(change.kind))))


def _changed(catalog: Catalog, base: Catalog) -> Iterator[CatalogChange]:
    workflows = {(workflow.workflow_name, workflow.version): workflow for workflow in catalog}
    for before in base:
        now = workflows.get((before.workflow_name, before.version))
        fields = [difference.field for difference in compare(now.to_dict(), _as_stored(before))] if now else []
        if now and fields:
            names = one_line(", ".join(fields), 200)
            reason = f"{names} changed under the same version: the service keeps what it has; raise the version"
            yield _change("content-changed", now.workflow_name, now.version, catalog, base, reason)


def _lowered(catalog: Catalog, base: Catalog) -> Iterator[CatalogChange]:
    for name in base.names:
        before, now = _highest(base.by_name(name)), _highest(catalog.by_name(name))
        if before is None or now is None or _key(now) >= _key(before):
            continue
        reason = (
            f"the highest version was {shown(before.version)}, which the service goes on showing: to go back, publish "
            "the old content as a higher version (kubernaut-client workflows rollback)"
        )
        place = base.source(name, before.version)
        yield CatalogChange("version-down", name, now.version, catalog.source(name, now.version), place, reason)


def _removed(catalog: Catalog, base: Catalog) -> Iterator[CatalogChange]:
    for name in base.names:
        before = base.by_name(name)[-1]
        if not catalog.by_name(name):
            reason = (
                "is gone from the catalog, which changes nothing in the service, as it never deletes: disable it "
                "instead (kubernaut-client workflows disable)"
            )
            yield CatalogChange("removed", name, before.version, None, base.source(name, before.version), reason)


def _change(kind: ChangeKind, name: str, version: str, catalog: Catalog, base: Catalog, reason: str) -> CatalogChange:
    return CatalogChange(kind, name, version, catalog.source(name, version), base.source(name, version), reason)


def _as_stored(workflow: RemediationWorkflow) -> StoredWorkflow:
    """A workflow as the service would return it."""
    return StoredWorkflow.from_dict({**workflow.to_dict(), **_STORED})


def _highest(workflows: tuple[RemediationWorkflow, ...]) -> RemediationWorkflow | None:
    """The highest of the versions that can be ordered; they come first and ascend."""
    ordered = [workflow for workflow in workflows if version_key(workflow.version) is not None]
    return ordered[-1] if ordered else None


def _key(workflow: RemediationWorkflow) -> tuple[Any, ...]:
    return version_key(workflow.version) or ()
