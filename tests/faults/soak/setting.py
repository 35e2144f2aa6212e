"""What is set for one run of the soak, and how its simulated seconds become real ones."""

from dataclasses import dataclass, replace
from typing import Any

from kubernaut_client.spool.tuning import Clock, Tuning
from tests.writers import tuning


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Durations are simulated seconds, of which `scale` pass in a real one."""

    seed: int = 0
    minutes: float = 1.0
    scale: float = 20.0
    fence: float = 35.0
    witnesses: int = 3
    processes: int = 3
    kills: int = 8
    """How often `kill -9` hits one of the processes, beside those at the end."""
    thrown: int = 6
    """How many damaged spool files of dead processes are put into the directory."""
    timeout: float = 10.0
    """Of the writers' clients."""

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    def real(self, seconds: float) -> float:
        """So many simulated seconds in real ones."""
        return seconds / self.scale

    @property
    def slack(self) -> float:
        """Real seconds for which everything may stand still, before a request may be stored later than the fence.

        The latest that is scripted comes two fifths of the fence after the timeout.
        """
        return self.real(self.fence * 0.5)

    def tuning(self, clock: Clock, **changes: Any) -> Tuning:
        """For a writer."""
        found = tuning(self.scale, fence=self.real(self.fence), witnesses=self.witnesses, clock=clock)
        return replace(found, **changes)
