"""Exit codes: which of them is taken where several fit, and what an exception means."""

import itertools

import click
import pytest

import kubernaut_client
from kubernaut_client import KubernautError, Outcome
from kubernaut_client.cli.exits import ExitCode, Facts, exit_code, facts_of
from kubernaut_client.cli.failures import CommandFailed, describe

FACTS = [
    Facts(**dict(zip(Facts.__slots__, values, strict=True))) for values in itertools.product((False, True), repeat=5)
]


def expected(facts: Facts) -> int:
    fits = {
        2: facts.usage,
        4: facts.unreachable,
        5: facts.failed and facts.written,
        1: facts.failed,
        3: facts.drift,
        0: True,
    }
    return next(code for code in (2, 4, 5, 1, 3, 0) if fits[code])


@pytest.mark.parametrize("facts", FACTS, ids=repr)
def test_the_first_that_fits(facts: Facts) -> None:
    assert exit_code(facts) == expected(facts)


@pytest.mark.parametrize(("a", "b"), [(a, b) for a in FACTS[::5] for b in FACTS[::7]])
def test_what_happened_in_both(a: Facts, b: Facts) -> None:
    both = a | b
    assert all(getattr(both, name) == (getattr(a, name) or getattr(b, name)) for name in Facts.__slots__)
    assert both == b | a


CODES = {
    "ConfigurationError": 2,
    "InvalidRequestError": 2,
    "CatalogError": 2,
    "TransportError": 4,
    "ConnectError": 4,
    "RequestTimeoutError": 4,
    "ConnectionDroppedError": 4,
    "ServiceUnavailableError": 4,
}
ERRORS = [
    value
    for name in kubernaut_client.__all__
    if isinstance(value := getattr(kubernaut_client, name), type) and issubclass(value, KubernautError)
]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_exception_has_a_code(kind: type[KubernautError]) -> None:
    failure = describe(kind("what happened"))
    assert failure.code == CODES.get(kind.__name__, 1)
    assert failure.type == kind.__name__
    assert "what happened" in failure.message
    assert failure.outcome == "not_sent"


def test_the_codes_name_exceptions_that_exist() -> None:
    assert CODES.keys() <= {kind.__name__ for kind in ERRORS}


def test_outcome_and_request_are_told() -> None:
    failure = describe(KubernautError("no", outcome=Outcome.UNKNOWN, request_id="7"))
    assert (failure.outcome, failure.request_id) == ("unknown", "7")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (KeyboardInterrupt(), "Interrupted", 1),
        (click.Abort(), "Interrupted", 1),
        (click.UsageError("which?"), "UsageError", 2),
        (click.BadParameter("7 is not 8"), "UsageError", 2),
        (click.ClickException("no"), "CommandFailed", 1),
        (ModuleNotFoundError("No module named 'yaml'", name="yaml"), "ImportError", 2),
        (ModuleNotFoundError("No module named 'click'", name="click"), "ImportError", 2),
        (PermissionError(13, "Permission denied", "out/a.json"), "OSError", 1),
        (CommandFailed("NotReadyError", "not yet", Facts(unreachable=True)), "NotReadyError", 4),
        (ZeroDivisionError("SECRET"), "ZeroDivisionError", 1),
    ],
)
def test_other_failures(error: BaseException, kind: str, code: int) -> None:
    failure = describe(error)
    assert (failure.type, failure.code) == (kind, code)
    assert failure.message
    assert "SECRET" not in failure.message
    assert failure.expected is (kind != "ZeroDivisionError")


def test_what_to_do_is_said() -> None:
    missing = describe(ModuleNotFoundError("No module named 'yaml'", name="yaml"))
    assert missing.message == 'yaml is not installed: pip install "kubernaut-client[catalog]"'
    assert describe(PermissionError(13, "Permission denied", "a.json")).message == "a.json: Permission denied"
    refused = kubernaut_client.ConnectError("no connection to http://ds:1: ConnectError: refused")
    assert describe(refused, "http://ds:1").message == (
        "cannot connect to http://ds:1: is it running? Set --url or KUBERNAUT_DATASTORAGE_URL; "
        "'kubernaut-client doctor' finds out more (ConnectError: refused)"
    )
    untrusted = kubernaut_client.ConnectError(
        "no connection to https://ds: [SSL: CERTIFICATE_VERIFY_FAILED] self-signed"
    )
    assert "--ca-file" in describe(untrusted, "https://ds").message
    assert "--token-file" in describe(kubernaut_client.AuthenticationError("401 Unauthorized")).message


def test_codes_are_fixed() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "DRIFT": 3,
        "UNREACHABLE": 4,
        "PARTIAL": 5,
    }


def test_facts_of_a_row_that_failed() -> None:
    assert facts_of(kubernaut_client.DatabaseError("500")) == Facts(failed=True)
