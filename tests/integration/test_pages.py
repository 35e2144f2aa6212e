"""The Python of the manual: every page runs and prints what it says, and every public method is used on one of them.

A page is one program: its blocks run in order, in one namespace, against an emulator of its own, in a directory of its
own. A comment `# > text` is a line that the block prints. A block that begins with the name of a file is such a file,
for pytest, and runs in `tests/plugin`.
"""

import contextlib
import inspect
import io
import logging
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

import kubernaut_client
from kubernaut_client import AsyncDataStorageClient, DataStorageClient, catalog, testing
from kubernaut_client import emulator as emulator_package
from kubernaut_client.emulator import Emulator

pytestmark = pytest.mark.emulator

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(?!# [\w/]+\.py\n)(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = {path.name: path.read_text("utf-8") for path in sorted(DOCS.glob("*.md"))}
RUN = sorted(name for name, text in PAGES.items() if BLOCK.search(text))

# Public by name, but not for callers: the emulator asks the first two about every request, a fork the others.
_NOT_FOR_CALLERS = {"Fault.matches", "Fault.happens"}

Patch = Callable[[object, str, Any], None]


def functions(holder: Any) -> Iterator[str]:
    """The names of the public functions of a class, inherited ones included, or of those that a module lists."""
    if not inspect.isclass(holder):
        yield from (name for name in holder.__all__ if inspect.isfunction(getattr(holder, name)))
        return
    for name in dir(holder):
        function = inspect.getattr_static(holder, name)
        if not name.startswith("_") and inspect.isfunction(function) and function.__module__.startswith("kubernaut_"):
            yield name


def holders() -> dict[str, Any]:
    """What has public functions, by name: modules, the classes that they list, and the resources of both clients."""
    modules = {"kubernaut_client": kubernaut_client, "catalog": catalog, "testing": testing}
    found: dict[str, Any] = {**modules, "emulator": emulator_package}
    for module in list(found.values()):
        found.update({name: value for name in module.__all__ if inspect.isclass(value := getattr(module, name))})
    for client in (DataStorageClient("http://localhost:1"), AsyncDataStorageClient("http://localhost:1")):
        kinds = {type(value) for value in vars(client).values() if type(value).__module__.startswith("kubernaut_")}
        found.update({kind.__name__: kind for kind in kinds if not kind.__name__.endswith("Options")})
    return found


HOLDERS = holders()
PUBLIC = sorted(f"{holder}.{name}" for holder, value in HOLDERS.items() for name in functions(value))


def note_calls(patch: Patch, called: set[str]) -> None:
    """From now on, note every public function that a page calls itself."""
    for holder, value in HOLDERS.items():
        for name in functions(value):
            patch(value, name, noted(getattr(value, name), f"{holder}.{name}", called))


def noted(function: Callable[..., Any], name: str, called: set[str]) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        if sys._getframe(1).f_code.co_filename in PAGES:
            called.add(name)
        return function(*arguments, **options)

    return call


def run(page: str) -> Iterator[tuple[list[str], list[str]]]:
    """Of every block of a page, the lines that it should print and those that it does."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for found in BLOCK.finditer(PAGES[page]):
        above = PAGES[page].count("\n", 0, found.start(1))
        program = compile("\n" * above + found[1], page, "exec", dont_inherit=True)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(program, namespace)  # noqa: S102 - our own text, which has to be run as it stands
        expected = re.findall(r"^# > (.*)$", found[1], re.MULTILINE)
        yield expected, [line.rstrip() for line in printed.getvalue().splitlines()]


@dataclass(frozen=True)
class Manual:
    """What came of running every page once: what each printed, or what ended it, and what they called."""

    pages: dict[str, list[tuple[list[str], list[str]]] | Exception]
    called: set[str]


@pytest.fixture(scope="module")
def manual(shared_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Manual:
    done = Manual({}, set())
    for page in RUN:
        shared_emulator.reset()
        with pytest.MonkeyPatch.context() as patch, unchanged_logging():
            patch.setenv("KUBERNAUT_DATASTORAGE_URL", shared_emulator.url)
            patch.chdir(tmp_path_factory.mktemp("page"))
            note_calls(patch.setattr, done.called)
            try:
                done.pages[page] = list(run(page))
            except Exception as error:  # noqa: BLE001 - raised in the test of the page
                done.pages[page] = error
    return done


@contextlib.contextmanager
def unchanged_logging() -> Iterator[None]:
    logger = logging.getLogger("kubernaut_client")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


@pytest.mark.parametrize("page", RUN)
def test_a_page_prints_what_it_says(manual: Manual, page: str) -> None:
    came = manual.pages[page]
    if isinstance(came, Exception):
        raise came
    for expected, printed in came:
        assert printed == expected


def test_every_public_function_is_used_on_a_page(manual: Manual) -> None:
    assert len(PUBLIC) > 70
    assert set(PUBLIC) - manual.called == _NOT_FOR_CALLERS
