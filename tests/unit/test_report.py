"""What an ensure or a bootstrap reports, and when a report is raised."""

from typing import Any

import pytest

from kubernaut_client import (
    BootstrapError,
    BootstrapReport,
    ConnectError,
    Difference,
    EnsureResult,
    InternalServerError,
    InvalidRequestError,
    Outcome,
    Problem,
    ReportRow,
)

ACTIONS: list[Any] = ["created", "unchanged", "superseded", "drifted", "demotes", "failed"]
UNKNOWN = InternalServerError("500 Internal Server Error", problem=Problem(500), outcome=Outcome.UNKNOWN)


def report(*actions: Any) -> BootstrapReport:
    return BootstrapReport(tuple(ReportRow(f"n-{action}", "1.0.0", action) for action in actions))


@pytest.mark.parametrize("action", ACTIONS)
def test_the_rows_of_an_action(action: str) -> None:
    full = report(*ACTIONS)
    assert [row.name for row in getattr(full, action)] == [f"n-{action}"]
    assert getattr(report(), action) == ()


def test_it_is_iterable_and_says_what_was_done() -> None:
    full = report(*ACTIONS, "created")
    assert [row.action for row in full] == [*ACTIONS, "created"]
    assert len(full) == 7
    assert str(full) == "2 created, 1 unchanged, 1 superseded, 1 drifted, 1 demotes, 1 failed"
    assert str(report()) == "nothing to do"


def test_getting_a_row() -> None:
    rows = (ReportRow("a", "1", "created"), ReportRow("a", "2", "unchanged"), ReportRow("b", "1", "failed"))
    full = BootstrapReport(rows)
    assert full.get("a") is rows[1]
    assert full.get("a", "1") is rows[0]
    for arguments in (("c",), ("b", "2")):
        with pytest.raises(KeyError):
            full.get(*arguments)


@pytest.mark.parametrize("action", ACTIONS)
def test_when_a_report_is_raised(action: str) -> None:
    one = report("created", action)
    if action == "failed":
        with pytest.raises(BootstrapError):
            one.raise_for_errors()
    else:
        assert one.raise_for_errors() is one
    if action in ("failed", "drifted", "demotes", "superseded"):
        with pytest.raises(BootstrapError) as caught:
            one.raise_for_errors(strict=True)
        assert caught.value.report is one
        assert f"n-{action}" in str(caught.value)
    else:
        assert one.raise_for_errors(strict=True) is one


REFUSED = InternalServerError("401", problem=Problem(401), outcome=Outcome.REFUSED)


def test_the_message_names_the_first_and_counts_the_rest() -> None:
    rows = (
        ReportRow("a", "1.0.0", "created"),
        ReportRow("b", "2.0.0", "failed", error=UNKNOWN),
        ReportRow("c", "3.0.0", "failed", error=ConnectError("refused")),
    )
    with pytest.raises(BootstrapError) as caught:
        BootstrapReport(rows).raise_for_errors()
    message = str(caught.value)
    assert message == "1 created, 2 failed: 'b' version '2.0.0': 500 Internal Server Error and 1 more"


def test_the_message_about_one_row_counts_no_others() -> None:
    with pytest.raises(BootstrapError) as caught:
        BootstrapReport((ReportRow("b", "2.0.0", "failed", error=UNKNOWN),)).raise_for_errors()
    assert str(caught.value) == "1 failed: 'b' version '2.0.0': 500 Internal Server Error"


def test_a_drifted_row_names_its_fields_and_no_values() -> None:
    row = ReportRow("a", "1.0.0", "drifted", differences=(Difference("content", "SECRET", "SECRET"),))
    with pytest.raises(BootstrapError) as caught:
        BootstrapReport((row,)).raise_for_errors(strict=True)
    assert "drifted in content" in str(caught.value)
    assert "SECRET" not in f"{caught.value} {row!r} {caught.value.report!r}"


def test_the_outcome_is_the_least_certain() -> None:
    invalid = InvalidRequestError("name: is missing", field="name")
    for errors, outcome in (
        ((UNKNOWN, invalid), Outcome.UNKNOWN),
        ((invalid, UNKNOWN), Outcome.UNKNOWN),
        ((invalid,), Outcome.NOT_SENT),
        ((REFUSED,), Outcome.REFUSED),
        ((invalid, REFUSED), Outcome.REFUSED),
    ):
        rows = tuple(ReportRow("a", str(number), "failed", error=error) for number, error in enumerate(errors))
        with pytest.raises(BootstrapError) as caught:
            BootstrapReport(rows).raise_for_errors()
        assert caught.value.outcome is outcome


def test_a_row_that_was_not_sent_took_no_time() -> None:
    assert ReportRow("a", "1.0.0", "unchanged").seconds == 0


@pytest.mark.parametrize("name", ["x" * 10_000, "a\nb", "\x1b[31m", "\ud800"])
def test_a_message_is_one_bounded_line_whatever_the_name(name: str) -> None:
    """A row that was refused has the name and version of the input, however long."""
    for row in (
        ReportRow(name, "1.0.0", "failed", error=InvalidRequestError("workflow_name: too long", field="workflow_name")),
        ReportRow("a", name, "failed", error=InvalidRequestError("version: too long", field="version")),
    ):
        with pytest.raises(BootstrapError) as caught:
            BootstrapReport((row,)).raise_for_errors()
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1500


def test_an_ensure_result_shows_no_workflow() -> None:
    workflow: Any = "SECRET"
    assert "SECRET" not in repr(EnsureResult("created", workflow))
    assert EnsureResult("demotes", None).recovered is False
