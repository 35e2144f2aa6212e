"""The processes that emit, as the soak holds them: begun, killed, stopped and waited for.

They are forked by one process that has imported everything and holds nothing, so that a new one is there within
milliseconds. Each leads a process group, to which a child that it forks belongs, too. What they do is in `emitter`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_ROOT = Path(__file__).parents[3]
# Behind everything else, as what is tested may be an installed wheel.
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from tests.faults.soak.emitter import main; main()"


class Nursery:
    """A context manager; at its end all of them are killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, str(_ROOT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()

    def start(self, plan: Mapping[str, Any]) -> int:
        """Begin one with a plan, and return its process id."""
        pid: int = self._ask({"start": plan})
        return pid

    def ended(self, pid: int, seconds: float = 60.0) -> int | None:
        """Wait for the end of one, and return its exit code, negative for a signal; None if it goes on."""
        code: int | None = self._ask({"wait": pid, "seconds": seconds})
        return code

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to one that hasn't been waited for, and to what it forked."""
        os.killpg(pid, number)

    def _ask(self, question: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())
