"""Runs one file of this repository in an environment that holds the source tree and all extras."""

import os
import subprocess
import sys

from .environments import ROOT, clean_environment, running
from .interpreters import find, main_one
from .steps import Log


def main() -> None:
    program, arguments = sys.argv[1], sys.argv[2:]
    env = running(main_one(find()))
    log = Log(live=False)
    if not env.is_ready():
        print(f"Setting up {env.path.name}, once ...", file=sys.stderr, flush=True)
    try:
        env.prepare(log.run)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{log.text()}the set-up failed with exit code {error.returncode}")
    command = [str(env.python), str(ROOT / program), *arguments]
    variables = clean_environment()
    # Unlike a test, a program of this repository may import the modules beside it.
    del variables["PYTHONSAFEPATH"]
    os.execve(env.python, command, variables)  # noqa: S606 - it takes over this process and its signals


if __name__ == "__main__":
    main()
