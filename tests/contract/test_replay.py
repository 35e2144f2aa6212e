"""The emulator against recordings of the real service: in good health, and with its database stopped."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.contract.recorded import replay

pytestmark = pytest.mark.emulator

RECORDED = Path(replay.__file__).parent
# What the emulator serves so far.
SERVED = ("create", "get", "list", "versions", "update", "disable", "method", "trailing", "health")


def scenarios(file: str, served: tuple[str, ...]) -> list[Any]:
    """The scenarios of a file whose id starts with one of these words, as parameters of a test."""
    lines = (RECORDED / file).read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [pytest.param(scenario, id=scenario["id"]) for scenario in found if scenario["id"].startswith(served)]


HEALTHY = scenarios("exchanges.jsonl", SERVED)
DATABASE_STOPPED = scenarios("broken-database.jsonl", (*SERVED, "ready", "live"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Emulator() as emulator:
        yield emulator.url


@pytest.fixture(scope="module")
def url_without_database() -> Iterator[str]:
    with Emulator() as emulator, emulator.database_down():
        yield emulator.url


def agreement(url: str, scenario: dict[str, Any]) -> list[tuple[int, str]]:
    """The level that each step reaches, 0 to 3, and the first difference."""
    return [replay.compare(step["answer"], answer) for step, answer in replay.run(url, scenario)]


def test_enough_scenarios() -> None:
    assert len(HEALTHY) == 77
    assert len(DATABASE_STOPPED) == 10


@pytest.mark.parametrize("scenario", HEALTHY)
def test_healthy(url: str, scenario: dict[str, Any]) -> None:
    assert agreement(url, scenario) == [(3, "")] * len(scenario["steps"])


@pytest.mark.parametrize("scenario", DATABASE_STOPPED)
def test_database_stopped(url_without_database: str, scenario: dict[str, Any]) -> None:
    assert agreement(url_without_database, scenario) == [(3, "")] * len(scenario["steps"])
