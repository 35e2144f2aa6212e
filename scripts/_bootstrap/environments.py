"""Virtual environments below the repository: made once, reused while nothing they were made from has changed.

| Directory        | Holds                                                        | Made by                      |
|------------------|--------------------------------------------------------------|------------------------------|
| `.venv`          | the source tree, editable, all extras, test and lint tools   | `scripts/test`               |
| `.venv-run`      | the source tree, editable, all extras                        | `scripts/demo`, `scripts/bench` |
| `.venv-test/...` | the built wheel with one set of dependencies, and the tests' | `scripts/test`               |
| `.venv-pip`      | pip, which installs into all the others                      | all of them                  |

Which registry is asked, and with which certificates, is pip's own configuration and nothing here changes it.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .interpreters import Interpreter, find

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = "catalog,cli,emulator"

_PIP = "pip==26.3"
_PIP_HOME = ROOT / ".venv-pip"
_STAMP = "made-from.json"

# What a caller's shell may hold that would change what is installed or tested.
_FOREIGN = re.compile(
    r"PYTHON(PATH|HOME|STARTUP|WARNINGS|OPTIMIZE|SAFEPATH|PLATLIBDIR|USERBASE|NOUSERSITE)$|__PYVENV_LAUNCHER__$"
    r"|VIRTUAL_ENV|PIP_(USER|TARGET|PREFIX|PYTHON|REQUIRE_VIRTUALENV)$|PYRIGHT_PYTHON_|MYPYPATH$|KUBERNAUT_|DATA_STORAGE_URL$"
)

Run = Callable[..., str]
"""Runs a command and gives back what it printed: `steps.Log.run`."""


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would leak into an installation or a test."""
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    return {
        **kept,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        # pyright's wheel carries the checker and looks for newer releases only to warn of them.
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
        "PYRIGHT_PYTHON_CACHE_DIR": str(_PIP_HOME / "pyright"),
        # Neither the working directory nor a script's own gets onto sys.path, so what is tested is what is installed.
        "PYTHONSAFEPATH": "1",
        **extra,
    }


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def dependency_group(name: str) -> list[str]:
    group: list[str] = pyproject()["dependency-groups"][name]
    return group


def lowest_pins() -> list[str]:
    """Every `name>=bound` of the core and the extras as `name==bound`."""
    project = pyproject()["project"]
    bounds: list[str] = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        bounds += extra
    return sorted({re.sub(r"\[.*?\]", "", bound).replace(">=", "==") for bound in bounds})


@dataclass(frozen=True)
class Environment:
    """A virtual environment and everything that decides what is in it.

    `package` is what is installed of this repository: its root for an editable installation, a wheel for that wheel.
    `extras` are those of the package, as in `pip install package[extras]`; "" for none.
    A wheel that changes is put in place of the old one; anything else that changes makes the environment anew.
    """

    path: Path
    interpreter: Interpreter
    package: Path
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = field(default=())
    extras: str = EXTRAS

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    def is_ready(self) -> bool:
        """Whether `prepare` would find nothing to do."""
        return self._found() == self._wanted()

    def prepare(self, run: Run) -> None:
        with _locked(self.path):
            stamp = self.path / _STAMP
            wanted, found = self._wanted(), self._found()
            if found == wanted:
                return
            _bootstrap_pip(self.interpreter, run)
            pip = [*pip_command(self.python), "install", "--quiet"]
            if found is not None and {**found, "package": None} == {**wanted, "package": None}:
                stamp.unlink()
                run(*pip, "--no-deps", "--force-reinstall", str(self.package))
            else:
                if self.path.exists():
                    shutil.rmtree(self.path)
                run(self.interpreter.path, "-I", "-m", "venv", "--without-pip", str(self.path))
                editable = [] if self.package.suffix == ".whl" else ["--editable"]
                extras = f"[{self.extras}]" if self.extras else ""
                limits = self.path / "constraints.txt"
                limits.write_text("\n".join(self.constraints), "utf-8")
                run(*pip, "--constraint", str(limits), *editable, f"{self.package}{extras}", *self.requirements)
            stamp.write_text(json.dumps(wanted, indent=1), "utf-8")

    def _found(self) -> dict[str, Any] | None:
        stamp = self.path / _STAMP
        return json.loads(stamp.read_text("utf-8")) if stamp.exists() else None

    def _wanted(self) -> dict[str, Any]:
        settings = pyproject()
        wheel = self.package.suffix == ".whl"
        return {
            "root": str(ROOT),
            "interpreter": [self.interpreter.path, *self.interpreter.version],
            "package": hashlib.sha256(self.package.read_bytes()).hexdigest() if wheel else "editable",
            "project": [settings["build-system"], settings["project"], settings["tool"]["hatch"]],
            "requirements": [*self.requirements],
            "constraints": [*self.constraints],
            "extras": self.extras,
        }


