"""What a client is configured with: base URLs, headers, tokens, TLS, proxies; what wins, and what is never shown."""

import asyncio
import importlib.machinery
import inspect
import os
import socket
import ssl
import sys
import traceback
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client import (
    AsyncDataStorageClient,
    ConfigurationError,
    ConnectError,
    DataStorageClient,
    KubernautError,
    Outcome,
    RetryPolicy,
)
from kubernaut_client.config import (
    TLS,
    TokenSource,
    WatchedFile,
    base_url,
    headers,
    is_loopback,
    proxy_for,
    user_agent,
    without_credentials,
)

CLIENTS: tuple[Any, ...] = (DataStorageClient, AsyncDataStorageClient)


def refused(call: Callable[[], object], kind: type[KubernautError] = ConfigurationError) -> str:
    """The message of the refusal: one printable bounded line that gives no secret away."""
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.outcome is Outcome.NOT_SENT
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 500
    assert "SECRET" not in message
    assert "SECRET" not in repr(caught.value)
    return message


def unavailable(call: Callable[[], object]) -> str:
    """The same of a token source that fails later than at the start, which is repeated as a refused connection is."""
    return refused(call, ConnectError)


# Base URLs -----------------------------------------------------------------------------------------------------------

GOOD = {
    "http://localhost:8080": "http://localhost:8080",
    "http://localhost": "http://localhost",
    "https://ds.example": "https://ds.example",
    "HTTP://ds.example": "http://ds.example",
    "https://ds.example:443": "https://ds.example:443",
    "http://ds.example:1": "http://ds.example:1",
    "http://ds.example:65535": "http://ds.example:65535",
    "http://ds.example:": "http://ds.example",
    "http://ds.example/": "http://ds.example",
    "http://ds.example///": "http://ds.example",
    "http://ds.example/prefix": "http://ds.example/prefix",
    "http://ds.example/a/b/": "http://ds.example/a/b",
    "http://ds.example:8080/a%20b/": "http://ds.example:8080/a%20b",
    "http://data-storage-service.kubernaut.svc.cluster.local:8080": (
        "http://data-storage-service.kubernaut.svc.cluster.local:8080"
    ),
    "http://data_storage:8080": "http://data_storage:8080",
    "http://ds.example.": "http://ds.example.",
    "http://127.0.0.1:8080": "http://127.0.0.1:8080",
    "http://[::1]": "http://[::1]",
    "http://[::1]:8080": "http://[::1]:8080",
    "http://[2001:db8::1]:8080/x/": "http://[2001:db8::1]:8080/x",
    "http://bücher.example:8080": "http://xn--bcher-kva.example:8080",
    "http://xn--bcher-kva.example": "http://xn--bcher-kva.example",
}
BAD = [
    "",
    " ",
    "localhost:8080",
    "ds.example",
    "//ds.example",
    "/api",
    "http:",
    "http://",
    "http:///api",
    "http:/ds.example",
    "http:ds.example",
    "http://:8080",
    "ftp://ds.example",
    "ws://ds.example",
    "unix:///run/ds.sock",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "http://ds.example:0",
    "http://ds.example:65536",
    "http://ds.example:-1",
    "http://ds.example:http",
    "http://ds.example:80:80",
    "http://ds.example:٨٠",
    "http://ds.example?x=1",
    "http://ds.example?",
    "http://ds.example/#",
    "http://ds.example#top",
    "http://ds example",
    " http://ds.example",
    "http://ds.example ",
    "http://ds.example/a b",
    "http://ds.example/\u00e9",
    "http://ds.example\\a",
    "http://ds.example/a\\b",
    "http://ds\n.example",
    "http://ds.example\n",
    "http://ds.exa\tmple",
    "http://ds.example\r\nX-A: b",
    "http://ds.example/a\nb",
    "http://ds.example\0",
    "\x00http://ds.example",
    "http://ds..example",
    "http://.ds.example",
    "http://-ds.example",
    "http://[::1",
    "http://::1",
    "http://[nope]",
    "http://[]",
    "http://ds%41.example",
    "http://ds.example\u2024a\ud800",
    "http://" + "\u00fc" * 64 + ".example",
    "http://\u3002",
    "http://<ds>",
    "http://ds,example",
]


