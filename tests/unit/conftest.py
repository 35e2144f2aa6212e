"""What every unit test starts from."""

import pytest
from hypothesis import HealthCheck, settings

from tests.variables import PROXIES, SETTINGS

# How long an example takes is a matter of the machine and of what else runs there, so no test fails for it.
settings.register_profile(
    "any machine",
    settings(),
    deadline=None,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.too_slow],
)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable that a client reads is set, whatever the machine has."""
    for name in (*SETTINGS, *PROXIES):
        monkeypatch.delenv(name, raising=False)
