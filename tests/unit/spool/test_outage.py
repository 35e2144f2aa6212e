"""When nothing can be delivered: the pauses, and who is told of it."""

from kubernaut_client import RetryPolicy
from kubernaut_client.errors import error_for
from kubernaut_client.problems import parse
from kubernaut_client.spool.outage import Outage
from kubernaut_client.spool.tuning import Tuning

TUNING = Tuning(pause=RetryPolicy(wait_initial=0.1, wait_max=5.0, jitter=0))


class Told(list[tuple[str, str, int]]):
    def __call__(self, kind: str, message: str, count: int) -> None:
        self.append((kind, message, count))


def test_at_first_nothing_is_waited_for() -> None:
    outage = Outage(TUNING, Told())
    assert (outage.since, outage.until, outage.failures) == (None, 0.0, 0)
    assert not outage.over(1.0)


def test_pauses_grow_and_are_capped() -> None:
    outage = Outage(TUNING, Told())
    pauses: list[float] = []
    for _ in range(9):
        outage.failed(100.0, "x", 1)
        pauses.append(round(outage.until - 100.0, 3))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_it_is_told_once_and_once_that_it_is_over() -> None:
    told = Told()
    outage = Outage(TUNING, told)
    for number in range(10):
        outage.failed(float(number), "connection refused", 7 + number)
    assert outage.since == 0.0
    outage.over(3600.0)
    outage.over(3601.0)
    assert [(kind, count) for kind, _, count in told] == [("away", 8), ("back", 0)]
    assert "connection refused" in told[0][1] and "after 3600.0 s" in told[1][1]
    assert outage.since is None and outage.until == 0.0 and outage.failures == 0


def test_one_failure_is_nothing_to_tell_of() -> None:
    told = Told()
    outage = Outage(TUNING, told)
    outage.failed(0.0, "dropped", 1)
    assert outage.since == 0.0 and outage.until > 0
    outage.over(0.2)
    assert not told


def test_the_service_may_ask_for_a_longer_pause() -> None:
    outage = Outage(TUNING, Told())
    error = error_for(parse(429, b"{}"), write=True, headers={"retry-after": "30"})
    outage.failed(100.0, "429", 1, error)
    assert outage.until == 130.0
