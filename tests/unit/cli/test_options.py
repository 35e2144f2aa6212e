"""The common options: before and behind the command, what wins, and what they come to."""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import trustme

from kubernaut_client import ConfigurationError, DataStorageClient, RetryPolicy
from kubernaut_client.cli import options
from kubernaut_client.cli.command import Group, Result, command
from kubernaut_client.cli.options import Settings
from kubernaut_client.cli.output import Output
from tests.unit.cli.tools import call

Parse = Callable[..., Settings]


@pytest.fixture
def parse() -> Parse:
    """The settings that words come to: "a b" is a command in a group in a group."""
    seen: list[Settings] = []

    @click.group("root", cls=Group)
    def root() -> None:
        pass

    @root.group("a", cls=Group)
    def a() -> None:
        pass

    @command("b")
    def b(settings: Settings) -> Result:
        seen.append(settings)
        return Result(keys={})

    a.add_command(b)

    def parsed(*words: str) -> Settings:
        seen.clear()
        assert root.main(list(words), prog_name="kubernaut-client", standalone_mode=False) == 0
        return seen[0]

    return parsed


@pytest.mark.parametrize(
    ("words", "attribute", "value"),
    [
        ("--url http://ds:1", "url", "http://ds:1"),
        ("--token-file t", "token_file", "t"),
        ("--ca-file c", "ca_file", "c"),
        ("--client-cert c", "client_cert", "c"),
        ("--client-key k", "client_key", "k"),
        ("--timeout 2", "timeout", 2.0),
        ("--timeout 0", "timeout", 0.0),
        ("--deadline 2.5", "deadline", 2.5),
        ("--attempts 1", "attempts", 1),
        ("-v", "verbose", 1),
        ("-vv", "verbose", 2),
    ],
)
def test_an_option_may_stand_anywhere(parse: Parse, words: str, attribute: str, value: Any) -> None:
    given = words.split()
    for line in ([*given, "a", "b"], ["a", *given, "b"], ["a", "b", *given]):
        assert getattr(parse(*line), attribute) == value
    assert getattr(parse("a", "b"), attribute) in (None, 0)


def test_the_last_one_counts(parse: Parse) -> None:
    assert parse("--url", "http://x", "a", "--url", "http://y", "b", "--url", "http://z").url == "http://z"
    assert parse("--url", "http://x", "a", "b").url == "http://x"
    assert parse("-v", "a", "-v", "b", "-vv").verbose == 4


def test_output_and_color(parse: Parse) -> None:
    assert not parse("a", "b").output.json
    assert parse("-ojson", "a", "b").output.json
    assert not parse("-ojson", "a", "b", "--output", "table").output.json
    assert parse("a", "b").output.color is None
    assert parse("a", "--no-color", "b").output.color is False


def test_the_name_of_a_command(parse: Parse) -> None:
    assert parse("a", "b").command == "a b"


def test_settings_cannot_be_changed(parse: Parse) -> None:
    with pytest.raises(AttributeError):
        parse("a", "b").url = "http://other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def settings(**given: Any) -> Settings:
    return Settings(command="plan", output=Output(), **given)


