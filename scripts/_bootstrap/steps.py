"""Steps of a command: run, shown, timed and summed up."""

import io
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .environments import ROOT, clean_environment

_SCREEN = threading.Lock()


class Log:
    """What a step prints: at once when it runs alone, in one piece at its end when it runs beside another."""

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._kept = io.StringIO()

    def write(self, text: str) -> None:
        self._kept.write(text)
        if self._live:
            print(text, end="", flush=True)

    def text(self) -> str:
        return self._kept.getvalue()

    def run(self, *command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
        """What the command printed, standard error included; `subprocess.CalledProcessError` when it fails."""
        self.write(f"$ {shlex.join(_short(word) for word in command)}\n")
        output = io.StringIO()
        with subprocess.Popen(
            command,
            cwd=cwd,
            env={**clean_environment(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                output.write(line)
                self.write(line)
        if process.returncode:
            self.write(f"exit code {process.returncode}\n")
            raise subprocess.CalledProcessError(process.returncode, command[0])
        return output.getvalue()


@dataclass(frozen=True)
class Step:
    """One thing to do. `action` gives back what the summary says of it, and fails by raising."""

    name: str
    action: Callable[[Log], str]


@dataclass(frozen=True)
class Result:
    name: str
    passed: bool
    seconds: float
    note: str


class Report:
    """The results so far, in the order in which the steps were given."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.results: list[Result] = []

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    def run(self, *steps: Step, at_once: int = 1) -> bool:
        """Runs the steps, `at_once` at a time. Whether all of them passed."""
        with ThreadPoolExecutor(at_once) as pool:
            results = list(pool.map(partial(_perform, live=at_once == 1), steps))
        self.results += results
        return all(result.passed for result in results)

    def leave_out(self, steps: Sequence[Step], reason: str) -> None:
        """Counts steps that can't be run as failed."""
        self.results += [Result(step.name, False, 0.0, f"not run: {reason}") for step in steps]

    def show(self) -> None:
        width = max(len(result.name) for result in self.results)
        print("\n== Summary")
        for result in self.results:
            verdict = "ok    " if result.passed else "FAILED"
            print(f"{verdict} {result.name:<{width}} {_clock(result.seconds):>7}  {result.note}".rstrip())
        failed = sum(not result.passed for result in self.results)
        total = _clock(time.monotonic() - self._started)
        print(f"{len(self.results) - failed} of {len(self.results)} steps passed in {total}", flush=True)


def _perform(step: Step, *, live: bool) -> Result:
    log = Log(live=live)
    log.write(f"\n== {step.name}\n")
    started = time.monotonic()
    try:
        note, passed = step.action(log), True
    except subprocess.CalledProcessError as error:
        note, passed = f"exit code {error.returncode} of {Path(str(error.cmd)).name}", False
    except Failed as error:
        log.write(f"{error}\n")
        note, passed = str(error).splitlines()[0], False
    seconds = time.monotonic() - started
    if not live:
        with _SCREEN:
            print(log.text(), end="", flush=True)
    return Result(step.name, passed, seconds, note)


class Failed(Exception):
    """A step found something wrong that no command's exit code tells."""


def _short(word: str) -> str:
    """Paths below the repository as seen from its top, where nearly every command is run."""
    return word.replace(f"{ROOT}{os.sep}", "")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"
