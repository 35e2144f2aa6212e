"""The CPythons of this machine that the client supports; what is installed into them is left to `environments`."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST = (3, 11)

# Prints one JSON object; ssl is asked for because an interpreter built without it can reach no registry.
_PROBE = """
import json, sys, sysconfig
try:
    import ssl, venv
    lacks = None
except ImportError as error:
    lacks = error.name
print(json.dumps({
    "path": getattr(sys, "_base_executable", None) or sys.executable,
    "version": list(sys.version_info[:3]),
    "cpython": sys.implementation.name == "cpython",
    "final": sys.version_info.releaselevel == "final",
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "lacks": lacks,
}))
"""


@dataclass(frozen=True)
class Interpreter:
    path: str
    version: tuple[int, int, int]

    @property
    def minor(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"

    def __str__(self) -> str:
        return f"CPython {'.'.join(map(str, self.version))} ({self.path})"


def find() -> list[Interpreter]:
    """The newest patch of every supported minor version on the PATH and among pyenv's, oldest minor first.

    Pre-releases and free-threaded builds are left out: the dependencies publish no wheels for them.
    """
    newest: dict[str, Interpreter] = {}
    for candidate in dict.fromkeys(_candidates()):
        found = _probe(candidate)
        if found is not None and (found.minor not in newest or found.version > newest[found.minor].version):
            newest[found.minor] = found
    return sorted(newest.values(), key=lambda interpreter: interpreter.version)


def main_one(found: list[Interpreter]) -> Interpreter:
    """The one that lint, the build and the full suite run in: of the minor version that runs this script."""
    return next((one for one in found if one.version[:2] == sys.version_info[:2]), found[0])


def _candidates() -> Iterator[str]:
    yield getattr(sys, "_base_executable", None) or sys.executable
    for name in ("python3", *(f"python3.{minor}" for minor in range(OLDEST[1], 30))):
        for directory in os.get_exec_path():
            path = shutil.which(name, path=directory)
            if path is not None:
                yield path
    for root in (os.environ.get("PYENV_ROOT"), "~/.pyenv"):
        versions = Path(root or "").expanduser() / "versions"
        # Path.glob raises where another user's directory may not be read.
        if root and os.access(versions, os.R_OK | os.X_OK):
            yield from sorted(map(str, versions.glob("3.*/bin/python3")))


def _probe(path: str) -> Interpreter | None:
    try:
        done = subprocess.run(
            [path, "-I", "-c", _PROBE], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True
        )
        facts = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        # A pyenv shim without a version behind it, a broken build, a directory that may not be read.
        return None
    version = tuple(facts["version"])
    if version < OLDEST or not facts["cpython"] or not facts["final"] or facts["free_threaded"]:
        return None
    if facts["lacks"] is not None:
        print(f"leaving out {path}: it has no module {facts['lacks']}")
        return None
    return Interpreter(facts["path"], (version[0], version[1], version[2]))