def refused(**given: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        settings(**given).client()
    assert "SECRET" not in str(caught.value)
    return str(caught.value)


def test_the_client_that_settings_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with settings(url="http://ds:1/", timeout=2, deadline=3, attempts=4).client() as client:
        assert client.base_url == "http://ds:1"
    monkeypatch.setenv("DATA_STORAGE_URL", "http://second")
    given = settings()
    with given.client() as client:
        assert client.base_url == given.output.base_url == "http://second"


def test_what_the_client_refuses_is_said_in_the_words_of_the_command_line() -> None:
    assert refused() == "no service is named: set --url or KUBERNAUT_DATASTORAGE_URL or DATA_STORAGE_URL"
    assert refused(url="ds:1").startswith("--url must start with http:// or https://")
    assert refused(url="").startswith("--url must start with")
    assert "SECRET" not in refused(url="http://user:SECRET@ds")
    assert refused(url="http://ds", timeout=0.0).startswith("--timeout must be a number of seconds above 0")
    assert refused(url="http://ds", deadline=float("nan")).startswith("--deadline must be a number of seconds above 0")


def test_the_defaults_are_those_of_the_client() -> None:
    import inspect

    policy = RetryPolicy()
    assert (policy.deadline, policy.attempts) == (options.DEFAULT_DEADLINE, options.DEFAULT_ATTEMPTS)
    assert inspect.signature(DataStorageClient).parameters["timeout"].default == options.DEFAULT_TIMEOUT


# Tokens --------------------------------------------------------------------------------------------------------------


def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    with settings(url="http://ds", token_file=str(path)).client() as client:
        source = client._options.session.token
        assert source.get() == "first"
        path.write_text("another")
        assert source.get() == "another"


def test_a_token_file_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", "/dev/zero"):
        assert refused(url="http://ds", token_file=str(path)) == "--token-file can't be read: not a regular file"


@pytest.mark.parametrize("option", options.TLS_FILES)
def test_a_certificate_file_is_never_waited_for(option: str, tmp_path: Path, files: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    name = options.TLS_FILES[option][0]
    for path in (tmp_path / "fifo", "/dev/zero"):
        given = {"client_cert": str(files / "cert.pem"), option: str(path)}
        assert refused(url="https://ds.example", **given) == f"{name} can't be read: not a regular file"


def test_token_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    assert refused(url="http://ds", token_file=str(path)) == "--token-file can't be read: No such file or directory"
    path.write_bytes("SECRETé".encode())
    assert refused(url="http://ds", token_file=str(path)) == (
        "--token-file must give one token of printable ASCII without spaces"
    )


def test_a_token_is_not_taken_from_the_command_line() -> None:
    ran = call("health", "--token", "SECRET")
    assert ran.code == 2
    assert "--token-file" in ran.stderr


# TLS -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, cert.pem, key.pem, and nonsense.pem."""
    place = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(place / "ca.pem")
    leaf = ca.issue_cert("ds.example")
    leaf.cert_chain_pems[0].write_to_path(place / "cert.pem")
    leaf.private_key_pem.write_to_path(place / "key.pem")
    (place / "nonsense.pem").write_text("nonsense")
    return place


def context_of(given: Settings, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext | None:
    taken: list[ssl.SSLContext | None] = []
    whole = DataStorageClient.__init__

    def noting(self: DataStorageClient, *arguments: Any, **more: Any) -> None:
        taken.append(more["tls"])
        whole(self, *arguments, **more)

    monkeypatch.setattr(DataStorageClient, "__init__", noting)
    given.client().close()
    return taken[0]


def test_files_make_a_context(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings(
        url="https://ds.example",
        ca_file=str(files / "ca.pem"),
        client_cert=str(files / "cert.pem"),
        client_key=str(files / "key.pem"),
    )
    context = context_of(given, monkeypatch)
    assert context is not None
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_an_option_is_completed_by_the_environment(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNAUT_CA_FILE", str(files / "ca.pem"))
    monkeypatch.setenv("KUBERNAUT_CLIENT_KEY", str(files / "key.pem"))
    context = context_of(settings(url="https://ds.example", client_cert=str(files / "cert.pem")), monkeypatch)
    assert context is not None
    assert len(context.get_ca_certs()) == 1


def test_without_options_it_is_the_clients_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert context_of(settings(url="https://ds.example"), monkeypatch) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ca_file": "missing.pem"}, "--ca-file can't be read: No such file or directory"),
        ({"ca_file": "nonsense.pem"}, "--ca-file can't be loaded: "),
        ({"client_cert": "missing.pem", "client_key": "key.pem"}, "--client-cert can't be read: No such file"),
        ({"client_cert": "cert.pem"}, "--client-cert can't be loaded: "),
        ({"client_key": "key.pem"}, "--client-key is given without --client-cert"),
    ],
)
def test_files_that_are_refused(files: Path, given: dict[str, str], words: str) -> None:
    paths = {name: str(files / path) for name, path in given.items()}
    assert refused(url="https://ds.example", **paths).startswith(words)
