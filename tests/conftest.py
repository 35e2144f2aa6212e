"""Fixtures and settings that every test shares; what only one kind of test needs stands in that directory's conftest.

Tests are imported by location (`--import-mode=importlib`), so that nothing of the source tree gets onto `sys.path` and
an installed wheel can be tested from here. A helper module is imported by its full name: `tests.unit.helpers`.
"""

import signal

import pytest

# A shell starts what runs in its background with SIGINT ignored, and nohup with SIGHUP; so would be every process that
# a test sends them to.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutine tests run on asyncio, the one event loop that the client supports."""
    return "asyncio"