@pytest.mark.parametrize(("given_url", "url"), GOOD.items(), ids=GOOD)
def test_urls_that_are_taken(given_url: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert base_url(given_url) == url
    monkeypatch.setenv("DATA_STORAGE_URL", given_url)
    assert base_url(None) == url


@pytest.mark.parametrize("url", BAD, ids=range(len(BAD)))
def test_urls_that_are_refused(url: str) -> None:
    assert "base_url" in refused(lambda: base_url(url))
    for client in CLIENTS:
        refused(partial(client, url))


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://[::1", "[brackets]"),
        ("http://::1]", "[brackets]"),
        ("http://[::1:8080", "[brackets]"),
        ("http://[nope]", "IPv6 address"),
        ("http://[]", "IPv6 address"),
        ("http://::1", "IPv6 address must be in [brackets]"),
        ("http://2001:db8::1:8080", "IPv6 address must be in [brackets]"),
        ("http://ds\u2100.example", "host"),
        ("http://ds..example", "host"),
        ("http://[::1]:port", "port"),
        ("http://[::1]:65536", "port"),
        ("http://ds.example:port", "port"),
        ("http://ds.example:0", "port"),
    ],
)
def test_what_is_wrong_with_a_url_is_named(url: str, what: str) -> None:
    message = refused(lambda: base_url(url))
    assert what in message
    assert ("port" in message) == (what == "port")


@pytest.mark.parametrize("url", [None, 3, b"http://ds.example", ["http://ds.example"], object()], ids=range(5))
def test_urls_of_another_type(url: Any) -> None:
    assert "base_url" in refused(lambda: base_url(url))


CREDENTIALS = [
    "http://user:SECRET@ds.example",
    "https://user:SECRET@ds.example:8080/x",
    "http://SECRET@ds.example",
    "http://:SECRET@ds.example",
    "http://@ds.example",
    "http://user:SECRET@ds.example:port",
    "http://user:SECRET/x@ds.example",
    "http://user:SECRET?x@ds.example",
    "http://user:SECRET#x@ds.example",
    "http://user:SECRET@",
    "ftp://user:SECRET@ds.example",
    "user:SECRET@ds.example",
    "user:SECRET@ds.example:8080",
    "http://user:SECRET@[::1",
    "http://user:SECRET@ds.example?x=1",
    "http://user:SECRET @ds.example",
    "http://ds.example?token=SECRET",
    "http://ds.example/#SECRET",
    "http://ds.example?token=SECRET more",
    "ds.example?token=SECRET",
]


@pytest.mark.parametrize("url", CREDENTIALS)
def test_urls_with_credentials_are_refused_without_showing_them(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(lambda: base_url(url))
    monkeypatch.setenv("DATA_STORAGE_URL", url)
    assert "DATA_STORAGE_URL" in refused(lambda: base_url(None))


@given(url=st.text(max_size=60) | st.text("htps:/.@[]?#%1:\\ \n", max_size=30).map("http://".__add__))
def test_any_text_is_a_url_or_refused(url: str) -> None:
    try:
        taken = base_url(url)
    except ConfigurationError as error:
        assert str(error).isprintable()  # noqa: PT017 - either is right
    else:
        assert taken.isascii()
        assert taken.isprintable()
        assert not taken.endswith("/")
        assert base_url(taken) == taken


def test_where_the_url_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refused(DataStorageClient)
    assert "KUBERNAUT_DATASTORAGE_URL" in message
    assert "DATA_STORAGE_URL" in message
    monkeypatch.setenv("DATA_STORAGE_URL", "http://second")
    assert DataStorageClient().base_url == "http://second"
    monkeypatch.setenv("KUBERNAUT_DATASTORAGE_URL", "")
    assert DataStorageClient().base_url == "http://second"
    monkeypatch.setenv("KUBERNAUT_DATASTORAGE_URL", "http://first/")
    assert DataStorageClient().base_url == "http://first"
    assert AsyncDataStorageClient().base_url == "http://first"
    assert DataStorageClient("http://argument").base_url == "http://argument"
    monkeypatch.setenv("KUBERNAUT_DATASTORAGE_URL", "nonsense")
    assert "KUBERNAUT_DATASTORAGE_URL" in refused(DataStorageClient)
    assert DataStorageClient("http://argument").base_url == "http://argument"
    refused(lambda: DataStorageClient(""))


# Headers -------------------------------------------------------------------------------------------------------------


def test_headers_that_are_taken() -> None:
    given_headers = {"X-Team": "a b", "x_y": "1", "Authorization": "Basic x", "X-T": "a\tb", "!#$%&'*+.^_`|~-09": "~"}
    assert headers(given_headers) == {name.lower(): value for name, value in given_headers.items()}
    assert headers(None) == {}
    assert headers({}) == {}


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "a:", "a\r\nb", "a\n", "ä", "a\0", "(a)", "a,b", 1, None, b"a", ("a",)],
    ids=range(14),
)
def test_header_names_that_are_refused(name: Any) -> None:
    assert "headers" in refused(lambda: headers({name: "x"}))


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "SECRET\r\nX: y",
        "SECRET\n",
        "\nSECRET",
        "SECRET\0",
        " SECRET",
        "SECRET ",
        "SECRETé",
        "\x7f",
        1,
        None,
        b"SECRET",
    ],
    ids=range(13),
)
def test_header_values_that_are_refused(value: Any) -> None:
    assert "X-Team" in refused(lambda: headers({"X-Team": value}))
    for client in CLIENTS:
        refused(partial(client, "http://ds.example", headers={"X-Team": value}))
        refused(partial(client("http://ds.example").with_options, headers={"X-Team": value}))


