"""All that has to hold before a change is taken: lint, types, drift, the build and the tests.

Everything but the first two steps tests the built wheel, from environments in which the source tree can't be imported.
"""

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from . import old_sqlite
from .environments import ROOT, Environment, dependency_group, development, lowest_pins, pip_command
from .interpreters import Interpreter, find, main_one
from .steps import Failed, Log, Report, Step

_TESTS = ROOT / ".venv-test"
# What must go on working in the process that a user installs the client into.
_NEIGHBOURS = ("httpx<0.28", "urllib3<2", "tenacity~=9.1")
_CLOSING_LINE = re.compile(
    r"^(?:=+ )?(\d+ (?:passed|failed|skipped|error|deselected).* in [\d.]+s.*?)(?: =+)?$", re.MULTILINE
)
_WORKERS = str(min(os.cpu_count() or 1, 4))


def main() -> int:
    options, pytest_arguments = _arguments()
    if options.fresh:
        for directory in ROOT.glob(".venv*/"):
            shutil.rmtree(directory)
    found = find()
    main_interpreter = main_one(found)
    print(f"{main_interpreter} is the main interpreter")
    dev = development(main_interpreter)
    report = Report()
    closing: list[str] = []

    if not report.run(Step("set-up", lambda log: _prepare(dev, log))):
        pass
    elif pytest_arguments is not None:
        report.run(_pytest_step("tests", dev, pytest_arguments, closing))
    elif options.quick:
        report.run(*_static(dev), at_once=2)
        report.run(_pytest_step("tests", dev, ["-n", _WORKERS, "tests"], closing))
    else:
        with _alone():
            _everything(report, dev, main_interpreter, found, closing)

    report.show()
    for line in closing:
        print(line, flush=True)
    return 0 if report.passed else 1


def _arguments() -> tuple[argparse.Namespace, list[str] | None]:
    words = sys.argv[1:]
    pytest_arguments: list[str] | None = None
    if "--" in words:
        at = words.index("--")
        words, pytest_arguments = words[:at], words[at + 1 :]
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description="Makes the environments that it needs and runs all checks and tests: lint and types, drift of "
        "generated code, the build, the full suite, the unit and contract tests on every CPython from 3.11 on that is "
        "found, with the newest and the lowest dependencies, and the typing of the built wheel.",
        epilog="scripts/test -- ARGUMENT... runs pytest alone with these arguments, on the source tree.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="lint, types, drift and tests on one interpreter, no build"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="make all environments anew, with today's newest dependencies"
    )
    return parser.parse_args(words), pytest_arguments


def _everything(
    report: Report, dev: Environment, main_interpreter: Interpreter, found: list[Interpreter], closing: list[str]
) -> None:
    with tempfile.TemporaryDirectory(prefix="kubernaut-client-") as directory:
        built = Path(directory)
        report.run(*_static(dev), at_once=2)
        if not report.run(Step("build", lambda log: _build(dev, built, log))):
            report.leave_out([Step("tests of the wheel", lambda _: "")], "there is no wheel")
            return
        wheel = next(built.glob("*.whl"))
        full = _environment(wheel, main_interpreter, "newest")
        others = [
            *(
                _environment(wheel, interpreter, "newest")
                for interpreter in found
                if interpreter is not main_interpreter
            ),
            *(_environment(wheel, interpreter, "lowest", lowest_pins()) for interpreter in found),
        ]
        all_tests = ["-n", _WORKERS, "--durations=5", "tests"]
        report.run(_pytest_step(f"all tests, {_label(full)}", full, all_tests, closing, _is_installed))
        partial = ["--quiet", "--tb=short", "tests/unit", "tests/contract"]
        matrix = [
            _pytest_step(f"unit and contract tests, {_label(env)}", env, partial, [], _is_installed) for env in others
        ]
        beside = Environment(_TESTS / "beside", main_interpreter, wheel, _NEIGHBOURS)
        alone = [
            Environment(_TESTS / f"alone-{name}", main_interpreter, wheel, constraints=pins, extras="")
            for name, pins in (("newest", ()), ("lowest", tuple(lowest_pins())))
        ]
        report.run(
            Step("typing of the wheel", lambda log: _typing(dev, full, log)),
            *matrix,
            Step(f"installed beside {' '.join(_NEIGHBOURS)}", lambda log: _installs(beside, log)),
            Step("installed without extras", lambda log: _without_extras(full, alone, log)),
            Step(f"audit writer on SQLite {old_sqlite.VERSION}", lambda log: _on_old_sqlite(full, log)),
            at_once=2,
        )


