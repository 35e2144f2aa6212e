"""What a catalog changes that the service can't follow."""

from pathlib import Path
from typing import Any

import pytest

from kubernaut_client.catalog import Catalog, CatalogChange, Source, changes_since, load
from kubernaut_client.models import RemediationWorkflow
from tests.unit.catalog.files import GOOD, good, write
from tests.workflows import workflow


def catalog(*workflows: dict[str, Any]) -> Catalog:
    return load(*workflows)


def lines(now: Catalog, base: Catalog) -> list[str]:
    return [str(change) for change in changes_since(now, base)]


BASE = catalog(workflow("a", "1.0.0"), workflow("a", "1.1.0"), workflow("b", "1.0.0"))


def test_no_change_is_none() -> None:
    assert changes_since(BASE, BASE) == ()
    assert changes_since(BASE, catalog()) == ()


def test_what_is_new_and_higher_is_none() -> None:
    assert lines(catalog(*(w.to_dict() for w in BASE), workflow("a", "2.0.0"), workflow("c")), BASE) == []


@pytest.mark.parametrize(
    ("members", "fields"),
    [
        ({"content": "other"}, "content, content_hash"),
        ({"description": "SECRET"}, "description"),
        ({"labels": {**workflow()["labels"], "severity": "low"}}, "labels.severity"),
        ({"owner": "team"}, "owner"),
        ({"parameters": {"a": 1}}, "parameters"),
        ({"detected_labels": {"stateful": True}}, "detected_labels.stateful"),
        ({"maintainer": "Other", "execution_engine": "ansible"}, "execution_engine, maintainer"),
    ],
)
def test_content_changed_under_the_same_version(members: dict[str, Any], fields: str) -> None:
    (change,) = changes_since(catalog(workflow("a", **members)), catalog(workflow("a")))
    assert (change.kind, change.name, change.version) == ("content-changed", "a", "1.0.0")
    assert change.reason == (
        f"{fields} changed under the same version: the service keeps what it has; raise the version"
    )
    assert "SECRET" not in repr(change)


@pytest.mark.parametrize(
    ("now", "base"),
    [
        ({"status": "disabled"}, {}),
        ({}, {"owner": "team", "parameters": {"a": 1}}),
        ({"detected_labels": {"stateful": False}}, {}),
        ({"custom_labels": {"a": ["x", "y"]}}, {"custom_labels": {"a": ["y", "x"]}}),
        ({"expected_success_rate": 0.1234}, {"expected_success_rate": 0.123}),
        ({"approved_at": "2026-01-31T12:00:00Z"}, {"approved_at": "2026-01-31T13:00:00+01:00"}),
    ],
)
def test_what_plan_finds_equal_is_no_change(now: dict[str, Any], base: dict[str, Any]) -> None:
    assert lines(catalog(workflow(**now)), catalog(workflow(**base))) == []


def test_a_version_going_down() -> None:
    changes = changes_since(catalog(workflow("a", "1.0.0"), workflow("b", "1.0.0")), BASE)
    assert [(change.kind, change.version) for change in changes] == [("version-down", "1.0.0")]
    assert str(changes[0]) == (
        "a 1.0.0: the highest version was '1.1.0', which the service goes on showing: to go back, publish the old "
        "content as a higher version (kubernaut-client workflows rollback)"
    )


@pytest.mark.parametrize(("before", "now"), [("1.10.0", "1.9.0"), ("v2", "1.9"), ("1.0.0", "1.0.0-rc.1")])
def test_versions_are_ordered_as_versions(before: str, now: str) -> None:
    down, up = (catalog(workflow("a", version)) for version in (now, before))
    assert [change.kind for change in changes_since(down, up)] == ["version-down"]
    assert changes_since(up, down) == ()


def test_versions_that_cannot_be_ordered_do_not_go_down() -> None:
    one, other = catalog(workflow("a", "blue")), catalog(workflow("a", "green"))
    assert changes_since(one, other) == ()
    assert changes_since(one, catalog(workflow("a"))) == ()


def test_a_removed_name() -> None:
    (change,) = changes_since(catalog(*(w.to_dict() for w in BASE.by_name("a"))), BASE)
    assert change == CatalogChange(
        "removed",
        "b",
        "1.0.0",
        None,
        None,
        "is gone from the catalog, which changes nothing in the service, as it never deletes: disable it instead "
        "(kubernaut-client workflows disable)",
    )


def test_both_places_are_named(tmp_path: Path) -> None:
    changed = good(("severity: high", "severity: low"), ("1.0.0", "1.1.0"))
    write(tmp_path, {"base/a.yaml": GOOD + "---\n" + good(("1.0.0", "1.1.0")), "now/b/c.yaml": "\n" + changed})
    changes = changes_since(load(tmp_path / "now"), load(tmp_path / "base"))
    here, there = tmp_path / "now" / "b" / "c.yaml", tmp_path / "base" / "a.yaml"
    assert [(change.kind, change.source, change.base_source) for change in changes] == [
        ("content-changed", Source(str(here), 1), Source(str(there), GOOD.count("\n") + 2)),
    ]
    assert [str(change).partition(": ")[0] for change in changes] == [f"{here}:1"]


def test_versions_are_sorted_once_for_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorting them for each version would take the square of their number."""
    calls: list[str] = []
    by_name = Catalog.by_name

    def counted(self: Catalog, name: str) -> tuple[RemediationWorkflow, ...]:
        calls.append(name)
        return by_name(self, name)

    monkeypatch.setattr(Catalog, "by_name", counted)
    numbers: list[int] = []
    for count in (2, 20):
        calls.clear()
        many = catalog(*(workflow("a", f"1.{minor}.0") for minor in range(count)))
        assert changes_since(many, many) == ()
        numbers.append(len(calls))
    assert numbers[0] == numbers[1]


def test_a_change_is_one_line_without_controls() -> None:
    name = "a\x1b[31m\n" + "x" * 200
    now, base = catalog(workflow(name, "1\x07")), catalog(workflow(name, "2\x07"))
    for line in lines(now, base):
        assert line.isprintable()
        assert len(line) < 500