@pytest.mark.parametrize(
    "name",
    ["Content-Length", "content-type", "TRANSFER-ENCODING", "Connection", "Host", "X-Request-ID", "x-request-id"],
)
def test_headers_that_the_client_sets_itself(name: str) -> None:
    assert name in refused(lambda: headers({name: "x"}))


@pytest.mark.parametrize("value", [3, "X-Team: a", ["X-Team"], [("a",)], object(), True], ids=range(6))
def test_headers_that_are_no_mapping(value: Any) -> None:
    assert "headers" in refused(lambda: headers(value))


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_authorization_and_a_token(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given_headers = {name: "Bearer SECRET"}
    for client in CLIENTS:
        assert client("http://ds.example", headers=given_headers)
        refused(partial(client, "http://ds.example", token="t", headers=given_headers))
        refused(partial(client("http://ds.example", token="t").with_options, headers=given_headers))
    monkeypatch.setenv("KUBERNAUT_TOKEN", "SECRET")
    for client in CLIENTS:
        refused(partial(client, "http://ds.example", headers=given_headers))


def test_user_agent() -> None:
    assert user_agent("0.28.1").startswith("kubernaut-client/")
    assert "httpx/0.28.1" in user_agent("0.28.1")


# Tokens --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["abc", "a.b-c_d~e+f/g==", "!" * 4096])
def test_tokens_that_are_taken(token: str) -> None:
    assert TokenSource(token).get() == token
    assert TokenSource(lambda: token).get() == token
    assert asyncio.run(TokenSource(token).aget()) == token


JUNK: list[Any] = [
    "",
    " ",
    "SECRET SECRET",
    "SECRET\nSECRET",
    "SECRET\n\0",
    "SECRETé",
    "SECRET\0",
    "\ud800",
    None,
    3,
    b"SECRET",
    ["SECRET"],
]


@pytest.mark.parametrize("token", [text for text in JUNK if isinstance(text, str)], ids=range(8))
def test_tokens_that_are_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "token" in refused(lambda: TokenSource(token))
    if token and "\0" not in token and "\ud800" not in token:
        monkeypatch.setenv("KUBERNAUT_TOKEN", token)
        assert "KUBERNAUT_TOKEN" in refused(lambda: TokenSource(None))


@pytest.mark.parametrize("around", ["{}", "{}\n", "{}\r\n", " {}", "\t{} \n\n"])
def test_one_rule_for_white_space_around_a_token(around: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    token = around.format("abc")

    async def later() -> str:
        return token

    assert TokenSource(token).get() == "abc"
    assert TokenSource(lambda: token).get() == "abc"
    assert asyncio.run(TokenSource(later).aget()) == "abc"
    file = tmp_path / "token"
    file.write_bytes(token.encode())
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(file))
    assert TokenSource(None).get() == "abc"
    monkeypatch.setenv("KUBERNAUT_TOKEN", token)
    assert TokenSource(None).get() == "abc"


@pytest.mark.parametrize("token", [3, b"SECRET", ["SECRET"], {"SECRET": 1}, True], ids=range(5))
def test_tokens_of_another_type(token: Any) -> None:
    assert "token" in refused(lambda: TokenSource(token))


@pytest.mark.parametrize("value", JUNK, ids=range(len(JUNK)))
def test_callables_that_return_junk(value: Any) -> None:
    assert "token" in unavailable(lambda: TokenSource(lambda: value).get())
    assert "token" in unavailable(lambda: asyncio.run(TokenSource(lambda: value).aget()))

    async def given_later() -> Any:
        return value

    assert "token" in unavailable(lambda: asyncio.run(TokenSource(given_later).aget()))


def test_callables_that_fail() -> None:
    def broken() -> str:
        raise RuntimeError("SECRET")

    async def broken_later() -> str:
        raise RuntimeError("SECRET")

    assert "RuntimeError" in unavailable(lambda: TokenSource(broken).get())
    assert "RuntimeError" in unavailable(lambda: asyncio.run(TokenSource(broken).aget()))
    assert "RuntimeError" in unavailable(lambda: asyncio.run(TokenSource(broken_later).aget()))


def test_callables_that_take_arguments() -> None:
    wrong: Any = lambda name: name  # noqa: E731
    assert "token" in unavailable(lambda: TokenSource(wrong).get())


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_interrupts_pass(failure: type[BaseException]) -> None:
    def interrupted() -> str:
        raise failure

    with pytest.raises(failure):
        TokenSource(interrupted).get()


def test_an_error_of_ours_that_a_callable_raises_is_not_one_about_the_request() -> None:
    """A callable may use a client of its own; what that one was refused says nothing of this request."""

    def failing() -> str:
        raise KubernautError("mine", outcome=Outcome.UNKNOWN)

    assert unavailable(TokenSource(failing).get) == "mine"


async def test_a_source_that_fails_while_it_is_cancelled_does_not_replace_the_cancellation() -> None:
    waiting = asyncio.Event()

    async def failing() -> str:
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("while it cleans up")

    task = asyncio.ensure_future(TokenSource(failing).aget())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_source_may_fail_in_a_task_that_was_cancelled_before() -> None:
    """As in the cleanup of a cancelled task, which may still want to send something."""

    async def later() -> str:
        raise RuntimeError

    async def cleaning_up() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            with pytest.raises(ConnectError):
                await TokenSource(later).aget()
            raise

    task = asyncio.ensure_future(cleaning_up())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_callable_is_asked_every_time() -> None:
    given_tokens = iter(["a", "b"])
    source = TokenSource(lambda: next(given_tokens))
    assert [source.get(), source.get()] == ["a", "b"]


def test_an_async_callable_needs_the_async_client() -> None:
    async def later() -> str:
        return "t"

    assert "AsyncDataStorageClient" in refused(lambda: TokenSource(later).get())
    assert asyncio.run(TokenSource(later).aget()) == "t"
    assert inspect.iscoroutinefunction(later)


def test_where_the_token_comes_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert TokenSource(None).get() is None
    assert not TokenSource(None).present
    file = tmp_path / "token"
    file.write_text("from-file\n")
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(file))
    assert TokenSource(None).get() == "from-file"
    monkeypatch.setenv("KUBERNAUT_TOKEN", "")
    assert TokenSource(None).get() == "from-file"
    monkeypatch.setenv("KUBERNAUT_TOKEN", "from-variable")
    assert TokenSource(None).get() == "from-variable"
    assert TokenSource("from-argument").get() == "from-argument"
    assert TokenSource(lambda: "from-callable").get() == "from-callable"


