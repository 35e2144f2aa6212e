"""What the environment says: proxies, tokens, certificates; and that a loopback address is never sent to a proxy."""

import os
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from kubernaut_client import (
    AsyncDataStorageClient,
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    DataStorageClient,
    Outcome,
    RetryPolicy,
    ServiceUnavailableError,
)
from tests.unit.wire.conftest import Certificates, Serve
from tests.unit.wire.driver import Driver
from tests.unit.wire.server import Connection, Received, WireServer, answer, closed_port, keep_alive, once
from tests.unit.wire.test_generated_answers import shown

# Announced, or the next call might pick the connection before it sees that the server has closed it.
EMPTY = answer(200, b'{"versions": null}', "application/json", "Connection: close")
PATH = "/api/v1/workflows/by-name/x/versions"


def empty(_: Received) -> bytes:
    return EMPTY


def proxies(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, value)


def constructors() -> tuple[Callable[..., Any], ...]:
    return DataStorageClient, AsyncDataStorageClient


# Proxies -------------------------------------------------------------------------------------------------------------

DEAD = "http://127.0.0.1:{closed}"
UNUSABLE = {
    "unknown scheme": "gopher://127.0.0.1:1",
    "open bracket": "http://[::1",
    "port of letters": "http://127.0.0.1:port",
    "colons": "::::",
}