def development(interpreter: Interpreter) -> Environment:
    """The source tree with all that lints, types, builds and tests it."""
    requirements = (*dependency_group("test"), *dependency_group("lint"))
    return Environment(ROOT / ".venv", interpreter, ROOT, requirements)


def running(interpreter: Interpreter) -> Environment:
    """The source tree with its extras and nothing else, for the demonstration and the benchmarks."""
    return Environment(ROOT / ".venv-run", interpreter, ROOT)


@contextmanager
def _locked(path: Path) -> Generator[None, None, None]:
    """One process at a time makes an environment; the kernel releases the lock of one that dies."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pip_command(python: Path) -> list[str]:
    """pip, working on the environment of that Python; one pip serves every interpreter."""
    return [str(_PIP_HOME / "bin" / "python"), "-I", "-m", "pip", "--python", str(python)]


def _bootstrap_pip(interpreter: Interpreter, run: Run) -> None:
    home = _PIP_HOME
    python = home / "bin" / "python"
    with _locked(home):
        stamp = home / _STAMP
        wanted = json.dumps([str(ROOT), _PIP])
        if stamp.exists() and stamp.read_text("utf-8") == wanted and os.access(python, os.X_OK):
            return
        if home.exists():
            shutil.rmtree(home)
        run(interpreter.path, "-I", "-m", "venv", "--without-pip", str(home))
        upgrade = [str(python), "-I", "-m", "pip", "install", "--quiet", "--upgrade", _PIP]
        if not any(_succeeds(run, way) and _succeeds(run, upgrade) for way in _ways_to_pip(python, run)):
            sys.exit(
                f"{interpreter} has neither ensurepip nor pip, and no other pip was found on this machine.\n"
                "Install one of the packages python3-venv, python3-pip or uv, or name another interpreter in PYTHON."
            )
        stamp.write_text(wanted, "utf-8")


def _ways_to_pip(python: Path, run: Run) -> Iterator[list[str]]:
    """Commands that put pip beside `python`, the likeliest first: distributions ship Python without its pip."""
    yield [str(python), "-I", "-m", "ensurepip"]
    for other in find():
        yield [other.path, "-m", "pip", "--python", str(python), "install", "--quiet", _PIP]
    if (uv := shutil.which("uv")) is not None:
        yield [uv, "pip", "install", "--quiet", "--python", str(python), _PIP]
    yield from _from_wheels(python, Path("/usr/share/python-wheels"))
    if shutil.which("apt-get") is not None and shutil.which("dpkg-deb") is not None:
        with tempfile.TemporaryDirectory() as directory:
            yield from _from_wheels(python, _debian_wheels(Path(directory), run))


def _debian_wheels(state: Path, run: Run) -> Path:
    """Debian's own copy of pip, downloaded and unpacked without being installed, and so without being root."""
    (state / "lists" / "partial").mkdir(parents=True)
    places = (f"Dir::State::Lists={state}/lists", f"Dir::Cache={state}", "APT::Sandbox::User=")
    apt = ["apt-get", "-qq", *(word for place in places for word in ("-o", place))]
    if _succeeds(run, [*apt, "update"]):
        _succeeds(run, ["/bin/sh", "-c", 'cd "$0" && "$@"', str(state), *apt, "download", "python3-pip-whl"])
    for package in state.glob("python3-pip-whl_*.deb"):
        _succeeds(run, ["dpkg-deb", "-x", str(package), str(state)])
    return state / "usr/share/python-wheels"


def _from_wheels(python: Path, directory: Path) -> Iterator[list[str]]:
    for wheel in sorted(directory.glob("pip-*.whl")):
        # A wheel of pure Python is a zip file that can be run from.
        yield [str(python), str(wheel / "pip"), "install", "--quiet", _PIP]


def _succeeds(run: Run, command: list[str]) -> bool:
    try:
        run(*command)
    except subprocess.CalledProcessError:
        return False
    return True