def test_a_token_file_is_read_again_when_it_was_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(file))
    source = TokenSource(None)
    assert source.get() == "one"
    # As Kubernetes does it: a new file takes the place of the old one.
    other = tmp_path / "other"
    other.write_text("two")
    other.replace(file)
    assert source.get() == "two"
    for content in ("", "\n", "two tokens"):
        file.write_text(content)
        assert "KUBERNAUT_TOKEN_FILE" in unavailable(source.get)
    file.unlink()
    assert "KUBERNAUT_TOKEN_FILE" in unavailable(source.get)
    file.write_text("three")
    assert source.get() == "three"


@pytest.mark.parametrize("content", [b"", b"\n", b"SECRET SECRET", b"SECRET\nSECRET", b"\xff\xfeSECRET", b"SECRET\0"])
def test_token_files_that_are_refused(content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(file))
    for client in CLIENTS:
        assert "KUBERNAUT_TOKEN_FILE" in refused(partial(client, "http://ds.example"))


def test_a_token_file_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(path))
        assert "KUBERNAUT_TOKEN_FILE" in refused(lambda: DataStorageClient("http://ds.example"))


# Files ---------------------------------------------------------------------------------------------------------------


def unusual(tmp_path: Path) -> dict[str, tuple[str, str]]:
    """Paths that must not be read, by what is said of them."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    listening.close()
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    return {
        "a FIFO": (str(tmp_path / "fifo"), "not a regular file"),
        "a link to a FIFO": (str(tmp_path / "link"), "not a regular file"),
        "a device without end": ("/dev/zero", "not a regular file"),
        "an empty device": ("/dev/null", "not a regular file"),
        "a directory": (str(tmp_path), "Is a directory"),
        "a socket": (str(tmp_path / "socket"), "No such device"),
        "a link to itself": (str(tmp_path / "loop"), "Too many levels"),
        "too large": (str(large), "larger than"),
        "missing": (str(tmp_path / "missing"), "No such file"),
    }


@pytest.mark.parametrize(
    "variable", ["KUBERNAUT_TOKEN_FILE", "KUBERNAUT_CA_FILE", "KUBERNAUT_CLIENT_CERT", "KUBERNAUT_CLIENT_KEY"]
)
def test_files_that_are_not_read(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: Path
) -> None:
    if variable == "KUBERNAUT_CLIENT_KEY":
        monkeypatch.setenv("KUBERNAUT_CLIENT_CERT", str(certificate))
    for path, why in unusual(tmp_path).values():
        monkeypatch.setenv(variable, path)
        for client in CLIENTS:
            message = refused(partial(client, "https://ds.example"))
            assert message.startswith(f"{variable} can't be read: {why}")


def test_a_token_file_has_a_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(file))
    file.write_text("x" * 65536)
    assert TokenSource(None).get() == "x" * 65536
    file.write_text("x" * 65537)
    assert refused(lambda: TokenSource(None)) == (
        "KUBERNAUT_TOKEN_FILE can't be read: larger than 65536 bytes, the limit"
    )


def test_a_bundle_of_authorities_may_have_four_mebibytes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv("KUBERNAUT_CA_FILE", str(bundle))
    content = certificate.read_bytes().rjust(4 * 2**20, b"\n")
    bundle.write_bytes(content)
    for client in CLIENTS:
        assert client("https://ds.example")
    bundle.write_bytes(content + b"\n")
    for client in CLIENTS:
        assert "larger than 4194304 bytes" in refused(partial(client, "https://ds.example"))


def test_a_token_given_as_the_path_of_a_file_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", "SECRET")
    with pytest.raises(ConfigurationError) as caught:
        TokenSource(None)
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


def test_a_file_that_becomes_a_fifo_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("abc")
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(file))
    source = TokenSource(None)
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificate.read_bytes())
    monkeypatch.setenv("KUBERNAUT_CA_FILE", str(bundle))
    tls = TLS(None)
    for path in (file, bundle):
        path.unlink()
        os.mkfifo(path)
    with pytest.raises(KubernautError):
        source.get()
    tls.refresh()
    assert len(tls.context.get_ca_certs()) == 1, "the authorities that were loaded stay in use"


def test_a_watched_file_hides_its_text(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("SECRET")
    watched = WatchedFile(file, 100)
    assert watched.read() == b"SECRET"
    assert not watched.changed()
    assert "SECRET" not in repr(watched)


def test_no_repr_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:SECRET@proxy.example:3128")
    for client in CLIENTS:
        made = client("https://ds.example", token="SECRET")
        view = made.with_options(headers={"X-Key": "SECRET"})
        other = client("https://ds.example", headers={"Authorization": "Bearer SECRET"})
        for shown in (made, view, other, made.workflows, made.health, made.raw, made._options, view._options):
            assert "SECRET" not in repr(shown)
            assert "SECRET" not in str(shown)
        assert "https://ds.example" in repr(made)


# Other options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0, -1, None, "3", True, float("nan"), float("inf"), 86401, 10**400], ids=range(9))
def test_timeouts_that_are_refused(timeout: Any) -> None:
    for client in CLIENTS:
        assert "timeout" in refused(partial(client, "http://ds.example", timeout=timeout))
        if timeout is not None:
            assert "timeout" in refused(partial(client("http://ds.example").with_options, timeout=timeout))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("retry", 3),
        ("retry", None),
        ("retry", RetryPolicy),
        ("retry", {"attempts": 3}),
        ("on_call", 3),
        ("on_call", "print"),
        ("tls", True),
        ("tls", "ca.pem"),
        ("http_client", 3),
        ("http_client", DataStorageClient),
    ],
    ids=range(10),
)
def test_options_of_another_type(option: str, value: Any) -> None:
    for client in CLIENTS:
        assert option in refused(partial(client, "http://ds.example", **{option: value}))


def test_an_http_client_of_the_other_colour() -> None:
    wrong: Any = httpx.AsyncClient()
    assert "http_client" in refused(lambda: DataStorageClient("http://ds.example", http_client=wrong))
    wrong = httpx.Client()
    assert "http_client" in refused(lambda: AsyncDataStorageClient("http://ds.example", http_client=wrong))
    wrong.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate without its key."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


def test_which_tls_file_is_at_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: Path) -> None:
    leaf = trustme.CA().issue_cert("ds.example")
    good, key, junk, other = (tmp_path / name for name in ("good.pem", "key.pem", "junk.pem", "other.pem"))
    leaf.cert_chain_pems[0].write_to_path(good)
    leaf.private_key_pem.write_to_path(key)
    junk.write_text("SECRET")
    trustme.CA().issue_cert("ds.example").private_key_pem.write_to_path(other)
    names = ("KUBERNAUT_CA_FILE", "KUBERNAUT_CLIENT_CERT", "KUBERNAUT_CLIENT_KEY")
    cases: list[tuple[tuple[Path | None, Path | None, Path | None], str]] = [
        ((junk, None, None), "KUBERNAUT_CA_FILE"),
        ((junk, good, key), "KUBERNAUT_CA_FILE"),
        ((certificate, junk, key), "KUBERNAUT_CLIENT_CERT"),
        ((None, junk, None), "KUBERNAUT_CLIENT_CERT"),
        ((None, good, None), "KUBERNAUT_CLIENT_CERT"),
        ((certificate, good, junk), "KUBERNAUT_CLIENT_KEY"),
        ((None, good, other), "KUBERNAUT_CLIENT_KEY"),
        ((None, good, good), "KUBERNAUT_CLIENT_KEY"),
    ]
    for paths, at_fault in cases:
        for name, path in zip(names, paths, strict=True):
            monkeypatch.setenv(name, str(path or ""))
        for client in CLIENTS:
            message = refused(partial(client, "https://ds.example"))
            assert message.startswith(f"{at_fault} can't be loaded: ")
            assert [name for name in names if name in message] == [at_fault]
    monkeypatch.setenv("KUBERNAUT_CLIENT_KEY", str(key))
    for client in CLIENTS:
        assert client("https://ds.example")


@pytest.mark.parametrize("variable", ["KUBERNAUT_CA_FILE", "KUBERNAUT_CLIENT_CERT"])
def test_tls_files_that_cannot_be_loaded(variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("SECRET")
    for path in (junk, tmp_path / "missing.pem", tmp_path):
        monkeypatch.setenv(variable, str(path))
        for client in CLIENTS:
            assert variable in refused(partial(client, "https://ds.example"))


def test_a_key_without_a_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBERNAUT_CLIENT_KEY", str(tmp_path / "key.pem"))
    assert "KUBERNAUT_CLIENT_CERT" in refused(lambda: DataStorageClient("https://ds.example"))


def test_a_context_of_the_callers_own_takes_the_place_of_the_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBERNAUT_CA_FILE", str(tmp_path / "missing.pem"))
    context = ssl.create_default_context()
    for client in CLIENTS:
        assert client("https://ds.example", tls=context)


# Loopback and proxies ------------------------------------------------------------------------------------------------

LOOPBACK = [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "ds.localhost",
    "127.0.0.1",
    "127.0.0.1.",
    "127.255.255.254",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "[::ffff:127.0.0.1]",
    "::ffff:7f00:1",
    "0.0.0.0",
    "::",
]
ELSEWHERE = [
    "",
    "ds.example",
    "localhost.example",
    "notlocalhost",
    "127.0.0.1.example",
    "128.0.0.1",
    "126.255.255.255",
    "10.0.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "::2",
    "[2001:db8::1]",
    "::ffff:10.0.0.1",
    "fe80::1",
    "1",
    "127",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_what_is_loopback(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_loopback(host)
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    bracketed = f"[{host.strip('[]')}]" if ":" in host else host
    assert proxy_for(f"http://{bracketed}:8080/x") is None
    assert proxy_for(f"https://{bracketed}") is None


@pytest.mark.parametrize("host", ELSEWHERE)
def test_what_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@given(host=st.text(max_size=30))
def test_is_loopback_never_raises(host: str) -> None:
    assert isinstance(is_loopback(host), bool)


PROXIES: list[tuple[dict[str, str], str, str | None]] = [
    ({}, "http://ds.example", None),
    ({"http_proxy": "http://p:1"}, "http://ds.example", "http://p:1"),
    ({"http_proxy": "http://p:1"}, "https://ds.example", None),
    ({"https_proxy": "http://p:1"}, "https://ds.example", "http://p:1"),
    ({"HTTPS_PROXY": "http://p:1"}, "https://ds.example", "http://p:1"),
    ({"ALL_PROXY": "http://p:1"}, "http://ds.example", "http://p:1"),
    ({"ALL_PROXY": "http://p:1", "http_proxy": "http://p:2"}, "http://ds.example", "http://p:2"),
    ({"ALL_PROXY": "http://p:1", "http_proxy": ""}, "http://ds.example", "http://p:1"),
    ({"http_proxy": "p:1"}, "http://ds.example", "http://p:1"),
    ({"http_proxy": " http://p:1 "}, "http://ds.example", "http://p:1"),
    ({"http_proxy": "http://u:p@p:1"}, "http://ds.example", "http://u:p@p:1"),
    ({"http_proxy": "https://p"}, "http://ds.example", "https://p"),
    ({"http_proxy": "http://[2001:db8::1]:1"}, "http://ds.example", "http://[2001:db8::1]:1"),
    ({"http_proxy": ""}, "http://ds.example", None),
    # Lower case goes first, also where it says that there is none.
    ({"http_proxy": "http://p:1", "HTTP_PROXY": "http://p:2"}, "http://ds.example", "http://p:1"),
    ({"http_proxy": "", "HTTP_PROXY": "http://p:2"}, "http://ds.example", None),
    ({"all_proxy": "", "ALL_PROXY": "http://p:2"}, "http://ds.example", None),
    ({"no_proxy": "", "NO_PROXY": "ds.example", "http_proxy": "http://p:1"}, "http://ds.example", "http://p:1"),
    ({"no_proxy": "ds.example", "NO_PROXY": "", "http_proxy": "http://p:1"}, "http://ds.example", None),
    # https://httpoxy.org
    ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http://ds.example", None),
    ({"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, "http://ds.example", "http://p:1"),
    ({"HTTPS_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "https://ds.example", "http://p:1"),
]


@pytest.mark.parametrize(("environment", "url", "proxy"), PROXIES, ids=range(len(PROXIES)))
def test_proxies(environment: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


# What goes without a proxy, as https://curl.se/docs/manpage.html (NO_PROXY), Go's httpproxy and requests have it.
WITHOUT: list[tuple[str, str]] = [
    ("ds.example", "http://ds.example"),
    ("ds.example", "http://ds.example:8080"),
    ("ds.example", "https://a.b.ds.example"),
    ("DS.Example", "http://ds.example"),
    ("ds.example", "http://DS.EXAMPLE"),
    ("ds.example.", "http://ds.example"),
    ("ds.example", "http://ds.example."),
    (".example", "http://ds.example:8080"),
    (".example.", "http://ds.example."),
    (".ds.example", "http://a.ds.example"),
    ("*.example", "http://ds.example"),
    ("*.svc.cluster.local", "http://data-storage.kubernaut.svc.cluster.local:8080"),
    (".svc,.cluster.local", "http://data-storage.kubernaut.svc.cluster.local:8080"),
    ("svc", "http://data-storage.kubernaut.svc"),
    ("*", "http://ds.example"),
    ("*", "http://10.0.0.1"),
    (" * ", "http://ds.example"),
    ("other.example,*", "http://ds.example"),
    ("ds.example:8080", "http://ds.example:8080"),
    ("ds.example:80", "http://ds.example"),
    ("ds.example:443", "https://ds.example"),
    (".example:8080", "http://ds.example:8080"),
    ("other.example,ds.example", "http://ds.example"),
    ("other.example, ds.example", "http://ds.example"),
    ("other.example ds.example", "http://ds.example"),
    (",, \tds.example ,", "http://ds.example"),
    ("data_storage", "http://data_storage:8080"),
    ("bücher.example", "http://xn--bcher-kva.example"),
    ("xn--bcher-kva.example", "http://xn--bcher-kva.example"),
    ("10.0.0.1", "http://10.0.0.1:8080"),
    ("10.0.0.1", "http://10.0.0.1."),
    ("10.0.0.1:8080", "http://10.0.0.1:8080"),
    ("10.0.0.1", "http://[::ffff:10.0.0.1]"),
    ("10.96.0.0/12", "http://10.96.0.1:8080"),
    ("10.96.0.0/12", "http://10.111.255.255"),
    ("10.96.0.1/12", "http://10.111.0.1"),
    ("10.96.0.0/12", "http://10.96.1"),
    ("10.96.0.0/12:8080", "http://10.96.0.1:8080"),
    ("10.0.0.1/32", "http://10.0.0.1"),
    ("0.0.0.0/0", "http://192.0.2.1"),
    ("nonsense/99,10.96.0.0/99,10.0.0.0/8", "http://10.96.0.1"),
    ("2001:db8::1", "http://[2001:db8::1]:8080"),
    ("2001:db8::1", "http://[2001:0DB8:0:0::1]"),
    ("[2001:db8::1]", "http://[2001:db8::1]"),
    ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
    ("2001:db8::/32", "http://[2001:db8:1::5]"),
    ("fd00::/8", "https://[fd12:3456::1]:8443"),
]
WITH: list[tuple[str, str]] = [
    ("", "http://ds.example"),
    (" ,", "http://ds.example"),
    ("other.example", "http://ds.example"),
    ("s.example", "http://ds.example"),
    ("example.ds", "http://ds.example"),
    ("a.ds.example", "http://ds.example"),
    ("ds", "http://ds.example"),
    (".", "http://ds.example"),
    ("*.", "http://ds.example"),
    ("d*.example", "http://ds.example"),
    ("ds.example:8081", "http://ds.example:8080"),
    ("ds.example:" + "8" * 5000, "http://ds.example:8080"),
    (":8080", "http://ds.example:8080"),
    ("ds.example:80", "https://ds.example"),
    ("http://ds.example", "http://ds.example"),
    ("10.0.0.2", "http://10.0.0.1"),
    ("0.0.1", "http://10.0.0.1"),
    (".0.0.1", "http://10.0.0.1"),
    ("10.0.0.1:8081", "http://10.0.0.1:8080"),
    ("10.96.0.0/12", "http://10.112.0.1"),
    ("10.96.0.0/12", "http://10.96.0.1.example"),
    ("10.96.0.0/12", "http://[2001:db8::1]"),
    ("10.96.0.0/12:8081", "http://10.96.0.1:8080"),
    ("2001:db8::2", "http://[2001:db8::1]"),
    ("2001:db8::/32", "http://[2001:db9::1]"),
    ("2001:db8::/32", "http://10.0.0.1"),
    ("ds.example", "http://10.0.0.1"),
    ("\udcff.example,\xfc" + "x" * 70, "http://ds.example"),
]


@pytest.mark.parametrize("spelling", ["no_proxy", "NO_PROXY"])
def test_what_goes_without_a_proxy(spelling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    for listed, url in WITHOUT:
        monkeypatch.setenv(spelling, listed)
        assert (listed, url, proxy_for(base_url(url))) == (listed, url, None)
    for listed, url in WITH:
        monkeypatch.setenv(spelling, listed)
        assert (listed, url, proxy_for(base_url(url))) == (listed, url, "http://proxy.example:3128")


@given(
    listed=st.text(max_size=60).filter(lambda text: "\0" not in text),
    host=st.sampled_from(["a.b", "10.0.0.1", "[fe80::1]"]),
)
def test_any_list_of_what_goes_without_is_read(listed: str, host: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", "http://proxy.example:3128")
        patch.setitem(os.environ, "no_proxy", listed.encode("utf-8", "replace").decode())
        assert proxy_for(f"http://{host}:80") in (None, "http://proxy.example:3128")


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("proxy", "cure"),
    [
        ("http://user:SECRET@[::1", "http://host:port"),
        ("gopher://SECRET", "http://host:port"),
        ("SECRET://x", "http://host:port"),
        ("http://user:SECRET@proxy:x", "http://host:port"),
        ("http://user:SECRET@proxy:0", "http://host:port"),
        ("http://user:SECRET@", "http://host:port"),
        ("http://user:SEC RET@proxy", "http://host:port"),
        ("http://user:SECRET@pro\nxy", "http://host:port"),
        ("user:SECRET@:3128", "http://host:port"),
        ("socks4://user:SECRET@proxy:1080", "socks5://host:port"),
        ("socks4a://user:SECRET@proxy:1080", "socks5://host:port"),
        ("socks5://user:SECRET@proxy:1080", 'pip install "httpx[socks]"'),
        ("socks5h://user:SECRET@proxy:1080", 'pip install "httpx[socks]"'),
    ],
)
def test_a_proxy_that_cannot_be_used(proxy: str, cure: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named, and what to do; not the value."""
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(variable, proxy)
    for client in CLIENTS:
        message = refused(partial(client, "http://ds.example"))
        assert message.startswith(f"{variable} ")
        assert cure in message
        assert client("http://localhost:8080")
    for client, kind in zip(CLIENTS, (httpx.Client, httpx.AsyncClient), strict=True):
        assert client("http://ds.example", http_client=kind(trust_env=False))
    monkeypatch.setenv("no_proxy", "ds.example")
    for client in CLIENTS:
        assert client("http://ds.example")


