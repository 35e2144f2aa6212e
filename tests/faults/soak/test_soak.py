"""A short soak: two simulated minutes with 20 `kill -9`, none lost and none doubled. `scripts/soak` runs longer ones.

That it would see a loss or a double is shown by writers that can't do without one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.faults.soak.count import Count
from tests.faults.soak.nursery import Nursery
from tests.faults.soak.schedule import BATCH, Requests, draw
from tests.faults.soak.setting import Setting
from tests.faults.soak.soak import Soak

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

KILLS = 20
NEVER_STORED = Requests(at=0, lasts=1000, operation=BATCH, how={"drop": "before"}, most=3)
STORED_LATE = Requests(at=0, lasts=1000, operation=BATCH, how={"hold": 30}, most=3)
"""In simulated seconds: 20 s after the client's timeout, and 15 s before the fence."""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


def test_none_lost_and_none_doubled(emulator: Emulator, nursery: Nursery, tmp_path: Path) -> None:
    setting = Setting(seed=20251218, minutes=2, scale=12, kills=KILLS)

    def soaked(attempts: int) -> Count:
        place = tmp_path / str(attempts)
        place.mkdir()
        found = Soak(emulator, nursery, setting, place).run(draw(setting))
        # Its fence is a tenth of the real one, and a machine that stands still for so long breaks it.
        return found if found.stalled < setting.slack or attempts == 1 else soaked(attempts - 1)

    found = soaked(3)
    assert not found.bad, "\n".join([str(found), *found.troubles])
    assert found.kills >= KILLS
    assert found.thrown - found.altered <= found.salvaged + found.named and found.salvaged > 0 and found.named > 0
    assert found.stored > 0 and found.faulty > 0


def few(emulator: Emulator, nursery: Nursery, place: Path, fault: Requests, **changes: Any) -> Count:
    """One process that emits a little, while three requests meet a fault."""
    setting = Setting(minutes=0, scale=10, processes=1, **changes)
    found = Soak(emulator, nursery, setting, place, tame=True).run([fault], turns=10)
    assert found.faulty == 3 and found.emitted > 0 and not found.waiting
    return found


def test_without_witnesses_events_are_lost(emulator: Emulator, nursery: Nursery, tmp_path: Path) -> None:
    found = few(emulator, nursery, tmp_path, NEVER_STORED, witnesses=0)
    assert found.lost > 0 and found.doubled == 0


def test_without_a_fence_events_are_doubled(emulator: Emulator, nursery: Nursery, tmp_path: Path) -> None:
    found = few(emulator, nursery, tmp_path, STORED_LATE, fence=0)
    assert found.doubled > 0 and found.lost == 0


@pytest.mark.parametrize("fault", [NEVER_STORED, STORED_LATE], ids=["never stored", "stored late"])
def test_with_both_they_are_neither(emulator: Emulator, nursery: Nursery, tmp_path: Path, fault: Requests) -> None:
    found = few(emulator, nursery, tmp_path, fault)
    assert not found.bad, "\n".join([str(found), *found.troubles])
