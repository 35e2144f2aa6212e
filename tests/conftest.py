"""Fixtures and settings that every test shares; what only one kind of test needs stands in that directory's conftest.

Tests are imported by location (`--import-mode=importlib`), so that nothing of the source tree gets onto `sys.path` and
an installed wheel can be tested from here. A helper module is imported by its full name: `tests.unit.helpers`.
"""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutine tests run on asyncio, the one event loop that the client supports."""
    return "asyncio"