def test_a_socks_proxy_resolves_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", types.ModuleType("socksio"))
    sys.modules["socksio"].__spec__ = importlib.machinery.ModuleSpec("socksio", None)
    for scheme in ("socks5", "socks5h"):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://proxy.example:1080")
        assert proxy_for("https://ds.example") == "socks5://proxy.example:1080"


# Headers on the wire -------------------------------------------------------------------------------------------------

# Header names have no case (RFC 9110), so a name in another spelling replaces the one before it.
REPLACING: list[tuple[dict[str, str], dict[str, str], str, str]] = [
    ({}, {}, "accept", "application/json"),
    ({"accept": "text/x"}, {}, "accept", "text/x"),
    ({"ACCEPT-ENCODING": "identity"}, {}, "accept-encoding", "identity"),
    ({"user-agent": "mine/1"}, {}, "user-agent", "mine/1"),
    ({"X-Team": "a"}, {"x-team": "b"}, "x-team", "b"),
    ({"X-Team": "a"}, {}, "x-team", "a"),
    ({"authorization": "Basic a"}, {"Authorization": "Basic b"}, "authorization", "Basic b"),
    ({}, {"user-AGENT": "view/1"}, "user-agent", "view/1"),
]


@pytest.mark.parametrize(("of_client", "of_view", "name", "value"), REPLACING, ids=range(len(REPLACING)))
def test_a_header_is_sent_once_whatever_its_case(
    of_client: dict[str, str], of_view: dict[str, str], name: str, value: str
) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"status": "alive"})

    http_client = httpx.Client(transport=httpx.MockTransport(answer))
    made = DataStorageClient("http://ds.example", headers=of_client, http_client=http_client)
    assert made.with_options(headers=of_view).health.live().ok
    assert sent[0].headers.get_list(name) == [value]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("http://proxy:3128", "http://proxy:3128"),
        ("http://user:SECRET@proxy:3128", "http://***@proxy:3128"),
        ("user:SECRET@proxy", "***@proxy"),
        ("socks5://SECRET@proxy", "socks5://***@proxy"),
        ("http://user:SE@CRET@proxy", "http://***@proxy"),
        ("http://user:SE?CRET@proxy", "http://***@proxy"),
        ("http://user:SE#CRET@proxy", "http://***@proxy"),
        ("http://proxy:3128/?token=SECRET", "http://proxy:3128/"),
        ("http://proxy/?token=SECRET@x", "http://***@x"),
        ("http://proxy#SECRET", "http://proxy"),
    ],
)
def test_credentials_of_a_url_are_hidden(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
