"""Emulators for the integration tests, one for each build and session, empty at the start of every test; clients."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.colours import COLOURS, QUICK, Colour, opened


@pytest.fixture(scope="session")
def shared_emulator() -> Iterator[Emulator]:
    """The build of 2025-12-30; whoever takes this one resets it."""
    with Emulator(build="2025-12-30") as emulator:
        yield emulator


@pytest.fixture(scope="session")
def shared_unfixed_emulator() -> Iterator[Emulator]:
    """The build of 2025-12-27, where a duplicate is a 500."""
    with Emulator(build="2025-12-27") as emulator:
        yield emulator


@pytest.fixture(scope="session")
def shared_early_emulator() -> Iterator[Emulator]:
    """The build of 2025-12-12, whose list shows only the latest version of each name."""
    with Emulator(build="2025-12-12") as emulator:
        yield emulator


@pytest.fixture
def emulator(shared_emulator: Emulator) -> Emulator:
    """The build of 2025-12-30: no rows, no faults, an empty log."""
    shared_emulator.reset()
    return shared_emulator


@pytest.fixture
def unfixed_emulator(shared_unfixed_emulator: Emulator) -> Emulator:
    """The build of 2025-12-27: no rows, no faults, an empty log."""
    shared_unfixed_emulator.reset()
    return shared_unfixed_emulator


@pytest.fixture
def early_emulator(shared_early_emulator: Emulator) -> Emulator:
    """The build of 2025-12-12: no rows, no faults, an empty log."""
    shared_early_emulator.reset()
    return shared_early_emulator


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> Colour:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def client(emulator: Emulator, colour: Colour) -> Iterator[Any]:
    """A client of the fixed build that doesn't wait between attempts."""
    with opened(colour, emulator.url, retry=QUICK) as client:
        yield client


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary directory that other users can reach, too, and short enough for the path of a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        Path(path).chmod(0o755)
        yield Path(path)
