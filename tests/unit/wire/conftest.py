"""Fixtures of the tests on the wire: a driver of each colour, scripted servers, and a clean environment."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
import trustme

from tests.unit.wire.driver import Driver
from tests.unit.wire.server import Script, WireServer


class Serve(Protocol):
    """Starts a scripted server that ends with the test."""

    def __call__(
        self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", receive_buffer: int = 0
    ) -> WireServer: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        start: Callable[..., WireServer] = WireServer

        def run(
            script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", receive_buffer: int = 0
        ) -> WireServer:
            return stack.enter_context(start(script, tls=tls, host=host, receive_buffer=receive_buffer))

        yield run


@pytest.fixture(params=["sync", "async"])
def driver(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Driver]:
    """A driver of each colour. It depends on `serve`, so that clients are closed before their servers."""
    made = Driver(request.param)
    try:
        yield made
    finally:
        made.close()


class Certificates:
    """An authority of the test's own, with its certificate in a file, and certificates that it issues."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = directory / "authority.pem"
        self._ca = trustme.CA()
        self._ca.cert_pem.write_to_path(str(self.authority))

    def server(self, *, asks_for_client: bool = False, host: str = "127.0.0.1") -> ssl.SSLContext:
        """The context of a server that this authority vouches for, and that may ask for a client's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(host).configure_cert(context)
        if asks_for_client:
            self._ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, name: str) -> tuple[Path, Path]:
        """The files of a client's certificate and key."""
        issued = self._ca.issue_cert(f"{name}@test.invalid")
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        return certificate, key

    def trusting(self) -> ssl.SSLContext:
        """A client's context that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.authority))


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)
