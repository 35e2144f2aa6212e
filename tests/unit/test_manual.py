"""The manual names what is there: every exception with its outcomes, every limit of an event, every page."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kubernaut_client
from kubernaut_client import DataStorageClient, InvalidRequestError, KubernautError, Outcome, errors, limits
from tests.audit_events import event
from tests.contract.test_recorded_answers import RAISED

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table whose head begins so."""
    text = (DOCS / page).read_text("utf-8")
    (table,) = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in table.splitlines()]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# Exceptions ----------------------------------------------------------------------------------------------------------

EXCEPTIONS = {quoted(row[0])[0]: row for row in rows("errors.md", "Exception")}
CLASSES: dict[str, type[KubernautError]] = {
    name: value
    for name in kubernaut_client.__all__
    if isinstance(value := getattr(kubernaut_client, name), type) and issubclass(value, KubernautError)
}
# What an answer of the service never makes, so that no recorded one shows its outcome.
_ABSTRACT = {"TransportError", "ServerError"}


def tree() -> str:
    """The tree as the module of the exceptions draws it."""
    found = re.search(r"^KubernautError .*?(?=\n\n)", str(errors.__doc__), re.DOTALL | re.MULTILINE)
    assert found
    return found[0]


def test_the_tree_of_the_page_is_that_of_the_module() -> None:
    assert f"```\n{tree()}\n```" in (DOCS / "errors.md").read_text("utf-8")


def test_the_tree_is_that_of_the_classes() -> None:
    branch: list[str] = []
    for line in tree().splitlines():
        found = re.match(r"([│├└─ ]*)(\w+)", line)
        assert found
        depth = len(found[1]) // 4
        branch[depth:] = [found[2]]
        if depth:
            assert CLASSES[found[2]].__bases__[0] is CLASSES[branch[depth - 1]]
    assert re.findall(r"^[│├└─ ]*(\w+)", tree(), re.MULTILINE) == list(EXCEPTIONS)


def test_the_page_has_every_exception() -> None:
    assert EXCEPTIONS.keys() == CLASSES.keys()
    for when, outcomes, remedy in (row[1:] for row in EXCEPTIONS.values()):
        assert when
        assert set(quoted(outcomes)) <= set(Outcome)
        assert bool(outcomes) is not when.startswith("never by itself: ")
        assert remedy or not outcomes or "reserved" in when


@pytest.mark.parametrize("name", CLASSES)
def test_the_attributes_that_are_named_are_there(name: str) -> None:
    error = CLASSES[name]("m")
    with DataStorageClient("http://localhost:1") as client:
        for word in quoted(EXCEPTIONS[name][3]):
            assert hasattr(error, word) or hasattr(client.workflows, word) or word == "token"


def outcomes_seen() -> Iterator[tuple[str, Outcome]]:
    """What a recorded answer came to, and what a new exception says."""
    for raised in RAISED.values():
        yield raised.cls.__name__, raised.outcome
    for name in ("ConfigurationError", "InvalidRequestError", "CatalogError", "SpoolError", "ConnectError"):
        yield name, CLASSES[name]("m").outcome


@pytest.mark.parametrize(("name", "outcome"), sorted(set(outcomes_seen())))
def test_the_outcomes_that_were_seen_are_on_the_page(name: str, outcome: Outcome) -> None:
    assert outcome in quoted(EXCEPTIONS[name][2])


# Limits --------------------------------------------------------------------------------------------------------------

LIMITS = {name: row[1] for row in rows("audit.md", "Member") for name in quoted(row[0])}


def test_the_page_has_every_limited_member_of_an_event() -> None:
    table = {*limits.AUDIT_EVENT.required, *limits.AUDIT_EVENT.optional}
    assert table - LIMITS.keys() == {"event_timestamp", "event_data", "parent_event_id"}
    assert LIMITS.keys() <= table


@pytest.mark.parametrize("name", LIMITS)
def test_the_limits_of_the_page_are_those_that_are_checked(name: str) -> None:
    def taken(value: Any) -> bool:
        try:
            clean = limits.AUDIT_EVENT.check(event(**{name: value}))
        except InvalidRequestError as error:
            return error.field != name
        return bool(clean[name] == value)

    said = LIMITS[name]
    if said.startswith("one of "):
        words = said.removeprefix("one of ").split(", ")
        assert [word for word in words if not taken(word)] == []
        assert set(words) in (set(limits.CATEGORIES), set(limits.EVENT_OUTCOMES))
    elif said.startswith("32 bits"):
        assert [taken(value) for value in (-(2**31) - 1, -(2**31), 2**31 - 1, 2**31)] == [False, True, True, False]
    else:
        most = int(said.split()[0])
        assert [taken("x" * most), taken("x" * (most + 1))] == [True, False]
        assert taken("") is (name in limits.AUDIT_EVENT.optional)


# Pages ---------------------------------------------------------------------------------------------------------------


def test_the_readme_links_every_page() -> None:
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)\)", (ROOT / "README.md").read_text("utf-8")))
    assert linked == {path.name for path in DOCS.glob("*.md")}


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    assert [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not (DOCS / link).exists()] == []
