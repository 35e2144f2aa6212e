"""An SQLite that is older than what any CPython of today comes with.

UBI 9 has SQLite 3.34. Neither PyPI nor Debian has one so old by itself, but the wheels of pyproj hold the library, as a
file that any CPython which isn't linked statically loads in the place of the system's.
"""

import os
import platform
import zipfile
from pathlib import Path

from .environments import Environment, pip_command
from .steps import Failed, Log

VERSION = "3.32.3"
_WHEEL = "pyproj==3.0.1"
# CPython's module asks for two functions that this SQLite lacks and that nothing here calls.
_LAZY = """\
import os, sys
flags = sys.getdlopenflags()
sys.setdlopenflags(os.RTLD_LAZY)
import sqlite3
sys.setdlopenflags(flags)
"""


def variables(env: Environment, place: Path, log: Log) -> dict[str, str]:
    """The variables with which that environment's Python has this SQLite; `place` is an empty directory."""
    wanted = ["--no-deps", "--only-binary", ":all:", "--implementation", "cp", "--python-version", "39"]
    target = ["--platform", f"manylinux2014_{platform.machine()}", "--dest", str(place)]
    log.run(*pip_command(env.python), "download", "--quiet", *wanted, *target, _WHEEL)
    with zipfile.ZipFile(next(place.glob("*.whl"))) as wheel:
        wheel.extractall(place, [name for name in wheel.namelist() if name.startswith("pyproj.libs/")])
    libraries = place / "pyproj.libs"
    (libraries / "libsqlite3.so.0").symlink_to(next(libraries.glob("libsqlite3-*")).name)
    (place / "sitecustomize.py").write_text(_LAZY, "utf-8")
    path = os.pathsep.join(filter(None, [str(libraries), os.environ.get("LD_LIBRARY_PATH")]))
    found = {"LD_LIBRARY_PATH": path, "PYTHONPATH": str(place)}
    has = log.run(str(env.python), "-c", "import sqlite3; print(sqlite3.sqlite_version)", env=found).strip()
    if has != VERSION:
        raise Failed(f"SQLite {has} can't be replaced in {env.interpreter}, which may be linked with it statically")
    return found
