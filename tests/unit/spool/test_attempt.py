"""What an attempt writes down before its first byte leaves, and that it always comes back with a result."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client.spool.attempt import Attempts
from kubernaut_client.spool.batch import Batch
from kubernaut_client.spool.spoolfile import Locks, SpoolFile
from kubernaut_client.spool.tuning import Tuning
from kubernaut_client.spool.verdict import Verdict
from tests.damage import body
from tests.unit.spool.driven import Service, StillClock, failed, lost, page

TIME = "2026-01-31T12:00:00.000001Z"


class Setup:
    def __init__(self, path: Path) -> None:
        self.clock = StillClock()
        self.tuning = Tuning(clock=self.clock)
        self.service = Service(self.clock)
        self.attempts = Attempts(self.service, self.tuning)
        path.touch(0o600)
        self.file = SpoolFile(path, Locks(), "ours")
        self.file.append(1, TIME, False, body(1, TIME))
        self.batch = Batch(self.file, [1], "2026-01")

    def send(self, answer: Callable[[list[int]], None]) -> Any:
        self.service.answer = answer
        return self.attempts.send(self.batch, self.file.rows([1]))


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    found = Setup(tmp_path / "0123456789ab.spool")
    yield found
    found.file.close()


def fail(error: Exception) -> Callable[[list[int]], None]:
    def answer(_: list[int]) -> None:
        raise error

    return answer


def test_the_row_says_until_when_it_may_arrive(setup: Setup) -> None:
    """An attempt's longest time and the window of late commits after it, for the process that comes after `kill -9`."""
    seen: list[float] = []
    setup.send(lambda _: seen.extend(each.until for each in setup.file.sent()))
    assert seen == [setup.clock.now + 30 + 35]


def test_an_answer_is_final_for_its_own_attempt_alone(setup: Setup) -> None:
    setup.send(fail(failed()))
    assert setup.batch.final
    result = setup.send(fail(lost()))
    assert result.judged.verdict is Verdict.LOST and not setup.batch.final
    assert setup.batch.until == setup.clock.now + 35


def test_how_many_copies_there_were_is_asked_anew(setup: Setup) -> None:
    setup.send(fail(page(503)))
    assert setup.batch.baseline == 0
    setup.service.stored.append(1)
    setup.send(fail(lost()))
    assert setup.batch.baseline == 1


def test_without_that_nothing_is_sent(setup: Setup) -> None:
    setup.service.readable = lambda _: fail(page(404))([])
    result = setup.send(lambda _: None)
    assert result.judged.verdict is Verdict.UNSENT and setup.service.sent == [] and setup.file.sent() == []


@pytest.mark.parametrize("how", ["send", "look"])
def test_an_error_of_our_own_comes_back_as_a_fault(setup: Setup, how: str) -> None:
    error = KeyError("x")
    setup.service.readable = lambda _: fail(error)([])
    result = getattr(setup.attempts, how)(setup.batch, setup.file.rows([1]))
    assert result.fault is error and result.seen is None


def test_why_it_could_not_be_looked_for_is_known(setup: Setup) -> None:
    error = page(502)
    setup.service.readable = lambda _: fail(error)([])
    result = setup.attempts.look(setup.batch, setup.file.rows([1]))
    assert result.trouble is error and result.seen is None and result.fault is None
