"""The emulator against recordings of the real service: in good health, and broken in four ways."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.contract.recorded import replay

pytestmark = pytest.mark.emulator

RECORDED = Path(replay.__file__).parent


def recorded(file: str) -> list[dict[str, Any]]:
    """The scenarios of a file."""
    return [json.loads(line) for line in (RECORDED / file).read_text(encoding="utf-8").splitlines()]


def parameters(file: str) -> list[Any]:
    """The scenarios of a file, as parameters of a test."""
    return [pytest.param(scenario, id=scenario["id"]) for scenario in recorded(file)]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def without_database() -> Iterator[Emulator]:
    with Emulator() as emulator, emulator.database_down():
        yield emulator


@pytest.fixture(scope="module")
def without_database_and_redis() -> Iterator[Emulator]:
    with Emulator() as emulator, emulator.redis_down(), emulator.database_down():
        yield emulator


@pytest.fixture(scope="module")
def without_migration() -> Iterator[Emulator]:
    with Emulator() as emulator, emulator.migration_missing():
        yield emulator


@pytest.fixture(scope="module")
def without_partition() -> Iterator[Emulator]:
    with Emulator() as emulator, emulator.no_partition():
        yield emulator


def agreement(emulator: Emulator, scenario: dict[str, Any]) -> list[tuple[int, str]]:
    """The level that each step reaches, 0 to 3, and the first difference."""
    return [replay.compare(step["answer"], answer) for step, answer in replay.run(emulator.url, scenario)]


def full(scenario: dict[str, Any]) -> list[tuple[int, str]]:
    """The highest level at every step."""
    return [(3, "")] * len(scenario["steps"])


def test_enough_scenarios() -> None:
    broken = ("database", "database-and-redis", "migration-018", "partition")
    assert len(recorded("exchanges.jsonl")) == 162
    assert [len(recorded(f"broken-{name}.jsonl")) for name in broken] == [17] * 4


@pytest.mark.parametrize("scenario", parameters("exchanges.jsonl"))
def test_healthy(emulator: Emulator, scenario: dict[str, Any]) -> None:
    assert agreement(emulator, scenario) == full(scenario)


@pytest.mark.slow
def test_five_at_once(emulator: Emulator) -> None:
    scenarios = recorded("exchanges.jsonl")

    def replayed(_: int) -> list[list[tuple[int, str]]]:
        return [agreement(emulator, scenario) for scenario in scenarios]

    expected = [full(scenario) for scenario in scenarios]
    with ThreadPoolExecutor(5) as pool:
        assert all(found == expected for found in pool.map(replayed, range(5)))


@pytest.mark.parametrize("scenario", parameters("broken-database.jsonl"))
def test_database_stopped(without_database: Emulator, scenario: dict[str, Any]) -> None:
    assert agreement(without_database, scenario) == full(scenario)


@pytest.mark.parametrize("scenario", parameters("broken-database-and-redis.jsonl"))
def test_database_and_redis_stopped(without_database_and_redis: Emulator, scenario: dict[str, Any]) -> None:
    assert agreement(without_database_and_redis, scenario) == full(scenario)


@pytest.mark.parametrize("scenario", parameters("broken-migration-018.jsonl"))
def test_migration_missing(without_migration: Emulator, scenario: dict[str, Any]) -> None:
    assert agreement(without_migration, scenario) == full(scenario)


@pytest.mark.parametrize("scenario", parameters("broken-partition.jsonl"))
def test_partition_missing(without_partition: Emulator, scenario: dict[str, Any]) -> None:
    assert agreement(without_partition, scenario) == full(scenario)
