"""What every unit test starts from."""

import pytest

from tests.variables import PROXIES, SETTINGS


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable that a client reads is set, whatever the machine has."""
    for name in (*SETTINGS, *PROXIES):
        monkeypatch.delenv(name, raising=False)