@contextmanager
def _alone() -> Generator[None, None, None]:
    """A second run in the same clone waits, for both would install their wheels into the same environments."""
    with (ROOT / ".venv-test.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another scripts/test is running in this clone; waiting for its end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        _TESTS.mkdir(exist_ok=True)
        yield


def _environment(wheel: Path, interpreter: Interpreter, name: str, pins: list[str] | None = None) -> Environment:
    path = _TESTS / f"{interpreter.minor}-{name}"
    return Environment(path, interpreter, wheel, tuple(dependency_group("test")), tuple(pins or ()))


def _label(env: Environment) -> str:
    return f"CPython {env.interpreter.minor}, {env.path.name.rpartition('-')[2]} dependencies"


def _prepare(env: Environment, log: Log) -> str:
    env.prepare(log.run)
    return ""


def _static(dev: Environment) -> list[Step]:
    """What reads the source without running it."""

    def command(*words: str) -> Callable[[Log], str]:
        def action(log: Log) -> str:
            log.run(*words)
            return ""

        return action

    python = str(dev.python)

    def ruff(log: Log) -> str:
        log.run(python, "-m", "ruff", "check")
        log.run(python, "-m", "ruff", "format", "--check")
        return ""

    def mypy(log: Log) -> str:
        log.run(python, "-m", "mypy")
        log.run(python, "-m", "mypy", "scripts", "tests")
        # Programs there import one another as what stands beside them.
        log.run(python, "-m", "mypy", "examples", env={"MYPYPATH": "examples"})
        return ""

    return [
        Step("pyright, strict", command(python, "-m", "pyright", "--pythonpath", python)),
        Step("ruff", ruff),
        Step("mypy, strict", mypy),
        Step("drift of the generated client", command(dev.interpreter.path, "scripts/generate", "--check")),
        Step("drift of the sync twin", command(dev.interpreter.path, "scripts/unasync", "--check")),
    ]


def _build(dev: Environment, built: Path, log: Log) -> str:
    log.run(str(dev.python), "-m", "build", "--no-isolation", "--wheel", "--outdir", str(built), str(ROOT))
    return next(built.glob("*.whl")).name


def _pytest_step(
    name: str,
    env: Environment,
    arguments: list[str],
    closing: list[str],
    check: Callable[[Environment, Log], None] | None = None,
) -> Step:
    """Runs pytest and notes its closing line in the summary and, as it stands, in `closing`."""

    def action(log: Log) -> str:
        env.prepare(log.run)
        if check is not None:
            check(env, log)
        before = len(log.text())
        try:
            log.run(str(env.python), "-m", "pytest", *arguments)
            passed = True
        except subprocess.CalledProcessError:
            passed = False
        found = list(_CLOSING_LINE.finditer(log.text(), before))
        if found:
            closing.append(found[-1][0])
        note = found[-1][1] if found else "pytest came to no end"
        if not passed:
            raise Failed(note)
        return note

    return Step(name, action)


def _is_installed(env: Environment, log: Log) -> None:
    """The packages that tests import are the wheel's, and what they need is there."""
    for package in ("kubernaut_client", "kubernaut_datastorage"):
        place = log.run(str(env.python), "-c", f"import {package}; print({package}.__file__)").strip()
        if not Path(place).is_relative_to(env.path):
            raise Failed(f"the tests would import {place}, which is not the wheel")
    log.run(*pip_command(env.python), "check")


def _installs(env: Environment, log: Log) -> str:
    """The wheel installs beside other packages' requirements, and every public name loads."""
    env.prepare(log.run)
    _is_installed(env, log)
    log.run(str(env.python), "-c", "import kubernaut_client as k; print(len([getattr(k, name) for name in k.__all__]))")
    return ""


def _without_extras(full: Environment, environments: list[Environment], log: Log) -> str:
    """The core needs no extra: the audit writer delivers, and its command runs, with what the wheel alone brings."""
    for env in environments:
        env.prepare(log.run)
        log.run(*pip_command(env.python), "check")
        # The emulator is the other environment's.
        log.run(str(full.python), str(ROOT / "tests/packaging/alone.py"), str(env.python))
    return ", ".join(env.path.name.partition("-")[2] for env in environments)


def _on_old_sqlite(env: Environment, log: Log) -> str:
    """The audit writer keeps events with the SQLite of old platforms."""
    names = ("", "_files", "_processes", "_untrusted")
    tests = [ROOT / f"tests/integration/test_audit_writer{name}.py" for name in names]
    with tempfile.TemporaryDirectory(prefix="kubernaut-client-") as directory:
        variables = old_sqlite.variables(env, Path(directory), log)
        words = ["-n", _WORKERS, "--quiet", "--tb=short", str(ROOT / "tests/unit/spool"), *map(str, tests)]
        output = log.run(str(env.python), "-m", "pytest", *words, env=variables)
    return str(_CLOSING_LINE.findall(output)[-1])


def _typing(dev: Environment, full: Environment, log: Log) -> str:
    """Both packages' public types are complete, and the samples of right and wrong use are judged as they say."""
    # From an empty directory, for beside the source tree pyright would read that; and with the wheel's environment
    # first on the PATH, for --verifytypes takes no notice of --pythonpath.
    path = os.pathsep.join([str(full.python.parent), os.environ.get("PATH", os.defpath)])
    with tempfile.TemporaryDirectory(prefix="kubernaut-client-") as empty:
        for package in ("kubernaut_client", "kubernaut_datastorage"):
            command = [str(dev.python), "-m", "pyright", "--verifytypes", package, "--ignoreexternal"]
            output = log.run(*command, cwd=Path(empty), env={"PATH": path})
            if f'Package directory: "{full.path}' not in output:
                raise Failed(f"pyright verified another {package} than the wheel's")
    log.run(str(dev.python), str(ROOT / "tests/typing/check.py"), str(full.python))
    return ""


if __name__ == "__main__":
    sys.exit(main())
