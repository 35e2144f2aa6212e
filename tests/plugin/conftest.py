"""Suites of other people's: written into a directory and run by a pytest of their own, with the plugin installed."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import pytest

PATIENCE = 100.0
# What the run around this one sets for itself, and what would decide which service is used.
_FOREIGN = re.compile(r"PYTEST_|COV_|KUBERNAUT_|DATA_STORAGE_URL$")


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its exit code, all that it printed, and for each test what became of it and why."""

    code: int
    output: str
    results: dict[str, tuple[str, str]]

    @property
    def counts(self) -> Counter[str]:
        return Counter(result for result, _ in self.results.values())

    def reason(self, test: str) -> str:
        return self.results[test][1]

    def passed(self, count: int) -> bool:
        """Whether so many tests passed, and none did anything else."""
        assert self.counts == {"passed": count}, self.output
        return self.code == 0


class Suite:
    """A test suite in a directory of its own; warnings are errors, as whoever uses the plugin may have it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.write("pytest.ini", "[pytest]\nfilterwarnings = error\n")

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    def run(self, *arguments: str, cwd: Path | None = None, **variables: str) -> Outcome:
        report = self.directory / "report.xml"
        report.unlink(missing_ok=True)
        # Each plugin that runs coroutines is asked for where it is tested.
        options = ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:asyncio", f"--junitxml={report}", "-ra"]
        done = self.execute([sys.executable, "-m", "pytest", *options, *arguments], cwd=cwd, **variables)
        return Outcome(done.returncode, done.stdout, _results(report))

    def execute(
        self, command: list[str], *, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run any command there; its stdout holds stderr, too."""
        kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
        return subprocess.run(
            command,
            cwd=cwd or self.directory,
            env={**kept, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


def _results(report: Path) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():  # noqa: S314 - our own file
        result, reason = "passed", ""
        for name in ("skipped", "failure", "error"):
            if (element := case.find(name)) is not None:
                result, reason = name, f"{element.get('message')}\n{element.text}"
        found[case.get("name", "")] = result, reason
    return found


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    names = [point.name for point in entry_points(group="pytest11")]
    assert "kubernaut_client" in names, "this environment was made before the plugin: install the tree again"
    return Suite(tmp_path)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else can get meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary directory that other users can reach, too, and short enough for the path of a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        Path(path).chmod(0o755)
        yield Path(path)