@pytest.mark.parametrize("value", [DEAD, *UNUSABLE.values(), "socks5://127.0.0.1:{closed}"])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.1", "localhost", "LOCALHOST", "0.0.0.0"])
def test_proxy_is_never_used_for_loopback(
    host: str, value: str, driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies(monkeypatch, value.format(closed=closed_port()))
    server = serve(keep_alive(empty), host="0.0.0.0")
    client = driver.client(f"http://{host}:{server.port}", timeout=5)
    assert driver.run(lambda: client.workflows.versions("x")) == []
    assert server.requests[0].target == PATH


@pytest.mark.parametrize("host", ["[::1]", "[0:0:0:0:0:0:0:1]", "localhost"])
def test_proxy_is_never_used_for_loopback_of_ipv6(
    host: str, driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies(monkeypatch, DEAD.format(closed=closed_port()))
    server = serve(keep_alive(empty), host="127.0.0.1" if host == "localhost" else "::1")
    client = driver.client(f"http://{host}:{server.port}", timeout=5)
    assert driver.run(lambda: client.workflows.versions("x")) == []


def test_proxy_is_never_used_for_loopback_over_tls(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    proxies(monkeypatch, DEAD.format(closed=closed_port()))
    server = serve(keep_alive(empty), tls=certificates.server())
    client = driver.client(server.url, tls=certificates.trusting(), timeout=5)
    assert driver.run(lambda: client.workflows.versions("x")) == []


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_proxy_is_used_for_another_host(
    name: str, scheme: str, driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(keep_alive(empty))
    monkeypatch.setenv(name, f"{scheme}127.0.0.1:{proxy.port}")
    client = driver.client("http://data-storage.test:8080", token="t0ken", timeout=5)
    assert driver.run(lambda: client.workflows.versions("x")) == []
    (received,) = proxy.requests
    assert received.target == f"http://data-storage.test:8080{PATH}"
    assert received.headers["host"] == "data-storage.test:8080"
    assert received.headers["authorization"] == "Bearer t0ken"


def test_credentials_of_a_proxy(driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(keep_alive(empty))
    monkeypatch.setenv("HTTP_PROXY", f"http://user:pa55w0rd@127.0.0.1:{proxy.port}")
    client = driver.client("http://data-storage.test:8080", timeout=5)
    assert driver.run(lambda: client.workflows.versions("x")) == []
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpwYTU1dzByZA=="
    monkeypatch.setenv("HTTP_PROXY", f"http://user:pa55w0rd@127.0.0.1:{closed_port()}")
    error = driver.failed_create(driver.client("http://data-storage.test:8080", timeout=5))
    assert type(error) is ConnectError
    assert error.outcome is Outcome.NOT_SENT
    assert "through the proxy that HTTP_PROXY names" in str(error)
    for text in shown(error):
        assert "pa55w0rd" not in text
        assert "dXNlcjpwYTU1dzByZA" not in text


@pytest.mark.parametrize(
    "no_proxy", ["data-storage.test", ".test", "*", "other, data-storage.test:8080", "data-storage.test,other"]
)
def test_no_proxy(no_proxy: str, driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """What NO_PROXY names isn't asked of the proxy; the name itself has no address here, so no connection is made."""
    proxy = serve(keep_alive(empty))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    error = driver.failed_create(driver.client("http://data-storage.test:8080", timeout=2))
    assert error.outcome is Outcome.NOT_SENT
    assert proxy.accepted == 0


@pytest.mark.parametrize("no_proxy", ["other.test", "test.data-storage", "storage.test"])
def test_no_proxy_for_another_name(
    no_proxy: str, driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(keep_alive(empty))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    client = driver.client("http://data-storage.test:8080", timeout=5)
    assert driver.run(lambda: client.workflows.versions("x")) == []
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("no_proxy", ["240.0.0.0/12", "240.0.0.1", "240.0.0.1:8080"])
def test_no_proxy_for_the_services_of_a_cluster(
    no_proxy: str, driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy must not get the token. Nothing can be reached at 240.0.0.0/4, which is reserved (RFC 1112)."""
    proxy = serve(keep_alive(empty))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    client = driver.client("http://240.0.0.1:8080", token="t0ken", timeout=0.3)
    driver.failed_create(client)
    assert proxy.accepted == 0
    monkeypatch.setenv("NO_PROXY", "240.16.0.0/12")
    ask(driver, driver.client("http://240.0.0.1:8080", token="t0ken", timeout=5))
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("port", ["", ":8080"])
def test_ipv6_literal_through_a_proxy(port: str, driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(keep_alive(empty))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    ask(driver, driver.client(f"http://[2001:db8::1]{port}", timeout=5))
    (received,) = proxy.requests
    assert received.target in (f"http://[2001:db8::1]{port}{PATH}", f"http://[2001:db8::1]{port or ':80'}{PATH}")
    assert received.headers["host"] == f"[2001:db8::1]{port}"


def test_ipv6_literal_through_a_tunnel(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    """Its certificate has it without brackets."""
    context = certificates.server(host="2001:db8::1")

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with context.wrap_socket(connection.sock, server_side=True) as secure:
            inner = Connection(connection.server, secure, connection.number)
            while inner.request() is not None:
                inner.send(EMPTY)

    proxy = serve(script)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    ask(driver, driver.client("https://[2001:db8::1]", tls=certificates.trusting(), timeout=5))
    connect, inner = proxy.requests
    assert (connect.method, connect.target) == ("CONNECT", "[2001:db8::1]:443")
    assert inner.headers["host"] == "[2001:db8::1]"


def test_proxy_that_refuses_a_tunnel(driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy gets the host and nothing of the request, so nothing was sent."""
    proxy = serve(keep_alive(lambda _: answer("502 Bad Gateway", b"", "")))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    error = driver.failed_create(driver.client("https://data-storage.test", token="t0ken", timeout=5))
    assert type(error) is ConnectError
    assert error.outcome is Outcome.NOT_SENT
    (received,) = proxy.requests
    assert (received.method, received.target) == ("CONNECT", "data-storage.test:443")
    assert "authorization" not in received.headers


@pytest.mark.parametrize("how", ["stalls", "drops"])
def test_proxy_without_an_answer_to_a_tunnel(
    how: str, driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking for a tunnel sends nothing of the request either."""

    def script(connection: Connection) -> None:
        connection.request()
        if how == "stalls":
            connection.stall()

    monkeypatch.setenv("HTTPS_PROXY", serve(script).url)
    error = driver.failed_create(driver.client("https://data-storage.test", timeout=0.3))
    assert error.outcome is Outcome.NOT_SENT
    assert "through the proxy that HTTPS_PROXY names" in str(error)


def test_request_through_a_tunnel(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    """A CONNECT, then TLS with the service itself, over one connection to the proxy."""
    context = certificates.server(host="data-storage.test")

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with context.wrap_socket(connection.sock, server_side=True) as secure:
            inner = Connection(connection.server, secure, connection.number)
            while inner.request() is not None:
                inner.send(EMPTY)

    proxy = serve(script)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    client = driver.client("https://data-storage.test", tls=certificates.trusting(), token="t0ken", timeout=5)
    assert driver.run(lambda: client.workflows.versions("x")) == []
    assert [received.method for received in proxy.requests] == ["CONNECT", "GET"]
    assert proxy.requests[1].headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("make", constructors())
@pytest.mark.parametrize("name", [*UNUSABLE, "socks without its package"])
def test_proxy_that_cannot_be_used(name: str, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a proxy is needed and can't be used, the client says so when it is made, not at its first call."""
    monkeypatch.setitem(sys.modules, "socksio", None)
    proxies(monkeypatch, UNUSABLE.get(name, "socks5://127.0.0.1:1080"))
    with pytest.raises(ConfigurationError, match="proxy"):
        make("http://data-storage.test:8080")


@pytest.mark.parametrize("make", constructors())
def test_proxy_of_the_environment_does_not_concern_a_given_client(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    given = httpx.Client(trust_env=False) if make is DataStorageClient else httpx.AsyncClient(trust_env=False)
    proxies(monkeypatch, UNUSABLE["unknown scheme"])
    client = make("http://data-storage.test:8080", http_client=given)
    assert client.base_url == "http://data-storage.test:8080"


# Tokens --------------------------------------------------------------------------------------------------------------


def sent(server: WireServer) -> list[str | None]:
    return [received.headers.get("authorization") for received in server.requests]


def ask(driver: Driver, client: Any) -> None:
    assert driver.run(lambda: client.workflows.versions("x")) == []


def test_where_a_token_comes_from(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = serve(keep_alive(empty))
    ask(driver, driver.client(server.url))
    (tmp_path / "token").write_text("from-file\n")
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(tmp_path / "token"))
    ask(driver, driver.client(server.url))
    monkeypatch.setenv("KUBERNAUT_TOKEN", "from-variable")
    ask(driver, driver.client(server.url))
    ask(driver, driver.client(server.url, token="given"))
    ask(driver, driver.client(server.url, token=lambda: "called"))
    assert sent(server) == [None, "Bearer from-file", "Bearer from-variable", "Bearer given", "Bearer called"]


def test_token_file_is_read_again_when_replaced(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = serve(keep_alive(empty))
    path = tmp_path / "token"
    path.write_text("first")
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(path))
    client = driver.client(server.url)
    ask(driver, client)
    ask(driver, client)
    (tmp_path / "new").write_text("other")
    (tmp_path / "new").replace(path)
    ask(driver, client)
    assert sent(server) == ["Bearer first", "Bearer first", "Bearer other"]


def test_token_file_as_kubernetes_projects_it(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """token -> ..data/token, ..data -> a directory with a time in its name; a rename swaps ..data."""
    server = serve(keep_alive(empty))

    def project(token: str, directory: str) -> None:
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "token").write_text(token)
        (tmp_path / "..data_tmp").symlink_to(directory)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    project("token-one", "..2025_12_30_10_00_00.1")
    (tmp_path / "token").symlink_to("..data/token")
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(tmp_path / "token"))
    client = driver.client(server.url)
    ask(driver, client)
    for number, token in enumerate(("token-two", "token-3"), 2):
        project(token, f"..2025_12_30_10_00_00.{number}")
        ask(driver, client)
    assert sent(server) == ["Bearer token-one", "Bearer token-two", "Bearer token-3"]


def test_token_file_that_goes_and_comes_back(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = serve(keep_alive(empty))
    path = tmp_path / "token"
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(path))
    with pytest.raises(ConfigurationError, match="KUBERNAUT_TOKEN_FILE"):
        driver.client(server.url)
    path.write_text("first")
    client = driver.client(server.url)
    path.unlink()
    error = driver.failed_create(client)
    assert type(error) is ConnectError
    assert error.outcome is Outcome.NOT_SENT
    assert server.accepted == 0
    path.write_text("again")
    ask(driver, client)
    path.write_text("")
    assert type(driver.failed_create(client)) is ConnectError
    path.write_text("third")
    ask(driver, client)
    assert sent(server) == ["Bearer again", "Bearer third"]


def test_token_file_that_is_no_text(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is in it isn't shown, neither by the error nor by what caused it."""
    path = tmp_path / "token"
    path.write_bytes(b"s3cr3t\xff")
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(path))
    with pytest.raises(ConfigurationError, match="KUBERNAUT_TOKEN_FILE") as caught:
        driver.client("http://127.0.0.1:1")
    assert not any("s3cr3t" in text for text in shown(caught.value))


def test_token_is_asked_for_before_every_attempt(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: answer(503, b"", "")))
    tokens = iter(["one", "two", "three"])
    retry = RetryPolicy(attempts=3, wait_initial=0, jitter=0)
    client = driver.client(server.url, token=lambda: next(tokens), retry=retry)
    error = driver.error(lambda: client.workflows.versions("x"))
    assert type(error) is ServiceUnavailableError
    assert sent(server) == ["Bearer one", "Bearer two", "Bearer three"]


def test_async_token(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(empty))

    async def token() -> str:
        return "from-coroutine"

    client = driver.client(server.url, token=token)
    if driver.is_async:
        ask(driver, client)
        assert sent(server) == ["Bearer from-coroutine"]
    else:
        error = driver.failed_create(client)
        assert type(error) is ConfigurationError
        assert "AsyncDataStorageClient" in str(error)
        assert server.accepted == 0


def raising() -> str:
    raise RuntimeError("vault said s3cr3t is expired")


async def araising() -> str:
    raise RuntimeError("vault said s3cr3t is expired")


@pytest.mark.parametrize(
    "token",
    [
        raising,
        araising,
        lambda: "",
        lambda: "two words s3cr3t",
        lambda: "line\r\nX-Injected: s3cr3t",
        lambda: "s3cr3t\xe9",
        lambda: None,
        lambda: b"s3cr3t",
    ],
    ids=["raises", "raises later", "empty", "spaces", "line break", "not ASCII", "None", "bytes"],
)
def test_token_that_cannot_be_used(token: Any, driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(empty))
    retry = RetryPolicy(attempts=3, wait_initial=0, jitter=0)
    client = driver.client(server.url, token=token, retry=retry)
    error = driver.error(lambda: client.workflows.versions("x"))
    # An async callable is no passing failure of a sync client.
    assert type(error) is (ConfigurationError if token is araising and not driver.is_async else ConnectError)
    assert error.outcome is Outcome.NOT_SENT
    assert "s3cr3t" not in str(error) + repr(error)
    assert server.accepted == 0


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "\xe9", 5, b"bytes"])
@pytest.mark.parametrize("make", constructors())
def test_token_is_checked_when_the_client_is_made(make: Callable[..., Any], token: Any) -> None:
    with pytest.raises(ConfigurationError, match="token") as caught:
        make("http://127.0.0.1:1", token=token)
    assert "two words" not in str(caught.value)


def test_token_that_is_not_accepted(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: answer(401, b"Bearer s3cr3t-token is unknown", "text/plain")))
    client = driver.client(server.url, token="s3cr3t-token")
    error = driver.failed_create(client)
    assert type(error) is AuthenticationError
    assert error.outcome is Outcome.REFUSED
    assert not any("s3cr3t" in text for text in shown(error))
    assert "s3cr3t" not in repr(client) + repr(client._options)


# TLS -----------------------------------------------------------------------------------------------------------------


def test_authority_of_the_environment(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    server = serve(keep_alive(empty), tls=certificates.server())
    assert type(driver.failed_create(driver.client(server.url))) is ConnectError
    monkeypatch.setenv("KUBERNAUT_CA_FILE", str(certificates.authority))
    ask(driver, driver.client(server.url))


def test_context_of_the_callers_own(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, certificates: Certificates, tmp_path: Path
) -> None:
    """With it the files of the environment don't matter, not even broken ones."""
    monkeypatch.setenv("KUBERNAUT_CA_FILE", str(tmp_path / "missing"))
    server = serve(keep_alive(empty), tls=certificates.server())
    ask(driver, driver.client(server.url, tls=certificates.trusting()))


def test_certificate_for_another_host(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    monkeypatch.setenv("KUBERNAUT_CA_FILE", str(certificates.authority))
    server = serve(keep_alive(empty), tls=certificates.server(host="elsewhere.test"))
    error = driver.failed_create(driver.client(server.url))
    assert (type(error), error.outcome) == (ConnectError, Outcome.NOT_SENT)


def test_authority_is_read_again_when_replaced(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, certificates: Certificates, tmp_path: Path
) -> None:
    (tmp_path / "second").mkdir()
    second = Certificates(tmp_path / "second")
    monkeypatch.setenv("KUBERNAUT_CA_FILE", str(certificates.authority))
    first_server = serve(once(EMPTY), tls=certificates.server())
    second_server = serve(once(EMPTY), tls=second.server())
    client = driver.client(second_server.url)
    assert type(driver.failed_create(client)) is ConnectError
    second.authority.replace(certificates.authority)
    ask(driver, client)
    assert first_server.accepted == 0


class Seen:
    """A script that answers one request a connection, and notes whose certificate the client showed."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, connection: Connection) -> None:
        assert isinstance(connection.sock, ssl.SSLSocket)
        certificate = connection.sock.getpeercert()
        assert certificate is not None
        names = [str(value) for _, value in cast("list[tuple[str, str]]", certificate["subjectAltName"])]
        self.names.append(names[0].partition("@")[0])
        connection.request()
        connection.send(EMPTY)


def test_certificate_of_a_client(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    """It is read again when it was replaced; while only one of its files is new, the old one stays in use."""
    seen = Seen()
    server = serve(seen, tls=certificates.server(asks_for_client=True))
    certificate, key = certificates.client("first")
    monkeypatch.setenv("KUBERNAUT_CA_FILE", str(certificates.authority))
    monkeypatch.setenv("KUBERNAUT_CLIENT_CERT", str(certificate))
    monkeypatch.setenv("KUBERNAUT_CLIENT_KEY", str(key))
    client = driver.client(server.url)
    ask(driver, client)
    new_certificate, new_key = certificates.client("second")
    new_certificate.replace(certificate)
    ask(driver, client)
    new_key.replace(key)
    ask(driver, client)
    assert seen.names == ["first", "first", "second"]


def test_server_that_misses_a_certificate(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    """In TLS 1.3 the refusal comes after the client's side of the handshake, maybe after the request."""
    monkeypatch.setenv("KUBERNAUT_CA_FILE", str(certificates.authority))
    server = serve(once(EMPTY), tls=certificates.server(asks_for_client=True))
    error = driver.failed_create(driver.client(server.url))
    assert error.outcome in (Outcome.NOT_SENT, Outcome.UNKNOWN)
    assert server.requests == []


@pytest.mark.parametrize("make", constructors())
@pytest.mark.parametrize(
    "broken", ["authority missing", "authority no PEM", "key missing", "key alone", "key of another"]
)
def test_files_that_cannot_be_used(
    broken: str, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, certificates: Certificates, tmp_path: Path
) -> None:
    certificate, key = certificates.client("one")
    _, other = certificates.client("two")
    (tmp_path / "junk").write_text("no certificate")
    files = {
        "authority missing": {"KUBERNAUT_CA_FILE": tmp_path / "missing"},
        "authority no PEM": {"KUBERNAUT_CA_FILE": tmp_path / "junk"},
        "key missing": {"KUBERNAUT_CLIENT_CERT": certificate},
        "key alone": {"KUBERNAUT_CLIENT_KEY": key},
        "key of another": {"KUBERNAUT_CLIENT_CERT": certificate, "KUBERNAUT_CLIENT_KEY": other},
    }
    for name, path in files[broken].items():
        monkeypatch.setenv(name, os.fspath(path))
    with pytest.raises(ConfigurationError, match="KUBERNAUT_C"):
        make("https://127.0.0.1:1")
