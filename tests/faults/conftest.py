"""Emulators and clients for the replayed incidents: both builds of the service, and both colours of the client."""

from collections.abc import Iterator
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.colours import QUICK, Colour, opened
from tests.faults.tools import Generated, generated
from tests.integration.conftest import (
    client,
    colour,
    emulator,
    shared_emulator,
    shared_unfixed_emulator,
    unfixed_emulator,
)

__all__ = ["client", "colour", "emulator", "shared_emulator", "shared_unfixed_emulator", "unfixed_emulator"]

BUILDS = {"fixed": "emulator", "unfixed": "unfixed_emulator"}


@pytest.fixture(params=BUILDS)
def build(request: pytest.FixtureRequest) -> Emulator:
    """Either build: only one of them tells a duplicate from a fault."""
    return request.getfixturevalue(BUILDS[request.param])  # type: ignore[no-any-return]


@pytest.fixture
def either(build: Emulator, colour: Colour) -> Iterator[Any]:
    """A client of the build of the test."""
    with opened(colour, build.url, retry=QUICK) as client:
        yield client


@pytest.fixture
def send(emulator: Emulator, colour: Colour) -> Iterator[Generated]:
    """The generated functions over a client of the fixed build."""
    with generated(colour, emulator.url, retry=QUICK) as send:
        yield send
